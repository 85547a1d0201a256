"""What a run did, in numbers: kept as it goes, told at its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from target_leads.models import Outcome, Settlement
from target_leads.reasons import Reasons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_leads.delivery import Plan
    from target_leads.models import LeadUpdate, Repeated
    from target_leads.traffic import Traffic

_REASONS_TOLD = 5
_NONE = "none"
"""Stands for the provider where none is known."""


class RunReport:
    """Counts that always add up: every record received is settled as one outcome, or unsettled."""

    def __init__(self, run_id: str, *, started_at: float = 0.0, is_dry_run: bool = False) -> None:
        """Begin with nothing received; `started_at` in seconds since 1970-01-01 UTC."""
        self.run_id = run_id
        self.started_at = started_at
        self.is_dry_run = is_dry_run
        self.received = 0
        self.traffic: dict[str, Traffic] = {}
        """What went over the wire, by provider."""
        self.plans: Mapping[str, Plan] = {}
        """What each provider would get, in a dry run."""
        self._waiting: Counter[str] = Counter()
        """Records of each stream that are not settled."""
        self._provider_of: dict[str, str] = {}
        """The provider of each stream, unless its records name their own."""
        self._to_send: Counter[tuple[str, str]] = Counter()
        """Records that a dry run would send, by provider and stream."""
        self._outcomes: dict[tuple[str, str], Counter[Outcome]] = {}
        """By provider and stream."""
        self.reasons = Reasons()
        self.jobs_looked_up = 0
        """Jobs of earlier runs that were asked after."""
        self.jobs_of_others = 0
        """Open jobs of accounts that this run's settings do not have: nobody asked after them."""
        self.records_of_jobs = 0
        """Records of earlier runs whose jobs ended in this one."""
        self.dead_letters_of_jobs = 0
        """Records of earlier runs that were refused when their jobs ended."""
        self.left_open: Counter[tuple[str, str]] = Counter()
        """Dead letters that were not sent again, by provider and account: the settings name another."""
        self.jobs_ended: Counter[Outcome] = Counter()
        """How jobs of earlier runs ended."""

    def receive(self, stream: str, provider: str) -> None:
        """Count a record that came in on a stream, whose records go to a provider unless they name their own.

        The stream is the one by which the record will be settled; `provider` is empty if every record names its own.
        """
        self.received += 1
        self._waiting[stream] += 1
        self._provider_of[stream] = provider or _NONE

    def settle(self, settled: Sequence[Repeated | Settlement]) -> None:
        """Count what became of some records."""
        for entry in settled:
            _count(self._outcomes, self._waiting, entry)
            if isinstance(entry, Settlement) and entry.outcome.is_dead_letter:
                self.reasons.add(entry)

    def leave(self, updates: Iterable[LeadUpdate]) -> None:
        """Count what a dry run would send: its records stay unsettled, but whose they are is known."""
        for update in updates:
            for part in update.parts or (update,):
                self._waiting[part.record.stream] -= 1
                self._to_send[update.provider, part.record.stream] += 1

    def settle_job(self, settlements: Sequence[Settlement]) -> None:
        """Count a job of an earlier run that has ended, and what was refused with it: no record of this run."""
        self.jobs_ended[settlements[-1].outcome] += 1
        self.records_of_jobs += len(settlements)
        for entry in settlements:
            if entry.outcome.is_dead_letter:
                self.reasons.add(entry)
                self.dead_letters_of_jobs += 1

    @property
    def settled(self) -> int:
        """Records whose fate is known."""
        return sum(counter.total() for counter in tuple(self._outcomes.values()))

    @property
    def unsettled(self) -> int:
        """Records whose fate is not known."""
        return self.received - self.settled

    @property
    def to_send(self) -> Counter[str]:
        """Records of each provider that a dry run would send."""
        counts: Counter[str] = Counter()
        for (provider, _), count in tuple(self._to_send.items()):
            counts[provider] += count
        return counts

    @property
    def requests(self) -> int:
        """Sent so far, repeated ones and questions after jobs too."""
        return sum(traffic.requests for traffic in tuple(self.traffic.values()))

    def count(self, *outcomes: Outcome) -> int:
        """Records that ended as one of these outcomes, over all providers."""
        return sum(counter[outcome] for counter in tuple(self._outcomes.values()) for outcome in outcomes)

    @property
    def dead_letters(self) -> int:
        """Records that were refused."""
        return self.count(*(outcome for outcome in Outcome if outcome.is_dead_letter))

    @property
    def providers(self) -> dict[str, Counter[Outcome]]:
        """How many records of each provider ended how, unsettled ones under their stream's provider."""
        return _by(self._with_waiting(), lambda provider, _: provider)

    @property
    def streams(self) -> dict[str, Counter[Outcome]]:
        """How many records of each stream ended how."""
        return _by(self._with_waiting(), lambda _, stream: stream)

    def _with_waiting(self, coming: Iterable[Repeated | Settlement] = ()) -> dict[tuple[str, str], Counter[Outcome]]:
        outcomes = {key: counter.copy() for key, counter in self._outcomes.items()}
        waiting = self._waiting.copy()
        for entry in coming:
            _count(outcomes, waiting, entry)
        unsettled = Counter(
            {(self._provider_of.get(stream, _NONE), stream): count for stream, count in waiting.items()}
        )
        for key, count in (unsettled + self._to_send).items():
            outcomes.setdefault(key, Counter())[Outcome.UNSETTLED] += count
        return outcomes

    def counts(self, coming: Iterable[Repeated | Settlement] = ()) -> dict[str, Any]:
        """All counts by name: each outcome's word, ``received``, ``requests``, and ``providers`` with the same of each.

        `coming` is counted as if it were settled already.
        """
        outcomes = self._with_waiting(coming)
        totals = sum(outcomes.values(), Counter[Outcome]())
        return {
            **{outcome.value: totals[outcome] for outcome in Outcome},
            "received": self.received,
            "requests": self.requests,
            "providers": {
                provider: by_word(counter) for provider, counter in _by(outcomes, lambda provider, _: provider).items()
            },
        }

    def commonest_reasons(self, most: int = _REASONS_TOLD) -> list[str]:
        """The causes of the most dead letters, each in one line that names up to three leads."""
        return [str(reason) for reason in self.reasons.commonest()[:most]]


def by_word(counter: Counter[Outcome]) -> dict[str, int]:
    """The counts that are not zero, by the outcome's word and in the order of the outcomes."""
    return {outcome.value: counter[outcome] for outcome in Outcome if counter[outcome]}


def _count(
    outcomes: dict[tuple[str, str], Counter[Outcome]], waiting: Counter[str], entry: Repeated | Settlement
) -> None:
    counts: Mapping[tuple[str, str], int]
    if isinstance(entry, Settlement):
        counts, outcome = {(entry.provider, entry.record.stream): 1}, entry.outcome
    else:
        counts, outcome = entry.counts, Outcome.UNCHANGED
    for (provider, stream), count in counts.items():
        outcomes.setdefault((provider or _NONE, stream), Counter())[outcome] += count
        waiting[stream] -= count


def _by(
    outcomes: Mapping[tuple[str, str], Counter[Outcome]], name_of: Callable[[str, str], str]
) -> dict[str, Counter[Outcome]]:
    """The counts added up by one of the two names, which come in order."""
    added: dict[str, Counter[Outcome]] = {}
    for names, counter in sorted(outcomes.items()):
        added.setdefault(name_of(*names), Counter()).update(counter)
    return dict(sorted(added.items()))
