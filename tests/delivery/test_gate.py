"""The one way out for an account's requests."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.clock import Clock
from target_leads.delivery.classification import Verdict, classify_update
from target_leads.delivery.gate import Gate, Passage
from target_leads.delivery.http import HttpResponse
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.providers.account import Account
    from tests.delivery.conftest import Time

ROUNDING = 0.01
"""Windows are counted in whole milliseconds, and every look at the test's clock takes a little."""
GOOD = Verdict(kind=VerdictKind.DELIVERED, reason="200 OK", status=200)
OVERLOADED = Verdict(kind=VerdictKind.RETRY, reason="503 Service Unavailable", status=503, overloaded=True)


def wish(seconds: float) -> Verdict:
    """An answer that wants a pause."""
    return Verdict(kind=VerdictKind.RETRY, reason="429 Too Many Requests", status=429, retry_after=seconds)


@pytest.fixture
def gate(account: Callable[..., Account], time: Time) -> Callable[..., Gate]:
    """Gates of accounts with these rate limits."""

    def open_gate(*windows: tuple[int, float], concurrency: int = 8, clock: Clock | None = None, **limits: Any) -> Gate:
        named = [{"requests": requests, "per_seconds": seconds} for requests, seconds in windows]
        return Gate(account(concurrency=concurrency, rate_limits={"windows": named, **limits}), clock or time.clock)

    return open_gate


def waited(passage: Passage) -> float:
    """How long a request waited that may be sent."""
    assert passage.opened
    assert passage.too_long is None
    return passage.waited_seconds


def pass_through(gate: Gate, verdict: Verdict = GOOD, *, longest_wait_seconds: float = 300) -> float:
    """Send a request that is answered at once; returns how long it waited."""
    seconds = waited(gate.enter(longest_wait_seconds))
    gate.leave(verdict, began_at=float("inf"))
    return seconds


class Waits:
    """A clock whose waits are scripted: each tells what happens meanwhile, and whether the run is to stop then."""

    def __init__(self, time: Time, *steps: Callable[[], object]) -> None:
        """Begin; with the last step the run stops."""
        self._time = time
        self._steps = list(steps)
        self.clock = Clock(wait=self._wait, now=time.clock.now, monotonic=time.clock.monotonic)

    def _wait(self, seconds: float) -> bool:
        if not self._steps:
            return True
        self._steps.pop(0)()
        return self._time.clock.wait(seconds)


def nothing() -> None:
    """Nothing happens."""


def test_without_wishes_and_limits_nobody_waits(gate: Callable[..., Gate], time: Time) -> None:
    """Requests pass one after the other, and are counted."""
    open_gate = gate()
    assert [pass_through(open_gate) for _ in range(100)] == [0.0] * 100
    assert (open_gate.traffic.requests, time.waits) == (100, [])


def test_a_wish_holds_the_next_request(gate: Callable[..., Gate], time: Time) -> None:
    """A Retry-After counts from when the answer came, and only once."""
    open_gate = gate()
    assert pass_through(open_gate, wish(30)) == 0
    assert pass_through(open_gate) == pytest.approx(30, abs=ROUNDING)
    assert pass_through(open_gate) == 0
    assert time.seconds == pytest.approx(30, abs=ROUNDING)


def test_a_wish_holds_every_worker(gate: Callable[..., Gate], time: Time) -> None:
    """None is sent before the time, from any thread; the wait is one request's, and those behind it waited for none."""
    open_gate = gate(concurrency=16)
    pass_through(open_gate, wish(30))
    asked_at = time.seconds

    def work(_: int) -> tuple[float, float]:
        seconds = waited(open_gate.enter(300))
        return time.seconds - asked_at, seconds

    with ThreadPoolExecutor(16) as workers:
        passed_after, waits = zip(*workers.map(work, range(16)), strict=True)

    assert min(passed_after) >= 30 - ROUNDING
    assert sorted(waits) == [*[0.0] * 15, pytest.approx(30, abs=ROUNDING)]


def test_only_one_waits_at_the_head(gate: Callable[..., Gate], time: Time) -> None:
    """The others wait for their turn: two never wait for the same pause, nor are both let go by the same moment."""
    both = threading.Barrier(2)
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        if seconds:
            waits.append(seconds)
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.2)
        return time.clock.wait(seconds)

    open_gate = gate(clock=Clock(wait=wait, now=time.clock.now, monotonic=time.clock.monotonic))
    pass_through(open_gate, wish(30))
    with ThreadPoolExecutor(4) as workers:
        seconds = [waited(passage) for passage in workers.map(open_gate.enter, [300] * 4)]
    assert waits == [pytest.approx(30, abs=ROUNDING)]
    assert sorted(seconds) == [0, 0, 0, *waits]


@pytest.mark.parametrize("wishes", [(10, 60), (60, 10), (60, 60)])
def test_the_longer_wish_wins(wishes: tuple[float, float], gate: Callable[..., Gate]) -> None:
    """An answer that wants less does not open the gate sooner."""
    open_gate = gate()
    for _ in wishes:
        open_gate.enter(300)
    for seconds in wishes:
        open_gate.leave(wish(seconds), began_at=0)
    assert pass_through(open_gate) == pytest.approx(60, abs=ROUNDING)


def test_an_answer_without_a_wish_does_not_open_the_gate(gate: Callable[..., Gate]) -> None:
    """A success that was asked for before ends no pause."""
    open_gate = gate()
    open_gate.enter(300)
    open_gate.enter(300)
    open_gate.leave(wish(60), began_at=0)
    open_gate.leave(GOOD, began_at=0)
    assert pass_through(open_gate) == pytest.approx(60, abs=ROUNDING)


def test_a_wish_that_comes_during_a_wait_is_obeyed(gate: Callable[..., Gate], time: Time) -> None:
    """Who waits already waits on, and counts both."""
    held: list[Gate] = []
    steps = Waits(time, nothing, nothing, nothing, lambda: held[0].leave(wish(60), began_at=0), nothing)
    held.append(gate(clock=steps.clock))
    held[0].enter(300)
    held[0].enter(300)
    held[0].leave(wish(10), began_at=0)
    assert waited(held[0].enter(300)) == pytest.approx(60, abs=ROUNDING)


def test_a_wait_that_is_too_long_is_not_taken(gate: Callable[..., Gate], time: Time) -> None:
    """It is refused at once, and told how long it would be and who wants it; nothing was sent."""
    open_gate = gate(concurrency=1)
    pass_through(open_gate, wish(3600))
    passage = open_gate.enter(300)

    assert (passage.opened, passage.waited_seconds) == (False, 0.0)
    assert passage.too_long is not None
    assert passage.too_long.seconds == pytest.approx(3600, abs=ROUNDING)
    assert passage.too_long.why == "it asked for that pause"
    assert (open_gate.traffic.requests, time.waits) == (1, [])
    assert pass_through(open_gate, longest_wait_seconds=3600) == pytest.approx(3600, abs=ROUNDING)


def test_what_was_waited_counts_against_what_is_allowed(gate: Callable[..., Gate], time: Time) -> None:
    """Two waits that are short enough by themselves may be too long together."""
    held: list[Gate] = []
    steps = Waits(time, nothing, nothing, nothing, lambda: held[0].leave(wish(60), began_at=0), nothing)
    held.append(gate(clock=steps.clock))
    held[0].enter(300)
    held[0].enter(300)
    held[0].leave(wish(40), began_at=0)
    passage = held[0].enter(59)

    assert (passage.opened, passage.waited_seconds) == (False, pytest.approx(40, abs=ROUNDING))
    assert passage.too_long is not None
    assert passage.too_long.seconds == pytest.approx(20, abs=ROUNDING)


def test_rate_limits_hold_requests(gate: Callable[..., Gate]) -> None:
    """When a window is full the next request waits until it has passed."""
    open_gate = gate((2, 10))
    assert [pass_through(open_gate) for _ in range(5)] == [
        0,
        0,
        pytest.approx(10, abs=ROUNDING),
        0,
        pytest.approx(10, abs=ROUNDING),
    ]


def test_rate_limits_may_want_too_long_a_wait(gate: Callable[..., Gate]) -> None:
    """A quota that is used up is told as such."""
    open_gate = gate((1, 3600))
    pass_through(open_gate)
    passage = open_gate.enter(300)

    assert not passage.opened
    assert passage.too_long is not None
    assert passage.too_long.seconds == pytest.approx(3600, abs=ROUNDING)
    assert passage.too_long.why == "its rate limits leave no room"
    assert open_gate.traffic.requests == 1


@pytest.mark.parametrize(("per_seconds", "longer"), [(10, 30), (60, 60)])
def test_of_wish_and_rate_limit_the_longer_counts(per_seconds: float, longer: float, gate: Callable[..., Gate]) -> None:
    """Both are obeyed."""
    open_gate = gate((1, per_seconds))
    pass_through(open_gate, wish(30))
    assert pass_through(open_gate) == pytest.approx(longer, abs=ROUNDING)


def test_the_provider_s_share_reaches_the_rate_limits(gate: Callable[..., Gate]) -> None:
    """An answer that says that little is left spreads the next requests."""
    open_gate = gate((10, 60), slow_down_from=0.5)
    little = Verdict(kind=VerdictKind.DELIVERED, reason="200 OK", status=200, remaining_share=0.1)
    assert pass_through(open_gate, little) == 0
    assert pass_through(open_gate) == pytest.approx(6, abs=ROUNDING)


def test_rate_limits_hold_for_every_worker(gate: Callable[..., Gate], time: Time) -> None:
    """With many threads no window between sending and answer holds more than it may."""
    open_gate = gate((7, 10), (20, 60), concurrency=32)
    lock = threading.Lock()
    sent: list[float] = []
    answered: list[float] = []

    def work(_: int) -> None:
        waited(open_gate.enter(10_000))
        with lock:
            sent.append(time.seconds)
        with lock:
            answered.append(time.seconds)
        open_gate.leave(GOOD, began_at=float("inf"))

    with ThreadPoolExecutor(32) as workers:
        list(workers.map(work, range(200)))

    sent.sort()
    answered.sort()
    for most, per_seconds in [(7, 10), (20, 60)]:
        gaps = [after - before for before, after in zip(answered, sent[most:], strict=False)]
        assert min(gaps) > per_seconds - ROUNDING
    assert open_gate.traffic.requests == 200


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_are_in_flight_than_allowed(concurrency: int, gate: Callable[..., Gate], time: Time) -> None:
    """With all places taken the next request is not sent, however often it looks; a stop ends that."""
    steps = Waits(time, *[nothing] * (concurrency + 2))
    open_gate = gate(concurrency=concurrency, clock=steps.clock)
    for _ in range(concurrency):
        assert waited(open_gate.enter(300)) == 0
    assert open_gate.enter(300) == Passage(opened=False)
    assert open_gate.traffic.requests == concurrency


def test_an_answer_makes_room(gate: Callable[..., Gate], time: Time) -> None:
    """One that leaves lets one in; that wait for a place is no wait that counts."""
    held: list[Gate] = []
    steps = Waits(time, nothing, nothing, nothing, lambda: held[0].leave(GOOD, began_at=0), nothing)
    held.append(gate(concurrency=2, clock=steps.clock))
    held[0].enter(300)
    held[0].enter(300)
    assert waited(held[0].enter(0)) == 0
    assert held[0].enter(300) == Passage(opened=False)
    assert held[0].traffic.requests == 3


def test_an_overloaded_provider_gets_fewer_at_once(gate: Callable[..., Gate], time: Time) -> None:
    """One answer halves what may be in flight, and those sent together with it do not halve it again."""
    steps = Waits(time, *[nothing] * 7)
    open_gate = gate(concurrency=4, clock=steps.clock)
    for _ in range(4):
        open_gate.enter(300)
    for _ in range(4):
        open_gate.leave(OVERLOADED, began_at=0)
    assert [open_gate.enter(300).opened for _ in range(3)] == [True, True, False]


def test_successes_bring_the_pace_back(gate: Callable[..., Gate], time: Time) -> None:
    """After an overload more and more may be in flight, up to what is configured."""
    steps = Waits(time, *[nothing] * 60)
    open_gate = gate(concurrency=4, clock=steps.clock)
    pass_through(open_gate, OVERLOADED)
    for _ in range(50):
        pass_through(open_gate)
    assert [waited(open_gate.enter(300)) for _ in range(4)] == [0] * 4


def test_never_more_workers_than_allowed(gate: Callable[..., Gate]) -> None:
    """Threads go through in full rounds of three, and no fourth is ever with them."""
    open_gate = gate(concurrency=3)
    together = threading.Barrier(3, timeout=10)
    lock = threading.Lock()
    in_flight = most = 0

    def work(_: int) -> None:
        nonlocal in_flight, most
        waited(open_gate.enter(300))
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        together.wait()
        with lock:
            in_flight -= 1
        open_gate.leave(GOOD, began_at=float("inf"))

    with ThreadPoolExecutor(12) as workers:
        list(workers.map(work, range(60)))
    assert (most, open_gate.traffic.requests) == (3, 60)


def test_after_a_stop_nobody_passes(gate: Callable[..., Gate], time: Time) -> None:
    """A request that comes when the run is to stop is not sent."""
    open_gate = gate()
    time.stopping.set()
    assert open_gate.enter(300) == Passage(opened=False)
    assert open_gate.traffic.requests == 0


def test_a_stop_ends_the_wait_of_every_worker(gate: Callable[..., Gate], time: Time) -> None:
    """Who waits at the head and who waits behind it: none of them is sent."""
    waits, stopping = threading.Event(), threading.Event()

    def wait(seconds: float) -> bool:
        if seconds:
            waits.set()
            return stopping.wait(10)
        return stopping.is_set()

    open_gate = gate(clock=Clock(wait=wait, now=time.clock.now, monotonic=time.clock.monotonic))
    pass_through(open_gate, wish(60))
    with ThreadPoolExecutor(4) as workers:
        passages = [workers.submit(open_gate.enter, 300) for _ in range(4)]
        assert waits.wait(10)
        stopping.set()
        assert [passage.result(10) for passage in passages] == [Passage(opened=False)] * 4
    assert open_gate.traffic.requests == 1


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 404, 409, 422, 429, 500, 503])
def test_the_wish_of_any_answer_holds_the_next_request(
    status: int, account: Callable[..., Account], time: Time
) -> None:
    """Retry-After closes the gate with every status, also with that of a success or a refusal."""
    own = account()
    answer = HttpResponse(status=status, headers={"retry-after": "30"}, body=b"{}")
    open_gate = Gate(own, time.clock)
    pass_through(open_gate, classify_update(answer, own.definition))
    assert pass_through(open_gate) == pytest.approx(30, abs=ROUNDING)


def test_what_the_next_request_waits_for_is_told(gate: Callable[..., Gate], time: Time) -> None:
    """As long as it waits: the quota, or a pause that the provider asked for, and until when."""
    told: list[tuple[str, float] | None] = []
    open_gate: Gate

    def look() -> None:
        waiting = open_gate.traffic.waiting
        told.append(None if waiting is None else (waiting.why, round(waiting.until - time.seconds)))

    waits = Waits(time, nothing, nothing, look, nothing, look)
    open_gate = gate((1, 60), clock=waits.clock)
    pass_through(open_gate)
    pass_through(open_gate, wish(3600))
    assert open_gate.traffic.waiting is None
    open_gate.enter(4000)
    assert told == [("quota", 60), ("a pause it asked for", 3600)]
    assert open_gate.traffic.waiting is None


def test_nothing_is_waited_for_once_the_wait_is_too_long(gate: Callable[..., Gate]) -> None:
    """A wait that is not taken is none."""
    open_gate = gate()
    pass_through(open_gate, wish(3600))
    assert not open_gate.enter(300).opened
    assert open_gate.traffic.waiting is None
    assert open_gate.traffic.waited_seconds == 0


def test_waits_for_the_limits_are_added_up(gate: Callable[..., Gate]) -> None:
    """What the account is held back is told, and is part of all that was waited."""
    open_gate = gate((1, 60))
    for _ in range(3):
        pass_through(open_gate)
    open_gate.note_wait(7)
    traffic = open_gate.traffic
    assert traffic.waited_for_limits_seconds == pytest.approx(120, abs=ROUNDING)
    assert traffic.waited_seconds == pytest.approx(127, abs=ROUNDING)


def test_how_long_answers_take_is_noted(gate: Callable[..., Gate], time: Time) -> None:
    """From the sending to the answer, without what the request waited before."""
    open_gate = gate((1, 60))
    for seconds in (2.0, 4.0):
        open_gate.enter(300)
        began_at = time.seconds
        time.seconds += seconds
        open_gate.leave(GOOD, began_at=began_at)
    assert open_gate.traffic.latency(0.5) == pytest.approx(2, rel=0.02)
    assert open_gate.traffic.latency(1) == pytest.approx(4, rel=0.02)


def test_what_was_not_sent_is_no_request(gate: Callable[..., Gate]) -> None:
    """An attempt that found no connection counts neither as a request nor as a repetition, and has no latency."""
    open_gate, unsent = gate(), Verdict(kind=VerdictKind.RETRY, reason="the host takes no connection", unsent=True)
    for again in (False, True):
        open_gate.enter(300, again=again)
        open_gate.leave(unsent, began_at=0, again=again)
    traffic = open_gate.traffic
    assert (traffic.requests, traffic.retries, traffic.latency(0.95)) == (0, 0, None)
    open_gate.enter(300, again=True)
    open_gate.leave(OVERLOADED, began_at=0, again=True)
    assert (traffic.requests, traffic.retries, traffic.latency(0.95) is None) == (1, 1, False)
