"""Jobs that a provider has not finished: kept until it has, so that the next run can ask after them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import simplejson
from sqlalchemy import and_, delete, insert, select, update

from target_leads.models import LeadUpdate, OpenJob, Record
from target_leads.store.rows import record_of, record_text, storable
from target_leads.store.tables import FINGERPRINT_KEY, keys, open_jobs

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from target_leads.models import Settlement

_Lead = tuple[str, str, str]


class OpenJobs:
    """The table ``open_jobs``, and which update of which lead is in it."""

    def __init__(self, connection: Connection) -> None:
        """Read which jobs are open."""
        self._key: bytes = connection.scalar(select(keys.c.key).where(keys.c.name == FINGERPRINT_KEY)) or b""
        query = select(open_jobs).where(open_jobs.c.fingerprint != "").order_by(open_jobs.c.id)
        self._newest: dict[_Lead, tuple[str, str]] = {
            (row["provider"], row["account"], row["lead_id"]): (row["fingerprint"], row["job_id"])
            for row in connection.execute(query).mappings()
        }
        """Fingerprint and job of the last update that was sent for a lead, where its job is open."""

    def job_of(self, update: LeadUpdate) -> str:
        """The open job that is writing this very update; empty if there is none."""
        fingerprint, job_id = self._newest.get(_lead(update), ("", ""))
        return job_id if fingerprint and fingerprint == self._fingerprint(update.fields) else ""

    def forget(self, connection: Connection, updates: Iterable[LeadUpdate]) -> None:
        """Other updates are about to be sent: from now on nobody knows whether an older one is what the lead has."""
        for entry in updates:
            if self._newest.pop(_lead(entry), None) is not None:
                connection.execute(update(open_jobs).where(_is(_lead(entry))).values(fingerprint=""))

    def enter(
        self, connection: Connection, run_id: str, moment: datetime.datetime, settlements: Iterable[Settlement]
    ) -> None:
        """Enter new jobs. Only the last update of a lead can be recognised when it comes again."""
        for entry in settlements:
            if entry.open_job is None:
                continue
            job_id = storable(entry.job_id)
            fingerprint = self._fingerprint(entry.open_job.update.fields) if entry.open_job.update.is_latest else ""
            connection.execute(
                insert(open_jobs).values(
                    run_id=run_id,
                    created_at=moment,
                    stream=storable(entry.record.stream),
                    provider=entry.provider,
                    account=entry.account,
                    lead_id=storable(entry.lead_id),
                    job_id=job_id,
                    fingerprint=fingerprint,
                    record=record_text(entry.record),
                )
            )
            if fingerprint:
                self._newest[_lead(entry.open_job.update)] = (fingerprint, job_id)

    def close(self, connection: Connection, settlements: Iterable[Settlement]) -> None:
        """Remove jobs that have ended."""
        for entry in settlements:
            lead = (entry.provider, entry.account, entry.lead_id)
            job = open_jobs.c.job_id == storable(entry.job_id)
            connection.execute(delete(open_jobs).where(_is(lead), job))
            if self._newest.get(lead, ("", ""))[1] == storable(entry.job_id):
                del self._newest[lead]

    def _fingerprint(self, fields: Mapping[str, object]) -> str:
        text = simplejson.dumps(fields, use_decimal=True, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=32).hexdigest()


def read_open_jobs(connection: Connection) -> list[OpenJob]:
    """All open jobs, oldest first. Records that share a job come as the parts of one update; their fields are gone."""
    jobs: dict[tuple[_Lead, str], list[LeadUpdate]] = {}
    for row in connection.execute(select(open_jobs).order_by(open_jobs.c.id)).mappings():
        part = LeadUpdate(
            record=Record(stream=row["stream"], fields={}, original=record_of(row["record"])),
            provider=row["provider"],
            account=row["account"],
            lead_id=row["lead_id"],
            fields={},
        )
        jobs.setdefault((_lead(part), row["job_id"]), []).append(part)
    return [OpenJob(update=_together(parts), job_id=job_id) for (_, job_id), parts in jobs.items()]


def _together(parts: Sequence[LeadUpdate]) -> LeadUpdate:
    return parts[0] if len(parts) == 1 else dataclasses.replace(parts[-1], parts=tuple(parts))


def _lead(update: LeadUpdate) -> _Lead:
    return update.provider, update.account, storable(update.lead_id)


def _is(lead: _Lead) -> ColumnElement[bool]:
    provider, account, lead_id = lead
    return and_(
        open_jobs.c.provider == provider, open_jobs.c.account == account, open_jobs.c.lead_id == storable(lead_id)
    )
