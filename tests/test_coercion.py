"""Values become what a provider takes, where no meaning can be lost; labels become what they stand for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.coercion import can_be_taken, conversion
from target_leads.providers import LeadSchema, Place, bundled

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
BOOLEAN = {"type": "boolean"}
DATE = {"type": "string", "format": "date"}
DATE_TIME = {"type": "string", "format": "date-time"}
CODE = {"type": "string", "leadingZeros": True}
SIN = {"type": "string", "pattern": "^[0-9]{9}$"}
OBJECT = {"type": "object", "properties": {"n": NUMBER, "t": TEXT, "list": {"type": "array", "items": INTEGER}}}
REFERRED = {"$ref": "#/$defs/number"}
EITHER = {"anyOf": [{"type": "null"}, {"allOf": [REFERRED, {"minimum": 1}]}]}


def place_of(field: Any) -> Place:
    """The place of a field with a schema."""
    schema = {"type": "object", "properties": {"a": field}, "$defs": {"number": NUMBER}}
    place = LeadSchema(schema).place(("a",))
    assert place is not None
    return place


def coerced(field: Any, value: Any, *, omits_nulls: bool = True) -> Any:
    """What is sent for a value to a field with a schema."""
    convert = conversion(place_of(field), coerces=True, omits_nulls=omits_nulls)
    assert convert is not None
    return convert(value)


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        # A number and its text
        (TEXT, 720, "720"),
        (TEXT, -7, "-7"),
        (TEXT, 12345678901234567890123, "12345678901234567890123"),
        (TEXT, Decimal("1.10"), "1.10"),
        (TEXT, Decimal("1E+2"), "100"),
        (TEXT, Decimal("1E-7"), "0.0000001"),
        (TEXT, 1.5, "1.5"),
        (NUMBER, "1.10", Decimal("1.10")),
        (NUMBER, "0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
        (NUMBER, "-0.5", Decimal("-0.5")),
        (NUMBER, "42", 42),
        (INTEGER, "42", 42),
        (INTEGER, "0", 0),
        (EITHER, "5", 5),
        ({"enum": ["1", "2"]}, 2, "2"),
        ({"enum": [1, 2]}, "2", 2),
        # Truth values
        (BOOLEAN, 0, False),
        (BOOLEAN, 1, True),
        (BOOLEAN, Decimal("1.0"), True),
        (BOOLEAN, "true", True),
        (BOOLEAN, "false", False),
        # Dates
        (DATE, "2026-01-02T00:00:00+00:00", "2026-01-02"),
        (DATE, "2026-01-02T00:00:00.000000+00:00", "2026-01-02"),
        (DATE, "2026-01-02T00:00:00Z", "2026-01-02"),
        (DATE, "2026-01-02T00:00:00", "2026-01-02"),
        (DATE, "2026-01-02 00:00:00+00", "2026-01-02"),
        (DATE_TIME, "2026-01-02", "2026-01-02T00:00:00Z"),
        # What a text holds as JSON
        (OBJECT, '{"n": 1.10, "t": "x"}', {"n": Decimal("1.10"), "t": "x"}),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '["a", "b"]', ["a", "b"]),
        # Inside of objects and lists
        (OBJECT, {"n": "1", "t": 2, "list": ["3", 4]}, {"n": 1, "t": "2", "list": [3, 4]}),
        (OBJECT, '{"n": "1", "list": ["3"]}', {"n": 1, "list": [3]}),
        ({"type": "array", "items": OBJECT}, [{"t": 1}, "x"], [{"t": "1"}, "x"]),
        ({"type": "object", "additionalProperties": TEXT}, {"any key": 1}, {"any key": "1"}),
        # An empty text where none can stand
        (NUMBER, "", None),
        (DATE, "", None),
        ({"enum": ["a"]}, "", None),
        (OBJECT, {"n": ""}, {"n": None}),
        ({"type": "string", "minLength": 1}, "", None),
    ],
)
def test_what_is_converted(field: Any, value: Any, sent: Any) -> None:
    """Each value becomes the one of the wanted type that means the same, digit for digit."""
    assert repr(coerced(field, value)) == repr(sent)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((NUMBER, text) for text in ("007", "+1", " 1", "1 ", "1e3", "1_000", "1,5", ".5", "5.", "-0", "NaN", "0x1")),
        *((NUMBER, text) for text in ("٣", "1" * 101, "Infinity", "one", "1\n")),
        (INTEGER, "1.5"),
        (INTEGER, Decimal("1.5")),
        (NUMBER, True),
        (TEXT, True),
        (TEXT, None),
        (TEXT, Decimal("NaN")),
        (TEXT, Decimal("1E+999999999")),
        (TEXT, float("inf")),
        (SIN, 146454286),
        (CODE, 2139),
        ({"type": ["integer", "null"], "pattern": "^0"}, "42"),
        ({**TEXT, "maxLength": 2}, 720),
        ({**TEXT, "format": "email"}, 5),
        (BOOLEAN, 2),
        *((BOOLEAN, text) for text in ("0", "1", "True", "yes", "t", " true")),
        (DATE, "2026-01-02T00:00:00+10:00"),  # in UTC it is the day before
        (DATE, "2026-01-02T00:00:01Z"),
        (DATE, "2026-01-02T24:00:00Z"),
        (DATE, "2026-02-30T00:00:00Z"),
        (DATE, "2026-01-02T00:00:00Z\n"),
        (DATE_TIME, "2026-01-02T00:00:00"),  # of which zone?
        (DATE_TIME, "2026-01-02 03:04:05"),
        (DATE_TIME, "2026-02-30"),
        (OBJECT, "[1]"),
        (OBJECT, '{"n": 1, "n": 2}'),
        (OBJECT, '{"n": NaN}'),
        (OBJECT, "{"),
        (OBJECT, "1"),
        ({"type": "array"}, "null"),
        ({"type": "array"}, "a,b"),
        ({"enum": ["01", "02"]}, 1),
    ],
)
def test_what_cannot_be_done_exactly_stays(field: Any, value: Any) -> None:
    """Such a value stays as it is, and the provider's schema says of it what it always did."""
    assert coerced(field, value) is value
    assert not place_of(field).takes(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (TEXT, "1"),
        (TEXT, ""),
        (TEXT, '{"a": 1}'),
        ({"type": ["string", "number"]}, "1"),
        ({"type": ["string", "number"]}, 1),
        ({"type": ["integer", "boolean"]}, 1),
        ({}, "1"),
        ({"anyOf": [{"format": "date"}, {"format": "date-time"}], **TEXT}, "2026-01-02T00:00:00Z"),
        (SIN, "046454286"),
        (NUMBER, Decimal("1.10")),
        (INTEGER, Decimal("3.0")),
    ],
)
def test_what_is_taken_is_never_touched(field: Any, value: Any) -> None:
    """A value that satisfies the schema is the very one that is sent."""
    assert coerced(field, value) is value


@pytest.mark.parametrize(
    ("field", "omits_nulls", "sent"),
    [
        (NUMBER, True, None),
        (NUMBER, False, ""),  # a null would be sent, and is not taken either
        ({"type": ["number", "null"]}, False, None),
        ({"type": ["string", "null"]}, False, ""),
    ],
)
def test_an_empty_text_becomes_null(field: Any, sent: Any, *, omits_nulls: bool) -> None:
    """It does where nulls are left out, or where the provider takes one; not where an empty text may stand."""
    assert coerced(field, "", omits_nulls=omits_nulls) == sent


def test_an_empty_text_in_a_list_stays() -> None:
    """The items of a list keep their places, so a null would be sent."""
    assert coerced({"type": "array", "items": NUMBER}, ["", "1"]) == ["", 1]


STAGE = {
    "enum": ["open", "won", "Lost", 7],
    "labels": {"New": "open", "Closed - Won": "won", "Seven": 7},
}


@pytest.mark.parametrize("coerces", [False, True])
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("New", "open"),
        ("new", "open"),
        ("CLOSED - WON", "won"),
        ("OPEN", "open"),
        ("lost", "Lost"),
        ("Seven", 7),
        ("open", "open"),
        ("Closed – Won", "Closed – Won"),  # noqa: RUF001 -- another dash is another label
        (" New", " New"),
        ("old", "old"),
        (7, 7),
        (None, None),
        (["New"], ["New"]),
    ],
)
def test_labels_stand_for_their_values(value: Any, sent: Any, *, coerces: bool) -> None:
    """A label is sent as what it stands for, with and without coercion; upper and lower case do not matter."""
    convert = conversion(place_of(STAGE), coerces=coerces, omits_nulls=True)
    assert convert is not None
    assert convert(value) == sent


def test_an_allowed_value_is_no_label() -> None:
    """Where a field takes a text as it is, that is what is sent, whatever else it is a label of."""
    convert = conversion(place_of({"anyOf": [STAGE, {"const": "New"}]}), coerces=True, omits_nulls=True)
    assert convert is not None
    assert (convert("New"), convert("new")) == ("New", "open")


def test_case_counts_where_values_differ_in_nothing_else() -> None:
    """Of two values that are told apart by their case alone neither is guessed."""
    convert = conversion(place_of({"enum": ["a", "A", "b"], "labels": {"Bee": "b"}}), coerces=False, omits_nulls=True)
    assert convert is not None
    assert [convert(text) for text in ("a", "A", "B", "bee")] == ["a", "A", "b", "b"]


def test_labels_are_found_however_deep() -> None:
    """In objects, lists and referred schemas; a field without any costs nothing unless types are coerced."""
    schema = LeadSchema(
        {
            "properties": {
                "list": {"type": "array", "items": {"properties": {"stage": {"$ref": "#/$defs/stage"}}}},
                "plain": {"type": "array", "items": TEXT},
            },
            "$defs": {"stage": STAGE},
        }
    )
    convert = conversion(schema.place(("list",)), coerces=False, omits_nulls=True)
    assert convert is not None
    assert convert([{"stage": "New", "x": "New"}, 1]) == [{"stage": "open", "x": "New"}, 1]
    assert conversion(schema.place(("plain",)), coerces=False, omits_nulls=True) is None
    assert conversion(schema.place(("none",)), coerces=True, omits_nulls=True) is None


def test_labels_of_powerchord() -> None:
    """Every label that its documentation has for a status is sent as the key."""
    convert = conversion(bundled()["powerchord"].lead_schema.place(("Status",)), coerces=False, omits_nulls=True)
    assert convert is not None
    labels = ["New", "Contact Attempted", "In Progress", "On Hold"]
    closed = ["Won", "Not Interested", "Bought Used", "Bought Other Brand"]
    keys = ["open", "contacted", "inProgress", "onHold"]
    closed_keys = ["closedWon", "closedNotInterested", "closedBoughtUsed", "closedBoughtOtherBrand"]
    assert [convert(label) for label in labels] == keys
    assert [convert(f"Closed — {label}") for label in closed] == closed_keys
    assert [convert(f"closed - {label}") for label in closed] == closed_keys
    assert [convert(key) for key in (*keys, *closed_keys)] == [*keys, *closed_keys]


FIELDS = st.sampled_from(
    [TEXT, NUMBER, INTEGER, BOOLEAN, DATE, DATE_TIME, SIN, CODE, OBJECT, EITHER, STAGE, {},
     {"type": ["string", "null"]}, {"type": ["number", "boolean"]}, {"type": "array", "items": NUMBER}]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=5),
    st.from_regex(r"-?[0-9]{0,4}(\.[0-9]{1,3})?", fullmatch=True),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.dates().map(lambda day: f"{day}T00:00:00+00:00"),
    st.sampled_from(["true", "false", "", "New", '{"n": "1"}', "[1]"]),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["n", "t", "list"]), inner, max_size=3),
    max_leaves=6,
)


def same_meaning(sent: Any, value: Any) -> bool:
    """Whether what is sent says the same as what came, by rules of their own that know nothing of schemas."""
    if isinstance(value, dict) and isinstance(sent, dict):
        return value.keys() == sent.keys() and all(same_meaning(sent[name], value[name]) for name in value)
    if isinstance(value, list) and isinstance(sent, list):
        return len(sent) == len(value) and all(map(same_meaning, sent, value))
    if isinstance(sent, (dict, list)):
        return isinstance(value, str) and same_meaning(sent, json.loads(value, parse_float=Decimal))
    if isinstance(sent, bool):
        return value is sent or value in (int(sent), json.dumps(sent))
    if isinstance(value, str) and isinstance(sent, (int, Decimal)):
        return format(sent, "f" if isinstance(sent, Decimal) else "d") == value
    if isinstance(value, (int, float, Decimal)) and isinstance(sent, str):
        return Decimal(sent) == (Decimal(repr(value)) if isinstance(value, float) else value)
    if isinstance(value, str) and isinstance(sent, str):
        midnights = {f"{sent}T00:00:00{zone}" for zone in ("Z", "+00:00")}
        return sent in {value, f"{value}T00:00:00Z"} or value in midnights
    return (sent is None and value == "") or (type(sent) is type(value) and repr(sent) == repr(value))


@given(field=FIELDS, value=VALUES, omits_nulls=st.booleans())
def test_no_meaning_is_lost(field: Any, value: Any, *, omits_nulls: bool) -> None:
    """Whatever is sent says the same as what came; and what the schema takes is not touched."""
    before = repr(value)
    sent = coerced(field, value, omits_nulls=omits_nulls)
    assert repr(value) == before
    if place_of(field).takes(value):
        assert repr(sent) == before
    labels = {name.casefold() for name in STAGE["labels"]} | {"open", "won", "lost"}
    if not (field is STAGE and isinstance(value, str) and value.casefold() in labels):
        assert same_meaning(sent, value)


@given(field=FIELDS, value=VALUES)
def test_coercing_twice_is_coercing_once(field: Any, value: Any) -> None:
    """What was converted needs no conversion any more."""
    once = coerced(field, value)
    assert repr(coerced(field, once)) == repr(once)


@given(number=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6))
def test_a_number_comes_back_from_its_text(number: Decimal) -> None:
    """To text and back it is the same number with the same digits."""
    assert repr(coerced(NUMBER, coerced(TEXT, number))) == repr(number)


@pytest.mark.parametrize(
    ("field", "kind", "text_format", "as_it_is", "if_coerced"),
    [
        (TEXT, "string", "", True, True),
        (TEXT, "integer", "", False, True),
        (TEXT, "boolean", "", False, False),
        (TEXT, "object", "", False, False),
        (TEXT, "string", "date", True, True),
        (CODE, "integer", "", False, False),
        (SIN, "number", "", False, False),
        (SIN, "string", "date", True, True),
        (NUMBER, "integer", "", True, True),
        (NUMBER, "string", "", False, True),
        (INTEGER, "number", "", True, True),
        (BOOLEAN, "integer", "", False, True),
        (BOOLEAN, "string", "", False, True),
        (BOOLEAN, "array", "", False, False),
        (DATE, "string", "", True, True),
        (DATE, "string", "date", True, True),
        (DATE, "string", "date-time", False, True),
        (DATE, "integer", "", False, False),
        (DATE_TIME, "string", "date", False, True),
        (DATE_TIME, "string", "date-time", True, True),
        ({"type": "string", "format": "uuid"}, "string", "date", False, False),
        ({"enum": ["a"]}, "integer", "", False, False),
        ({"enum": ["1"]}, "integer", "", False, True),
        (OBJECT, "string", "", False, True),
        ({"type": "array"}, "string", "", False, True),
        ({"enum": [1, 2], "labels": {"Gold": 1}}, "string", "", True, True),
        ({}, "object", "", True, True),
    ],
)
def test_types_that_can_be_taken(field: Any, kind: str, text_format: str, *, as_it_is: bool, if_coerced: bool) -> None:
    """It is known of a type alone whether some value of it can be sent; where it is not sure, it can."""
    place = place_of(field)
    assert can_be_taken(place, kind, text_format, coerces=False) is as_it_is
    assert can_be_taken(place, kind, text_format, coerces=True) is if_coerced
