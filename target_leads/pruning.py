"""What is left of a JSON document without the parts that break its schema, so that the rest can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_leads.redaction import unknown_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jsonschema import ValidationError

_OF_WHAT_IS_MISSING = frozenset({"dependentRequired", "required"})


def pruned(document: Any, errors: Iterable[ValidationError]) -> Any:  # noqa: ANN401 -- any JSON
    """A copy of an object without the parts at which these errors stand; what it lacks, it lacks still.

    A list goes as a whole: without one of its items the others would stand at other places.
    """
    kept = document
    for error in errors:
        path = [*error.absolute_path]
        if error.validator == "additionalProperties" and isinstance(error.schema, dict):
            there: Any = error.instance
            for name in unknown_names(error.schema, there):
                kept = _without(kept, [*path, name])
        elif error.validator not in _OF_WHAT_IS_MISSING:
            kept = _without(kept, path) if path else {}
    return kept


def _without(document: Mapping[str | int, Any], path: Sequence[str | int]) -> Mapping[str | int, Any]:
    """The object without what stands at a path, if it still does. Copied on the way alone: it may be nested deeply."""
    name, *rest = path
    inner = document.get(name)
    if rest and isinstance(inner, dict):
        return {**document, name: _without(inner, rest)}
    return {key: value for key, value in document.items() if key != name}
