"""Asks asynchronous providers how their jobs ended: all open jobs together, at the end of a batch."""

from __future__ import annotations

import dataclasses
import functools
import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.delivery.evidence import settlement_of
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_leads.clock import Clock
    from target_leads.delivery.evidence import Result
    from target_leads.delivery.retry import Attempts
    from target_leads.delivery.service import Service
    from target_leads.delivery.workers import Workers
    from target_leads.models import Settlement
    from target_leads.providers import JobCall

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """An accepted update whose job has not ended yet."""

    result: Result
    call: JobCall
    service: Service

    def ask(self) -> Attempts:
        """How the job is doing."""
        return self.service.job_status(self.call, self.result.attempts.verdict.job_id)


def confirm(jobs: Sequence[tuple[OpenJob, Workers]], *, timeout_seconds: float, clock: Clock) -> Iterator[Settlement]:
    """Settlements of accepted updates: as their jobs end, and as unconfirmed for those still open at the time-out.

    No provider documents how often to ask, so the pauses double, from a quarter of a second to five.
    """
    give_up_at = clock.monotonic() + timeout_seconds
    pause = _FIRST_PAUSE_SECONDS
    open_jobs = list(jobs)
    while open_jobs:
        still_open = []
        for (job, workers), answer in _ask(open_jobs):
            if answer.verdict.kind in {VerdictKind.DELIVERED, VerdictKind.REJECTED}:
                yield _ended(job, answer)
            else:
                still_open.append((job, workers))
        open_jobs = still_open
        if open_jobs and (clock.monotonic() + pause > give_up_at or clock.wait(pause)):
            break
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    for job, _ in open_jobs:
        yield settlement_of(job.result)


def _ask(jobs: Sequence[tuple[OpenJob, Workers]]) -> Iterator[tuple[tuple[OpenJob, Workers], Attempts]]:
    """Ask after each job once, as many at a time as there are workers."""
    answers: queue.SimpleQueue[tuple[tuple[OpenJob, Workers], Attempts | Exception]] = queue.SimpleQueue()

    def ask(entry: tuple[OpenJob, Workers]) -> None:
        try:
            answers.put((entry, entry[0].ask()))
        except Exception as error:  # noqa: BLE001 -- handed to the main thread, which raises it
            answers.put((entry, error))

    for entry in jobs:
        entry[1].submit(functools.partial(ask, entry))
    for _ in jobs:
        entry, answer = answers.get()
        if isinstance(answer, Exception):
            raise answer
        yield entry, answer


def _ended(job: OpenJob, answer: Attempts) -> Settlement:
    """What the job's end means for the update; the requests of both calls count."""
    verdict = answer.verdict
    return dataclasses.replace(
        settlement_of(job.result),
        outcome=verdict.kind.last_outcome,
        reason="" if verdict.kind is VerdictKind.DELIVERED else verdict.reason,
        status=verdict.status,
    )
