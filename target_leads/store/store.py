"""Everything durable: what became of each record, what was refused, and what every run did."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from target_leads.models import Outcome, Violation
from target_leads.store.engine import open_engine, store_errors
from target_leads.store.open_jobs import OpenJobs, read_open_jobs
from target_leads.store.rows import dead_letter_row, record_of, settlement_row
from target_leads.store.tables import dead_letters, outcomes, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from target_leads.models import LeadUpdate, OpenJob, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An update that will not be delivered as it stands, with its reason."""

    dead_letter_id: int
    run_id: str
    created_at: datetime.datetime
    stream: str
    provider: str
    account: str
    lead_id: str
    outcome: Outcome
    reason: str
    violations: tuple[Violation, ...]
    status: int | None
    error_code: str
    request_id: str
    attempts: int
    job_id: str
    record: Mapping[str, Any] = field(repr=False)
    """The record as the tap sent it."""


class Store:
    """The database behind `store_url`. Every write is one transaction."""

    def __init__(self, store_url: str, *, now: Callable[[], float]) -> None:
        """Open the store, and make it if it is new.

        Raises:
            SettingsError: the URL is wrong.
            StoreError: the database cannot be used.
        """
        self._url = store_url
        self._now = now
        self._engine: Engine = open_engine(store_url)
        with store_errors(store_url), self._engine.connect() as connection:
            self._open_jobs = OpenJobs(connection)

    def begin_run(self, run_id: str, *, version: str) -> None:
        """Enter a run before its first record."""
        with store_errors(self._url), self._engine.begin() as connection:
            connection.execute(insert(runs).values(run_id=run_id, version=version, started_at=self._moment()))

    def settle(self, run_id: str, settlements: Sequence[Settlement], counts: Mapping[str, Any]) -> None:
        """Commit what became of some records: outcomes, dead letters, and the run's counts so far.

        `counts` holds the columns of ``runs`` by name: each outcome's word, ``received``, ``requests``, ``providers``.
        """
        moment = self._moment()
        with store_errors(self._url), self._engine.begin() as connection:
            self._enter(connection, run_id, moment, settlements)
            self._open_jobs.enter(connection, run_id, moment, settlements)
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(**_run_columns(counts)))

    def open_jobs(self) -> list[OpenJob]:
        """Jobs that were open when a run last heard of them, oldest first. Of their updates only the record is left."""
        with store_errors(self._url), self._engine.connect() as connection:
            return read_open_jobs(connection)

    def job_of(self, update: LeadUpdate) -> str:
        """Id of the open job that is writing this very update; empty if there is none."""
        return self._open_jobs.job_of(update)

    def forget(self, updates: Sequence[LeadUpdate]) -> None:
        """Commit, before these updates are sent, that what is known of their leads may soon be true no more."""
        with store_errors(self._url), self._engine.begin() as connection:
            self._open_jobs.forget(connection, updates)

    def settle_jobs(self, run_id: str, settlements: Sequence[Settlement]) -> None:
        """Commit how jobs of earlier runs ended. They are no records of this run, so its counts do not change."""
        with store_errors(self._url), self._engine.begin() as connection:
            self._enter(connection, run_id, self._moment(), settlements)
            self._open_jobs.close(connection, settlements)

    def end_run(self, run_id: str, *, exit_status: int, counts: Mapping[str, Any]) -> None:
        """Enter how a run ended."""
        values = {**_run_columns(counts), "exit_status": exit_status, "finished_at": self._moment()}
        with store_errors(self._url), self._engine.begin() as connection:
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(**values))

    def open_dead_letters(self) -> Iterator[DeadLetter]:
        """Dead letters that are not closed, oldest first."""
        query = select(dead_letters).where(dead_letters.c.closed_at.is_(None)).order_by(dead_letters.c.id)
        with store_errors(self._url), self._engine.connect() as connection:
            for row in connection.execute(query).mappings():
                yield DeadLetter(
                    dead_letter_id=row["id"],
                    outcome=Outcome(row["outcome"]),
                    violations=tuple(Violation(**violation) for violation in json.loads(row["violations"])),
                    record=record_of(row["record"]),
                    **{name: row[name] for name in _COPIED},
                )

    def run(self, run_id: str) -> Mapping[str, Any]:
        """What a run did: the columns of ``runs`` by name, ``providers`` decoded.

        Raises:
            KeyError: there is no such run.
        """
        with store_errors(self._url), self._engine.connect() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
        if row is None:
            raise KeyError(run_id)
        return {**row, "providers": json.loads(row["providers"])}

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def _enter(
        self, connection: Connection, run_id: str, moment: datetime.datetime, settlements: Sequence[Settlement]
    ) -> None:
        told = [entry for entry in settlements if entry.outcome is not Outcome.UNCHANGED]
        refused = [entry for entry in settlements if entry.outcome.is_dead_letter]
        if told:
            rows = [{"run_id": run_id, "settled_at": moment, **settlement_row(entry)} for entry in told]
            connection.execute(insert(outcomes), rows)
        if refused:
            rows = [
                {"run_id": run_id, "created_at": moment, **settlement_row(entry), **dead_letter_row(entry)}
                for entry in refused
            ]
            connection.execute(insert(dead_letters), rows)

    def _moment(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._now(), tz=datetime.timezone.utc)


_COPIED = (
    "run_id",
    "created_at",
    "stream",
    "provider",
    "account",
    "lead_id",
    "reason",
    "status",
    "error_code",
    "request_id",
    "attempts",
    "job_id",
)


def _run_columns(counts: Mapping[str, Any]) -> dict[str, Any]:
    return {**counts, "providers": json.dumps(counts["providers"])}
