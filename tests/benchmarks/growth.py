"""What a record takes in small and large runs, and from one and many streams: it must stay the same.

From each run that of a run with one lead is taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.benchmarks import runs
from tests.benchmarks.results import Table, main
from tests.benchmarks.unchanged import sizes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.processes import Turn

_SMALLEST, _SMALLEST_UNCHANGED = 1000, 10_000
"""A thousand records without news take less than what two starts differ by."""
_UNCHANGED_FOR_EACH_DELIVERED = 10
"""Where leads are spread over streams, likewise."""
_MICROSECONDS = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `measure` takes."""
    parser.add_argument("--leads", type=int, default=1_000_000, help="of the largest run in which nothing has changed")
    parser.add_argument("--delivered", type=int, default=100_000, help="of the largest run that delivers")
    parser.add_argument("--streams", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--streamed", type=int, default=10_000, help="leads that are delivered from the streams")


def measure(*, leads: int, delivered: int, streams: Sequence[int], streamed: int) -> Iterator[Table]:
    """One table: a row for each run."""
    rows = [_row("nothing has changed", runs.unchanged(count), count, 1) for count in sizes(_SMALLEST_UNCHANGED, leads)]
    rows += [_row("all is delivered", runs.delivering(count), count, 1) for count in sizes(_SMALLEST, delivered)]
    for number in streams:
        unchanged = streamed * _UNCHANGED_FOR_EACH_DELIVERED
        rows.append(_row("nothing has changed", runs.unchanged(unchanged, number), unchanged, number))
        rows.append(_row("all is delivered", runs.delivering(streamed, number), streamed, number))
    yield Table(
        name="growth",
        conditions=f"target-leads; {runs.CONCURRENCY} requests at once where it delivers, to a server without latency",
        columns={"run": "", "leads": ",", "streams": ",", "µs a record": ",.0f", "CPU µs a record": ",.0f"},
        rows=rows,
    )


def _row(kind: str, run: Turn, count: int, streams: int) -> dict[str, Any]:
    start = runs.start()
    return {
        "run": kind,
        "leads": count,
        "streams": streams,
        "µs a record": (run.seconds - start.seconds) / count * _MICROSECONDS,
        "CPU µs a record": (run.cpu_seconds - start.cpu_seconds) / count * _MICROSECONDS,
    }


if __name__ == "__main__":
    main("What a record takes as runs grow.", add_arguments, measure)
