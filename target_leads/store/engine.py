"""Opens the database behind a store URL."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, insert, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from target_leads.exceptions import SettingsError, StoreError
from target_leads.redaction import without_secrets
from target_leads.store.tables import VERSION, metadata, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

_BUSY_TIMEOUT_SECONDS = 30


def open_engine(store_url: str) -> Engine:
    """Engine for a store URL, with every table in place.

    Raises:
        SettingsError: the URL is wrong, or its driver is not installed.
        StoreError: the database cannot be opened, is damaged, or belongs to a newer release.
    """
    try:
        url = make_url(store_url)
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except ArgumentError:
        example = "sqlite:///target-leads.db or postgresql+psycopg://user@host/database"
        raise SettingsError([f"store_url: is no SQLAlchemy URL. Give one such as {example}."]) from None
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError([f"store_url: its driver is not installed: {error}."]) from None
    if engine.dialect.name == "sqlite":
        _prepare_file(url)
        event.listen(engine, "connect", _configure_sqlite)
    with store_errors(store_url):
        metadata.create_all(engine)
        with engine.begin() as connection:
            version = connection.scalar(select(versions.c.version))
            if version is None:
                connection.execute(insert(versions).values(version=VERSION))
    if version is not None and version > VERSION:
        message = f"The store {without_secrets(store_url)} was written by a newer release of target-leads. Upgrade, or set store_url to another store."
        raise StoreError(message)
    return engine


@contextlib.contextmanager
def store_errors(store_url: str) -> Iterator[None]:
    """Turn a database error into one that says what to do and holds no value."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        # SQLite's messages hold no values; those of servers may quote a row.
        words = str(cause) if type(cause).__module__.startswith("sqlite3") else type(cause).__name__
        message = (
            f"The store {without_secrets(store_url)} cannot be used: {words}. No STATE was printed for what it does not "
            "hold. See that it exists, is not full, damaged or locked by another program, then run again."
        )
        raise StoreError(message) from None


def _prepare_file(url: URL) -> None:
    """Create the file before SQLite does: it holds records, so only its owner may read it."""
    if not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise SettingsError([f"store_url: {path} cannot be written: {error.strerror}."]) from None


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 -- SQLAlchemy does not type it
    """Readers never block the writer, writers wait for each other, and a commit survives a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
