"""What earlier runs did, for people who look back. Reads only."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from target_leads.models import Outcome
from target_leads.store.errors import store_errors
from target_leads.store.lead_history import LeadHistory, lead_history
from target_leads.store.tables import outcomes, runs

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Engine, RowMapping, Select

_LEADS_NAMED = 3
_REFUSED = [outcome.value for outcome in Outcome if outcome.is_dead_letter]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """What a run did, as far as it has come."""

    run_id: str
    version: str
    """Release of target-leads."""
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    """None while it runs, and if it was killed; so is the exit status."""
    exit_status: int | None
    received: int
    requests: int
    outcomes: Mapping[str, int]
    """How many records ended so, for every outcome."""
    providers: Mapping[str, Mapping[str, int]]
    """The same of each provider, for outcomes that occurred."""

    @property
    def refused(self) -> int:
        """Records that became dead letters."""
        return sum(self.outcomes[outcome] for outcome in _REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """How often a run refused records of one provider for one reason."""

    provider: str
    outcome: str
    reason: str
    count: int
    lead_ids: tuple[str, ...]
    """The first three."""


class Past:
    """Reads what a store has kept of runs and leads, and changes nothing."""

    def __init__(self, engine: Engine, store_url: str) -> None:
        """Read by the store's own connections."""
        self._engine = engine
        self._url = store_url

    def newest_runs(self, *, most: int) -> list[PastRun]:
        """Runs, the newest first."""
        with self._connection() as connection:
            return _runs(connection, select(runs).limit(most))

    def runs_beginning_with(self, prefix: str, *, most: int) -> list[PastRun]:
        """Runs whose id begins so, the newest first."""
        begins = func.lower(runs.c.run_id).startswith(prefix.lower(), autoescape=True)
        with self._connection() as connection:
            return _runs(connection, select(runs).where(begins).limit(most))

    def commonest_reasons(self, run_id: str, *, most: int) -> list[ReasonCount]:
        """Why a run refused records, the commonest reason first."""
        key = (outcomes.c.provider, outcomes.c.outcome, outcomes.c.reason)
        count = func.count().label("count")
        refused = (outcomes.c.run_id == run_id, outcomes.c.outcome.in_(_REFUSED))
        query = select(*key, count).where(*refused).group_by(*key).order_by(count.desc(), func.min(outcomes.c.id))
        with self._connection() as connection:
            return [
                ReasonCount(**row, lead_ids=_first_leads(connection, run_id, row))
                for row in connection.execute(query.limit(most)).mappings()
            ]

    def lead_history(self, lead_id: str, *, provider: str = "") -> LeadHistory:
        """What is known of a lead id, at one provider or, if none is named, at all of them."""
        with self._connection() as connection:
            return lead_history(connection, lead_id, provider=provider)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        with store_errors(self._url), self._engine.connect() as connection:
            yield connection


def _runs(connection: Connection, query: Select[Any]) -> list[PastRun]:
    copied = ("run_id", "version", "started_at", "finished_at", "exit_status", "received", "requests")
    return [
        PastRun(
            outcomes={outcome.value: row[outcome.value] for outcome in Outcome},
            providers=json.loads(row["providers"]),
            **{name: row[name] for name in copied},
        )
        for row in connection.execute(query.order_by(runs.c.started_at.desc(), runs.c.run_id)).mappings()
    ]


def _first_leads(connection: Connection, run_id: str, reason: RowMapping) -> tuple[str, ...]:
    same = (outcomes.c[name] == reason[name] for name in ("provider", "outcome", "reason"))
    query = select(outcomes.c.lead_id).where(outcomes.c.run_id == run_id, *same, outcomes.c.lead_id != "")
    first = query.group_by(outcomes.c.lead_id).order_by(func.min(outcomes.c.id)).limit(_LEADS_NAMED)
    return tuple(connection.scalars(first))
