"""Jobs that a provider has not finished: kept until it has, so that the next run can ask after them."""

from __future__ import annotations

import dataclasses
import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, insert, select, update

from target_leads.changes import LastSent
from target_leads.models import LeadUpdate, OpenJob, Outcome
from target_leads.store.leads import accepted_of, accepted_text, forget, is_lead, lead_of, remember
from target_leads.store.of_leads import are_leads, by_account
from target_leads.store.rows import kept_record, record_row, storable
from target_leads.store.tables import open_jobs

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, Select, Update

    from target_leads.changes import Accepted
    from target_leads.models import Lead, Settlement

_UNKNOWN = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""Answers by which a provider says that it knows no such job."""


@functools.cache
def _read(database: str) -> Select[Any]:
    return select(open_jobs).where(are_leads(open_jobs, database)).order_by(open_jobs.c.id)


@functools.cache
def _leave_behind(database: str) -> Update:
    known = open_jobs.c.fingerprint != ""
    return update(open_jobs).where(are_leads(open_jobs, database), known).values(fingerprint="")


def open_jobs_of(connection: Connection, leads: Iterable[Lead]) -> dict[Lead, LastSent]:
    """What was sent of a lead last, where its job is open."""
    found: dict[Lead, LastSent] = {}
    for some in by_account(leads):
        for row in connection.execute(_read(connection.dialect.name), some).mappings():
            found[lead_of(row)] = LastSent(
                fingerprint=row["fingerprint"],
                job_id=row["job_id"],
                accepted=accepted_of(row["accepted"], run_id=row["run_id"]),
            )
    return found


def leave_behind(connection: Connection, updates: Iterable[LeadUpdate]) -> None:
    """Other updates are about to be sent: from now on no open job stands for what its lead was sent last."""
    for some in by_account({entry.lead for entry in updates}):
        connection.execute(_leave_behind(connection.dialect.name), some)


def enter_job(
    connection: Connection,
    job: OpenJob,
    *,
    run_id: str,
    moment: datetime.datetime,
    accepted: Accepted,
    fingerprint: str,
) -> None:
    """Enter a job that has just begun. Only the last update of a lead can be recognised when it comes again."""
    sent = job.update
    shared = {
        "run_id": run_id,
        "created_at": moment,
        "provider": sent.provider,
        "account": sent.account,
        "base_url": sent.base_url,
        "lead_id": sent.lead_id,
        "job_id": storable(job.job_id),
        "fingerprint": fingerprint if sent.is_latest else "",
        "accepted": accepted_text(accepted),
    }
    rows = [
        {**shared, "stream": storable(part.record.stream), **record_row(part.record)} for part in sent.parts or (sent,)
    ]
    connection.execute(insert(open_jobs), rows)


def end_job(connection: Connection, settlement: Settlement) -> bool:
    """Remove a job that has ended; false if somebody else has done so."""
    return connection.execute(delete(open_jobs).where(_is_job(settlement))).rowcount > 0


def end_earlier_job(connection: Connection, moment: datetime.datetime, settlement: Settlement) -> bool:
    """Likewise for a job of an earlier run, with what follows for the memory of its lead."""
    row = connection.execute(select(open_jobs).where(_is_job(settlement))).mappings().first()
    if row is None or not end_job(connection, settlement):
        return False
    if settlement.outcome is Outcome.DELIVERED and row["fingerprint"]:
        remember(connection, lead_of(row), accepted_of(row["accepted"], run_id=row["run_id"]), moment)
    else:  # it may have written a part; or another update was sent after it, and which was written last nobody knows
        forget(connection, [lead_of(row)])
    return True


def doubt_job(connection: Connection, settlement: Settlement) -> None:
    """A job that its provider does not know may never end: its update is sent again if it comes again."""
    if settlement.status in _UNKNOWN:
        connection.execute(update(open_jobs).where(_is_job(settlement)).values(fingerprint=""))


def read_open_jobs(connection: Connection) -> list[OpenJob]:
    """All open jobs, oldest first. Records that share a job come as the parts of one update; their fields are gone."""
    jobs: dict[tuple[Lead, str], list[LeadUpdate]] = {}
    begun_at: dict[tuple[Lead, str], datetime.datetime] = {}
    for row in connection.execute(select(open_jobs).order_by(open_jobs.c.id)).mappings():
        as_of = accepted_of(row["accepted"], run_id=row["run_id"]).as_of
        part = LeadUpdate(
            record=kept_record(dict(row), received_at=as_of or row["created_at"]),
            provider=row["provider"],
            account=row["account"],
            base_url=row["base_url"],
            lead_id=row["lead_id"],
            fields={},
        )
        jobs.setdefault((part.lead, row["job_id"]), []).append(part)
        begun_at[part.lead, row["job_id"]] = row["created_at"]
    return [OpenJob(update=_together(parts), job_id=key[1], begun_at=begun_at[key]) for key, parts in jobs.items()]


def _together(parts: Sequence[LeadUpdate]) -> LeadUpdate:
    return parts[0] if len(parts) == 1 else dataclasses.replace(parts[-1], parts=tuple(parts))


def _is_job(settlement: Settlement) -> ColumnElement[bool]:
    sent = settlement.update
    if sent is None:
        raise ValueError("a settlement that was not sent has no job")
    return and_(is_lead(open_jobs, sent.lead), open_jobs.c.job_id == storable(settlement.job_id))
