"""The records of a tap, and the runs that it takes to deliver them when most of the runs are killed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kill.provider import REFUSED

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Sequence
    from random import Random

    from tests.kill.provider import Provider

_PROVIDERS = Path(__file__).parent / "providers"
_SCHEMA = {"type": "SCHEMA", "stream": "leads", "key_properties": ["id"], "schema": {"properties": {}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """How a run is to end: when it reaches a point for the so-manieth time, or after so many seconds."""

    signal: signal.Signals
    point: str = ""
    count: int = 1
    after_seconds: float = 0.0

    def order(self) -> dict[str, Any]:
        """As the driver reads it."""
        moment = {"point": self.point, "count": self.count} if self.point else {"after_seconds": self.after_seconds}
        return {"signal": int(self.signal), **moment}

    def __str__(self) -> str:
        """For people."""
        moment = f"{self.point} {self.count}" if self.point else f"after {self.after_seconds:.3f} s"
        return f"{self.signal.name} {moment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which provider it is, how it behaves, and how much comes at once."""

    provider: str
    leads: int
    records: int
    batch_size_rows: int
    concurrency: int = 4
    latency_seconds: float = 0.002
    job_seconds: float = 0.0
    has_version: bool = False


@dataclass(slots=True, kw_only=True)
class Run:
    """A run, as it was seen from outside."""

    begins_at: int
    """The first record that it was given."""
    kill: Kill | None
    status: int = 0
    ended_at: float = 0.0
    states: list[tuple[int, int]] = field(default_factory=list)
    """Each STATE that it printed, and how many updates its provider had accepted by then."""


class Driver:
    """The process that starts the runs."""

    def __init__(self) -> None:
        """Start it."""
        command = [sys.executable, str(Path(__file__).parent / "driver.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def run(self, order: dict[str, Any]) -> Iterator[str]:
        """Do a run; yields each line of its stdout as it comes, at last how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.strip():
                yield line.strip()
            if line.startswith("ended "):
                return
        raise AssertionError("the driver is gone")


class Scenario:
    """One tap, one provider and one store. A STATE is the number of records that come before it."""

    def __init__(self, shape: Shape, *, random: Random, folder: Path, provider: Provider, driver: Driver) -> None:
        """Write the settings, and think of the records."""
        self.shape = shape
        self.folder = folder
        self.provider = provider
        self.records = list(_records(shape, random))
        self.runs: list[Run] = []
        self._driver = driver
        self.state_after = {number for number in range(1, shape.records) if random.random() < 1 / 5} | {shape.records}
        config = {
            "provider": shape.provider,
            "provider_paths": [str(_PROVIDERS)],
            "providers": {shape.provider: {"token": "token", "base_url": provider.url}},
            "streams": {"leads": {"version_field": "number"} if shape.has_version else {}},
            "batch_size_rows": shape.batch_size_rows,
            "concurrency": shape.concurrency,
            "confirm_timeout_seconds": 0.5,
            "reject_limit": "100%",
        }
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    @property
    def kills(self) -> int:
        """How many runs ended by a signal."""
        return sum(run.status != 0 for run in self.runs)

    def run(self, kill: Kill | None = None) -> Run:
        """Do a run on what comes after the last STATE."""
        number = len(self.runs)
        begins_at = next((run.states[-1][0] for run in reversed(self.runs) if run.states), 0)
        run = Run(begins_at=begins_at, kill=kill)
        self.runs.append(run)
        lines = map(json.dumps, self._messages(begins_at))
        (self.folder / f"{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        self.provider.run = number
        order = {
            "arguments": ["--config", "config.json", "--input", f"{number}.jsonl"],
            "folder": str(self.folder),
            "stderr": f"{number}.txt",
            "kill": kill.order() if kill is not None else {},
        }
        *_, end = (line for line in self._driver.run(order) if not self._note(run, line))
        ended = json.loads(end.removeprefix("ended "))
        run.status, run.ended_at = ended["status"], ended["ended_at"]
        self.provider.become_quiet()
        return run

    def runs_until_done(self, kills: Sequence[Kill]) -> Iterator[Run]:
        """A run for each kill, as long as there is something to do; then one that nobody kills."""
        for kill in kills:
            run = self.run(kill)
            yield run
            if run.status == 0 or (run.states and run.states[-1][0] == len(self.records)):
                break
        if self.runs[-1].status != 0:
            yield self.run()
        if self.shape.provider == "jobs":
            self.provider.end_jobs()
            yield self.run()  # which asks after the jobs that are open still

    def _note(self, run: Run, line: str) -> bool:
        if line.startswith("ended "):
            return False
        run.states.append((json.loads(line)["at"], len(self.provider.accepted)))
        return True

    def _messages(self, begins_at: int) -> Iterator[dict[str, Any]]:
        yield _SCHEMA
        for number, record in enumerate(self.records[begins_at:], start=begins_at + 1):
            yield {"type": "RECORD", "stream": "leads", "record": record}
            if number in self.state_after:
                yield {"type": "STATE", "value": {"at": number}}


def _records(shape: Shape, random: Random) -> Iterator[dict[str, Any]]:
    """Updates of leads in any order. A few are invalid, and a few are of leads that the provider refuses."""
    names = [f"{REFUSED}-1", f"{REFUSED}-2", *(f"lead-{number}" for number in range(shape.leads - 2))]
    for number in range(shape.records):
        lead_id = random.choice(names)
        record = {
            "id": lead_id,
            "number": number,
            "email": "not an address" if random.random() < 0.04 else f"{lead_id}@example.com",
            "stage": random.choice(["open", "contacted", "won"]),
            "note": random.choice(["", "calls back", "called back"]),
        }
        if shape.provider == "partial":
            for name in ("email", "stage", "note"):
                if random.random() < 0.3:
                    del record[name]
        yield record
