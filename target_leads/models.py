"""The values that travel through a run: records come in, settlements come back."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping
    from decimal import Decimal


class Outcome(str, enum.Enum):
    """The final fate of one record. Every record ends as exactly one of these."""

    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    IGNORED = "ignored"
    INVALID = "invalid"
    REJECTED = "rejected"
    FAILED = "failed"
    UNSETTLED = "unsettled"

    __hash__ = str.__hash__  # an enum's own is no C, and every record is counted by its outcome

    def __str__(self) -> str:
        """The word that logs, reports and tables use."""
        return self.value

    @property
    def is_dead_letter(self) -> bool:
        """Whether a record that ends so is kept as a dead letter."""
        return self in _DEAD_LETTERS


_DEAD_LETTERS = frozenset({Outcome.INVALID, Outcome.REJECTED, Outcome.FAILED})


class VerdictKind(str, enum.Enum):
    """What one attempt, a request and its response, means for the lead update."""

    DELIVERED = "delivered"
    """The provider has written the update."""
    ACCEPTED = "accepted"
    """The provider has taken the update and writes it later; its job says how that ends."""
    RETRY = "retry"
    """No answer, no usable answer, or "not now": the same request may succeed later."""
    REJECTED = "rejected"
    """The provider refuses this update, and would again."""
    FATAL = "fatal"
    """No request of this account can succeed: the credentials are refused."""

    @property
    def last_outcome(self) -> Outcome:
        """What a record ends as when this is the last word about it."""
        return _LAST_OUTCOMES[self]


_LAST_OUTCOMES = {
    VerdictKind.DELIVERED: Outcome.DELIVERED,
    VerdictKind.ACCEPTED: Outcome.UNCONFIRMED,
    VerdictKind.RETRY: Outcome.FAILED,
    VerdictKind.REJECTED: Outcome.REJECTED,
    VerdictKind.FATAL: Outcome.UNSETTLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One way in which an update breaks the provider's schema. Never holds a value of the record."""

    path: str
    """JSON path of the offending place, such as ``$.phone.extension``."""
    rule: str
    """The rule that is broken, in words: ``must be one of open, contacted``."""

    def __str__(self) -> str:
        """Path and rule in one phrase."""
        return f"{self.path} {self.rule}"


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One record of the tap, as a stream's sink receives it. A struct, which is made ten times as fast as a dataclass.

    It never leads back to itself, so the garbage collector need not look at it.
    """

    stream: str
    fields: Mapping[str, Any]
    """The record's columns, after stream maps."""
    original: Mapping[str, Any]
    """The record as the tap sent it, before stream maps. Kept if it becomes a dead letter."""
    tap_stream: str = ""
    """The stream as the tap calls it, before stream maps."""
    key_properties: tuple[str, ...] = ()
    """Those of the tap's stream."""
    columns: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """What its SCHEMA says of each."""
    received_at: datetime.datetime | None = None
    """When it came. A dead letter that is sent again is as old as when it came first."""
    dead_letter_id: int | None = None
    """The dead letter that is sent again, if the record is one."""

    def __repr__(self) -> str:
        """Whose it is, without what it holds."""
        return f"Record(stream={self.stream!r}, dead_letter_id={self.dead_letter_id!r})"


Lead = tuple[str, str, str, str]
"""Provider, account, base URL and lead id: one lead at one place, by which memory is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadUpdate:
    """One validated change for one lead."""

    record: Record
    provider: str
    account: str
    """Name that keeps two sets of credentials of one provider apart."""
    lead_id: str
    base_url: str = ""
    """Where the account is reached: what one environment has accepted says nothing of another."""
    fields: Mapping[str, Any] = field(repr=False)
    """The update in the provider's own field names, as its ``lead.schema.json`` describes it."""
    version: Decimal | None = None
    """Orders the updates of one lead, where the stream has such a field; a timestamp as seconds since 1970 UTC."""
    parts: tuple[LeadUpdate, ...] = field(default=(), repr=False)
    """The updates that were merged into this one, oldest first; the last has its record. Empty if none were."""
    is_latest: bool = True
    """Whether no later update of the lead stands in the same batch."""
    may_be_written: bool = False
    """Whether an earlier attempt may have been written although its answer does not say so."""
    digest: str = ""
    """Keyed hash of the whole record and of how it is mapped: the same record again needs no closer look."""
    changes: Mapping[str, Any] | None = field(default=None, repr=False)
    """What of the fields has to be sent; none: all of them."""
    differing: tuple[str, ...] | None = None
    """Names of the fields that differ from what was accepted last; none if nothing is known of that."""

    @property
    def lead(self) -> Lead:
        """Which lead it is, and where."""
        return self.provider, self.account, self.base_url, self.lead_id

    @property
    def body(self) -> Mapping[str, Any]:
        """The fields that are sent."""
        return self.fields if self.changes is None else self.changes


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """An update that a provider has taken and not written yet."""

    update: LeadUpdate
    job_id: str
    begun_at: datetime.datetime | None = None
    """When it began, if it is one of an earlier run."""


OVERTAKEN = "something newer of the lead was accepted before"
"""The reason of a record that must not be sent over newer data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The final fate of one record and why. Holds no value of the record but the lead's id."""

    record: Record
    outcome: Outcome
    provider: str = ""
    account: str = ""
    base_url: str = ""
    """Of a record that was not sent; else its update says it."""
    lead_id: str = ""
    reason: str = ""
    """Why, in words that are the same for the same cause, so that they can be counted."""
    violations: tuple[Violation, ...] = ()
    status: int | None = None
    """HTTP status of the last answer, if there was one."""
    error_code: str = ""
    """The provider's own word for what is wrong, where it has one and it can be no value of the record."""
    request_id: str = ""
    """The provider's own name for the last request, by which its support can find it."""
    attempts: int = 0
    """How often it was tried, also where there was no connection."""
    waited_seconds: float = 0.0
    """How long it was held back between those requests."""
    update: LeadUpdate | None = field(default=None, repr=False)
    """What was sent, if anything was."""
    job_id: str = ""
    """The provider's job that writes the update, if the provider writes later."""

    @property
    def lead(self) -> Lead:
        """Which lead it is about, and where; parts of it are empty where there is none."""
        return self.provider, self.account, self.base_url, self.lead_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """Records that came as their providers accepted them last. They are `unchanged`, all at once: most of a run are."""

    counts: Mapping[tuple[str, str], int]
    """How many, by provider and stream."""
    leads: Mapping[Lead, datetime.datetime | None]
    """Of which leads, and when each came."""
