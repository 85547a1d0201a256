"""A Meltano project, as a person at a terminal has it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.machine import lacks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE_SECONDS = 300
_NO_INDEX = ("Failed to fetch", "error sending request", "network was disabled")
"""What uv says then."""
_OURS = ("MELTANO", "PYTHON", "TAP_", "TARGET_LEADS_")
ROOT = Path(__file__).parents[2]


def checkout_at(folder: Path) -> Path:
    """A fresh checkout there, as far as building and using it goes."""
    return Path(shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "tests", "dist")))


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a Meltano command ended."""

    status: int
    stdout: str
    log: str
    """Its stderr: Meltano's own lines and those of the plugins."""

    def must_have_installed(self) -> None:
        """See that it went well, or was no fault of ours."""
        if any(words in self.log for words in _NO_INDEX):
            lacks("the package index was not reached")
        assert self.status == 0, self.log


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Meltano project, and the variables that its commands see."""

    folder: Path
    command: Path
    """Meltano's."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The process's, without what could lead Meltano or a plugin elsewhere, and with the variables."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = f"{self.command.parent}{os.pathsep}{own['PATH']}"
        return {**own, "PATH": path, "NO_COLOR": "1", **self.variables}

    def with_variables(self, **variables: str) -> Project:
        """The same project, in another environment."""
        return replace(self, variables={**self.variables, **variables})

    def meltano(self, *arguments: str) -> Ended:
        """Do a command to its end."""
        return self._do([str(self.command), *arguments])

    def shell(self, commands: str) -> Ended:
        """Do what a page tells to type, up to the first command that fails."""
        return self._do(["bash", "-euo", "pipefail", "-c", commands])

    def _do(self, command: list[str]) -> Ended:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ended(status=done.returncode, stdout=done.stdout, log=done.stderr)

    def run(self, *arguments: str) -> Ended:
        """``meltano run`` from the warehouse to the providers."""
        return self.meltano("run", *arguments, "tap-postgres", "target-leads")

    def state(self, state_id: str = "sandbox:tap-postgres-to-target-leads") -> dict[str, Any]:
        """What Meltano keeps as STATE."""
        bookmarks: dict[str, Any] = json.loads(self.meltano("state", "get", state_id).stdout).get("singer_state", {})
        return bookmarks

    def last_run(self) -> dict[str, Any]:
        """What the store says of the last run, without what is zero."""
        with closing(sqlite3.connect(self.folder / "target-leads.db")) as store:
            store.row_factory = sqlite3.Row
            row = dict(store.execute("SELECT * FROM runs ORDER BY started_at DESC LIMIT 1").fetchone())
        told = {"exit_status", "received", "requests"}
        outcomes = {
            name: row[name]
            for name in ("delivered", "unchanged", "invalid", "rejected", "failed", "unsettled", "unconfirmed")
            if row[name]
        }
        return {name: row[name] for name in told} | outcomes

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change meltano.yml."""
        path = self.folder / "meltano.yml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(settings)
        path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
