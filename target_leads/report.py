"""What a run did, in numbers: kept as it goes, told at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_leads.models import Outcome
from target_leads.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_leads.models import LeadUpdate, Settlement

_LEADS_NAMED = 3
_REASONS_TOLD = 5
_MOST_REASONS = 1000
"""Kept apart; later ones are counted together, so that memory stays flat whatever a provider answers."""


@dataclass(slots=True)
class Reason:
    """How often one cause turned up, and the first leads it turned up for."""

    count: int = 0
    lead_ids: list[str] = field(default_factory=list)
    names_all: bool = True
    """Whether there were no other leads."""


class RunReport:
    """Counts that always add up: every record received is settled as one outcome, or unsettled."""

    def __init__(self, run_id: str) -> None:
        """Begin with nothing received."""
        self.run_id = run_id
        self.received = 0
        self.requests = 0
        """Sent so far, repeated ones and questions after jobs too."""
        self.admitted: Counter[str] = Counter()
        """Records that were to be sent, by provider."""
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._reasons: dict[tuple[str, Outcome, str], Reason] = {}
        self.jobs_looked_up = 0
        """Jobs of earlier runs that were asked after."""
        self.jobs_of_others = 0
        """Open jobs of accounts that this run's settings do not have: nobody asked after them."""
        self.dead_letters_of_jobs = 0
        """Records of earlier runs that were refused when their jobs ended."""
        self._jobs_ended: Counter[Outcome] = Counter()

    def receive(self) -> None:
        """Count a record that came in."""
        self.received += 1

    def admit(self, update: LeadUpdate) -> None:
        """Count a record that is to be sent."""
        self.admitted[update.provider] += 1

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Count what became of some records."""
        for entry in settlements:
            self._outcomes.setdefault(_provider(entry), Counter())[entry.outcome] += 1
            if entry.outcome.is_dead_letter:
                self._reason(entry)

    def settle_job(self, settlements: Sequence[Settlement]) -> None:
        """Count a job of an earlier run that has ended, and what was refused with it: no record of this run."""
        self._jobs_ended[settlements[-1].outcome] += 1
        for entry in settlements:
            if entry.outcome.is_dead_letter:
                self._reason(entry)
                self.dead_letters_of_jobs += 1

    @property
    def settled(self) -> int:
        """Records whose fate is known."""
        return sum(counter.total() for counter in tuple(self._outcomes.values()))

    @property
    def unsettled(self) -> int:
        """Records whose fate is not known."""
        return self.received - self.settled

    def count(self, *outcomes: Outcome) -> int:
        """Records that ended as one of these outcomes, over all providers."""
        return sum(counter[outcome] for counter in tuple(self._outcomes.values()) for outcome in outcomes)

    @property
    def dead_letters(self) -> int:
        """Records that were refused."""
        return self.count(*(outcome for outcome in Outcome if outcome.is_dead_letter))

    def counts(self, coming: Sequence[Settlement] = ()) -> dict[str, Any]:
        """All counts by name: each outcome's word, ``received``, ``requests``, and ``providers`` with the same of each.

        `coming` is counted as if it were settled already.
        """
        outcomes = {provider: counter.copy() for provider, counter in self._outcomes.items()}
        for entry in coming:
            outcomes.setdefault(_provider(entry), Counter())[entry.outcome] += 1
        totals = sum(outcomes.values(), Counter[Outcome]())
        return {
            **{outcome.value: totals[outcome] for outcome in Outcome},
            Outcome.UNSETTLED.value: self.received - totals.total(),
            "received": self.received,
            "requests": self.requests,
            "providers": {
                provider: {outcome.value: counter[outcome] for outcome in Outcome if counter[outcome]}
                for provider, counter in sorted(outcomes.items())
            },
        }

    def commonest_reasons(self, most: int = _REASONS_TOLD) -> list[str]:
        """The causes of the most dead letters, each in one line that names up to three leads."""
        ordered = sorted(self._reasons.items(), key=lambda entry: -entry[1].count)
        return [
            f"{reason.count} × {provider} {outcome}: {words}{_leads(reason)}"
            for (provider, outcome, words), reason in ordered[:most]
        ]

    def lines(self) -> Iterator[str]:
        """One line for the jobs of earlier runs, if there were any, and one for each provider."""
        if self.jobs_looked_up:
            still_open = self.jobs_looked_up - self._jobs_ended.total()
            ended = filter(None, (_words(self._jobs_ended), f"{still_open} still open" if still_open else ""))
            yield f"{_counted(self.jobs_looked_up, 'open job')} of earlier runs: {', '.join(ended)}"
        if self.jobs_of_others:
            jobs = _counted(self.jobs_of_others, "open job")
            yield f"{jobs} of accounts or base URLs that the settings do not name: not asked after."
        for provider, counter in sorted(self._outcomes.items()):
            yield f"{provider}: {counter.total()} settled: {_words(counter)}"

    def sentence(self) -> str:
        """All providers together, in one sentence."""
        totals = Counter({outcome: self.count(outcome) for outcome in Outcome})
        totals[Outcome.UNSETTLED] = self.unsettled
        jobs = f" {_counted(ended, 'job')} of earlier runs ended." if (ended := self._jobs_ended.total()) else ""
        return f"{_counted(self.received, 'record')} received: {_words(totals) or 'nothing to do'}.{jobs}"

    def dry_run_sentence(self) -> str:
        """What a run that is no dry run would do with the same records."""
        totals = Counter({outcome: self.count(outcome) for outcome in Outcome})
        by_provider = ", ".join(f"{provider} {count}" for provider, count in sorted(self.admitted.items()))
        sent = f"{self.admitted.total()} would be sent{f' ({by_provider})' if by_provider else ''}"
        return f"{_counted(self.received, 'record')} received: {', '.join(filter(None, (sent, _words(totals))))}."

    def _reason(self, entry: Settlement) -> None:
        key = (_provider(entry), entry.outcome, entry.reason)
        if key not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            key = (key[0], entry.outcome, "another reason")
        reason = self._reasons.setdefault(key, Reason())
        reason.count += 1
        if entry.lead_id and entry.lead_id not in reason.lead_ids:
            reason.names_all = len(reason.lead_ids) < _LEADS_NAMED
            if reason.names_all:
                reason.lead_ids.append(entry.lead_id)


def _provider(entry: Settlement) -> str:
    return entry.provider or "none"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _words(counter: Counter[Outcome]) -> str:
    return ", ".join(f"{counter[outcome]} {outcome}" for outcome in Outcome if counter[outcome])


def _leads(reason: Reason) -> str:
    if not reason.lead_ids:
        return ""
    more = "" if reason.names_all else " and more"
    return f" (lead {', '.join(map(printable, reason.lead_ids))}{more})"
