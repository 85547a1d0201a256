"""The table ``leads``: what each provider last accepted of each lead, as hashes and no values."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from target_leads.changes import Accepted, without_all
from target_leads.store.of_leads import are_leads, by_account
from target_leads.store.tables import dead_letters, leads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, Update

    from target_leads.models import Lead


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRow:
    """What is known of a lead, and when something of it was accepted last."""

    accepted: Accepted
    accepted_at: datetime.datetime

    def after(self, now: Accepted, accepted_at: datetime.datetime) -> LeadRow:
        """What is known when a run has had something accepted.

        If another run has sent to the lead since that run did, nobody knows which of the two was written last. The lead
        never gets older, nor its version lower.
        """
        there = self.accepted
        if there.run_id != now.run_id:
            now = dataclasses.replace(without_all(now), run_id="")
        versions = [version for version in (there.version, now.version) if version is not None]
        now = dataclasses.replace(
            now, version=max(versions, default=None), as_of=max(filter(None, (there.as_of, now.as_of)), default=None)
        )
        return LeadRow(accepted=now, accepted_at=accepted_at)


@functools.cache
def _read(database: str) -> Select[Any]:
    return select(leads).where(are_leads(leads, database))


@functools.cache
def _read_digests(database: str) -> Select[Any]:
    return select(leads.c.lead_id, leads.c.digest).where(are_leads(leads, database))


@functools.cache
def _read_refused(database: str) -> Select[Any]:
    open_ones = are_leads(dead_letters, database), dead_letters.c.closed_at.is_(None)
    return select(dead_letters.c.lead_id).distinct().where(*open_ones)


@functools.cache
def _announce(database: str) -> Update:
    return update(leads).where(are_leads(leads, database)).values(fields="{}", digest="", run_id=bindparam("by_run"))


def read(connection: Connection, wanted: Iterable[Lead]) -> dict[Lead, LeadRow]:
    """What is known of leads, of those of which something is."""
    return {
        lead_of(row): LeadRow(accepted=_accepted(row), accepted_at=row["accepted_at"])
        for some in by_account(wanted)
        for row in connection.execute(_read(connection.dialect.name), some).mappings()
    }


def read_digests(connection: Connection, wanted: Iterable[Lead]) -> dict[Lead, str]:
    """Digests of the records that were accepted last, of those leads of which one is known."""
    return {
        (some["of_provider"], some["of_account"], some["of_base_url"], lead_id): digest
        for some in by_account(wanted)
        for lead_id, digest in connection.execute(_read_digests(connection.dialect.name), some).all()
    }


def write(connection: Connection, rows: Mapping[Lead, LeadRow]) -> None:
    """Enter what is known of leads, over what stands there."""
    if not rows:
        return
    insert = postgresql.insert(leads) if connection.dialect.name == "postgresql" else sqlite.insert(leads)
    values = {name: insert.excluded[name] for name in ("fields", "digest", "version", "as_of", "run_id", "accepted_at")}
    entered = [
        {
            **_key(lead),
            **_values(row.accepted),
            "as_of": row.accepted.as_of,
            "run_id": row.accepted.run_id,
            "accepted_at": row.accepted_at,
        }
        for lead, row in rows.items()
    ]
    upsert = insert.on_conflict_do_update(index_elements=list(leads.primary_key.columns), set_=values)
    connection.execute(upsert, entered)


def remember(connection: Connection, lead: Lead, now: Accepted, accepted_at: datetime.datetime) -> None:
    """Enter what was accepted of one lead."""
    there = read(connection, [lead]).get(lead)
    new = LeadRow(accepted=now, accepted_at=accepted_at)
    write(connection, {lead: new if there is None else there.after(now, accepted_at)})


def announce(connection: Connection, run_id: str, sending: Iterable[Lead]) -> None:
    """A run is about to send to these leads: whatever happens from here on, nothing is known of their fields."""
    for some in by_account(sending):
        connection.execute(_announce(connection.dialect.name), {**some, "by_run": run_id})


def forget(connection: Connection, forgotten: Iterable[Lead]) -> None:
    """Forget what was accepted of leads, but for version and age: what their providers have nobody knows."""
    announce(connection, "", forgotten)


def outdate_dead_letters(connection: Connection, received: Mapping[Lead, datetime.datetime | None]) -> None:
    """Records came that their providers have already: dead letters from before them are older than what is there.

    That is written down only where there is such a dead letter, so that records without news cost next to nothing.
    """
    for some in by_account(received):
        refused = set(connection.scalars(_read_refused(connection.dialect.name), some))
        own = [
            lead for lead in received if lead[-1] in refused and lead[:2] == (some["of_provider"], some["of_account"])
        ]
        for lead, row in read(connection, own).items():
            as_of = max(filter(None, (row.accepted.as_of, received[lead])), default=None)
            connection.execute(update(leads).where(is_lead(leads, lead)).values(as_of=as_of))


def is_lead(table: Table, lead: Lead) -> ColumnElement[bool]:
    """Whether a row is about a lead."""
    return and_(*(table.c[name] == value for name, value in _key(lead).items()))


def accepted_text(accepted: Accepted) -> str:
    """What was accepted, as JSON."""
    return json.dumps({**_values(accepted), "as_of": accepted.as_of and accepted.as_of.isoformat()})


def accepted_of(text: str, *, run_id: str) -> Accepted:
    """What `accepted_text` wrote, as the work of a run."""
    values = json.loads(text)
    as_of = values.get("as_of")
    moment = datetime.datetime.fromisoformat(as_of) if as_of else None
    return _accepted({**values, "as_of": moment, "run_id": run_id})


def lead_of(row: RowMapping) -> Lead:
    """The lead that a row is about."""
    return row["provider"], row["account"], row["base_url"], row["lead_id"]


def _key(lead: Lead) -> dict[str, str]:
    return dict(zip(("provider", "account", "base_url", "lead_id"), lead, strict=True))


def _values(accepted: Accepted) -> dict[str, Any]:
    return {
        "fields": json.dumps(accepted.fields, separators=(",", ":")),
        "digest": accepted.digest,
        "version": None if accepted.version is None else str(accepted.version),
    }


def _accepted(values: Mapping[Any, Any]) -> Accepted:
    version = values["version"]
    return Accepted(
        fields=json.loads(values["fields"]),
        digest=values["digest"],
        version=None if version is None else Decimal(version),
        as_of=values["as_of"],
        run_id=values["run_id"],
    )
