"""Looking back at runs and at one lead, on stores that real runs against the sandbox have left."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.commands.exit_statuses import exit_status_in_words
from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA = {"type": "SCHEMA", "stream": "perch", "key_properties": ["id"], "schema": {"properties": {}}}
LEAD = {
    "id": "g4XWxPqY",
    "email": "avery.tremblay@example.com",
    "firstName": "Avery",
    "lastName": "Tremblay",
    "resourceType": "Firm",
    "resourceId": "k7RbNw2T",
}
CONTROL = "L\x1b[2J\n1"


def record(**fields: Any) -> dict[str, Any]:
    """A RECORD message: the lead with some fields changed."""
    return {"type": "RECORD", "stream": "perch", "record": {**LEAD, **fields}}


@dataclass(kw_only=True)
class Past:
    """What happened before a command looks back: five runs."""

    settings: dict[str, Any]
    run_ids: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A delivery, a change, a refusal, an outage, a run with an invalid record and an id that moves cursors."""
    folder = tmp_path_factory.mktemp("past")
    occasion = {"perch": ""}
    emulator = Emulator(load_all([]), lambda arrival: _suffered(arrival, occasion))
    with running(emulator) as url:
        past = Past(
            url=f"{url}/perch/v1",
            settings={
                "store_url": f"sqlite:///{folder}/leads.db",
                "reject_limit": "100%",
                "max_tries": 1,
                "providers": {"perch": {"api_key": "any", "base_url": f"{url}/perch/v1"}},
            },
        )
        (folder / "config.json").write_text(json.dumps(past.settings))
        for wanted, messages in (
            ("", [record()]),
            ("", [record(phone={"number": "+12025550143", "extension": "204"})]),
            ("invalid", [record(firstName="Ava")]),
            ("unavailable", [record(lastName="Roy")]),
            ("", [record(lastName="Roy"), record(email="kept to myself"), record(id=CONTROL, email="no")]),
        ):
            occasion["perch"] = wanted
            ended = subprocess.run(
                [sys.executable, "-m", "target_leads", "--config", "config.json"],
                cwd=folder,
                input="\n".join(map(json.dumps, [SCHEMA, *messages])),
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == (75 if wanted == "unavailable" else 0), ended.stderr
        listed = [sys.executable, "-m", "target_leads", "runs", "list", "--config", "config.json", "--format", "json"]
        text = subprocess.run(listed, cwd=folder, capture_output=True, check=True).stdout
        past.run_ids = [run["run_id"] for run in json.loads(text)][::-1]
        yield past


def _suffered(_: Arrival, occasion: dict[str, str]) -> Interference:
    return Interference(occasion=occasion["perch"])


@pytest.fixture
def look(past: Past, command: Callable[..., Any]) -> Callable[..., Any]:
    """Does a command on that store."""
    Path("config.json").write_text(json.dumps(past.settings))
    return lambda *arguments, **options: command("--config", "config.json", *arguments, **options)


def steady(text: str, past: Past) -> str:
    """The text without what is another in each run of the tests: times, ids, the address."""
    for number, run_id in enumerate(past.run_ids, start=1):
        text = text.replace(run_id, f"run-{number:032}").replace(run_id[:8], f"run-000{number}")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-03-29 07:00", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-03-29T07:00:00Z", text)
    text = re.sub(r"by release \S+", "by release 0.1.0", text)
    return re.sub(r"\d\.\d s\b", "0.4 s", text).replace(past.url, "https://perch.example")


RUNS_AT_80 = """\
run       started           ended          received  outcomes
run-0005  2026-03-29 07:00  ok                    3  1 delivered, 2 invalid
run-0004  2026-03-29 07:00  provider down         1  1 unsettled
run-0003  2026-03-29 07:00  ok                    1  1 rejected
run-0002  2026-03-29 07:00  ok                    1  1 delivered
run-0001  2026-03-29 07:00  ok                    1  1 delivered
"""
RUNS_WIDE = """\
run       started           took   ended          received  requests  outcomes
run-0005  2026-03-29 07:00  0.4 s  ok                    3         1  1 delivered, 2 invalid
run-0004  2026-03-29 07:00  0.4 s  provider down         1         1  1 unsettled
"""


def test_runs_are_listed(past: Past, look: Callable[..., Any]) -> None:
    """The newest first, on a narrow screen, on a wide one, and in a pipe; as many as are wanted."""
    assert steady(look("runs", "list", columns=80).stdout, past) == RUNS_AT_80
    assert steady(look("runs", "list", "--limit", "2", columns=120).stdout, past) == RUNS_WIDE
    assert steady(look("runs", "list", "--limit", "2").stdout, past) == RUNS_WIDE


def test_runs_for_scripts(past: Past, look: Callable[..., Any]) -> None:
    """Counts under the names that they have in the report and in the table of runs."""
    last = json.loads(look("runs", "list", "--format", "json").stdout)[0]
    assert last.pop("finished_at") > last.pop("started_at")
    assert last == {
        "run_id": past.run_ids[-1],
        "version": last["version"],
        "exit_status": 0,
        "exit_status_means": "Every record was settled.",
        "received": 3,
        "requests": 1,
        **dict.fromkeys(["unconfirmed", "unchanged", "superseded", "ignored", "rejected", "failed", "unsettled"], 0),
        "delivered": 1,
        "invalid": 2,
        "providers": {"perch": {"delivered": 1, "invalid": 2}},
    }


RUN_AT_80 = """\
Run       run-00000000000000000000000000000005, by release 0.1.0
Started   2026-03-29 07:00
Ended     2026-03-29 07:00, after 0.4 s
Status    0: Every record was settled.
Received  3 records: 1 delivered, 2 invalid
Requests  1

provider  delivered  invalid
perch             1        2

Why records were refused, the commonest reason first
count  provider  outcome  such as                reason
    2  perch     invalid  g4XWxPqY, L\\x1b[2J\\n1  $.email must be a valid email

What to do
-  target-leads dead-letters list --since 2026-03-29T07:00:00Z lists what was
   refused.
-  target-leads dead-letters replay sends it again, once its reason is mended.
"""


@pytest.mark.parametrize("named", ["latest", "{}", "{:.6}"])
def test_a_run_is_shown(named: str, past: Past, look: Callable[..., Any]) -> None:
    """One screen: what happened, why, and what to do. It may be named by the beginning of its id."""
    ended = look("runs", "show", named.format(past.run_ids[-1]), columns=80)
    assert (ended.status, ended.stderr) == (0, "")
    assert steady(ended.stdout, past) == RUN_AT_80


OUTAGE_AT_80 = """\
Status    75: A provider was down, or asked for a longer wait than
          max_wait_seconds.
Received  1 record: 1 unsettled
Requests  1

provider  unsettled
perch             1

What to do
-  Run again later: what was not settled comes again.
"""


def test_a_run_that_ended_badly(past: Past, look: Callable[..., Any]) -> None:
    """Its status in words, and the next step."""
    assert steady(look("runs", "show", past.run_ids[3], columns=80).stdout, past).endswith(OUTAGE_AT_80)


def test_a_run_in_which_too_much_was_refused() -> None:
    """What stopped it may have been one of three things, and what is to be done fits each."""
    status = exit_status_in_words(3)
    assert status.meaning == (
        "More was refused than reject_limit allows, nothing but dead letters came of it, or it was a replay of which "
        "some were refused again."
    )
    assert status.next_step == (
        "Mend the commonest reason, or raise reject_limit, and run again: what no STATE covers comes again."
    )


def test_a_run_for_scripts(past: Past, look: Callable[..., Any]) -> None:
    """With its reasons, in the shape that they have in the report."""
    shown = json.loads(look("runs", "show", past.run_ids[2], "--format", "json").stdout)
    reason = "422 Unprocessable"
    assert shown["reasons"][0].pop("reason").startswith(reason)
    assert shown["reasons"] == [{"provider": "perch", "outcome": "rejected", "count": 1, "lead_ids": ["g4XWxPqY"]}]


def test_a_run_that_cannot_be_found(past: Past, look: Callable[..., Any]) -> None:
    """None begins so: status 1. More than one: status 2, and they are named."""
    missing = look("runs", "show", "nothing")
    assert (missing.status, missing.stdout, missing.stderr) == (1, "", "Error: there is no run nothing.\n")
    several = look("runs", "show", "")
    assert several.status == 2
    assert several.stderr.startswith(f"Error: More than one run begins with '', such as {past.run_ids[-1]}, ")


def test_a_store_without_runs(command: Callable[..., Any], tmp_path: Path) -> None:
    """That is told; so is a store that is not there, and none is made."""
    assert command("runs", "list").status == 2
    (tmp_path / "target-leads.db").touch()
    listed = command("runs", "list")
    assert (listed.status, listed.stdout) == (0, "There was no run yet.\n")
    assert command("runs", "show", "latest").status == 1


def test_what_nobody_foresaw_is_told_without_a_value(command: Callable[..., Any], tmp_path: Path) -> None:
    """Where it happened and that it should be reported; its message may hold anything. Status 1."""
    Store("sqlite:///target-leads.db", now=time.time).close()
    with closing(sqlite3.connect(tmp_path / "target-leads.db")) as connection, connection:
        connection.execute(
            "INSERT INTO runs (run_id, version, started_at, received, requests, delivered, unconfirmed, unchanged, "
            "superseded, ignored, invalid, rejected, failed, unsettled, providers) "
            "VALUES ('r', '', '2026-03-29 07:00:00.000000', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'kept to myself')"
        )
    ended = command("runs", "list")
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.startswith("An unforeseen error: JSONDecodeError at ")
    assert "kept to myself" not in ended.stderr


def test_a_reader_of_an_export_that_goes_away(past: Past) -> None:
    """What is written last is written before the end, where nobody reading it is no traceback."""
    Path("config.json").write_text(json.dumps(past.settings))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "target_leads", "dead-letters", "export", "--config", "config.json"]
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=buffered)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


HISTORY_AT_80 = """\
when              provider  outcome    tries  run       request
2026-03-29 07:00  perch     delivered      1  run-0001
    email, firstName, lastName, resourceType, resourceId
    200
2026-03-29 07:00  perch     delivered      1  run-0002
    email, firstName, lastName, resourceType, resourceId, phone.number,
    phone.extension
    200
2026-03-29 07:00  perch     rejected       1  run-0003
    email, firstName, lastName, resourceType, resourceId
    422 Unprocessable
"""
NOW_AT_80 = """\
2026-03-29 07:00  perch     invalid        0  run-0005
    $.email must be a valid email

Now
-  perch (https://perch.example) accepted it last at 2026-03-29 07:00.
-  Dead letter 1 of 2026-03-29 07:00, perch, is open: target-leads dead-letters
   show 1
-  Dead letter 2 of 2026-03-29 07:00, perch, is open: target-leads dead-letters
   show 2
"""
DELIVERED = "2026-03-29 07:00  perch     delivered      1  run-0002           email, firstName, lastName,"


def test_a_lead_has_a_history(past: Past, look: Callable[..., Any]) -> None:
    """Oldest first, over all runs: names of fields, the provider's answer, and what is so now. No value is in it."""
    ended = look("history", "g4XWxPqY", columns=80)
    text = steady(ended.stdout, past)
    assert (ended.status, ended.stderr) == (0, "")
    assert text.startswith(HISTORY_AT_80.rstrip())
    assert NOW_AT_80.partition("\n\n")[2] == text.partition("\n\n")[2]
    assert NOW_AT_80.partition("\n\n")[0] in text
    assert "kept to myself" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert DELIVERED in steady(look("history", "g4XWxPqY").stdout, past)


def test_a_lead_with_an_id_that_moves_cursors(look: Callable[..., Any]) -> None:
    """It is found by its id; on the screen the id is harmless."""
    assert "invalid" in look("history", CONTROL).stdout
    missing = look("history", f"{CONTROL}!")
    assert (missing.status, missing.stdout) == (1, "")
    assert missing.stderr == "Error: nothing is known of the lead L\\x1b[2J\\n1!.\n"


def test_a_history_for_scripts(past: Past, look: Callable[..., Any]) -> None:
    """Moments in UTC, names of fields as a list; nothing known is status 1 here too, with lists that are empty."""
    shown = json.loads(look("history", "g4XWxPqY", "--provider", "perch", "--format", "json").stdout)
    assert shown.keys() == {"lead_id", "changes", "known", "dead_letters", "open_jobs"}
    rejected = shown["changes"][2]
    assert rejected.pop("settled_at").endswith("+00:00")
    assert rejected.pop("reason").startswith("422 Unprocessable")
    assert rejected == {
        "run_id": past.run_ids[2],
        "stream": "perch",
        "provider": "perch",
        "account": "default",
        "outcome": "rejected",
        "fields": ["email", "firstName", "lastName", "resourceType", "resourceId"],
        "status": 422,
        "error_code": "INVALID, REQUIRED",
        "request_id": "",
        "attempts": 1,
        "job_id": "",
    }
    assert [each["is_known"] for each in shown["known"]] == [True]
    elsewhere = look("history", "g4XWxPqY", "--provider", "bizmate", "--format", "json")
    assert elsewhere.status == 1
    nothing = {"changes": [], "known": [], "dead_letters": [], "open_jobs": []}
    assert json.loads(elsewhere.stdout) == {"lead_id": "g4XWxPqY", **nothing}


def test_an_open_job_is_told(command: Callable[..., Any]) -> None:
    """A provider that writes later has not said yet how that ended, so what it has is not known."""
    emulator = Emulator(load_all([]))
    with running(emulator) as url:
        settings = {"providers": {"propexo_entrata": {"api_token": "any", "base_url": f"{url}/propexo_entrata"}}}
        Path("config.json").write_text(json.dumps({**settings, "confirm_timeout_seconds": 0}))
        schema = {**SCHEMA, "stream": "propexo_entrata"}
        update = {"type": "RECORD", "stream": "propexo_entrata", "record": {"id": "cm2k8x0q", "first_name": "Ada"}}
        Path("leads.jsonl").write_text("\n".join(map(json.dumps, [schema, update])))
        ended = subprocess.run(
            [sys.executable, "-m", "target_leads", "--config", "config.json", "--input", "leads.jsonl"],
            capture_output=True,
            text=True,
            check=False,
            env=dict(os.environ),
        )
        assert ended.returncode == 0, ended.stderr
    lines = command("--config", "config.json", "history", "cm2k8x0q").stdout.splitlines()
    assert lines[1].split()[2:4] == ["propexo_entrata", "unconfirmed"]
    assert re.fullmatch(
        r"-  Job \S+ of [\d :-]+, propexo_entrata, is open: the next run asks how it ended\.", lines[-1]
    )
    shown = command("--config", "config.json", "runs", "show", "latest").stdout
    assert "-  The next run asks how the open jobs ended; it needs no records for that." in shown
