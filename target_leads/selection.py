"""Decides what of a batch has to be sent: in order, once for each lead, and only what its provider does not have."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from target_leads.admission import Addressed
from target_leads.changes import reduced, without
from target_leads.models import OVERTAKEN, LeadUpdate, Outcome, Repeated, Settlement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_leads.admission import Admission
    from target_leads.changes import Accepted, Fingerprints, LastSent
    from target_leads.models import Lead, Record
    from target_leads.providers import Definition


class Memory(Protocol):
    """What is known of leads from earlier batches and runs."""

    fingerprints: Fingerprints

    def digests(self, leads: Iterable[Lead]) -> dict[Lead, str]:
        """Digests of the records that their providers accepted last, of those leads of which one is known."""

    def recall(self, leads: Iterable[Lead]) -> dict[Lead, Accepted]:
        """What their providers last accepted, of those leads of which that is known."""

    def open_jobs_of(self, leads: Iterable[Lead]) -> dict[Lead, LastSent]:
        """What was sent of a lead last, where its job is open."""


class Selection:
    """Takes batches apart into what is settled already and what has to be sent."""

    def __init__(
        self, admission: Admission, definitions: Mapping[str, Definition], memory: Memory | None, *, resends_all: bool
    ) -> None:
        """Without a memory nothing is known of any lead."""
        self._admission = admission
        self._definitions = definitions
        self._memory = memory
        self._resends_all = resends_all

    def of(self, batch: Sequence[Record | Settlement]) -> Iterator[Repeated | Settlement | LeadUpdate]:
        """What became of records that need not be sent, and updates that must, those of one lead in order."""
        addressed = [entry if isinstance(entry, Settlement) else self._admission.address(entry) for entry in batch]
        repeated, news = self._compared(addressed)
        if repeated:
            yield _together(repeated)
        accepted = {} if self._memory is None else self._memory.recall(_leads(news))
        updates: list[LeadUpdate] = []
        for entry in news:
            if isinstance(entry, Settlement):
                yield entry
                continue
            known = accepted.get(entry.lead)
            admitted = self._admission.admit(entry)
            version = None if isinstance(admitted, Settlement) else admitted.version
            if known and known.is_newer_than(entry.record, version):
                yield _settled(entry.record, entry.lead, Outcome.SUPERSEDED, OVERTAKEN)
            elif isinstance(admitted, Settlement):
                yield admitted
            else:
                updates.append(admitted)
        jobs = self._open_jobs(updates)
        for update in self._admission.coalesced(updates):
            yield from self._still_to_send(update, accepted, jobs)

    def _compared(
        self, addressed: Sequence[Addressed | Settlement]
    ) -> tuple[list[Addressed], Sequence[Addressed | Settlement]]:
        """Records that are those that were accepted last, where no other of the lead comes between; and the rest."""
        if self._memory is None or self._resends_all:
            return [], addressed
        digests = self._memory.digests(_leads(addressed))
        for entry in addressed:  # a dead letter is judged by its age, and what comes with it is then no old news
            if isinstance(entry, Addressed) and entry.record.dead_letter_id is not None:
                digests.pop(entry.lead, None)
        repeated: list[Addressed] = []
        news: list[Addressed | Settlement] = []
        for entry in addressed:
            if isinstance(entry, Settlement):
                news.append(entry)
            elif entry.digest == digests.get(entry.lead):
                repeated.append(entry)
            else:
                digests.pop(entry.lead, None)
                news.append(entry)
        return repeated, news

    def _open_jobs(self, updates: Iterable[LeadUpdate]) -> dict[Lead, LastSent]:
        leads = {update.lead for update in updates if self._definitions[update.provider].job is not None}
        return self._memory.open_jobs_of(leads) if self._memory is not None and leads else {}

    def _still_to_send(
        self, update: LeadUpdate, accepted: dict[Lead, Accepted], jobs: dict[Lead, LastSent]
    ) -> Iterator[Settlement | LeadUpdate]:
        """The update, if it is to be sent; then a later step of the same lead in the batch is compared with it."""
        if self._memory is None:
            yield update
            return
        *earlier, last = update.parts or (update,)
        job = jobs.get(update.lead)
        if job is not None and job.fingerprint == self._memory.fingerprints.of(update.fields):
            for part in (*earlier, last):
                settled = _settled(
                    part.record, update.lead, Outcome.UNCONFIRMED, "the job that writes it has not ended"
                )
                yield dataclasses.replace(settled, job_id=job.job_id)
            return
        if job is not None and job.accepted.is_newer_than(last.record, update.version):
            for part in (*earlier, last):
                yield _settled(part.record, update.lead, Outcome.SUPERSEDED, OVERTAKEN)
            return
        jobs.pop(update.lead, None)
        definition = self._definitions[update.provider]
        known = accepted.get(update.lead)
        to_send = reduced(update, known, self._memory.fingerprints, definition)
        if self._resends_all:
            to_send = dataclasses.replace(update, differing=() if to_send is None else to_send.differing)
        if to_send is None:
            for part in earlier:
                yield _settled(
                    part.record, update.lead, Outcome.SUPERSEDED, "a later record of the same batch took it back"
                )
            yield dataclasses.replace(_settled(last.record, update.lead, Outcome.UNCHANGED), update=update)
            return
        yield to_send
        if known:  # whether this step is accepted is not known yet, so the next one must not rely on it
            accepted[update.lead] = without(known, to_send.body)


def _leads(addressed: Iterable[Addressed | Settlement]) -> set[Lead]:
    """Leads that records are about, of those that are about one."""
    return {entry.lead for entry in addressed if isinstance(entry, Addressed) and entry.lead[-1]}


def _together(repeated: Sequence[Addressed]) -> Repeated:
    return Repeated(
        counts=Counter((entry.lead[0], entry.record.stream) for entry in repeated),
        leads={entry.lead: entry.record.received_at for entry in repeated},
    )


def _settled(record: Record, lead: Lead, outcome: Outcome, reason: str = "") -> Settlement:
    provider, account, base_url, lead_id = lead
    return Settlement(
        record=record,
        outcome=outcome,
        provider=provider,
        account=account,
        base_url=base_url,
        lead_id=lead_id,
        reason=reason,
    )
