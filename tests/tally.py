"""Says how many tests passed, from the JUnit files in the folder that it is given: CI's last line."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def counted(file: Path) -> tuple[int, int]:
    """Tests that passed, and those that were skipped."""
    suites = ET.parse(file).getroot().findall("testsuite")  # noqa: S314 -- pytest wrote it a moment ago
    told = {name: sum(int(each.attrib[name]) for each in suites) for name in ("tests", "skipped", "errors", "failures")}
    return told["tests"] - told["skipped"] - told["errors"] - told["failures"], told["skipped"]


def tally(folder: Path) -> str:
    """The line, from tests.xml, slow.xml and lowest.xml."""
    passed, skipped = counted(folder / "tests.xml")
    slow, slow_skipped = counted(folder / "slow.xml")
    lowest, _ = counted(folder / "lowest.xml")
    return (
        f"{passed:,} tests passed, {skipped + slow_skipped} skipped, {slow:,} slow passed; "
        f"{lowest:,} passed with the lowest versions"
    )


if __name__ == "__main__":
    sys.stdout.write(f"{tally(Path(sys.argv[1]))}\n")
