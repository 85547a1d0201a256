"""Repeats an attempt whose verdict says that it may succeed later. The only module that knows backoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import backoff

from target_leads.delivery.classification import Verdict
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from target_leads.clock import Clock
    from target_leads.delivery.gate import Gate, Wait
    from target_leads.models import LeadUpdate

_LONGEST_STEP_SECONDS = 60
"""Cap of the exponential waits. Perch asks for this one, and nobody asks for less:
https://docs.myperch.io/getting-started/errors-and-response-codes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how long in all, one request is tried."""

    max_tries: int
    max_wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """What trying one request came to."""

    verdict: Verdict
    count: int
    """Those too for which there was no connection."""
    waited_seconds: float
    first_ended_at: float
    """When the first attempt had its answer, or its failure, by the clock's monotonic time."""
    last_began_at: float
    """When the last attempt was sent, likewise."""
    too_long: Wait | None = None
    """The wait for which it was given up, as it is longer than the policy allows."""

    @classmethod
    def so_far(cls, verdict: Verdict, *, count: int, began_at: float, ended_at: float) -> Attempts:
        """What is known of one update while others in the same request are tried again."""
        return cls(verdict=verdict, count=count, waited_seconds=0.0, first_ended_at=ended_at, last_began_at=began_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What trying to deliver one update came to."""

    update: LeadUpdate
    attempts: Attempts
    failing_since: float | None = None
    """When a request with others in it failed first, if the update was sent by itself because of that."""
    others_succeeded: bool = False
    """Whether others in the same request were accepted."""
    may_be_written: bool = False
    """Whether an attempt may have been written although its answer does not say so."""


def attempt_until_settled(
    attempt: Callable[[], Verdict],
    gate: Gate,
    policy: RetryPolicy,
    clock: Clock,
    *,
    may_repeat: Callable[[Verdict], bool] = lambda _: True,
) -> Attempts:
    """Attempt until the verdict is not "retry", the tries are used up, the wait is too long, or the run stops.

    Each attempt passes the gate. `may_repeat` says of a "retry" whether it does no harm to repeat what was sent.
    """
    tally = _Tally(gate, policy, clock)

    @backoff.on_predicate(
        tally.waits,
        lambda verdict: verdict.kind is VerdictKind.RETRY and may_repeat(verdict),
        max_tries=policy.max_tries,
        jitter=None,
        logger=None,
    )
    def attempts() -> Verdict:
        return tally.attempt(attempt)

    return tally.attempts(attempts())


class _Tally:
    """The attempts, the waits before and between them, and what they add up to."""

    def __init__(self, gate: Gate, policy: RetryPolicy, clock: Clock) -> None:
        self._gate = gate
        self._policy = policy
        self._clock = clock
        self._count = 0
        self._was_sent = False
        self._first_ended_at = self._last_began_at = clock.monotonic()
        self._waited = 0.0
        self._held_at_gate = 0.0
        self._too_long: Wait | None = None
        self._given_up = False
        self._last = Verdict(kind=VerdictKind.RETRY, reason="not sent yet")

    def attempt(self, attempt: Callable[[], Verdict]) -> Verdict:
        """Pass the gate, and attempt; the last verdict again if the gate stays closed."""
        longest = self._policy.max_wait_seconds
        again = self._was_sent
        passage = self._gate.enter(longest - self._waited, again=again)
        self._waited += passage.waited_seconds
        self._held_at_gate += passage.waited_seconds
        if not passage.opened:
            self._given_up = True
            # Else it used up its time with waits of its own: that is no fault of the provider's limits.
            if passage.too_long is not None and self._held_at_gate + passage.too_long.seconds > longest:
                self._too_long = passage.too_long
            return self._last
        began_at = self._clock.monotonic()
        verdict = Verdict(kind=VerdictKind.RETRY, reason="unforeseen")
        try:
            verdict = attempt()
        finally:
            self._gate.leave(verdict, began_at=began_at, again=again)
        self._count += 1
        self._was_sent |= not verdict.unsent
        self._last_began_at = began_at
        if self._count == 1:
            self._first_ended_at = self._clock.monotonic()
        self._last = verdict
        return verdict

    def attempts(self, verdict: Verdict) -> Attempts:
        """What it all came to."""
        return Attempts(
            verdict=verdict,
            count=self._count,
            waited_seconds=self._waited,
            first_ended_at=self._first_ended_at,
            last_began_at=self._last_began_at,
            too_long=self._too_long,
        )

    def waits(self) -> Generator[float, Verdict, None]:
        """Take each wait here or at the gate, and let backoff wait no further.

        backoff sleeps with ``time.sleep``, which neither a signal nor a test's clock can cut short. A wish of the
        server's has closed the gate for all, so it is waited for there; else the wait doubles, with full jitter.
        Ending the generator ends the attempts.
        """
        steps = backoff.expo(max_value=_LONGEST_STEP_SECONDS)
        steps.send(None)
        verdict = yield 0.0
        while not self._given_up:
            step = next(steps)
            if verdict.retry_after is None:
                seconds = backoff.full_jitter(step)
                if self._waited + seconds > self._policy.max_wait_seconds or self._clock.wait(seconds):
                    return
                self._waited += seconds
                self._gate.note_wait(seconds)
            verdict = yield 0.0
