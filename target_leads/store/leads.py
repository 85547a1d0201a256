"""What each provider last accepted of each lead: hashes, and no values."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from target_leads.changes import Accepted, after
from target_leads.models import Outcome
from target_leads.store.tables import leads

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection, Table

    from target_leads.changes import Fingerprints
    from target_leads.models import Lead, LeadUpdate, Settlement
    from target_leads.providers import Definition

_AS_BEFORE = frozenset({Outcome.REJECTED, Outcome.UNSETTLED})
"""Outcomes of updates that were not written."""
_AT_ONCE = 500
"""Leads in one query; SQLite takes no more than 32,766 values."""


class Leads:
    """The table ``leads``, and what was in it of the current batch's leads before anything of that was sent."""

    def __init__(self, fingerprints: Fingerprints, definitions: Mapping[str, Definition]) -> None:
        """Remember updates of these providers."""
        self._fingerprints = fingerprints
        self._definitions = definitions
        self._before: dict[Lead, Accepted] = {}
        self._sending: dict[Lead, LeadUpdate] = {}
        """What was announced last for each lead."""
        self._accepted_at: dict[Lead, datetime.datetime] = {}
        """When something of a lead was accepted last in this batch, if anything was."""
        self._earlier_jobs: Counter[Lead] = Counter()
        """Open jobs of leads for which a later update was sent: which is written last nobody knows."""

    def recall(self, connection: Connection, wanted: Iterable[Lead]) -> dict[Lead, Accepted]:
        """What was last accepted of a batch's leads, where that is known."""
        self._earlier_jobs.clear()
        self._accepted_at.clear()
        self._sending.clear()
        self._before = {
            (row["provider"], row["account"], row["base_url"], row["lead_id"]): _accepted(dict(row))
            for condition in are_leads(leads, wanted)
            for row in connection.execute(select(leads).where(condition)).mappings()
        }
        return dict(self._before)

    def forget(self, connection: Connection, updates: Iterable[LeadUpdate]) -> None:
        """These leads are about to change: whatever happens from here on, nothing is known of their fields."""
        sending = {entry.lead: entry for entry in updates}
        self._sending.update(sending)
        for condition in are_leads(leads, sending):
            connection.execute(update(leads).where(condition).values(fields="{}", digest=""))

    def settle(self, connection: Connection, settlements: Iterable[tuple[datetime.datetime, Settlement]]) -> None:
        """Remember what was accepted, and what is as it was because the provider refused to change it.

        A lead is remembered when the update that was announced for it is settled, or its last record if it was taken
        apart, and nothing of it may have been written although its answer does not say so.
        """
        for moment, entry in settlements:
            sent = entry.update
            if sent is None:
                continue
            if entry.job_id and not sent.is_latest and entry.outcome is not Outcome.UNCONFIRMED:
                self._earlier_jobs[sent.lead] -= 1
            before = self._before.get(sent.lead)
            if entry.outcome is Outcome.DELIVERED:
                self._before[sent.lead] = after(before, sent, self._fingerprints, self._definitions[sent.provider])
                self._accepted_at[sent.lead] = moment
            elif entry.outcome is Outcome.UNCHANGED:
                if before is not None:  # the record differs in what is not sent, such as its version
                    now = after(before, sent, self._fingerprints, self._definitions[sent.provider])
                    self._before[sent.lead] = now
                    restore(connection, sent.lead, now)
                continue
            # A job that ended badly may have written a part.
            elif before is not None and (entry.outcome not in _AS_BEFORE or sent.may_be_written or entry.job_id):
                self._before[sent.lead] = dataclasses.replace(before, fields={}, digest="")
            announced = self._sending.get(sent.lead)
            is_last = announced is None or announced.record is sent.record
            if is_last and sent.lead in self._before and not self._earlier_jobs[sent.lead]:
                now = self._before[sent.lead]
                accepted_at = self._accepted_at.get(sent.lead)
                if accepted_at is None:
                    restore(connection, sent.lead, now)
                else:
                    remember(connection, {sent.lead: now}, accepted_at)

    def after_job(self, sent: LeadUpdate) -> Accepted:
        """What its provider will have accepted of a lead once it has written an update for which a job has begun."""
        if not sent.is_latest:
            self._earlier_jobs[sent.lead] += 1
        return after(self._before.get(sent.lead), sent, self._fingerprints, self._definitions[sent.provider])


def remember(connection: Connection, accepted: Mapping[Lead, Accepted], moment: datetime.datetime) -> None:
    """Enter what was accepted, over what stands there."""
    if not accepted:
        return
    rows = [{**_key(lead), **_values(now), "accepted_at": moment} for lead, now in accepted.items()]
    insert = postgresql.insert(leads) if connection.dialect.name == "postgresql" else sqlite.insert(leads)
    values = {name: insert.excluded[name] for name in ("fields", "digest", "version", "accepted_at")}
    connection.execute(insert.on_conflict_do_update(index_elements=list(leads.primary_key.columns), set_=values), rows)


def restore(connection: Connection, lead: Lead, before: Accepted) -> None:
    """Put back what was forgotten."""
    connection.execute(update(leads).where(is_lead(leads, lead)).values(**_values(before)))


def forget(connection: Connection, lead: Lead) -> None:
    """Forget what was accepted of a lead, but for its version."""
    connection.execute(update(leads).where(is_lead(leads, lead)).values(fields="{}", digest=""))


def is_lead(table: Table, lead: Lead) -> ColumnElement[bool]:
    """Whether a row is about a lead."""
    return and_(*(table.c[name] == value for name, value in _key(lead).items()))


def are_leads(table: Table, wanted: Iterable[Lead]) -> Iterator[ColumnElement[bool]]:
    """Whether a row is about one of many leads: conditions for as many queries as that takes."""
    accounts: dict[tuple[str, str, str], list[str]] = {}
    for provider, account, base_url, lead_id in wanted:
        accounts.setdefault((provider, account, base_url), []).append(lead_id)
    for (provider, account, base_url), lead_ids in accounts.items():
        for start in range(0, len(lead_ids), _AT_ONCE):
            yield and_(
                table.c.provider == provider,
                table.c.account == account,
                table.c.base_url == base_url,
                table.c.lead_id.in_(lead_ids[start : start + _AT_ONCE]),
            )


def accepted_text(accepted: Accepted) -> str:
    """What was accepted, as JSON."""
    return json.dumps(_values(accepted))


def accepted_of(text: str) -> Accepted:
    """What `accepted_text` wrote."""
    return _accepted(json.loads(text))


def _key(lead: Lead) -> dict[str, str]:
    return dict(zip(("provider", "account", "base_url", "lead_id"), lead, strict=True))


def _values(accepted: Accepted) -> dict[str, Any]:
    return {
        "fields": json.dumps(accepted.fields, separators=(",", ":")),
        "digest": accepted.digest,
        "version": None if accepted.version is None else str(accepted.version),
    }


def _accepted(values: Mapping[str, Any]) -> Accepted:
    version = values["version"]
    return Accepted(
        fields=json.loads(values["fields"]),
        digest=values["digest"],
        version=None if version is None else Decimal(version),
    )
