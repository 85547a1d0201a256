"""The container that the page on Meltano makes, as far as that goes without Docker: each step of its Dockerfile."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from meltano_project import ROOT, Project, checkout_at

from target_leads.providers import bundled
from tests.machine import lacks
from tests.markdown import blocks_to_run

if TYPE_CHECKING:
    from pathlib import Path

    from target_leads.sandbox import Emulator

pytestmark = pytest.mark.slow


@dataclass(kw_only=True)
class Image:
    """A folder that stands for a file system, and what a Dockerfile says of the process in it."""

    root: Path
    context: Path
    """Where COPY finds what it copies."""
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def do(self, step: str) -> None:
        """Carry out a line of the Dockerfile."""
        instruction, rest = step.split(maxsplit=1)
        getattr(self, f"_{instruction.lower()}")(rest)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Start a process as Docker would: in the folder, with the image's variables."""
        project = Project(
            folder=self.folder, command=self.root / "python" / "bin" / "meltano", variables=self.variables
        )
        return subprocess.run(
            command, cwd=self.folder, env=project.environment, capture_output=True, text=True, check=False
        )

    def _from(self, base: str) -> None:
        assert base.startswith("python:")
        subprocess.run([sys.executable, "-m", "venv", self.root / "python"], check=True)

    def _run(self, command: str) -> None:
        done = self.run("/bin/sh", "-c", command)
        if done.returncode != 0 and re.search("connection|fetch", done.stderr, re.IGNORECASE):
            lacks("the package index was not reached")
        assert done.returncode == 0, done.stderr

    def _copy(self, what: str) -> None:
        source, target = what.split()
        if (self.context / source).is_dir():
            shutil.copytree(self.context / source, self._inside(target), dirs_exist_ok=True)
        else:
            shutil.copy(self.context / source, self._inside(target))

    def _env(self, setting: str) -> None:
        name, value = setting.split("=", 1)
        self.variables[name] = str(self._inside(value)) if value.startswith("/") else value

    def _workdir(self, path: str) -> None:
        self.folder = self._inside(path)
        self.folder.mkdir(parents=True, exist_ok=True)

    def _entrypoint(self, words: str) -> None:
        self.entrypoint = json.loads(words)

    def _cmd(self, words: str) -> None:
        self.command = json.loads(words)

    def _inside(self, path: str) -> Path:
        return self.root / path.removeprefix("/") if path.startswith("/") else self.folder / path


@pytest.mark.usefixtures("warehouse")
def test_the_steps_of_the_dockerfile(
    installed: Project, tap_url: str, sandbox_url: str, emulator: Emulator, tmp_path: Path
) -> None:
    """They make what delivers every row, given a ``.env`` at its start, and install nothing any more then."""
    (dockerfile,) = blocks_to_run("docs/meltano.md", "In a container", by=__file__)
    context = tmp_path / "context"
    checkout_at(context / "target-leads")
    (context / "leads").mkdir()
    shutil.copy(installed.folder / "meltano.yml", context / "leads")
    image = Image(root=tmp_path / "image", context=context, folder=tmp_path / "image")
    for step in dockerfile.text.splitlines():
        image.do(step)
    assert image.folder == tmp_path / "image" / "leads"
    assert [path.name for path in image.folder.iterdir() if path.is_file()] == ["meltano.yml"]

    # Docker would mount it here. The path of the checkout in it is that of another machine.
    example = (ROOT / "sample_data" / "warehouse" / "env.example").read_text(encoding="utf-8")
    given = re.sub(r"^# (\w+)=$", r'\1="my-own"', example, flags=re.MULTILINE)
    given = re.sub(r"(?<=TAP_POSTGRES_SQLALCHEMY_URL=).+", tap_url, given)
    given += "".join(
        f"TARGET_LEADS_PROVIDERS_{name.upper()}_BASE_URL={sandbox_url}{definition.sandbox_path}\n"
        for name, definition in bundled().items()
    )
    (image.folder / ".env").write_text(given, encoding="utf-8")
    done = image.run(*image.entrypoint, *image.command)
    assert done.returncode == 0, done.stderr
    assert {name: len(emulator.leads[name]) for name in bundled()} == dict.fromkeys(bundled(), 2)
    assert {lead["resourceId"] for lead in emulator.leads["perch"].values()} == {"my-own"}
    assert "nstalling" not in done.stderr
