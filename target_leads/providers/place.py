"""What a lead schema says of the values at one place, such as ``phone.extension``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jsonschema import Draft202012Validator

_JSON_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


class Place:
    """The rules that every value at one place keeps to, wherever the schema states them.

    They are necessary: a value that breaks one makes the whole update invalid. Where the schema has alternatives they
    may not be all that it asks for, so the whole schema has the last word.
    """

    def __init__(
        self,
        schemas: Sequence[Any],
        validator: Draft202012Validator,
        resolve: Callable[[str], Any],
    ) -> None:
        """A place that keeps to all these schemas; `resolve` finds the schema that a ``$ref`` means."""
        self._schemas = schemas
        self._root = validator
        self._resolve = resolve
        self._validator = validator.evolve(schema=schemas[0] if len(schemas) == 1 else {"allOf": list(schemas)})
        self._child = functools.cache(self._find_child)

    def takes(self, value: object) -> bool:
        """Whether a value breaks none of the rules."""
        return self._validator.is_valid(value)

    def broken(self, value: object) -> Iterator[Any]:
        """How a value breaks the rules, as errors of jsonschema."""
        return self._validator.iter_errors(value)

    @functools.cached_property
    def types(self) -> frozenset[str]:
        """JSON types of the values that may stand here; a ``number`` may also be whole, and then is an ``integer``."""
        return frozenset.intersection(_JSON_TYPES, *(self._types(schema) for schema in self._schemas))

    @functools.cached_property
    def formats(self) -> frozenset[str]:
        """Formats of text that some rule names."""
        return frozenset(shape["format"] for shape in self._shapes if "format" in shape)

    @functools.cached_property
    def is_code(self) -> bool:
        """Whether each sign of a text counts, so that it is never the text of a number: 046 is not 46."""
        return any("pattern" in shape or shape.get("leadingZeros") for shape in self._shapes)

    @functools.cached_property
    def required(self) -> frozenset[str]:
        """Fields that an object here must have."""
        shapes = (shape for schema in self._schemas for shape in self._all_of(schema))
        return frozenset(name for shape in shapes for name in shape.get("required", ()))

    @functools.cached_property
    def choices(self) -> tuple[str, ...]:
        """The only texts that may stand here; empty if there are others."""
        shapes = (shape for schema in self._schemas for shape in self._all_of(schema) if "enum" in shape)
        return next((tuple(value for value in shape["enum"] if isinstance(value, str)) for shape in shapes), ())

    @functools.cached_property
    def labels(self) -> Mapping[str, Any]:
        """What each name of an allowed value stands for: as it is written, and in lower case where that is clear."""
        named = [pair for shape in self._shapes if "labels" in shape for pair in names_of(shape)]
        keys: dict[str, list[Any]] = {}
        for name, key in named:
            same_name = keys.setdefault(name.casefold(), [])
            same_name += [] if key in same_name else [key]
        return {name: meant[0] for name, meant in keys.items() if len(meant) == 1} | dict(named)

    @functools.cached_property
    def has_labels(self) -> bool:
        """Whether this place or one below it has labels."""
        pending: list[Any] = list(self._schemas)
        seen: set[int] = set()
        while pending:
            part = pending.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, dict):
                if "labels" in part and "enum" in part:
                    return True
                pending += part.values()
                if isinstance(part.get("$ref"), str):
                    pending.append(self._resolve(part["$ref"]))
            elif isinstance(part, list):
                pending += part
        return False

    @functools.cached_property
    def items(self) -> Place | None:
        """The place of every item of a list here; none if nothing is said of items."""
        return self._below("array", lambda shape: None if "prefixItems" in shape else shape.get("items"))

    def child(self, name: str) -> Place | None:
        """The place of a field of an object here; none if nothing is said of the field."""
        return self._child(name if name in self._names else None)

    @functools.cached_property
    def _names(self) -> frozenset[str]:
        """Fields that the schema has by name. Keys of the sender's choice, however many they are, are all one place."""
        return frozenset(name for shape in self._shapes for name in shape.get("properties", ()))

    def _find_child(self, name: str | None) -> Place | None:
        """The place of a field; without a name, that of any which the schema does not name."""

        def of_shape(shape: Mapping[str, Any]) -> object:
            if name in shape.get("properties", ()):
                return shape["properties"][name]
            return None if "patternProperties" in shape else shape.get("additionalProperties")

        return self._below("object", of_shape)

    def _below(self, kind: str, of_shape: Callable[[Mapping[str, Any]], object]) -> Place | None:
        schemas = [below for schema in self._schemas for below in self._schemas_below(schema, kind, of_shape)]
        return Place(schemas, self._root, self._resolve) if schemas else None

    def _schemas_below(
        self, schema: object, kind: str, of_shape: Callable[[Mapping[str, Any]], object]
    ) -> Iterator[object]:
        """Schemas that hold a step further down. Alternatives count if each that takes such a value says something."""
        for shape in self._all_of(schema):
            if isinstance(below := of_shape(shape), dict):
                yield below
            for alternatives in _alternatives(shape):
                able = [each for each in alternatives if kind in self._types(each)]
                each_below = [list(self._schemas_below(each, kind, of_shape)) for each in able]
                if each_below and all(each_below):
                    yield {"anyOf": [{"allOf": schemas} for schemas in each_below]}

    def _all_of(self, schema: object) -> Sequence[Mapping[str, Any]]:
        """A schema and those that hold together with it."""
        shapes: list[Mapping[str, Any]] = []
        pending = [schema]
        while pending:
            shape = pending.pop()
            if isinstance(shape, dict) and not any(shape is known for known in shapes):
                shapes.append(shape)
                pending += shape.get("allOf", ())
                pending += [self._resolve(shape["$ref"])] if "$ref" in shape else []
        return shapes

    @functools.cached_property
    def _shapes(self) -> Sequence[Mapping[str, Any]]:
        """Every schema that says something of a value here, alternatives too."""
        return tuple(self._any_of(self._schemas))

    def _any_of(self, schemas: Iterable[object]) -> Iterator[Mapping[str, Any]]:
        for schema in schemas:
            for shape in self._all_of(schema):
                yield shape
                for alternatives in _alternatives(shape):
                    yield from self._any_of(alternatives)

    def _types(self, schema: object) -> frozenset[str]:
        types = frozenset() if schema is False else _JSON_TYPES
        for shape in self._all_of(schema):
            if "type" in shape:
                named = frozenset([shape["type"]] if isinstance(shape["type"], str) else shape["type"])
                types &= named | {"integer"} if "number" in named else named
            for values in (shape.get("enum"), [shape["const"]] if "const" in shape else None):
                if values is not None:
                    types &= frozenset().union(*map(types_of, values))
            for alternatives in _alternatives(shape):
                types &= frozenset().union(*map(self._types, alternatives))
        return types


def types_of(value: object) -> frozenset[str]:
    """JSON types of a value: a whole number is of two."""
    if value is None or isinstance(value, (bool, str)):
        return frozenset({"null" if value is None else "boolean" if isinstance(value, bool) else "string"})
    if isinstance(value, (list, dict)):
        return frozenset({"array" if isinstance(value, list) else "object"})
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return frozenset({"number", "integer"} if is_whole else {"number"})


def names_of(shape: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The names of a schema's allowed values, each with its value: the values themselves, and their labels."""
    yield from ((key, key) for key in shape["enum"] if isinstance(key, str))
    yield from shape["labels"].items()


def _alternatives(shape: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    return (shape[rule] for rule in ("anyOf", "oneOf") if rule in shape)
