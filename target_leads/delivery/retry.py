"""Repeats an attempt whose verdict says that it may succeed later. The only module that knows backoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import backoff

from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from target_leads.clock import Clock
    from target_leads.delivery.classification import Verdict

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
    waited_seconds: float
    first_ended_at: float
    """When the first attempt had its answer, or its failure, by the clock's monotonic time."""
    last_began_at: float
    """When the last attempt was sent, likewise."""
    wait_too_long: bool = False
    """Whether it was given up because the provider wants a longer pause than the policy allows."""


def attempt_until_settled(attempt: Callable[[], Verdict], policy: RetryPolicy, clock: Clock) -> Attempts:
    """Attempt until the verdict is not "retry", the tries are used up, the wait is too long, or the run stops."""
    tally = _Tally(policy, clock)

    @backoff.on_predicate(
        tally.waits,
        lambda verdict: verdict.kind is VerdictKind.RETRY,
        max_tries=policy.max_tries,
        jitter=None,
        logger=None,
    )
    def attempts() -> Verdict:
        tally.attempt_begins()
        verdict = attempt()
        tally.attempt_ended()
        return verdict

    return tally.attempts(attempts())


class _Tally:
    """The attempts, the waits between them, and what they add up to."""

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._began_at: list[float] = []
        self._ended_at: list[float] = []
        self._waited = 0.0
        self._wait_too_long = False

    def attempt_begins(self) -> None:
        """Note when an attempt is sent."""
        self._began_at.append(self._clock.monotonic())

    def attempt_ended(self) -> None:
        """Note when it has its answer."""
        self._ended_at.append(self._clock.monotonic())

    def attempts(self, verdict: Verdict) -> Attempts:
        """What it all came to."""
        return Attempts(
            verdict=verdict,
            count=len(self._ended_at),
            waited_seconds=self._waited,
            first_ended_at=self._ended_at[0],
            last_began_at=self._began_at[-1],
            wait_too_long=self._wait_too_long,
        )

    def waits(self) -> Generator[float, Verdict, None]:
        """Take each wait here and let backoff wait no further.

        backoff sleeps with ``time.sleep``, which neither a signal nor a test's clock can cut short. The server's own
        wish comes first; else the wait doubles, with full jitter. Ending the generator ends the attempts.
        """
        steps = backoff.expo(max_value=_LONGEST_STEP_SECONDS)
        steps.send(None)
        verdict = yield 0.0
        while True:
            step = next(steps)
            wished = verdict.retry_after
            seconds = backoff.full_jitter(step) if wished is None else wished
            if self._waited + seconds > self._policy.max_wait_seconds:
                self._wait_too_long = wished is not None
                return
            if self._clock.wait(seconds):
                return
            self._waited += seconds
            verdict = yield 0.0
