"""How many requests an account may send in which time. The only module that knows pyrate-limiter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pyrate_limiter import InMemoryBucket, Rate, RateItem

if TYPE_CHECKING:
    from target_leads.providers import RateLimit, RateLimits

_MILLISECONDS = 1000


class RateLimiter:
    """Says when the next request may be sent, so that no window ever holds more than it may.

    A request can reach the provider at any moment between its sending and its answer. So it takes a place in every
    window from the one until the window has passed since the other: whatever the network does, the provider counts no
    more than is allowed. Times are seconds of a clock that never goes back. Not thread-safe.
    """

    def __init__(self, limits: RateLimits) -> None:
        """Begin with nothing sent."""
        self._windows = [_Window(limit, slow_down_from=limits.slow_down_from) for limit in limits.windows]
        self._in_flight = 0
        self._slow = False

    def seconds_to_wait(self, now: float) -> float | None:
        """Seconds until another request may be sent; none if only an answer can say."""
        waits = [window.seconds_to_wait(now, self._in_flight, slow=self._slow) for window in self._windows]
        return None if None in waits else max((wait for wait in waits if wait is not None), default=0.0)

    def sent(self, now: float) -> None:
        """A request is sent."""
        self._in_flight += 1
        for window in self._windows:
            window.sent(now)

    def answered(self, now: float, remaining_share: float | None) -> None:
        """A request has its answer, or its failure.

        `remaining_share` is what the provider says is left of its limit, from 0 to 1; none if it says nothing.
        """
        self._in_flight -= 1
        for window in self._windows:
            window.answered(now)
        if remaining_share is not None:
            self._slow = any(remaining_share <= window.slow_at_share for window in self._windows)


class _Window:
    """One limit, and the requests that count in it now."""

    def __init__(self, limit: RateLimit, *, slow_down_from: float) -> None:
        self.slow_at_share = round(1 - slow_down_from, 9) if slow_down_from < 1 else -1.0
        """What is left of the limit when requests begin to be spread evenly; less than nothing: never."""
        self._limit = limit
        self._milliseconds = math.ceil(limit.per_seconds * _MILLISECONDS)
        self._bucket = InMemoryBucket([Rate(limit.requests, self._milliseconds)])
        self._sent_at = -math.inf

    def seconds_to_wait(self, now: float, in_flight: int, *, slow: bool) -> float | None:
        moment = math.floor(now * _MILLISECONDS)
        self._bucket.leak(moment)
        room = self._limit.requests - in_flight
        if room <= 0:
            return None
        blocking = self._bucket.peek(room - 1)
        wait = 0.0 if blocking is None else (blocking.timestamp + self._milliseconds + 1 - moment) / _MILLISECONDS
        left = 1 - (in_flight + self._bucket.count()) / self._limit.requests
        if slow or round(left, 9) <= self.slow_at_share:
            wait = max(wait, self._sent_at + self._limit.per_seconds / self._limit.requests - now)
        return max(0.0, wait)

    def sent(self, now: float) -> None:
        self._sent_at = now

    def answered(self, now: float) -> None:
        self._bucket.put(RateItem("", math.ceil(now * _MILLISECONDS)))
