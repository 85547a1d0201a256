"""How a record of the tap becomes the fields of a provider."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_leads.exceptions import SettingsError
from target_leads.mapping import StreamMapping, is_deletion, usable_lead_id
from target_leads.providers import Definition, bundled, load_folder
from target_leads.settings import StreamSettings

GENERIC = Path(__file__).parent / "providers" / "generic"

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "email": {"type": "string"},
        "amount": {"type": "number"},
        "tags": {"type": "array"},
        "my__name": {"type": "string"},
        "phone": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "number": {"type": "string"},
                "extension": {"type": ["string", "null"]},
                "line": {"type": "object", "properties": {"kind": {"type": "string"}, "fast": {"type": "boolean"}}},
            },
        },
        "home": {"$ref": "#/$defs/address"},
        "work": {"anyOf": [{"$ref": "#/$defs/address"}, {"type": "null"}]},
        "Content": {"type": "object"},
    },
    "$defs": {"address": {"type": "object", "additionalProperties": False, "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    """A provider with the id in the path, nested fields, and an object of free keys."""
    return _definition(tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def body_definition(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    """The same provider, but with the id in the body."""
    return _definition(
        tmp_path_factory.mktemp("provider"),
        lead_id={"name": "id", "body_field": "id"},
        update={"method": "POST", "path": "/leads", "fields": "whole"},
    )


def _definition(folder: Path, **changes: Any) -> Definition:
    provider = json.loads((GENERIC / "provider.json").read_text()) | {"lead_id": {"name": "lead_key"}} | changes
    (folder / "provider.json").write_text(json.dumps(provider))
    (folder / "lead.schema.json").write_text(json.dumps(SCHEMA))
    return load_folder(folder)


def mapping_of(definition: Definition, key_properties: tuple[str, ...] = (), **given: Any) -> StreamMapping:
    """A stream's mapping with these settings."""
    return StreamMapping(
        stream="leads",
        definition=definition,
        settings=StreamSettings(**given),
        key_properties=key_properties,
        provider_field="api",
    )


@pytest.mark.parametrize(
    ("value", "lead_id"),
    [
        ("L-1", "L-1"),
        (" L 1 ", " L 1 "),
        ("0", "0"),
        ("../x", "../x"),
        ("...", "..."),
        ("Zoë/☃", "Zoë/☃"),
        ("x" * 500, "x" * 500),
        (7, "7"),
        (-7, "-7"),
        (0, "0"),
        (12345678901234567890123, "12345678901234567890123"),
        (7.0, "7"),
        (Decimal("7.00"), "7"),
        (Decimal("7E+2"), "700"),
        (Decimal("-0"), "0"),
    ],
)
def test_text_and_whole_numbers_are_lead_ids(value: object, lead_id: str) -> None:
    """Text is an id as it stands, and a whole number in its digits, also one that JSON has with a fraction of zero."""
    assert usable_lead_id(value) == lead_id


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " \t\n",
        ".",
        "..",
        " .. ",
        True,
        False,
        7.5,
        Decimal("7.5"),
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1E+5000"),
        Decimal("1E+999999999"),
        Decimal("1E-999999999"),
        pytest.param(10**5000, id="too many digits"),
        [],
        ["L-1"],
        {},
        {"id": "L-1"},
        "L\x001",
        "L\ud8001",
        "x" * 501,
    ],
)
def test_nothing_else_is_a_lead_id(value: object) -> None:
    """Null, blanks, dots, truth values, fractions, lists, objects, and what no URL or database can hold are no ids."""
    assert usable_lead_id(value) == ""


@pytest.mark.parametrize(
    ("setting", "key_properties", "field"),
    [
        ("key", ("pk",), "key"),
        ("", ("pk",), "pk"),
        ("", (), "lead_key"),
        ("", ("pk", "other"), "lead_key"),
    ],
)
def test_where_the_lead_id_is_found(
    definition: Definition, setting: str, key_properties: tuple[str, ...], field: str
) -> None:
    """The stream's setting comes first, then its only key property, then the provider's own name for the id."""
    mapping = mapping_of(definition, key_properties, lead_id=setting)
    record = {"key": "a", "pk": "b", "other": "c", "lead_key": "d"}
    assert mapping.map(record).lead_id == record[field]
    assert mapping.lead_id_field == field


@pytest.mark.parametrize("record", [{"email": "a"}, {"lead_key": None, "email": "a"}, {"lead_key": 1.5}, {}])
def test_a_record_without_a_usable_lead_id_is_invalid(definition: Definition, record: dict[str, Any]) -> None:
    """The violation names the field and says what an id must be."""
    mapped = mapping_of(definition).map(record)
    assert mapped.lead_id == ""
    assert [str(violation) for violation in mapped.violations] == [
        "$.lead_key holds no usable lead id: it must be text or a whole number, and neither blank nor . nor .."
    ]


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"email": "a@example.com"}, {"email": "a@example.com"}),
        ({"my__name": "Ada"}, {"my__name": "Ada"}),
        ({"phone": {"number": "1", "line": {"kind": "x"}}}, {"phone": {"number": "1", "line": {"kind": "x"}}}),
        ({"phone__extension": "12"}, {"phone": {"extension": "12"}}),
        ({"phone.extension": "12"}, {"phone": {"extension": "12"}}),
        ({"phone__line__kind": "x", "phone.line.fast": True}, {"phone": {"line": {"kind": "x", "fast": True}}}),
        ({"phone__line.kind": "x"}, {"phone": {"line": {"kind": "x"}}}),
        ({"home__city": "Ulm", "work.city": "Bonn"}, {"home": {"city": "Ulm"}, "work": {"city": "Bonn"}}),
        ({"Content__a": 1, "Content.b.c": 2, "Content__d__e": 3}, {"Content": {"a": 1, "b.c": 2, "d__e": 3}}),
        ({"Content": {"a": 1}, "Content__b": 2}, {"Content": {"a": 1, "b": 2}}),
        ({"Content__b": 2, "Content": {"a": 1}}, {"Content": {"a": 1, "b": 2}}),
        (
            {"phone__line__kind": "x", "phone": {"line": {"fast": True}, "number": "1"}},
            {"phone": {"line": {"kind": "x", "fast": True}, "number": "1"}},
        ),
        # What cannot come together stays for the schema to refuse, in whichever order it comes.
        ({"phone": "text", "phone__extension": "12"}, {"phone": "text"}),
        ({"phone__extension": "12", "phone": "text"}, {"phone": "text"}),
    ],
)
def test_names_of_fields(definition: Definition, columns: dict[str, Any], fields: dict[str, Any]) -> None:
    """A column has the provider's own name, or names a nested field with __ or a dot where the schema has that path."""
    assert mapping_of(definition).map({"lead_key": "L-1", **columns}).fields == fields


def test_columns_that_are_never_sent(definition: Definition, body_definition: Definition) -> None:
    """The lead id, the name of the provider, and the tap's metadata are no fields, nor are unknown columns."""
    columns = {"pk": "L-1", "api": "x", "_sdc_batched_at": "x", "_sdc_x": 1, "phone__none": 1, "email__x": 1, "x": 1}
    mapping = mapping_of(definition, lead_id="pk")
    assert mapping.map({**columns, "email": "a"}).fields == {"email": "a"}
    assert mapping.dropped([*columns, "email"]) == ["phone__none", "email__x", "x"]
    generic = mapping_of(load_folder(GENERIC), lead_id="pk")  # it takes any field
    assert generic.map(columns).fields == {"phone__none": 1, "email__x": 1, "x": 1}
    # The body's id is the lead's id, also where a column of its name holds something else.
    assert mapping_of(body_definition, lead_id="pk").map({**columns, "id": "row 5", "email": "a"}).fields == {
        "email": "a",
        "id": "L-1",
    }
    assert mapping_of(body_definition, lead_id="pk").dropped(["id"]) == []


def test_a_mapping_sends_only_what_it_names(definition: Definition) -> None:
    """With `fields`, columns become the fields that it says, dotted ones nested, and no other column is sent."""
    mapping = mapping_of(
        definition,
        fields={"mail": "email", "ext": "phone.extension", "kind": "phone__line__kind", "c": "Content.any.key"},
        rejects_unknown_fields=True,
    )
    columns = {"lead_key": "L-1", "mail": "a", "ext": "12", "kind": "x", "c": 1, "email": "b", "amount": 5, "y": 1}
    mapped = mapping.map(columns)
    assert mapped.fields == {
        "email": "a",
        "phone": {"extension": "12", "line": {"kind": "x"}},
        "Content": {"any.key": 1},
    }
    assert mapped.violations == ()
    assert mapping.dropped(columns) == []


def test_a_mapped_lead_id_column_is_sent_too(definition: Definition) -> None:
    """Who maps the column of the lead id to a field wants it to be sent as that field as well."""
    mapped = mapping_of(definition, fields={"lead_key": "email"}).map({"lead_key": "L-1"})
    assert (mapped.lead_id, mapped.fields) == ("L-1", {"email": "L-1"})


def test_constants(definition: Definition) -> None:
    """A constant has its value in every record whatever the record says; alone it is nothing to send."""
    constants = {"email": "c", "phone.extension": None, "Content": {"a": 1}}
    mapping = mapping_of(definition, constants=constants)
    record = {"lead_key": "L-1", "email": "r", "phone": {"number": "1", "extension": "2"}, "Content": {"a": 2, "b": 3}}
    assert mapping.map(record).fields == {
        "email": "c",
        "phone": {"number": "1", "extension": None},
        "Content": {"a": 1, "b": 3},
    }
    assert mapping.map({"lead_key": "L-1", "amount": 1}).fields == {
        "amount": 1,
        "email": "c",
        "phone": {"extension": None},
        "Content": {"a": 1},
    }
    assert mapping.map({"lead_key": "L-1", "amount": None}).fields == {}
    assert constants["Content"] == {"a": 1}


NULLS = {
    "email": None,
    "amount": 0,
    "phone": {"number": None, "extension": "", "line": {"kind": None}},
    "home": {"city": None},
    "Content": {},
    "tags": [None, {"a": None}, {"a": 1, "b": None}, [{"c": None}]],
    "work__city": None,
}


@pytest.mark.parametrize(
    ("sends_nulls", "fields"),
    [
        (
            False,
            {"amount": 0, "phone": {"extension": ""}, "Content": {}, "tags": [None, {}, {"a": 1}, [{}]]},
        ),
        (
            True,
            {name: value for name, value in NULLS.items() if name != "work__city"} | {"work": {"city": None}},
        ),
    ],
)
def test_nulls(definition: Definition, fields: dict[str, Any], *, sends_nulls: bool) -> None:
    """A null field is left out, also inside objects, or is sent to clear the field; other empty values are values."""
    mapped = mapping_of(definition, sends_nulls=sends_nulls).map({"lead_key": "L-1", **NULLS})
    assert mapped.fields == fields


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"phone": None, "phone__extension": "12"}, {"phone": {"extension": "12"}}),
        ({"phone__extension": "12", "phone": None}, {"phone": {"extension": "12"}}),
        ({"phone__extension": None, "phone": None}, {"phone": {"extension": None}}),
        ({"phone__extension": None, "phone.extension": "12"}, {"phone": {"extension": "12"}}),
        ({"phone__extension": "12", "phone.extension": None}, {"phone": {"extension": "12"}}),
    ],
)
def test_a_value_is_more_than_a_null(definition: Definition, columns: dict[str, Any], fields: dict[str, Any]) -> None:
    """Where two columns mean one field, a null in one of them does not clear what the other says."""
    assert mapping_of(definition, sends_nulls=True).map({"lead_key": "L-1", **columns}).fields == fields


def test_nothing_to_send(definition: Definition, body_definition: Definition) -> None:
    """A record whose fields are all null or unknown leaves nothing, not even the id in the body."""
    record = {"email": None, "phone": {"extension": None}, "x": 1, "_sdc_x": 1}
    for each, name in ((definition, "lead_key"), (body_definition, "id")):
        mapped = mapping_of(each).map({name: "L-1", **record})
        assert (mapped.lead_id, mapped.fields, mapped.violations) == ("L-1", {}, ())


def test_unknown_fields_may_be_refused(definition: Definition) -> None:
    """With `unknown_fields: reject` a record with a value in an unknown column is invalid; a null one is not."""
    mapping = mapping_of(definition, rejects_unknown_fields=True)
    record = {"lead_key": "L-1", "api": "x", "_sdc_x": 1, "email": "a", "x": None}
    assert mapping.map(record).violations == ()
    assert [str(each) for each in mapping.map({**record, "x": 1, "y__z": {"a": 1}}).violations] == [
        "$.x is no field of generic",
        "$.y__z is no field of generic",
    ]
    sending = mapping_of(definition, rejects_unknown_fields=True, sends_nulls=True)
    assert sending.map(record).violations == ()
    versioned = mapping_of(definition, rejects_unknown_fields=True, version_field="x")
    assert versioned.map({**record, "x": 1}).violations == ()  # it is named for another purpose
    assert versioned.dropped(["x", "y__z"]) == ["y__z"]


@pytest.mark.parametrize(
    ("given", "finding"),
    [
        (
            {"fields": {"mail": "e_mail"}},
            (
                "streams.leads.fields: e_mail is no field of generic; "
                "it has id, email, amount, tags, my__name, phone, home, work, Content. Did you mean email?"
            ),
        ),
        (
            {"fields": {"x": "phone.none"}},
            (
                "streams.leads.fields: phone.none is no field of generic; "
                "it has id, email, amount, tags, my__name, phone, home, work, Content."
            ),
        ),
        (
            {"constants": {"x": 1}},
            (
                "streams.leads.constants: x is no field of generic; "
                "it has id, email, amount, tags, my__name, phone, home, work, Content."
            ),
        ),
        (
            {"fields": {"a": "phone.extension", "b": "phone__extension"}},
            "streams.leads.fields: phone__extension is given twice, and only one value can be sent.",
        ),
        (
            {"fields": {"a": "id"}},
            "streams.leads.fields: id is the lead's id; say which field holds it with lead_id.",
        ),
        (
            {"constants": {"id": "L-1"}},
            "streams.leads.constants: id is the lead's id; say which field holds it with lead_id.",
        ),
        (
            {"fields": {"_sdc_received_at": "email"}},
            "streams.leads.fields: a column that names the provider or begins with _sdc_ is never sent.",
        ),
        (
            {"fields": {"api": "email"}},
            "streams.leads.fields: a column that names the provider or begins with _sdc_ is never sent.",
        ),
    ],
)
def test_a_mistake_in_the_mapping(body_definition: Definition, given: dict[str, Any], finding: str) -> None:
    """A field that the provider does not have, or that cannot be mapped, ends the run before anything is sent."""
    with pytest.raises(SettingsError) as raised:
        mapping_of(body_definition, **given)
    assert raised.value.findings == (finding,)


def test_values_stay_as_they_are(definition: Definition) -> None:
    """Decimals keep their digits, dates their spelling, text its blanks, and lists their order."""
    columns = {
        "email": "  2024-2-3T1:02  \ud83d\ude00 ",
        "amount": Decimal("1.10"),
        "tags": [3, 1, "01", True, Decimal("1E+2")],
    }
    fields = mapping_of(definition).map({"lead_key": "L-1", **columns}).fields
    assert fields == columns
    assert str(fields["amount"]) == "1.10"
    assert str(fields["tags"][4]) == "1E+2"


def test_values_are_coerced_on_the_way(definition: Definition) -> None:
    """With `coerces` each value goes through what its field asks for, nested ones and objects too; nulls come after."""
    columns = {
        "email": 5,
        "amount": "1.10",
        "phone": {"number": 7, "line": {"fast": 1}},
        "phone__extension": 12,
        "Content__x": 1,
        "work__city": "",
    }
    before = copy.deepcopy(columns)
    mapped = mapping_of(definition, coerces=True).map({"lead_key": "L-1", **columns})
    assert mapped.fields == {
        "email": "5",
        "amount": Decimal("1.10"),
        "phone": {"number": "7", "line": {"fast": True}, "extension": "12"},
        "Content": {"x": 1},
        "work": {"city": ""},
    }
    assert columns == before
    assert mapping_of(definition, coerces=True).map({"lead_key": "L-1", "amount": ""}).fields == {}
    assert mapping_of(definition).map({"lead_key": "L-1", **columns}).fields["amount"] == "1.10"


def test_labels_in_records_and_constants() -> None:
    """A label is sent as what it stands for, whether a record or a constant has it."""
    powerchord = bundled()["powerchord"]
    record = {"leadID": "L-1", "Status": "on hold", "Content": {"Status": "on hold"}}
    assert mapping_of(powerchord).map(record).fields == {"Status": "onHold", "Content": {"Status": "on hold"}}
    assert mapping_of(powerchord, constants={"Status": "New"}).map(record).fields["Status"] == "open"


@pytest.mark.parametrize(
    ("columns", "deletes"),
    [
        ({"_sdc_deleted_at": "2024-01-01T00:00:00Z"}, True),
        ({"_sdc_deleted_at": 0}, True),
        ({"_sdc_deleted_at": None}, False),
        ({"_sdc_deleted_at": ""}, False),
        ({"deleted_at": "2024-01-01T00:00:00Z"}, False),
        ({}, False),
    ],
)
def test_deletions(columns: dict[str, Any], *, deletes: bool) -> None:
    """A row is deleted if the tap's metadata says when."""
    assert is_deletion(columns) is deletes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text("aé. ☃"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
COLUMNS = st.sampled_from(
    [
        "lead_key", "id", "api", "_sdc_x", "email", "amount", "tags", "phone", "phone__extension", "phone.extension",
        "phone__line__kind", "phone__line", "home__city", "Content", "Content__a", "Content__b__c", "x",
    ]
)  # fmt: skip


def _leaves(value: object) -> list[object]:
    """Every value that is no object and no null, however deep; a list is one value but for the nulls in it."""
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [] if value is None else [value]


@settings(deadline=None, suppress_health_check=list(HealthCheck))  # the fixtures do not change; a slow machine may be
@given(
    record=st.dictionaries(COLUMNS, JSON),
    given_settings=st.fixed_dictionaries(
        {
            "sends_nulls": st.booleans(),
            "rejects_unknown_fields": st.booleans(),
            "constants": st.sampled_from([{}, {"email": "constant"}, {"Content.a": 1, "phone": {"number": "1"}}]),
            "fields": st.none() | st.sampled_from([{"email": "phone.number", "phone": "Content.k", "x": "amount"}]),
        }
    ),
)
def test_mapping_changes_nothing_and_invents_nothing(
    definition: Definition, body_definition: Definition, record: dict[str, Any], given_settings: dict[str, Any]
) -> None:
    """Whatever a record holds, it is the same afterwards, and every value sent is its own, a constant, or its id."""
    before = copy.deepcopy((record, given_settings))
    for each in (definition, body_definition):
        mapped = mapping_of(each, **given_settings).map(record)
        assert (record, given_settings) == before
        known = [*_leaves(record), *_leaves(given_settings["constants"]), mapped.lead_id]
        sent = _leaves(mapped.fields)
        assert all(any(type(leaf) is type(own) and repr(leaf) == repr(own) for own in known) for leaf in sent)
        assert bool(mapped.lead_id) != any("lead id" in violation.rule for violation in mapped.violations)


@pytest.mark.parametrize("name", sorted(bundled()))
def test_free_keys_and_paths_of_bundled_providers(name: str) -> None:
    """Every property of a bundled lead schema is reached by its own name, and no unknown name is."""
    lead_schema = bundled()[name].lead_schema
    assert all(lead_schema.path_of(field) == (field,) for field in lead_schema.properties)
    assert lead_schema.path_of("no_such_field") is None


PATHS: list[tuple[str, str, tuple[str, ...]]] = [
    ("powerchord", "Content__Favourite colour", ("Content", "Favourite colour")),
    ("powerchord", "Content.a.b", ("Content", "a.b")),
]


@pytest.mark.parametrize(("name", "column", "path"), PATHS)
def test_free_keys(name: str, column: str, path: tuple[str, ...]) -> None:
    """In an object whose keys the sender chooses, the rest of the column's name is one key."""
    assert bundled()[name].lead_schema.path_of(column) == path
