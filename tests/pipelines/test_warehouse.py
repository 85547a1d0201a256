"""From tables of a PostgreSQL warehouse to the providers, by ``meltano run``."""

from __future__ import annotations

import os
import signal
import subprocess
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.markdown import blocks_to_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Weather
    from meltano_project import Project
    from sqlalchemy import URL

    from target_leads.sandbox import Emulator

pytestmark = pytest.mark.slow

BANKSIA = "6f1c2b7e-58d4-4c0a-9b3e-2d7a914f0c55"
CHANGE = "UPDATE crm.broker_leads SET amount = 90000, updated_at = now() WHERE postcode = '4000'"
ALL_TEN = {"exit_status": 0, "received": 10, "requests": 14, "delivered": 10}
"""Two rows of each table; an update and a question after its job for two of them, each asked twice."""
FAILURES = {"down": 75, "refusing": 4}
"""The exit status of the target, which Meltano turns into its own, 1."""
STOPS = {"Ctrl+C": (signal.SIGINT, 1), "docker stop": (signal.SIGTERM, 143)}
"""Signals, and the exit status of Meltano behind each."""
LEADS: dict[str, dict[str, dict[str, Any]]] = {
    "perch": {
        "g4XWxPqY": {
            "email": "avery.tremblay@example.com",
            "firstName": "Avery",
            "lastName": "Tremblay",
            "resourceType": "Firm",
            "resourceId": "k7RbNw2T",
            "phone": {"number": "+12025550143"},
            "clientData": {"dateOfBirth": "1988-04-17", "isFirstTimeHomeBuyer": True},
        },
        "b9TrQ2Lm": {
            "email": "noor.haddad@example.com",
            "firstName": "Noor",
            "lastName": "Haddad",
            "resourceType": "Firm",
            "resourceId": "k7RbNw2T",
            "clientData": {"dateOfBirth": "1991-12-02"},
        },
    },
    "bizmate": {
        BANKSIA: {
            "companyName": "Banksia Joinery Pty Ltd",
            "firstName": "Riley",
            "lastName": "Okafor",
            "email": "riley.okafor@example.com",
            "amountRequested": Decimal("85000.50"),
            "businessAddress": {"city": "Brisbane", "zipCode": "4000", "country": "Australia"},
        },
        "c0a4e1d2-93b7-4f6e-8d15-7b2c60f3a9e8": {
            "companyName": "Harbour Street Coffee",
            "firstName": "Mina",
            "lastName": "Castellano",
            "email": "mina.castellano@example.com",
            "amountRequested": Decimal("30000.00"),
            "businessAddress": {"city": "Darwin", "zipCode": "0800", "country": "Australia"},
        },
    },
    "powerchord": {
        "3d9f61b4-0a27-4e8c-b5d1-94c7e2f06a18": {
            "ExternalID": "88213",
            "Status": "contacted",
            "Content": {"comments": "Asked for a quote on a zero-turn mower."},
        },
        "7a2c84f9-6b1e-4d30-9c57-e05f1b3d8a46": {"ExternalID": "88214", "Status": "inProgress"},
    },
    "propexo_entrata": {
        "cm2k8x0qd000108l4f3yb7h2e": {
            "first_name": "Dana",
            "last_name": "Okonkwo",
            "email_1": "dana.okonkwo@example.com",
            "target_move_in_date": "2027-01-15T00:00:00Z",
            "desired_num_bedrooms": Decimal("2.0"),
        },
        "cm2k8x1ru000208l49p6dc5wz": {
            "first_name": "Jules",
            "last_name": "Bergstrom",
            "email_1": "jules.bergstrom@example.com",
            "desired_num_bedrooms": Decimal("1.5"),
        },
    },
    "connect2capital": {
        "9e3b5d70-18c4-4a6f-b2d9-60f7c1a85e34": {"id": "9e3b5d70-18c4-4a6f-b2d9-60f7c1a85e34", "status": "Contacted"},
        "b64d0e8f-73a2-4c19-8e5b-f92a1d7c6043": {
            "id": "b64d0e8f-73a2-4c19-8e5b-f92a1d7c6043",
            "status": "Funded",
            "fundedDate": "2026-11-18T00:00:00Z",
            "fundedAmount": Decimal("75000.00"),
        },
    },
}
"""What the sample's rows are to the providers."""


def bookmark(state: dict[str, Any], stream: str = "crm-broker_leads") -> str:
    """How far a stream has been read."""
    value: str = state["bookmarks"][stream]["replication_key_value"]
    return value


def updates(emulator: Emulator, since: int = 0) -> list[tuple[str, str]]:
    """Provider and lead of each update that was asked for, after so many requests."""
    return [(each.provider, each.lead_id) for each in emulator.requests[since:] if each.call == "update"]


def everything(emulator: Emulator) -> dict[str, Any]:
    """The leads of every provider that has some."""
    return {name: dict(leads) for name, leads in emulator.leads.items() if leads}


def test_only_what_changed_is_sent_next_time(
    project: Project, emulator: Emulator, warehouse: Callable[[str], None]
) -> None:
    """The first run delivers every row in the provider's terms; the next one sends the field that changed."""
    first = project.run()
    assert first.status == 0, first.log
    assert everything(emulator) == LEADS
    assert project.last_run() == ALL_TEN
    assert bookmark(project.state()).startswith("2026-11-20T05:59:40")

    warehouse(CHANGE)
    second = project.run()
    assert second.status == 0, second.log
    assert updates(emulator, since=14) == [("bizmate", BANKSIA)]
    assert emulator.leads["bizmate"][BANKSIA]["amountRequested"] == Decimal("90000.00")
    # Of each table the tap reads again what is as new as its bookmark.
    assert project.last_run() == {"exit_status": 0, "received": 6, "requests": 1, "delivered": 1, "unchanged": 5}
    assert bookmark(project.state()) > "2026-11-20T05:59:40"


def test_whole_tables(project: Project, emulator: Emulator, warehouse: Callable[[str], None]) -> None:
    """A tap that sends the whole table each time, and ACTIVATE_VERSION after it, costs no request more."""

    def whole(settings: dict[str, Any]) -> None:
        tap = settings["plugins"]["extractors"][0]
        tap["config"]["emit_activate_version_messages"] = True
        tap["metadata"] = {"*": {"replication-method": "FULL_TABLE"}}

    project.change(whole)
    first = project.run()
    assert first.status == 0, first.log
    assert "5 activate version messages" in first.log
    assert everything(emulator) == LEADS
    warehouse(CHANGE)
    assert project.run().status == 0
    assert updates(emulator, since=14) == [("bizmate", BANKSIA)]
    assert project.last_run() == {"exit_status": 0, "received": 10, "requests": 1, "delivered": 1, "unchanged": 9}


def test_batches(project: Project, emulator: Emulator) -> None:
    """Files of gzipped lines, named by BATCH messages, deliver what the records would."""
    files = project.folder / "batches"
    files.mkdir()
    encoding = {"format": "jsonl", "compression": "gzip"}

    def batched(settings: dict[str, Any]) -> None:
        settings["plugins"]["extractors"][0]["config"]["batch_config"] = {
            "encoding": encoding,
            "storage": {"root": files.as_uri()},
        }

    project.change(batched)
    ended = project.run()
    assert ended.status == 0, ended.log
    assert "0 records, 5 batch manifests" in ended.log
    assert len(list(files.iterdir())) == 5
    assert everything(emulator) == LEADS
    assert project.last_run() == ALL_TEN
    assert bookmark(project.state()).startswith("2026-11-20T05:59:40")


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failed_run_is_repeated(
    project: Project,
    weather: Weather,
    emulator: Emulator,
    warehouse: Callable[[str], None],
    kind: str,
) -> None:
    """A provider that is down, or refuses the credentials, fails the run and moves no bookmark; the next run sends."""
    project = project.with_variables(TARGET_LEADS_MAX_TRIES="2")
    assert project.run().status == 0
    before = project.state()
    warehouse(CHANGE)
    weather.becomes(kind)
    failed = project.run()
    assert failed.status == 1
    told = project.last_run()
    assert (told["exit_status"], told["unchanged"], told["unsettled"]) == (FAILURES[kind], 5, 1)
    assert project.state() == before

    weather.becomes("healthy")
    asked = emulator.request_count
    assert project.run().status == 0
    assert updates(emulator, since=asked) == [("bizmate", BANKSIA)]
    assert bookmark(project.state()) > bookmark(before)


@pytest.mark.parametrize("kind", STOPS)
def test_a_run_that_is_stopped(
    project: Project,
    weather: Weather,
    emulator: Emulator,
    warehouse: Callable[[str], None],
    kind: str,
) -> None:
    """Ctrl+C, which reaches Meltano and the plugins, ends a run in order, and so does a SIGTERM for Meltano alone.

    The next run sends the rest.
    """
    number, status = STOPS[kind]
    warehouse(
        "INSERT INTO crm.broker_leads (bizmate_id, company) "
        "SELECT gen_random_uuid(), 'Company ' || number FROM generate_series(1, 200) AS number"
    )
    weather.becomes("slow")
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # below a shell's & it is ignored, by children too
    with subprocess.Popen(
        [project.command, "run", "tap-postgres", "target-leads"],
        cwd=project.folder,
        env=project.environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        signal.signal(signal.SIGINT, ours)
        assert process.stderr is not None
        weather.wait_for(20)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        log = process.stderr.read()
    assert process.returncode == status
    assert f"Stopped by {number.name}" in log
    told = project.last_run()
    assert told["exit_status"] == 128 + number
    assert told["received"] == sum(told.get(name, 0) for name in ("delivered", "unconfirmed", "unsettled"))

    weather.becomes("healthy")
    assert project.run().status == 0
    sent = [each for each in updates(emulator) if each[0] == "bizmate"]
    assert len(sent) == len(set(sent)) == 202


def test_several_machines(
    make_project: Callable[[str], Project], warehouse: Callable[[str], None], emulator: Emulator, database: URL
) -> None:
    """With one store, and one database of Meltano's, a machine goes on where another one stopped."""
    (variables,) = blocks_to_run("docs/meltano.md", "On several machines", by=__file__)
    warehouse("CREATE SCHEMA target_leads")
    url = database.render_as_string(hide_password=False)
    own = {
        "//user:password@host/meltano": url,
        "//user:password@host/leads": f"{url}?options=-csearch_path%3Dtarget_leads",
    }
    dotenv = variables.text
    for address, instead in own.items():
        assert address in dotenv
        dotenv = dotenv.replace(address, instead.removeprefix("postgresql:"))
    one, another = (make_project(name) for name in ("one", "another"))
    for machine in (one, another):
        (machine.folder / ".env").write_text(dotenv, encoding="utf-8")
    ended = one.run()
    assert ended.status == 0, ended.log
    assert everything(emulator) == LEADS
    warehouse(CHANGE)
    assert another.run().status == 0
    assert updates(emulator, since=14) == [("bizmate", BANKSIA)]
    assert one.state() == another.state()


def test_a_store_amid_meltanos_own_tables(project: Project, emulator: Emulator, database: URL) -> None:
    """Meltano's database has a table runs: a store there is refused, in words that help, before anything is sent."""
    url = database.render_as_string(hide_password=False)
    ended = project.with_variables(
        MELTANO_DATABASE_URI=url.replace("postgresql:", "postgresql+psycopg:", 1), TARGET_LEADS_STORE_URL=url
    ).run()
    assert ended.status == 1
    assert (
        "holds tables of another program: runs. Give target-leads another database, or a schema of its own" in ended.log
    )
    assert emulator.request_count == 0
