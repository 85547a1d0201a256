"""A provider of the user's own is a folder of data: no Python, no change to the package."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.models import Outcome
from target_leads.providers import load_all
from target_leads.sandbox import Emulator, running
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from pathlib import Path

DEFINITION: dict[str, Any] = {
    "name": "acme",
    "title": "Acme Leads",
    "documentation": ["https://acme.example.com/docs"],
    "settings": {
        "key": {"title": "Key", "description": "Ask Acme for it.", "secret": True},
        "site": {"title": "Site", "description": "Your site's name at Acme."},
        "zone": {"title": "Zone", "description": "Where your site is.", "enum": ["north", "south"], "default": "north"},
    },
    "base_url": {
        "setting": "zone",
        "urls": {"north": "https://north.acme.example.com/api", "south": "https://south.acme.example.com/api"},
    },
    "authentication": {"headers": {"x-acme-key": "{key}", "x-acme-site": "site {site}"}},
    "lead_id": {"name": "ref", "body_field": "ref"},
    "update": {
        "method": "PUT",
        "path": "/sites/{site}/leads",
        "envelope": "lead",
        "fields": "whole",
        "responses": {
            "success_body": {"type": "object", "required": ["ok"]},
            "rules": [
                {
                    "when": {"properties": {"ok": {"const": False}}, "required": ["ok"]},
                    "verdict": "rejected",
                    "reason": "Acme did not write it",
                }
            ],
        },
    },
}
LEAD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["ref"],
    "additionalProperties": False,
    "properties": {
        "ref": {"type": "string", "pattern": "^A[0-9]+$"},
        "stage": {"enum": ["new", "won"]},
        "contact": {"type": "object", "properties": {"email": {"type": "string", "format": "email"}}},
    },
}
RESPONSES: dict[str, dict[str, Any]] = {
    "written": {
        "source": "assumed",
        "status": 200,
        "body": {"ok": True},
        "outcome": "delivered",
        "sandbox": {"on": "success"},
    },
    "not_written": {
        "source": "assumed",
        "status": 200,
        "body": {"ok": False},
        "outcome": "rejected",
        "sandbox": {"lead_ids": ["A404"]},
    },
}


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """The folder of a sixth API."""
    folder = tmp_path / "acme"
    (folder / "responses").mkdir(parents=True)
    (folder / "provider.json").write_text(json.dumps(DEFINITION))
    (folder / "lead.schema.json").write_text(json.dumps(LEAD_SCHEMA))
    (folder / "example.json").write_text(json.dumps({"ref": "A1", "stage": "new"}))
    for name, response in RESPONSES.items():
        (folder / "responses" / f"{name}.json").write_text(json.dumps(response))
    return folder


def test_a_sixth_api_written_as_data_delivers(acme: Path) -> None:
    """Its own method, path, envelope, headers, id in the body, schema and answers: all from the folder."""
    records = [
        {"ref": "A1", "stage": "won", "contact__email": "ada@example.com"},
        {"ref": "A404", "stage": "new"},
        {"ref": "B7", "stage": "new"},
        {"ref": "A2", "stage": "lost"},
    ]
    schema = {"type": "SCHEMA", "stream": "acme", "key_properties": [], "schema": {"properties": {}}}
    messages = [schema, *({"type": "RECORD", "stream": "acme", "record": record} for record in records)]
    emulator = Emulator(load_all([str(acme)]))
    with running(emulator) as url:
        account = {"key": "k", "site": "main street", "base_url": f"{url}/acme/api"}
        target = TargetLeads(config={"provider_paths": [str(acme)], "providers": {"acme": account}})
        target.run(io.BytesIO(b"\n".join(json.dumps(message).encode() for message in messages)))
    assert emulator.leads["acme"] == {"A1": {"ref": "A1", "stage": "won", "contact": {"email": "ada@example.com"}}}
    assert {(request.method, request.path) for request in emulator.requests} == {
        ("PUT", "/acme/api/sites/main%20street/leads")
    }
    report = target.pipeline.report
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.REJECTED), report.count(Outcome.INVALID)) == (1, 1, 2)
    assert report.commonest_reasons(4) == [
        "1 × acme invalid: $.ref must match the pattern ^A[0-9]+$ (lead B7)",
        "1 × acme invalid: $.stage must be one of new, won (lead A2)",
        "1 × acme rejected: 200 OK: Acme did not write it (lead A404)",
    ]


BULK: dict[str, Any] = {
    "name": "bulk",
    "title": "Bulk Leads",
    "documentation": ["https://bulk.example.com/docs"],
    "settings": {"key": {"title": "Key", "description": "Ask for it.", "secret": True}},
    "base_url": "https://bulk.example.com/api",
    "authentication": {"headers": {"x-key": "{key}"}},
    "lead_id": {"name": "ref", "body_field": "ref"},
    "update": {"method": "PATCH", "path": "/leads", "fields": "partial"},
}
RESULTS: dict[str, Any] = {"at": "/done", "id_at": "/lead/ref", "status_at": "/code"}


@pytest.mark.parametrize(("results", "requests"), [(RESULTS, 4), (None, 4 + 8)])
def test_an_api_that_takes_many_leads_at_once(results: dict[str, Any] | None, requests: int, tmp_path: Path) -> None:
    """The refused lead is found by the answer's own results, or by halving the request that holds it."""
    many = {"max_items": 16, "items_at": "/data/leads", **({"results": results} if results else {})}
    folder = tmp_path / "bulk"
    (folder / "responses").mkdir(parents=True)
    (folder / "provider.json").write_text(json.dumps({**BULK, "update": {**BULK["update"], "many": many}}))
    (folder / "lead.schema.json").write_text(json.dumps({"type": "object", "properties": {"ref": {}, "stage": {}}}))
    refusal = {"source": "assumed", "status": 422, "outcome": "rejected", "sandbox": {"lead_ids": ["L20"]}}
    (folder / "responses" / "refused.json").write_text(json.dumps(refusal))
    schema = {"type": "SCHEMA", "stream": "bulk", "key_properties": ["ref"], "schema": {"properties": {}}}
    records = [{"ref": f"L{number}", "stage": "won"} for number in range(50)]
    messages = [schema, *({"type": "RECORD", "stream": "bulk", "record": record} for record in records)]
    emulator = Emulator(load_all([str(folder)]))
    with running(emulator) as url:
        account = {"key": "k", "base_url": f"{url}/bulk/api"}
        target = TargetLeads(config={"provider_paths": [str(folder)], "providers": {"bulk": account}})
        target.run(io.BytesIO(b"\n".join(json.dumps(message).encode() for message in messages)))
    assert emulator.leads["bulk"].keys() == {record["ref"] for record in records} - {"L20"}
    report = target.pipeline.report
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.REJECTED)) == (49, 1)
    assert emulator.request_count == report.requests == requests
