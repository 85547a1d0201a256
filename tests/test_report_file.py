"""The run's report as JSON: its shape, and the file."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from target_leads import __version__
from target_leads.delivery import Plan
from target_leads.models import LeadUpdate, Outcome, Record, Settlement
from target_leads.report import RunReport
from target_leads.report_file import Ending, path_findings, report_as_json, write_report
from target_leads.traffic import Traffic

ENDED = Ending(exit_status=75, last_line="perch is down.", finished_at=1_700_000_004.25, input_lines=7)
NONE = {outcome.value: 0 for outcome in Outcome}


def report_of() -> RunReport:
    """A report with something in every part of it."""
    report = RunReport("run-1", started_at=1_700_000_000.0)
    for stream, provider in [("a", "perch"), ("a", "perch"), ("b", "bizmate"), ("b", "bizmate")]:
        report.receive(stream, provider)
    record_a, record_b = (Record(stream=stream, fields={}, original={}) for stream in "ab")
    report.settle([Settlement(record=record_a, outcome=Outcome.DELIVERED, provider="perch", lead_id="L-1")])
    refused = {"provider": "bizmate", "reason": "$.email is required"}
    report.settle([Settlement(record=record_b, outcome=Outcome.INVALID, lead_id="L-2", **refused)])
    perch, propexo = Traffic(requests=3, retries=2, waited_seconds=7.5, waited_for_limits_seconds=6.0), Traffic()
    for seconds in (0.1, 0.1, 4.0):
        perch.answered(seconds)
    propexo.requests = 1
    report.traffic = {"perch": perch, "propexo_entrata": propexo}
    report.jobs_looked_up, report.jobs_of_others = 2, 1
    report.left_open["perch", "default"] = 5
    report.left_open["perch", "sandbox"] = 6
    report.settle_job([Settlement(record=record_a, outcome=Outcome.DELIVERED, provider="propexo_entrata")])
    return report


def test_the_whole_shape() -> None:
    """Every key is documented, and stays as long as the version of the format."""
    assert report_as_json(report_of(), ENDED) == {
        "format_version": 1,
        "run_id": "run-1",
        "version": __version__,
        "dry_run": False,
        "started_at": "2023-11-14T22:13:20.000+00:00",
        "finished_at": "2023-11-14T22:13:24.250+00:00",
        "duration_seconds": 4.25,
        "exit_status": 75,
        "last_line": "perch is down.",
        "input_lines": 7,
        "received": 4,
        **NONE,
        "delivered": 1,
        "invalid": 1,
        "unsettled": 2,
        "requests": 4,
        "retries": 2,
        "waited_seconds": 7.5,
        "waited_for_limits_seconds": 6.0,
        "providers": {
            "bizmate": {
                "received": 2,
                **NONE,
                "invalid": 1,
                "unsettled": 1,
                "requests": 0,
                "retries": 0,
                "waited_seconds": 0.0,
                "waited_for_limits_seconds": 0.0,
                "latency_p50_seconds": None,
                "latency_p95_seconds": None,
            },
            "perch": {
                "received": 2,
                **NONE,
                "delivered": 1,
                "unsettled": 1,
                "requests": 3,
                "retries": 2,
                "waited_seconds": 7.5,
                "waited_for_limits_seconds": 6.0,
                "latency_p50_seconds": pytest.approx(0.1, rel=0.02),
                "latency_p95_seconds": pytest.approx(4, rel=0.02),
            },
            "propexo_entrata": {
                "received": 0,
                **NONE,
                "requests": 1,
                "retries": 0,
                "waited_seconds": 0.0,
                "waited_for_limits_seconds": 0.0,
                "latency_p50_seconds": None,
                "latency_p95_seconds": None,
            },
        },
        "streams": {
            "a": {"received": 2, **NONE, "delivered": 1, "unsettled": 1},
            "b": {"received": 2, **NONE, "invalid": 1, "unsettled": 1},
        },
        "reasons": [
            {
                "provider": "bizmate",
                "outcome": "invalid",
                "reason": "$.email is required",
                "count": 1,
                "lead_ids": ["L-2"],
            }
        ],
        "earlier_jobs": {"asked_after": 2, "not_asked_after": 1, "delivered": 1},
        "dead_letters_left_open": [
            {"provider": "perch", "account": "sandbox", "count": 6},
            {"provider": "perch", "account": "default", "count": 5},
        ],
        "plans": {},
    }


def test_every_key_is_documented() -> None:
    """Whoever reads reports finds in docs/operations.md what each key means."""
    page = (Path(__file__).parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    report = report_as_json(report_of(), ENDED)
    keys = {*report, *report["providers"]["perch"], *report["streams"]["a"], *report["reasons"][0]}
    keys |= {*report["earlier_jobs"], *(field.name for field in dataclasses.fields(Plan))}
    assert [key for key in sorted(keys - NONE.keys()) if f"`{key}`" not in page] == []


def test_a_run_under_way_has_no_ending() -> None:
    """Nobody takes it for one that went well; nor one that was killed."""
    told = report_as_json(report_of())
    assert [told[name] for name in ("finished_at", "duration_seconds", "exit_status", "last_line")] == [None] * 4


def test_what_a_dry_run_would_send() -> None:
    """Its plan for each provider, the commonest changed fields first; what would be sent is unsettled."""
    report = RunReport("run-1", is_dry_run=True)
    report.receive("leads", "perch")
    record = Record(stream="leads", fields={}, original={})
    report.leave([LeadUpdate(record=record, provider="perch", account="a", lead_id="L", fields={})])
    plan = Plan()
    plan.leads, plan.new_leads, plan.requests, plan.least_seconds = 1, 1, 2, 60.0
    plan.fields.update({"email": 1, "phone.number": 3})
    report.plans = {"perch": plan}
    told = report_as_json(report, ENDED)
    assert (told["dry_run"], told["unsettled"], told["received"]) == (True, 1, 1)
    assert json.dumps(told["plans"]) == (
        '{"perch": {"records": 1, "leads": 1, "new_leads": 1, "requests": 2, "least_seconds": 60.0, '
        '"fields": {"phone.number": 3, "email": 1}}}'
    )


def test_reasons_are_told_commonest_first_and_not_without_end() -> None:
    """Twenty say what is going on; the store has them all."""
    report = RunReport("run-1")
    record = Record(stream="leads", fields={}, original={})
    for number in range(30):
        for _ in range(number + 1):
            report.receive("leads", "perch")
            report.settle([Settlement(record=record, outcome=Outcome.REJECTED, provider="perch", reason=f"r{number}")])
    counts = [reason["count"] for reason in report_as_json(report, ENDED)["reasons"]]
    assert counts == list(range(30, 10, -1))


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    """Also where it takes the place of one that others could read; nothing else is left in the folder."""
    file = tmp_path / "report.json"
    file.write_text("old")
    file.chmod(0o644)
    write_report(str(file), {"exit_status": 0})
    assert json.loads(file.read_text()) == {"exit_status": 0}
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_report_that_cannot_be_written_whole_leaves_the_old_one(tmp_path: Path) -> None:
    """Whoever reads it never meets half a report, nor what was left of one."""
    file = tmp_path / "report.json"
    write_report(str(file), {"exit_status": 0})
    with pytest.raises(TypeError):
        write_report(str(file), {"exit_status": 1, "no JSON": object()})
    assert json.loads(file.read_text()) == {"exit_status": 0}
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The report goes where it points to."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "report.json"
    link.symlink_to("elsewhere/report.json")
    write_report(str(link), {})
    assert link.is_symlink()
    assert (tmp_path / "elsewhere" / "report.json").read_text() == "{}\n"


@pytest.mark.parametrize("kind", ["folder", "pipe", "no folder"])
def test_what_is_no_file_is_not_replaced(kind: str, tmp_path: Path) -> None:
    """A rename puts a file in the place of a device as well: that must not happen to /dev/null."""
    path = tmp_path / "report"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = path / "report"
    before = path.lstat().st_mode if path.exists() else None
    with pytest.raises(OSError, match=r"is no file|No such file or directory"):
        write_report(str(path), {})
    assert (path.lstat().st_mode if path.exists() else None) == before


@pytest.mark.parametrize("name", ["target-leads.db", "config.json", "empty", "report.json"])
def test_what_is_no_report_is_not_replaced(name: str, tmp_path: Path) -> None:
    """A slip of the pen must cost neither the store nor the settings; an earlier report and an empty file may go."""
    (tmp_path / "target-leads.db").write_bytes(b"SQLite format 3\0\xff")
    (tmp_path / "config.json").write_text('{"provider": "perch"}')
    (tmp_path / "empty").touch()
    (tmp_path / "report.json").write_text('{"format_version": 1}')
    path = tmp_path / name
    told = f"report_path: {path} holds something that is no report. Name another file, or remove that one."
    assert list(path_findings(str(path))) == ([] if name in {"empty", "report.json"} else [told])


def test_what_is_no_path_is_a_finding() -> None:
    """No file can be called so."""
    assert list(path_findings("a\0b")) == ["report_path: is no path. Name a file."]
