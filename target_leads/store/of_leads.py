"""Asks for the rows about many leads: by statements that are put together once, with few parameters however many leads.

Putting a statement together takes longer than the database takes to answer it, and SQLite takes few parameters.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.sql.compiler import SQLCompiler

    from target_leads.models import Lead

_PLACE = ("provider", "account", "base_url")


def are_leads(table: Table) -> ColumnElement[bool]:
    """Whether a row is about one of the leads of one account that the parameters of `by_account` name.

    Where the table has no base URL, that counts for nothing.
    """
    place = (table.c[name] == bindparam(f"of_{name}") for name in _PLACE if name in table.c)
    lead_ids = _Texts(bindparam("of_lead_ids", type_=Text)).table_valued("value")
    return and_(*place, table.c.lead_id.in_(select(lead_ids.c.value)))


def by_account(wanted: Iterable[Lead]) -> Iterator[dict[str, str]]:
    """Parameters for `are_leads`, for each account: a query is quick for one alone."""
    accounts: dict[tuple[str, ...], list[str]] = {}
    for *place, lead_id in wanted:
        accounts.setdefault(tuple(place), []).append(lead_id)
    for account, lead_ids in accounts.items():
        names = (f"of_{name}" for name in _PLACE)
        yield {**dict(zip(names, account, strict=True)), "of_lead_ids": json.dumps(lead_ids)}


class _Texts(FunctionElement[str]):
    """The texts of a JSON list as rows with one column."""

    name = "texts"
    inherit_cache = True


@compiles(_Texts, "postgresql")
def _in_postgresql(element: _Texts, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 -- SQLAlchemy's own
    return f"json_array_elements_text(CAST({compiler.process(element.clause_expr, **options)} AS JSON))"


@compiles(_Texts)
def _in_sqlite(element: _Texts, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 -- SQLAlchemy's own
    return f"json_each({compiler.process(element.clause_expr, **options)})"
