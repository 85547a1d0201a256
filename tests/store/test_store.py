"""The store: what is in it stays in it, and nobody else reads it. On SQLite and on PostgreSQL alike."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
import socket
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import simplejson
from msgspec import structs
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from target_leads.changes import Fingerprints
from target_leads.exceptions import SettingsError, StoreError
from target_leads.models import Outcome, Record, Settlement, Violation
from target_leads.report import RunReport
from target_leads.store import DeadLetter, PastRun, Store
from target_leads.store.engine import open_engine
from target_leads.store.tables import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SECRET = "s3cret-value"
"""Planted, to see that it is never shown."""
NOW = 1_700_000_000.5
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=datetime.timezone.utc)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new store with one run in it."""
    opened = Store(store_url, now=lambda: NOW)
    opened.begin_run("run-1", version="1.2.3")
    yield opened
    opened.close()


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """What another program reads from the store with SQL."""
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(query))
        found = [dict(row) for row in result.mappings()] if result.returns_rows else []
    engine.dispose()
    return found


def settled(outcome: str, lead_id: str = "L-1", original: dict[str, Any] | None = None, **given: Any) -> Settlement:
    """The fate of a record."""
    record = Record(stream="leads", fields={}, original=original or {"id": lead_id})
    return Settlement(
        record=record, outcome=Outcome(outcome), provider="perch", account="north", lead_id=lead_id, **given
    )


def counts_of(*settlements: Settlement) -> dict[str, Any]:
    """The counts of a run with these settlements."""
    report = RunReport("run-1")
    for entry in settlements:
        report.receive(entry.record.stream, entry.provider)
    report.settle(settlements)
    return report.counts()


def run_of(store: Store, run_id: str) -> PastRun:
    """What is kept of a run."""
    (run,) = store.past.runs_beginning_with(run_id, most=2)
    return run


def settle(store: Store, *settlements: Settlement) -> None:
    """Commit settlements with their counts."""
    store.settle("run-1", settlements, counts_of(*settlements))


def test_a_run_begins_with_nothing(store: Store) -> None:
    """Before its first record a run is in the store: when it began, which release it is, and counts of nothing."""
    assert run_of(store, "run-1") == PastRun(
        run_id="run-1",
        version="1.2.3",
        started_at=MOMENT,
        finished_at=None,
        exit_status=None,
        received=0,
        requests=0,
        providers={},
        outcomes={outcome.value: 0 for outcome in Outcome},
    )


def test_settlements_are_committed_with_their_counts(store: Store, store_url: str) -> None:
    """When `settle` returns, another program sees outcomes, dead letters and counts; unchanged leads have no row."""
    entries = (
        settled("delivered", "L-1", attempts=2, status=200, job_id="J-1"),
        settled("unchanged", "L-2"),
        settled("rejected", "L-3", attempts=1, status=404, reason="404 Not Found"),
        settled("ignored", ""),
    )
    settle(store, *entries)
    shared = {"run_id": "run-1", "stream": "leads", "provider": "perch", "account": "north"}
    query = "SELECT run_id, stream, provider, account, lead_id, outcome, reason, status, attempts, job_id FROM "
    delivered = {"lead_id": "L-1", "outcome": "delivered", "reason": "", "status": 200, "attempts": 2, "job_id": "J-1"}
    rejected = {
        "lead_id": "L-3", "outcome": "rejected", "reason": "404 Not Found", "status": 404, "attempts": 1, "job_id": "",
    }  # fmt: skip
    ignored = {"lead_id": "", "outcome": "ignored", "reason": "", "status": None, "attempts": 0, "job_id": ""}
    assert rows(store_url, f"{query} outcomes ORDER BY id") == [
        {**shared, **each} for each in (delivered, rejected, ignored)
    ]
    assert rows(store_url, f"{query} dead_letters ORDER BY id") == [{**shared, **rejected}]
    (run,) = rows(store_url, "SELECT * FROM runs")
    assert (run["received"], run["delivered"], run["unchanged"], run["rejected"], run["ignored"]) == (4, 1, 1, 1, 1)
    assert run["unsettled"] == 0
    assert simplejson.loads(run["providers"]) == {
        "perch": {"delivered": 1, "unchanged": 1, "rejected": 1, "ignored": 1}
    }


def test_nothing_to_tell_is_no_row(store: Store, store_url: str) -> None:
    """A batch in which nothing changed adds no outcome and no dead letter, and still counts."""
    settle(store, settled("unchanged"))
    settle(store, settled("delivered"))
    assert rows(store_url, "SELECT outcome FROM outcomes") == [{"outcome": "delivered"}]
    assert rows(store_url, "SELECT id FROM dead_letters") == []


def test_a_write_is_all_or_nothing(store: Store, store_url: str) -> None:
    """If the counts cannot be written, neither are the outcomes: a crash leaves nothing half done."""
    with pytest.raises(StoreError):
        store.settle("run-1", [settled("rejected")], {**counts_of(), "no_such_column": 1})
    assert rows(store_url, "SELECT id FROM outcomes") == rows(store_url, "SELECT id FROM dead_letters") == []


def test_a_dead_letter_keeps_everything(store: Store) -> None:
    """The record comes back as the tap sent it, decimals digit for digit, with the reason and every violation."""
    original = {
        "id": "L-1",
        "amount": Decimal("1.10"),
        "large": Decimal("1E+2"),
        "many": 12345678901234567890123,
        "digits": Decimal("0.12345678901234567890123456789"),
        "text": 'Zoë ☃ 😀 \0 \ud800 "\\',
        "nested": {"list": [None, True, {"": ""}]},
    }
    violations = (Violation(path="$.a", rule="is required"), Violation(path="$.ë\0\ud800", rule="must be 5"))
    entry = settled("invalid", original=original, reason="$.a is required", violations=violations, attempts=3)
    columns = {"id": {"type": "string"}, "amount": {"type": ["null", "number"], "multipleOf": Decimal("0.10")}}
    record = structs.replace(entry.record, tap_stream="crm-leads", key_properties=("id", "ë"), columns=columns)
    entry = dataclasses.replace(entry, record=record, error_code="INVALID", request_id="0123456789abcdef")
    settle(store, entry)
    (letter,) = store.open_dead_letters()
    assert list(store.open_dead_letters()) == [
        DeadLetter(
            dead_letter_id=1,
            run_id="run-1",
            created_at=MOMENT,
            stream="leads",
            tap_stream="crm-leads",
            key_properties=("id", "ë"),
            columns=columns,
            provider="perch",
            account="north",
            lead_id="L-1",
            outcome=Outcome.INVALID,
            reason="$.a is required",
            violations=violations,
            status=None,
            error_code="INVALID",
            request_id="0123456789abcdef",
            attempts=3,
            job_id="",
            digest=letter.digest,
            record=original,
        )
    ]
    (letter,) = store.open_dead_letters()
    assert [str(letter.record[name]) for name in ("amount", "large")] == ["1.10", "1E+2"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_a_record_that_json_cannot_say_is_kept_too(store: Store, number: object) -> None:
    """One bad record costs only itself, so even a number that is none must not keep the others from being stored."""
    settle(store, settled("invalid", original={"id": "L-1", "x": number}))
    (letter,) = store.open_dead_letters()
    assert str(float(letter.record["x"])) == str(float(number))  # type: ignore[arg-type] # a number, of either type


def test_what_json_does_not_have_is_kept_as_text(store: Store) -> None:
    """A stream map may make values that are no JSON; they are kept in words rather than lost."""
    settle(store, settled("invalid", original={"id": "L-1", "day": datetime.date(2024, 2, 29)}))
    (letter,) = store.open_dead_letters()
    assert letter.record == {"id": "L-1", "day": "2024-02-29"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_comes_back_as_it_was_read(number: str, store: Store) -> None:
    """The reader makes a decimal of it, which differs from null in the record's digest; so does the store."""
    odd = {"amount": Decimal(number)}
    record = Record(stream="leads", fields={}, original=odd, columns={"amount": {"default": Decimal(number)}})
    settle(store, dataclasses.replace(settled("invalid"), record=record))
    (letter,) = store.open_dead_letters()
    prints = Fingerprints(b"key")
    looks = [prints.of_record("", each, is_as_read=True) for each in (odd, letter.record, {"amount": None})]
    assert looks[0] == looks[1] != looks[2]
    assert prints.of_record("", letter.columns["amount"], is_as_read=True) == prints.of_record(
        "", {"default": Decimal(number)}, is_as_read=True
    )


def test_text_that_a_database_cannot_hold(store: Store) -> None:
    """A NUL or half a surrogate pair in a field's name or in a provider's job id does not end the run."""
    settle(store, settled("rejected", "L\0\ud8001", reason="$.\0 is no field", job_id="J\0\udfff"))
    (letter,) = store.open_dead_letters()
    assert (letter.lead_id, letter.reason, letter.job_id) == ("L�?1", "$.� is no field", "J�?")


def test_long_texts(store: Store) -> None:
    """Nothing that comes from outside is cut or refused for its length: neither ids nor reasons nor stream names."""
    settle(store, settled("rejected", "x" * 500, reason="y" * 100_000, job_id="z" * 100_000))
    (letter,) = store.open_dead_letters()
    assert (letter.lead_id, letter.reason, letter.job_id) == ("x" * 500, "y" * 100_000, "z" * 100_000)


def test_open_dead_letters_come_oldest_first(store: Store, store_url: str) -> None:
    """Letters come in the order in which they were refused, without those that were closed."""
    for lead_id in ("L-3", "L-1", "L-2"):
        settle(store, settled("failed", lead_id))
    rows(store_url, "UPDATE dead_letters SET closed_at = '2024-01-01 00:00:00' WHERE lead_id = 'L-1'")
    rows(store_url, "UPDATE dead_letters SET reason = 'x' WHERE lead_id = 'L-3'")  # PostgreSQL then keeps it last
    assert [(letter.dead_letter_id, letter.lead_id) for letter in store.open_dead_letters()] == [(1, "L-3"), (3, "L-2")]


def test_a_run_ends(store: Store) -> None:
    """At its end a run has its exit status, its last counts, and the moment; other runs are not touched."""
    store.begin_run("run-2", version="1.2.3")
    store.end_run("run-1", exit_status=3, counts=counts_of(settled("rejected")))
    run, other = run_of(store, "run-1"), run_of(store, "run-2")
    assert (run.exit_status, run.finished_at, run.outcomes["rejected"], run.received) == (3, MOMENT, 1, 1)
    assert (other.exit_status, other.finished_at, other.received) == (None, None, 0)
    settle(store, settled("delivered"))
    assert run_of(store, "run-2").received == 0


def test_a_store_is_opened_again(store: Store, store_url: str) -> None:
    """What one run left is there for the next."""
    settle(store, settled("rejected"))
    store.close()
    again = Store(store_url, now=lambda: NOW)
    assert [letter.lead_id for letter in again.open_dead_letters()] == ["L-1"]
    again.close()
    assert rows(store_url, "SELECT version FROM versions") == [{"version": VERSION}]


def test_many_open_a_new_store_at_once(store_url: str) -> None:
    """Two runs at once on one store are both right, also if neither finds it made yet."""

    def work(number: int) -> None:
        own = Store(store_url, now=lambda: NOW)
        own.begin_run(f"run-{number}", version="1")
        own.settle(f"run-{number}", [settled("rejected", f"L-{number}")], counts_of())
        own.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert rows(store_url, "SELECT version FROM versions") == [{"version": VERSION}]
    assert len(rows(store_url, "SELECT lead_id FROM outcomes")) == 8


def test_a_database_error_shows_no_value(store: Store, store_url: str) -> None:
    """When the database fails, the error says what to do, and holds nothing of what was to be written."""
    rows(store_url, "DROP TABLE outcomes")
    with pytest.raises(StoreError) as raised:
        settle(store, settled("rejected", SECRET, original={"x": SECRET}, reason=SECRET))
    assert raised.value.exit_status == 1
    assert raised.value.__suppress_context__
    assert SECRET not in str(raised.value)
    words, advice = (
        ("no such table: outcomes", "Restore it from a backup, or move it away")
        if store_url.startswith("sqlite")
        else ("one of its tables is gone", "Restore it from a backup, or name another store")
    )
    assert str(raised.value).endswith(
        f" cannot be used: {words}. No STATE was printed for what it does not hold. {advice}, then run again."
    )


def test_an_unforeseen_database_error_shows_no_value_either(store_url: str) -> None:
    """Also where an error of the database goes its own way, what was to be written is not in its text."""
    engine = open_engine(store_url)
    with pytest.raises(DBAPIError) as raised, engine.connect() as connection:
        connection.execute(text("INSERT INTO no_such_table VALUES (:value)"), {"value": SECRET})
    engine.dispose()
    assert SECRET not in str(raised.value)


def test_a_lost_connection_is_replaced(postgresql_url: str) -> None:
    """A run of hours outlives its connections: one that the server dropped is found out before it is used."""
    store = Store(postgresql_url, now=lambda: NOW)
    store.begin_run("run-1", version="1")
    rows(postgresql_url, f"SELECT pg_terminate_backend({backend_of(store)})")
    settle(store, settled("delivered"))
    assert run_of(store, "run-1").outcomes["delivered"] == 1
    store.close()


def backend_of(store: Store) -> int:
    """Process of the server that serves a store's one connection."""
    with store._engine.connect() as connection:
        process: int = connection.scalar(text("SELECT pg_backend_pid()"))
    return process


# SQLite's files


def mode_of(path: Path) -> int:
    """A file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """A store holds records: nobody else may read it, nor what SQLite puts beside it, whatever the umask says."""
    before = os.umask(0)
    try:
        store = Store(f"sqlite:///{tmp_path / 'store.db'}", now=lambda: NOW)
        store.begin_run("run-1", version="1")
        assert {path.name: mode_of(path) for path in tmp_path.iterdir()} == {
            "store.db": 0o600,
            "store.db-shm": 0o600,
            "store.db-wal": 0o600,
        }
        store.close()
    finally:
        os.umask(before)


def test_files_that_others_could_read_are_closed_to_them(tmp_path: Path) -> None:
    """A store that was there already, left open by a run that was killed, is made its owner's alone as well."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    killed = Store(url, now=lambda: NOW)
    killed.begin_run("run-1", version="1")
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    store = Store(url, now=lambda: NOW)
    assert {mode_of(path) for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3
    store.close()
    killed.close()


def test_a_file_that_is_no_store_stays_as_it_is(tmp_path: Path) -> None:
    """A URL that names another file by mistake changes neither what stands in it nor who may read it."""
    path = tmp_path / "config.json"
    path.write_text('{"provider": "perch"}')
    path.chmod(0o644)
    with pytest.raises(StoreError, match="file is not a database"):
        Store(f"sqlite:///{path}", now=lambda: NOW)
    assert (path.read_text(), mode_of(path)) == ('{"provider": "perch"}', 0o644)


def test_a_commit_survives_a_power_cut(tmp_path: Path) -> None:
    """SQLite waits for the disk at each commit, and readers do not block the writer."""
    engine = open_engine(f"sqlite:///{tmp_path / 'store.db'}")
    with engine.connect() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    engine.dispose()
    assert asked == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000}


def test_no_lock_is_waited_for_for_ever(postgresql_url: str) -> None:
    """A session that somebody forgot holds up no run after run: PostgreSQL gives up as SQLite does."""
    engine = open_engine(postgresql_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "30s"
    engine.dispose()


def test_a_password_that_is_not_quoted_is_not_told() -> None:
    """The driver would take what stands behind the first sign for a host, and name it."""
    with pytest.raises(SettingsError, match=r"^store_url: a sign such as @ in the user or the password must be quoted"):
        Store("postgresql://ada:p@s3cret@127.0.0.1/test", now=lambda: NOW)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_store_in_memory_is_none(url: str) -> None:
    """Dead letters that are gone with the run would have been promised to be kept."""
    with pytest.raises(SettingsError, match="store_url: must name a file: what is kept in memory is lost"):
        Store(url, now=lambda: NOW)


# What can be wrong with a store URL


def missing_folder(path: Path) -> str:
    """A file in a folder that does not exist."""
    return f"{path}/none/store.db"


def a_folder(path: Path) -> str:
    """A folder where a file should be."""
    (path / "store.db").mkdir()
    return f"{path}/store.db"


def a_file_for_a_folder(path: Path) -> str:
    """A file where a folder should be."""
    (path / "file").write_text("")
    return f"{path}/file/store.db"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (missing_folder, "No such file or directory"),
        (a_folder, "Is a directory"),
        (a_file_for_a_folder, "Not a directory"),
    ],
)
def test_a_file_that_cannot_be_written(tmp_path: Path, prepare: Callable[[Path], str], words: str) -> None:
    """A path that cannot hold a store is a wrong setting, named with the reason."""
    path = prepare(tmp_path)
    with pytest.raises(SettingsError) as raised:
        Store(f"sqlite:///{path}", now=lambda: NOW)
    assert raised.value.findings == (f"store_url: {path} cannot be written: {words}.",)


def test_a_read_only_file() -> None:
    """A file that may not be written is a wrong setting, and stays as it is."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        path.touch()
        Path(folder).chmod(0o755)
        path.chmod(0o444)
        is_root = os.geteuid() == 0  # root may write anything, so it becomes nobody for a moment
        if is_root:
            os.seteuid(nobody)
        try:
            with pytest.raises(SettingsError) as raised:
                Store(f"sqlite:///{path}", now=lambda: NOW)
        finally:
            if is_root:
                os.seteuid(0)
        assert raised.value.findings == (f"store_url: {path} cannot be written: Permission denied.",)
        assert mode_of(path) == 0o444


def test_a_damaged_file(tmp_path: Path) -> None:
    """A file that is no SQLite database is told from one, without what is in it."""
    path = tmp_path / "store.db"
    path.write_bytes(SECRET.encode() * 1000)
    with pytest.raises(StoreError) as raised:
        Store(f"sqlite:///{path}", now=lambda: NOW)
    assert str(raised.value).startswith(f"The store sqlite:///{path} cannot be used: file is not a database. ")
    assert SECRET not in str(raised.value)
    assert path.read_bytes() == SECRET.encode() * 1000


EXAMPLES = "Give one such as sqlite:///target-leads.db or postgresql://user@host/database."


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        (SECRET, f"store_url: is no SQLAlchemy URL. {EXAMPLES}"),
        (f"postgresql://host:{SECRET}/db", f"store_url: is no SQLAlchemy URL. {EXAMPLES}"),
        (
            f"mysql://user:{SECRET}@host/db",
            f"store_url: must be SQLite or PostgreSQL, but was mysql. {EXAMPLES}",
        ),
        (
            f"postgres://user:{SECRET}@host/db",
            "store_url: must be SQLite or PostgreSQL, but was postgres. Write postgresql://.",
        ),
        (
            f"oracle+none://user:{SECRET}@host/db",
            f"store_url: must be SQLite or PostgreSQL, but was oracle. {EXAMPLES}",
        ),
        (
            f"postgresql+asyncpg://user:{SECRET}@host/db",
            "store_url: postgresql+asyncpg is a driver for asynchronous programs. Write postgresql:// instead.",
        ),
        (
            f"sqlite+aiosqlite:///{SECRET}.db",
            "store_url: sqlite+aiosqlite is a driver for asynchronous programs. Write sqlite:// instead.",
        ),
        (
            f"postgresql+none://user:{SECRET}@host/db",
            (
                "store_url: the driver of postgresql+none is not installed. "
                "For PostgreSQL write postgresql://, and install target-leads with its extra postgres."
            ),
        ),
    ],
)
def test_a_wrong_url(url: str, finding: str) -> None:
    """A URL that cannot work is a wrong setting. What it was is not said, as a password may be in it."""
    with pytest.raises(SettingsError) as raised:
        Store(url, now=lambda: NOW)
    assert raised.value.findings == (finding,)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:p@{SECRET}?x@127.0.0.1:1/db",
        f"postgresql://user:p@{SECRET}/x@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?password=p@{SECRET}",
    ],
)
def test_a_url_that_can_be_read_in_two_ways(url: str) -> None:
    """The driver takes a part of the password for the host, so nothing that it says is told, only what to do."""
    with pytest.raises(StoreError) as raised:
        Store(url, now=lambda: NOW)
    assert str(raised.value) == (
        "The store postgresql://… cannot be used: OperationalError. No STATE was printed for what it does not hold. "
        "Quote signs such as @ and / in the user and the password (%40, %2F), if there are any. "
        "See that its server runs, and that host and port in store_url are right, then run again."
    )


def test_the_driver_logs_no_part_of_a_password(caplog: pytest.LogCaptureFixture) -> None:
    """It would log the host that it tries, which is none here, where a file of log settings asks for that."""
    with caplog.at_level(logging.DEBUG, "psycopg"), pytest.raises(StoreError):
        Store("postgresql://user:p@127.77.0.1:1/x@127.0.0.1/db", now=lambda: NOW)
    assert "127.77" not in caplog.text


@pytest.mark.parametrize("query", [f"password=p&{SECRET}=x", f"sslmode={SECRET}", f"connect_timeout={SECRET}"])
def test_a_wrong_query(query: str) -> None:
    """A password with an unquoted sign in it may be what the driver knows no option for, so that is not told."""
    with pytest.raises(StoreError) as raised:
        Store(f"postgresql://user@127.0.0.1:1/db?{query}", now=lambda: NOW)
    said = str(raised.value)
    assert "cannot be used: ProgrammingError. " in said or "cannot be used: OperationalError. " in said
    assert said.endswith(" See that the query in store_url is right, then run again.")
    assert SECRET not in said


def test_a_server_that_cannot_be_reached() -> None:
    """The error says which server and why, and never the password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = taken.getsockname()[1]
        with pytest.raises(StoreError) as raised:
            Store(f"postgresql://user:{SECRET}@127.0.0.1:{port}/db", now=lambda: NOW)
    assert str(raised.value).startswith(f"The store postgresql://127.0.0.1:{port}/db cannot be used: ")
    assert str(raised.value).endswith(
        "Connection refused. No STATE was printed for what it does not hold. "
        "See that its server runs, and that host and port in store_url are right, then run again."
    )
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "words", "advice"),
    [
        (
            {"username": "nobody_of_this_name", "password": SECRET},
            '"nobody_of_this_name"',
            "See that user and password in store_url are right",
        ),
        (
            {"database": "none_of_this_name"},
            'database "none_of_this_name" does not exist',
            "See that the database in store_url is right, or make it",
        ),
        (
            {"query": {"options": "-csearch_path=none_of_this_name"}},
            "there is no schema such as search_path names",
            "Make it (CREATE SCHEMA), or see that search_path in store_url is right",
        ),
    ],
)
def test_a_url_that_leads_to_nothing(change: dict[str, Any], words: str, advice: str, postgresql_url: str) -> None:
    """What is to be done fits what the server says; no part of the password is told."""
    url = make_url(postgresql_url).set(**change).render_as_string(hide_password=False)
    with pytest.raises(StoreError) as raised:
        Store(url, now=lambda: NOW)
    assert words in str(raised.value)
    assert str(raised.value).endswith(f" No STATE was printed for what it does not hold. {advice}, then run again.")
    assert SECRET not in str(raised.value)


def test_a_database_that_does_not_exist(postgresql_url: str) -> None:
    """What the server says of a wrong name is passed on."""
    url = postgresql_url.partition("?")[0].rpartition("/")[0] + "/no_such_database"
    with pytest.raises(StoreError, match='database "no_such_database" does not exist'):
        Store(url.replace("+psycopg", ""), now=lambda: NOW)
