"""Settings are read once, wherever they come from, and what is wrong with them is told, all of it and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.run import do_run
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOO_LONG = "x" * 300
"""No file system takes such a name: looking at it is an error."""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def target_leads(*arguments: str, lines: str = "", **options: Any) -> tuple[int, list[str]]:
    """Status and words of the command, as a process of its own; log lines are no words."""
    command = [sys.executable, "-m", "target_leads", *arguments]
    done = subprocess.run(command, check=False, input=lines, capture_output=True, text=True, timeout=60, **options)
    return done.returncode, [line for line in done.stderr.splitlines() if " | " not in line]


def config(**settings: Any) -> str:
    """A file of settings."""
    Path("config.json").write_text(json.dumps(settings), encoding="utf-8")
    return "config.json"


def test_a_pipe_of_settings_is_read_once() -> None:
    """Settings with secrets come by ``<(…)``: what is wrong with them is told, and the pipe is not said to be empty."""
    reading, writing = os.pipe()
    os.write(writing, b'{"provider": "perhc", "concurrency": 0}')
    os.close(writing)
    status, words = target_leads("--config", f"/dev/fd/{reading}", pass_fds=[reading])
    os.close(reading)
    assert status == 2
    assert [line.partition(":")[0] for line in words] == ["concurrency", "provider"]


def findings_of_check(path: str) -> list[str]:
    """What it finds, as a program reads it."""
    command = [sys.executable, "-m", "target_leads", "check", "--offline", "--format", "json", "--config", path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    found: list[str] = json.loads(done.stdout)["findings"]
    return found


def test_a_run_a_check_and_a_replay_tell_the_same() -> None:
    """Whichever of them is begun first, nobody mends one mistake to read of the next."""
    path = config(provider="perhc", concurrency=0, report_path="missing/report.json")
    findings = findings_of_check(path)
    assert [finding.partition(":")[0] for finding in findings] == ["concurrency", "provider", "report_path"]
    assert target_leads("--config", path) == (2, findings)
    Path("target-leads.db").touch()
    assert target_leads("dead-letters", "replay", "--format", "json", "--config", path) == (2, findings)


@pytest.mark.parametrize(
    ("settings", "finding"),
    [
        ({"provider_paths": [TOO_LONG]}, f"provider_paths: {TOO_LONG} cannot be read: File name too long."),
        (
            {"report_path": TOO_LONG},
            f"report_path: {TOO_LONG} cannot be looked at: File name too long. Name another file.",
        ),
        ({"max_wait_seconds": 10**400}, "max_wait_seconds: must be of type number"),
    ],
)
def test_what_no_system_takes_is_a_finding(settings: Mapping[str, Any], finding: str) -> None:
    """A path that cannot even be looked at, and a number that no clock can wait, are settings that are wrong."""
    path = config(**settings, concurrency=0)
    for told in (findings_of_check(path), target_leads("--config", path)[1]):
        assert len(told) == 2
        assert [line for line in told if line.startswith(finding)]
        assert "concurrency: must be at least 1, but was 0." in told


def test_a_store_that_cannot_be_looked_at() -> None:
    """`check` says so of the store, and not of what it prints to."""
    (finding,) = findings_of_check(config(store_url=f"sqlite:///{TOO_LONG}"))
    assert finding == f"store_url: sqlite:///{TOO_LONG} cannot be looked at: File name too long."


def test_what_is_forecast_of_a_stream_ends_no_run() -> None:
    """`check` finds a field that perch requires and no column gives; a run that ends for another reason does not."""
    streams = {"leads": {"provider": "perch", "fields": {"firstName": "firstName"}}}
    path = config(providers={"perch": {"api_key": "key"}}, streams=streams, concurrency=0)
    assert target_leads("--config", path) == (2, ["concurrency: must be at least 1, but was 0."])


def test_a_stream_with_a_colon() -> None:
    """What is wrong with it is told once, and brings no other finding with it."""
    path = config(sandbox=True, streams={"public:leads": {"provider": 7}})
    assert target_leads("--config", path) == (2, ["streams.public:leads.provider: must be of type string, but was 7."])


def mistaken(config: Mapping[str, Any], *, variables_count: bool) -> Sequence[str]:
    """Finds one mistake, always."""
    assert config
    assert not variables_count
    return ["another: mistake."]


def broken(config: Mapping[str, Any], *, variables_count: bool) -> Sequence[str]:
    """Cannot look."""
    raise RuntimeError(f"{len(config)} {variables_count}")


def test_the_search_for_more_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What kept the run from its beginning is told, whatever becomes of the search for other mistakes."""
    path = config(concurrency=0)
    assert do_run(TargetLeads, (path,), None, mistakes=mistaken) == 2
    wrong = "concurrency: must be at least 1, but was 0."
    assert capsys.readouterr().err.splitlines()[-2:] == [wrong, "another: mistake."]
    assert do_run(TargetLeads, (path,), None, mistakes=broken) == 2
    assert capsys.readouterr().err.splitlines()[-1] == wrong


def test_no_search_for_more_in_the_middle_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A SCHEMA that fits no settings ends the run with what is wrong there, and nothing else."""
    path = config(sandbox=True, provider="perch", streams={"leads": {"lead_id": "key"}})
    schema = {"type": "SCHEMA", "stream": "leads", "schema": {"properties": {"id": {}}}, "key_properties": ["id"]}
    Path("input").write_text(json.dumps(schema), encoding="utf-8")
    with Path("input").open("rb") as lines:
        assert do_run(TargetLeads, (path,), lines, mistakes=mistaken) == 2
    words = capsys.readouterr().err
    assert "streams.leads.lead_id: key is no field of the stream; it has id." in words
    assert "another: mistake." not in words
