"""Decides whose fault it was: the record's, the provider's or the configuration's.

An update that used up its attempts says little by itself. It waits for evidence: a success that was asked for
after its first attempt failed shows that the provider is alive, so the update itself failed; several in a row without
such a success show that it is not, so the run stops and none of them is to blame. A 403 before anything was accepted
waits in the same way, for the credentials.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.exceptions import CredentialsRefused, ProviderUnavailable
from target_leads.models import Outcome, Settlement, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.delivery.classification import Verdict
    from target_leads.delivery.retry import Attempts
    from target_leads.exceptions import TargetLeadsError
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account

_IN_A_ROW = 3
"""Updates in doubt, without one success between them, that show the provider to be down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What trying to deliver one update came to."""

    update: LeadUpdate
    attempts: Attempts


class Evidence:
    """What the answers to one account's updates say about the provider and the credentials. Workers share it."""

    def __init__(self, account: Account) -> None:
        """Begin with no evidence."""
        self._account = account
        self._in_doubt: list[Result] = []
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
            return [settlement_of(known) for known in self._judge(result)]

    def conclude(self) -> None:
        """No more evidence comes: if updates are still in doubt, the run has to stop."""
        if self._in_doubt and self.stop is None:
            last = self._in_doubt[-1]
            if last.attempts.verdict.credentials_in_doubt:
                self.refuse(last.attempts.verdict)
            else:
                self.stop = self._unavailable(last)

    def refuse(self, verdict: Verdict) -> None:
        """The credentials are refused, to whatever call: that ends the run at any time."""
        provider = self._account.definition.name
        secrets = ", ".join(f"providers.{provider}.{name}" for name in sorted(self._account.definition.secrets))
        self.stop = CredentialsRefused(
            f"{provider} refuses the credentials ({verdict.reason}). "
            f"Check {secrets} and that they belong to {self._account.base_url}, then run again."
        )

    def _judge(self, result: Result) -> Iterator[Result]:
        verdict = result.attempts.verdict
        if verdict.kind in {VerdictKind.DELIVERED, VerdictKind.ACCEPTED}:
            began_at = result.attempts.last_began_at
            self._success_began_at = max(self._success_began_at or began_at, began_at)
            if self.stop is None:
                yield from filter(self._is_to_blame, self._in_doubt)
                self._in_doubt = [waiting for waiting in self._in_doubt if not self._is_to_blame(waiting)]
            if verdict.kind is VerdictKind.DELIVERED:
                yield result
        elif verdict.kind is VerdictKind.FATAL:
            self.refuse(verdict)
        elif result.attempts.wait_too_long:
            self.stop = self._wait_too_long(result)
        elif self._is_to_blame(result):
            yield result
        else:
            self._in_doubt.append(result)
            if len(self._in_doubt) >= _IN_A_ROW:
                self.conclude()

    def _is_to_blame(self, result: Result) -> bool:
        """Whether an update that was not accepted is itself the cause, by what is known so far."""
        verdict = result.attempts.verdict
        if verdict.kind is VerdictKind.REJECTED:
            return not verdict.credentials_in_doubt or self._success_began_at is not None
        return self._success_began_at is not None and self._success_began_at > result.attempts.first_ended_at

    def _unavailable(self, result: Result) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"{self._account.definition.name} lets no update through ({result.attempts.verdict.reason}, "
            f"{result.attempts.count} attempt{'' if result.attempts.count == 1 else 's'} each). Nothing is lost: "
            f"see that {self._account.base_url} is right, or run again later, and the rest is sent then."
        )

    def _wait_too_long(self, result: Result) -> ProviderUnavailable:
        seconds = result.attempts.verdict.retry_after or 0
        return ProviderUnavailable(
            f"{self._account.definition.name} asks to wait {seconds:.0f} s ({result.attempts.verdict.reason}), "
            "longer than max_wait_seconds allows. Nothing is lost: run again later, or raise max_wait_seconds."
        )


def settlement_of(result: Result) -> Settlement:
    """The settlement that a result's verdict means when it is the last word."""
    update, verdict = result.update, result.attempts.verdict
    return Settlement(
        record=update.record,
        outcome=verdict.kind.last_outcome,
        provider=update.provider,
        account=update.account,
        lead_id=update.lead_id,
        reason="" if verdict.kind.last_outcome is Outcome.DELIVERED else verdict.reason,
        status=verdict.status,
        attempts=result.attempts.count,
        waited_seconds=result.attempts.waited_seconds,
        job_id=verdict.job_id,
    )
