"""What tests of quietness share: a provider that repeats what it hears, and processes that begin at once."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.security.canaries import CREDENTIALS, PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[2]


class Parrot:
    """A provider on a bare socket. Its answer is any function of the bytes that came; none: it hangs up."""

    def __init__(self) -> None:
        """Take requests from now on."""
        self.heard = b""
        self.answer: Callable[[bytes], bytes | None] = lambda _: None
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def wait(self, _: bytes) -> None:
        """An answer that does not come as long as anybody waits for it."""
        self._closing.wait()

    def close(self) -> None:
        """Take no more."""
        self._closing.set()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as incoming:
            while request := _request(incoming):
                self.heard += request
                answer = self.answer(request)
                if answer is None:
                    return
                connection.sendall(answer)
                if b"connection: close" in answer:
                    return


def _request(incoming: Any) -> bytes:
    head = b""
    while (line := incoming.readline()) not in (b"", b"\r\n"):
        head += line
    length = next((int(each[15:]) for each in head.lower().split(b"\r\n") if each.startswith(b"content-length:")), 0)
    return head + incoming.read(length) if head else b""


@pytest.fixture
def parrot() -> Iterator[Parrot]:
    """A provider that hangs up, until the test gives it an answer."""
    parrot = Parrot()
    yield parrot
    parrot.close()


@pytest.fixture(scope="session")
def driver() -> Iterator[subprocess.Popen[str]]:
    """What starts processes. Python's own checks and warnings are all on."""
    environment = os.environ | {"PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1", "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.security.driver"],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def run_in(driver: subprocess.Popen[str]) -> Callable[..., int]:
    """Runs the command in a folder; returns its exit status."""

    def run(
        folder: Path,
        *arguments: str,
        lines: bytes = b"",
        environment: dict[str, str] | None = None,
        crash: dict[str, str] | None = None,
    ) -> int:
        (folder / "stdin").write_bytes(lines)
        for name in ("stdout", "stderr"):
            (folder / name).write_bytes(b"")
        order = {"arguments": arguments, "folder": str(folder), "environment": environment or {}, "crash": crash}
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(json.dumps(order) + "\n")
        driver.stdin.flush()
        return int(driver.stdout.readline())

    return run


def settings(url: str, provider: str = "canary", **more: Any) -> dict[str, Any]:
    """Settings that send every stream to one of the tests' providers."""
    return {
        "provider": provider,
        "provider_paths": [str(PROVIDERS)],
        "providers": {provider: {**CREDENTIALS, "base_url": url}},
        "report_path": "report.json",
        "max_tries": 2,
        "max_wait_seconds": 2,
        "reject_limit": "100%",
        **more,
    }
