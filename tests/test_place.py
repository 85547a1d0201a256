"""What a lead schema says of one place, wherever in the schema it says so."""

from __future__ import annotations

from typing import Any

import pytest

from target_leads.providers import LeadSchema, Place

ALL = {"array", "boolean", "integer", "null", "number", "object", "string"}
TEXT = {"type": "string"}
CITY = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string", "maxLength": 3}}}


def place_at(*path: str, **schema: Any) -> Place | None:
    """A place in a schema of these properties."""
    return LeadSchema({"type": "object", "properties": schema, "$defs": {"city": CITY, "text": TEXT}}).place(path)


@pytest.mark.parametrize(
    ("field", "types"),
    [
        ({}, ALL),
        (TEXT, {"string"}),
        ({"type": "number"}, {"number", "integer"}),
        ({"type": ["integer", "null"]}, {"integer", "null"}),
        ({"enum": ["a", 1, 1.5, None, True, [], {}]}, ALL),
        ({"enum": ["a", 1], "type": "string"}, {"string"}),
        ({"const": 1.0}, {"number", "integer"}),
        ({"$ref": "#/$defs/text"}, {"string"}),
        ({"anyOf": [{"$ref": "#/$defs/text"}, {"type": "null"}]}, {"string", "null"}),
        ({"oneOf": [TEXT, {"type": "integer"}], "allOf": [{"type": ["string", "boolean"]}]}, {"string"}),
        ({"anyOf": [TEXT, False]}, {"string"}),
        ({"anyOf": [TEXT, True]}, ALL),
    ],
)
def test_types(field: Any, types: set[str]) -> None:
    """Types are those that all rules together leave, through references and alternatives."""
    place = place_at("a", a=field)
    assert place is not None
    assert place.types == types


@pytest.mark.parametrize(
    ("field", "long_city_is_taken"),
    [
        (CITY, False),
        ({"$ref": "#/$defs/city"}, False),
        ({"anyOf": [{"$ref": "#/$defs/city"}, {"type": "null"}]}, False),
        ({"anyOf": [CITY, {"properties": {"city": {"minLength": 5}}}]}, True),
        ({"allOf": [CITY, {"properties": {"city": {"minLength": 2}}}]}, False),
        ({"additionalProperties": {"type": "string", "maxLength": 3}}, False),
    ],
)
def test_what_is_said_of_a_field_of_an_object(field: Any, *, long_city_is_taken: bool) -> None:
    """The rules of a nested field are found wherever they stand; of alternatives one is enough."""
    place = place_at("a", "city", a=field)
    assert place is not None
    assert place.takes("Bonn!") is long_city_is_taken
    assert place.takes("Ulm")


@pytest.mark.parametrize(
    "field",
    [
        {},
        {"properties": {"street": TEXT}},
        {"anyOf": [CITY, {"type": "object"}]},  # what does not describe the field takes anything in it
        {"patternProperties": {"^c": TEXT}, "additionalProperties": {"type": "integer"}},
        {"additionalProperties": False},
    ],
)
def test_nothing_is_said_where_a_value_may_be_fine(field: Any) -> None:
    """A rule that may not hold for the place is none of its rules, so that no value is blamed that would be taken."""
    assert place_at("a", "city", a=field) is None


def test_items() -> None:
    """Those of a list are one place; where they are told apart by position nothing is said."""
    place = place_at("a", a={"anyOf": [{"type": "array", "items": CITY}, {"type": "null"}]})
    assert place is not None
    assert place.items is not None
    assert (place.items.takes({"city": "Ulm"}), place.items.takes({"city": 1})) == (True, False)
    ordered = place_at("a", a={"type": "array", "prefixItems": [TEXT], "items": CITY})
    assert ordered is not None
    assert ordered.items is None


def test_what_else_is_said() -> None:
    """Formats, required fields, the only texts allowed, and whether each sign counts."""
    place = place_at("a", a={"allOf": [CITY], "anyOf": [{"format": "date"}, {"format": "date-time"}]})
    assert place is not None
    assert (place.formats, place.required, place.choices) == ({"date", "date-time"}, {"city"}, ())
    for field, is_code in ((TEXT, False), ({"pattern": "x"}, True), ({"allOf": [{"leadingZeros": True}]}, True)):
        code = place_at("a", a=field)
        assert code is not None
        assert code.is_code is is_code
    choice = place_at("a", a={"enum": ["x", 1, "y"]})
    assert choice is not None
    assert choice.choices == ("x", "y")


def test_keys_of_the_senders_choice_are_one_place() -> None:
    """What is said of them is found out once, however many they are; a field that the schema names is another place."""
    place = place_at("a", a={"properties": {"b": TEXT}, "additionalProperties": {"type": "integer"}})
    assert place is not None
    assert place.child("x") is place.child("y")
    assert [child and child.types for child in map(place.child, ("x", "b"))] == [{"integer"}, {"string"}]
    named_by_an_alternative = place_at("a", a={"anyOf": [{"$ref": "#/$defs/city"}, {"additionalProperties": TEXT}]})
    assert named_by_an_alternative is not None
    assert named_by_an_alternative.child("city") is not named_by_an_alternative.child("x")
