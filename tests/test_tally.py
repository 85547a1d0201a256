"""CI's last line counts what was run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tally import tally

if TYPE_CHECKING:
    from pathlib import Path


def test_tally(tmp_path: Path) -> None:
    """Passed is what neither failed nor was skipped, and each suite is told by itself."""
    numbers = {"tests": (3214, 2, 0, 0), "slow": (7, 1, 1, 1), "lowest": (1000, 0, 0, 0)}
    for name, (tests, skipped, errors, failures) in numbers.items():
        counts = f'tests="{tests}" skipped="{skipped}" errors="{errors}" failures="{failures}"'
        (tmp_path / f"{name}.xml").write_text(f'<testsuites><testsuite name="pytest" {counts} /></testsuites>')
    assert tally(tmp_path) == "3,212 tests passed, 3 skipped, 4 slow passed; 1,000 passed with the lowest versions"
