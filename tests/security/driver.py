"""Runs target-leads in processes of their own that begin at once: it has imported the product, and forks for each.

It reads an order, a JSON object, from each line of its stdin, and prints the exit status when the process is gone.

    {"arguments": ["--config", "config.json"], "folder": "/somewhere", "environment": {"LOGLEVEL": "DEBUG"},
     "crash": {"point": "target_leads.mapping:StreamMapping.map", "kind": "ValueError", "words": "what it says"}}

The process has stdin, stdout and stderr in files of these names in the folder, and creates files for everybody, as far
as it does not mind. Where it is to crash, the function at the point raises such an error instead.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import target_leads.replay  # noqa: F401 -- with it all that a run needs
from target_leads.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable


def _set_trap(crash: dict[str, str]) -> None:
    """Let the function at the point raise."""
    module, _, name = crash["point"].partition(":")
    *owners, name = name.split(".")
    owner: Any = import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, _crashing(crash))


def _crashing(crash: dict[str, str]) -> Callable[..., Any]:
    def crashing(*_: Any, **__: Any) -> Any:
        words = crash["words"]  # a local variable too, for whoever prints those
        if crash["kind"] == "abort":
            os.abort()
        raise getattr(builtins, crash["kind"])(words) from LookupError(words)

    return crashing


def _run(order: dict[str, Any]) -> None:
    """Be the process: leaves by SystemExit, as the command does."""
    os.chdir(order["folder"])
    os.umask(0)
    os.environ.update(order["environment"])
    for number, name, mode in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_WRONLY), (2, "stderr", os.O_WRONLY)):
        os.dup2(os.open(name, mode | os.O_CREAT, 0o600), number)
    if order["crash"]:
        _set_trap(order["crash"])
    sys.argv = ["target-leads", *order["arguments"]]
    main()


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        process = os.fork()
        if not process:
            _run(order)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
