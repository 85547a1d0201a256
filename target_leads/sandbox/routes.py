"""Which call of a provider a request is for, told from its path and query."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.providers import Definition

_SEGMENT = "[^/]+"
_TEXT = "(?s:.+)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A request that is for one of a provider's calls, by its path and query."""

    call: str
    """``update``, ``read`` or ``job``."""
    method: str
    """The method that the call asks for."""
    lead_id: str = ""
    job_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call of a provider, ready to be compared with requests."""

    call: str
    method: str
    path: re.Pattern[str]
    """Fits the path as it was sent, still quoted: a quoted slash does not end a segment."""
    query: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """Fit the values of query parameters, unquoted. A parameter that does not fit names no lead."""

    def match(self, path: str, query: str) -> Match | None:
        """The call with the ids that the request names; ``None`` if it is for something else."""
        fitting = self.path.fullmatch(path)
        if fitting is None:
            return None
        try:
            names = {name: unquote(value, errors="strict") for name, value in fitting.groupdict().items()}
        except UnicodeDecodeError:
            return None
        given = parse_qs(query) if self.query else {}
        for name, pattern in self.query.items():
            fitting = pattern.fullmatch(given[name][0]) if len(given.get(name, ())) == 1 else None
            names |= fitting.groupdict() if fitting else {}
        return Match(call=self.call, method=self.method, **names)


def routes(definition: Definition) -> tuple[Route, ...]:
    """The calls of a provider, without the prefix."""
    return tuple(_routes(definition))


def find(candidates: tuple[Route, ...], method: str, path: str, query: str) -> Match | None:
    """The call that a request is for, or one of its path with another method; ``None`` if no path fits."""
    matches = [match for route in candidates if (match := route.match(path, query))]
    return next((match for match in matches if match.method == method), matches[0] if matches else None)


def _routes(definition: Definition) -> Iterator[Route]:
    update, read, job = definition.update, definition.read, definition.job
    yield Route(call="update", method=update.method, path=_pattern(update.path, _SEGMENT))
    if read is not None:
        query = {name: _pattern(template, _TEXT) for name, template in read.query.items()}
        yield Route(call="read", method=read.method, path=_pattern(read.path, _SEGMENT), query=query)
    if job is not None:
        yield Route(call="job", method=job.method, path=_pattern(job.path, _SEGMENT))


def _pattern(template: str, value: str) -> re.Pattern[str]:
    """What texts made from a template look like; the ids in it are groups, a setting may have any value."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(template):
        parts.append(re.escape(literal))
        if name in {"lead_id", "job_id"}:
            first = f"(?P<{name}>{value})"
            parts.append(f"(?P={name})" if first in parts else first)
        elif name is not None:
            parts.append(value)
    return re.compile("".join(parts))
