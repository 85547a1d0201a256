"""Compiled JSON Schemas: of the updates that a provider takes, and of the answers that it gives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_leads.providers.formats import compiled
from target_leads.redaction import broken_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.models import Violation

_SEPARATOR = re.compile(r"__|\.")


class LeadSchema:
    """The provider's JSON Schema of an update, compiled once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile a schema that was checked to be one."""
        self.schema = schema
        self._validator = compiled(schema)

    @property
    def properties(self) -> Mapping[str, Any]:
        """Schemas of the top-level fields, by name."""
        properties: Mapping[str, Any] = self.schema.get("properties", {})
        return properties

    def violations(self, fields: Mapping[str, Any]) -> tuple[Violation, ...]:
        """Every way in which an update breaks the schema: where, and which rule. Never the value."""
        return tuple(violation for error in self._validator.iter_errors(fields) for violation in broken_rules(error))

    def path_of(self, column: str) -> tuple[str, ...] | None:
        """Where a flat column belongs: ``("phone", "extension")`` for ``phone__extension`` or ``phone.extension``.

        None if the schema has no such place. In an object of free keys the rest of the name is one key.
        """
        return _path_of(column, self.schema)


class Matcher:
    """A small JSON Schema that an answer's body keeps to, or not."""

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:  # noqa: FBT001 -- true and false are JSON Schemas
        """Compile a schema that was checked to be one."""
        self._validator = compiled(schema)

    def matches(self, body: object) -> bool:
        """Whether a JSON body keeps to the schema."""
        return self._validator.is_valid(body)


def _path_of(column: str, schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    properties = schema.get("properties", {})
    if column in properties:
        return (column,)
    for separator in _SEPARATOR.finditer(column):
        parent, rest = column[: separator.start()], column[separator.end() :]
        if rest and isinstance(properties.get(parent), dict):
            below = _path_of(rest, properties[parent])
            if below is not None:
                return (parent, *below)
    return (column,) if _takes_free_keys(schema) else None


def _takes_free_keys(schema: Mapping[str, Any]) -> bool:
    """Whether the sender may choose keys: an object whose schema does not close it."""
    types = schema.get("type", ())
    return (
        "object" in ([types] if isinstance(types, str) else types) and schema.get("additionalProperties") is not False
    )
