"""The one way out for an account's requests: it obeys the provider's wishes, the rate limits and the pace."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.delivery.pace import Pace
from target_leads.traffic import Traffic, Waiting

if TYPE_CHECKING:
    from target_leads.clock import Clock
    from target_leads.delivery.classification import Verdict
    from target_leads.delivery.rate_limit import RateLimiter
    from target_leads.providers.account import Account

_LOOK_AT_THE_STOP_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long a request has to wait."""

    seconds: float
    why: str
    """Who wants it, in words."""
    for_what: str = ""
    """The same in a word or two, for a line that tells what goes on."""


_NO_WAIT = Wait(seconds=0.0, why="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How a request came to the gate."""

    opened: bool
    """Whether it may be sent. If not, the run is to stop, or the wait would be longer than allowed."""
    waited_seconds: float = 0.0
    """How long it was held back, at the head of the queue."""
    too_long: Wait | None = None
    """What it would have had to wait yet, if that is more than allowed."""


class Gate:
    """Lets requests pass one after the other, and notes what their answers say. Workers share it.

    A request waits its turn, and at the head of the queue until all is well: the provider's wish for a pause has been
    granted, every rate limit has room, and no more are in flight than the provider bears. What it waits there counts
    as its own; what it waited behind others does not.
    """

    def __init__(self, account: Account, clock: Clock) -> None:
        """Open the gate of an account."""
        self._clock = clock
        self._limiter = _limiter(account)
        self._pace = Pace(account.concurrency)
        self._in_flight = 0
        self._opens_at = float("-inf")
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self.traffic = Traffic()
        """What went through the gate."""

    def enter(self, longest_wait_seconds: float, *, again: bool = False) -> Passage:
        """Wait until a request may be sent, perhaps once `again`. One that may must be told to `leave` in the end."""
        waited = seconds = 0.0
        with self._turn:
            try:
                while not self._clock.wait(seconds):
                    self.note_wait(seconds, for_limits=True)
                    waited += seconds
                    wait = self._try_to_enter(again=again)
                    if wait is None:
                        return Passage(opened=True, waited_seconds=waited)
                    if wait.seconds and waited + wait.seconds > longest_wait_seconds:
                        return Passage(opened=False, waited_seconds=waited, too_long=wait)
                    self._tell(wait)
                    seconds = wait.seconds
            finally:
                self.traffic.waiting = None
        return Passage(opened=False, waited_seconds=waited)

    def note_wait(self, seconds: float, *, for_limits: bool = False) -> None:
        """Count what a request has waited, here or between its attempts."""
        if seconds:
            with self._changed:
                self.traffic.waited_seconds += seconds
                self.traffic.waited_for_limits_seconds += seconds if for_limits else 0.0

    def leave(self, verdict: Verdict, *, began_at: float, again: bool = False) -> None:
        """Note what a request came to that began at this moment of the clock's monotonic time, perhaps once `again`."""
        with self._changed:
            now = self._clock.monotonic()
            self._in_flight -= 1
            if verdict.unsent:
                self.traffic.requests -= 1
                self.traffic.retries -= again
            else:
                self.traffic.answered(now - began_at)
            if self._limiter is not None:
                self._limiter.answered(now, verdict.remaining_share)
            if verdict.retry_after is not None:
                self._opens_at = max(self._opens_at, now + verdict.retry_after)
            if verdict.overloaded:
                self._pace.slow_down(began_at=began_at, now=now)
            else:
                self._pace.relax()
            self._changed.notify()

    def _try_to_enter(self, *, again: bool) -> Wait | None:
        """Enter if all is well; else what to wait before trying again, which is nothing if an answer was waited for."""
        with self._changed:
            now = self._clock.monotonic()
            closed_for = self._opens_at - now
            room_in = 0.0 if self._limiter is None else self._limiter.seconds_to_wait(now)
            if closed_for > max(room_in or 0.0, 0.0):
                return Wait(seconds=closed_for, why="it asked for that pause", for_what="a pause it asked for")
            if room_in:
                return Wait(seconds=room_in, why="its rate limits leave no room", for_what="quota")
            if room_in is None or self._in_flight >= self._pace.in_flight:
                self._changed.wait(_LOOK_AT_THE_STOP_SECONDS)
                return _NO_WAIT
            self._in_flight += 1
            self.traffic.requests += 1
            self.traffic.retries += again
            if self._limiter is not None:
                self._limiter.sent(now)
            return None

    def _tell(self, wait: Wait) -> None:
        """Say what the request at the head of the queue waits for."""
        until = self._clock.monotonic() + wait.seconds
        self.traffic.waiting = Waiting(why=wait.for_what, until=until) if wait.seconds else None


def _limiter(account: Account) -> RateLimiter | None:
    if not account.rate_limits.windows:
        return None
    from target_leads.delivery.rate_limit import RateLimiter  # noqa: PLC0415 -- takes time to import, if not needed

    return RateLimiter(account.rate_limits)
