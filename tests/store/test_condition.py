"""What would keep a run from using a store, found without making or changing anything."""

from __future__ import annotations

import sqlite3
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, inspect, text

from target_leads.store import Store, condition_of

if TYPE_CHECKING:
    from pathlib import Path


_LETTER = """
    INSERT INTO dead_letters (
        run_id, created_at, stream, provider, account, lead_id, outcome, reason, error_code, request_id, attempts,
        job_id, violations, record, tap_stream, key_properties, columns, digest
    )
    VALUES ('r', '2026-03-29 07:00:00', '', '', '', '', '', '', '', '', 0, '', '', 'RECORD', '', '', '', '')
"""


def made(store_url: str) -> str:
    """The same URL, with a store behind it."""
    Store(store_url, now=time.time).close()
    return store_url


def do(store_url: str, *statements: str) -> None:
    """Change a database behind the product's back."""
    engine = create_engine(store_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_store_of_this_release_is_in_order(store_url: str) -> None:
    """There is nothing to say of it."""
    condition = condition_of(made(store_url))
    assert (condition.state, condition.findings) == ("in order", ())


def test_one_of_an_earlier_release_is_in_order_too(store_url: str) -> None:
    """The next run brings it up to date; to look at it does not."""
    do(made(store_url), "UPDATE versions SET version = 2")
    assert condition_of(store_url).state == "of an earlier release; the next run brings it up to date"
    assert condition_of(store_url).findings == ()


def test_one_of_a_newer_release_is_none(store_url: str) -> None:
    """Whoever set it has to upgrade."""
    do(made(store_url), "UPDATE versions SET version = 99")
    (finding,) = condition_of(store_url).findings
    assert finding.startswith("store_url: The store ")
    assert finding.endswith("a newer release of target-leads. Upgrade, or set store_url to another store.")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """The first run makes it, if it can."""
    condition = condition_of(f"sqlite:///{tmp_path}/new.db")
    assert (condition.state, condition.findings) == ("not there yet; the first run makes it", ())
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_stays_empty(store_url: str, tmp_path: Path) -> None:
    """It may be made, and it is for the run to make it."""
    (tmp_path / "store.db").touch()
    condition = condition_of(store_url)
    assert (condition.state, condition.findings) == ("has no tables yet; the first run makes them", ())
    engine = create_engine(store_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        (
            "sqlite:///nowhere/leads.db",
            "store_url: there is no folder nowhere for leads.db. Make it, or name another.",
        ),
        (
            "sqlite:////proc/self/leads.db",
            "store_url: /proc/self/leads.db cannot be made: the folder /proc/self may not be written.",
        ),
        (
            "sqlite:////tmp",
            (
                "store_url: sqlite:////tmp cannot be used: unable to open database file. "
                "See that it is a file, and that it and its folder may be written."
            ),
        ),
        (
            "mysql://ada:kept-to-myself@localhost/leads",
            (
                "store_url: must be SQLite or PostgreSQL, but was mysql. "
                "Give one such as sqlite:///target-leads.db or postgresql://user@host/database."
            ),
        ),
        (
            "postgresql://ada:kept-to-myself@127.0.0.1:1/leads",
            (
                "store_url: postgresql://127.0.0.1:1/leads cannot be used: connection failed: connection to server at "
                '"127.0.0.1", port 1 failed: Connection refused. '
                "See that its server runs, and that host and port in store_url are right."
            ),
        ),
    ],
)
def test_one_that_cannot_be(url: str, finding: str) -> None:
    """The finding says what to do, and never a password."""
    (found,) = condition_of(url).findings
    assert found.startswith(finding)
    assert "kept-to-myself" not in found


def test_a_damaged_file(tmp_path: Path) -> None:
    """All of it is read: a run might meet the damage much later."""
    path = tmp_path / "store.db"
    made(f"sqlite:///{path}")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    (finding,) = condition_of(f"sqlite:///{path}").findings
    assert finding.startswith(f"store_url: sqlite:///{path} ")
    assert "is damaged: " in finding or "malformed" in finding
    path.write_bytes(b"no database at all" * 100)
    (finding,) = condition_of(f"sqlite:///{path}").findings
    assert finding.endswith("file is not a database. Restore it from a backup, or move it away.")


def test_damage_far_from_where_a_run_begins(tmp_path: Path) -> None:
    """A page that only a later look for a dead letter would meet."""
    path = tmp_path / "store.db"
    do(made(f"sqlite:///{path}"), *[_LETTER.replace("RECORD", "x" * 999)] * 400)
    with path.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    (finding,) = condition_of(f"sqlite:///{path}").findings
    assert " is damaged: " in finding
    assert finding.endswith("Restore it from a backup, or move it away.")


def test_a_locked_file(tmp_path: Path) -> None:
    """Another program holds it for longer than a run would bear."""
    path = tmp_path / "store.db"
    made(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        (finding,) = condition_of(f"sqlite:///{path}", seconds=0).findings
    assert finding.endswith("cannot be used: database is locked. See that no other program keeps it locked.")


def test_a_schema_that_is_not_there(postgresql_url: str) -> None:
    """That is another thing than a schema in which the user may make nothing."""
    (finding,) = condition_of(f"{postgresql_url}_not").findings
    assert finding.endswith(
        " lacks its schema: search_path names none. Make it (CREATE SCHEMA), or see that search_path is right."
    )


def test_a_server_that_may_only_be_read(postgresql_url: str) -> None:
    """A standby, or a user whose sessions are read-only."""
    (finding,) = condition_of(f"{postgresql_url}%20-cdefault_transaction_read_only%3Don").findings
    assert finding.endswith("may only be read: its server is a standby, or read-only. Name the primary server.")


def test_a_user_that_may_not_write(postgresql_url: str) -> None:
    """Each table on which it lacks rights is named; so is a schema in which it may make none."""
    role = f"reader_{uuid.uuid4().hex}"
    schema = postgresql_url.rpartition("%3D")[2]
    do(postgresql_url, f"CREATE ROLE {role}", f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    as_reader = f"{postgresql_url}%20-crole%3D{role}"
    try:
        (finding,) = condition_of(as_reader).findings
        assert "lacks tables, and the user may not make them. Grant it CREATE" in finding
        do(
            made(postgresql_url),
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
            f"REVOKE INSERT ON runs, outcomes FROM {role}",
        )
        findings = condition_of(as_reader).findings
        assert [finding.partition("lacks ")[2] for finding in findings] == [
            f"rights on {name}. Grant it SELECT, INSERT, UPDATE, DELETE." for name in ("outcomes", "runs")
        ]
    finally:
        do(postgresql_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
