"""Saying what went wrong without saying what was in it."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from target_leads.redaction import broken_rules, place_of, without_secrets

SECRET = "s3cret-value"
"""Planted, to see that it is never shown."""


def told(schema: dict[str, Any] | bool, value: Any) -> list[str]:  # noqa: FBT001 -- false is a JSON Schema
    """What is said of a value that breaks a schema."""
    return [
        str(violation) for error in Draft202012Validator(schema).iter_errors(value) for violation in broken_rules(error)
    ]


@pytest.mark.parametrize(
    ("schema", "value", "texts"),
    [
        ({"type": "integer"}, SECRET, ["$ must be of type integer"]),
        ({"type": ["integer", "null"]}, SECRET, ["$ must be of type integer or null"]),
        ({"enum": ["open", None, 5, True]}, SECRET, ["$ must be one of open, null, 5, true"]),
        ({"const": True}, SECRET, ["$ must be true"]),
        ({"pattern": "^[0-9]{9}$"}, SECRET, ["$ must match the pattern ^[0-9]{9}$"]),
        ({"pattern": "^[0-9]$", "examples": ["1", 2]}, SECRET, ["$ must look like 1 or 2"]),
        ({"minLength": 40}, SECRET, ["$ must have at least 40 characters"]),
        ({"minLength": 1}, "", ["$ must not be empty"]),
        ({"maxLength": 3}, SECRET, ["$ must have at most 3 characters"]),
        ({"minimum": 100_000}, 77_777, ["$ must be at least 100000"]),
        ({"maximum": 1}, 77_777, ["$ must be at most 1"]),
        ({"exclusiveMinimum": 77_777}, 77_777.0, ["$ must be more than 77777"]),
        ({"exclusiveMaximum": 1}, 77_777, ["$ must be less than 1"]),
        ({"multipleOf": 5}, 77_777, ["$ must be a multiple of 5"]),
        ({"minItems": 1}, [], ["$ must not be empty"]),
        ({"minItems": 2}, [SECRET], ["$ must have at least 2 items"]),
        ({"maxItems": 1}, [SECRET, 1], ["$ must have at most 1 items"]),
        ({"uniqueItems": True}, [SECRET, SECRET], ["$ must hold nothing twice"]),
        ({"minProperties": 2}, {"a": SECRET}, ["$ must have at least 2 fields"]),
        ({"maxProperties": 0}, {"a": SECRET}, ["$ must have at most 0 fields"]),
        ({"not": {"type": "string"}}, SECRET, ["$ breaks the rule not"]),
        ({"contains": {"type": "integer"}}, [SECRET], ["$ breaks the rule contains"]),
        ({"propertyNames": {"maxLength": 1}}, {"ab": SECRET}, ["$ must have at most 1 characters"]),
        (False, SECRET, ["$ is not allowed"]),
        ({"required": ["a", "ab", "b"]}, {"b": SECRET}, ["$.a is required", "$.ab is required"]),
        ({"properties": {"a": {"required": ["b"]}}}, {"a": {"c": SECRET}}, ["$.a.b is required"]),
        (
            {"dependentRequired": {"a": ["b", "c"], "x": ["y"]}},
            {"a": SECRET, "c": SECRET},
            ["$.b is required with a"],
        ),
        (
            {"properties": {"a": {}, "b": {}}, "additionalProperties": False},
            {"c": SECRET, "a": SECRET, "d": SECRET},
            ["$.c is not one of a, b", "$.d is not one of a, b"],
        ),
        ({"additionalProperties": False}, {"c": SECRET}, ["$.c is not allowed"]),
        (
            {"patternProperties": {"^x_": {}}, "additionalProperties": False},
            {"x_a": SECRET, "c": SECRET},
            ["$.c is not allowed"],
        ),
        ({"additionalProperties": {"type": "integer"}}, {"c": SECRET}, ["$.c must be of type integer"]),
        (
            {"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 3}]}}},
            {"a": SECRET},
            ["$.a must be of type null, or must have at most 3 characters"],
        ),
        (
            {"anyOf": [{"properties": {"a": {"enum": [1]}}}, {"required": ["b"]}]},
            {"a": SECRET},
            ["$ a must be one of 1, or b is required"],
        ),
        ({"oneOf": [{"type": "integer"}, {"type": "integer"}]}, SECRET, ["$ must be of type integer"]),
        ({"oneOf": [{"type": "string"}, {"minLength": 1}]}, SECRET, ["$ breaks the rule oneOf"]),
        (
            {"if": {"required": ["a"]}, "then": {"properties": {"a": {"const": 1}}}},
            {"a": SECRET},
            ["$.a must be 1"],
        ),
    ],
)
def test_a_violation_is_path_and_rule(schema: dict[str, Any] | bool, value: Any, texts: list[str]) -> None:  # noqa: FBT001 -- false is a JSON Schema
    """What is said of a violation comes from the schema alone: where, and which rule, never the value."""
    assert told(schema, value) == texts
    assert not any(SECRET in text or "77777" in text.removesuffix("more than 77777") for text in texts)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///target-leads.db", "sqlite:///target-leads.db"),
        ("sqlite:////var/lib/leads@home/x.db?mode=rw", "sqlite:////var/lib/leads@home/x.db"),
        ("sqlite://", "sqlite://"),
        (f"postgresql://user:{SECRET}@host:5432/leads", "postgresql://host:5432/leads"),
        (f"postgresql://user:{SECRET}@x@host/leads", "postgresql://host/leads"),
        (f"postgresql://host/leads?password={SECRET}", "postgresql://host/leads"),
        (f"postgresql://host/leads#{SECRET}", "postgresql://host/leads"),
        (f"postgresql://user:{SECRET}/x@host/leads", "postgresql://…"),
        (f"postgresql://user:{SECRET}?x@host/leads", "postgresql://…"),
        (f"postgresql://user:{SECRET}#x@host/leads", "postgresql://…"),
        (f"postgresql://host/leads?password=x@{SECRET}", "postgresql://…"),
        (f"postgresql://host/leads\n?password={SECRET}", "postgresql://host/leads\n"),
        (SECRET, "…"),
        ("", "…"),
    ],
)
def test_a_url_is_shown_without_credentials(url: str, shown: str) -> None:
    """User, password, query and fragment are left out, also where an unquoted sign makes the URL ambiguous."""
    assert without_secrets(url) == shown


def test_an_unforeseen_error_is_named_by_type_and_place_alone() -> None:
    """The message of an error may hold a value; its type and the lines of the program cannot."""

    def fail() -> None:
        raise LookupError(SECRET)

    with pytest.raises(LookupError) as raised:
        fail()
    place = place_of(raised.value)
    assert place.startswith("LookupError at ")
    assert " in fail < " in place
    assert SECRET not in place
    assert place_of(LookupError(SECRET)) == "LookupError at unknown place"
