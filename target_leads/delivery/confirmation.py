"""Asks asynchronous providers how their jobs ended: all open jobs together, at the end of a batch."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_leads.delivery.settling import settlements_of
from target_leads.delivery.workers import reports
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_leads.delivery.channel import Channel
    from target_leads.delivery.retry import Attempts, Result
    from target_leads.delivery.workers import Stop, Task
    from target_leads.models import Settlement

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0
_UNKNOWN = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""Answers by which a provider says that it knows no such job."""
_IN_A_ROW = 3
"""Jobs of one account asked after in vain, one after the other, that show that it is no use now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How did the job of an accepted update end, and who can ask."""

    result: Result
    channel: Channel
    was_asked: bool = False
    is_old: bool = False
    """Whether the job began so long ago that its provider would know it by now, if it ever did."""


def confirm(questions: Sequence[Question], *, timeout_seconds: float, stop: Stop) -> Iterator[Settlement | None]:
    """Settlements of accepted updates: as their jobs end, and as unconfirmed for those still open at the time-out.

    No provider documents how often to ask, so the pauses double, from a quarter of a second to five; where a provider
    wants longer ones the gate sees to that. An answer that says nothing about the job is no reason to hurry either.
    Every job is asked after once, however long its turn takes to come, unless several in a row get no answer; after
    that no question waits at the gate beyond the time-out. None comes before each pause.
    """
    open_questions = dict(enumerate(questions))
    in_vain: dict[Channel, set[int]] = {question.channel: set() for question in questions}
    give_up_at = stop.clock.monotonic() + timeout_seconds
    pause = _FIRST_PAUSE_SECONDS
    while open_questions and not stop.wished.is_set():
        _count_open(in_vain, open_questions.values())
        left = max(0.0, give_up_at - stop.clock.monotonic())
        asked: dict[Channel, list[Task[tuple[int, Attempts]]]] = {}
        for number, question in open_questions.items():
            task = functools.partial(_ask, number, question, in_vain[question.channel], left)
            asked.setdefault(question.channel, []).append(task)
        for report in reports([(channel.workers, tasks) for channel, tasks in asked.items()], stop):
            if report is None:
                yield None
                continue
            number, attempts = report
            question = open_questions[number] = _asked(open_questions[number], attempts)
            if attempts.verdict.kind in {VerdictKind.DELIVERED, VerdictKind.REJECTED}:
                del open_questions[number]
                yield from settlements_of(_ended(question, attempts))
            elif attempts.verdict.kind is VerdictKind.FATAL:
                question.channel.evidence.refuse(attempts.verdict)
                stop.wished.set()
            elif attempts.too_long is not None:
                del open_questions[number]
                yield from settlements_of(question.result)
        yield None
        left = give_up_at - stop.clock.monotonic()
        hopeless = all(len(in_vain[question.channel]) >= _IN_A_ROW for question in open_questions.values())
        if left <= 0 or hopeless or stop.clock.wait(min(pause, left)):
            break
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    _count_open(in_vain, ())
    for question in open_questions.values():
        yield from settlements_of(_given_up(question))


def _count_open(channels: Iterable[Channel], questions: Iterable[Question]) -> None:
    """Say how many jobs are waited for at each account."""
    counts = Counter(question.channel for question in questions)
    for channel in channels:
        channel.service.traffic.open_jobs = counts[channel]


def _given_up(question: Question) -> Result:
    """What is left of a question that got no answer: the update fails if its provider knows no such job, or no more."""
    attempts = question.result.attempts
    if not question.is_old or attempts.verdict.status not in _UNKNOWN:
        return question.result
    reason = "the provider knows no such job any more; whether it wrote the update is not known"
    verdict = dataclasses.replace(attempts.verdict, kind=VerdictKind.RETRY, reason=reason)
    return dataclasses.replace(question.result, attempts=dataclasses.replace(attempts, verdict=verdict))


def _ask(
    number: int,
    question: Question,
    in_vain: set[int],
    seconds_left: float,
    report: Callable[[tuple[int, Attempts]], None],
) -> None:
    """Ask after one job, once, unless it is no use, or the gate sees that the run is to stop. Runs in a worker."""
    if len(in_vain) >= _IN_A_ROW:
        return
    job_id = question.result.attempts.verdict.job_id
    longest = seconds_left if question.was_asked else None
    attempts = question.channel.service.job_status(job_id, max_wait_seconds=longest)
    if attempts.count:
        if _is_no_answer(attempts):
            in_vain.add(number)
        else:
            in_vain.clear()
    report((number, attempts))


def _is_no_answer(attempts: Attempts) -> bool:
    """Whether the provider said nothing, of the job or of the question."""
    status = attempts.verdict.status or HTTPStatus.INTERNAL_SERVER_ERROR
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR or attempts.verdict.throttled
    return attempts.verdict.kind is VerdictKind.RETRY and failed


def _asked(question: Question, attempts: Attempts) -> Question:
    """The same question; its update is still as it was accepted, and the requests of both calls count.

    What the provider said of the job last is why it is unconfirmed, if it is.
    """
    so_far = question.result.attempts
    verdict = so_far.verdict
    if attempts.count:
        verdict = dataclasses.replace(verdict, reason=attempts.verdict.reason, status=attempts.verdict.status)
    counted = dataclasses.replace(
        so_far,
        verdict=verdict,
        count=so_far.count + attempts.count,
        waited_seconds=so_far.waited_seconds + attempts.waited_seconds,
    )
    result = dataclasses.replace(question.result, attempts=counted)
    return dataclasses.replace(question, result=result, was_asked=True)


def _ended(question: Question, attempts: Attempts) -> Result:
    """What the job's end means for the update."""
    counted = question.result.attempts
    verdict = dataclasses.replace(attempts.verdict, job_id=counted.verdict.job_id)
    return dataclasses.replace(question.result, attempts=dataclasses.replace(counted, verdict=verdict))
