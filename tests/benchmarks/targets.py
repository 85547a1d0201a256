"""How fast whole commands deliver, side by side: target-leads, and what a user would pick instead.

Each turn is a process that reads the same leads and sends each as a PATCH to the same server, in turns in one run. Who
did not deliver every lead is out, with the whole measurement. From each turn that of a short turn is taken away, the
median over rounds, which is told as the start: one with a lead for each request that there may be at once, so that
whatever is imported or opened with the first lead is in both.

Whoever sends one request after the other gets fewer leads: of such, only leads a second can be compared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks import results
from tests.benchmarks.contenders import CONTENDERS, Contender, Task
from tests.benchmarks.environments import NotInstallable
from tests.benchmarks.local_server import LocalServer, local_server
from tests.benchmarks.processes import Turn, turn

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

_OWN, _CEILING = "target-leads", "requests pool"
_POOLED_SECONDS, _ALONE_SECONDS = 0.0008, 0.002
"""That a lead takes at the least, about. It decides how many leads a turn has, and nothing else."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `measure` takes."""
    parser.add_argument("--latencies", type=float, nargs="+", default=[0, 20, 100], metavar="MS")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="that a turn should take, about")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))


def measure(
    *, latencies: Sequence[float], concurrency: int, rounds: int, seconds: float, only: Sequence[str]
) -> Iterator[results.Table]:
    """One table: a row for each contender at each latency."""
    names = list(_installable(only))
    left_out = sorted(set(only) - set(names))
    rows: list[dict[str, Any]] = []
    for latency in latencies:
        loads = {name: _load(CONTENDERS[name], latency / 1000, concurrency, seconds) for name in names}
        with local_server(latency) as server:
            turns = _turns(server, loads, concurrency=concurrency, rounds=rounds)
        rows += _rows(latency, loads, turns)
    versions = sorted({CONTENDERS[name].version for name in names} - {""})
    conditions = f"{concurrency} requests at once, medians of {rounds} rounds"
    if versions:
        conditions += f"; {', '.join(versions)}"
    if left_out:
        conditions += f"; not to be installed here: {', '.join(left_out)}"
    columns = {
        "latency in ms": "g",
        "command": "",
        "leads": ",",
        "leads a second": ",.1f",
        "from": ",.1f",
        "to": ",.1f",
        "of the pool": ".0%",
        "target-leads is, times": ".1f",
        "CPU ms a lead": ".2f",
        "times the pool's CPU": ".2f",
        "start in s": ".2f",
    }
    yield results.Table(name="targets", conditions=conditions, columns=columns, rows=rows)


def _installable(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        try:
            with tempfile.TemporaryDirectory() as folder:
                CONTENDERS[name].prepare(Task(folder=Path(folder), url="http://127.0.0.1", count=0, concurrency=1))
        except NotInstallable as error:
            sys.stderr.write(f"{name} is left out: {error} could not be installed.\n")
        else:
            yield name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """Leads of a contender's turns."""

    few: int
    many: int


def _load(contender: Contender, latency_seconds: float, concurrency: int, seconds: float) -> _Load:
    """As many as take about so long."""
    at_once = 1 if contender.one_by_one else concurrency
    each = max(latency_seconds / at_once, _ALONE_SECONDS if contender.one_by_one else _POOLED_SECONDS)
    return _Load(few=at_once, many=at_once + max(int(seconds / each), 1))


def _turns(
    server: LocalServer, loads: dict[str, _Load], *, concurrency: int, rounds: int
) -> dict[str, list[tuple[Turn, Turn]]]:
    """Everyone's turns, each behind a short one. Who begins changes from round to round."""
    names = list(loads)
    turns: dict[str, list[tuple[Turn, Turn]]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            short = _turn(name, server, loads[name].few, concurrency)
            turns[name].append((short, _turn(name, server, loads[name].many, concurrency)))
    return turns


def _turn(name: str, server: LocalServer, count: int, concurrency: int) -> Turn:
    before = server.answered()
    with tempfile.TemporaryDirectory() as folder:
        task = Task(folder=Path(folder), url=server.url, count=count, concurrency=concurrency)
        run = CONTENDERS[name].prepare(task)
        taken = turn(run.command, folder=run.folder, stdin=run.stdin, variables=run.variables)
    if (delivered := server.answered() - before) != count:
        raise SystemExit(f"{name} sent {delivered} requests for {count} leads.")
    return taken


def _rows(
    latency: float, loads: dict[str, _Load], turns: dict[str, list[tuple[Turn, Turn]]]
) -> Iterator[dict[str, Any]]:
    """Medians. A ratio is taken within each round."""
    rates: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    starts: dict[str, float] = {}
    for name, own in turns.items():
        between = loads[name].many - loads[name].few
        starts[name] = statistics.median(short.seconds for short, _ in own)
        cpu_of_start = statistics.median(short.cpu_seconds for short, _ in own)
        rates[name] = [between / (full.seconds - starts[name]) for _, full in own]
        cpu[name] = [(full.cpu_seconds - cpu_of_start) / between * 1000 for _, full in own]
    for name in turns:
        yield {
            "latency in ms": latency,
            "command": name,
            "leads": loads[name].many,
            "leads a second": statistics.median(rates[name]),
            "from": min(rates[name]),
            "to": max(rates[name]),
            "of the pool": _ratio(rates[name], rates.get(_CEILING)),
            "target-leads is, times": _ratio(rates.get(_OWN), rates[name]),
            "CPU ms a lead": statistics.median(cpu[name]),
            "times the pool's CPU": _ratio(cpu[name], cpu.get(_CEILING)),
            "start in s": starts[name],
        }


def _ratio(mine: list[float] | None, theirs: list[float] | None) -> float | None:
    if mine is None or theirs is None:
        return None
    return statistics.median(one / other for one, other in zip(mine, theirs, strict=True))


if __name__ == "__main__":
    results.main("Delivery by whole commands.", add_arguments, measure)
