"""How an attempt is repeated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.delivery.classification import Verdict
from target_leads.delivery.gate import Gate
from target_leads.delivery.http import Failure, HttpRequest, HttpResponse
from target_leads.delivery.retry import Attempts, RetryPolicy, attempt_until_settled
from target_leads.delivery.service import Service
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from target_leads.delivery.http import Answer
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Time


def _again(retry_after: float | None = None) -> Verdict:
    return Verdict(kind=VerdictKind.RETRY, reason="503 Service Unavailable", status=503, retry_after=retry_after)


def _last(kind: VerdictKind = VerdictKind.DELIVERED) -> Verdict:
    return Verdict(kind=kind, reason="200 OK", status=200)


Run = Callable[..., Attempts]


@pytest.fixture
def run(account: Callable[..., Account], time: Time) -> Run:
    """The attempts that come to certain verdicts, the last of them again and again."""

    def attempts(*verdicts: Verdict, max_tries: int = 5, max_wait_seconds: float = 300) -> Attempts:
        left = list(verdicts)
        policy = RetryPolicy(max_tries=max_tries, max_wait_seconds=max_wait_seconds)
        gate = Gate(account(), time.clock)
        return attempt_until_settled(lambda: left.pop(0) if len(left) > 1 else left[0], gate, policy, time.clock)

    return attempts


@pytest.mark.parametrize("kind", [kind for kind in VerdictKind if kind is not VerdictKind.RETRY])
def test_only_a_retry_is_repeated(kind: VerdictKind, run: Run, time: Time) -> None:
    """Any other verdict ends it at once."""
    attempts = run(_last(kind), _again())
    assert (attempts.verdict.kind, attempts.count, attempts.waited_seconds, time.waits) == (kind, 1, 0.0, [])
    assert attempts.last_began_at < attempts.first_ended_at


def test_is_repeated_until_it_succeeds(run: Run) -> None:
    """The last verdict counts; attempts and waits are added up, and the moments of first and last are kept."""
    attempts = run(_again(3), _again(4), _last())

    assert attempts.verdict == _last()
    assert (attempts.count, attempts.waited_seconds, attempts.too_long) == (3, pytest.approx(7), None)
    assert attempts.last_began_at - attempts.first_ended_at == pytest.approx(7, abs=0.01)


@pytest.mark.parametrize("max_tries", [1, 2, 5])
def test_the_tries_are_bounded(max_tries: int, run: Run, time: Time) -> None:
    """It is tried as often as allowed, with a wait between two tries and none after the last."""
    attempts = run(_again(), max_tries=max_tries)
    assert (attempts.verdict, attempts.count, len(time.waits)) == (_again(), max_tries, max_tries - 1)


def test_waits_grow_with_full_jitter(run: Run, time: Time) -> None:
    """The n-th wait is anything from nothing to 2ⁿ⁻¹ s, and to a minute at most."""
    for _ in range(200):
        run(_again(), max_tries=10, max_wait_seconds=10_000)
    by_step = [time.waits[step::9] for step in range(9)]

    for waits, longest in zip(by_step, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert 0 <= min(waits) < longest * 0.1
        assert longest * 0.9 < max(waits) <= longest


@pytest.mark.parametrize("wish", [0.5, 120.0])
def test_the_wish_of_the_provider_comes_first(wish: float, run: Run, time: Time) -> None:
    """Where the provider says how long to wait, exactly that is waited, however early the attempt."""
    run(_again(wish), _again(wish), _last())
    assert time.waits == pytest.approx([wish, wish], abs=0.01)


def test_a_wish_is_good_for_one_wait(run: Run, time: Time) -> None:
    """After an answer without a wish the waits are its own again, as long as they would have been."""
    run(_again(100), _again(), _last())
    assert time.waits[0] == pytest.approx(100)
    assert 0 <= time.waits[1] <= 2


@pytest.mark.parametrize(
    ("wishes", "waited"), [((301,), []), ((200, 101), [200]), ((150, 150, 1), [150, 150]), ((float("inf"),), [])]
)
def test_a_wish_beyond_the_longest_wait_is_given_up(
    wishes: tuple[float, ...], waited: list[float], run: Run, time: Time
) -> None:
    """If all waits together would be longer than allowed it is not waited at all, and that is said."""
    attempts = run(*map(_again, wishes))
    assert (attempts.count, time.waits) == (len(wishes), pytest.approx(waited, abs=0.01))
    assert attempts.too_long is not None
    assert (attempts.too_long.seconds, attempts.too_long.why) == (pytest.approx(wishes[-1]), "it asked for that pause")
    assert attempts.waited_seconds == pytest.approx(sum(waited))


def test_a_wait_of_its_own_beyond_the_longest_is_given_up(run: Run, time: Time) -> None:
    """Nobody wished for that wait, so it is no sign of a limit."""
    attempts = run(_again(), max_tries=1000, max_wait_seconds=30)
    assert attempts.too_long is None
    assert attempts.count < 1000
    assert attempts.waited_seconds == pytest.approx(sum(time.waits))
    assert attempts.waited_seconds <= 30


@pytest.mark.parametrize("wish", [None, 5.0])
def test_a_stop_cuts_the_wait_short(wish: float | None, account: Callable[..., Account], time: Time) -> None:
    """When the run stops there is no further attempt, and the wait that was cut short does not count."""

    def attempt() -> Verdict:
        time.stopping.set()
        return _again(wish)

    policy = RetryPolicy(max_tries=5, max_wait_seconds=300)
    attempts = attempt_until_settled(attempt, Gate(account(), time.clock), policy, time.clock)
    assert (attempts.verdict, attempts.count, attempts.waited_seconds) == (_again(wish), 1, 0.0)
    assert attempts.too_long is None


def test_after_a_stop_nothing_is_attempted(run: Run, time: Time) -> None:
    """An update whose turn comes when the run has stopped is not sent at all."""
    time.stopping.set()
    attempts = run(_last())
    assert (attempts.verdict.kind, attempts.count) == (VerdictKind.RETRY, 0)


def test_what_does_harm_is_not_repeated(account: Callable[..., Account], time: Time) -> None:
    """A "retry" that may not be repeated is the last word."""
    attempts = attempt_until_settled(
        _again,
        Gate(account(), time.clock),
        RetryPolicy(max_tries=5, max_wait_seconds=300),
        time.clock,
        may_repeat=lambda verdict: verdict.status != 503,
    )
    assert (attempts.count, time.waits) == (1, [])


def test_what_an_attempt_raises_comes_out(account: Callable[..., Account], time: Time) -> None:
    """An unforeseen error is no verdict, and leaves the gate open for others."""
    gate, policy = Gate(account(), time.clock), RetryPolicy(max_tries=5, max_wait_seconds=1)
    with pytest.raises(ZeroDivisionError):
        attempt_until_settled(lambda: 1 / 0, gate, policy, time.clock)  # type: ignore[arg-type,return-value] # an attempt gone wrong
    assert attempt_until_settled(_last, gate, policy, time.clock).count == 1


def test_every_attempt_sends_the_same_request(
    account: Callable[..., Account], update: Callable[..., LeadUpdate], time: Time
) -> None:
    """The request is built once: a repeated attempt is the very same object, whatever happened to the record since."""
    sent: list[tuple[HttpRequest, bytes]] = []
    lead = update(email="ada@example.com")
    answers: list[Answer] = [Failure(reason="broken"), HttpResponse(status=500, headers={}, body=b"")]

    def send(request: HttpRequest) -> Answer:
        sent.append((request, request.body))
        fields: Any = lead.fields
        fields["email"] = "changed@example.com"
        return answers.pop() if answers else HttpResponse(status=200, headers={}, body=b"")

    service = Service(account(), send=send, policy=RetryPolicy(max_tries=5, max_wait_seconds=300), clock=time.clock)
    (result,) = service.update([lead]).results
    attempts = result.attempts

    assert (attempts.verdict.kind, attempts.count) == (VerdictKind.DELIVERED, 3)
    assert {id(request) for request, _ in sent} == {id(sent[0][0])}
    assert [body for _, body in sent] == [b'{"email":"ada@example.com"}'] * 3


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_job_is_asked_after_once(
    status: int, account: Callable[..., Account], job: dict[str, Any], time: Time
) -> None:
    """Asking again is for confirmation, which keeps the time; an attempt by itself never waits."""
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> Answer:
        sent.append(request)
        return HttpResponse(status=status, headers={"retry-after": "7"}, body=b"{}")

    target = account(job=job)
    service = Service(target, send=send, policy=RetryPolicy(max_tries=5, max_wait_seconds=300), clock=time.clock)
    assert target.definition.job is not None
    attempts = service.job_status("J1", max_wait_seconds=60)

    assert (attempts.verdict.kind, attempts.count) == (VerdictKind.RETRY, 1)
    assert ([request.url for request in sent], time.waits) == (["https://api.example.com/v1/jobs/J1"], [])


def test_time_used_up_by_waits_of_its_own_is_no_sign_of_a_limit(account: Callable[..., Account], time: Time) -> None:
    """Two thirds of the time went with its own pauses, so a wish for two fifths is not one that is too long."""
    attempts = attempt_until_settled(
        lambda: _again(120 if time.seconds > 200 else None),
        Gate(account(), time.clock),
        RetryPolicy(max_tries=1000, max_wait_seconds=300),
        time.clock,
    )
    assert (attempts.too_long, attempts.verdict) == (None, _again(120))
    assert 200 < attempts.waited_seconds <= 300


def test_a_rate_limit_that_leaves_no_room_within_the_longest_wait_is_given_up(
    account: Callable[..., Account], time: Time
) -> None:
    """What is held back at the gate for longer than allowed in all is told as a limit that is too small."""
    gate = Gate(account(rate_limits={"windows": [{"requests": 1, "per_seconds": 60}]}), time.clock)
    policy = RetryPolicy(max_tries=1000, max_wait_seconds=30)
    attempt_until_settled(_last, gate, policy, time.clock)
    attempts = attempt_until_settled(_last, gate, policy, time.clock)
    assert attempts.count == 0
    assert attempts.too_long is not None
    assert attempts.too_long.why == "its rate limits leave no room"


def test_an_attempt_without_a_connection_is_repeated_by_no_request(account: Callable[..., Account], time: Time) -> None:
    """What is sent after such attempts alone is the first request; the attempts count all the same."""
    gate, unsent = Gate(account(), time.clock), dataclasses.replace(_again(), status=None, unsent=True)
    policy = RetryPolicy(max_tries=6, max_wait_seconds=300)
    verdicts = [unsent, unsent, _again(), unsent, _again(), _last()]
    attempts = attempt_until_settled(lambda: verdicts.pop(0), gate, policy, time.clock)
    assert (attempts.count, gate.traffic.requests, gate.traffic.retries) == (6, 3, 2)


def test_repetitions_and_waits_are_counted(account: Callable[..., Account], time: Time) -> None:
    """Each attempt but the first of a request is a repetition; its own waits count, and are none for the limits."""
    gate = Gate(account(), time.clock)
    policy = RetryPolicy(max_tries=5, max_wait_seconds=300)
    verdicts = [_again(), _again(10), _last(), _last()]
    for _ in range(2):
        attempt_until_settled(lambda: verdicts.pop(0), gate, policy, time.clock)
    traffic = gate.traffic
    assert (traffic.requests, traffic.retries) == (4, 2)
    assert traffic.waited_seconds == pytest.approx(sum(time.waits))
    assert traffic.waited_for_limits_seconds == pytest.approx(10, abs=0.01)
