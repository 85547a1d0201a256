"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from target_leads.redaction import printable

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Mapping, Sequence

_GAP = 2
_INDENT = 4
_NARROWEST_PROSE = 28
"""Columns of the screen. With fewer, prose reads better on lines of its own."""

format_option = click.option(
    "--format",
    "as_format",
    type=click.Choice(["table", "json"]),
    default="table",
    help="A table for people, or JSON for scripts.",
)


def print_json(value: object) -> None:
    """Print any JSON; moments as ISO 8601 in UTC."""
    text = json.dumps(value, indent=2, default=moment_text, ensure_ascii=False)
    if any("\ud800" <= sign <= "\udfff" for sign in text):  # half a pair, as in a path that is no UTF-8
        text = json.dumps(value, indent=2, default=moment_text)
    click.echo(text)


def print_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    prose: Sequence[str] | None = None,
    optional: Sequence[str] = (),
    heading: bool = True,
) -> None:
    """Print rows as a table that fits the screen; nothing is cut off.

    Where it does not fit, columns that are `optional` are left out, the last of them first; that is said. `prose`, else
    the last column, is wrapped, or stands beneath its row. Where the output is no terminal a row is one line, however
    long.
    """
    prose = columns[-1:] if prose is None else prose
    width = screen_width()
    candidates = [
        _Table(rows, [column for column in columns if column not in optional[kept:]], prose, heading=heading)
        for kept in range(len(optional), -1, -1)
    ]
    fitting = [*filter(lambda table: table.narrowest <= (width or 0), candidates)]
    fitting += filter(lambda table: table.fixed_width <= (width or 0), candidates)
    chosen = candidates[0] if width is None else [*fitting, candidates[-1]][0]
    for line in chosen.lines(width):
        click.echo(line.rstrip())
    if left_out := [column.replace("_", " ") for column in columns if column not in chosen.columns]:
        click.echo(f"On a wider screen there is more: {', '.join(left_out)}.", err=True)


def screen_width() -> int | None:
    """Columns of the screen: what the variable COLUMNS says, or the terminal; none where output is no terminal."""
    if os.environ.get("COLUMNS", "").isdecimal() and int(os.environ["COLUMNS"]):
        return int(os.environ["COLUMNS"])
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cell_text(value: object) -> str:
    """A value in words that break no line and move no cursor: lead ids and reasons may hold anything."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(cell_text, value))
    if value is None or isinstance(value, bool):
        return "yes" if value else ""
    return printable(str(value))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def moment_text(moment: datetime.datetime) -> str:
    """A moment for scripts."""
    return moment.isoformat(timespec="milliseconds")


def minute_text(moment: datetime.datetime | None) -> str:
    """A moment in UTC for people, who look for the minute."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


class _Table:
    """Rows and how they are laid out."""

    def __init__(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], prose: Sequence[str], *, heading: bool
    ) -> None:
        from rich.cells import cell_len  # noqa: PLC0415 -- takes time to import, and only a table needs it

        self.columns, self._heading = columns, heading
        self.prose = [column for column in columns if column in prose]
        self._cells = [{column: cell_text(row.get(column)) for column in columns} for row in rows]
        self._widths = {
            column: max(cell_len(text) for text in (column if heading else "", *(row[column] for row in self._cells)))
            for column in columns
        }
        self._numbers = [column for column in columns if all(_is_number(row.get(column)) for row in rows)]

    @property
    def fixed_width(self) -> int:
        """Width of what is not prose."""
        return self._width_of([column for column in self.columns if column not in self.prose])

    @property
    def narrowest(self) -> int:
        """Least width at which prose can stand beside the rest."""
        return self.fixed_width + sum(min(self._widths[column], _NARROWEST_PROSE) + _GAP for column in self.prose)

    def lines(self, width: int | None) -> Iterator[str]:
        """Lines of at most this width, or of any."""
        natural = self._width_of(self.columns)
        if width is None or natural <= width:
            yield from self._side_by_side(self.columns, natural, wrapped=())
            return
        if self.fixed_width > width:
            yield from self._side_by_side(self.columns, width, wrapped=self.columns)
        elif self.narrowest <= width:
            yield from self._side_by_side(self.columns, width, wrapped=self.prose)
        else:
            yield from self._one_beneath_the_other(width)

    def _width_of(self, columns: Sequence[str]) -> int:
        return sum(self._widths[column] + _GAP for column in columns) - _GAP if columns else 0

    def _side_by_side(self, columns: Sequence[str], width: int, *, wrapped: Sequence[str]) -> Iterator[str]:
        from rich.console import Console  # noqa: PLC0415 -- as above
        from rich.table import Table  # noqa: PLC0415 -- as above
        from rich.text import Text  # noqa: PLC0415 -- as above

        table = Table(box=None, pad_edge=False, header_style="bold", show_header=self._heading)
        for column in columns:
            table.add_column(
                column.replace("_", " "),
                overflow="fold",
                no_wrap=column not in wrapped,
                justify="right" if column in self._numbers else "left",
            )
        for row in self._cells:
            table.add_row(*(Text(row[column]) for column in columns))
        console = Console(width=max(width, 1))
        with console.capture() as captured:
            console.print(table)
        yield from captured.get().splitlines()

    def _one_beneath_the_other(self, width: int) -> Iterator[str]:
        """Each row in two parts: what is short side by side, and prose in lines beneath it."""
        from rich.console import Console  # noqa: PLC0415 -- as above
        from rich.text import Text  # noqa: PLC0415 -- as above

        console = Console()
        heads = list(
            self._side_by_side([column for column in self.columns if column not in self.prose], width, wrapped=())
        )
        if self._heading:
            yield heads.pop(0)
        for head, row in zip(heads, self._cells, strict=True):
            yield head
            for column in self.prose:
                for line in Text(row[column]).wrap(console, width - _INDENT) if row[column] else ():
                    yield " " * _INDENT + line.plain
