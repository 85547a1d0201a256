"""The SDK's stream maps come before all of it: what they make of a stream is what is mapped, judged and sent."""

from __future__ import annotations

import io
import json
import logging
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.models import Outcome
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.report import RunReport
    from target_leads.sandbox import Emulator

COLUMNS = {
    "id": {"type": "integer"},
    "mail": {"type": ["null", "string"]},
    "stage": {"type": ["null", "string"]},
    "amount": {"type": ["null", "number"]},
}


@pytest.fixture(autouse=True)
def own_signal_handlers() -> Iterator[None]:
    """Give pytest its signal handlers back: the SDK takes them whenever a target is made."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def config(sandbox_url: str, emulator: Emulator) -> dict[str, Any]:
    """Settings with the credentials of two providers."""
    return {
        "providers": {
            name: {key: "sandbox", "base_url": sandbox_url + emulator.prefixes[name]}
            for name, key in (("propexo_entrata", "api_token"), ("powerchord", "access_token"))
        }
    }


def run(config: dict[str, Any], *records: dict[str, Any], **more: Any) -> RunReport:
    """Do a run over records of the stream crm, which may have more columns."""
    properties = {**COLUMNS, **more}
    schema = {"type": "SCHEMA", "stream": "crm", "key_properties": ["id"], "schema": {"properties": properties}}
    messages = [schema, *({"type": "RECORD", "stream": "crm", "record": record} for record in records)]
    target = TargetLeads(config=config)
    try:
        target.run(io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in messages)))
    finally:
        target.close(exit_status=1)
    assert target.report is not None
    return target.report


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was warned of."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_renames_filters_and_computed_fields(
    config: dict[str, Any], emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream's settings go by its new name and its new columns; what a map filters out is ignored.

    Of the type of a computed column nothing is known, so nothing is warned of, whatever the SDK guesses.
    """
    config["stream_maps"] = {
        "crm": {
            "__alias__": "leads",
            "__filter__": "stage != 'test'",
            "__else__": None,
            "id": "id",
            "contact": "mail",
            "rent": "int(amount * 100)",
            "rooms": "amount / 1000",
            "summary": "'stage ' + stage",
        }
    }
    config["streams"] = {
        "leads": {
            "provider": "propexo_entrata",
            "fields": {
                "contact": "email_1",
                "rent": "desired_max_rent_in_cents",
                "rooms": "desired_num_bedrooms",
                "summary": "notes",
            },
            "constants": {"phone_1_type": "MOBILE"},
        }
    }
    report = run(
        config,
        {"id": 1, "mail": "ada@example.com", "stage": "new", "amount": 1500},
        {"id": 2, "mail": "bob@example.com", "stage": "test", "amount": 1},
    )
    assert emulator.leads["propexo_entrata"] == {
        "1": {
            "email_1": "ada@example.com",
            "desired_max_rent_in_cents": 150000,
            "desired_num_bedrooms": 1.5,
            "notes": "stage new",
            "phone_1_type": "MOBILE",
        }
    }
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.IGNORED)) == (1, 1)
    assert warnings(caplog) == []


def test_one_stream_becomes_two(config: dict[str, Any], emulator: Emulator) -> None:
    """A stream that is duplicated feeds two providers, each with a mapping, a filter and a lead id of its own."""
    config["stream_maps"] = {
        "crm": {"__filter__": "stage != 'lost'"},
        "dealers": {"__source__": "crm", "dealer_id": "'d-' + str(id)", "__key_properties__": ["dealer_id"]},
    }
    config["streams"] = {
        "crm": {"provider": "propexo_entrata", "fields": {"mail": "email_1"}},
        "dealers": {
            "provider": "powerchord",
            "fields": {"stage": "Status", "amount": "Content.budget", "id": "ExternalID"},
            "coerce": True,
        },
    }
    report = run(
        config,
        {"id": 1, "mail": "ada@example.com", "stage": "Contact Attempted", "amount": 1.5},
        {"id": 2, "mail": "bob@example.com", "stage": "lost", "amount": None},
    )
    assert emulator.leads["propexo_entrata"] == {"1": {"email_1": "ada@example.com"}}
    assert emulator.leads["powerchord"] == {
        "d-1": {"Status": "contacted", "Content": {"budget": 1.5}, "ExternalID": "1"}
    }
    assert (report.received, report.count(Outcome.DELIVERED), report.count(Outcome.INVALID)) == (3, 2, 1)


def test_a_renamed_column_keeps_its_type(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """A column that is only renamed is as the tap's SCHEMA says, so what its type cannot be is told."""
    config["stream_maps"] = {"crm": {"rent": "mail", "number": "int(amount)"}}
    config["streams"] = {
        "crm": {
            "provider": "propexo_entrata",
            "fields": {"rent": "desired_max_rent_in_cents", "number": "notes", "amount": "zip"},
        }
    }
    run(config)
    assert warnings(caplog) == [
        (
            "Stream crm: records with a value in one of these fields are invalid, as its type can never be what "
            "propexo_entrata takes: amount is number, and zip takes string; rent is string, and "
            "desired_max_rent_in_cents takes integer. Set streams.crm.coerce to true to convert rent. "
            "Convert amount in the tap's query or with stream_maps."
        )
    ]


def test_flattened_columns(config: dict[str, Any], emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK may flatten nested columns; they are mapped by their flat names."""
    config |= {
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "streams": {"crm": {"provider": "propexo_entrata", "fields": {"place__town": "city"}}},
    }
    place = {"type": "object", "properties": {"town": {"type": "string"}}}
    report = run(config, {"id": 1, "place": {"town": "Springfield"}}, place=place)
    assert emulator.leads["propexo_entrata"] == {"1": {"city": "Springfield"}}
    assert report.count(Outcome.DELIVERED) == 1
    assert warnings(caplog) == []
