"""How much memory runs of different sizes take at their peak: it must not grow with the input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.benchmarks import runs
from tests.benchmarks.results import Table, main
from tests.benchmarks.unchanged import sizes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_SMALLEST = 10_000
_MIB = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `measure` takes."""
    parser.add_argument("--leads", type=int, default=1_000_000, help="of the largest run in which nothing has changed")
    parser.add_argument("--delivered", type=int, default=100_000, help="of the largest run that delivers")


def measure(*, leads: int, delivered: int) -> Iterator[Table]:
    """One table: a row for each run. Each is compared with the smallest of its kind."""
    kinds = {
        "nothing has changed": (runs.unchanged, sizes(_SMALLEST, leads)),
        "all is delivered": (runs.delivering, sizes(_SMALLEST, delivered)),
    }
    rows = []
    for kind, (run, counts) in kinds.items():
        peaks = {count: run(count).peak_bytes or math.nan for count in counts}
        smallest = min(peaks.values())
        rows += [
            {"run": kind, "leads": count, "peak in MiB": peak / _MIB, "more than the least": peak / smallest - 1}
            for count, peak in peaks.items()
        ]
    yield Table(
        name="memory",
        conditions=f"resident memory of target-leads; {runs.CONCURRENCY} requests at once where it delivers",
        columns={"run": "", "leads": ",", "peak in MiB": ".1f", "more than the least": ".1%"},
        rows=rows,
    )


if __name__ == "__main__":
    main("Memory at its peak.", add_arguments, measure)
