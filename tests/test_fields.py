"""What a lead schema says of each field, in words for people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.providers import bundled, load_folder
from target_leads.providers.fields import Field, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

GENERIC = Path(__file__).parent / "providers" / "generic"


@pytest.fixture
def described(tmp_path: Path) -> Callable[..., list[Field]]:
    """The fields of a provider with a lead schema such as this."""

    def fields(properties: dict[str, Any], **rest: Any) -> list[Field]:
        folder = shutil.copytree(GENERIC, tmp_path / "generic")
        (folder / "lead.schema.json").write_text(json.dumps({"type": "object", "properties": properties, **rest}))
        return fields_of(load_folder(folder))

    return fields


@pytest.mark.parametrize(
    ("schema", "kind", "nullable"),
    [
        ({}, "anything", False),
        ({"type": "string"}, "text", False),
        ({"type": ["integer", "null"]}, "whole number", True),
        ({"type": "string", "format": "email"}, "email", False),
        ({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}, "date or date-time", False),
        ({"enum": ["a", "b", None]}, "text", True),
        ({"oneOf": [{"type": "number"}, {"type": "null"}]}, "number", True),
        ({"$ref": "#/$defs/flag"}, "true or false", False),
        ({"type": "array", "items": {"type": "string"}}, "list of texts", False),
        ({"type": ["string", "number", "boolean", "object", "array"]}, "anything", False),
    ],
)
def test_the_type_of_a_field(
    schema: dict[str, Any], kind: str, nullable: object, described: Callable[..., list[Field]]
) -> None:
    """In words, wherever the schema says it: by reference, as alternatives, by its values."""
    field = described({"it": schema}, **{"$defs": {"flag": {"type": "boolean"}}})[0]
    assert (field.name, field.kind, field.nullable) == ("it", kind, nullable)


def test_values_rules_and_examples(described: Callable[..., list[Field]]) -> None:
    """Those of a list's items too; labels are other names of values."""
    items = {"enum": ["won", "lost"], "labels": {"Closed": "won"}}
    fields = described(
        {
            "stages": {"type": "array", "maxItems": 2, "items": items},
            "sin": {
                "type": "string",
                "pattern": "^[0-9]+$",
                "maxLength": 9,
                "examples": ["046"],
                "$comment": "a b",
            },
        },
        required=["sin"],
    )
    stages, sin = fields
    assert (stages.choices, stages.labels, stages.rules) == (("won", "lost"), {"Closed": "won"}, ("at most 2 items",))
    assert sin.rules == ("at most 9 characters", "fits the pattern ^[0-9]+$")
    assert (sin.examples, sin.comment, sin.required, stages.required) == (("046",), "a b", True, False)


def test_what_stands_in_a_field(described: Callable[..., list[Field]]) -> None:
    """Dotted names down to the last; items of a list and free keys are told, and no column can stand for them."""
    home = {"type": "object", "additionalProperties": False, "required": ["zip"], "description": "Home."}
    visits = {"type": "array", "items": {"type": "object", "properties": {"at": {"type": "string"}}}}
    fields = described(
        {
            "home": {**home, "properties": {"zip": {"type": "string"}, "city": {"description": "City."}}},
            "phone": {"type": "object", "properties": {"number": {}}},
            "more": {"type": "object", "additionalProperties": {"type": "number"}},
            "visits": visits,
        }
    )
    assert [(field.name, field.required, field.is_column) for field in fields] == [
        ("home.zip", True, True),
        ("home.city", False, True),
        ("phone.number", False, True),
        ("phone.<key>", False, False),
        ("more", False, True),
        ("more.<key>", False, False),
        ("visits", False, True),
        ("visits[].at", False, False),
    ]
    assert [field.description for field in fields[:2]] == ["Home.", "City."]
    assert [fields[3].kind, fields[5].kind, fields[6].kind] == ["anything", "number", "list of objects"]


@pytest.mark.parametrize("name", bundled())
def test_every_documented_field_is_there(name: str) -> None:
    """Each property of a bundled schema but the lead's id, with a type and a description."""
    definition = bundled()[name]
    fields = fields_of(definition)
    assert {field.name.partition(".")[0].partition("[")[0] for field in fields} == (
        definition.lead_schema.properties.keys() - {definition.lead_id.body_field}
    )
    assert all(field.kind and field.description for field in fields)


def test_a_schema_that_refers_to_itself_is_listed_to_a_depth(described: Callable[..., list[Field]]) -> None:
    """Records may nest as deep as they like; a list for people ends."""
    node = {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}}, "additionalProperties": False}
    names = [field.name for field in described({"tree": {"$ref": "#/$defs/node"}}, **{"$defs": {"node": node}})]
    assert names == ["tree" + ".child" * 7]
