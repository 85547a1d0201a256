"""Whether a run could use a store: found out without making or changing anything in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from target_leads.exceptions import SettingsError
from target_leads.redaction import without_secrets
from target_leads.store.engine import engine_of
from target_leads.store.errors import advice_on, words_of
from target_leads.store.migration import newer_store
from target_leads.store.ownership import stranger
from target_leads.store.tables import VERSION, metadata, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_SECONDS = 5
_NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")
_TIMEOUTS = {"sqlite": "timeout", "postgresql": "connect_timeout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a run would find."""

    state: str
    """In words; empty if there are findings."""
    findings: tuple[str, ...] = ()
    """What would keep a run from using the store, each with what is to do."""


def condition_of(store_url: str, *, seconds: int = _SECONDS) -> Condition:
    """Look at a store, waiting so long for a lock or a server. All of a SQLite file is read.

    One that is not there is in order if a run could make it.
    """
    shown = without_secrets(store_url)
    try:
        engine = engine_of(store_url)
        engine = engine_of(store_url, **{_TIMEOUTS[engine.dialect.name]: seconds})
    except SettingsError as error:
        return Condition(state="", findings=error.findings)
    path = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
    try:
        if path is not None and not path.exists():
            return _of_folder(path)
    except OSError as error:
        return Condition(state="", findings=(f"store_url: {shown} cannot be looked at: {error.strerror}.",))
    try:
        with engine.connect() as connection:
            findings = list(_sqlite(connection) if path is not None else _postgresql(connection))
            findings += [finding] if (finding := stranger(connection)) else []
            version = None if findings else _version(connection)
    except SQLAlchemyError as error:
        findings, version = [f"cannot be used: {words_of(error, store_url)}. {advice_on(error, store_url)}"], None
    finally:
        engine.dispose()
    if findings:
        return Condition(state="", findings=tuple(f"store_url: {shown} {finding}." for finding in findings))
    if version is not None and version > VERSION:
        return Condition(state="", findings=(f"store_url: {newer_store(store_url)}",))
    if version is None:
        return Condition(state="has no tables yet; the first run makes them")
    return Condition(
        state="in order" if version == VERSION else "of an earlier release; the next run brings it up to date"
    )


def _of_folder(path: Path) -> Condition:
    """What becomes of a SQLite file that is not there."""
    if not path.parent.is_dir():
        finding = f"store_url: there is no folder {path.parent} for {path.name}. Make it, or name another."
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        finding = f"store_url: {path} cannot be made: the folder {path.parent} may not be written."
    else:
        return Condition(state="not there yet; the first run makes it")
    return Condition(state="", findings=(finding,))


def _sqlite(connection: Connection) -> Iterator[str]:
    if (word := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()) != "ok":
        yield f"is damaged: {' '.join(str(word).split())}. Restore it from a backup, or move it away"
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # a file that may not be written fails here
    connection.exec_driver_sql("ROLLBACK")


def _postgresql(connection: Connection) -> Iterator[str]:
    if connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on":
        yield "may only be read: its server is a standby, or read-only. Name the primary server"
        return
    there = metadata.tables.keys() & set(inspect(connection).get_table_names())
    may = text(" AND ".join(f"has_table_privilege(:name, '{right}')" for right in _NEEDED).join(("SELECT ", "")))
    for name in sorted(there):
        if not connection.scalar(may, {"name": name}):
            yield f"may not be written: the user lacks rights on {name}. Grant it {', '.join(_NEEDED)}"
    if there != metadata.tables.keys():
        if connection.exec_driver_sql("SELECT current_schema()").scalar() is None:
            yield "lacks its schema: search_path names none. Make it (CREATE SCHEMA), or see that search_path is right"
            return
        create = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
        if not connection.exec_driver_sql(create).scalar():
            yield "lacks tables, and the user may not make them. Grant it CREATE on the schema in its search_path"


def _version(connection: Connection) -> int | None:
    """Version of the tables; none if there are none."""
    if not inspect(connection).has_table(versions.name):
        return None
    version: int | None = connection.scalar(select(func.max(versions.c.version)))
    return version
