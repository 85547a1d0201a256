"""What is left of a document of which parts are wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from target_leads.providers.rules import definition_findings
from target_leads.pruning import pruned

SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "list": {"items": {"type": "integer"}},
        "inner": {
            "additionalProperties": False,
            "required": ["a"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        },
    },
}


@pytest.mark.parametrize(
    ("document", "left"),
    [
        ({"name": "x", "other": 1}, {"name": "x", "other": 1}),
        ({"name": 5, "other": 1}, {"other": 1}),
        ({"other": 1}, {"other": 1}),
        ({"list": [1, "two", 3], "name": "x"}, {"name": "x"}),
        ({"name": "x", "inner": {"a": 1, "b": "2", "c": 3, "d": 4}}, {"name": "x", "inner": {"a": 1}}),
        ({"name": "x", "inner": {"b": 2}}, {"name": "x", "inner": {"b": 2}}),
        ([], {}),
    ],
)
def test_what_is_left(document: Any, left: Any) -> None:
    """All but the parts that break a rule; a list goes as a whole. The document itself stays as it is."""
    before = json.dumps(document)
    assert pruned(document, Draft202012Validator(SCHEMA).iter_errors(document)) == left
    assert json.dumps(document) == before


def test_what_is_nested_deeply_is_left_as_it_is() -> None:
    """JSON is read deeper than Python copies it, or writes it."""
    deep: Any = []
    for _ in range(700):
        deep = [deep]
    document = {"name": 5, "other": deep}
    assert pruned(document, Draft202012Validator(SCHEMA).iter_errors(document)) == {"other": deep}
    assert any(finding.startswith("$.title: [[[[") for finding in definition_findings({"title": deep}))
