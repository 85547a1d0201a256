"""One call to a provider, from the lead update to the verdict: build once, send, classify, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_leads.delivery.classification import classify_job, classify_update
from target_leads.delivery.request_builder import job_request, update_request
from target_leads.delivery.retry import Attempts, RetryPolicy, attempt_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.clock import Clock
    from target_leads.delivery.classification import Verdict
    from target_leads.delivery.http import Answer, HttpRequest
    from target_leads.models import LeadUpdate
    from target_leads.providers import JobCall
    from target_leads.providers.account import Account


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

    def update(self, update: LeadUpdate) -> Attempts:
        """Write one lead update."""
        definition = self.account.definition
        request = update_request(self.account, update)
        return attempt_until_settled(
            lambda: classify_update(self._send(request), definition.update, definition.job), self._policy, self._clock
        )

    def job_status(self, job: JobCall, job_id: str) -> Verdict:
        """Ask once how a job is doing."""
        return classify_job(self._send(job_request(self.account, job, job_id)), job)
