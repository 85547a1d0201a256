"""Delivers a batch: units of work to a bounded pool of workers for each account, settlements back."""

from __future__ import annotations

import functools
import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.delivery.confirmation import OpenJob, confirm
from target_leads.delivery.evidence import Evidence, Result
from target_leads.delivery.workers import Workers
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnitEnded:
    """A unit is worked off; `error` is what no code foresaw, if anything."""

    error: Exception | None = None


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
        self._clock = clock
        self._confirm_timeout_seconds = confirm_timeout_seconds
        self._shutdown_seconds = shutdown_seconds
        self._lanes: dict[str, _Lane] = {}

    def deliver(self, updates: Iterable[LeadUpdate]) -> Iterator[Settlement]:
        """Deliver a batch; yields each settlement as soon as it is known, and ends when nothing is in flight.

        Updates whose fate stays unknown, because the run stops, yield nothing.

        Raises:
            ProviderUnavailable: a provider lets nothing through. Raised at the end, after all settlements.
            CredentialsRefused: a provider refuses the credentials. Likewise.
        """
        results: queue.SimpleQueue[tuple[_Lane, Result | _UnitEnded]] = queue.SimpleQueue()
        units = _units(updates)
        for unit in units:
            lane = self._lane(unit[0].provider)
            lane.workers.submit(functools.partial(self._work_off, lane, unit, results))
        jobs: list[tuple[OpenJob, Workers]] = []
        for lane, result in self._until_ended(results, len(units)):
            yield from lane.evidence.judge(result)
            call = lane.service.account.definition.job
            if call is not None and result.attempts.verdict.kind is VerdictKind.ACCEPTED:
                jobs.append((OpenJob(result=result, call=call, service=lane.service), lane.workers))
            if lane.evidence.stop is not None:
                self._stopping.set()
        yield from confirm(jobs, timeout_seconds=self._confirm_timeout_seconds, clock=self._clock)
        for lane in self._lanes.values():
            if not self._stopping.is_set():
                lane.evidence.conclude()
        for lane in self._lanes.values():
            if lane.evidence.stop is not None:
                raise lane.evidence.stop

    def close(self) -> None:
        """End the workers."""
        for lane in self._lanes.values():
            lane.workers.close()

    def _lane(self, provider: str) -> _Lane:
        if provider not in self._lanes:
            service = self._open_service(provider)
            workers = Workers(service.account.concurrency, name=provider)
            self._lanes[provider] = _Lane(service=service, workers=workers, evidence=Evidence(service.account))
        return self._lanes[provider]

    def _work_off(self, lane: _Lane, unit: Unit, results: queue.SimpleQueue[tuple[_Lane, Result | _UnitEnded]]) -> None:
        """Deliver one lead's updates in order. Runs in a worker."""
        try:
            for update in unit:
                if self._stopping.is_set():
                    break
                successes_before = lane.evidence.successes
                attempts = lane.service.update(update)
                results.put((lane, Result(update=update, attempts=attempts, successes_before=successes_before)))
        except Exception as error:  # noqa: BLE001 -- handed to the main thread, which raises it
            results.put((lane, _UnitEnded(error=error)))
        else:
            results.put((lane, _UnitEnded()))

    def _until_ended(
        self, results: queue.SimpleQueue[tuple[_Lane, Result | _UnitEnded]], units: int
    ) -> Iterator[tuple[_Lane, Result]]:
        """Results as they come, until every unit has ended, or none ended in the time that a stop allows."""
        give_up_at: float | None = None
        while units:
            if self._stopping.is_set() and give_up_at is None:
                give_up_at = self._clock.monotonic() + self._shutdown_seconds
            try:
                lane, result = results.get(timeout=0.1)
            except queue.Empty:
                if give_up_at is not None and self._clock.monotonic() >= give_up_at:
                    return
                continue
            if isinstance(result, Result):
                if not (self._stopping.is_set() and result.attempts.verdict.kind is VerdictKind.RETRY):
                    yield lane, result
            elif result.error is not None:
                self._stopping.set()
                raise result.error
            else:
                units -= 1


def _units(updates: Iterable[LeadUpdate]) -> list[Unit]:
    """One unit for each lead, with its updates in the order in which they came."""
    units: dict[tuple[str, str, str], Unit] = {}
    for update in updates:
        units.setdefault((update.provider, update.account, update.lead_id), []).append(update)
    return list(units.values())
