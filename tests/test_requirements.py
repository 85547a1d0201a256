"""What an installation needs is stated with bounds that somebody tested."""

from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name

from tests.requirements import ROOT, lowest_versions, needed_by_developers, needed_by_users, pins


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
