"""Decides whose fault it was: the record's, the provider's or the configuration's.

An update that used up its attempts says little by itself. It waits for evidence: a later success shows that the
provider is alive, so the update itself failed; several in a row without a success between them show that it is not, so
the run stops and none of them is to blame. A 403 before anything was accepted waits in the same way, for the credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.exceptions import CredentialsRefused, ProviderUnavailable
from target_leads.models import Outcome, Settlement, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    successes_before: int
    """Updates that the provider had accepted in this run when the first attempt began."""


class Evidence:
    """What the answers to one account's updates say about the provider and the credentials."""

    def __init__(self, account: Account) -> None:
        """Begin with no evidence."""
        self._account = account
        self._in_doubt: list[Result] = []
        self.successes = 0
        """Updates that the provider has accepted in this run."""
        self.stop: TargetLeadsError | None = None
        """Why the run has to stop, once that is known."""

    def judge(self, result: Result) -> Iterator[Settlement]:
        """Updates whose fate is known now: this one, those that waited, or none yet."""
        verdict = result.attempts.verdict
        if verdict.kind in {VerdictKind.DELIVERED, VerdictKind.ACCEPTED}:
            self.successes += 1
            waiting, self._in_doubt = self._in_doubt, []
            yield from map(settlement_of, waiting)
            if verdict.kind is VerdictKind.DELIVERED:
                yield settlement_of(result)
        elif verdict.kind is VerdictKind.FATAL:
            self.stop = self._credentials_refused(result)
        elif verdict.kind is VerdictKind.REJECTED and not (verdict.credentials_in_doubt and not self.successes):
            yield settlement_of(result)
        elif result.attempts.wait_too_long:
            self.stop = self._wait_too_long(result)
        elif verdict.kind is VerdictKind.RETRY and self.successes > result.successes_before:
            yield settlement_of(result)
        else:
            self._in_doubt.append(result)
            if len(self._in_doubt) >= _IN_A_ROW:
                self.conclude()

    def conclude(self) -> None:
        """No more evidence comes: if updates are still in doubt, the run has to stop."""
        if self._in_doubt and self.stop is None:
            last = self._in_doubt[-1]
            refused = last.attempts.verdict.credentials_in_doubt
            self.stop = self._credentials_refused(last) if refused else self._unavailable(last)

    def _credentials_refused(self, result: Result) -> CredentialsRefused:
        provider = self._account.definition.name
        secrets = ", ".join(f"providers.{provider}.{name}" for name in sorted(self._account.definition.secrets))
        return CredentialsRefused(
            f"{provider} refuses the credentials ({result.attempts.verdict.reason}). "
            f"Check {secrets} and that they belong to {self._account.base_url}, then run again."
        )

    def _unavailable(self, result: Result) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"{self._account.definition.name} lets no update through ({result.attempts.verdict.reason}, "
            f"{result.attempts.count} attempts each). Nothing is lost: run again later, and the rest is sent then."
        )

    def _wait_too_long(self, result: Result) -> ProviderUnavailable:
        seconds = result.attempts.verdict.retry_after or 0
        return ProviderUnavailable(
            f"{self._account.definition.name} asks to wait {seconds:.0f} s ({result.attempts.verdict.reason}), longer than "
            "max_wait_seconds allows. Nothing is lost: run again later, or raise max_wait_seconds."
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
