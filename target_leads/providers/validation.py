"""Compiled JSON Schemas: of the updates that a provider takes, and of the answers that it gives."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from referencing import Registry
from referencing.jsonschema import DRAFT202012

from target_leads.models import Violation
from target_leads.providers.dialect import compiled
from target_leads.providers.place import Place
from target_leads.redaction import broken_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SEPARATOR = re.compile(r"__|\.")


class _Object(NamedTuple):
    """What a schema says of the keys of an object."""

    properties: Mapping[str, Any]
    takes_free_keys: bool


class LeadSchema:
    """The provider's JSON Schema of an update, compiled once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile a schema that was checked to be one."""
        self.schema = schema
        self._validator = compiled(schema)
        self._resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
        self.root = Place([schema], self._validator, lambda reference: self._resolver.lookup(reference).contents)
        self._objects: dict[int, _Object] = {}

    @property
    def properties(self) -> Mapping[str, Any]:
        """Schemas of the top-level fields, by name."""
        properties: Mapping[str, Any] = self.schema.get("properties", {})
        return properties

    @property
    def required(self) -> tuple[str, ...]:
        """Top-level fields that every update must have."""
        return tuple(self.schema.get("required", ()))

    def violations(self, fields: Mapping[str, Any]) -> tuple[Violation, ...]:
        """Every way in which an update breaks the schema: where, and which rule. Never the value."""
        broken = tuple(violation for error in self._validator.iter_errors(fields) for violation in broken_rules(error))
        return broken or tuple(_unsayable(fields))

    def path_of(self, column: str) -> tuple[str, ...] | None:
        """Where a flat column belongs: ``("phone", "extension")`` for ``phone__extension`` or ``phone.extension``.

        None if the schema has no such place. In an object of free keys the rest of the name is one key.
        """
        return self._path_of(column, self.schema)

    def place(self, path: Sequence[str]) -> Place | None:
        """What the schema says of the values at a path; none if it says nothing."""
        place: Place | None = self.root
        for name in path:
            place = place and place.child(name)
        return place

    def _path_of(self, column: str, schema: object) -> tuple[str, ...] | None:
        known = self._object(schema)
        if column in known.properties:
            return (column,)
        for separator in _SEPARATOR.finditer(column):
            parent, rest = column[: separator.start()], column[separator.end() :]
            if rest and parent in known.properties:
                below = self._path_of(rest, known.properties[parent])
                if below is not None:
                    return (parent, *below)
        return (column,) if known.takes_free_keys else None

    def _object(self, schema: object) -> _Object:
        """What a part of this schema says of keys: found out once, as it is asked for each column."""
        known = self._objects.get(id(schema))
        if known is None:
            shapes = self._shapes(schema)
            properties = {name: inner for shape in shapes for name, inner in shape.get("properties", {}).items()}
            known = self._objects[id(schema)] = _Object(properties, _takes_free_keys(shapes))
        return known

    def _shapes(self, schema: object) -> list[Mapping[str, Any]]:
        """A schema and all those that it is made of, by reference or as alternatives."""
        shapes: list[Mapping[str, Any]] = []
        pending = [schema]
        while pending:
            shape = pending.pop()
            if isinstance(shape, dict) and not any(shape is known for known in shapes):
                shapes.append(shape)
                pending += [part for rule in ("allOf", "anyOf", "oneOf") for part in shape.get(rule, ())]
                if "$ref" in shape:
                    pending.append(self._resolver.lookup(shape["$ref"]).contents)
        return shapes


class Matcher:
    """A small JSON Schema that an answer's body keeps to, or not."""

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:  # noqa: FBT001 -- true and false are JSON Schemas
        """Compile a schema that was checked to be one."""
        self._validator = compiled(schema)

    def matches(self, body: object) -> bool:
        """Whether a JSON body keeps to the schema."""
        return self._validator.is_valid(body)


def _takes_free_keys(shapes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the sender may choose keys: an object that nothing in its schema closes."""
    return any("object" in _types(shape) for shape in shapes) and not any(
        shape.get(rule) is False for shape in shapes for rule in ("additionalProperties", "unevaluatedProperties")
    )


def _types(schema: Mapping[str, Any]) -> Sequence[str]:
    types: str | list[str] = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _unsayable(value: object, path: str = "$") -> Iterator[Violation]:
    """Numbers that JSON cannot say, where no rule of the schema asked for a number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _unsayable(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unsayable(inner, f"{path}[{index}]")
    elif isinstance(value, (float, Decimal)) and not Decimal(value).is_finite():
        yield Violation(path=path, rule="must be a number that JSON can say: neither NaN nor infinite")
