"""What an installation needs is stated with bounds that somebody tested."""

from __future__ import annotations

import re

import pytest
from packaging.utils import canonicalize_name

from tests.distribution.pythons import supported
from tests.requirements import ROOT, lowest_version, lowest_versions, needed_by_developers, needed_by_users, pins


def test_lowest_versions_are_in_step() -> None:
    """CI runs the tests with the very lowest versions that pyproject.toml lets in: `make settings` writes the file."""
    assert (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8") == lowest_versions()


@pytest.mark.parametrize("name", sorted(needed_by_users() | needed_by_developers()))
def test_every_requirement_is_pinned(name: str) -> None:
    """What `make` installs is the same on every day: constraints.txt has a version that the requirement lets in."""
    requirement = (needed_by_developers() | needed_by_users())[name]
    found = [pin for pin in pins() if canonicalize_name(pin.name) == name]
    assert found
    for pin in found:
        (version,) = pin.specifier
        assert version.operator == "=="
        assert requirement.specifier.contains(version.version)


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-lowest.txt"])
def test_constraints_name_no_place(name: str) -> None:
    """Packages come from wherever the user's pip gets them."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [mark for mark in ("://", " @ ", "--", "file:") if mark in text] == []


def test_every_requirement_has_its_reason() -> None:
    """The architecture page has what an installation needs and nothing else, each with its lowest version."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    rows = re.findall(r"^\| ([a-z][\w-]*) \| ([\d.]+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    told = {name: version for name, version, *_ in rows}
    assert told == {name: lowest_version(requirement) for name, requirement in needed_by_users().items()}
    assert len(rows) == len(told)


@pytest.mark.parametrize(("name", "version"), [("LOWEST", supported()[0]), ("NEWEST", supported()[-1])])
def test_pythons_of_make(name: str, version: str) -> None:
    """`make lowest` and `make newest` run the tests at both ends of what the classifiers name."""
    (line,) = re.findall(rf"^PYTHON_{name} .*$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"3\.\d+", line)) == {version}
