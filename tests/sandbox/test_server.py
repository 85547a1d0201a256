"""Serving the sandbox: from a thread for tests, and as a process for people and runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import requests

from target_leads.exceptions import SettingsError
from target_leads.sandbox import Emulator, running, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.providers import Definition

_SERVE = """
import pathlib, signal, sys
from target_leads.providers import load
from target_leads.sandbox import serve

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script started the tests in the background
folders = [pathlib.Path(folder) for folder in sys.argv[2:]]
serve(port=0, scenario="healthy", definitions=load(folders), until_stdin_closes=sys.argv[1] == "child")
"""


@pytest.fixture
def process(request: pytest.FixtureRequest, definitions: Mapping[str, Definition]) -> Iterator[subprocess.Popen[str]]:
    """The sandbox in a process of its own."""
    folders = [str(definition.folder) for definition in definitions.values()]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _SERVE, request.param, *folders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_starts_and_stops_quickly(emulator: Emulator) -> None:
    """The URL works at once in the block and no more after it, and no thread stays behind."""
    threads, started = threading.active_count(), time.monotonic()
    with running(emulator) as url:
        assert requests.get(url, timeout=5).ok
        assert time.monotonic() - started < 0.5

    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(url, timeout=5)
    assert threading.active_count() == threads


def test_is_on_loopback_only(url: str) -> None:
    """No other machine can reach it."""
    assert url.startswith("http://127.0.0.1:")


def test_many_clients_at_once(url: str, emulator: Emulator) -> None:
    """Requests that come at the same time are all handled."""

    def send(number: int) -> None:
        for step in range(20):
            requests.patch(
                f"{url}/acme/v1/leads/{number}-{step}",
                json={"email": "ada@example.com"},
                headers={"x-api-key": "key"},
                timeout=5,
            ).raise_for_status()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(emulator.leads["acme"]) == emulator.request_count == 160


def test_port_in_use(definitions: Mapping[str, Definition]) -> None:
    """A port that something else listens on is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"{port} is in use on 127.0.0.1. Stop what uses it, or give another"):
            serve(port=port, scenario="healthy", definitions=definitions)


def test_port_out_of_range(definitions: Mapping[str, Definition]) -> None:
    """A number that is no port is a setting to mend."""
    with pytest.raises(SettingsError, match="70000 is no port"):
        serve(port=70000, scenario="healthy", definitions=definitions)


@pytest.mark.parametrize("process", ["person"], indirect=True)
def test_serves_until_interrupted(process: subprocess.Popen[str]) -> None:
    """Stdout has the URL alone, once it answers; stderr has words for people; Ctrl+C ends it without complaint."""
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert requests.get(url, timeout=5).json()["providers"][0]["base_url"] == f"{url}/acme/v1"
    process.send_signal(signal.SIGINT)
    rest, words = process.communicate(timeout=10)

    assert (process.returncode, rest) == (0, "")
    assert f"  acme    {url}/acme/v1\n  globex  {url}/globex\n" in words
    assert words.endswith("Press Ctrl+C to stop it.\n")


@pytest.mark.parametrize("process", ["child"], indirect=True)
def test_child_outlives_signals_and_ends_with_its_parent(process: subprocess.Popen[str]) -> None:
    """A sandbox that belongs to a run answers until that lets go of its stdin, whatever signals both of them get."""
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        assert requests.get(url, timeout=5).ok
    process.communicate(timeout=10)

    assert process.returncode == 0
