"""Updates that will not be delivered as they stand: kept with their reason until somebody has seen to them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from target_leads.models import Outcome, Violation
from target_leads.store.rows import columns_of, dead_letter_row, record_of, settlement_row
from target_leads.store.tables import dead_letters

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from target_leads.models import Settlement

_AT_ONCE = 1000
"""Ids in one statement; no database takes any number."""
_COPIED = (
    "run_id",
    "created_at",
    "stream",
    "provider",
    "account",
    "lead_id",
    "reason",
    "status",
    "error_code",
    "request_id",
    "attempts",
    "job_id",
    "digest",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An update that will not be delivered as it stands, with its reason."""

    dead_letter_id: int
    run_id: str
    created_at: datetime.datetime
    stream: str
    tap_stream: str
    """The stream as the tap calls it, before stream maps."""
    key_properties: tuple[str, ...]
    columns: Mapping[str, Any]
    """What the tap's SCHEMA said of each."""
    provider: str
    account: str
    lead_id: str
    outcome: Outcome
    reason: str
    violations: tuple[Violation, ...]
    status: int | None
    error_code: str
    request_id: str
    attempts: int
    job_id: str
    digest: str
    """Hash that is the same for the same record, with a key of the store's."""
    record: Mapping[str, Any] = field(repr=False)
    """The record as the tap sent it."""

    @property
    def schema_message(self) -> dict[str, Any]:
        """The Singer SCHEMA of its stream, as far as it is kept: the tap's keys and columns."""
        properties = {name: {} for name in (*self.key_properties, *self.record)} if not self.columns else self.columns
        return {
            "type": "SCHEMA",
            "stream": self.tap_stream,
            "key_properties": list(self.key_properties),
            "schema": {"properties": dict(properties)},
        }

    def record_message(self, store: str) -> dict[str, Any]:
        """The Singer RECORD as it came, and which dead letter of which store it is."""
        mark = {"id": self.dead_letter_id, "digest": self.digest, "store": store}
        return {"type": "RECORD", "stream": self.tap_stream, "record": dict(self.record), "dead_letter": mark}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which open dead letters are meant. What is not given leaves none out."""

    ids: tuple[int, ...] = ()
    provider: str = ""
    stream: str = ""
    outcome: str = ""
    reason: str = ""
    """Words that the reason holds."""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """The same in SQL."""
        columns = dead_letters.c
        yield columns.closed_at.is_(None)
        if self.ids:
            yield columns.id.in_(self.ids)
        for name in ("provider", "stream", "outcome"):
            if wanted := getattr(self, name):
                yield columns[name] == wanted
        if self.reason:
            yield columns.reason.icontains(self.reason, autoescape=True)
        if self.since is not None:
            yield columns.created_at >= self.since
        if self.until is not None:
            yield columns.created_at < self.until


def singer_messages(letters: Iterable[DeadLetter], store: str) -> Iterator[dict[str, Any]]:
    """Dead letters of a store as Singer messages: records, and before each the SCHEMA of its stream where it is new."""
    schemas: dict[str, Any] = {}
    for letter in letters:
        if schemas.get(letter.tap_stream) != letter.schema_message:
            schemas[letter.tap_stream] = letter.schema_message
            yield letter.schema_message
        yield letter.record_message(store)


def find(connection: Connection, which: DeadLetterFilter) -> Iterator[DeadLetter]:
    """Open dead letters, oldest first."""
    query = select(dead_letters).where(*which.conditions()).order_by(dead_letters.c.created_at, dead_letters.c.id)
    with connection.execution_options(yield_per=1000).execute(query) as found:  # closed also where the first is enough
        for row in found.mappings():
            yield DeadLetter(
                dead_letter_id=row["id"],
                tap_stream=row["tap_stream"] or row["stream"],
                key_properties=tuple(json.loads(row["key_properties"])),
                columns=columns_of(row["columns"]),
                outcome=Outcome(row["outcome"]),
                violations=tuple(Violation(**violation) for violation in json.loads(row["violations"])),
                record=record_of(row["record"]),
                **{name: row[name] for name in _COPIED},
            )


def file_again(connection: Connection, run_id: str, moment: datetime.datetime, entry: Settlement) -> None:
    """What became of a dead letter that was sent again: it is closed, or stays with its new reason."""
    row = update(dead_letters).where(
        dead_letters.c.id == entry.record.dead_letter_id, dead_letters.c.closed_at.is_(None)
    )
    if entry.outcome.is_dead_letter:
        new = {**settlement_row(entry), **dead_letter_row(entry)}
        kept = {name for name in ("provider", "account", "lead_id") if not new[name]}  # better than none
        connection.execute(row.values(run_id=run_id, **{name: new[name] for name in new.keys() - kept}))
    else:
        connection.execute(row.values(closed_at=moment, closed_because=entry.outcome.value))


def refile(connection: Connection, run_id: str, digest: str, row: Mapping[str, Any]) -> bool:
    """The same record was refused in an earlier run: its dead letter is filed anew. False if there is none.

    A tap that sends the whole table each time would else file every bad row again and again. If it sends one twice in
    a run, there are two dead letters, and each is filed anew once.
    """
    same = (
        select(dead_letters.c.id)
        .where(dead_letters.c.digest == digest, dead_letters.c.closed_at.is_(None), dead_letters.c.run_id != run_id)
        .order_by(dead_letters.c.id)
        .limit(1)
    )
    earlier = connection.scalar(same)
    if earlier is None:
        return False
    connection.execute(update(dead_letters).where(dead_letters.c.id == earlier).values(**row))
    return True


def still_open(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of some dead letters that are not closed."""
    query = select(dead_letters.c.id).where(dead_letters.c.id.in_(ids), dead_letters.c.closed_at.is_(None))
    return set(connection.scalars(query)) if ids else set()


def close(connection: Connection, ids: Sequence[int], *, moment: datetime.datetime, because: str) -> int:
    """Close dead letters; returns how many were open."""
    closed = 0
    for start in range(0, len(ids), _AT_ONCE):
        some = dead_letters.c.id.in_(ids[start : start + _AT_ONCE])
        row = update(dead_letters).where(some, dead_letters.c.closed_at.is_(None))
        closed += connection.execute(row.values(closed_at=moment, closed_because=because)).rowcount
    return closed
