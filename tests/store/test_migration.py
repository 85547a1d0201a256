"""A store of an earlier release is taken over when a newer one opens it. On SQLite and on PostgreSQL alike."""

from __future__ import annotations

import datetime
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, inspect

from target_leads.exceptions import StoreError
from target_leads.models import LeadUpdate, OpenJob, Outcome, Record, Settlement, Violation
from target_leads.providers import load_all
from target_leads.report import RunReport
from target_leads.store import DeadLetterFilter, Store
from target_leads.store.tables import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_700_000_000.5
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=datetime.timezone.utc)
BEFORE = datetime.datetime(2023, 10, 1, 12, 0, tzinfo=datetime.timezone.utc)
URL = "https://api.example.com"

_SETTLEMENT = """
    stream TEXT NOT NULL, provider TEXT NOT NULL, account TEXT NOT NULL, lead_id TEXT NOT NULL,
    outcome VARCHAR(16) NOT NULL, reason TEXT NOT NULL, status INTEGER, attempts INTEGER NOT NULL, job_id TEXT NOT NULL
"""
VERSION_1 = (
    "CREATE TABLE versions (version {serial} NOT NULL, PRIMARY KEY (version))",
    """
    CREATE TABLE runs (
        run_id VARCHAR(36) NOT NULL, version VARCHAR(32) NOT NULL, started_at {moment} NOT NULL, finished_at {moment},
        exit_status INTEGER, received INTEGER NOT NULL, delivered INTEGER NOT NULL, unconfirmed INTEGER NOT NULL,
        unchanged INTEGER NOT NULL, superseded INTEGER NOT NULL, ignored INTEGER NOT NULL, invalid INTEGER NOT NULL,
        rejected INTEGER NOT NULL, failed INTEGER NOT NULL, unsettled INTEGER NOT NULL, requests INTEGER NOT NULL,
        providers TEXT NOT NULL, PRIMARY KEY (run_id)
    )
    """,
    f"""
    CREATE TABLE outcomes (
        id {{big_serial}} NOT NULL, run_id VARCHAR(36) NOT NULL, settled_at {{moment}} NOT NULL, {_SETTLEMENT},
        PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX outcomes_by_lead ON outcomes (provider, account, lead_id)",
    "CREATE INDEX outcomes_by_run ON outcomes (run_id)",
    f"""
    CREATE TABLE dead_letters (
        id {{big_serial}} NOT NULL, run_id VARCHAR(36) NOT NULL, created_at {{moment}} NOT NULL, {_SETTLEMENT},
        violations TEXT NOT NULL, record TEXT NOT NULL, closed_at {{moment}}, PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX dead_letters_by_lead ON dead_letters (provider, account, lead_id)",
)
"""The first release's tables, word for word as it made them."""
TYPES = {
    "sqlite": {"serial": "INTEGER", "big_serial": "INTEGER", "moment": "DATETIME"},
    "postgresql": {"serial": "SERIAL", "big_serial": "BIGSERIAL", "moment": "TIMESTAMP WITH TIME ZONE"},
}
ROWS = (
    "INSERT INTO versions (version) VALUES (1)",
    """
    INSERT INTO runs VALUES (
        'run-0', '0.1.0', '2023-10-01 12:00:00.000000{zone}', '2023-10-01 12:00:05.000000{zone}', 0,
        3, 1, 0, 0, 0, 0, 1, 1, 0, 0, 2, '{{"perch": {{"delivered": 1, "invalid": 1, "rejected": 1}}}}'
    )
    """,
    """
    INSERT INTO outcomes
        (run_id, settled_at, stream, provider, account, lead_id, outcome, reason, status, attempts, job_id)
    VALUES
        ('run-0', '2023-10-01 12:00:00.000000{zone}', 'leads', 'perch', 'north', 'L-1', 'delivered', '', 200, 1, ''),
        ('run-0', '2023-10-01 12:00:00.000000{zone}', 'leads', 'perch', 'north', 'L-2', 'invalid', 'is', NULL, 0, ''),
        ('run-0', '2023-10-01 12:00:00.000000{zone}', 'leads', 'perch', 'north', 'L-3', 'rejected', 'no', 404, 1, '')
    """,
    """
    INSERT INTO dead_letters
        (run_id, created_at, stream, provider, account, lead_id, outcome, reason, status, attempts, job_id,
         violations, record, closed_at)
    VALUES
        ('run-0', '2023-10-01 12:00:00.000000{zone}', 'leads', 'perch', 'north', 'L-2', 'invalid', 'is', NULL, 0, '',
         '[{{"path": "$.a", "rule": "is required"}}]', '{{"id": "L-2", "amount": 1.10}}', NULL),
        ('run-0', '2023-10-01 12:00:00.000000{zone}', 'leads', 'perch', 'north', 'L-3', 'rejected', 'no', 404, 1, '',
         '[]', '{{"id": "L-3"}}', '2023-10-02 12:00:00.000000{zone}')
    """,
)
"""A run that delivered one record and refused two, of which one was seen to."""


def execute(url: str, *statements: str) -> list[dict[str, Any]]:
    """What another program reads from the store with SQL, or does to it; the rows of the last statement."""
    engine = create_engine(url)
    with engine.begin() as connection:
        results = [connection.exec_driver_sql(statement) for statement in statements]
        found = [dict(row) for row in results[-1].mappings()] if results[-1].returns_rows else []
    engine.dispose()
    return found


def make_version_1(url: str, *statements: str) -> None:
    """Make a store as the first release did."""
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    words = {**TYPES[kind], "zone": "" if kind == "sqlite" else "+00"}
    execute(url, *(statement.format(**words) for statement in (*VERSION_1, *statements)))


@pytest.fixture
def old_url(store_url: str) -> str:
    """URL of a store that the first release has left, with rows in every table."""
    make_version_1(store_url, *ROWS)
    return store_url


@pytest.fixture
def store(old_url: str) -> Iterator[Store]:
    """The same store, as this release has opened it."""
    opened = Store(old_url, now=lambda: NOW, definitions=load_all([]))
    yield opened
    opened.close()


def settled(outcome: str, record: Record, update: LeadUpdate | None = None) -> Settlement:
    """The fate of a record."""
    return Settlement(
        record=record,
        outcome=Outcome(outcome),
        provider="perch",
        account="north",
        lead_id="L-9",
        update=update,
        error_code="INVALID",
    )


def test_what_was_in_it_is_still_there(store: Store, old_url: str) -> None:
    """Runs, outcomes and dead letters are as they were, and what the first release did not know is empty."""
    (run,) = store.past.runs_beginning_with("run-0", most=2)
    assert (run.version, run.started_at, run.received, run.outcomes["rejected"]) == ("0.1.0", BEFORE, 3, 1)
    assert run.providers == {"perch": {"delivered": 1, "invalid": 1, "rejected": 1}}
    query = "SELECT lead_id, outcome, status, error_code, request_id FROM outcomes ORDER BY id"
    new = {"error_code": "", "request_id": ""}
    assert execute(old_url, query) == [
        {"lead_id": "L-1", "outcome": "delivered", "status": 200, **new},
        {"lead_id": "L-2", "outcome": "invalid", "status": None, **new},
        {"lead_id": "L-3", "outcome": "rejected", "status": 404, **new},
    ]
    assert execute(old_url, "SELECT id, closed_because FROM dead_letters ORDER BY id") == [
        {"id": 1, "closed_because": None},
        {"id": 2, "closed_because": None},
    ]


def test_its_open_dead_letters_can_be_sent_again(store: Store) -> None:
    """A dead letter of the first release has all that is needed: its stream is taken for the tap's own."""
    (letter,) = store.open_dead_letters()
    assert (letter.dead_letter_id, letter.created_at, letter.lead_id) == (1, BEFORE, "L-2")
    assert (letter.stream, letter.tap_stream, letter.key_properties, letter.columns) == ("leads", "leads", (), {})
    assert letter.record == {"id": "L-2", "amount": Decimal("1.10")}
    assert letter.violations == (Violation(path="$.a", rule="is required"),)
    assert (letter.error_code, letter.request_id) == ("", "")

    store.begin_run("run-1", version="1.2.3")
    record = Record(stream="leads", fields={}, original=letter.record, dead_letter_id=letter.dead_letter_id)
    group = [settled("delivered", record)]
    store.settle("run-1", group, RunReport("run-1").counts(group))
    assert list(store.open_dead_letters()) == []


def test_a_run_can_be_made_on_it(store: Store, old_url: str) -> None:
    """All that a new store can do it can do: outcomes, dead letters, memory, jobs, retention."""
    store.begin_run("run-1", version="1.2.3", retention_days=30)
    assert [row["run_id"] for row in execute(old_url, "SELECT run_id FROM runs")] == ["run-1"]
    assert [letter.lead_id for letter in store.open_dead_letters()] == ["L-2"]

    record = Record(stream="leads", fields={}, original={"id": "L-9"}, tap_stream="crm", key_properties=("id",))
    update = LeadUpdate(
        record=record, provider="perch", account="north", base_url=URL, lead_id="L-9", fields={"email": "a@example.com"}
    )
    store.announce("run-1", [update])
    job = OpenJob(update=update, job_id="J-1")
    group = [settled("rejected", record), settled("delivered", record, update)]
    store.settle("run-1", [job, *group], RunReport("run-1").counts(group))

    assert store.recall([update.lead])[update.lead].fields.keys() == {"email"}
    assert [each.job_id for each in store.open_jobs()] == ["J-1"]
    (letter,) = store.dead_letters(DeadLetterFilter(outcome="rejected"))
    assert (letter.tap_stream, letter.key_properties) == ("crm", ("id",))
    assert (letter.error_code, letter.created_at) == ("INVALID", MOMENT)
    assert store.discard([letter.dead_letter_id], because="test") == 1


def shape(url: str) -> dict[str, Any]:
    """Columns and indexes of every table."""
    engine = create_engine(url)
    found = inspect(engine)
    tables = {
        table: (
            {column["name"]: (repr(column["type"]), column["nullable"]) for column in found.get_columns(table)},
            sorted((index["name"] or "", tuple(index["column_names"])) for index in found.get_indexes(table)),
            found.get_pk_constraint(table)["constrained_columns"],
        )
        for table in found.get_table_names()
    }
    engine.dispose()
    return tables


def test_it_has_the_shape_of_a_new_store(store: Store, old_url: str, request: pytest.FixtureRequest) -> None:
    """Whoever reads the tables with SQL finds the same columns, whatever release has made them."""
    assert store.fingerprints.of(1) != ""
    if old_url.startswith("sqlite"):
        new_url = old_url.replace("store.db", "new.db")
    else:
        schema = f"target_leads_{uuid.uuid4().hex}"
        new_url = old_url.partition("?")[0] + f"?options=-csearch_path%3D{schema}"
        execute(old_url, f"CREATE SCHEMA {schema}")
        request.addfinalizer(lambda: execute(old_url, f"DROP SCHEMA {schema} CASCADE"))
    Store(new_url, now=lambda: NOW).close()
    assert shape(old_url) == shape(new_url)
    assert execute(old_url, "SELECT version FROM versions") == [{"version": VERSION}]


def test_an_empty_store_is_taken_over_too(store_url: str) -> None:
    """A store in which the first release wrote nothing but its version works like any other."""
    make_version_1(store_url, ROWS[0])
    store = Store(store_url, now=lambda: NOW)
    store.begin_run("run-1", version="1.2.3")
    assert (list(store.open_dead_letters()), store.open_jobs()) == ([], [])
    store.close()


def test_many_open_an_old_store_at_once(old_url: str) -> None:
    """Two runs at once on one store are both right, also if it has to be taken over first."""

    def work(number: int) -> str:
        own = Store(old_url, now=lambda: NOW)
        own.begin_run(f"run-{number}", version="1")
        fingerprint = own.fingerprints.of("the same key for all")
        own.close()
        return fingerprint

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(work, range(1, 7)))) == 1
    assert execute(old_url, "SELECT version FROM versions") == [{"version": VERSION}]
    assert len(execute(old_url, "SELECT run_id FROM runs")) == 7


def test_an_old_store_is_taken_over_whole_or_not_at_all(old_url: str) -> None:
    """If a step fails, the store stays as the first release has left it, so that release still works with it."""
    execute(old_url, "ALTER TABLE dead_letters ADD COLUMN closed_because TEXT")  # in the way of the last step
    before = shape(old_url)
    with pytest.raises(StoreError):
        Store(old_url, now=lambda: NOW)
    assert shape(old_url) == before
    assert execute(old_url, "SELECT version FROM versions") == [{"version": 1}]

    execute(old_url, "ALTER TABLE dead_letters DROP COLUMN closed_because")
    store = Store(old_url, now=lambda: NOW)
    assert [letter.lead_id for letter in store.open_dead_letters()] == ["L-2"]
    store.close()


@pytest.mark.parametrize(
    "newer", ["UPDATE versions SET version = version + 1", "UPDATE versions SET version = 99"], ids=["next", "99"]
)
def test_a_store_of_a_newer_release_is_left_alone(newer: str, store_url: str) -> None:
    """An older release does not know what a newer one keeps, so it refuses the store and says what to do."""
    Store(store_url, now=lambda: NOW).close()
    execute(store_url, newer, "DROP TABLE outcomes")
    with pytest.raises(
        StoreError, match=r"was written by a newer release of target-leads\. Upgrade, or set store_url to"
    ) as raised:
        Store(store_url, now=lambda: NOW)
    assert raised.value.exit_status == 1
    assert "outcomes" not in shape(store_url)  # it would be there if the store had been touched
    assert execute(store_url, "SELECT version FROM versions")[0]["version"] > VERSION
