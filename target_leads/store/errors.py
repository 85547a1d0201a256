"""Database errors in words that say what to do and hold no value."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from target_leads.exceptions import StoreError
from target_leads.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator


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
