"""Serving an emulator on loopback: for a person at a terminal, for a run, or for a test."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn

from target_leads.exceptions import SettingsError
from target_leads.sandbox.emulator import Emulator
from target_leads.sandbox.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.providers import Definition
    from target_leads.sandbox.emulator import Application

_HOST = "127.0.0.1"
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 300
"""Longer than a client waits between two requests: it should never find its pooled connection closed."""
_FAREWELL_SECONDS = 2


def serve(*, port: int, scenario: str, definitions: Mapping[str, Definition], until_stdin_closes: bool = False) -> None:
    """Serve until Ctrl+C. Says on stderr what is served, and on stdout in one line the URL, once it takes requests.

    With `until_stdin_closes` it belongs to the process that holds the other end of its stdin and ends with that,
    however that ends. Signals do not end it then: Ctrl+C goes to both, and the parent still needs its answers.

    Raises:
        SettingsError: the port cannot be had, or there is no such scenario.
        DefinitionError: a recorded response of a provider breaks a rule.
    """
    emulator = Emulator(definitions, scenario)
    if until_stdin_closes:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with running(emulator, port=port) as url, contextlib.suppress(KeyboardInterrupt):
        _announce(url, emulator, scenario, until_stdin_closes=until_stdin_closes)
        if until_stdin_closes:
            _wait_for_end_of_stdin()
        else:
            threading.Event().wait()


@contextlib.contextmanager
def running(application: Application, *, port: int = 0) -> Iterator[str]:
    """Serve an emulator from a thread for the length of a ``with`` block, which gets the URL.

    Port 0 means any free one. To stop takes about 0.2 s.

    Raises:
        SettingsError: the port cannot be had.
    """
    listener = _listener(port)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            lifespan="off",
            ws="none",
            log_config=None,
            # An answer that is cut off on purpose is an error to uvicorn, and not worth a line.
            log_level="critical",
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_FAREWELL_SECONDS,
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
    # The socket listens already: what comes before uvicorn is ready waits in its queue.
    url = f"http://{_HOST}:{listener.getsockname()[1]}"
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listener.close()  # older releases of uvicorn leave it open when they are stopped before they are ready


def _listener(port: int) -> socket.socket:
    # Naming the protocol makes asyncio switch off Nagle's algorithm, which costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError([f"--port: {_why(error, port)}"]) from error
    return listener


def _why(error: OSError | OverflowError, port: int) -> str:
    if isinstance(error, OverflowError):
        return f"{port} is no port. Give a number from 1 to 65535, or 0 for any free port."
    if error.errno == errno.EADDRINUSE:
        return f"{port} is in use on {_HOST}. Stop what uses it, or give another port; 0 means any free one."
    return f"{port} cannot be used on {_HOST}: {error.strerror}. Give another port; 0 means any free one."


def _announce(url: str, emulator: Emulator, scenario: str, *, until_stdin_closes: bool) -> None:
    lines = [f"The sandbox emulates these providers, {scenario}: {SCENARIOS[scenario].description}"]
    width = max(map(len, emulator.prefixes), default=0)
    lines += [f"  {name:<{width}}  {url}{prefix}" for name, prefix in emulator.prefixes.items()]
    lines.append("It takes any credential but refused and forbidden, and forgets every lead when it ends.")
    if not until_stdin_closes:
        lines.append("Press Ctrl+C to stop it.")
    print(*lines, sep="\n", file=sys.stderr, flush=True)  # noqa: T201 -- words for people
    print(url, flush=True)  # noqa: T201 -- the line that a parent process waits for


def _wait_for_end_of_stdin() -> None:
    if sys.stdin is not None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
