"""Compiled JSON Schemas: of lead updates, and of answers."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from referencing.exceptions import Unresolvable

from target_leads.providers.dialect import compiled, python_pattern
from target_leads.providers.validation import LeadSchema, Matcher

if TYPE_CHECKING:
    from target_leads.sandbox import Emulator

SECRET = "s3cret-value"
"""Planted, to see that it is never shown."""


def told(field_schema: Any, value: Any) -> list[str]:
    """What is said of an update whose field `a` has a schema and a value."""
    schema = LeadSchema({"type": "object", "properties": {"a": field_schema}})
    return [str(violation) for violation in schema.violations({"a": value})]


@pytest.mark.parametrize(
    "field_schema",
    [
        {"type": "integer"},
        {"type": ["object", "null"]},
        {"enum": ["open"]},
        {"const": "open"},
        {"pattern": "^x"},
        {"pattern": "^x", "examples": ["x1"]},
        *({"type": "string", "format": name} for name in ("email", "uuid", "date", "date-time")),
        {"minLength": 100},
        {"maxLength": 1},
        {"anyOf": [{"type": "null"}, {"format": "date"}]},
        {"oneOf": [{"type": "null"}, {"type": "integer"}]},
        {"allOf": [{"enum": [1]}]},
        {"not": {"type": "string"}},
        {"if": {"type": "string"}, "then": {"type": "integer"}},
        {"$ref": "#/$defs/none"},
        False,
    ],
)
def test_no_violation_shows_a_text(field_schema: Any) -> None:
    """Whichever rule a text breaks, alone or deep in an object, what is said of it does not hold it."""
    schema = {"type": "object", "$defs": {"none": {"type": "integer"}}}
    for properties, fields in (
        ({"a": field_schema}, {"a": SECRET}),
        ({"b": {"properties": {"a": {"items": field_schema}}}}, {"b": {"a": [SECRET]}}),
    ):
        violations = LeadSchema({**schema, "properties": properties}).violations(fields)
        assert violations
        assert SECRET not in repr(violations)


@pytest.mark.parametrize(
    ("field_schema", "value"),
    [
        ({"required": ["b"]}, {"c": SECRET}),
        ({"dependentRequired": {"c": ["b"]}}, {"c": SECRET}),
        ({"additionalProperties": False}, {"c": SECRET}),
        ({"unevaluatedProperties": False}, {"c": SECRET}),
        ({"additionalProperties": {"type": "integer"}}, {"c": SECRET}),
        ({"patternProperties": {"^c": {"type": "integer"}}}, {"c": SECRET}),
        ({"dependentSchemas": {"c": {"required": ["b"]}}}, {"c": SECRET}),
        ({"maxProperties": 0}, {"c": SECRET}),
        ({"minProperties": 2}, {"c": SECRET}),
        ({"type": "string"}, {"c": SECRET}),
        ({"enum": [{"c": 1}]}, {"c": SECRET}),
        ({"uniqueItems": True}, [SECRET, SECRET]),
        ({"maxItems": 0}, [SECRET]),
        ({"minItems": 2}, [SECRET]),
        ({"contains": {"type": "integer"}}, [SECRET]),
        ({"prefixItems": [{"type": "integer"}]}, [SECRET]),
        ({"anyOf": [{"required": ["b"]}, {"properties": {"c": {"const": 1}}}]}, {"c": SECRET}),
    ],
)
def test_no_violation_shows_what_stands_in_an_object_or_list(field_schema: Any, value: Any) -> None:
    """Rules of objects and lists are told without what stands in them."""
    violations = told(field_schema, value)
    assert violations
    assert SECRET not in "".join(violations)


def test_a_violation_has_the_path_of_its_place() -> None:
    """The path leads into objects and lists, so that a user finds the field."""
    schema = LeadSchema(
        {"properties": {"phone": {"properties": {"lines": {"items": {"properties": {"kind": {"enum": ["a", "b"]}}}}}}}}
    )
    (violation,) = schema.violations({"phone": {"lines": [{"kind": "a"}, {"kind": "c"}]}})
    assert (violation.path, violation.rule) == ("$.phone.lines[1].kind", "must be one of a, b")


def test_every_violation_is_told() -> None:
    """A record is mended once, so all that is wrong with it is told at once."""
    schema = LeadSchema(
        {"required": ["b", "c"], "properties": {"a": {"type": "string", "minLength": 2, "pattern": "x"}}}
    )
    assert len(schema.violations({"a": ""})) == 4
    assert schema.violations({"a": "xx", "b": 1, "c": 1}) == ()


@pytest.mark.parametrize(
    ("value", "is_integer", "is_number"),
    [
        (3, True, True),
        (3.0, True, True),
        (Decimal("3.0"), True, True),
        (Decimal("3E+400"), True, True),
        (3.5, False, True),
        (Decimal("3.5"), False, True),
        (True, False, False),
        ("3", False, False),
        (None, False, False),
        (math.nan, False, False),
        (math.inf, False, False),
        (-math.inf, False, False),
        (Decimal("NaN"), False, False),
        (Decimal("sNaN"), False, False),
        (Decimal("-Infinity"), False, False),
    ],
)
def test_numbers(value: object, *, is_integer: bool, is_number: bool) -> None:
    """Decimals are numbers, whole ones integers; neither truth values nor what JSON cannot say are any."""
    assert compiled({"type": "integer"}).is_valid(value) is is_integer
    assert compiled({"type": "number"}).is_valid(value) is is_number


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")])
def test_what_json_cannot_say_is_refused_where_any_value_may_stand(value: Any) -> None:
    """No request can carry such a number, so it is a violation also where the schema asks for nothing."""
    schema = LeadSchema({"type": "object"})
    for fields, path in (({"a": value}, "$.a"), ({"b": [{"c": value}]}, "$.b[0].c")):
        (violation,) = schema.violations(fields)
        assert str(violation) == f"{path} must be a number that JSON can say: neither NaN nor infinite"
    assert schema.violations({"a": [1, 1.5, Decimal("1.5"), None, "NaN", True]}) == ()


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"maximum": 0.3}, ["0.3", "0.29"], ["0.3000000000000000001"]),
        ({"minimum": 0.1}, ["0.1", "0.11"], ["0.0999999999999999999"]),
        ({"exclusiveMaximum": 0.3}, ["0.29"], ["0.3"]),
        ({"exclusiveMinimum": 0.1}, ["0.1000000000000000001"], ["0.1"]),
        ({"multipleOf": 0.01}, ["0.07", "19.99", "0", "-0.01", "1E+30"], ["0.071", "1E-999999", "1E+999999"]),
        ({"multipleOf": 5}, ["5", "1E+2", "0.0"], ["7", "5.5", "1E+999999"]),
        ({"maximum": 5}, ["5.0", "-1E+999999"], ["5.1", "1E+999999"]),
    ],
)
def test_decimals_are_compared_as_they_are_written(rule: dict[str, Any], good: list[str], bad: list[str]) -> None:
    """A bound with a fraction means its digits and not the double next to them, and no exponent is too large to ask."""
    schema = compiled(rule)
    assert [text for text in good if not schema.is_valid(Decimal(text))] == []
    assert [text for text in bad if schema.is_valid(Decimal(text))] == []


def test_doubles_are_compared_by_their_shortest_digits() -> None:
    """Stream maps make doubles: one that is written 0.3 is at most 0.3, and 0.07 a multiple of 0.01."""
    assert compiled({"maximum": 0.3, "minimum": 0.3}).is_valid(0.3)
    assert compiled({"multipleOf": 0.01}).is_valid(0.07)
    assert not compiled({"multipleOf": 0.01}).is_valid(0.075)
    assert compiled({"multipleOf": 5, "maximum": 5}).is_valid("text")


def test_nothing_is_fetched_from_the_network(emulator: Emulator, sandbox_url: str) -> None:
    """A reference to another host is an error, and no request: a lead schema must not call anybody."""
    schema = compiled({"$ref": f"{sandbox_url}/generic/v1/schema.json"})
    with pytest.raises(Unresolvable):
        schema.is_valid({})
    assert emulator.request_count == 0


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\d{3}$", ["123"], ["123\n", "12", "१२३", "1234"]),
        (r"^[\d-]+$", ["1-2"], ["1-2\n", "१"]),
        (r"^[$]$", ["$"], ["$\n", "a"]),
        (r"^\$[]]$|^a\\$", ["$]", "a\\"], ["$", "a\\\n"]),
        ("b", ["abc", "b\n"], ["ac"]),
        ("(?i)^ab$", ["AB"], ["AB\n"]),
    ],
)
def test_patterns_mean_what_they_mean_in_json_schema(pattern: str, good: list[str], bad: list[str]) -> None:
    """The dollar sign is the very end of the text and not the line break before it; a digit is one of ten."""
    schema = compiled({"pattern": pattern})
    assert [text for text in good if not schema.is_valid(text)] == []
    assert [text for text in bad if schema.is_valid(text)] == []
    assert schema.is_valid(5)


def test_a_pattern_without_those_signs_stays_as_it_is() -> None:
    """Only the two signs that Python reads otherwise are said in its words."""
    assert python_pattern(r"^[a-z]+\s\$(x|[^$])\\d") == r"^[a-z]+\s\$(x|[^$])\\d"


def test_matchers() -> None:
    """A matcher says whether a body keeps to its schema; true fits everything and false nothing."""
    matcher = Matcher({"type": "object", "required": ["id"]})
    assert matcher.matches({"id": 1})
    assert not matcher.matches({})
    assert not matcher.matches(json.loads("[1.5]", parse_float=Decimal))
    assert Matcher(schema=True).matches(None)
    assert not Matcher(schema=False).matches({})


@pytest.mark.parametrize(
    ("schema", "column", "path"),
    [
        ({"type": "object", "properties": {"a": {}}}, "x", ("x",)),
        ({"type": ["object", "null"], "additionalProperties": {"type": "string"}}, "x", ("x",)),
        ({"properties": {"a": {}}}, "x", None),
        ({"type": "object", "additionalProperties": False}, "x", None),
        ({"type": "object", "unevaluatedProperties": False}, "x", None),
        ({"allOf": [{"type": "object", "properties": {"a": {}}}], "unevaluatedProperties": False}, "a", ("a",)),
        ({"allOf": [{"type": "object", "properties": {"a": {}}}], "unevaluatedProperties": False}, "x", None),
        ({"properties": {"a": {"oneOf": [{"properties": {"b": {}}}, {"properties": {"c": {}}}]}}}, "a.c", ("a", "c")),
        ({"properties": {"a": {"$ref": "#"}}}, "a__a__a", ("a", "a", "a")),
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}}, "a__x", None),
        ({"properties": {"a": True, "a__b": {"properties": {"c": {}}}}}, "a__b__c", ("a__b", "c")),
        ({"properties": {"a": {"properties": {"b": {}}}}}, "a__", None),
        ({"properties": {"a": {"properties": {"b": {}}}}}, "__a", None),
        ({"properties": {"a": {"properties": {"b": {}}}}}, "", None),
    ],
)
def test_paths(schema: dict[str, Any], column: str, path: tuple[str, ...] | None) -> None:
    """A name is found where the schema has it, also by reference and among alternatives; only open objects take any."""
    assert LeadSchema(schema).path_of(column) == path


class _Counting(dict[str, Any]):
    """A schema that counts how often it is read."""

    reads = 0

    def get(self, key: str, default: Any = None) -> Any:
        """Count, then give what is there."""
        self.reads += 1
        return super().get(key, default)


def test_a_schema_is_read_once_for_all_columns() -> None:
    """A stream may have a hundred thousand of them: what the schema says of its objects is found out for the first."""
    inner = _Counting({"type": "object", "properties": {"b": {}}})
    schema = _Counting({"type": "object", "additionalProperties": False, "properties": {"a": inner}})
    paths = LeadSchema(schema)
    assert paths.path_of("a__x0") == ("a", "x0")
    reads = schema.reads, inner.reads
    assert [paths.path_of(f"a__x{number}") for number in range(1, 1000)] == [("a", f"x{n}") for n in range(1, 1000)]
    assert [paths.path_of(f"y{number}") for number in range(1000)] == [None] * 1000
    assert (schema.reads, inner.reads) == reads
    assert min(reads) > 0
