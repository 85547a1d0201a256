"""The store's tables: made if it is new, brought up to date if an older release made them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, inspect, select, update

from target_leads.exceptions import SettingsError, StoreError
from target_leads.redaction import without_secrets
from target_leads.store.errors import store_errors
from target_leads.store.locking import transaction
from target_leads.store.ownership import stranger
from target_leads.store.tables import CHANGES, FINGERPRINT_KEY, VERSION, keys, metadata, versions

if TYPE_CHECKING:
    from sqlalchemy import Engine

BACKENDS = frozenset({"sqlite", "postgresql"})
"""The databases that can be a store."""


def make_tables(engine: Engine, store_url: str) -> None:
    """Make what is missing. One run at a time: two may open a new store at once.

    Raises:
        SettingsError: another program's tables are there.
        StoreError: the database cannot be used, or a newer release wrote it.
    """
    with store_errors(store_url), transaction(engine) as connection:
        if finding := stranger(connection):
            raise SettingsError([f"store_url: {without_secrets(store_url)} {finding}."])
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


def has_tables(engine: Engine, store_url: str) -> bool:
    """Whether the tables are there, as this release knows them. Changes nothing.

    Raises:
        StoreError: the database cannot be used, or another release wrote it.
    """
    with store_errors(store_url), engine.connect() as connection:
        if not inspect(connection).has_table(versions.name):
            return False
        version = connection.scalar(select(func.max(versions.c.version))) or 0
    if version > VERSION:
        raise StoreError(newer_store(store_url))
    if version < VERSION:
        raise StoreError(
            f"The store {without_secrets(store_url)} was written by an older release of target-leads, and a dry run "
            "leaves it as it is. Bring it up to date first: target-leads dead-letters list does, and sends nothing."
        )
    return True


def newer_store(store_url: str) -> str:
    """What is to be said of a store whose tables this release does not know."""
    return (
        f"The store {without_secrets(store_url)} was written by a newer release of target-leads. "
        "Upgrade, or set store_url to another store."
    )
