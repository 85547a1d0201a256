"""Whether tables with the names of the store's are its own. Meltano's database, for one, has a table ``runs`` too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect

from target_leads.store.tables import metadata, versions

if TYPE_CHECKING:
    from sqlalchemy import Connection


def stranger(connection: Connection) -> str:
    """What is wrong with the place that the store URL names, and what to do; empty if its tables are the store's own.

    Every store has its table of versions, made before all others.
    """
    inspector = inspect(connection)
    there = sorted(metadata.tables.keys() & set(inspector.get_table_names()))
    columns = inspector.get_columns(versions.name) if versions.name in there else []
    if not there or any(column["name"] == versions.c.version.name for column in columns):
        return ""
    place = (
        "another file"
        if connection.dialect.name == "sqlite"
        else "another database, or a schema of its own: make it (CREATE SCHEMA target_leads), and put "
        "?options=-csearch_path%3Dtarget_leads at the end of the URL"
    )
    return f"holds tables of another program: {', '.join(there)}. Give target-leads {place}"
