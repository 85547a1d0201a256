"""What target-leads claims to be capable of, to Meltano and to people, is shown by a run of the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from target_leads.sandbox import Emulator

    Ended = subprocess.CompletedProcess[str]

CLAIMED = tuple(map(str, TargetLeads.capabilities))
"""The plugin definition and the Meltano project have theirs from there: see test_generated."""
SHOWN = "test_is_capable_of_"
COLUMNS = {"id": {"type": "string"}, "note": {"type": "string"}}
SCHEMA = {"type": "SCHEMA", "stream": "leads", "key_properties": ["id"], "schema": {"properties": COLUMNS}}


@pytest.fixture
def start(generic_config: dict[str, Any], tmp_path: Path) -> Callable[..., Ended]:
    """Starts the command in a process, with settings over those for the generic provider, and gives it messages."""

    def do(
        *messages: Any,
        options: tuple[str, ...] = (),
        settings: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Ended:
        (tmp_path / "config.json").write_text(json.dumps({**generic_config, **(settings or {})}))
        ended = subprocess.run(
            [sys.executable, "-m", "target_leads", "--config", "config.json", *options],
            cwd=tmp_path,
            env={**os.environ, **(variables or {})},
            input="".join(f"{json.dumps(message)}\n" for message in messages),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended

    return do


@pytest.fixture
def sent(emulator: Emulator) -> Mapping[str, Any]:
    """What has been delivered."""
    return emulator.leads["generic"]


def record(**fields: Any) -> dict[str, Any]:
    """A RECORD of the stream."""
    return {"type": "RECORD", "stream": "leads", "record": fields}


def test_nothing_is_claimed_without_a_test() -> None:
    """Each claim has its test below, and each of these is for a claim."""
    shown = {name.removeprefix(SHOWN).replace("_", "-") for name in globals() if name.startswith(SHOWN)}
    assert shown == set(CLAIMED)


def test_is_capable_of_about(start: Callable[..., Ended]) -> None:
    """It tells in JSON what it is, claims and takes."""
    told = json.loads(start(options=("--about", "--format", "json")).stdout)
    assert (told["name"], tuple(told["capabilities"])) == ("target-leads", CLAIMED)
    assert {"provider", "streams", "stream_maps"} <= told["settings"]["properties"].keys()
    # These settings of the SDK would have no effect here.
    assert {"add_record_metadata", "validate_records"}.isdisjoint(told["settings"]["properties"])


def test_is_capable_of_stream_maps(start: Callable[..., Ended], sent: Mapping[str, Any]) -> None:
    """A record is filtered and changed before it is mapped."""
    stream_maps = {"leads": {"note": "note.upper()", "__filter__": "note != 'no'"}}
    start(SCHEMA, record(id="a", note="one"), record(id="b", note="no"), settings={"stream_maps": stream_maps})
    assert sent == {"a": {"note": "ONE"}}


def test_is_capable_of_schema_flattening(start: Callable[..., Ended], sent: Mapping[str, Any]) -> None:
    """A column inside of another is one of its own, with its flat name."""
    crm = {"type": "object", "properties": {"remark": {"type": "string"}}}
    schema = {**SCHEMA, "schema": {"properties": {"id": {"type": "string"}, "crm": crm}}}
    flattening = {"flattening_enabled": True, "flattening_max_depth": 1}
    streams = {"leads": {"fields": {"crm__remark": "note"}}}
    start(schema, record(id="a", crm={"remark": "one"}), settings={**flattening, "streams": streams})
    assert sent == {"a": {"note": "one"}}


def test_is_capable_of_batch(start: Callable[..., Ended], sent: Mapping[str, Any], tmp_path: Path) -> None:
    """The records in a BATCH message's files are delivered, and its STATE is printed."""
    (tmp_path / "leads.jsonl").write_text('{"id": "a", "note": "one"}\n{"id": "b", "note": "two"}\n')
    files = {"encoding": {"format": "jsonl"}, "manifest": [(tmp_path / "leads.jsonl").as_uri()]}
    ended = start(SCHEMA, {"type": "BATCH", "stream": "leads", **files}, {"type": "STATE", "value": {"at": 2}})
    assert sent == {"a": {"note": "one"}, "b": {"note": "two"}}
    assert json.loads(ended.stdout) == {"at": 2}


def test_is_capable_of_structured_logging(start: Callable[..., Ended], tmp_path: Path) -> None:
    """With the log settings that Meltano writes for it, each line of the log is JSON with what Meltano reads."""
    stderr = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "structured"}
    log = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {"stderr": stderr},
        "root": {"level": "INFO", "handlers": ["stderr"]},
    }
    (tmp_path / "log.json").write_text(json.dumps(log))
    variables = {"SINGER_SDK_LOG_CONFIG": str(tmp_path / "log.json")}
    settings = {"streams": {"deals": {}}}
    ended = start(SCHEMA, record(id="a", note="one"), settings=settings, variables=variables)
    logged = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    read = {"level", "pid", "logger_name", "ts", "thread_name", "app_name", "message"}
    assert all(read <= line.keys() for line in logged)
    words = "streams.deals has no effect: no stream of this name came."
    assert [line["message"] for line in logged if line["level"] == "warning"] == [words]
    assert ended.stderr.count(words) == 1
