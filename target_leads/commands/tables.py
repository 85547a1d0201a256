"""Tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_leads.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as a table as wide as the terminal; a column that is too narrow folds, and nothing is cut off."""
    from rich.console import Console  # noqa: PLC0415 -- takes time to import, and only a table needs it
    from rich.table import Table  # noqa: PLC0415 -- likewise
    from rich.text import Text  # noqa: PLC0415 -- likewise

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if row[column] is None else printable(str(row[column]))) for column in columns))
    Console().print(table)
