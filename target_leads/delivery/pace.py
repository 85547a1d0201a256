"""How many requests an account may have in flight: fewer when the provider is overloaded, slowly more again."""

from __future__ import annotations


class Pace:
    """Additive increase, multiplicative decrease, between one request and as many as are configured.

    It begins with as many as are configured. Times are those of the clock's monotonic time. Not thread-safe.
    """

    def __init__(self, most: int) -> None:
        """Allow `most` requests at once, until answers say otherwise."""
        self._most = most
        self._allowed = float(most)
        self._lowered_at = float("-inf")

    @property
    def in_flight(self) -> int:
        """Requests that may be in flight now."""
        return int(self._allowed)

    def relax(self) -> None:
        """A request went through: allow one more for each round of requests that do."""
        self._allowed = min(self._most, self._allowed + 1 / self._allowed)

    def slow_down(self, *, began_at: float, now: float) -> None:
        """A request met an overloaded provider: halve, once for all the requests that were in flight together."""
        if began_at >= self._lowered_at:
            self._allowed = max(1.0, self._allowed / 2)
            self._lowered_at = now
