"""What each provider last accepted of each lead: hashes, and no values."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Numeric, and_, case, cast, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from target_leads.changes import Accepted, after, without_all
from target_leads.models import Outcome
from target_leads.store.tables import dead_letters, leads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping, Table

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
        self._shared: set[Lead] = set()
        """Leads that another run sent to since they were recalled."""
        self._earlier_jobs: Counter[Lead] = Counter()
        """Open jobs of leads for which a later update was sent: which is written last nobody knows."""

    def recall(self, connection: Connection, wanted: Iterable[Lead]) -> dict[Lead, Accepted]:
        """What was last accepted of a batch's leads, where that is known."""
        self._earlier_jobs.clear()
        self._accepted_at.clear()
        self._shared.clear()
        self._sending.clear()
        self._before = {
            lead_of(row): _accepted(dict(row))
            for condition in are_leads(leads, wanted)
            for row in connection.execute(select(leads).where(condition)).mappings()
        }
        return dict(self._before)

    def forget(self, connection: Connection, run_id: str, updates: Iterable[LeadUpdate]) -> frozenset[Lead]:
        """These leads are about to change: whatever happens from here on, nothing is known of their fields.

        What this run knew of one that another run sent to since may no longer be so. Those of which the other has
        something newer are left alone, and returned.
        """
        sending = {entry.lead: entry for entry in updates}
        again = self._sending.keys() & sending.keys()
        overtaken: set[Lead] = set()
        for condition in are_leads(leads, sending):
            for row in connection.execute(select(leads).where(condition).with_for_update()).mappings():
                lead = lead_of(row)
                before, now = self._before.get(lead), _accepted(dict(row))
                if lead in again and now.run_id == run_id:
                    continue
                if before is None or (before.run_id, before.fields) != (now.run_id, now.fields):
                    if now.is_newer_than(sending[lead].record.received_at, sending[lead].version):
                        overtaken.add(lead)
                        continue
                    self._shared.add(lead)
                self._before[lead] = dataclasses.replace(now, run_id=run_id)
        for lead in overtaken:
            del sending[lead]
        self._sending.update(sending)
        for condition in are_leads(leads, sending):
            connection.execute(update(leads).where(condition).values(fields="{}", digest="", run_id=run_id))
        return frozenset(overtaken)

    def settle(
        self, connection: Connection, run_id: str, settlements: Sequence[tuple[datetime.datetime, Settlement]]
    ) -> None:
        """Remember what was accepted, and what is as it was because the provider refused to change it.

        A lead is remembered when the update that was announced for it is settled, or its last record if it was taken
        apart, and nothing of it may have been written although its answer does not say so.
        """
        unchanged = [entry for _, entry in settlements if entry.outcome is Outcome.UNCHANGED and entry.update is None]
        outdate_dead_letters(connection, {entry.lead: entry.record.received_at for entry in unchanged})
        for moment, entry in settlements:
            sent = entry.update
            if sent is None:
                continue
            if entry.job_id and not sent.is_latest and entry.outcome is not Outcome.UNCONFIRMED:
                self._earlier_jobs[sent.lead] -= 1
            before = self._before.get(sent.lead)
            if entry.outcome is Outcome.DELIVERED:
                now = after(before, sent, self._fingerprints, self._definitions[sent.provider])
                self._before[sent.lead] = dataclasses.replace(now, run_id=run_id)
                self._accepted_at[sent.lead] = moment
            elif entry.outcome is Outcome.UNCHANGED:
                if before is not None:  # the record differs in what is not sent, such as its version
                    now = after(before, sent, self._fingerprints, self._definitions[sent.provider])
                    restore(connection, sent.lead, now, over=before)
                    self._before[sent.lead] = now
                continue
            # A job that ended badly may have written a part.
            elif before is not None and (entry.outcome not in _AS_BEFORE or sent.may_be_written or entry.job_id):
                self._before[sent.lead] = without_all(before)
            announced = self._sending.get(sent.lead)
            is_last = announced is None or announced.record is sent.record
            if is_last and sent.lead in self._before and not self._earlier_jobs[sent.lead]:
                now = self._before[sent.lead]
                if sent.lead in self._shared:
                    now = without_all(now)
                accepted_at = self._accepted_at.get(sent.lead)
                if accepted_at is None:
                    restore(connection, sent.lead, now, over=without_all(now))
                else:
                    remember(connection, sent.lead, now, accepted_at)

    def after_job(self, sent: LeadUpdate) -> Accepted:
        """What its provider will have accepted of a lead once it has written an update for which a job has begun."""
        if not sent.is_latest:
            self._earlier_jobs[sent.lead] += 1
        return after(self._before.get(sent.lead), sent, self._fingerprints, self._definitions[sent.provider])


def remember(connection: Connection, lead: Lead, now: Accepted, moment: datetime.datetime) -> None:
    """Enter what was accepted, over what stands there.

    If another run has sent to the lead in between, nobody knows which of the two was written last: nothing is known.
    """
    insert = postgresql.insert(leads) if connection.dialect.name == "postgresql" else sqlite.insert(leads)
    new = insert.excluded
    is_ours = leads.c.run_id == new.run_id
    values = {
        "fields": case((is_ours, new.fields), else_="{}"),
        "digest": case((is_ours, new.digest), else_=""),
        "run_id": case((is_ours, new.run_id), else_=""),
        "as_of": case((leads.c.as_of > new.as_of, leads.c.as_of), else_=new.as_of),
        "version": case((_number(leads.c.version) > _number(new.version), leads.c.version), else_=new.version),
        "accepted_at": new.accepted_at,
    }
    row = {**_key(lead), **_values(now), "as_of": now.as_of, "run_id": now.run_id, "accepted_at": moment}
    statement = insert.values(**row).on_conflict_do_update(index_elements=list(leads.primary_key.columns), set_=values)
    connection.execute(statement)


def _number(version: ColumnElement[str | None]) -> ColumnElement[Any]:
    return cast(version, Numeric(asdecimal=False))


def restore(connection: Connection, lead: Lead, now: Accepted, *, over: Accepted) -> None:
    """Enter what is known of a lead that was not written, unless another run has sent to it in between."""
    is_as_it_was = and_(leads.c.run_id == over.run_id, leads.c.fields == _values(over)["fields"])
    row = update(leads).where(is_lead(leads, lead), is_as_it_was)
    connection.execute(row.values(**_values(now), as_of=now.as_of))


def outdate_dead_letters(connection: Connection, received: Mapping[Lead, datetime.datetime | None]) -> None:
    """Records came that their providers have already: dead letters from before them are older than what is there.

    That is written down only where there is such a dead letter, so that records without news cost next to nothing.
    """
    own = (dead_letters.c[name] == leads.c[name] for name in ("provider", "account", "lead_id"))
    has_dead_letter = exists().where(*own, dead_letters.c.closed_at.is_(None))
    for condition in are_leads(leads, received):
        for row in connection.execute(select(leads).where(condition, has_dead_letter)).mappings().all():
            as_of = max(filter(None, (row["as_of"], received[lead_of(row)])), default=None)
            connection.execute(update(leads).where(is_lead(leads, lead_of(row))).values(as_of=as_of))


def forget(connection: Connection, lead: Lead) -> None:
    """Forget what was accepted of a lead, but for its version."""
    connection.execute(update(leads).where(is_lead(leads, lead)).values(fields="{}", digest="", run_id=""))


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


def _accepted(values: Mapping[str, Any]) -> Accepted:
    version = values["version"]
    return Accepted(
        fields=json.loads(values["fields"]),
        digest=values["digest"],
        version=None if version is None else Decimal(version),
        as_of=values["as_of"],
        run_id=values["run_id"],
    )
