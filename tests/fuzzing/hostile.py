"""Hostile values, and JSON with one of them in a place of its own."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

HUGE = "\ue000huge\ue000"
"""Stands for numbers that Python's JSON would not write so."""
NUMBERS = [
    "1e999999",
    "-1E+400",
    "1e99999999999999999999",
    "0.1e-400",
    "-0",
    "-0.0",
    "NaN",
    "-Infinity",
    "1" * 500,
    "1.0",
]
TEXTS = [
    *(
        "",
        " ",
        ".",
        "..",
        "/",
        "a/../b",
        "?a=1#b",
        "%2e%2e",
        "%",
        "\n",
        "\r\n",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\ufeff",
    ),
    *("\u202e", "😀", "e\u0301", "null", "true", "1", "0x10", "1e5", "1_000", "+1", " 1", "١٢", "NaN", "x" * 3000),
    *("{}", "[1]", '{"a":1,"a":2}', "[" * 500, "{lead_id}", "{0.__class__}", "%(name)s", "${x}", "<b>", "'; --", "\\"),
    *(
        "2026-02-30",
        "2026-03-29T25:00:00Z",
        "0000-01-01",
        "9999-12-31T23:59:60-23:59",
        "a@b",
        '"a b"@c.example',
        "a@[::1]",
    ),
    *(
        "(",
        "(a+)+$",
        "[",
        "(?P<a>",
        "\\",
        "^(?=x)",
        "#",
        "#/",
        "#/nowhere",
        "http://127.0.0.1:9/x",
        "file:///etc/passwd",
    ),
    *("string", "object", "array", "integer", "date-time", "email", "uuid", "hostname", "whole", "partial", "PATCH"),
]
NAMES = [
    "",
    "id",
    "a.b",
    "a__b",
    "__",
    ".",
    "_sdc_deleted_at",
    "_sdc_x",
    "$ref",
    "__class__",
    "\ud800",
    "\0",
    "~1",
    "x\ny",
]


def value(of: random.Random) -> Any:
    """A hostile value."""
    kind = of.randrange(8)
    if kind < 3:
        return of.choice(TEXTS)
    if kind == 3:
        return HUGE + of.choice(NUMBERS)
    if kind == 4:
        return of.choice([None, True, False, 0, -1, 1.5, 2**63, -(10**400)])
    if kind == 5:
        return {of.choice(NAMES): value(of) for _ in range(of.randrange(3))}
    if kind == 6:
        return [value(of) for _ in range(of.randrange(3))]
    deep: Any = of.choice(TEXTS)
    for _ in range(of.choice([3, 60, 900])):
        deep = [deep] if of.random() < 0.5 else {"a": deep}
    return deep


def mutated(root: Any, of: random.Random) -> Any:
    """JSON in which something is changed: another value, a name, a part that is gone, doubled or elsewhere."""
    root = copy.deepcopy(root)
    places: list[tuple[Any, Any]] = []
    pending = [root]
    while pending:
        part = pending.pop()
        inner = (
            list(part.items()) if isinstance(part, dict) else list(enumerate(part)) if isinstance(part, list) else []
        )
        places += [(part, key) for key, _ in inner]
        pending += [each for _, each in inner if isinstance(each, (dict, list))]
    if not places:
        return value(of)
    holder, key = of.choice(places)
    kind = of.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[of.choice(NAMES)] = holder.pop(key)
    elif kind == 2:
        other, other_key = of.choice(places)
        holder[key] = copy.deepcopy(other[other_key])
    elif kind == 3 and isinstance(holder, dict):
        holder[of.choice(NAMES)] = value(of)
    elif kind == 4 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[key] = value(of)
    return root


def written(root: Any) -> bytes:
    """JSON as text; half of surrogate pairs and numbers without bounds as they are meant."""
    text = json.dumps(root)
    for number in NUMBERS:
        text = text.replace(json.dumps(HUGE + number), number)
    return text.encode()
