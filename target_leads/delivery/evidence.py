"""Decides whose fault it was: the record's, the provider's or the configuration's.

An update that used up its attempts says little by itself. It waits for evidence: a success that was asked for
after its first attempt failed shows that the provider is alive, so the update itself failed; several in a row without
such a success show that it is not, so the run stops and none of them is to blame. A 403 before anything was accepted
waits in the same way, for the credentials.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_leads.delivery.settling import settlements_of
from target_leads.exceptions import CredentialsRefused, ProviderUnavailable
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.delivery.classification import Verdict
    from target_leads.delivery.gate import Wait
    from target_leads.delivery.retry import Attempts, Result
    from target_leads.exceptions import TargetLeadsError
    from target_leads.models import Settlement
    from target_leads.providers.account import Account

_IN_A_ROW = 3
"""Leads in vain, each in a request of its own, without one success between them: the provider is down."""
_REQUESTS_IN_A_ROW = 10
"""Requests in vain likewise, however few leads they are for."""
_SUCCESSES = frozenset({VerdictKind.DELIVERED, VerdictKind.ACCEPTED})


class Evidence:
    """What the answers to one account's updates say about the provider and the credentials. Workers share it."""

    def __init__(self, account: Account) -> None:
        """Begin with no evidence."""
        self._account = account
        self._in_doubt: list[Result] = []
        self._in_vain: list[tuple[str, Attempts]] = []
        """Leads and requests in vain, of which no success says yet that the provider was alive."""
        self._throttled_in_a_row = 0
        self._success_began_at: float | None = None
        """When the request was sent that was the latest to succeed. Not when its answer came: threads race for that."""
        self._lock = threading.Lock()
        self.stop: TargetLeadsError | None = None
        """Why the run has to stop, once that is known."""

    def judge(self, result: Result) -> list[Settlement]:
        """Updates whose fate is known now: this one, those that waited, or none yet.

        An accepted update is evidence, but its fate is for its job to say.
        """
        with self._lock:
            return [settlement for known in self._judge(result) for settlement in settlements_of(known)]

    def note_in_vain(self, lead_id: str, attempts: Attempts) -> None:
        """A request with this lead failed, which says nothing of its fate, but of the provider.

        It may have failed with others in it, or been throttled until its tries were used up.
        """
        with self._lock:
            if attempts.verdict.throttled:
                self._note_throttled(attempts)
            else:
                self._note_in_vain(lead_id, attempts)

    def conclude(self) -> None:
        """No more evidence comes: if updates are still in doubt, the run has to stop."""
        if self._in_doubt:
            self._blame_nobody(self._in_doubt[-1].attempts)

    def refuse(self, verdict: Verdict) -> None:
        """The credentials are refused, to whatever call: that ends the run at any time."""
        provider = self._account.definition.name
        secrets = ", ".join(f"providers.{provider}.{name}" for name in sorted(self._account.definition.secrets))
        self._stop_with(
            CredentialsRefused(
                f"{provider} refuses the credentials ({verdict.reason}). "
                f"Check {secrets} and that they belong to {self._account.base_url}, then run again."
            )
        )

    def throttle(self) -> None:
        """Nothing that was throttled gets through any more."""
        self._stop_with(
            ProviderUnavailable(
                f"{self._account.definition.name} takes fewer requests than are sent, and lets nothing through. "
                "Nothing is lost: run again later. If it happens often, set "
                f"providers.{self._account.definition.name}.rate_limits to what was agreed."
            )
        )

    def _judge(self, result: Result) -> Iterator[Result]:
        verdict = result.attempts.verdict
        if verdict.kind in _SUCCESSES:
            began_at = result.attempts.last_began_at
            self._success_began_at = max(self._success_began_at or began_at, began_at)
            self._throttled_in_a_row = 0
            self._in_vain = [
                (lead, attempts) for lead, attempts in self._in_vain if not self._was_alive_after(attempts)
            ]
            if self.stop is None:
                yield from filter(self._is_to_blame, self._in_doubt)
                self._in_doubt = [waiting for waiting in self._in_doubt if not self._is_to_blame(waiting)]
            if verdict.kind is VerdictKind.DELIVERED:
                yield result
        elif verdict.kind is VerdictKind.FATAL:
            self.refuse(verdict)
        elif result.attempts.too_long is not None:
            self._stop_with(self._wait_too_long(result.attempts, result.attempts.too_long))
        elif self._is_to_blame(result):
            yield result
        else:
            self._in_doubt.append(result)
            self._note_in_vain(result.update.lead_id, result.attempts)

    def _note_in_vain(self, lead_id: str, attempts: Attempts) -> None:
        """Count towards an outage: a lead counts once however many updates it has, and so does a request."""
        if attempts.too_long is not None:
            self._stop_with(self._wait_too_long(attempts, attempts.too_long))
        elif not self._was_alive_after(attempts):
            self._in_vain.append((lead_id, attempts))
            leads = {lead for lead, _ in self._in_vain}
            requests = {each.first_ended_at for _, each in self._in_vain}
            if min(len(leads), len(requests)) >= _IN_A_ROW or len(requests) >= _REQUESTS_IN_A_ROW:
                self._blame_nobody(attempts)

    def _note_throttled(self, attempts: Attempts) -> None:
        """Of many requests at once a few may get through: only more than those in flight show that none does."""
        self._throttled_in_a_row += 1
        if attempts.too_long is not None:
            self._stop_with(self._wait_too_long(attempts, attempts.too_long))
        elif self._throttled_in_a_row >= self._account.concurrency + _IN_A_ROW:
            self._blame_nobody(attempts)

    def _blame_nobody(self, attempts: Attempts) -> None:
        if attempts.verdict.credentials_in_doubt:
            self.refuse(attempts.verdict)
        elif attempts.verdict.throttled:
            self.throttle()
        else:
            self._stop_with(self._unavailable(attempts))

    def _stop_with(self, reason: TargetLeadsError) -> None:
        """The first reason counts, but refused credentials go before what may pass."""
        if not isinstance(self.stop, CredentialsRefused) and (
            self.stop is None or isinstance(reason, CredentialsRefused)
        ):
            self.stop = reason

    def _is_to_blame(self, result: Result) -> bool:
        """Whether an update that was not accepted is itself the cause, by what is known so far."""
        verdict = result.attempts.verdict
        if verdict.kind is VerdictKind.REJECTED:
            return not verdict.credentials_in_doubt or self._success_began_at is not None
        return result.others_succeeded or self._was_alive_after(result.attempts, result.failing_since)

    def _was_alive_after(self, attempts: Attempts, failing_since: float | None = None) -> bool:
        """Whether a request succeeded that was sent after the first of these attempts failed, or one before."""
        if attempts.verdict.credentials_in_doubt or self._success_began_at is None:
            return self._success_began_at is not None
        return self._success_began_at > (attempts.first_ended_at if failing_since is None else failing_since)

    def _unavailable(self, attempts: Attempts) -> ProviderUnavailable:
        see_to = attempts.verdict.see_to or self._account.base_url
        return ProviderUnavailable(
            f"{self._account.definition.name} lets no update through ({attempts.verdict.reason}, "
            f"{attempts.count} attempt{'' if attempts.count == 1 else 's'} each). Nothing is lost: "
            f"see that {see_to} is right, or run again later, and the rest is sent then."
        )

    def _wait_too_long(self, attempts: Attempts, too_long: Wait) -> ProviderUnavailable:
        reason = f"{attempts.verdict.reason}: " if attempts.count else ""
        return ProviderUnavailable(
            f"{self._account.definition.name} takes no request for another {too_long.seconds:,.0f} s "
            f"({reason}{too_long.why}), longer than max_wait_seconds allows. "
            "Nothing is lost: run again later, or raise max_wait_seconds."
        )
