"""Runs a command and says what it took: time, processor and memory of the process, its start and end included."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PYTHONPATH = str(Path(__file__).parents[2])
_KIB = 1024 if sys.platform != "darwin" else 1
_TOLD_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one process took."""

    seconds: float
    cpu_seconds: float
    """Of all its threads and of those of its children that it waited for, in the system's code too."""
    peak_bytes: int | None
    """Of resident memory. None if that is no more than this process takes: one begins as a copy of the other."""


def turn(
    command: Sequence[str], *, folder: Path, stdin: Path | None = None, variables: Mapping[str, str] | None = None
) -> Turn:
    """Run a command in a folder, to its end.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", **(variables or {})}
    with tempfile.TemporaryFile() as words, (stdin or Path(os.devnull)).open("rb") as lines:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=lines, stdout=subprocess.DEVNULL, stderr=words
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            words.seek(0)
            said = "\n".join(words.read().decode(errors="replace").splitlines()[-_TOLD_LINES:])
            raise SystemExit(f"{command[0]} ended with {process.returncode}:\n{said}")
    peak, own = used.ru_maxrss * _KIB, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    return Turn(seconds=seconds, cpu_seconds=used.ru_utime + used.ru_stime, peak_bytes=peak if peak > own else None)


def beside_python(name: str) -> str:
    """A command that is installed beside the Python that runs.

    Raises:
        SystemExit: it is not.
    """
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise SystemExit(f"{name} is not installed beside {sys.executable}: run the benchmarks by `make bench`.")
    return str(path)
