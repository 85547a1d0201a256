"""Starts the server that everyone delivers to, and asks it how much has come."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A server on loopback."""

    url: str

    def answered(self) -> int:
        """How many updates it has answered so far."""
        with urllib.request.urlopen(self.url, timeout=30) as response:  # noqa: S310 -- our own
            return int(response.read())


@contextlib.contextmanager
def local_server(latency_milliseconds: float) -> Iterator[LocalServer]:
    """A server process, which ends with the ``with`` block."""
    command = [sys.executable, str(_SERVER), str(latency_milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield LocalServer(url=f"http://127.0.0.1:{int(process.stdout.readline())}/v1")
