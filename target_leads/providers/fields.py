"""The fields of a provider, for people: what a lead schema says of each, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from referencing import Registry
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_leads.providers.definition import Definition

_KINDS = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "object": "object",
    "string": "text",
}
_DEEPEST = 6
"""Objects in objects that are listed."""
_RULES = {
    "exclusiveMaximum": "less than {}",
    "exclusiveMinimum": "more than {}",
    "maxItems": "at most {} items",
    "maxLength": "at most {} characters",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "minLength": "at least {} characters",
    "minimum": "at least {}",
    "multipleOf": "a multiple of {}",
    "pattern": "fits the pattern {}",
}
_MANY = 5
"""Kinds that leave nothing out but null."""
_ALTERNATIVES = ("allOf", "anyOf", "oneOf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an update, or one that stands in an object or a list of it."""

    name: str
    """Dotted, as in ``streams.<stream>.fields``: ``phone.extension``. ``[]`` is an item of a list, ``<key>`` any key.
    """
    kind: str
    """Its type in words."""
    nullable: bool
    required: bool
    """Whether every update must have it, or every object that it stands in."""
    choices: tuple[Any, ...] = ()
    """The only values that are allowed; empty if there are others."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """Other names of those values, which a record may have as well."""
    rules: tuple[str, ...] = ()
    """What else a value must keep to."""
    examples: tuple[Any, ...] = ()
    description: str = ""
    comment: str = ""
    """From where that is known, and what is not."""

    @property
    def is_column(self) -> bool:
        """Whether a column of a record can stand for it."""
        return "[]" not in self.name and "<" not in self.name


def fields_of(definition: Definition) -> list[Field]:
    """Every field that a record may have, outer ones first; an object of which all fields are known is not listed.

    The lead's id is none of them, although some APIs want it in the body.
    """
    schema = definition.lead_schema.schema
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    reader = _Reader(lambda reference: resolver.lookup(reference).contents)
    own = {name: inner for name, inner in schema["properties"].items() if name != definition.lead_id.body_field}
    return list(reader.fields(own, schema.get("required", ()), ""))


class _Reader:
    """Reads one lead schema."""

    def __init__(self, resolve: Any) -> None:  # noqa: ANN401 -- from a reference to any JSON
        self._resolve = resolve

    def fields(
        self, properties: Mapping[str, Any], required: Sequence[str], prefix: str, about: str = ""
    ) -> Iterator[Field]:
        """The fields of an object, and those inside them. Of one that says nothing of itself `about` is said."""
        for name, schema in properties.items():
            yield from self._field(f"{prefix}{name}", schema, about, required=name in required)

    def _field(self, name: str, schema: object, about: str, *, required: bool) -> Iterator[Field]:
        shapes = self._shapes(schema)
        about = _text(shapes, "description") or about
        if name.count(".") + name.count("[]") > _DEEPEST:  # a schema may refer to itself
            yield self._described(name, shapes, about, required=required)
            return
        below = {key: inner for shape in shapes for key, inner in shape.get("properties", {}).items()}
        needed = [key for shape in shapes for key in shape.get("required", ())]
        free = [shape["additionalProperties"] for shape in shapes if shape.get("additionalProperties")]
        is_object = "object" in self._types(shapes)
        is_open = is_object and not any(shape.get("additionalProperties") is False for shape in shapes)
        if not (is_object and below):
            yield self._described(name, shapes, about, required=required)
        yield from self.fields(below, needed, f"{name}.", about)
        if is_open:
            inner = next((each for each in free if isinstance(each, dict)), {})
            comment = {"$comment": _text(shapes, "$comment")} if below else {}
            keys = "Any other key." if below else "A key of your own."
            yield self._described(f"{name}.<key>", self._shapes(comment | inner), keys, required=False)
        for items in [shape["items"] for shape in shapes if isinstance(shape.get("items"), dict)]:
            of_items = self._shapes(items)
            inside = {key: inner for shape in of_items for key, inner in shape.get("properties", {}).items()}
            needed = [key for shape in of_items for key in shape.get("required", ())]
            yield from self.fields(inside, needed, f"{name}[].", about)

    def _described(self, name: str, shapes: Sequence[Mapping[str, Any]], about: str, *, required: bool) -> Field:
        told = [*shapes, *self._item_shapes(shapes)]
        choices = [value for shape in told for value in shape.get("enum", ())]
        return Field(
            name=name,
            kind=self._kind(shapes),
            nullable="null" in self._types(shapes) or None in choices,
            required=required,
            choices=tuple(value for value in choices if value is not None),
            labels={label: value for shape in told for label, value in shape.get("labels", {}).items()},
            rules=tuple(
                phrase.format(shape[rule]) for shape in told for rule, phrase in _RULES.items() if rule in shape
            ),
            examples=tuple(example for shape in told for example in shape.get("examples", ())),
            description=_text(shapes, "description") or about,
            comment=_text(shapes, "$comment"),
        )

    def _kind(self, shapes: Sequence[Mapping[str, Any]]) -> str:
        """Its types in words; text of a format goes by the name of that."""
        formats = [shape["format"] for shape in shapes if "format" in shape]
        kinds = [
            " or ".join(dict.fromkeys(formats)) if kind == "string" and formats else _KINDS[kind]
            for kind in self._types(shapes)
            if kind != "null"
        ]
        if "array" in self._types(shapes) and (items := self._item_shapes(shapes)):
            of = {"text": "texts"}.get(self._kind(items), f"{self._kind(items)}s")
            kinds = [f"list of {of}" if kind == "list" else kind for kind in kinds]
        return " or ".join(dict.fromkeys(kinds)) if 0 < len(kinds) < _MANY else "anything"

    def _item_shapes(self, shapes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [
            inner for shape in shapes if isinstance(shape.get("items"), dict) for inner in self._shapes(shape["items"])
        ]

    def _types(self, shapes: Sequence[Mapping[str, Any]]) -> list[str]:
        named: list[str | list[str]] = [shape["type"] for shape in shapes if "type" in shape]
        types = [kind for each in named for kind in ([each] if isinstance(each, str) else each)]
        types += ["string" for shape in shapes if any(isinstance(value, str) for value in shape.get("enum", ()))]
        return list(dict.fromkeys(types))

    def _shapes(self, schema: object) -> list[Mapping[str, Any]]:
        """A schema and all those that it is made of, by reference or as alternatives."""
        shapes: list[Mapping[str, Any]] = []
        pending = [schema]
        while pending:
            shape = pending.pop(0)
            if isinstance(shape, dict) and not any(shape is known for known in shapes):
                shapes.append(shape)
                pending += [part for rule in _ALTERNATIVES for part in shape.get(rule, ())]
                pending += [self._resolve(shape["$ref"])] if "$ref" in shape else []
        return shapes


def _text(shapes: Sequence[Mapping[str, Any]], key: str) -> str:
    return " ".join(shape[key] for shape in shapes if shape.get(key))


def value_text(value: object) -> str:
    """An allowed value or an example, as people read it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
