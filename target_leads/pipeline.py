"""Decides a record's fate in one place and has it written down in one place: admit, deliver, settle."""

from __future__ import annotations

import datetime
import functools
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from target_leads.models import LeadUpdate, OpenJob, Outcome, Repeated, Settlement

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence

    from target_leads.admission import Admission
    from target_leads.checkpoints import Checkpoints
    from target_leads.clock import Clock
    from target_leads.delivery import Dispatcher, Forecast
    from target_leads.guard import Guard
    from target_leads.models import Lead, Record
    from target_leads.report import RunReport
    from target_leads.selection import Selection
    from target_leads.store import DeadLetter, Store

_COMMIT_EVERY_SECONDS = 0.5
_MOST_IN_A_COMMIT = 100
"""So that workers, who get updates a few at a time, do not run out of them while one is written."""
_TICK_SECONDS = 1e-6
"""The least difference between two moments in the store."""


class Pipeline:
    """One run. Records of all streams wait in one batch, in the order in which they came.

    One batch, because two streams may hold updates of one lead: in batches of their own the later could overtake the
    earlier. And once the batch is settled so is every record received, so the newest STATE is true.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        selection: Selection,
        dispatcher: Dispatcher | None,
        forecast: Forecast | None,
        store: Store | None,
        checkpoints: Checkpoints | None,
        report: RunReport,
        guard: Guard,
        stopping: threading.Event,
        batch_size_rows: int,
        clock: Clock,
    ) -> None:
        """A dry run has a forecast, and no dispatcher, store and checkpoints: it sends, stores and promises nothing."""
        self.admission = admission
        self._selection = selection
        self.report = report
        self._dispatcher = dispatcher
        if dispatcher is not None:
            report.traffic = dispatcher.traffic
        self._forecast = forecast
        if forecast is not None:
            report.plans = forecast.plans
        self.store = store
        self._checkpoints = checkpoints
        self._guard = guard
        self._stopping = stopping
        self._batch_size_rows = batch_size_rows
        self._clock = clock
        self._waiting: list[Record | Settlement] = []
        self._last_moment = 0.0
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether enough records wait to be delivered."""
        return len(self._waiting) >= self._batch_size_rows

    def begin(self) -> None:
        """Ask after the jobs that earlier runs left open, before the first record.

        Raises:
            CredentialsRefused, RejectLimitReached, StoreError: the run has to end. How jobs have ended is committed.
        """
        if self.store is None or self._dispatcher is None:
            return
        open_jobs = self.store.open_jobs()
        jobs = [job for job in open_jobs if self.admission.can_ask_after(job.update)]
        self.report.jobs_looked_up += len(jobs)
        self.report.jobs_of_others += len(open_jobs) - len(jobs)
        settled = filter(None, self._dispatcher.look_up(jobs))
        for _, of_one_job in itertools.groupby(settled, lambda entry: (entry.provider, entry.lead_id, entry.job_id)):
            settlements = list(of_one_job)
            if self.store.settle_job(self.report.run_id, settlements):
                self.report.settle_job(settlements)
        self._guard.check()

    def moment(self) -> datetime.datetime:
        """Now, and later than every moment that was asked for before."""
        self._last_moment = max(self._clock.now(), self._last_moment + _TICK_SECONDS)
        return datetime.datetime.fromtimestamp(self._last_moment, tz=datetime.timezone.utc)

    def receive(self, record: Record) -> None:
        """Take a record; it waits for the batch to fill."""
        self.report.receive(record.stream, self.admission.provider_of(record.stream))
        self._waiting.append(record)

    def receive_settled(self, record: Record, outcome: Outcome, reason: str) -> None:
        """Take a record whose fate was decided before it came here: filtered, or not to be mapped."""
        provider, account = self.admission.provider_of(record.stream), self.admission.account_of(record.stream)
        self.report.receive(record.stream, provider)
        self._waiting.append(
            Settlement(record=record, outcome=outcome, provider=provider, account=account, reason=reason)
        )

    def takes_again(self, letter: DeadLetter) -> bool:
        """Whether this run sends a dead letter again. One of another account stays open, and is counted."""
        if self.admission.takes_again(letter.provider, letter.account):
            return True
        self.report.left_open[letter.provider, letter.account] += 1
        return False

    def checkpoint(self, state: Any) -> None:  # noqa: ANN401 -- a STATE's value is the tap's own affair
        """Take a STATE; it goes out when every record received before it is settled."""
        if self._checkpoints is not None:
            self._checkpoints.receive(state)
            self._release()

    def flush(self) -> None:
        """Deliver and settle what waits, then let the newest STATE out.

        Raises:
            RejectLimitReached, ProviderUnavailable, CredentialsRefused, StoreError, SettingsError: the run has to end.
                What is settled is committed; STATE goes out only if that is everything.
        """
        self._settle_waiting()
        self._guard.check()
        self._release()

    def finish(self) -> None:
        """Settle the rest at the end of the input.

        Raises:
            RejectLimitReached: also if records were refused and none was accepted.
            ProviderUnavailable: also if the last updates failed, and nothing shows that the provider is alive.
        """
        self._settle_waiting()
        if self._dispatcher is not None:
            self._dispatcher.conclude()
        self._guard.check_at_end()
        self._release()

    def close(self, exit_status: int) -> None:
        """Enter how the run ended, and give back connections, workers and the store. Once."""
        if self._closed:
            return
        self._closed = True
        if self._dispatcher is not None:
            self._dispatcher.close()
        if self.store is not None:
            try:
                self.store.end_run(self.report.run_id, exit_status=exit_status, counts=self.report.counts())
            finally:
                self.store.close()

    def _settle_waiting(self) -> None:
        """Commit settlements in small groups as they come, so that a crash repeats little."""
        batch, self._waiting = self._waiting, []
        group: list[Repeated | Settlement | OpenJob] = []
        committed_at = self._clock.monotonic()
        try:
            for entry in self._deliver(batch):
                if entry is not None:
                    group.append(entry)
                waited = self._clock.monotonic() - committed_at
                if entry is None or len(group) >= _MOST_IN_A_COMMIT or waited >= _COMMIT_EVERY_SECONDS:
                    due, group = group, []
                    self._commit(due)
                    committed_at = self._clock.monotonic()
        finally:
            self._commit(group)

    def _deliver(self, batch: Sequence[Record | Settlement]) -> Iterator[Repeated | Settlement | OpenJob | None]:
        updates: list[LeadUpdate] = []
        for entry in self._selection.of(batch):
            if isinstance(entry, LeadUpdate):
                updates.append(entry)
            else:
                yield entry
        if self._forecast is not None:
            self._forecast.add(updates)
            self.report.leave(updates)
        if self._dispatcher is None or self.store is None:
            return
        announce = functools.partial(self.store.announce, self.report.run_id)
        for wave in _waves(updates):
            yield None  # all that is known so far is written down before anything is forgotten
            if not self._stopping.is_set():
                yield from self._dispatcher.deliver(wave, announce)

    def _commit(self, group: Sequence[Repeated | Settlement | OpenJob]) -> None:
        """Write first, count then: what the store did not take is not settled."""
        if not group:
            return
        settled = [
            entry
            for entry in group
            if isinstance(entry, Repeated) or (isinstance(entry, Settlement) and entry.outcome is not Outcome.UNSETTLED)
        ]
        if self.store is not None:
            self.store.settle(self.report.run_id, group, self.report.counts(settled))
        self.report.settle(settled)
        if self._guard.is_tripped:
            self._stopping.set()

    def _release(self) -> None:
        everything_is_settled = not self._waiting and not self.report.unsettled
        if self._checkpoints is not None and everything_is_settled and not self._guard.sees_no_success:
            self._checkpoints.release()


def _waves(updates: Iterable[LeadUpdate]) -> Iterator[list[LeadUpdate]]:
    """The first update of each lead, then the second of those that have one, and so on."""
    waves: list[list[LeadUpdate]] = []
    turns: Counter[Lead] = Counter()
    for update in updates:
        turn = turns[update.lead]
        turns[update.lead] += 1
        if turn == len(waves):
            waves.append([])
        waves[turn].append(update)
    yield from waves
