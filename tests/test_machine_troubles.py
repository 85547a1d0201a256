"""What a machine does to a run under way: its disk is full, its store cannot be written, its clock is set back."""

from __future__ import annotations

import contextlib
import json
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running
from tests.conftest import OWN_PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow  # runs in processes of their own
SCHEMA = {
    "type": "SCHEMA",
    "stream": "leads",
    "key_properties": ["id"],
    "schema": {"properties": {"id": {"type": "string"}, "email": {}, "note": {}}},
}
LEADS = 600
_RUN = "from target_leads.cli import main; main()"
WITH_LITTLE_ROOM = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); {_RUN}"
WITH_A_CLOCK_SET_BACK = f"""
import os, time
as_it_is = time.time
time.time = lambda: as_it_is() - 3600 * os.path.exists("set-back")
{_RUN}
"""


class Machine(NamedTuple):
    """Where runs are done, as processes."""

    emulator: Emulator
    processes: list[subprocess.Popen[str]]
    """Those that were started; the last one may be under way."""

    def run(self, program: str = _RUN, *arguments: str) -> tuple[int, list[int], str]:
        """Do a run; gives its status, the bookmarks that it printed, and the last line that it said."""
        command = [sys.executable, "-c", program, *(arguments or ("--input", "leads.jsonl")), "--config", "config.json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            self.processes.append(process)
            out, errors = process.communicate(timeout=60)
        bookmarks = [json.loads(line)["bookmark"] for line in out.splitlines() if line.startswith('{"bookmark"')]
        return process.returncode, bookmarks, errors.splitlines()[-1]


@pytest.fixture
def on_arrival() -> list[Callable[[Arrival], None]]:
    """What happens on the machine while a request is at the provider; none unless a test says so."""
    return []


@pytest.fixture
def machine(on_arrival: list[Callable[[Arrival], None]]) -> Iterator[Machine]:
    """A machine with the provider beside it, and settings that point there."""

    def scenario(arrival: Arrival) -> Interference:
        for happens in on_arrival:
            happens(arrival)
        return Interference()

    emulator = Emulator(load_all([str(OWN_PROVIDERS)]), scenario)
    with running(emulator) as url:
        account = {"token": "sandbox", "base_url": f"{url}/generic/v1"}
        config = {"provider": "generic", "provider_paths": [str(OWN_PROVIDERS)], "providers": {"generic": account}}
        more = {"batch_size_rows": 20, "report_path": "report.json"}
        Path("config.json").write_text(json.dumps({**config, **more}), "utf-8")
        yield Machine(emulator, [])


def write_input(messages: list[dict[str, Any]]) -> None:
    """Write what a tap says."""
    Path("leads.jsonl").write_text("".join(f"{json.dumps(message)}\n" for message in [SCHEMA, *messages]), "utf-8")


def record(lead_id: str, **fields: Any) -> dict[str, Any]:
    """A RECORD message."""
    return {"type": "RECORD", "stream": "leads", "record": {"id": lead_id, **fields}}


def state(bookmark: int) -> dict[str, Any]:
    """A STATE message."""
    return {"type": "STATE", "value": {"bookmark": bookmark}}


def settled() -> int:
    """How many leads the store says were delivered."""
    with contextlib.closing(sqlite3.connect("target-leads.db")) as connection:
        query = "SELECT count(DISTINCT lead_id) FROM outcomes WHERE outcome = 'delivered'"
        (count,) = connection.execute(query).fetchone()
        return int(count)


@pytest.fixture
def many_leads() -> None:
    """Input with a STATE behind every tenth lead."""
    messages: list[dict[str, Any]] = []
    for number in range(1, LEADS + 1):
        messages.append(record(f"L{number}", email=f"lead-{number}@example.com"))
        messages += [] if number % 10 else [state(number)]
    write_input(messages)


def must_have_stopped(ended: tuple[int, list[int], str]) -> None:
    """The run stopped for its store, said so, and told the tap of no lead that is not in it."""
    status, bookmarks, last_line = ended
    assert status == 1
    assert last_line == (
        "The store sqlite:///target-leads.db cannot be used: disk I/O error. No STATE was printed for what it does "
        "not hold. See that it exists, is not full, damaged or locked by another program, then run again."
    )
    assert 0 < bookmarks[-1] <= settled() < LEADS


def must_make_it_up(machine: Machine) -> None:
    """The next run, on a machine that was mended, sends what is missing; of the rest at most a batch again."""
    before = settled()
    sent = len(machine.emulator.requests)
    status, bookmarks, _ = machine.run()
    assert (status, bookmarks[-1], settled()) == (0, LEADS, LEADS)
    assert sorted(machine.emulator.leads["generic"]) == sorted(f"L{number}" for number in range(1, LEADS + 1))
    assert len(machine.emulator.requests) - sent == LEADS - before


@pytest.mark.usefixtures("many_leads")
def test_a_disk_that_is_full(machine: Machine) -> None:
    """What the store has no room for is not settled."""
    must_have_stopped(machine.run(WITH_LITTLE_ROOM))
    report = json.loads(Path("report.json").read_text("utf-8"))
    assert (report["exit_status"], report["delivered"]) == (1, settled())
    assert report["received"] == report["delivered"] + report["unsettled"]
    must_make_it_up(machine)


@pytest.mark.skipif(sys.platform != "linux", reason="only there one process limits another")
@pytest.mark.usefixtures("many_leads")
def test_a_store_that_cannot_be_written_any_more(machine: Machine, on_arrival: list[Callable[[Arrival], None]]) -> None:
    """So it is from one moment to the next, with requests in flight: as if its disk were made read-only."""

    def write_no_more(arrival: Arrival) -> None:
        if "/L205?" in arrival.target:
            resource.prlimit(machine.processes[-1].pid, resource.RLIMIT_FSIZE, (0, 0))

    on_arrival.append(write_no_more)
    must_have_stopped(machine.run())
    on_arrival.clear()
    must_make_it_up(machine)


def test_a_clock_that_is_set_back(machine: Machine, on_arrival: list[Callable[[Arrival], None]]) -> None:
    """By an hour, in the middle: records keep their order, no dead letter is newer than what came after it."""

    def set_back(arrival: Arrival) -> None:
        if "/L2?" in arrival.target:
            Path("set-back").touch()

    on_arrival.append(set_back)
    config = json.loads(Path("config.json").read_text("utf-8"))
    Path("config.json").write_text(json.dumps({**config, "batch_size_rows": 1, "reject_limit": "100%"}), "utf-8")
    first = [record("L1", email="no e-mail"), record("L1", note="A"), state(1), record("L3", email="none"), state(2)]
    then = [record("L1", note="B"), record("L1", note="A"), record("L3", note="new"), state(4)]
    write_input([*first, record("L2", note="C"), state(3), *then])
    status, bookmarks, _ = machine.run(WITH_A_CLOCK_SET_BACK)
    assert Path("set-back").exists()
    assert (status, bookmarks) == (0, [1, 2, 3, 4])
    assert machine.emulator.leads["generic"]["L1"]["note"] == "A"
    report = json.loads(Path("report.json").read_text("utf-8"))
    assert (report["received"], report["delivered"], report["invalid"], report["unsettled"]) == (7, 5, 2, 0)
    assert 0 <= report["duration_seconds"] < 60
    assert report["finished_at"] >= report["started_at"]

    show = [sys.executable, "-c", _RUN, "runs", "show", "latest", "--config", "config.json"]
    assert "after 0.0 s" in subprocess.run(show, capture_output=True, text=True, check=True).stdout
    sent = len(machine.emulator.requests)
    status, _, _ = machine.run(_RUN, "dead-letters", "replay")
    assert (status, len(machine.emulator.requests)) == (0, sent)
