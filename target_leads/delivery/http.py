"""What goes to a provider and what comes back, free of any HTTP library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request, built once: a repeated attempt sends the same bytes."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer of the provider, read to its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name."""
    body: bytes = field(repr=False)
    received_at: float = 0.0
    """Seconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no answer."""

    reason: str
    may_have_arrived: bool = False
    """Whether the provider may have taken the request all the same."""
    timed_out: bool = False
    """Whether the provider took too long."""
    unsent: bool = False
    """Whether nothing was sent at all: there was no connection."""
    see_to: str = ""
    """Environment variable that has to do with it, if one has."""


Answer = HttpResponse | Failure
