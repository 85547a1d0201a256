"""Delivers a batch: units of work to a bounded pool of workers for each account, settlements back."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.delivery.confirmation import OpenJob, confirm
from target_leads.delivery.evidence import Evidence, Result
from target_leads.delivery.workers import Stop, Workers, reports
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from target_leads.clock import Clock
    from target_leads.delivery.service import Service
    from target_leads.models import LeadUpdate, Settlement

Unit = list["LeadUpdate"]
"""What one worker takes: one lead's updates, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """One account's service, its workers, and what its answers have shown."""

    service: Service
    workers: Workers
    evidence: Evidence


class Dispatcher:
    """Delivers batches. Keeps the accounts' connections and evidence from one batch to the next."""

    def __init__(
        self,
        *,
        open_service: Callable[[str], Service],
        stopping: threading.Event,
        clock: Clock,
        confirm_timeout_seconds: float,
        shutdown_seconds: float,
    ) -> None:
        """Deliver through the services that `open_service` makes, one for each provider name.

        `stopping` is set by whoever wants the run to end, and here when a provider lets nothing through any more.
        """
        self._open_service = open_service
        self._stopping = stopping
        self._stop = Stop(wished=stopping, shutdown_seconds=shutdown_seconds, clock=clock)
        self._confirm_timeout_seconds = confirm_timeout_seconds
        self._lanes: dict[str, _Lane] = {}

    def deliver(self, updates: Iterable[LeadUpdate]) -> Iterator[Settlement]:
        """Deliver a batch; yields each settlement as soon as it is known, and ends when nothing is in flight.

        Updates whose fate stays unknown, because the run stops, yield nothing. Nothing more is sent once nobody takes
        the settlements: what is not written down would be sent again.

        Raises:
            ProviderUnavailable: a provider lets nothing through. Raised at the end, after all settlements.
            CredentialsRefused: a provider refuses the credentials. Likewise.
        """
        try:
            yield from self._deliver(updates)
        except BaseException:
            self._stopping.set()
            raise

    def close(self) -> None:
        """End the workers."""
        for lane in self._lanes.values():
            lane.workers.close()

    def _deliver(self, updates: Iterable[LeadUpdate]) -> Iterator[Settlement]:
        lanes = [(self._lane(unit[0].provider), unit) for unit in _units(updates)]
        tasks = [(lane.workers, functools.partial(self._work_off, lane, unit)) for lane, unit in lanes]
        jobs: list[OpenJob] = []
        unforeseen: Exception | None = None
        try:
            for report in reports(tasks, self._stop):
                if isinstance(report, OpenJob):
                    jobs.append(report)
                else:
                    yield report
        except Exception as error:  # noqa: BLE001 -- raised below, once what was accepted is settled
            unforeseen = error
        yield from confirm(jobs, timeout_seconds=self._confirm_timeout_seconds, stop=self._stop)
        if unforeseen is not None:
            raise unforeseen
        if not self._stopping.is_set():
            for lane in self._lanes.values():
                lane.evidence.conclude()
        for lane in self._lanes.values():
            if lane.evidence.stop is not None:
                raise lane.evidence.stop

    def _lane(self, provider: str) -> _Lane:
        if provider not in self._lanes:
            service = self._open_service(provider)
            workers = Workers(service.account.concurrency, name=provider)
            self._lanes[provider] = _Lane(service=service, workers=workers, evidence=Evidence(service.account))
        return self._lanes[provider]

    def _work_off(self, lane: _Lane, unit: Unit, report: Callable[[Settlement | OpenJob], None]) -> None:
        """Deliver one lead's updates in order. Runs in a worker.

        The judgement falls here and not where settlements are taken: a store that is slow to write them must not give
        the other workers time to send on to a provider that is down.
        """
        for update in unit:
            if self._stopping.is_set():
                return
            attempts = lane.service.update(update)
            if attempts.verdict.kind is VerdictKind.RETRY and self._stopping.is_set():
                return  # the stop may have cut it short
            result = Result(update=update, attempts=attempts)
            for settlement in lane.evidence.judge(result):
                report(settlement)
            if lane.evidence.stop is not None:
                self._stopping.set()
            call = lane.service.account.definition.job
            if call is not None and attempts.verdict.kind is VerdictKind.ACCEPTED:
                report(
                    OpenJob(
                        result=result, call=call, service=lane.service, workers=lane.workers, evidence=lane.evidence
                    )
                )


def _units(updates: Iterable[LeadUpdate]) -> list[Unit]:
    """One unit for each lead, with its updates in the order in which they came."""
    units: dict[tuple[str, str, str], Unit] = {}
    for update in updates:
        units.setdefault((update.provider, update.account, update.lead_id), []).append(update)
    return list(units.values())
