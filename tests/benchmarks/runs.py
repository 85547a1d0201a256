"""Runs of target-leads of one size. Two benchmarks that ask for the same run share it."""

from __future__ import annotations

import functools
import statistics
import tempfile
from pathlib import Path

from tests.benchmarks.contenders import Run, Task, target_leads
from tests.benchmarks.known_store import known_store
from tests.benchmarks.local_server import local_server
from tests.benchmarks.processes import PYTHONPATH, Turn, beside_python, turn

CONCURRENCY = 32
_LEADS_IN_ALL, _MOST_TIMES = 20_000, 5


@functools.cache
def unchanged(count: int, streams: int = 1) -> Turn:
    """A run in which the store knows every lead. A short one is done a few times: medians."""
    run = unchanged_run(count, streams=streams)
    return _median(run, count)


def unchanged_run(count: int, *, streams: int = 1) -> Run:
    """The command of such a run."""
    known = known_store(count, streams=streams)
    return Run(
        command=[beside_python("target-leads"), "--config", str(known.config)],
        folder=known.config.parent,
        stdin=known.messages,
        variables={"PYTHONPATH": PYTHONPATH},
    )


@functools.cache
def delivering(count: int, streams: int = 1) -> Turn:
    """A first run, against a server that answers at once. A short one is done a few times: medians."""
    with local_server(0) as server:
        turns = []
        for _ in range(_times(count)):
            with tempfile.TemporaryDirectory() as folder:
                task = Task(folder=Path(folder), url=server.url, count=count, concurrency=CONCURRENCY, streams=streams)
                turns.append(_turn(target_leads(task)))
        if server.answered() != count * len(turns):
            raise SystemExit(f"target-leads sent {server.answered()} requests for {count * len(turns)} leads.")
    return _medians(turns)


@functools.cache
def start(streams: int = 1) -> Turn:
    """A run with one lead, which the store knows."""
    return _median(unchanged_run(1, streams=streams), 1)


def _median(run: Run, count: int) -> Turn:
    return _medians([_turn(run) for _ in range(_times(count))])


def _times(count: int) -> int:
    return min(max(_LEADS_IN_ALL // max(count, 1), 1), _MOST_TIMES)


def _turn(run: Run) -> Turn:
    return turn(run.command, folder=run.folder, stdin=run.stdin, variables=run.variables)


def _medians(turns: list[Turn]) -> Turn:
    return Turn(
        seconds=statistics.median(each.seconds for each in turns),
        cpu_seconds=statistics.median(each.cpu_seconds for each in turns),
        peak_bytes=max((each.peak_bytes for each in turns if each.peak_bytes), default=None),
    )
