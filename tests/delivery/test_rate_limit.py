"""How many requests may be sent in which time."""

from __future__ import annotations

import heapq
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.delivery.rate_limit import RateLimiter
from target_leads.providers import RateLimit, RateLimits

ROUNDING = 0.003
"""Times are counted in whole milliseconds, always to the careful side."""


def limiter_of(*windows: tuple[int, float], slow_down_from: float = 1.0) -> RateLimiter:
    """A limiter of windows, each so many requests in so many seconds."""
    limits = tuple(RateLimit(requests=requests, per_seconds=seconds) for requests, seconds in windows)
    return RateLimiter(RateLimits(windows=limits, slow_down_from=slow_down_from))


def send(limiter: RateLimiter, now: float, *, count: int = 1, remaining_share: float | None = None) -> None:
    """Send requests that are answered in the same moment."""
    for _ in range(count):
        limiter.sent(now)
        limiter.answered(now, remaining_share)


def moments(limiter: RateLimiter, count: int, *, begin: float = 0.0) -> list[float]:
    """When requests are sent, each as soon as it may be, and answered in the same moment."""
    now, sent = begin, []
    while len(sent) < count:
        wait = limiter.seconds_to_wait(now)
        assert wait is not None
        now += wait
        if not wait:
            send(limiter, now)
            sent.append(now)
    return sent


@pytest.mark.parametrize("begin", [0.0, 0.0004, 123456.7891])
def test_a_window_is_filled_at_once(begin: float) -> None:
    """Nothing waits while there is room; then all wait until the window has passed, and no longer."""
    assert moments(limiter_of((5, 60)), 7, begin=begin) == [
        *[begin] * 5,
        *[pytest.approx(begin + 60, abs=ROUNDING)] * 2,
    ]


def test_every_window_counts() -> None:
    """Of several windows the fullest one decides."""
    sent = moments(limiter_of((2, 1), (3, 10)), 5)
    assert sent == pytest.approx([0, 0, 1, 10, 10], abs=4 * ROUNDING)


def test_without_a_slow_down_a_full_window_waits_for_its_oldest_request_only() -> None:
    """Nobody asked for an even spread, so the next goes when there is room; a longer wait could end the run."""
    limiter = limiter_of((2, 3600))
    send(limiter, 0)
    send(limiter, 3590)
    assert limiter.seconds_to_wait(3590) == pytest.approx(10, abs=ROUNDING)


def test_a_request_counts_until_the_window_has_passed_since_its_answer() -> None:
    """It may have reached the provider as late as that."""
    limiter = limiter_of((1, 60))
    limiter.sent(0)
    limiter.answered(20, None)
    assert limiter.seconds_to_wait(60) == pytest.approx(20, abs=ROUNDING)
    assert limiter.seconds_to_wait(80) == pytest.approx(0, abs=ROUNDING)
    assert limiter.seconds_to_wait(80 + ROUNDING) == 0


@pytest.mark.parametrize("seconds", [0, 61, 100_000])
def test_a_request_counts_as_long_as_it_is_in_flight(seconds: float) -> None:
    """Where every place is taken by a request without an answer, only an answer can say when there is room."""
    limiter = limiter_of((2, 60), (100, 3600))
    limiter.sent(0)
    assert limiter.seconds_to_wait(0) == 0
    limiter.sent(0)
    assert limiter.seconds_to_wait(seconds) is None
    limiter.answered(seconds, None)
    assert limiter.seconds_to_wait(seconds) == pytest.approx(60, abs=ROUNDING)


def test_requests_in_flight_take_the_places_of_answered_ones() -> None:
    """With one in flight and two answered in a window of three, the next waits for the older of the two."""
    limiter = limiter_of((3, 60))
    send(limiter, 0)
    send(limiter, 10)
    limiter.sent(20)
    assert limiter.seconds_to_wait(20) == pytest.approx(40, abs=ROUNDING)


def test_without_windows_nothing_waits() -> None:
    """An account without limits never waits."""
    assert moments(limiter_of(), 100) == [0.0] * 100


def test_from_the_slow_down_on_requests_are_spread_evenly() -> None:
    """Half of a window of ten goes at once, the others one by one, each a tenth of the window after the last."""
    sent = moments(limiter_of((10, 10), slow_down_from=0.5), 10)
    assert sent == pytest.approx([0, 0, 0, 0, 0, 1, 2, 3, 4, 5], abs=ROUNDING)


def test_the_slow_down_counts_requests_in_flight() -> None:
    """The provider may have seen them already."""
    limiter = limiter_of((10, 10), slow_down_from=0.5)
    for _ in range(4):
        limiter.sent(0)
    assert limiter.seconds_to_wait(0) == 0
    limiter.sent(0)
    assert limiter.seconds_to_wait(0) == pytest.approx(1, abs=ROUNDING)


def test_the_slow_down_ends_with_the_window() -> None:
    """Once the requests count no more, the next go at once again."""
    limiter = limiter_of((10, 10), slow_down_from=0.5)
    moments(limiter, 10)
    assert moments(limiter, 5, begin=100) == [100] * 5


@pytest.mark.parametrize(("remaining_share", "wait"), [(0.0, 6), (0.19, 6), (0.21, 0), (1.0, 0), (None, 0)])
def test_the_provider_may_know_of_more_requests(remaining_share: float | None, wait: float) -> None:
    """If it says that the share to slow down from is used up, its word counts, though few were sent from here."""
    limiter = limiter_of((10, 60), slow_down_from=0.8)
    send(limiter, 0, remaining_share=remaining_share)
    assert limiter.seconds_to_wait(0) == pytest.approx(wait, abs=ROUNDING)


def test_the_provider_s_latest_word_counts() -> None:
    """A share that has recovered ends the slow-down; an answer without one changes nothing."""
    limiter = limiter_of((10, 60), slow_down_from=0.8)
    send(limiter, 0, remaining_share=0.1)
    send(limiter, 6)
    assert limiter.seconds_to_wait(6) == pytest.approx(6, abs=ROUNDING)
    send(limiter, 12, remaining_share=0.9)
    assert limiter.seconds_to_wait(12) == 0


class Traffic:
    """Requests that go as soon as the limiter lets them, each answered after a time of its own."""

    def __init__(self, limiter: RateLimiter, now: float) -> None:
        """Begin with nothing in flight."""
        self.limiter = limiter
        self.now = now
        self._in_flight: list[tuple[float, int, float | None]] = []
        self._numbers = itertools.count()

    def go_to(self, moment: float) -> None:
        """Let time pass, and answers come in it."""
        while self._in_flight and self._in_flight[0][0] <= moment:
            self._answer()
        self.now = max(self.now, moment)

    def send(self, latency: float, remaining_share: float | None, longest_wait: float) -> float:
        """Send a request once it may go; returns when. Fails if it has to wait for nothing."""
        free_rounds = 3  # one to wait, and what rounding costs
        while (wait := self.limiter.seconds_to_wait(self.now)) != 0:
            if wait is None:
                assert self._in_flight, "waits for an answer, but nothing is in flight"
                self._answer()
            else:
                assert 0 < wait <= longest_wait + ROUNDING
                awaited = len(self._in_flight)
                self.go_to(self.now + wait)
                free_rounds -= len(self._in_flight) == awaited
                assert free_rounds >= 0, "waits again and again"
        self.limiter.sent(self.now)
        heapq.heappush(self._in_flight, (self.now + latency, next(self._numbers), remaining_share))
        return self.now

    def _answer(self) -> None:
        moment, _, remaining_share = heapq.heappop(self._in_flight)
        self.now = max(self.now, moment)
        self.limiter.answered(self.now, remaining_share)


seconds = st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 3), st.floats(0, 100))
windows = st.tuples(st.integers(1, 6), st.sampled_from([0.0005, 0.01, 0.7, 1, 5, 60, 3600]))
plans = st.fixed_dictionaries(
    {
        "pause": seconds,
        "latency": seconds,
        "arrives": st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1),
        "share": st.none() | st.floats(0, 1),
    }
)


@given(
    limits=st.lists(windows, min_size=1, max_size=3),
    slow_down_from=st.floats(0.1, 1),
    begin=st.floats(0, 1e7),
    requests=st.lists(plans, max_size=40),
)
def test_no_window_ever_holds_more_than_its_limit(
    limits: list[tuple[int, float]], slow_down_from: float, begin: float, requests: list[dict[str, Any]]
) -> None:
    """Whenever a request reaches the provider between its sending and its answer; and no request waits for ever."""
    traffic = Traffic(limiter_of(*limits, slow_down_from=slow_down_from), begin)
    longest_wait = max(per_seconds for _, per_seconds in limits)
    arrivals = []
    for request in requests:
        traffic.go_to(traffic.now + request["pause"])
        sent = traffic.send(request["latency"], request["share"], longest_wait)
        arrivals.append(sent + request["arrives"] * request["latency"])
    arrivals.sort()

    for most, per_seconds in limits:
        for first, next_after in zip(arrivals, arrivals[most:], strict=False):
            assert next_after - first > per_seconds


@given(limits=st.lists(windows, min_size=1, max_size=3), begin=st.floats(0, 1e6), count=st.integers(1, 30))
def test_no_request_waits_longer_than_it_must(limits: list[tuple[int, float]], begin: float, count: int) -> None:
    """Each goes as soon as every window has room for it, but for what rounding costs."""
    sent = moments(limiter_of(*limits), count, begin=begin)
    for index, moment in enumerate(sent):
        earliest = [sent[index - most] + per_seconds for most, per_seconds in limits if index >= most]
        assert moment <= max([begin, *sent[:index], *earliest]) + ROUNDING
