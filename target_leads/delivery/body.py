"""What stands where in the body of an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from target_leads.delivery.http import HttpResponse

_LONGEST_ID = 500
_STEPS = frozenset({".", ".."})
UNREADABLE = object()
"""A body that is no JSON."""


def body_of(answer: HttpResponse) -> Any:  # noqa: ANN401 -- a body is any JSON
    """The body as JSON, or `UNREADABLE`."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return UNREADABLE


def at(body: Any, pointer: str) -> Any:  # noqa: ANN401 -- any JSON
    """The value at a JSON Pointer; None if there is none."""
    for token in _tokens(pointer):
        body = body.get(token) if isinstance(body, dict) else None
    return body


def first_id(body: object, pointers: Iterable[str]) -> str:
    """The first usable id at one of the JSON Pointers: text that is not blank, or a whole number, and not overlong.

    Nor is it a step in a path: a question after the job ``..`` would go to another address.
    """
    for pointer in pointers:
        value = at(body, pointer)
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            text = str(value)
            if 0 < len(text.strip()) <= _LONGEST_ID and text not in _STEPS:
                return text
    return ""


def words_at(body: object, pointers: Iterable[str], known: Collection[str]) -> list[str]:
    """Those of the known words that stand at the pointers, in alphabetical order. No other word of a body gets out."""
    found: set[str] = set()
    for pointer in pointers:
        values = [body]
        for token in _tokens(pointer):
            values = [inner for value in values for inner in _steps(value, token)]
        found.update(value for value in values if isinstance(value, str))
    return sorted(found.intersection(known))


def _tokens(pointer: str) -> Iterator[str]:
    for token in pointer.split("/")[1:]:
        yield token.replace("~1", "/").replace("~0", "~")


def _steps(value: object, token: str) -> Iterable[Any]:
    """What a step of a pointer leads to; a step ``*`` to everything inside."""
    if token == "*":  # noqa: S105 -- no password
        return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (value[token],) if isinstance(value, dict) and token in value else ()
