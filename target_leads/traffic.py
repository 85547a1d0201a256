"""What goes over the wire to one account, in numbers that stay small however long the run is."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

_STEP = math.log(1.02)
"""Latencies within 2 % of each other count as one."""
_SHORTEST_SECONDS = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why nothing is sent for a while."""

    why: str
    """In a word or two, such as ``quota``."""
    until: float
    """On the clock's monotonic time."""


@dataclass(slots=True)
class Traffic:
    """Requests to one account and what came of them. Its gate and its jobs write it, anybody may read it."""

    requests: int = 0
    """Sent so far, repeated ones and questions after jobs too; those in vain that found no connection are none."""
    retries: int = 0
    """Of these, repetitions of one that had failed just before."""
    waited_seconds: float = 0.0
    """What all requests waited together: for the limits, and each by itself between its attempts."""
    waited_for_limits_seconds: float = 0.0
    """Of this, what the account was held back by rate limits and by pauses that the provider asked for."""
    open_jobs: int = 0
    """Jobs that are being asked after."""
    waiting: Waiting | None = None
    """What the next request waits for, if for anything."""
    _latencies: Counter[int] = field(default_factory=Counter)

    def answered(self, seconds: float) -> None:
        """Count how long an answer, or the failure to get one, took."""
        self._latencies[round(math.log(max(seconds, _SHORTEST_SECONDS)) / _STEP)] += 1

    def latency(self, share: float) -> float | None:
        """Seconds within which this share of the requests was answered, to 2 %; none if none was sent."""
        wanted = math.ceil(share * self._latencies.total())
        for step, count in sorted(self._latencies.items()):
            wanted -= count
            if wanted <= 0:
                return math.exp(step * _STEP)
        return None
