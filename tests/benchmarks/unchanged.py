"""A second run over many leads, of which none has changed, beside a target that does nothing with its records.

The one knows every lead, of a provider that comes with it: it reads, hashes and looks up each record, and sends
nothing. The other is the least that the Meltano SDK can do with the same input. From each turn that of a turn with one
lead is taken away, the median over rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.contenders import COMMANDS, Run
from tests.benchmarks.known_store import known_store, seconds_for_one_lead
from tests.benchmarks.leads import write_messages
from tests.benchmarks.processes import Turn, turn
from tests.benchmarks.results import Table, main
from tests.benchmarks.runs import unchanged_run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_SMALLEST_STORE = 10_000
_OWN, _IDLE = "target-leads", "idle SDK target"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `measure` takes."""
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)


def measure(*, leads: int, rounds: int) -> Iterator[Table]:
    """Two tables: how fast it is, and how the store grows."""
    yield _speed(leads, rounds)
    yield _store(leads)


def _speed(leads: int, rounds: int) -> Table:
    turns: dict[str, list[tuple[Turn, Turn]]] = {_OWN: [], _IDLE: []}
    with tempfile.TemporaryDirectory() as folder:
        pairs = {
            _OWN: (unchanged_run(1), unchanged_run(leads)),
            _IDLE: (_idle(Path(folder), 1), _idle(Path(folder), leads)),
        }
        for number in range(rounds):
            names = list(pairs) if number % 2 == 0 else list(reversed(pairs))
            for name in names:
                short, full = pairs[name]
                turns[name].append((_turn(short), _turn(full)))
    rates: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for name, own in turns.items():
        start = statistics.median(short.seconds for short, _ in own)
        cpu_of_start = statistics.median(short.cpu_seconds for short, _ in own)
        rates[name] = [(leads - 1) / (full.seconds - start) for _, full in own]
        cpu[name] = [(full.cpu_seconds - cpu_of_start) / (leads - 1) * 1e6 for _, full in own]
    rows = [
        {
            "command": name,
            "records a second": statistics.median(rates[name]),
            "from": min(rates[name]),
            "to": max(rates[name]),
            "CPU µs a record": statistics.median(cpu[name]),
            "of the idle target": statistics.median(
                one / other for one, other in zip(rates[name], rates[_IDLE], strict=True)
            ),
        }
        for name in turns
    ]
    return Table(
        name="unchanged",
        conditions=f"{leads:,} leads, medians of {rounds} rounds",
        columns={
            "command": "",
            "records a second": ",.0f",
            "from": ",.0f",
            "to": ",.0f",
            "CPU µs a record": ".1f",
            "of the idle target": ".0%",
        },
        rows=rows,
    )


def _store(leads: int) -> Table:
    rows = []
    for count in sizes(_SMALLEST_STORE, leads):
        known = known_store(count)
        size = sum(file.stat().st_size for file in known.store.parent.glob(f"{known.store.name}*"))
        rows.append({"leads": count, "bytes a lead": size / count, "look-up in µs": seconds_for_one_lead(known) * 1e6})
    return Table(
        name="store",
        conditions="SQLite after a first run, its outcomes included; leads from all over the store, a thousand at "
        "once, the file in memory",
        columns={"leads": ",", "bytes a lead": ",.0f", "look-up in µs": ".1f"},
        rows=rows,
    )


def sizes(smallest: int, largest: int) -> list[int]:
    """From one to the other by tens."""
    found = [largest]
    while found[0] // 10 >= smallest:
        found.insert(0, found[0] // 10)
    return found


def _idle(folder: Path, leads: int) -> Run:
    messages = folder / f"{leads}.singer.jsonl"
    write_messages(messages, leads)
    return Run(command=[sys.executable, str(COMMANDS / "idle_target.py")], folder=folder, stdin=messages)


def _turn(run: Run) -> Turn:
    return turn(run.command, folder=run.folder, stdin=run.stdin, variables=run.variables)


if __name__ == "__main__":
    main("A second run in which nothing has changed.", add_arguments, measure)
