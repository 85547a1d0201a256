"""What benchmarks find out, as tables: for a person to read, for the documentation, and as JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LIBRARIES = ("target-leads", "singer-sdk", "requests", "urllib3", "SQLAlchemy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows, and how their numbers are written."""

    name: str
    conditions: str
    """Under which the numbers hold, in a few words."""
    columns: dict[str, str]
    """Headings in order, each with the format of its values; an empty one for text."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """By heading. What is absent or none was not measured, or makes no sense."""

    def lines(self) -> Iterator[str]:
        """For a person at a terminal."""
        cells = [list(self.columns), *self._cells()]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        yield f"{self.name}: {self.conditions}"
        for row in cells:
            padded = [
                cell.rjust(width) if form else cell.ljust(width)
                for cell, width, form in zip(row, widths, self.columns.values(), strict=True)
            ]
            yield "  ".join(padded).rstrip()

    def markdown(self) -> Iterator[str]:
        """For the documentation."""
        yield f"{self.conditions[:1].upper()}{self.conditions[1:]}."
        yield ""
        yield f"| {' | '.join(self.columns)} |"
        yield f"|{'|'.join(' ---: ' if form else ' --- ' for form in self.columns.values())}|"
        for row in self._cells():
            yield f"| {' | '.join(row)} |"

    def _cells(self) -> list[list[str]]:
        return [[_written(row.get(name), form) for name, form in self.columns.items()] for row in self.rows]


def _written(value: Any, form: str) -> str:
    return "-" if value is None else format(value, form)


def document(tables: Sequence[Table]) -> dict[str, Any]:
    """Everything as JSON, with the machine and the versions."""
    return {"machine": machine(), "tables": [asdict(table) for table in tables]}


def machine() -> dict[str, str]:
    """Where and with what it was measured."""
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": libraries,
        "load at the end": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main(
    describe: str, add: Callable[[argparse.ArgumentParser], None], measure: Callable[..., Iterator[Table]]
) -> None:
    """Measure as the command line says, and print tables as they are ready, or JSON at the end.

    `add` adds the arguments that `measure` takes.
    """
    parser = argparse.ArgumentParser(description=describe)
    add(parser)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    given = vars(parser.parse_args())
    prints_json = given.pop("format") == "json"
    show(measure(**given), prints_json=prints_json)


def show(measured: Iterator[Table], *, prints_json: bool) -> None:
    """Print tables. Where standard output takes JSON, they go to standard error."""
    tables = []
    for table in measured:
        tables.append(table)
        _say("", *table.lines(), to_stderr=prints_json)
    if prints_json:
        _say(json.dumps(document(tables), indent=2))
    else:
        _say("", *(f"{name}: {value}" for name, value in machine().items()))


def _say(*lines: str, to_stderr: bool = False) -> None:
    print(*lines, sep="\n", flush=True, file=sys.stderr if to_stderr else sys.stdout)
