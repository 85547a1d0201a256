"""Opens the database behind a store URL."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, func, insert, inspect, make_url, select, update
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from target_leads.exceptions import SettingsError, StoreError
from target_leads.redaction import without_secrets
from target_leads.store.locking import LOCK_TIMEOUT_SECONDS
from target_leads.store.tables import CHANGES, FINGERPRINT_KEY, VERSION, keys, metadata, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

_LOOK_AGAIN_SECONDS = 0.02
_EXAMPLE_FILE = "Give one such as sqlite:///target-leads.db."
_EXAMPLES = "sqlite:///target-leads.db or postgresql://user@host/database"
_POSTGRES_HINT = "For PostgreSQL: pip install 'target-leads[postgres]'."
_LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7232402)"}
"""What keeps two runs from making tables at once, until the transaction ends. The number is any, but always this."""


def open_engine(store_url: str, *, must_exist: bool = False) -> Engine:
    """Engine for a store URL, with every table in place.

    Raises:
        SettingsError: the URL is wrong, or its driver is not installed.
        StoreError: the database cannot be opened, is damaged, or belongs to a newer release.
    """
    engine = engine_of(store_url)
    url = engine.url
    if url.get_backend_name() == "sqlite":
        if must_exist and url.database and not Path(url.database).exists():
            raise SettingsError([f"store_url: there is no store {url.database}. Name the one that the runs write."])
        _prepare_files(url)
        event.listen(engine, "connect", _configure_sqlite)
    try:
        _make_tables(engine, store_url)
    except BaseException:
        engine.dispose()
        raise
    return engine


def engine_of(store_url: str, **connect_args: Any) -> Engine:  # noqa: ANN401 -- the driver's own
    """Engine for a store URL. Nothing is opened yet.

    Raises:
        SettingsError: the URL is wrong, or its driver is not installed.
    """
    url = _url(store_url)
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=connect_args)
    except (NoSuchModuleError, ModuleNotFoundError):
        message = f"store_url: the driver of {url.drivername} is not installed. {_POSTGRES_HINT}"
        raise SettingsError([message]) from None
    except (ArgumentError, TypeError, ValueError):  # what only the dialect finds wrong
        message = f"store_url: is no usable {url.get_backend_name()} URL. Give one such as {_EXAMPLES}."
        raise SettingsError([message]) from None
    if url.get_backend_name() == "postgresql":
        event.listen(engine, "connect", _configure_postgres)
    return engine


def _url(store_url: str) -> URL:
    """The URL with the one driver for PostgreSQL that is tested, where it names none."""
    try:
        url = make_url(store_url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        message = f"store_url: is no SQLAlchemy URL. Give one such as {_EXAMPLES}."
        raise SettingsError([message]) from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.query:  # such as uri=true, which would open another file than the one made private
        raise SettingsError([f"store_url: a SQLite URL takes no query. {_EXAMPLE_FILE}"])
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        raise SettingsError(
            [f"store_url: must name a file: what is kept in memory is lost with the run. {_EXAMPLE_FILE}"]
        )
    if backend not in _LOCKS:
        message = f"store_url: must be SQLite or PostgreSQL, but was {backend}. Give one such as {_EXAMPLES}."
        raise SettingsError([message])
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _make_tables(engine: Engine, store_url: str) -> None:
    """Make what is missing. One run at a time: two may open a new store at once."""
    with store_errors(store_url), engine.begin() as connection:
        connection.exec_driver_sql(_LOCKS[engine.dialect.name])
        versions.create(connection, checkfirst=True)
        version = connection.scalar(select(func.max(versions.c.version)))
        if version is None:
            connection.execute(insert(versions).values(version=VERSION))
        elif version > VERSION:
            raise StoreError(newer_store(store_url))
        there = set(inspect(connection).get_table_names())
        for number in range((version or VERSION) + 1, VERSION + 1):
            for table, statement in CHANGES[number]:
                if table in there:
                    connection.exec_driver_sql(statement)
            connection.execute(update(versions).values(version=number))
        metadata.create_all(connection)
        if connection.scalar(select(func.count()).select_from(keys)) == 0:
            connection.execute(insert(keys).values(name=FINGERPRINT_KEY, key=secrets.token_bytes(32)))


def newer_store(store_url: str) -> str:
    """What is to be said of a store whose tables this release does not know."""
    return (
        f"The store {without_secrets(store_url)} was written by a newer release of target-leads. "
        "Upgrade, or set store_url to another store."
    )


@contextlib.contextmanager
def store_errors(store_url: str) -> Iterator[None]:
    """Turn a database error into one that says what to do and holds no value."""
    try:
        yield
    except SQLAlchemyError as error:
        message = (
            f"The store {without_secrets(store_url)} cannot be used: {words_of(error)}. "
            "No STATE was printed for what it does not hold. See that it exists, "
            "is not full, damaged or locked by another program, then run again."
        )
        raise StoreError(message) from None


def words_of(error: SQLAlchemyError) -> str:
    """What the database says, where it can hold no value; else only the name of the error."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return type(error).__name__
    # SQLite's messages hold no values. A server's may quote a row, but not before the first statement.
    if type(error.orig).__module__.startswith("sqlite3") or error.statement is None:
        return " ".join(str(error.orig).split()).rstrip(".")
    return type(error.orig).__name__


def _prepare_files(url: URL) -> None:
    """Create the file before SQLite does: it holds records, so only its owner may read it, and what lies beside it."""
    if not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            if file.exists():
                file.chmod(0o600)
    except OSError as error:
        raise SettingsError([f"store_url: {path} cannot be written: {error.strerror}."]) from None


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 -- SQLAlchemy does not type it
    """Readers never block the writer, writers wait for each other, and a commit survives a power cut."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={LOCK_TIMEOUT_SECONDS * 1000}")
    cursor.execute("PRAGMA synchronous=FULL")
    give_up_at = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:  # SQLite does not wait for others here, whatever the time-out is
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_LOOK_AGAIN_SECONDS)
    cursor.close()


def _configure_postgres(connection: Any, _record: object) -> None:  # noqa: ANN401 -- SQLAlchemy does not type it
    """Wait no longer for a lock than SQLite does: a forgotten session must not hold up run after run."""
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
    connection.commit()
