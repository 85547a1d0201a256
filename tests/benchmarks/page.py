"""Puts results into ``docs/performance.md``: ``python -m tests.benchmarks.page results.json``.

The page has ``<!-- results: NAME -->`` where a table goes, and ``<!-- end of results -->`` behind it. What stands
between the two is written anew; a table that the results do not have stays as it is.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.results import Table

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_PLACE = re.compile(r"(<!-- results: (?P<name>[a-z]+) -->\n).*?(<!-- end of results -->\n)", re.DOTALL)


def with_results(page: str, results: dict[str, Any]) -> str:
    """A page with the tables of results in their places.

    Raises:
        ValueError: a table has no place.
    """
    tables = {table["name"]: Table(**table) for table in results["tables"]}
    if homeless := tables.keys() - {place["name"] for place in _PLACE.finditer(page)}:
        raise ValueError(f"The page has no place for {', '.join(sorted(homeless))}.")
    texts = {name: "\n".join(table.markdown()) for name, table in tables.items()}
    machine = (f"| {name} | {value} |" for name, value in results["machine"].items())
    texts["machine"] = "\n".join(["| | |", "|---|---|", *machine])

    def filled(place: re.Match[str]) -> str:
        text = texts.get(place["name"])
        return place[0] if text is None else f"{place[1]}{text}\n{place[3]}"

    return _PLACE.sub(filled, page)


def main(results: str) -> None:
    """Write the page."""
    found = json.loads(Path(results).read_text(encoding="utf-8"))
    PAGE.write_text(with_results(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
