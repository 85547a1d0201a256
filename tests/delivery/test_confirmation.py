"""Providers that write later: how the jobs of accepted updates end."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.delivery.http import HttpResponse
from target_leads.exceptions import CredentialsRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.delivery import Dispatcher
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Delivery, Reply, Seen, Server, Time


@dataclass(slots=True)
class Jobs:
    """A provider that takes every update and names its job after the lead."""

    reply: type[Reply]
    replies: dict[str, list[Any]] = field(default_factory=dict)
    """By lead id: states of the job or whole answers, the last of them again and again. Without any it is done."""

    def __call__(self, seen: Seen) -> Reply | int:
        """Answer one request."""
        lead_id = seen.path.rpartition("/")[2].removeprefix("job-")
        if seen.method != "GET":
            return self.reply(202, {}, json.dumps({"job_id": f"job-{lead_id}"}).encode())
        replies = self.replies.get(lead_id, ["DONE"])
        answer = replies.pop(0) if len(replies) > 1 else replies[0]
        return self.reply(200, {}, json.dumps({"state": answer}).encode()) if isinstance(answer, str) else answer


@pytest.fixture
def jobs(reply: type[Reply]) -> Jobs:
    """A provider whose jobs are done when first asked after."""
    return Jobs(reply)


@pytest.fixture
def run(
    deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate], job: dict[str, Any]
) -> Callable[..., Delivery]:
    """Delivers one update of each of so many leads, L0, L1, …, to a provider that writes later."""

    def run_for(answer: Callable[[Seen], Any], leads: int = 1, **options: Any) -> Delivery:
        return deliver(answer, [update(f"L{number}") for number in range(leads)], job=job, **options)

    return run_for


def _asked(delivery: Delivery) -> list[str]:
    """The leads whose jobs were asked after, in that order."""
    return [seen.path.removeprefix("/jobs/job-") for seen in delivery.seen if seen.method == "GET"]


@pytest.mark.parametrize(("state", "outcome"), [("DONE", "delivered"), ("BROKEN", "rejected")])
def test_the_end_of_the_job_is_the_outcome(state: str, outcome: str, jobs: Jobs, run: Callable[..., Delivery]) -> None:
    """A job id is no delivery: how the job ended decides. The requests of both calls are counted."""
    jobs.replies = {"L0": ["OPEN", "OPEN", state]}
    delivery = run(jobs)

    (settled,) = delivery.settlements
    assert (settled.outcome.value, settled.status, settled.job_id) == (outcome, 200, "job-L0")
    assert settled.reason == ("" if outcome == "delivered" else "200 OK: the job failed")
    assert (settled.attempts, _asked(delivery)) == (4, ["L0"] * 3)


def test_jobs_are_asked_after_once_all_updates_are_sent(jobs: Jobs, run: Callable[..., Delivery]) -> None:
    """All open jobs are asked after together, at the end of the batch, and only the open ones again."""
    jobs.replies = {"L1": ["OPEN", "DONE"], "L3": ["OPEN", "OPEN", "DONE"]}
    delivery = run(jobs, leads=5)

    assert [seen.method for seen in delivery.seen[:5]] == ["PATCH"] * 5
    assert _asked(delivery) == ["L0", "L1", "L2", "L3", "L4", "L1", "L3", "L3"]
    assert delivery.outcomes == {"delivered": 5}


def test_as_many_questions_at_once_as_requests_in_flight(jobs: Jobs, run: Callable[..., Delivery]) -> None:
    """Questions share the account's workers: each answer waits until as many are there as may be."""
    together = threading.Barrier(3, timeout=5)

    def answer(seen: Seen) -> Reply | int:
        if seen.method == "GET":
            together.wait()
        return jobs(seen)

    delivery = run(answer, leads=9, concurrency=3)
    assert (delivery.outcomes, len({seen.connection for seen in delivery.seen})) == ({"delivered": 9}, 3)


def test_pauses_double_until_the_time_out(jobs: Jobs, run: Callable[..., Delivery], time: Time) -> None:
    """A job that stays open is asked after at pauses from a quarter of a second to five, the last at the time-out."""
    jobs.replies = {"L0": ["OPEN"]}
    delivery = run(jobs, confirm_timeout_seconds=30)

    assert time.waits == pytest.approx([0.25, 0.5, 1, 2, 4, 5, 5, 5, 5, 2.25], abs=0.01)
    assert sum(time.waits) <= 30
    (settled,) = delivery.settlements
    assert (settled.outcome.value, settled.reason, settled.job_id) == (
        "unconfirmed",
        "200 OK: the job has not ended",
        "job-L0",
    )
    assert settled.attempts == len(delivery.seen) == 1 + 11


def test_without_time_a_job_is_asked_after_once(jobs: Jobs, run: Callable[..., Delivery], time: Time) -> None:
    """With a time-out of nothing each job has one chance to have ended."""
    jobs.replies = {"L0": ["OPEN"]}
    delivery = run(jobs, leads=2, confirm_timeout_seconds=0)
    assert (delivery.outcome_of, time.waits) == ({"L0": "unconfirmed", "L1": "delivered"}, [])


@pytest.mark.parametrize("status", [302, 400, 403, 404, 500])
def test_an_answer_that_says_nothing_leaves_the_job_open(
    status: int, jobs: Jobs, run: Callable[..., Delivery], time: Time
) -> None:
    """Trouble with the question is asked again at the usual pauses, and blames neither lead nor provider."""
    jobs.replies = {"L0": [status, status, status, status, "DONE"], "L1": [status]}
    delivery = run(jobs, leads=2, confirm_timeout_seconds=10)

    assert (delivery.outcome_of, delivery.error) == ({"L0": "delivered", "L1": "unconfirmed"}, None)
    assert time.waits == pytest.approx([0.25, 0.5, 1, 2, 4, 2.25], abs=0.01)


def test_obeys_the_wish_for_a_longer_pause(jobs: Jobs, run: Callable[..., Delivery], time: Time) -> None:
    """Retry-After with any of the answers holds back all questions, for longer than the pause would be."""
    jobs.replies = {"L0": [jobs.reply(429, {"retry-after": "20"}), "DONE"], "L1": ["OPEN", "DONE"]}
    assert run(jobs, leads=2).outcomes == {"delivered": 2}
    assert time.waits == pytest.approx([20.0, 0.25], abs=0.01)


def test_a_wish_beyond_the_time_out_ends_the_questions(jobs: Jobs, run: Callable[..., Delivery], time: Time) -> None:
    """What could only be known later than allowed is unconfirmed at once."""
    jobs.replies = {"L0": [jobs.reply(429, {"retry-after": "61"}), "DONE"]}
    assert (run(jobs).outcomes, time.waits) == ({"unconfirmed": 1}, [0.25])


def test_a_stop_ends_the_questions(jobs: Jobs, run: Callable[..., Delivery], time: Time) -> None:
    """When the run stops, the question in flight counts, and what is open then is unconfirmed without being asked."""

    def answer(seen: Seen) -> Reply | int:
        if seen.path == "/jobs/job-L1":
            time.stopping.set()
        return jobs(seen)

    delivery = run(answer, leads=4)

    assert delivery.outcome_of == {"L0": "delivered", "L1": "delivered", "L2": "unconfirmed", "L3": "unconfirmed"}
    assert _asked(delivery) == ["L0", "L1"]
    assert {settlement.lead_id: settlement.attempts for settlement in delivery.settlements}["L3"] == 1


def test_a_stop_before_the_questions_leaves_them_out(jobs: Jobs, run: Callable[..., Delivery], time: Time) -> None:
    """An update that was accepted as the run stopped keeps its job for the next run."""

    def answer(seen: Seen) -> Reply | int:
        time.stopping.set()
        return jobs(seen)

    delivery = run(answer, leads=3)

    assert [(it.lead_id, it.outcome.value, it.job_id) for it in delivery.settlements] == [
        ("L0", "unconfirmed", "job-L0")
    ]
    assert len(delivery.seen) == 1


def test_a_question_that_hangs_holds_up_a_stop_no_longer_than_allowed(
    jobs: Jobs, run: Callable[..., Delivery], time: Time
) -> None:
    """After shutdown_seconds the job is unconfirmed, well before the request's own time-out."""
    release = threading.Event()

    def answer(seen: Seen) -> Reply | int:
        if seen.method == "GET":
            time.stopping.set()
            release.wait(5)
        return jobs(seen)

    delivery = run(answer, leads=2, concurrency=2, shutdown_seconds=0)
    still_hangs = not release.is_set()
    release.set()

    assert still_hangs
    assert delivery.outcome_of == {"L0": "unconfirmed", "L1": "unconfirmed"}


def test_refused_credentials_end_the_run_here_too(jobs: Jobs, run: Callable[..., Delivery]) -> None:
    """A 401 in answer to a question stops the run, after what was accepted is settled as unconfirmed."""
    jobs.replies = {"L1": [401]}
    delivery = run(jobs, leads=3)

    assert isinstance(delivery.error, CredentialsRefused)
    assert delivery.outcome_of.keys() == {"L0", "L1", "L2"}
    assert (delivery.outcome_of["L0"], delivery.outcome_of["L1"]) == ("delivered", "unconfirmed")
    assert Counter(_asked(delivery))["L1"] == 1


def test_what_was_accepted_is_settled_before_an_unforeseen_error(run: Callable[..., Delivery]) -> None:
    """A mistake in the code does not lose the jobs that are open."""

    def send(request: Any) -> HttpResponse:
        if request.url.endswith("L1"):
            raise ZeroDivisionError
        return HttpResponse(status=202, headers={}, body=b'{"job_id": "J1"}')

    delivery = run(lambda _: 500, leads=2, send=send)

    assert delivery.outcome_of == {"L0": "unconfirmed"}
    assert isinstance(delivery.error, ZeroDivisionError)


def _down(seen: Seen, jobs: Jobs) -> Reply | int:
    return 503 if seen.method == "GET" else jobs(seen)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_questions_to_a_provider_that_is_down_are_bounded(
    concurrency: int, jobs: Jobs, run: Callable[..., Delivery], time: Time
) -> None:
    """It took a hundred updates and answers no question: a few are enough, and all jobs stay open for the next run."""
    delivery = run(lambda seen: _down(seen, jobs), leads=100, concurrency=concurrency)

    assert (delivery.outcomes, delivery.error, time.waits) == ({"unconfirmed": 100}, None, [])
    assert len(_asked(delivery)) <= concurrency + 2


def test_an_answer_about_a_job_shows_that_asking_is_of_use(jobs: Jobs, run: Callable[..., Delivery]) -> None:
    """Two questions in vain, an answer, two in vain and so on: every job is asked after."""
    jobs.replies = {f"L{number}": [503] if number % 3 else ["DONE"] for number in range(30)}
    delivery = run(jobs, leads=30, confirm_timeout_seconds=0)

    assert delivery.outcomes == {"delivered": 10, "unconfirmed": 20}
    assert len(_asked(delivery)) == 30


@pytest.mark.parametrize("seconds", [0.1, 1, 10])
def test_the_last_pause_ends_at_the_time_out(
    seconds: float, jobs: Jobs, run: Callable[..., Delivery], time: Time
) -> None:
    """All of the time is used: the last question comes when it is over, and none after it."""
    jobs.replies = {"L0": ["OPEN"]}
    delivery = run(jobs, confirm_timeout_seconds=seconds)
    assert sum(time.waits) == pytest.approx(seconds, abs=0.01)
    assert len(_asked(delivery)) == len(time.waits) + 1


@pytest.fixture
def to_jobs(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    job: dict[str, Any],
) -> Callable[..., Dispatcher]:
    """Dispatchers to a provider that writes later and answers as told."""

    def make(answer: Callable[[Seen], Reply | int], **options: float) -> Dispatcher:
        return dispatcher(account(serve(answer).url, job=job), **options)

    return make


def test_how_many_jobs_are_waited_for_is_told(
    jobs: Jobs, to_jobs: Callable[..., Dispatcher], update: Callable[..., LeadUpdate]
) -> None:
    """Those that are open at the beginning of each round of questions, and none when all is over."""
    jobs.replies = {"L0": ["OPEN", "OPEN", "DONE"], "L1": ["OPEN"]}
    told: list[int] = []

    def answer(seen: Seen) -> Reply | int:
        told.append(dispatching.traffic["generic"].open_jobs)
        return jobs(seen)

    dispatching = to_jobs(answer, confirm_timeout_seconds=1)
    list(dispatching.deliver([update(lead_id) for lead_id in ("L0", "L1", "L2")]))
    assert told == [0, 0, 0, 3, 3, 3, 2, 2, 2, 2, 1]
    assert dispatching.traffic["generic"].open_jobs == 0
