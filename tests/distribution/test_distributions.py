"""Wheel and sdist hold what the repository holds: every file of data, and nothing else."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

import target_leads
from tests.distribution.pythons import supported
from tests.machine import lacks
from tests.requirements import ROOT, project

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

VERSION = target_leads.__version__
INFO = f"target_leads-{VERSION}.dist-info"
INSIDE = f"target_leads-{VERSION}"


@pytest.fixture(scope="module")
def repository() -> set[str]:
    """Every file of the repository, one that is new and not ignored too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        lacks("only git knows which files are the repository's own")
    return {name for name in listed if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as opened:
        return email.message_from_bytes(opened.read(f"{INFO}/METADATA"))


def names_in_wheel(wheel: Path) -> set[str]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def test_wheel_holds_the_package_and_nothing_else(wheel: Path, repository: set[str]) -> None:
    """Code, py.typed, schemas, and every file of each provider's folder; no test, no store, no cache."""
    package = {name for name in repository if name.startswith("target_leads/")}
    info = {f"{INFO}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    assert names_in_wheel(wheel) == package | info
    assert "target_leads/py.typed" in package


def test_sdist_holds_the_repository_and_nothing_else(distributions: Path, repository: set[str]) -> None:
    """Who has the sdist can do all that who has the repository can."""
    with tarfile.open(distributions / f"{INSIDE}.tar.gz") as opened:
        names = {member.name.removeprefix(f"{INSIDE}/") for member in opened.getmembers()}
    assert names == repository | {"PKG-INFO"}


def test_sdist_makes_the_same_wheel(distributions: Path, wheel: Path, tmp_path: Path) -> None:
    """A packager who begins with the sdist installs the same files."""
    with tarfile.open(distributions / f"{INSIDE}.tar.gz") as opened:
        opened.extractall(tmp_path, filter="data")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=tmp_path / INSIDE, check=True, capture_output=True)
    assert names_in_wheel(tmp_path / wheel.name) == names_in_wheel(wheel)


def test_version_comes_from_one_place(metadata: Message) -> None:
    """It is that of the package's own ``__version__``, which alone is changed for a release."""
    assert metadata["Version"] == VERSION
    assert (project().get("version"), project()["dynamic"]) == (None, ["version"])


def test_metadata_says_what_is_tested(metadata: Message) -> None:
    """The oldest Python of the classifiers, each of which is tested, is the oldest that the package lets in."""
    assert metadata["Name"] == "target-leads"
    assert metadata["Requires-Python"] == f">={supported()[0]}"
    assert metadata["License-Expression"] == "MIT"
    assert sorted(metadata.get_all("Provides-Extra", [])) == ["dev", "postgres", "socks"]
    assert metadata["Description-Content-Type"] == "text/markdown"
