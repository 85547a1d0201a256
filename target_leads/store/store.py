"""Everything durable: what became of each record, what was refused, and what every run did."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from target_leads.changes import Fingerprints
from target_leads.models import OpenJob, Outcome, Repeated, Settlement
from target_leads.store.dead_letters import DeadLetter, DeadLetterFilter, close, file_again, find, refile
from target_leads.store.engine import open_engine, open_to_read
from target_leads.store.errors import store_errors
from target_leads.store.leads import outdate_dead_letters, read_digests
from target_leads.store.locking import transaction
from target_leads.store.memory import Memory
from target_leads.store.open_jobs import (
    doubt_job,
    end_earlier_job,
    end_job,
    enter_job,
    leave_behind,
    open_jobs_of,
    read_open_jobs,
)
from target_leads.store.past import Past
from target_leads.store.retention import remove_older
from target_leads.store.rows import dead_letter_row, outcome_row, settlement_row, without_metadata
from target_leads.store.tables import FINGERPRINT_KEY, dead_letters, keys, outcomes, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from target_leads.changes import Accepted, LastSent
    from target_leads.models import Lead, LeadUpdate
    from target_leads.providers import Definition

_JOB_IS_OPEN = frozenset({Outcome.UNCONFIRMED, Outcome.UNSETTLED})


class Store:
    """The database behind `store_url`. Every write is one transaction."""

    def __init__(
        self,
        store_url: str,
        *,
        now: Callable[[], float],
        definitions: Mapping[str, Definition] | None = None,
        remembers: bool = True,
        must_exist: bool = False,
        engine: Engine | None = None,
    ) -> None:
        """Open the store, and make it if it is new. It `remembers` the leads and jobs of these providers, or none.

        An `engine` is one that `open_to_read` has opened.

        Raises:
            SettingsError: the URL is wrong.
            StoreError: the database cannot be used.
        """
        self._url = store_url
        self._now = now
        self._engine = engine or open_engine(store_url, must_exist=must_exist)
        with store_errors(store_url), self._engine.connect() as connection:
            key = connection.scalar(select(keys.c.key).where(keys.c.name == FINGERPRINT_KEY))
        self.fingerprints = Fingerprints(key or b"")
        self.identity = self.fingerprints.of("store")
        """Tells this store from every other; of its key it tells nothing."""
        self.past = Past(self._engine, store_url)
        self._remembers = remembers
        self._memory = Memory(self.fingerprints, definitions or {})

    @classmethod
    def to_read(
        cls, store_url: str, *, now: Callable[[], float], definitions: Mapping[str, Definition]
    ) -> Store | None:
        """A store that is only looked at, and left as it is; none if no run has written one yet.

        Raises:
            SettingsError: the URL is wrong.
            StoreError: the database cannot be used, or another release wrote it.
        """
        engine = open_to_read(store_url)
        return None if engine is None else cls(store_url, now=now, definitions=definitions, engine=engine)

    def begin_run(self, run_id: str, *, version: str, retention_days: float | None = None) -> None:
        """Enter a run before its first record, and remove what is older than `retention_days`."""
        now = self._moment()
        with store_errors(self._url), transaction(self._engine) as connection:
            connection.execute(insert(runs).values(run_id=run_id, version=version, started_at=now))
            if retention_days is not None:
                remove_older(connection, now - datetime.timedelta(days=retention_days))

    def recall(self, leads: Iterable[Lead]) -> dict[Lead, Accepted]:
        """What providers last accepted of a batch's leads, where that is known."""
        with store_errors(self._url), self._engine.connect() as connection:
            return self._memory.recall(connection, leads)

    def digests(self, leads: Iterable[Lead]) -> dict[Lead, str]:
        """Digests of the records that providers accepted last, of those leads of which one is known."""
        with store_errors(self._url), self._engine.connect() as connection:
            return read_digests(connection, leads)

    def open_jobs_of(self, leads: Iterable[Lead]) -> dict[Lead, LastSent]:
        """What was sent of a lead last, where its job is open."""
        with store_errors(self._url), self._engine.connect() as connection:
            return open_jobs_of(connection, leads)

    def announce(self, run_id: str, updates: Sequence[LeadUpdate]) -> dict[Lead, str]:
        """Commit, before these updates are sent, that what is known of their leads may soon be true no more.

        Returns leads that must not be sent, each with the reason, such as that something newer was accepted since.
        """
        with store_errors(self._url), transaction(self._engine) as connection:
            left_alone = self._memory.announce(connection, run_id, updates)
            leave_behind(connection, [update for update in updates if update.lead not in left_alone])
        return left_alone

    def settle(
        self, run_id: str, settled: Sequence[Repeated | Settlement | OpenJob], counts: Mapping[str, Any]
    ) -> None:
        """Commit what became of some records: outcomes, dead letters, memory, jobs, and the run's counts so far.

        `counts` holds the columns of ``runs`` by name: each outcome's word, ``received``, ``requests``, ``providers``.
        """
        moment = self._moment()
        jobs = [entry for entry in settled if isinstance(entry, OpenJob)]
        settlements = [entry for entry in settled if isinstance(entry, Settlement)]
        with store_errors(self._url), transaction(self._engine) as connection:
            self._enter(connection, run_id, moment, settlements)
            if self._remembers:
                for entry in settled:
                    if isinstance(entry, Repeated):
                        outdate_dead_letters(connection, entry.leads)
                self._remember(connection, run_id, moment, jobs, settlements)
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(**_run_columns(counts)))

    def open_jobs(self) -> list[OpenJob]:
        """Jobs that were open when a run last heard of them, oldest first. Of their updates only the record is left."""
        with store_errors(self._url), self._engine.connect() as connection:
            return read_open_jobs(connection)

    def settle_job(self, run_id: str, settlements: Sequence[Settlement]) -> bool:
        """Commit how a job of an earlier run ended, with a settlement for each record in it.

        They are no records of this run, so its counts do not change. False if another run has done so before.
        """
        moment = self._moment()
        with store_errors(self._url), transaction(self._engine) as connection:
            if settlements[-1].outcome is Outcome.UNCONFIRMED:
                doubt_job(connection, settlements[-1])
                return False
            is_ours = end_earlier_job(connection, moment, settlements[-1])
            if is_ours:
                self._enter(connection, run_id, moment, settlements)
            return is_ours

    def end_run(self, run_id: str, *, exit_status: int, counts: Mapping[str, Any]) -> None:
        """Enter how a run ended."""
        values = {**_run_columns(counts), "exit_status": exit_status, "finished_at": self._moment()}
        with store_errors(self._url), transaction(self._engine) as connection:
            self._memory.end(connection)
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(**values))

    def dead_letters(self, which: DeadLetterFilter) -> Iterator[DeadLetter]:
        """Open dead letters, oldest first."""
        with store_errors(self._url), self._engine.connect() as connection:
            yield from find(connection, which)

    def open_dead_letter(self, dead_letter_id: int) -> DeadLetter | None:
        """A dead letter; none if it was closed."""
        return next(self.dead_letters(DeadLetterFilter(ids=(dead_letter_id,))), None)

    def is_own(self, mark: object) -> bool:
        """Whether the mark of an exported record is one of this store's."""
        return isinstance(mark, dict) and mark.get("store") == self.identity and isinstance(mark.get("id"), int)

    def marked(self, mark: Any) -> DeadLetter | None:  # noqa: ANN401 -- a part of a message
        """The dead letter that a mark of this store's means; none if it was closed."""
        letter = self.open_dead_letter(mark["id"])
        return letter if letter is not None and letter.digest == mark.get("digest") else None

    def open_dead_letters(self) -> Iterator[DeadLetter]:
        """All dead letters that are not closed, oldest first."""
        return self.dead_letters(DeadLetterFilter())

    def discard(self, dead_letter_ids: Sequence[int], *, because: str) -> int:
        """Close dead letters that will never be sent; returns how many were open."""
        with store_errors(self._url), transaction(self._engine) as connection:
            return close(connection, dead_letter_ids, moment=self._moment(), because=because)

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def _remember(
        self,
        connection: Connection,
        run_id: str,
        moment: datetime.datetime,
        jobs: Iterable[OpenJob],
        settlements: Sequence[Settlement],
    ) -> None:
        for job in jobs:
            enter_job(
                connection,
                job,
                run_id=run_id,
                moment=moment,
                accepted=self._memory.after_job(job.update),
                fingerprint=self.fingerprints.of(job.update.fields),
            )
        self._memory.settle(connection, run_id, list(_in_order(moment, settlements)))
        for entry in settlements:
            if entry.job_id and entry.update is not None and entry.outcome not in _JOB_IS_OPEN:
                end_job(connection, entry)

    def _enter(
        self, connection: Connection, run_id: str, moment: datetime.datetime, settlements: Sequence[Settlement]
    ) -> None:
        told: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        for settled_at, entry in _in_order(moment, settlements):
            if entry.outcome is Outcome.UNSETTLED:
                continue
            if entry.outcome is not Outcome.UNCHANGED:
                told.append({"run_id": run_id, "settled_at": settled_at, **outcome_row(entry)})
            if entry.record.dead_letter_id is not None:
                file_again(connection, run_id, settled_at, entry)
            elif entry.outcome.is_dead_letter:
                received_at = entry.record.received_at or settled_at
                row = {"run_id": run_id, "created_at": received_at, **settlement_row(entry), **dead_letter_row(entry)}
                row["digest"] = self.fingerprints.of(row["stream"], row["account"], without_metadata(entry.record))
                if not refile(connection, run_id, row["digest"], row):
                    refused.append(row)
        if told:
            connection.execute(insert(outcomes), told)
        if refused:
            connection.execute(insert(dead_letters), refused)

    def _moment(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._now(), tz=datetime.timezone.utc)


def _run_columns(counts: Mapping[str, Any]) -> dict[str, Any]:
    return {**counts, "providers": json.dumps(counts["providers"])}


def _in_order(
    moment: datetime.datetime, settlements: Sequence[Settlement]
) -> Iterator[tuple[datetime.datetime, Settlement]]:
    """Settlements of one commit with moments that tell which came first."""
    for index, entry in enumerate(settlements):
        yield moment + datetime.timedelta(microseconds=index), entry
