"""A run that is told to stop: what is in flight is settled, what was never sent is not, and it leaves in time.

The provider is a bare socket in the test's own hands: a request that has arrived and has no answer yet is in flight,
and stays so as long as the test wants.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWN_PROVIDERS = Path(__file__).parent / "providers"
PATIENCE_SECONDS = 30
"""How long anything may take before the test fails. Nothing here waits for so long."""

SCHEMA = {"type": "SCHEMA", "stream": "leads", "key_properties": ["id"], "schema": {"properties": {}}}
SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]


class Provider:
    """A provider that takes requests when the test says so."""

    def __init__(self, listener: socket.socket) -> None:
        """Take requests that come to this socket."""
        self._listener = listener
        self._listener.settimeout(PATIENCE_SECONDS)
        self._connection: socket.socket | None = None

    @property
    def base_url(self) -> str:
        """Where the run finds it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def request(self) -> str:
        """Wait for a request; returns the id of its lead. It is in flight until it is answered."""
        if self._connection is None:
            self._connection, _ = self._listener.accept()
            self._connection.settimeout(PATIENCE_SECONDS)
        received = b""
        while not received.endswith(b"}"):
            received += self._connection.recv(65536)
        return received.split(b" ")[1].rpartition(b"/")[2].decode()

    def answer(self) -> None:
        """Say that the update was taken."""
        assert self._connection is not None
        self._connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
        self._listener.close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that nobody has called yet."""
    provider = Provider(socket.create_server(("127.0.0.1", 0)))
    yield provider
    provider.close()


@pytest.fixture
def start(provider: Provider, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a run with some settings and messages. Its input stays open: the tap is not done yet."""
    processes = []
    timers = []

    def start_run(*messages: Any, **settings: Any) -> subprocess.Popen[str]:
        config = {
            "provider": "generic",
            "provider_paths": [str(OWN_PROVIDERS)],
            "providers": {"generic": {"token": "token", "base_url": provider.base_url}},
            "concurrency": 1,
            "shutdown_seconds": 10 * PATIENCE_SECONDS,
            "request_timeout_seconds": 10 * PATIENCE_SECONDS,
            "report_path": "report.json",
        }
        (tmp_path / "config.json").write_text(json.dumps({**config, **settings}), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "target_leads", "--config", "config.json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        processes.append(process)
        timers.append(threading.Timer(PATIENCE_SECONDS, process.kill))
        timers[-1].start()
        assert process.stdin is not None
        for message in (SCHEMA, *messages):
            process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        return process

    yield start_run
    for timer in timers:
        timer.cancel()
    for process in processes:
        with process:
            process.kill()


def record(lead_id: str) -> dict[str, Any]:
    """A RECORD message."""
    return {"type": "RECORD", "stream": "leads", "record": {"id": lead_id, "note": "x"}}


def state(number: int) -> dict[str, Any]:
    """A STATE message."""
    return {"type": "STATE", "value": {"at": number}}


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal, and wait until the run says that it has heard it."""
    process.send_signal(number)
    assert process.stderr is not None
    assert any(line.startswith("Stopping: what is in flight may take ") for line in process.stderr)


def outcome_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and stdout of a run that ends by itself, with its input still open."""
    status = process.wait()
    assert process.stdout is not None
    return status, process.stdout.read()


def counts(tmp_path: Path) -> dict[str, int]:
    """What the run's row in the store says."""
    connection = sqlite3.connect(tmp_path / "target-leads.db")
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT received, delivered, unsettled, exit_status FROM runs").fetchone()
    connection.close()
    return dict(row)


def reported(tmp_path: Path) -> dict[str, int]:
    """The same from its report."""
    report = json.loads((tmp_path / "report.json").read_text())
    return {name: report[name] for name in ("received", "delivered", "unsettled", "exit_status")}


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_what_is_in_flight_is_settled(
    provider: Provider,
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    number: signal.Signals,
    status: int,
) -> None:
    """A request in flight gets its answer; what follows it is not sent, is unsettled, and is covered by no STATE."""
    process = start(record("a"), state(1), record("b"), state(2), batch_size_rows=2)
    assert provider.request() == "a"
    stop(process, number)
    provider.answer()
    assert outcome_of(process) == (status, "")
    assert counts(tmp_path) == {"received": 2, "delivered": 1, "unsettled": 1, "exit_status": status}
    assert reported(tmp_path) == counts(tmp_path)
    assert process.stderr is not None
    assert process.stderr.read().splitlines()[-1].startswith(f"Stopped by {signal.Signals(number).name}.")


def test_state_of_what_was_in_flight_goes_out(
    provider: Provider, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """When all that was received could be settled, its STATE is printed; the status still says that it was stopped."""
    process = start(record("a"), state(1), record("b"), state(2), record("c"), batch_size_rows=2)
    assert provider.request() == "a"
    provider.answer()
    assert provider.request() == "b"
    stop(process)
    provider.answer()
    assert outcome_of(process) == (143, '{"at": 1}\n')
    assert counts(tmp_path) == {"received": 2, "delivered": 2, "unsettled": 0, "exit_status": 143}


def test_a_signal_at_the_end_of_the_input_is_heard(
    provider: Provider, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The last batch, which goes out when the input ends, is stopped like any other: no STATE, and not status 0."""
    process = start(record("a"), record("b"), state(1))
    assert process.stdin is not None
    process.stdin.close()
    assert provider.request() == "a"
    stop(process)
    provider.answer()
    assert outcome_of(process) == (143, "")
    assert counts(tmp_path) == {"received": 2, "delivered": 1, "unsettled": 1, "exit_status": 143}


def test_a_run_that_waits_for_input_leaves_at_once(
    provider: Provider, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """A tap that says nothing does not hold up the end; records that were not sent yet have no STATE."""
    process = start(record("a"), state(1), record("b"), state(2), batch_size_rows=1)
    assert provider.request() == "a"
    provider.answer()
    assert provider.request() == "b"
    provider.answer()
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ['{"at": 1}\n', '{"at": 2}\n']
    process.send_signal(signal.SIGTERM)
    assert outcome_of(process) == (143, "")
    assert counts(tmp_path) == {"received": 2, "delivered": 2, "unsettled": 0, "exit_status": 143}


def test_it_waits_no_longer_than_allowed(
    provider: Provider, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """A request that gets no answer in shutdown_seconds is given up: its fate is unknown, so no STATE covers it."""
    process = start(record("a"), state(1), record("b"), batch_size_rows=2, shutdown_seconds=0)
    assert provider.request() == "a"
    stop(process)
    assert outcome_of(process) == (143, "")
    assert counts(tmp_path) == {"received": 2, "delivered": 0, "unsettled": 2, "exit_status": 143}


def test_a_store_that_does_not_answer_holds_up_no_stop(
    provider: Provider, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Another program holds the store's lock for longer than the run may take to end: it leaves without STATE."""
    process = start(record("a"), state(1), record("b"), batch_size_rows=2, shutdown_seconds=0)
    assert provider.request() == "a"
    with contextlib.closing(sqlite3.connect(tmp_path / "target-leads.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stop(process)
        assert outcome_of(process) == (143, "")
    assert process.stderr is not None
    assert process.stderr.read().splitlines()[-1].startswith("Stopped by a signal, in the middle: the store did not")
    assert counts(tmp_path)["exit_status"] is None


def test_the_same_signal_again_leaves_at_once(
    provider: Provider, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Whoever asks twice does not want to wait, not even for the answer that shutdown_seconds allows for."""
    process = start(record("a"), state(1), batch_size_rows=1)
    assert provider.request() == "a"
    stop(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert outcome_of(process) == (143, "")
    assert counts(tmp_path)["exit_status"] is None
    assert reported(tmp_path)["exit_status"] is None  # what an earlier run has left there would look like success


def test_ctrl_c_below_a_parent_that_passes_it_on_ends_in_order(
    provider: Provider, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Ctrl+C reaches every process of a terminal, and Meltano then sends SIGTERM: that is one wish, not two."""
    process = start(record("a"), state(1), batch_size_rows=1)
    assert provider.request() == "a"
    stop(process, signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    provider.answer()
    assert outcome_of(process) == (130, "")
    assert counts(tmp_path) == {"received": 1, "delivered": 1, "unsettled": 0, "exit_status": 130}
