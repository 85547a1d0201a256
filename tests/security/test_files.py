"""What a run writes to disk is its owner's alone, and there whole or not at all."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.security.conftest import settings
from tests.security.test_canary import answering, lines, person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.security.conftest import Parrot

GIVEN = {"config.json", "stdin", "stdout", "stderr"}
REFUSED = answering(b"422 No")


def modes(folder: Path) -> dict[str, int]:
    """Permissions of what is in a folder and was not put there by the test."""
    found = {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    return {name: mode for name, mode in found.items() if name not in GIVEN}


@pytest.fixture
def run(run_in: Callable[..., int], parrot: Parrot, tmp_path: Path) -> Callable[..., int]:
    """Runs one person's record to a provider that refuses it, or so as the test wants. Files are made for everybody."""
    parrot.answer = REFUSED
    (tmp_path / "config.json").write_text(json.dumps(settings(parrot.url)))
    (tmp_path / "config.json").chmod(0o644)
    tmp_path.chmod(0o755)

    def run(*arguments: str, abort: str = "", content: bytes = lines(person())) -> int:
        crash = {"point": abort, "kind": "abort", "words": ""} if abort else None
        return run_in(tmp_path, *arguments, "--config", "config.json", lines=content, crash=crash)

    return run


def test_what_a_run_writes_is_its_owners_alone(run: Callable[..., int], parrot: Parrot, tmp_path: Path) -> None:
    """So it is in the middle of a run as at its end, whatever the umask says. What was there stays as it is."""
    under_way: dict[str, int] = {}

    def look(request: bytes) -> bytes:
        under_way.update(modes(tmp_path))
        return REFUSED(request)

    parrot.answer = look
    assert run() == 0
    assert under_way == dict.fromkeys(
        ("target-leads.db", "target-leads.db-wal", "target-leads.db-shm", "report.json"), 0o600
    )
    assert modes(tmp_path) == {"target-leads.db": 0o600, "report.json": 0o600}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "config.json").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dry-run",),
        ("check",),
        ("dead-letters", "list"),
        ("dead-letters", "export"),
        ("dead-letters", "replay"),
        ("dead-letters", "discard", "--because", "a test", "--yes"),
        ("runs", "list"),
        ("history", "L-1"),
    ],
)
def test_what_works_on_the_store_leaves_it_its_owners_alone(
    arguments: tuple[str, ...], run: Callable[..., int], tmp_path: Path
) -> None:
    """No command leaves a file that others could read, whatever it has opened."""
    assert run() == 0
    run(*arguments)
    assert modes(tmp_path) == {"target-leads.db": 0o600, "report.json": 0o600}


def test_what_a_killed_run_leaves_is_its_owners_alone(run: Callable[..., int], tmp_path: Path) -> None:
    """A run that is gone in the middle of a commit leaves the log beside the store, which nobody else can read."""
    assert run(abort="target_leads.store.store:dead_letter_row") == -6
    assert modes(tmp_path).keys() >= {"target-leads.db", "target-leads.db-wal", "report.json"}
    assert set(modes(tmp_path).values()) == {0o600}
    assert run() == 0
    assert modes(tmp_path) == {"target-leads.db": 0o600, "report.json": 0o600}


@pytest.mark.parametrize("point", ["target_leads.report_file:json.dump", "pathlib:Path.replace"])
def test_a_report_is_whole_or_that_of_before(point: str, run: Callable[..., int], tmp_path: Path) -> None:
    """Whoever watches over the report never reads half of one, even if the run is killed while it writes."""
    assert run() == 0
    before = (tmp_path / "report.json").read_bytes()
    assert run(abort=point) == -6
    assert (tmp_path / "report.json").read_bytes() == before
    assert set(modes(tmp_path).values()) == {0o600}


@pytest.mark.parametrize(
    "point",
    [
        "target_leads.store.engine:make_tables",
        "target_leads.store.migration:inspect",
        "target_leads.store.migration:metadata.create_all",
        "target_leads.store.migration:secrets.token_bytes",
        "target_leads.store.store:Store.begin_run",
    ],
)
def test_a_store_is_made_whole_or_not_at_all(point: str, run: Callable[..., int], tmp_path: Path) -> None:
    """A run that is killed while it makes the store leaves none, or one that is empty; the next makes it."""
    assert run(abort=point) == -6
    assert set(modes(tmp_path).values()) == {0o600}
    with closing(sqlite3.connect(tmp_path / "target-leads.db")) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
    assert tables == (8 if point.endswith("begin_run") else 0)
    assert run() == 0
    assert run("history", "L-1") == 0
