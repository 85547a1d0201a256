"""A database in which another program has tables of the same names is no store."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import create_engine, inspect, text

from target_leads.exceptions import SettingsError
from target_leads.redaction import without_secrets
from target_leads.store import Store, condition_of


def tables(store_url: str, *statements: str) -> set[str]:
    """Names of all tables, once the statements are done."""
    engine = create_engine(store_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
        names = set(inspect(connection).get_table_names())
    engine.dispose()
    return names


@pytest.mark.parametrize("table", ["runs", "versions"])
def test_tables_of_another_program_are_left_alone(store_url: str, table: str) -> None:
    """Meltano's own database has a table runs: a run there makes and changes nothing, and says where to go instead."""
    tables(store_url, f"CREATE TABLE {table} (state TEXT)")
    with pytest.raises(SettingsError) as ended:
        Store(store_url, now=time.time)
    assert tables(store_url) == {table}
    (finding,) = ended.value.findings
    assert finding.startswith(f"store_url: {without_secrets(store_url)} holds tables of another program: {table}. ")
    instead = (
        "another file."
        if store_url.startswith("sqlite")
        else "another database, or a schema of its own: make it (CREATE SCHEMA target_leads), and put "
        "?options=-csearch_path%3Dtarget_leads at the end of the URL."
    )
    assert finding.endswith(f" Give target-leads {instead}")
    assert condition_of(store_url).findings == (finding,)


def test_other_tables_do_no_harm(store_url: str) -> None:
    """A store may share its place with tables of other names."""
    tables(store_url, "CREATE TABLE state (state TEXT)")
    Store(store_url, now=time.time).close()
    assert tables(store_url) >= {"state", "runs"}
