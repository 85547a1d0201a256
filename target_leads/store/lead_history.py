"""What the store knows of one lead, for people who look back. Reads only."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from target_leads.store.rows import storable
from target_leads.store.tables import dead_letters, leads, open_jobs, outcomes

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator

    from sqlalchemy import Connection, RowMapping, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one record of a lead."""

    settled_at: datetime.datetime
    run_id: str
    stream: str
    provider: str
    account: str
    outcome: str
    fields: tuple[str, ...]
    """Names of those that were sent; none if nothing was."""
    status: int | None
    error_code: str
    request_id: str
    reason: str
    attempts: int
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLead:
    """What is known of a lead at one place."""

    provider: str
    account: str
    base_url: str
    is_known: bool
    """Whether it is known what the provider has of it; if not, the next record of it is sent whole."""
    accepted_at: datetime.datetime
    as_of: datetime.datetime | None
    """How new its data is."""
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDeadLetter:
    """A dead letter of a lead that nobody has seen to."""

    id: int
    created_at: datetime.datetime
    stream: str
    provider: str
    account: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJob:
    """A job of a lead that, as far as is known, has not ended."""

    job_id: str
    created_at: datetime.datetime
    stream: str
    provider: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadHistory:
    """All that the store has of one lead id, at each provider that has it. Oldest first."""

    changes: tuple[Change, ...]
    known: tuple[KnownLead, ...]
    dead_letters: tuple[OpenDeadLetter, ...]
    open_jobs: tuple[PendingJob, ...]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return any((self.changes, self.known, self.dead_letters, self.open_jobs))


def lead_history(connection: Connection, lead_id: str, *, provider: str = "") -> LeadHistory:
    """What is known of a lead id, at one provider or, if none is named, at all of them."""
    lead_id = storable(lead_id)
    return LeadHistory(
        changes=tuple(
            Change(**_same(row, Change) | {"fields": tuple(json.loads(row["fields"]))})
            for row in _rows(connection, outcomes, lead_id, provider, "settled_at", "id")
        ),
        known=tuple(
            KnownLead(**_same(row, KnownLead), is_known=row["fields"] != "{}")
            for row in _rows(connection, leads, lead_id, provider, "accepted_at", "base_url")
        ),
        dead_letters=tuple(
            OpenDeadLetter(**_same(row, OpenDeadLetter))
            for row in _rows(connection, dead_letters, lead_id, provider, "created_at", "id")
            if row["closed_at"] is None
        ),
        open_jobs=tuple(
            PendingJob(**_same(row, PendingJob))
            for row in _rows(connection, open_jobs, lead_id, provider, "created_at", "id")
        ),
    )


def _rows(connection: Connection, table: Table, lead_id: str, provider: str, *order: str) -> Iterator[RowMapping]:
    """A table's rows of a lead. All rows are looked at: a million takes a tenth of a second."""
    query = select(table).where(table.c.lead_id == lead_id).order_by(*(table.c[name] for name in order))
    yield from connection.execute(query.where(table.c.provider == provider) if provider else query).mappings()


def _same(row: RowMapping, kind: type[Any]) -> dict[str, Any]:
    """The columns that a dataclass has under the same name."""
    return {field.name: row[field.name] for field in dataclasses.fields(kind) if field.name in row}
