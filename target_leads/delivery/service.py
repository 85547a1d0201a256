"""One call to a provider, from the lead updates to the verdicts: build once, send, classify, retry."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_leads.delivery.classification import Verdict, classify_items, classify_job, classify_read
from target_leads.delivery.gate import Gate
from target_leads.delivery.request_builder import job_request, read_request, update_request
from target_leads.delivery.retry import Attempts, Result, RetryPolicy, attempt_until_settled
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_leads.clock import Clock
    from target_leads.delivery.http import Answer, HttpRequest
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from target_leads.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What sending some updates in one request came to."""

    results: list[Result]
    """Those that were judged by themselves and are not told yet."""
    together: list[LeadUpdate] = field(default_factory=list)
    """Those of which is known only that the request was refused, or failed, with all of them in it. Two at least."""
    attempts: Attempts
    """What became of the request."""


class Service:
    """The calls of one account."""

    def __init__(
        self, account: Account, *, send: Callable[[HttpRequest], Answer], policy: RetryPolicy, clock: Clock
    ) -> None:
        """Make calls with `send`, which takes a request and answers it or says why there is no answer."""
        self.account = account
        self._send = send
        self._policy = policy
        self._clock = clock
        self._gate = Gate(account, clock)

    @property
    def traffic(self) -> Traffic:
        """What went over the wire."""
        return self._gate.traffic

    def update(self, updates: Sequence[LeadUpdate], tell: Callable[[Result], None] = lambda _: None) -> Delivery:
        """Write updates of different leads in one request; just one where the provider takes one at a time.

        Those that are accepted are told at once, while others of the same request may be tried again.
        """
        exchange = _Exchange(self.account, updates, self._send, self._clock, tell)
        call = self.account.definition.update
        attempts = attempt_until_settled(
            exchange.attempt,
            self._gate,
            self._policy,
            self._clock,
            may_repeat=exchange.may_repeat,
        )
        if attempts.verdict.status in call.read_back_on and exchange.fate_unknown:
            attempts = self._read_back(updates[0], attempts)
        return exchange.delivery(attempts)

    def job_status(self, job_id: str, *, max_wait_seconds: float | None = None) -> Attempts:
        """Ask once how a job is doing, or not at all if that would mean to wait too long.

        Without `max_wait_seconds` it may wait as long as an update.

        Raises:
            ValueError: the provider has no jobs.
        """
        definition = self.account.definition
        job = definition.job
        if job is None:
            raise ValueError(f"{definition.name} has no jobs")
        longest = self._policy.max_wait_seconds if max_wait_seconds is None else max_wait_seconds
        request = job_request(self.account, job, job_id)
        return attempt_until_settled(
            lambda: classify_job(self._send(request), job, definition.rate_limits),
            self._gate,
            RetryPolicy(max_tries=1, max_wait_seconds=longest),
            self._clock,
        )

    def _read_back(self, update: LeadUpdate, refused: Attempts) -> Attempts:
        """Look whether an update that was refused when it was repeated had been written the first time."""
        definition = self.account.definition
        if definition.read is None:
            return refused
        request = read_request(self.account, definition.read, update.lead_id)
        shown = attempt_until_settled(
            lambda: classify_read(self._send(request), definition, update), self._gate, self._policy, self._clock
        )
        return dataclasses.replace(
            refused,
            verdict=refused.verdict if shown.verdict.kind is VerdictKind.REJECTED else shown.verdict,
            count=refused.count + shown.count,
            waited_seconds=refused.waited_seconds + shown.waited_seconds,
            too_long=shown.too_long,
        )


class _Exchange:
    """A request and its repetitions, which leave out the leads of which all is known already."""

    def __init__(
        self,
        account: Account,
        updates: Sequence[LeadUpdate],
        send: Callable[[HttpRequest], Answer],
        clock: Clock,
        tell: Callable[[Result], None],
    ) -> None:
        self._account = account
        self._tell = tell
        self._count = 0
        self._some_succeeded = False
        self._send = send
        self._clock = clock
        self._left = list(updates)
        self._request = update_request(account, updates)
        self._known: list[Result] = []
        self._whole = Verdict(kind=VerdictKind.RETRY, reason="not sent yet")
        self._own: dict[str, Verdict] | None = None
        """Verdicts on single leads in the last answer; none if it was about all of them."""
        self._may_be_written = {update.lead_id for update in updates if update.may_be_written}
        """Leads of which an attempt may have been written although its answer does not say so."""

    def attempt(self) -> Verdict:
        """Send the request. The verdict is "retry" as long as the answers leave a lead open that may be sent again."""
        began_at = self._clock.monotonic()
        self._whole, self._own = classify_items(self._send(self._request), self._account.definition, self._lead_ids())
        self._count += 1
        self._may_be_written |= {each.lead_id for each in self._left if self._verdict_on(each).fate_unknown}
        if self._own is None:
            return self._whole
        ended_at = self._clock.monotonic()
        left: list[LeadUpdate] = []
        for update in self._left:
            verdict = self._verdict_on(update)
            if verdict.kind is VerdictKind.RETRY and self.may_repeat(verdict):
                left.append(update)
                continue
            so_far = Attempts.so_far(verdict, count=self._count, began_at=began_at, ended_at=ended_at)
            result = self._result(update, so_far)
            if verdict.kind is VerdictKind.DELIVERED:
                self._some_succeeded = True
                self._tell(result)
            else:
                self._known.append(result)
        if left and len(left) < len(self._left):
            self._request = update_request(self._account, left)
        self._left = left
        if not left:
            return dataclasses.replace(self._whole, kind=VerdictKind.DELIVERED)
        return self._verdict_on(left[0])  # a wish to wait stands in the headers: it is the same for all of them

    def delivery(self, attempts: Attempts) -> Delivery:
        """What it all came to."""
        about_all = self._own is None
        if (
            about_all
            and len(self._left) > 1
            and attempts.verdict.kind in _UNDECIDED
            and self.may_repeat(attempts.verdict)
        ):
            return Delivery(results=self._known, together=[self._noted(each) for each in self._left], attempts=attempts)
        for update in self._left:
            verdict = attempts.verdict if about_all else self._verdict_on(update)
            self._known.append(self._result(update, dataclasses.replace(attempts, verdict=verdict)))
        known = [dataclasses.replace(result, others_succeeded=self._some_succeeded) for result in self._known]
        return Delivery(results=known, attempts=attempts)

    def _result(self, update: LeadUpdate, attempts: Attempts) -> Result:
        return Result(update=update, attempts=attempts, may_be_written=update.lead_id in self._may_be_written)

    @property
    def fate_unknown(self) -> bool:
        """Whether an attempt may have been written although no answer says so."""
        return bool(self._may_be_written)

    def _noted(self, update: LeadUpdate) -> LeadUpdate:
        return dataclasses.replace(update, may_be_written=update.lead_id in self._may_be_written)

    def may_repeat(self, verdict: Verdict) -> bool:
        """Whether a request that came to this may be sent again."""
        return self._account.definition.update.repeatable or not verdict.fate_unknown

    def _verdict_on(self, update: LeadUpdate) -> Verdict:
        """The answer's verdict on a lead by itself, or what it says of all that it does not name."""
        return (self._own or {}).get(update.lead_id, self._whole)

    def _lead_ids(self) -> frozenset[str]:
        return frozenset(update.lead_id for update in self._left)


_UNDECIDED = frozenset({VerdictKind.REJECTED, VerdictKind.RETRY})
"""Verdicts on a whole request that say nothing of the single lead."""
