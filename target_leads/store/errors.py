"""Database errors in words that say what to do and hold no value."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from target_leads.exceptions import StoreError
from target_leads.redaction import is_ambiguous, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator


_QUESTION = re.compile(r" Is the server running .*\?")
_MAKE_ROOM = "Make room for it"
_USER = "See that user and password in store_url are right"
_STATES = {
    "3F000": (
        "there is no schema such as search_path names",
        "Make it (CREATE SCHEMA), or see that search_path in store_url is right",
    ),
    "25006": ("it may only be read", "Name the primary server, and a user who may write"),
    "42501": ("its user lacks rights", "Grant the user in store_url rights on its tables, and CREATE on its schema"),
    "42P01": ("one of its tables is gone", "Restore it from a backup, or name another store"),
    "53100": ("its disk is full", _MAKE_ROOM),
    "55P03": ("another program keeps it locked", "See which, and that it ends"),
}
"""What PostgreSQL's numbers mean, and what is to be done."""
_OF_THE_QUERY = r"invalid .*(option|value)|bad value for"
"""What the driver says of the URL's query; a password with an unquoted & in it would be told as an option."""
_QUOTE = "Quote signs such as @ and / in the user and the password (%40, %2F)"
_ADVICE = {
    _OF_THE_QUERY: "See that the query in store_url is right",
    r"role .* does not exist|authentication failed|no password|pg_hba": _USER,
    r"database .* does not exist": "See that the database in store_url is right, or make it",
    r"connection .*failed|resolve host|\[Errno -\d+\]|connection timeout|closed": (
        "See that its server runs, and that host and port in store_url are right"
    ),
    r"locked": "See that no other program keeps it locked",
    r"is full": _MAKE_ROOM,
    r"malformed|not a database|no such (table|column)": "Restore it from a backup, or move it away",
    r"readonly|unable to open": "See that it is a file, and that it and its folder may be written",
}
"""By words of SQLite, or of a server that lets nobody in or whose name is not found; the first that fit."""
_ANY_ADVICE = "See that it exists, is not full, damaged or locked by another program"


@contextlib.contextmanager
def store_errors(store_url: str) -> Iterator[None]:
    """Turn a database error into one that says what to do and holds no value."""
    try:
        yield
    except SQLAlchemyError as error:
        message = (
            f"The store {without_secrets(store_url)} cannot be used: {words_of(error, store_url)}. "
            f"No STATE was printed for what it does not hold. {advice_on(error, store_url)}, then run again."
        )
        raise StoreError(message) from None


def words_of(error: SQLAlchemyError, store_url: str) -> str:
    """What the database says, where it can hold no value and no part of a password; else only the name of the error."""
    said = _said(error)
    if is_ambiguous(store_url) or re.search(_OF_THE_QUERY, said):
        return type(getattr(error, "orig", None) or error).__name__
    return said


def advice_on(error: SQLAlchemyError, store_url: str) -> str:
    """What is to be done, as a sentence or two without the end."""
    if by_state := _STATES.get(_state(error), ("", ""))[1]:
        return by_state
    said = _said(error)
    advice = next((advice for words, advice in _ADVICE.items() if re.search(words, said)), _ANY_ADVICE)
    return f"{_QUOTE}, if there are any. {advice}" if is_ambiguous(store_url) else advice


def _said(error: SQLAlchemyError) -> str:
    """What the database says, unless it may quote a row; else what its number means, or the name of the error."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return type(error).__name__
    # SQLite's messages hold no values. A server's may quote a row, but not before the first statement.
    if type(error.orig).__module__.startswith("sqlite3") or error.statement is None:
        return _QUESTION.sub("", " ".join(str(error.orig).split())).rstrip(".")
    return _STATES.get(_state(error), ("", ""))[0] or type(error.orig).__name__


def _state(error: SQLAlchemyError) -> str:
    """The server's number for what is wrong; empty if there is none."""
    return getattr(error.orig, "sqlstate", None) or "" if isinstance(error, DBAPIError) else ""
