"""The requirements in pyproject.toml, and the lowest versions that they let in, for CI to run the tests with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent

_EXACT = {
    "psycopg-binary": "psycopg",  # each release wants its own
}
_DEMANDED = {
    "simpleeval": "1.0.7",  # singer-sdk 0.54.2 takes no other
}
_HEAD = """\
# The lowest versions that pyproject.toml lets in, beside the pins of constraints.txt.
# Made by `make settings`; `make lowest` runs the tests with them.
"""


def project() -> dict[str, Any]:
    """The table ``project`` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def needed_by_users() -> dict[str, Requirement]:
    """What an installation needs, with every extra that is not for developers, by canonical name."""
    extras = project()["optional-dependencies"]
    lines = [*project()["dependencies"], *(line for name in extras if name != "dev" for line in extras[name])]
    return _by_name(map(Requirement, lines))


def needed_by_developers() -> dict[str, Requirement]:
    """What tests and linters need beside that, by canonical name."""
    return _by_name(map(Requirement, project()["optional-dependencies"]["dev"]))


def pins() -> list[Requirement]:
    """The lines of constraints.txt. A name may stand there for several versions of Python."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def lowest_version(requirement: Requirement) -> str:
    """The lowest that it lets in."""
    bounds = [each.version for each in requirement.specifier if each.operator in {">=", "~="}]
    assert len(bounds) == 1, f"{requirement.name} has no lower bound"
    return bounds[0]


def lowest_versions() -> str:
    """The text of constraints-lowest.txt."""
    lowest = {name: lowest_version(requirement) for name, requirement in needed_by_users().items()}
    lowest |= {name: lowest[same_as] for name, same_as in _EXACT.items()} | _DEMANDED
    lines = [f"{name}=={version}" for name, version in sorted(lowest.items())]
    lines += [str(pin) for pin in pins() if canonicalize_name(pin.name) not in lowest]
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _by_name(requirements: Iterable[Requirement]) -> dict[str, Requirement]:
    return {canonicalize_name(each.name): each for each in requirements}


if __name__ == "__main__":
    (ROOT / "constraints-lowest.txt").write_text(lowest_versions(), encoding="utf-8")
