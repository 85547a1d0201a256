"""Asks for the rows about many leads: by statements that are put together once, with few parameters however many leads.

Putting a statement together takes longer than the database takes to answer it, and SQLite takes few parameters.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Text, TypeDecorator, and_, any_, bindparam, func, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Dialect, Table
    from sqlalchemy.types import TypeEngine

    from target_leads.models import Lead

_PLACE = ("provider", "account", "base_url")


class _Texts(TypeDecorator[Any]):
    """A list of texts as one parameter: an array, or JSON where the database knows no arrays (SQLite)."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """What the database takes."""
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> list[str] | str | None:
        """Write it so."""
        return value if dialect.name == "postgresql" else json.dumps(value)


def are_leads(table: Table, database: str) -> ColumnElement[bool]:
    """Whether a row is about one of the leads of one account that the parameters of `by_account` name.

    Where the table has no base URL, that counts for nothing. `database` is the name of SQLAlchemy's dialect:
    PostgreSQL knows at once how many an array has, and plans well for a table of which it knows nothing yet.
    """
    place = (table.c[name] == bindparam(f"of_{name}") for name in _PLACE if name in table.c)
    lead_ids = bindparam("of_lead_ids", type_=_Texts)
    if database == "postgresql":
        return and_(*place, table.c.lead_id == any_(lead_ids))
    return and_(*place, table.c.lead_id.in_(select(func.json_each(lead_ids).table_valued("value").c.value)))


def by_account(wanted: Iterable[Lead]) -> Iterator[dict[str, Any]]:
    """Parameters for `are_leads`, for each account: a query is quick for one alone."""
    accounts: dict[tuple[str, ...], list[str]] = {}
    for lead in wanted:
        accounts.setdefault(lead[:3], []).append(lead[3])
    for account, lead_ids in accounts.items():
        names = (f"of_{name}" for name in _PLACE)
        yield {**dict(zip(names, account, strict=True)), "of_lead_ids": lead_ids}
