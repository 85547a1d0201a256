"""The way to one account: its service, its workers, and what its answers have shown."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from target_leads.delivery.batching import Round, Unit, halves, requests_of
from target_leads.delivery.evidence import Evidence
from target_leads.delivery.workers import Workers
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from target_leads.delivery.retry import Attempts, Result
    from target_leads.delivery.service import Service
    from target_leads.models import LeadUpdate, Settlement

    Report = Callable[[Settlement | Result], None]


class Channel:
    """Delivers units to one account, and judges what comes of it."""

    def __init__(self, service: Service, *, stopping: threading.Event) -> None:
        """Start the account's workers. `stopping` is set here when the answers say that the run has to stop."""
        self.service = service
        self.workers = Workers(service.account.concurrency, name=service.account.definition.name)
        self.evidence = Evidence(service.account)
        self._stopping = stopping
        self._begun: set[int] = set()

    def was_begun(self, update: LeadUpdate) -> bool:
        """Whether an update of the current batch may have been sent."""
        return id(update) in self._begun

    def forget_begun(self) -> None:
        """The batch is over."""
        self._begun.clear()

    def deliver(self, unit: Unit, report: Report) -> Unit:
        """Deliver a unit round after round. Runs in a worker.

        Reports settlements, and the result of each update whose job is open now. Gives back the rounds that are left if
        the provider has no room for more requests: what was throttled, and all that comes after it.
        """
        for number, updates in enumerate(unit, start=1):
            requests = requests_of(self.service.account, updates)
            if rest := [left for request in requests for left in self._send(request, report)]:
                return [*rest, *unit[number:]]
        return []

    def _send(self, updates: Round, report: Report, failing_since: float | None = None) -> Unit:
        """Send updates in one request and judge what it came to.

        `failing_since` says when a request failed first of which these are a part.

        The judgement falls here and not where settlements are taken: a store that is slow to write them must not give
        the other workers time to send on to a provider that is down.
        """
        if self._stopping.is_set():
            return []
        self._begun.update(map(id, updates))
        delivery = self.service.update(updates, lambda result: self._settle(result, report))
        throttled: Round = []
        apart: Unit = []
        for result in delivery.results:
            if _is_throttled(result.attempts):
                throttled.append(dataclasses.replace(result.update, may_be_written=result.may_be_written))
            elif _answers_for_many(result):
                apart.append(list(result.update.parts))
            else:
                self._settle(dataclasses.replace(result, failing_since=failing_since), report)
        rest = [throttled] if throttled else []
        if throttled and not self._stopping.is_set():
            self.evidence.note_in_vain(throttled[0].lead_id, delivery.attempts)
            self._heed()
        for parts in apart:
            rest += self.deliver([[part] for part in parts], report)
        if delivery.together:
            rest += self._divide(delivery.together, delivery.attempts, report, failing_since)
        return rest

    def _settle(self, result: Result, report: Report) -> None:
        """Judge what an update came to. Reports it if its fate is known now, and others that waited for that."""
        verdict = result.attempts.verdict
        if verdict.kind is VerdictKind.RETRY and self._stopping.is_set():
            return  # the stop may have cut it short
        for settlement in self.evidence.judge(result):
            report(settlement)
        self._heed()
        if verdict.kind is VerdictKind.ACCEPTED:
            report(result)

    def _divide(self, updates: Round, attempts: Attempts, report: Report, failing_since: float | None) -> Unit:
        """Send again, by halves, what was refused or failed together: one lead may be at fault for all.

        What fails is counted against the provider once, not once more for each of its parts.
        """
        if attempts.verdict.kind is VerdictKind.RETRY:
            if self._stopping.is_set():
                return []
            if failing_since is None or attempts.verdict.throttled or attempts.too_long is not None:
                self.evidence.note_in_vain(updates[0].lead_id, attempts)
                self._heed()
            if _is_throttled(attempts):
                return [updates]
            failing_since = attempts.first_ended_at if failing_since is None else failing_since
        return [left for half in halves(updates) for left in self._send(half, report, failing_since)]

    def _heed(self) -> None:
        if self.evidence.stop is not None:
            self._stopping.set()


def _is_throttled(attempts: Attempts) -> bool:
    return attempts.verdict.throttled and attempts.too_long is None


def _answers_for_many(result: Result) -> bool:
    """Whether one of several records may be at fault for all that were merged into an update.

    Each answers for itself then, unless the update may have been written after all: sent again, the older records would
    overwrite the newer ones.
    """
    verdict = result.attempts.verdict
    refused = verdict.kind is VerdictKind.REJECTED and not verdict.credentials_in_doubt
    return refused and bool(result.update.parts) and not result.may_be_written
