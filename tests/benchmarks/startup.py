"""How long commands take that have nothing to do, beside an empty target on the Meltano SDK, and what they import."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.contenders import COMMANDS, Run, leads_config
from tests.benchmarks.known_store import NOWHERE
from tests.benchmarks.processes import PYTHONPATH, Turn, beside_python, turn
from tests.benchmarks.results import Table, main

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_VERSION, _EMPTY = "--version", "empty input"
_SHOWN_PACKAGES = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `measure` takes."""
    parser.add_argument("--rounds", type=int, default=10)


def measure(*, rounds: int) -> Iterator[Table]:
    """Two tables: how long commands take, and what an empty run imports."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = leads_config(NOWHERE, store=folder / "store.db")
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        own, idle = [beside_python("target-leads")], [sys.executable, str(COMMANDS / "idle_target.py")]
        pairs = {
            _VERSION: ([*own, "--version"], [*idle, "--version"]),
            _EMPTY: ([*own, "--config", "config.json"], idle),
        }
        yield _times(folder, pairs, rounds)
        yield _imports(folder, pairs[_EMPTY][0])


def _times(folder: Path, pairs: dict[str, tuple[list[str], list[str]]], rounds: int) -> Table:
    rows = []
    for what, commands in pairs.items():
        turns: tuple[list[Turn], list[Turn]] = ([], [])
        for number in range(rounds + 1):
            for command, taken in zip(commands, turns, strict=True):
                run = _turn(Run(command=command, folder=folder))
                if number:  # the first reads files that the others find in memory
                    taken.append(run)
        for who, own in zip(("target-leads", "empty SDK target"), turns, strict=True):
            pairs_of_turns = zip(own, turns[1], strict=True)
            rows.append(
                {
                    "command": who,
                    "with": what,
                    "ms": statistics.median(each.seconds for each in own) * 1000,
                    "CPU ms": statistics.median(each.cpu_seconds for each in own) * 1000,
                    "times the empty target": statistics.median(
                        one.cpu_seconds / other.cpu_seconds for one, other in pairs_of_turns
                    ),
                }
            )
    return Table(
        name="startup",
        conditions=f"medians of {rounds} rounds; the ratio is that of CPU time",
        columns={
            "command": "",
            "with": "",
            "ms": ",.0f",
            "CPU ms": ",.0f",
            "times the empty target": ".2f",
        },
        rows=rows,
    )


def _imports(folder: Path, command: list[str]) -> Table:
    """Time that importing takes, by package, each without what it imports of others."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=folder,
        env={"PYTHONPATH": PYTHONPATH, "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    microseconds: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        if line.startswith("import time:") and not line.startswith("import time: self"):
            own, _, name = line.removeprefix("import time:").split("|")
            package = name.strip().partition(".")[0]
            package = "the standard library" if package in sys.stdlib_module_names else package
            microseconds[package] += int(own)
            modules[package] += 1
    rows = [
        {"package": package, "modules": modules[package], "ms": taken / 1000}
        for package, taken in microseconds.most_common(_SHOWN_PACKAGES)
    ]
    return Table(
        name="imports",
        conditions="an empty run of target-leads, one time; telling the time takes a part of it",
        columns={"package": "", "modules": ",", "ms": ".1f"},
        rows=rows,
    )


def _turn(run: Run) -> Turn:
    return turn(run.command, folder=run.folder, variables={"PYTHONPATH": PYTHONPATH})


if __name__ == "__main__":
    main("Commands that have nothing to do.", add_arguments, measure)
