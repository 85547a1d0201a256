"""Installed by the wheel alone, into an environment that has nothing else, it does its work."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import target_leads
from target_leads.models import Outcome
from target_leads.store import Store
from tests.distribution.pythons import found, supported
from tests.machine import lacks
from tests.requirements import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
_MINUTE = 60
NOT_NEEDED = ["pytest", "hypothesis", "psycopg", "mypy"]
"""What only developers, or users of an extra, have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A virtual environment, and an empty folder to work in."""

    environment: Path
    folder: Path

    def run(self, command: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Do a command of the environment, with more variables. Nothing of this checkout is in sight."""
        variables = {"PATH": f"{self.environment}/bin:{os.environ['PATH']}", "HOME": str(self.folder), **more}
        # The index and the certificates that this machine needs.
        variables |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return subprocess.run(
            [str(self.environment / "bin" / command), *arguments],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=10 * _MINUTE,
        )


@pytest.fixture(params=supported())
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """A new and empty environment of each Python that the package says it runs on."""
    python = found(request.param)
    if python is None:
        lacks(f"this machine has no Python {request.param}")
    subprocess.run([python, "-m", "venv", str(tmp_path / "environment")], check=True)
    (tmp_path / "work").mkdir()
    return Installation(environment=tmp_path / "environment", folder=tmp_path / "work")


def install(installation: Installation, requirement: str) -> None:
    """As a user does, but with the versions that the other tests are run with."""
    constraints = str(ROOT / "constraints.txt")
    installed = installation.run("python", "-m", "pip", "install", "--quiet", "--constraint", constraints, requirement)
    assert installed.returncode == 0, installed.stderr
    checked = installation.run("python", "-m", "pip", "check")
    assert checked.returncode == 0, checked.stdout


def delivers_the_sample(installation: Installation) -> None:
    """The command is there, knows its version, and delivers the sample to the sandbox that it brings along."""
    version = installation.run("target-leads", "--version")
    assert version.stdout.startswith(f"target-leads v{target_leads.__version__},")
    shutil.copytree(ROOT / "sample_data", installation.folder / "sample_data")
    (installation.folder / ".demo").mkdir()
    demo = installation.run(
        "target-leads", "--config", "sample_data/config.json", "--input", "sample_data/leads.singer.jsonl"
    )
    assert demo.returncode == 0, demo.stderr
    assert "Done. 22 records received: 20 delivered, 1 invalid, 1 rejected." in demo.stderr


def test_it_runs_the_demo(installation: Installation, wheel: Path) -> None:
    """The wheel needs nothing that it does not ask for, and brings its providers and its sandbox."""
    install(installation, str(wheel))
    for name in NOT_NEEDED:
        assert installation.run("python", "-c", f"import {name}").returncode == 1, name
    checked = installation.run("target-leads", "providers", "check")
    assert (checked.returncode, checked.stdout.count("nothing is wrong")) == (0, 5), checked.stdout
    delivers_the_sample(installation)


@pytest.mark.parametrize("installation", [supported()[-1]], indirect=True)
def test_pipx_installs_it(installation: Installation, wheel: Path, tmp_path: Path) -> None:
    """As the README says, and with the newest versions that the wheel lets in."""
    if installation.run("python", "-m", "pip", "install", "--quiet", "pipx").returncode != 0:
        lacks("pipx could not be installed from the package index")
    user = tmp_path / "user"  # pipx puts commands into its folder bin
    places = {f"PIPX_{name}": str(user / folder) for name, folder in (("HOME", "pipx"), ("BIN_DIR", "bin"))}
    installed = installation.run("pipx", "install", str(wheel), **places)
    assert installed.returncode == 0, installed.stderr
    delivers_the_sample(Installation(environment=user, folder=installation.folder))


@pytest.mark.parametrize("installation", [supported()[-1]], indirect=True)
def test_the_extra_for_postgresql(installation: Installation, wheel: Path, postgresql_url: str) -> None:
    """With the extra ``postgres``, and only with it, the store may be on PostgreSQL."""
    install(installation, f"{wheel}[postgres]")
    shutil.copytree(ROOT / "sample_data", installation.folder / "sample_data")
    config = json.loads((installation.folder / "sample_data" / "config.json").read_text())
    (installation.folder / "config.json").write_text(json.dumps({**config, "store_url": postgresql_url}))
    run = installation.run("target-leads", "--config", "config.json", "--input", "sample_data/leads.singer.jsonl")
    assert run.returncode == 0, run.stderr
    with contextlib.closing(Store(postgresql_url, now=lambda: 0.0)) as store:
        outcomes = [letter.outcome for letter in store.open_dead_letters()]
    assert outcomes == [Outcome.INVALID, Outcome.REJECTED]
