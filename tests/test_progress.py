"""How far a run is, while it goes on."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pty
import re
import sys

import pytest

from target_leads.models import LeadUpdate, Outcome, Record, Settlement
from target_leads.progress import line, lines, progress
from target_leads.report import RunReport
from target_leads.traffic import Traffic, Waiting

RECORD = Record(stream="leads", fields={}, original={})


def report_of(*, is_dry_run: bool = False, waiting: int = 0, **outcomes: int) -> RunReport:
    """A report of a run with so many records of each outcome, and so many that wait."""
    report = RunReport("run", is_dry_run=is_dry_run)
    for _ in range(waiting + sum(outcomes.values())):
        report.receive("leads", "perch")
    for outcome, count in outcomes.items():
        report.settle([Settlement(record=RECORD, outcome=Outcome(outcome), provider="perch")] * count)
    return report


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ({}, "0 records read, 0 delivered, 0 a second"),
        ({"delivered": 5, "waiting": 1000}, "1,005 records read, 5 delivered, 1 a second"),
        (
            {"delivered": 2000, "unchanged": 40, "invalid": 1, "rejected": 2, "failed": 3},
            "2,046 records read, 2,000 delivered, 40 unchanged, 6 refused, 409 a second",
        ),
    ],
)
def test_a_line(outcomes: dict[str, int], told: str) -> None:
    """Records read, what became of them, and how many are settled in a second."""
    assert line(report_of(**outcomes), seconds=5, now=0) == told


def test_a_line_of_a_dry_run() -> None:
    """Nothing is delivered; what would be sent counts as done."""
    report = report_of(is_dry_run=True, waiting=3, unchanged=3)
    report.leave([LeadUpdate(record=RECORD, provider="perch", account="a", lead_id="L", fields={})] * 2)
    assert line(report, seconds=1, now=0) == "6 records read, 2 to send, 3 unchanged, 5 a second"


def test_what_it_waits_for() -> None:
    """The quota, a pause or jobs, at each provider, and for how long yet; a wait that is over is not told."""
    report = report_of(delivered=1)
    report.traffic = {
        "propexo_entrata": Traffic(open_jobs=1200),
        "perch": Traffic(waiting=Waiting(why="quota", until=1041)),
        "bizmate": Traffic(waiting=Waiting(why="a pause it asked for", until=1000.2)),
        "powerchord": Traffic(waiting=Waiting(why="quota", until=999)),
        "other": Traffic(open_jobs=1),
    }
    assert line(report, seconds=1, now=1000).partition("; waiting for ")[2] == (
        "bizmate: a pause it asked for, 1 s; other: 1 job; perch: quota, 41 s; propexo_entrata: 1,200 jobs"
    )


def test_a_line_every_thirty_seconds() -> None:
    """Until the run is over; each says how far the run is then."""
    report = report_of()
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        report.receive("leads", "perch")
        return len(waits) == 3

    told = list(lines(report, wait))
    assert [text.split(",")[0] for text in told] == ["1 records read", "2 records read"]
    assert waits == [30, 30, 30]


def test_a_short_run_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, a run of less than thirty seconds leaves its summary and no more."""
    with progress(report_of(delivered=1)):
        pass
    assert capsys.readouterr() == ("", "")


class Terminal:
    """A terminal, and what it has shown so far."""

    def __init__(self) -> None:
        """Open one."""
        self._ours, theirs = pty.openpty()
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")

    def read(self) -> str:
        """All that it has shown, without colours; closes it."""
        self.stream.close()
        told = b""
        with contextlib.suppress(OSError):  # which is how a terminal ends
            while more := os.read(self._ours, 65536):
                told += more
        os.close(self._ours)
        return re.sub(r"\x1b\[[0-9;]*m", "", told.decode())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal that can move its cursor."""
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_live_line_on_a_terminal(terminal: Terminal) -> None:
    """It stands there while the run goes on, log lines go above it, and it is gone when the run is over."""
    handler = logging.StreamHandler(terminal.stream)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stderr(terminal.stream), progress(report_of(delivered=3)):
            for text in ("one line of the log", "another one"):
                logging.getLogger("target-leads.test").warning(text)
        assert handler.stream is terminal.stream
    finally:
        logging.getLogger().removeHandler(handler)
    screen = terminal.read()
    live_line = r"3 records read, 3 delivered, [0-9,]+ a second"
    erased = re.escape("\r\x1b[2K")
    assert re.search(rf"one line of the log\r\n{live_line}{erased}", screen)
    assert re.search(rf"{erased}another one\r\n{live_line}", screen)
    assert screen.endswith("\x1b[1A\x1b[2K")  # in the end it is erased for good


def test_standard_output_is_left_alone(terminal: Terminal) -> None:
    """STATE goes where it always goes, also beside a live line."""
    stdout = io.StringIO()
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(terminal.stream),
        progress(report_of()),
    ):
        sys.stdout.write('{"bookmarks": {}}\n')
    assert stdout.getvalue() == '{"bookmarks": {}}\n'
    assert "bookmarks" not in terminal.read()
