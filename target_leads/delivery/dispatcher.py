"""Delivers a batch: units of work to a bounded pool of workers for each account, settlements back."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.delivery.batching import Unit, units
from target_leads.delivery.channel import Channel
from target_leads.delivery.classification import Verdict
from target_leads.delivery.confirmation import Question, confirm
from target_leads.delivery.retry import Attempts, Result
from target_leads.delivery.settling import superseded, unsettled
from target_leads.delivery.workers import Stop, reports
from target_leads.exceptions import CredentialsRefused
from target_leads.models import OpenJob, VerdictKind

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_leads.clock import Clock
    from target_leads.delivery.service import Service
    from target_leads.delivery.workers import Task, Workers
    from target_leads.models import Lead, LeadUpdate, Settlement
    from target_leads.traffic import Traffic

    LeftAlone = Mapping[Lead, str]
    """Leads that must not be sent, each with the reason."""
    Announce = Callable[[Sequence[LeadUpdate]], LeftAlone]
    """Told of updates before they are sent."""

_OLD_AFTER_SECONDS = 3600.0
"""No provider says how long it takes to know a job that it has begun; an hour is far longer than any run waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A unit, or the rest of one for which the provider had no room, and the channel that it goes through."""

    channel: Channel
    unit: Unit


class Dispatcher:
    """Delivers batches. Keeps the accounts' connections and evidence from one batch to the next."""

    def __init__(
        self,
        *,
        open_service: Callable[[str], Service],
        stopping: threading.Event,
        clock: Clock,
        confirm_timeout_seconds: float,
        shutdown_seconds: float,
    ) -> None:
        """Deliver through the services that `open_service` makes, one for each provider name.

        `stopping` is set by whoever wants the run to end, and here when a provider lets nothing through any more.
        """
        self._open_service = open_service
        self._stopping = stopping
        self._stop = Stop(wished=stopping, shutdown_seconds=shutdown_seconds, clock=clock)
        self._confirm_timeout_seconds = confirm_timeout_seconds
        self._channels: dict[str, Channel] = {}
        self.traffic: dict[str, Traffic] = {}
        """What went over the wire to each provider so far."""

    def deliver(
        self,
        updates: Iterable[LeadUpdate],
        before_sending: Announce = lambda _: {},
    ) -> Iterator[Settlement | OpenJob | None]:
        """Deliver a batch; yields each settlement as soon as it is known, and ends when nothing is in flight.

        `before_sending` is told of the updates that are about to be sent, a few at a time, and names the leads that
        must not be: something newer of them was sent meanwhile. An update that the provider
        has taken and is still writing comes as an open job first, and as a settlement when its job has ended or was
        waited for in vain. None comes when nothing else has come for a moment.

        Updates whose fate stays unknown, because the run stops, yield nothing; those that were announced and not sent
        come as unsettled. Those that are in doubt at the end of a batch wait for the evidence of the next one, or for
        `conclude`. Nothing more is sent once nobody takes the settlements: it would be sent again.

        Raises:
            ProviderUnavailable: a provider lets nothing through. Raised at the end, after all settlements.
            CredentialsRefused: a provider refuses the credentials. Likewise.
        """
        try:
            yield from self._deliver(updates, before_sending)
        except BaseException:
            self._stopping.set()
            raise

    def look_up(self, jobs: Iterable[OpenJob]) -> Iterator[Settlement | None]:
        """Ask once after each job that an earlier run left open; those that are still open come back as unconfirmed.

        Raises:
            CredentialsRefused: a provider refuses the credentials. Raised at the end, after all settlements.
        """
        yield from confirm([self._question(job) for job in jobs], timeout_seconds=0, stop=self._stop)
        self._raise_stop()

    def conclude(self) -> None:
        """No further batch comes.

        Raises:
            ProviderUnavailable: updates failed, and no success shows that the provider is alive.
            CredentialsRefused: updates were forbidden, and none was accepted.
        """
        if not self._stopping.is_set():
            for channel in self._channels.values():
                channel.evidence.conclude()
        self._raise_stop()

    def close(self) -> None:
        """End the workers."""
        for channel in self._channels.values():
            channel.workers.close()

    def _deliver(
        self, updates: Iterable[LeadUpdate], before_sending: Announce
    ) -> Iterator[Settlement | OpenJob | None]:
        announced: list[LeadUpdate] = []

        def announce(some: Sequence[LeadUpdate]) -> LeftAlone:
            left_alone = before_sending(some)
            announced.extend(update for update in some if update.lead not in left_alone)
            return left_alone

        questions: list[Question] = []
        unforeseen: Exception | None = None
        try:
            for report in self._send_all(updates, announce):
                if isinstance(report, Question):
                    questions.append(report)
                    yield OpenJob(update=report.result.update, job_id=report.result.attempts.verdict.job_id)
                else:
                    yield report
        except Exception as error:  # noqa: BLE001 -- raised below, once what was accepted is settled
            unforeseen = error
        yield from confirm(questions, timeout_seconds=self._confirm_timeout_seconds, stop=self._stop)
        for update in announced:
            if not self._channel(update.provider).was_begun(update):
                yield unsettled(update)
        for channel in self._channels.values():
            channel.forget_begun()
        if unforeseen is not None:
            raise unforeseen
        self._raise_stop()

    def _send_all(self, updates: Iterable[LeadUpdate], announce: Announce) -> Iterator[Settlement | Question | None]:
        """Have the workers send the updates, and once more what was throttled, as long as some of it gets through."""
        tasks = list(self._tasks(updates))
        while tasks and not self._stopping.is_set():
            sent, tasks = tasks, []
            for report in reports(self._queues(sent, announce), self._stop):
                if isinstance(report, _Task):
                    tasks.append(report)
                else:
                    yield report
            left, before = _records(tasks), _records(sent)
            for channel in left:
                if left[channel] == before[channel]:
                    channel.evidence.throttle()
                    self._stopping.set()
            announce = _nothing  # they know

    def _queues(
        self, tasks: Iterable[_Task], announce: Announce
    ) -> list[tuple[Workers, Iterator[Task[Settlement | Question | _Task]]]]:
        """For each channel its workers and what they have to do."""
        by_channel: dict[Channel, list[_Task]] = {}
        for task in tasks:
            by_channel.setdefault(task.channel, []).append(task)
        return [(channel.workers, self._announced(channel, own, announce)) for channel, own in by_channel.items()]

    def _announced(
        self, channel: Channel, tasks: Sequence[_Task], announce: Announce
    ) -> Iterator[Task[Settlement | Question | _Task]]:
        """The tasks, each with a few others announced before it."""
        size = channel.service.account.concurrency
        for start in range(0, len(tasks), size):
            some = tasks[start : start + size]
            left_alone = announce([update for task in some for updates in task.unit for update in updates])
            for task in some:
                yield functools.partial(self._do, task, left_alone)

    def _tasks(self, updates: Iterable[LeadUpdate]) -> Iterator[_Task]:
        by_provider: dict[str, list[LeadUpdate]] = {}
        for update in updates:
            by_provider.setdefault(update.provider, []).append(update)
        for provider, own in by_provider.items():
            channel = self._channel(provider)
            for unit in units(channel.service.account, own):
                yield _Task(channel=channel, unit=unit)

    def _raise_stop(self) -> None:
        stops = [stop for channel in self._channels.values() if (stop := channel.evidence.stop) is not None]
        if stops:  # refused credentials go before what may pass
            raise next((stop for stop in stops if isinstance(stop, CredentialsRefused)), stops[0])

    def _channel(self, provider: str) -> Channel:
        if provider not in self._channels:
            service = self._open_service(provider)
            self._channels[provider] = Channel(service, stopping=self._stopping)
            self.traffic[provider] = service.traffic
        return self._channels[provider]

    def _question(self, job: OpenJob) -> Question:
        """How a job of an earlier run ended."""
        verdict = Verdict(kind=VerdictKind.ACCEPTED, reason="the job has not ended", job_id=job.job_id)
        attempts = Attempts(verdict=verdict, count=0, waited_seconds=0.0, first_ended_at=0.0, last_began_at=0.0)
        result = Result(update=job.update, attempts=attempts)
        is_old = job.begun_at is not None and self._stop.clock.now() - job.begun_at.timestamp() > _OLD_AFTER_SECONDS
        return Question(result=result, channel=self._channel(job.update.provider), is_old=is_old)

    def _do(
        self,
        task: _Task,
        left_alone: LeftAlone,
        report: Callable[[Settlement | Question | _Task], None],
    ) -> None:
        """Deliver a unit but for some leads. Runs in a worker.

        Reports what is left of it if the provider had no room.
        """

        def tell(settled: Settlement | Result) -> None:
            report(Question(result=settled, channel=task.channel) if isinstance(settled, Result) else settled)

        unit: Unit = []
        for updates in task.unit:
            for update in updates if left_alone else ():
                if update.lead in left_alone:
                    for settlement in superseded(update, left_alone[update.lead]):
                        report(settlement)
            unit.append([update for update in updates if update.lead not in left_alone])
        if rest := task.channel.deliver([updates for updates in unit if updates], tell):
            report(dataclasses.replace(task, unit=rest))


def _records(tasks: Iterable[_Task]) -> Counter[Channel]:
    """How many records each channel has to deliver yet."""
    counts: Counter[Channel] = Counter()
    for task in tasks:
        counts[task.channel] += sum(len(update.parts) or 1 for updates in task.unit for update in updates)
    return counts


def _nothing(_: Sequence[LeadUpdate]) -> LeftAlone:
    """Announce nothing."""
    return {}
