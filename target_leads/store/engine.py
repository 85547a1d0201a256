"""Opens the database behind a store URL, to write it or only to look."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from target_leads.exceptions import SettingsError
from target_leads.redaction import keep_quiet
from target_leads.store.locking import LOCK_TIMEOUT_SECONDS
from target_leads.store.migration import BACKENDS, has_tables, make_tables

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

# It tells each row that is read, records of dead letters and open jobs too, whatever hide_parameters says.
keep_quiet("sqlalchemy.engine.Engine", up_to=logging.DEBUG)
# It tells the host that it tries, which may be a part of the password.
keep_quiet("psycopg", up_to=logging.DEBUG)

_SQLITE = b"SQLite format 3\0"
"""What each of its files begins with."""
_LOOK_AGAIN_SECONDS = 0.02
_ASYNC_DRIVERS = frozenset({"aiosqlite", "asyncpg", "psycopg_async"})
_EXAMPLE_FILE = "Give one such as sqlite:///target-leads.db."
_EXAMPLES = "sqlite:///target-leads.db or postgresql://user@host/database"
_POSTGRES_HINT = "For PostgreSQL write postgresql://, and install target-leads with its extra postgres."


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
        make_tables(engine, store_url)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_to_read(store_url: str) -> Engine | None:
    """Engine for a store that is only looked at, and left as it is; none if no run has written one yet.

    Raises:
        SettingsError: the URL is wrong, or its driver is not installed.
        StoreError: the database cannot be opened, is damaged, or belongs to another release.
    """
    engine = engine_of(store_url)
    if engine.dialect.name == "sqlite":
        path = Path(engine.url.database or "")
        if not path.exists():
            return None
        event.listen(engine, "do_connect", lambda *_: _look_into_sqlite(path))
    else:
        event.listen(engine, "connect", _only_read)
    found = False
    try:
        found = has_tables(engine, store_url)
    finally:
        if not found:
            engine.dispose()
    return engine if found else None


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
    if "@" in (url.host or ""):  # no host has one: it is a part of the password, and would be looked up as a name
        raise SettingsError(["store_url: a sign such as @ in the user or the password must be quoted (%40)."])
    if backend == "sqlite" and url.query:  # such as uri=true, which would open another file than the one made private
        raise SettingsError([f"store_url: a SQLite URL takes no query. {_EXAMPLE_FILE}"])
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        raise SettingsError(
            [f"store_url: must name a file: what is kept in memory is lost with the run. {_EXAMPLE_FILE}"]
        )
    if backend not in BACKENDS:
        advice = "Write postgresql://." if backend == "postgres" else f"Give one such as {_EXAMPLES}."
        message = f"store_url: must be SQLite or PostgreSQL, but was {backend}. {advice}"
        raise SettingsError([message])
    if url.drivername.partition("+")[2] in _ASYNC_DRIVERS:
        message = f"store_url: {url.drivername} is a driver for asynchronous programs. Write {backend}:// instead."
        raise SettingsError([message])
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _prepare_files(url: URL) -> None:
    """Create the file before SQLite does: it holds records, so only its owner may read it, and what lies beside it."""
    if not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with path.open("rb") as there:
            if there.read(len(_SQLITE)) not in (b"", _SQLITE):
                return  # something else, which is left as it is
        for file in (path, _log_of(path), Path(f"{path}-shm")):
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


def _look_into_sqlite(path: Path) -> sqlite3.Connection:
    """A connection that leaves the file, and what a run that is under way or was killed has left beside it.

    Whoever is the last to close a file writes the log beside it into the file, if it may write; and leaves an empty log
    behind, if it may not.
    """
    log = _log_of(path)
    mode = "ro" if log.exists() and log.stat().st_size else "rw"
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=LOCK_TIMEOUT_SECONDS)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def _only_read(connection: Any, _record: object) -> None:  # noqa: ANN401 -- SQLAlchemy does not type it
    connection.read_only = True
