"""`make demo`: the sample data, the bundled sandbox in a process of its own, the whole command."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from target_leads.models import Outcome
from target_leads.providers import bundled
from target_leads.store import Store

SAMPLE = Path(__file__).parent.parent / "sample_data"


@pytest.fixture
def demo(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """A run of the demo's command in an empty folder, with the store where its settings say."""
    (tmp_path / ".demo").mkdir()
    shutil.copytree(SAMPLE, tmp_path / "sample_data")
    command = [sys.executable, "-m", "target_leads", "--config", "sample_data/config.json"]
    command += ["--input", "sample_data/leads.singer.jsonl"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)


def test_demo_delivers_to_every_provider(demo: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    """The good records are delivered to all five, the two bad ones kept with their reasons, STATE printed, status 0."""
    assert demo.returncode == 0, demo.stderr
    messages = [json.loads(line) for line in (SAMPLE / "leads.singer.jsonl").read_text().splitlines()]
    last_state = [message["value"] for message in messages if message["type"] == "STATE"][-1]
    assert [json.loads(line) for line in demo.stdout.splitlines()] == [last_state]
    assert sorted(bundled()) in [line.split() for line in demo.stderr.splitlines()]
    *_, last_line = demo.stderr.splitlines()
    assert last_line.startswith("Done. 22 records received: 20 delivered, 1 invalid, 1 rejected.")
    with contextlib.closing(Store(f"sqlite:///{tmp_path}/.demo/target-leads.db", now=lambda: 0.0)) as store:
        letters = list(store.open_dead_letters())
    assert [(letter.provider, letter.outcome, letter.reason) for letter in letters] == [
        ("perch", Outcome.INVALID, "$.email must be a valid email"),
        ("bizmate", Outcome.REJECTED, "404 Not Found: the lead does not exist"),
    ]


def test_demo_shows_no_value_of_a_record(demo: subprocess.CompletedProcess[str]) -> None:
    """Names, addresses, numbers and notes of the sample's people stand nowhere in what the run prints."""
    records = [
        message["record"]
        for line in (SAMPLE / "leads.singer.jsonl").read_text().splitlines()
        if (message := json.loads(line))["type"] == "RECORD"
    ]
    ids = {record[name] for record in records for name in ("id", "leadID", "lead_id", "bizmate_id") if name in record}
    values = {value for record in records for value in record.values() if isinstance(value, str) and len(value) > 5}
    bookmarks = {record.get("updated_at") for record in records}
    told = demo.stdout + demo.stderr
    assert [value for value in values - ids - bookmarks if value in told] == []
