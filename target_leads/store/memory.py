"""What is known of the leads of the current batch: before anything of it is sent, while it is, and after."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from target_leads.changes import Accepted, after, without_all
from target_leads.models import OVERTAKEN, Outcome
from target_leads.store.dead_letters import still_open
from target_leads.store.leads import LeadRow, announce, forget, read, write

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from target_leads.changes import Fingerprints
    from target_leads.models import Lead, LeadUpdate, Settlement
    from target_leads.providers import Definition

_AS_BEFORE = frozenset({Outcome.REJECTED, Outcome.UNSETTLED})
"""Outcomes of updates that were not written."""
_CLOSED = "the dead letter was closed meanwhile"


class Memory:
    """Keeps the table ``leads`` true while a batch is sent, also where other runs send to the same leads."""

    def __init__(self, fingerprints: Fingerprints, definitions: Mapping[str, Definition]) -> None:
        """Remember updates of these providers."""
        self._fingerprints = fingerprints
        self._definitions = definitions
        self._before: dict[Lead, Accepted] = {}
        """What was known of a lead before the update that was announced last for it."""
        self._sending: dict[Lead, LeadUpdate] = {}
        """What was announced last for each lead."""
        self._in_doubt: set[Lead] = set()
        """Leads of this run that were announced and are not settled."""
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
        self._before = {lead: row.accepted for lead, row in read(connection, wanted).items()}
        return dict(self._before)

    def announce(self, connection: Connection, run_id: str, updates: Sequence[LeadUpdate]) -> dict[Lead, str]:
        """These leads are about to change. Returns those that must not be sent, each with the reason.

        What this run knew of a lead that another run sent to since may no longer be so.
        """
        there = read(connection, {update.lead for update in updates})
        letters = {update.lead: update.record.dead_letter_id for update in updates}
        are_open = still_open(connection, {letter for letter in letters.values() if letter is not None})
        left_alone: dict[Lead, str] = {}
        for update in updates:
            lead, now = update.lead, there[update.lead].accepted if update.lead in there else None
            if letters[lead] is not None and letters[lead] not in are_open:
                left_alone[lead] = _CLOSED
            elif now is not None and now.is_newer_than(update.record, update.version):
                left_alone[lead] = OVERTAKEN
            else:
                self._note(run_id, update, now)
        announce(connection, run_id, {update.lead for update in updates} - left_alone.keys())
        return left_alone

    def _note(self, run_id: str, update: LeadUpdate, now: Accepted | None) -> None:
        """Note what is known of a lead right before an update of it is sent."""
        lead, before = update.lead, self._before.get(update.lead)
        is_own = lead in self._sending and now is not None and now.run_id == run_id
        if now is not None and not is_own:
            if before is None or (before.run_id, before.fields) != (now.run_id, now.fields):
                self._shared.add(lead)
            self._before[lead] = dataclasses.replace(now, run_id=run_id)
        self._sending[lead] = update
        self._in_doubt.add(lead)

    def settle(
        self, connection: Connection, run_id: str, settlements: Sequence[tuple[datetime.datetime, Settlement]]
    ) -> None:
        """Remember what was accepted, and what is as it was because the provider refused to change it.

        A lead is remembered when the update that was announced for it is settled, or its last record if it was taken
        apart, and nothing of it may have been written although its answer does not say so.
        """
        sent = [(moment, entry, entry.update) for moment, entry in settlements if entry.update is not None]
        rows = read(connection, {update.lead for _, _, update in sent})
        known: dict[Lead, LeadRow] = {}
        for moment, entry, update in sent:
            row = known.get(update.lead) or rows.get(update.lead)
            if (now := self._settled(run_id, moment, entry, update, row)) is not None:
                known[update.lead] = now
        write(connection, known)

    def after_job(self, sent: LeadUpdate) -> Accepted:
        """What its provider will have accepted of a lead once it has written an update for which a job has begun."""
        if not sent.is_latest:
            self._earlier_jobs[sent.lead] += 1
        return after(self._before.get(sent.lead), sent, self._fingerprints, self._definitions[sent.provider])

    def end(self, connection: Connection) -> None:
        """The run is over: of leads whose updates have no known fate nothing is known, whatever another run wrote."""
        forget(connection, self._in_doubt)
        self._in_doubt.clear()

    def _settled(
        self, run_id: str, moment: datetime.datetime, entry: Settlement, sent: LeadUpdate, row: LeadRow | None
    ) -> LeadRow | None:
        """What is known of a lead when an update of it is settled; none if that is what the row says already."""
        lead, before = sent.lead, self._before.get(sent.lead)
        if entry.job_id and not sent.is_latest and entry.outcome is not Outcome.UNCONFIRMED:
            self._earlier_jobs[lead] -= 1
        if entry.outcome is Outcome.UNCHANGED:
            return self._unchanged(sent, row)
        if entry.outcome is Outcome.DELIVERED:
            now = after(before, sent, self._fingerprints, self._definitions[sent.provider])
            self._before[lead] = dataclasses.replace(now, run_id=run_id)
            self._accepted_at[lead] = moment
        elif entry.outcome is Outcome.UNCONFIRMED:
            if before is not None:
                self._before[lead] = without_all(before)
        # A job that ended badly may have written a part.
        elif entry.outcome not in _AS_BEFORE or sent.may_be_written or entry.job_id:
            if before is not None:
                self._before[lead] = without_all(before)
            if row is not None and row.accepted.run_id != run_id:  # another run's: which was written last nobody knows
                return dataclasses.replace(row, accepted=dataclasses.replace(without_all(row.accepted), run_id=""))
        announced = self._sending.get(lead)
        if (announced is not None and announced.record is not sent.record) or self._earlier_jobs[lead]:
            return None
        self._in_doubt.discard(lead)
        return self._known(run_id, lead, row)

    def _unchanged(self, sent: LeadUpdate, row: LeadRow | None) -> LeadRow | None:
        """A record that brings no news but may differ in what is not sent, such as its version."""
        before = self._before.get(sent.lead)
        if before is None or row is None:
            return None
        there = row.accepted
        if (there.run_id, there.fields) != (before.run_id, before.fields):
            return None  # another run has sent to the lead meanwhile
        now = after(before, sent, self._fingerprints, self._definitions[sent.provider])
        self._before[sent.lead] = now
        return dataclasses.replace(row, accepted=now)

    def _known(self, run_id: str, lead: Lead, row: LeadRow | None) -> LeadRow | None:
        """What is known of a lead now that all that was announced for it is settled."""
        now = self._before.get(lead)
        if now is None:
            return None
        if lead in self._shared:
            now = without_all(now)
        accepted_at = self._accepted_at.get(lead)
        if accepted_at is not None:
            new = LeadRow(accepted=now, accepted_at=accepted_at)
            return new if row is None else row.after(now, accepted_at)
        if row is None or row.accepted.run_id != run_id:
            return None
        return dataclasses.replace(row, accepted=now)
