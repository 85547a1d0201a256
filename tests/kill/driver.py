"""Starts runs of target-leads that end by a signal at a point that can be named, or after so many seconds.

A process of its own, which has imported the product once and forks for each run, so that a run begins at once. It
reads an order, a JSON object, from each line of its stdin. Its stdout is the runs' own: what stands there is STATE,
but for one line when a run is gone, `ended` and a JSON object with its exit status and when that was.

    {"arguments": ["--config", "config.json"], "folder": "/somewhere", "stderr": "1.txt",
     "kill": {"signal": 9, "point": "after send", "count": 3}}
    {"arguments": [], "folder": "/somewhere", "stderr": "2.txt", "kill": {"signal": 15, "after_seconds": 0.25}}
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import target_leads.target
from target_leads.cli import main
from target_leads.delivery import Transport
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY_SECONDS = 0.002


class Trap:
    """Sends a signal to its own process when a point is reached for the so-manieth time."""

    def __init__(self, *, signal: int, point: str, count: int) -> None:
        """Wait for the point."""
        self._signal = signal
        self._point = point
        self._left = count
        self._lock = threading.Lock()

    def reach(self, point: str) -> None:
        """Say that a point is reached."""
        if point == self._point:
            with self._lock:
                self._left -= 1
                if self._left == 0:
                    os.kill(os.getpid(), self._signal)

    def around(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The same function, with a point before it and one after it."""

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            self.reach(f"before {name}")
            result = function(*args, **options)
            self.reach(f"after {name}")
            return result

        return call


def _run(order: dict[str, Any]) -> None:
    """Be the run: leaves by SystemExit, as the command does, unless it is killed."""
    os.chdir(order["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(order["stderr"], os.O_WRONLY | os.O_CREAT, 0o600), 2)
    kill = order["kill"]
    if "point" in kill:
        trap = Trap(**kill)
        Transport.send = trap.around(Transport.send, "send")  # type: ignore[method-assign]
        Store.announce = trap.around(Store.announce, "announce")  # type: ignore[method-assign]
        Store.settle = trap.around(Store.settle, "commit")  # type: ignore[method-assign]
        target_leads.target.print_line = trap.around(target_leads.target.print_line, "STATE")
    sys.argv = ["target-leads", *order["arguments"]]
    main()


def _watch(run: int, kill: dict[str, Any]) -> tuple[int, float]:
    """Exit status of a run, negative for a signal, and when it was gone. Kills it if its time has come."""
    kill_at = time.monotonic() + kill["after_seconds"] if "after_seconds" in kill else None
    while True:
        gone, status = os.waitpid(run, 0 if kill_at is None else os.WNOHANG)
        if gone:
            return os.waitstatus_to_exitcode(status), time.monotonic()
        if kill_at is not None and time.monotonic() >= kill_at:
            os.kill(run, kill["signal"])
            kill_at = None
        else:
            time.sleep(_LOOK_EVERY_SECONDS)


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        run = os.fork()
        if not run:
            _run(order)
        status, ended_at = _watch(run, order["kill"])
        # On a line of its own, even if the run was killed in the middle of one.
        os.write(1, f"\nended {json.dumps({'status': status, 'ended_at': ended_at})}\n".encode())


if __name__ == "__main__":
    _serve()
