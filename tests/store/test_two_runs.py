"""Two runs at once on one store: processes of their own, real HTTP, both kinds of database."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

if TYPE_CHECKING:
    from pathlib import Path

    from target_leads.sandbox import Emulator

pytestmark = pytest.mark.slow  # each is some runs in processes of their own
SCHEMA = {"type": "SCHEMA", "stream": "leads", "key_properties": ["id"], "schema": {"properties": {}}}


def test_both_are_right(store_url: str, generic_config: dict[str, Any], emulator: Emulator, tmp_path: Path) -> None:
    """Each delivers its own leads, counts its own records, and what one has sent the other knows afterwards."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**generic_config, "store_url": store_url, "batch_size_rows": 20}))
    halves = [[f"{half}{number}" for number in range(200)] for half in "ab"]

    processes = [_start(config, lead_ids) for lead_ids in halves]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert emulator.leads["generic"].keys() == {lead_id for half in halves for lead_id in half}
    counts = "SELECT received, delivered, unchanged, unsettled FROM runs ORDER BY started_at"
    assert _rows(store_url, counts) == [(200, 200, 0, 0)] * 2

    assert [_start(config, lead_ids).wait(60) for lead_ids in reversed(halves)] == [0, 0]
    assert _rows(store_url, counts)[2:] == [(200, 0, 200, 0)] * 2
    assert emulator.request_count == 400


def test_the_same_leads_in_both(
    store_url: str, generic_config: dict[str, Any], emulator: Emulator, tmp_path: Path
) -> None:
    """Neither run locks the other out, whatever the order of their leads, and what is known afterwards is true."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**generic_config, "store_url": store_url, "batch_size_rows": 50, "concurrency": 16}))
    lead_ids = [f"L{number}" for number in range(300)]
    processes = [_start(config, lead_ids, note="one"), _start(config, lead_ids[::-1], note="two")]
    assert [process.wait(60) for process in processes] == [0, 0]
    counts = "SELECT received, unsettled, exit_status FROM runs"
    assert _rows(store_url, counts) == [(300, 0, 0)] * 2

    assert _start(config, lead_ids, note="one").wait(60) == 0
    assert {lead["note"] for lead in emulator.leads["generic"].values()} == {"one"}


def _start(config: Path, lead_ids: list[str], *, note: str = "") -> subprocess.Popen[bytes]:
    records = ({"id": each, "note": note or each} for each in lead_ids)
    lines = [SCHEMA, *({"type": "RECORD", "stream": "leads", "record": record} for record in records)]
    messages = config.parent / f"{lead_ids[0]}.jsonl"
    messages.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "target_leads", "--config", str(config), "--input", str(messages)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found
