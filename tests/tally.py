"""CI's last word: how many tests passed, what was skipped and why, and whether CI may skip it.

Reads the JUnit files in the folder that it is given, and ends with 1 if a test was skipped that CI has to run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

MAY_BE_SKIPPED = {
    "tests.test_sdk_standard.TestStandard.test_target_record_missing_key_property": "it wants one bad record to end it",
}
"""The tests that CI may skip, and why that is right. This is the one list of them."""

RUNS = {"tests": "tests", "slow": "slow", "lowest": "lowest versions", "newest": "newest Python"}
"""What ``.ci/run`` calls each file, and what the last line calls its run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A test that was skipped."""

    test: str
    """Its module and name, without parameters."""
    reason: str
    """On one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of pytest came to."""

    passed: int
    skips: list[Skip]


def counted(file: Path) -> Run:
    """The run that a JUnit file tells of."""
    suites = ET.parse(file).getroot().findall("testsuite")  # noqa: S314 -- pytest wrote it a moment ago
    told = {name: sum(int(each.attrib[name]) for each in suites) for name in ("tests", "skipped", "errors", "failures")}
    skips = [
        Skip(
            test=f"{case.attrib['classname']}.{case.attrib['name'].partition('[')[0]}",
            reason=" ".join(skip.attrib["message"].split()),
        )
        for suite in suites
        for case in suite.findall("testcase")
        for skip in case.findall("skipped")
    ]
    assert len(skips) == told["skipped"], f"{file.name} does not say why tests were skipped"
    return Run(passed=told["tests"] - told["skipped"] - told["errors"] - told["failures"], skips=skips)


def tally(folder: Path) -> tuple[list[str], bool]:
    """The lines to print, and whether CI may skip what was skipped. Each reason stands there once."""
    runs = {words: counted(folder / f"{name}.xml") for name, words in RUNS.items()}
    skipped: dict[Skip, list[str]] = {}
    for words, run in runs.items():
        for skip in run.skips:
            skipped.setdefault(skip, []).append(words)
    lines = [f"Skipped ({', '.join(where)}): {skip.reason}" for skip, where in skipped.items()]
    refused = [skip for skip in skipped if skip.test not in MAY_BE_SKIPPED]
    lines += [f"CI has to run {skip.test}, which was skipped: {skip.reason}" for skip in refused]
    lines.append("; ".join(f"{words}: {run.passed:,} passed, {len(run.skips)} skipped" for words, run in runs.items()))
    return lines, not refused


if __name__ == "__main__":
    said, is_right = tally(Path(sys.argv[1]))
    sys.stdout.write("".join(f"{line}\n" for line in said))
    sys.exit(0 if is_right else 1)
