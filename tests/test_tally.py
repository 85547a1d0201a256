"""CI's last word counts what was run, and refuses what was skipped without leave."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.requirements import ROOT
from tests.tally import MAY_BE_SKIPPED, RUNS, counted, tally

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = next(iter(MAY_BE_SKIPPED))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs of pytest as CI keeps them: in each one test passes, one fails, one may be skipped."""
    for name in RUNS:
        write(tmp_path, name, skip(ALLOWED, "it takes Docker"))
    return tmp_path


def write(folder: Path, name: str, *cases: str) -> None:
    """Write the JUnit file of a run with these cases beside one that passes and one that fails."""
    counts = f'tests="{len(cases) + 2}" skipped="{len(cases)}" errors="0" failures="1"'
    suite = f'<testsuite name="pytest" {counts}>{"".join(cases)}</testsuite>'
    (folder / f"{name}.xml").write_text(f"<testsuites>{suite}</testsuites>")


def skip(test: str, reason: str) -> str:
    """A test case that was skipped, for one of its parameters."""
    module, _, name = test.rpartition(".")
    return f'<testcase classname="{module}" name="{name}[1-2]"><skipped message="{reason}" /></testcase>'


def test_every_run_counts(folder: Path) -> None:
    """Passed is what neither failed nor was skipped; each run is told by itself, each reason once."""
    write(folder, "slow")
    assert tally(folder) == (
        [
            "Skipped (tests, lowest versions, newest Python): it takes Docker",
            (
                "tests: 1 passed, 1 skipped; slow: 1 passed, 0 skipped; "
                "lowest versions: 1 passed, 1 skipped; newest Python: 1 passed, 1 skipped"
            ),
        ],
        True,
    )


@pytest.mark.parametrize("run", RUNS)
def test_no_run_skips_without_leave(folder: Path, run: str) -> None:
    """A skip that is not on the list is named, in whichever run it was."""
    write(folder, run, skip("tests.test_new.test_it", "not&#10;now"))
    lines, is_right = tally(folder)
    assert not is_right
    assert "CI has to run tests.test_new.test_it, which was skipped: not now" in lines


def test_a_run_that_is_missing_is_an_error(folder: Path) -> None:
    """What did not run at all is not counted as nothing to run."""
    (folder / "lowest.xml").unlink()
    with pytest.raises(FileNotFoundError):
        tally(folder)


@pytest.mark.parametrize("name", MAY_BE_SKIPPED)
def test_what_may_be_skipped_is_skipped(name: str, tmp_path: Path) -> None:
    """So pytest itself calls the tests of the list, and skips them: no name stands there for nothing."""
    module, *names = name.removeprefix("tests.").split(".")
    test = f"{ROOT}/tests/{module}.py::{'::'.join(names)}"
    file = tmp_path / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={file}", test]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    run = counted(file)
    assert run.passed == 0
    assert {skip.test for skip in run.skips} == {name}
