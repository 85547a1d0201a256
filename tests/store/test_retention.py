"""What is too old to be asked for is removed when a run begins. On SQLite and on PostgreSQL alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from target_leads.exceptions import StoreError
from target_leads.models import LeadUpdate, OpenJob, Outcome, Record, Settlement
from target_leads.providers import load_all
from target_leads.report import RunReport
from target_leads.settings import schema
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_700_000_000.5
DAY = 86_400.0
TABLES = ("runs", "outcomes", "dead_letters", "leads", "open_jobs")


@pytest.fixture
def open_store(store_url: str) -> Iterator[Callable[[float], Store]]:
    """Opens the store so many days before now."""
    opened: list[Store] = []
    definitions = load_all([])

    def open_then(days_ago: float) -> Store:
        opened.append(Store(store_url, now=lambda: NOW - days_ago * DAY, definitions=definitions))
        return opened[-1]

    yield open_then
    for each in opened:
        each.close()


def fill(store: Store, lead_id: str) -> None:
    """A run that delivers an update, whose job is open, and has another refused."""
    record = Record(stream="leads", fields={}, original={"id": lead_id})
    update = LeadUpdate(record=record, provider="perch", account="north", lead_id=lead_id, fields={"email": "a"})
    group = [
        Settlement(
            record=record,
            outcome=Outcome(outcome),
            provider="perch",
            account="north",
            lead_id=lead_id,
            update=update if outcome == "delivered" else None,
        )
        for outcome in ("delivered", "rejected")
    ]
    store.begin_run(lead_id, version="1.2.3")
    entries = [OpenJob(update=update, job_id="J-1"), *group]
    store.settle(lead_id, entries, RunReport(lead_id).counts(group))
    store.end_run(lead_id, exit_status=0, counts=RunReport(lead_id).counts(group))


def left(url: str) -> dict[str, int]:
    """How many rows each table holds."""
    engine = create_engine(url)
    with engine.connect() as connection:
        counts = {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in TABLES}  # noqa: S608 -- the test's own names
    engine.dispose()
    return counts


def test_what_is_too_old_is_removed(open_store: Callable[[float], Store], store_url: str) -> None:
    """Outcomes, runs and closed dead letters go, and only those that are older than that."""
    for days_ago in (91, 89):
        fill(open_store(days_ago), f"L-{days_ago}")
        store = open_store(days_ago)
        store.discard([letter.dead_letter_id for letter in store.open_dead_letters()], because="no lead any more")
    assert left(store_url) == {"runs": 2, "outcomes": 4, "dead_letters": 2, "leads": 2, "open_jobs": 2}

    now = open_store(0)
    now.begin_run("now", version="1.2.3", retention_days=90)
    assert left(store_url) == {"runs": 2, "outcomes": 2, "dead_letters": 1, "leads": 2, "open_jobs": 2}
    (kept,) = now.past.runs_beginning_with("L-", most=9)
    assert (kept.run_id, kept.outcomes["delivered"]) == ("L-89", 1)


def test_open_dead_letters_stay_however_old(open_store: Callable[[float], Store]) -> None:
    """Nobody has seen to them yet; that their run is gone does not matter."""
    fill(open_store(4000), "L-1")
    now = open_store(0)
    now.begin_run("now", version="1.2.3", retention_days=1)
    assert [letter.lead_id for letter in now.open_dead_letters()] == ["L-1"]


def test_a_dead_letter_is_kept_from_the_day_on_which_it_was_closed(
    open_store: Callable[[float], Store], store_url: str
) -> None:
    """Not from the day on which it was filed: who discards an old one by mistake can still find it."""
    fill(open_store(4000), "L-1")
    open_store(5).discard([1], because="by mistake")
    for days, found in ((6, 1), (4, 0)):
        open_store(0).begin_run(f"run-{days}", version="1.2.3", retention_days=days)
        assert left(store_url)["dead_letters"] == found


def test_memory_and_open_jobs_stay_however_old(open_store: Callable[[float], Store], store_url: str) -> None:
    """A lead that has not changed for a year is not sent again for that, and a job has no end but its own."""
    fill(open_store(4000), "L-1")
    open_store(0).begin_run("now", version="1.2.3", retention_days=1)
    counts = left(store_url)
    assert (counts["leads"], counts["open_jobs"], counts["outcomes"]) == (1, 1, 0)


@pytest.mark.parametrize(("days", "found"), [(1, 2), (0.5, 0)])
def test_exactly_the_age_is_not_too_old(
    days: float, found: int, open_store: Callable[[float], Store], store_url: str
) -> None:
    """What is as old as the limit to the second is kept, and a limit may be part of a day."""
    fill(open_store(1), "L-1")
    open_store(0).begin_run("now", version="1.2.3", retention_days=days)
    assert left(store_url)["outcomes"] == found


def test_without_a_limit_everything_stays(open_store: Callable[[float], Store], store_url: str) -> None:
    """A run that was given none removes nothing."""
    fill(open_store(4000), "L-1")
    open_store(0).begin_run("now", version="1.2.3")
    assert left(store_url) == {"runs": 2, "outcomes": 2, "dead_letters": 1, "leads": 1, "open_jobs": 1}


def test_a_century_is_no_limit(open_store: Callable[[float], Store], store_url: str) -> None:
    """Who wants to keep everything sets the most that can be set."""
    fill(open_store(4000), "L-1")
    open_store(0).begin_run("now", version="1.2.3", retention_days=schema()["properties"]["retention_days"]["maximum"])
    assert left(store_url)["outcomes"] == 2


def test_nothing_is_removed_for_a_run_that_does_not_begin(open_store: Callable[[float], Store], store_url: str) -> None:
    """A run whose name is taken is not entered, and everything stays as it was."""
    fill(open_store(4000), "L-1")
    store = open_store(0)
    store.begin_run("now", version="1.2.3")
    with pytest.raises(StoreError):
        store.begin_run("now", version="1.2.3", retention_days=1)
    assert left(store_url)["outcomes"] == 2
