"""A dry run: it compares with what earlier runs have delivered, and leaves no trace."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, inspect, text

from target_leads.exceptions import RejectLimitReached, StoreError
from target_leads.models import Outcome
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from target_leads.delivery import Plan
    from target_leads.report import RunReport
    from target_leads.sandbox import Emulator

SCHEMA = {
    "type": "SCHEMA",
    "stream": "leads",
    "key_properties": ["id"],
    "schema": {"properties": {name: {} for name in ("id", "note", "email", "phone", "goes_to")}},
}


def record(lead_id: str, **fields: Any) -> dict[str, Any]:
    """A RECORD message for one lead."""
    return {"type": "RECORD", "stream": "leads", "record": {"id": lead_id, **fields}}


def run(config: dict[str, Any], *messages: dict[str, Any]) -> RunReport:
    """Do a whole run; whatever ends it early goes on to the caller."""
    target = TargetLeads(config=config)
    lines = io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in (SCHEMA, *messages)))
    try:
        target.run(lines)
    finally:
        target.close(exit_status=1)
    assert target.report is not None
    return target.report


def rehearse(config: dict[str, Any], *messages: dict[str, Any]) -> RunReport:
    """The same as a dry run."""
    return run({**config, "dry_run": True}, *messages)


def plan_of(report: RunReport) -> Plan:
    """What the generic provider would get."""
    return report.plans["generic"]


@pytest.fixture(params=["sqlite", "postgresql"])
def config(request: pytest.FixtureRequest, generic_config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Settings with a store of each kind, which is not there yet."""
    if request.param == "postgresql":
        return {**generic_config, "store_url": request.getfixturevalue("postgresql_url")}
    return {**generic_config, "store_url": f"sqlite:///{tmp_path / 'store.db'}"}


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        tables = {
            table: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))]  # noqa: S608 -- names of our own tables
            for table in inspect(connection).get_table_names()
        }
    engine.dispose()
    return tables


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """What stands in each file of a folder, and since when."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_what_was_delivered_is_unchanged(config: dict[str, Any], emulator: Emulator) -> None:
    """After a real run only what is new would be sent, and of it only the fields that differ are counted."""
    run(
        config,
        record("a", note="1", phone={"number": "5", "extension": "1"}),
        record("b", note="1"),
        record("c", note="1"),
    )
    before = contents(config["store_url"])
    report = rehearse(
        config,
        record("a", note="1", phone={"number": "5", "extension": "2"}),
        record("b", note="1"),
        record("c", note="2", email="ada@example.com"),
        record("d", note="1"),
    )
    plan = plan_of(report)
    assert (report.count(Outcome.UNCHANGED), report.to_send, report.unsettled) == (1, {"generic": 3}, 3)
    assert (plan.leads, plan.new_leads, plan.requests) == (3, 1, 3)
    assert plan.fields == {"note": 2, "email": 1, "phone": 1}  # it writes phones whole
    assert len(emulator.requests) == 3
    assert contents(config["store_url"]) == before


def test_without_a_store_everything_is_new(config: dict[str, Any], emulator: Emulator) -> None:
    """And none is made."""
    report = rehearse(config, record("a", note="1"), record("b", note="2"), record("a", email="ada@example.com"))
    plan = plan_of(report)
    assert (plan.leads, plan.new_leads, plan.requests, plan.fields) == (2, 2, 2, {"note": 2, "email": 1})
    assert report.to_send == {"generic": 3}
    assert emulator.request_count == 0
    if config["store_url"].startswith("sqlite"):
        assert list(Path.cwd().iterdir()) == []
    else:
        assert contents(config["store_url"]) == {}


def test_nothing_is_written_and_nothing_printed(
    generic_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store's file stays as it is, to the byte and the moment, and so does all that lies beside it."""
    run(generic_config, record("a", note="1"), record("b", email="bad"))
    capsys.readouterr()
    before = files(tmp_path)
    state = {"type": "STATE", "value": {"bookmark": 1}}
    rehearse({**generic_config, "reject_limit": "100%"}, record("a", note="2"), record("b", email="worse"), state)
    assert files(tmp_path) == before
    assert capsys.readouterr().out == ""


@pytest.fixture
def killed(generic_config: dict[str, Any], tmp_path: Path) -> Path:
    """A folder with the store of a run that was killed: what it delivered stands in the log beside the file."""
    folder = tmp_path / "running"
    folder.mkdir()
    config = {**generic_config, "store_url": f"sqlite:///{folder / 'store.db'}"}
    run(config, record("z", note="1"))
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as another:  # the last one to close clears up
        assert another.execute("SELECT count(*) FROM runs").fetchone() == (1,)
        run(config, record("a", note="1"))
        copy = shutil.copytree(folder, tmp_path / "killed")
    assert (copy / "store.db-wal").stat().st_size
    return copy


def test_what_a_killed_run_has_left_stays_there(killed: Path, generic_config: dict[str, Any]) -> None:
    """Its log is read and not written into the file: that is for the next run to do."""
    before = files(killed)
    report = rehearse({**generic_config, "store_url": f"sqlite:///{killed / 'store.db'}"}, record("a", note="1"))
    assert report.count(Outcome.UNCHANGED) == 1
    after = files(killed)
    del before["store.db-shm"], after["store.db-shm"]  # an index of the log, which readers make as they need it
    assert after == before


def test_a_store_with_a_strange_name(generic_config: dict[str, Any]) -> None:
    """What means something in a URL may be part of a file's name."""
    config = {**generic_config, "store_url": "sqlite:///50% of #1 ü.db"}
    run(config, record("a", note="1"))
    assert rehearse(config, record("a", note="1")).count(Outcome.UNCHANGED) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE versions SET version = version + 1", "by a newer release of target-leads. Upgrade, or set store_url"),
        ("UPDATE versions SET version = 1", "by an older release of target-leads, and a dry run leaves it as it is."),
    ],
    ids=["newer", "older"],
)
def test_a_store_of_another_release(change: str, told: str, config: dict[str, Any]) -> None:
    """It is not compared with what may be something else, not changed, and it is said what to do."""
    run(config, record("a", note="1"))
    engine = create_engine(config["store_url"])
    with engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    before = contents(config["store_url"])
    with pytest.raises(StoreError) as raised:
        rehearse(config, record("a", note="1"))
    assert told in str(raised.value)
    assert contents(config["store_url"]) == before


def test_resend_sends_all_and_tells_what_differs(generic_config: dict[str, Any]) -> None:
    """What would be sent again although it is known counts as a request, and as no new lead."""
    run(generic_config, record("a", note="1"), record("b", note="1"))
    report = rehearse({**generic_config, "resend": "all"}, record("a", note="1"), record("b", note="2"))
    plan = plan_of(report)
    assert (plan.requests, plan.new_leads, plan.fields) == (2, 0, {"note": 1})


def test_the_sandbox_knows_no_lead(generic_config: dict[str, Any]) -> None:
    """An emulator begins anew, so a dry run with it compares with nothing, whoever has written the store."""
    run(generic_config, record("a", note="1"))
    with contextlib.closing(sqlite3.connect("target-leads.db")) as store, store:
        store.execute("UPDATE versions SET version = version + 1")
    config = {name: generic_config[name] for name in ("provider", "provider_paths")}
    assert plan_of(rehearse({**config, "sandbox": True}, record("a", note="1"))).new_leads == 1


def test_records_that_name_their_provider(generic_config: dict[str, Any]) -> None:
    """They are counted where they would go."""
    report = rehearse({**generic_config, "provider_field": "goes_to"}, record("a", note="1", goes_to="generic"))
    assert report.counts()["providers"] == {"generic": {"unsettled": 1}}


def test_steps_and_limits(sandbox_url: str) -> None:
    """Each step that matters is a request, jobs are asked after, and rate limits take their time."""
    report = rehearse(
        {
            "provider": "propexo_entrata",
            "providers": {
                "propexo_entrata": {
                    "api_token": "sandbox",
                    "base_url": f"{sandbox_url}/propexo_entrata",
                    "rate_limits": [{"requests": 2, "per_seconds": 30}],
                }
            },
        },
        *(record(f"L-{number}", first_name="Ada") for number in range(3)),
    )
    plan = report.plans["propexo_entrata"]
    assert (plan.leads, plan.requests, plan.least_seconds) == (3, 6, 60)


def test_the_guard_stops_a_rehearsal_too(generic_config: dict[str, Any]) -> None:
    """What would stop the run with status 3 is told."""
    bad = [record(f"L-{number}", email="bad") for number in range(5)]
    with pytest.raises(RejectLimitReached):
        rehearse({**generic_config, "reject_limit": 3}, *bad)
