"""Asks asynchronous providers how their jobs ended: all open jobs together, at the end of a batch."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.delivery.evidence import settlement_of
from target_leads.delivery.workers import reports
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_leads.delivery.classification import Verdict
    from target_leads.delivery.evidence import Evidence, Result
    from target_leads.delivery.service import Service
    from target_leads.delivery.workers import Stop, Workers
    from target_leads.models import Settlement
    from target_leads.providers import JobCall

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """An accepted update whose job has not ended yet, and who can ask after it."""

    result: Result
    call: JobCall
    service: Service
    workers: Workers
    evidence: Evidence
    asked: int = 0
    """How often its provider was asked."""


def confirm(jobs: Sequence[OpenJob], *, timeout_seconds: float, stop: Stop) -> Iterator[Settlement]:
    """Settlements of accepted updates: as their jobs end, and as unconfirmed for those still open at the time-out.

    No provider documents how often to ask, so the pauses double, from a quarter of a second to five; they are longer
    where a provider says so. An answer that says nothing about the job is no reason to hurry either.
    """
    open_jobs = dict(enumerate(jobs))
    give_up_at = stop.clock.monotonic() + timeout_seconds
    pause = _FIRST_PAUSE_SECONDS
    while open_jobs and not stop.wished.is_set():
        wished_pause = pause
        tasks = [(job.workers, functools.partial(_ask, number, job, stop)) for number, job in open_jobs.items()]
        for number, verdict in reports(tasks, stop):
            job = dataclasses.replace(open_jobs[number], asked=open_jobs[number].asked + 1)
            if verdict.kind in {VerdictKind.DELIVERED, VerdictKind.REJECTED}:
                del open_jobs[number]
                yield _ended(job, verdict)
                continue
            open_jobs[number] = job
            wished_pause = max(wished_pause, verdict.retry_after or 0.0)
            if verdict.kind is VerdictKind.FATAL:
                job.evidence.refuse(verdict)
                stop.wished.set()
        if open_jobs and (stop.clock.monotonic() + wished_pause > give_up_at or stop.clock.wait(wished_pause)):
            break
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    for job in open_jobs.values():
        yield _settled(job)


def _ask(number: int, job: OpenJob, stop: Stop, report: Callable[[tuple[int, Verdict]], None]) -> None:
    """Ask after one job, once. Runs in a worker."""
    if not stop.wished.is_set():
        report((number, job.service.job_status(job.call, job.result.attempts.verdict.job_id)))


def _ended(job: OpenJob, verdict: Verdict) -> Settlement:
    """What the job's end means for the update."""
    return dataclasses.replace(
        _settled(job),
        outcome=verdict.kind.last_outcome,
        reason="" if verdict.kind is VerdictKind.DELIVERED else verdict.reason,
        status=verdict.status,
    )


def _settled(job: OpenJob) -> Settlement:
    """The update as it was accepted; the requests of both calls count."""
    return dataclasses.replace(settlement_of(job.result), attempts=job.result.attempts.count + job.asked)
