"""What a stream's SCHEMA tells of its records before the first one comes."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from target_leads.coercion import can_be_taken
from target_leads.listing import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from target_leads.mapping import StreamMapping
    from target_leads.providers import Place
    from target_leads.settings import StreamSettings

_LEAD_ID_TYPES = frozenset({"string", "integer", "number"})
Path = tuple[str, ...]
_Tree = dict[str, "_Tree"]


def warnings(mapping: StreamMapping, stream: str, columns: Sequence[str], schemas: Mapping[str, Any]) -> Iterator[str]:
    """What to warn of, as sentences that follow the stream's name. What the SCHEMA leaves open is no cause."""
    yield from _lead_id_warning(mapping, stream, columns)
    yield from dropped_warning(stream, mapping.settings, mapping.dropped(columns))
    yield from required_warning(mapping, stream, columns)
    yield from _type_warning(mapping, stream, schemas)


def dropped_warning(stream: str, settings: StreamSettings, dropped: Collection[str]) -> Iterator[str]:
    """That columns will not be sent."""
    if dropped and settings.rejects_unknown_fields:
        yield (
            "records with a value in one of these fields are invalid, as the provider has none of their names: "
            f"{listed(dropped)}. "
            f"Map them with streams.{stream}.fields, or set streams.{stream}.unknown_fields to drop."
        )
    elif dropped:
        yield (
            "these fields are not sent, as the provider has none of their names: "
            f"{listed(dropped)}. Map them with streams.{stream}.fields."
        )


def _lead_id_warning(mapping: StreamMapping, stream: str, columns: Sequence[str]) -> Iterator[str]:
    """That no column can hold the lead's id."""
    if columns and mapping.lead_id_field not in columns:
        yield (
            f"no field holds the lead's id, so records will be invalid: it has neither one key property nor a field "
            f"{mapping.lead_id_field}, as {mapping.definition.name} calls it. Say which field does with "
            f"streams.{stream}.lead_id."
        )


def required_warning(mapping: StreamMapping, stream: str, columns: Sequence[str] = ()) -> Iterator[str]:
    """That no record can have what the provider requires. Without columns, those that are mapped are all there is."""
    routes = (mapping.route(column) for column in columns or mapping.settings.fields or ())
    given = {route.path for route in routes if route is not None}
    if given and (missing := list(_missing(mapping, given | set(mapping.constants)))):
        yield (
            f"{mapping.definition.name} requires {listed(missing)}, which no field and no constant gives: "
            f"records will be invalid. Map fields to them with streams.{stream}.fields, or set them in "
            f"streams.{stream}.constants."
        )


def _missing(mapping: StreamMapping, given: Collection[Path]) -> Iterator[str]:
    """Required fields that nothing gives. In an object only if it is put together from columns."""
    id_path = (mapping.definition.lead_id.body_field,)
    pending: collections.deque[tuple[Path, Place | None, _Tree]] = collections.deque()
    pending.append(((), mapping.definition.lead_schema.root, _tree(given)))
    while pending:
        path, place, below = pending.popleft()
        if place is None or path in given:
            continue
        yield from (
            ".".join(needed)
            for needed in ((*path, name) for name in sorted(place.required))
            if needed[-1] not in below and needed != id_path
        )
        pending += [((*path, name), place.child(name), inner) for name, inner in sorted(below.items()) if inner]


def _tree(paths: Iterable[Path]) -> _Tree:
    """Paths by their first names, and each of those by their second."""
    tree: _Tree = {}
    for path in paths:
        below = tree
        for name in path:
            below = below.setdefault(name, {})
    return tree


def _type_warning(mapping: StreamMapping, stream: str, schemas: Mapping[str, Any]) -> Iterator[str]:
    """That columns are of types that can never become what the provider takes."""
    parts: list[str] = []
    coercible: list[str] = []
    others: list[str] = []
    for column, kinds, text_format, path, place in _judgeable(mapping, schemas):
        taken_if_coerced, taken = (
            any(can_be_taken(place, kind, text_format, coerces=coerces) for kind in kinds)
            for coerces in (True, mapping.settings.coerces)
        )
        if taken:
            continue
        (coercible if taken_if_coerced else others).append(column)
        kind = " or ".join(kinds) + (f" ({text_format})" if text_format else "")
        parts.append(f"{column} is {kind}, and {'.'.join(path)} takes {_wanted(place)}")
    types = _kinds(schemas.get(mapping.lead_id_field))
    if types and not _LEAD_ID_TYPES & set(types):
        parts.append(f"{mapping.lead_id_field} is {' or '.join(types)}, and a lead id is text or a whole number")
        others.append(mapping.lead_id_field)
    if parts:
        advice = [f"Set streams.{stream}.coerce to true to convert {listed(coercible)}."] if coercible else []
        advice += [f"Convert {listed(others)} in the tap's query or with stream_maps."] if others else []
        yield (
            f"records with a value in one of these fields are invalid, as its type can never be what "
            f"{mapping.definition.name} takes: {listed(parts, '; ')}. {' '.join(advice)}"
        )


def _judgeable(
    mapping: StreamMapping, schemas: Mapping[str, Any]
) -> Iterator[tuple[str, Sequence[str], str, Path, Place]]:
    """Columns that are sent and whose types are known: name, types, format, where they go, and what is said of it."""
    for column, schema in schemas.items():
        route = mapping.route(column)
        place = route and mapping.definition.lead_schema.place(route.path)
        if route and place and (kinds := _kinds(schema)):
            yield column, kinds, str(schema.get("format", "")), route.path, place


def _kinds(schema: object) -> Sequence[str]:
    """JSON types of a column but null; none if its schema does not simply say them."""
    if not isinstance(schema, dict) or {"anyOf", "oneOf", "allOf", "$ref"} & schema.keys():
        return ()
    named = schema.get("type", ())
    kinds = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return [kind for kind in kinds if kind != "null"] if all(isinstance(kind, str) for kind in kinds) else ()


def _wanted(place: Place) -> str:
    if place.choices:
        return f"one of {', '.join(place.choices)}"
    types = sorted(place.types - {"null"} - ({"integer"} if "number" in place.types else set()))
    return " or ".join(sorted(place.formats) or types)
