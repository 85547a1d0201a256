"""Runs the benchmarks: ``make bench``. Alone, by ``python -m tests.benchmarks.NAME``, each has more to choose."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from tests.benchmarks.results import Table, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAMES = ("startup", "targets", "unchanged", "memory", "growth", "delivery")
"""In this order: the last works within this process, which makes it larger than those that are to be measured."""


def measure(names: Sequence[str], leads: int | None) -> Iterator[Table]:
    """The tables of these benchmarks."""
    for name in (each for each in _NAMES if each in names):
        benchmark = import_module(f"tests.benchmarks.{name}")
        parser = argparse.ArgumentParser()
        benchmark.add_arguments(parser)
        given = vars(parser.parse_args([]))
        for size in ("leads", "delivered"):
            if leads and size in given:
                given[size] = min(leads, given[size])
        yield from benchmark.measure(**given)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="All benchmarks, or some.")
    parser.add_argument("names", nargs="*", choices=[[], *_NAMES], metavar="NAME", help=", ".join(_NAMES))
    parser.add_argument("--leads", type=int, help="of the largest run; without it, what each benchmark has")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    given = parser.parse_args()
    show(measure(given.names or _NAMES, given.leads), prints_json=given.format == "json")


if __name__ == "__main__":
    main()
