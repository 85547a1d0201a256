"""One writer at a time, on every database: what a transaction has read is so until it has written."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

LOCK_TIMEOUT_SECONDS = 30
_LOOK_UP_EVERY_SECONDS = 0.2
"""SQLite waits for its lock in a way that hears no signal, so it waits in short turns."""
_POSTGRES_LOCK = "SELECT pg_advisory_xact_lock(7232403)"
"""The number is any, but always this. Runs that lock rows in orders of their own could lock each other out."""


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: while it lasts, no other run writes to the store.

    Raises:
        OperationalError: another program has held the lock for `LOCK_TIMEOUT_SECONDS`.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(_POSTGRES_LOCK)
        else:
            _begin_immediately(connection)
        yield connection


def _begin_immediately(connection: Connection) -> None:
    give_up_at = time.monotonic() + LOCK_TIMEOUT_SECONDS
    connection.exec_driver_sql(f"PRAGMA busy_timeout={_LOOK_UP_EVERY_SECONDS * 1000:.0f}")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() > give_up_at:
                    raise
            else:
                return
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={LOCK_TIMEOUT_SECONDS * 1000}")
