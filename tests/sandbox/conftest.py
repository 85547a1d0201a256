"""Two providers as data, unlike in all that a definition can say: Acme writes at once, Globex by a job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from target_leads.providers import Definition, load
from target_leads.sandbox import Emulator, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from target_leads.sandbox.emulator import Receive, Scope, Send

ACME: dict[str, Any] = {
    "provider.json": {
        "name": "acme",
        "title": "Acme Leads",
        "documentation": ["https://docs.example.com/acme"],
        "settings": {"api_key": {"title": "Key", "description": "From your account page.", "secret": True}},
        "base_url": "https://api.example.com/v1",
        "authentication": {"headers": {"x-api-key": "{api_key}"}},
        "lead_id": {"name": "id"},
        "update": {
            "method": "PATCH",
            "path": "/leads/{lead_id}",
            "fields": "partial",
            "merged_objects": ["address"],
        },
        "read": {"method": "GET", "path": "/leads/{lead_id}", "lead_at": "/data"},
    },
    "lead.schema.json": {
        "type": "object",
        "additionalProperties": False,
        "required": ["email"],
        "properties": {
            "email": {"type": "string", "format": "email"},
            "budget": {"type": "number"},
            "phone": {"type": "object"},
            "address": {"type": "object"},
        },
    },
    "example.json": {"id": "L1", "email": "ada@example.com"},
    "responses/updated.json": {
        "source": "assumed",
        "status": 200,
        "body": {"data": {"id": "sample", "stage": "new", "email": "sample@example.com"}, "trace": 7},
        "outcome": "delivered",
        "sandbox": {"on": "success", "lead_at": "/data", "id_field": "id"},
    },
    "responses/gone.json": {
        "source": "assumed",
        "status": 409,
        "body": {"message": "Converted."},
        "outcome": "rejected",
        "sandbox": {"lead_ids": ["converted"]},
    },
    "responses/invalid.json": {
        "source": "assumed",
        "status": 422,
        "body": {"message": "A field is wrong."},
        "outcome": "rejected",
        "sandbox": {"on": "invalid"},
    },
    "responses/unauthorized.json": {
        "source": "assumed",
        "status": 401,
        "headers": {"www-authenticate": "ApiKey"},
        "text": "Who are you?",
        "outcome": "unsettled",
        "sandbox": {"on": "unauthorized"},
    },
    "responses/read.json": {
        "source": "assumed",
        "call": "read",
        "status": 200,
        "body": {"data": {}, "seen": True},
        "outcome": "delivered",
        "sandbox": {"on": "success", "id_field": "id"},
    },
}

GLOBEX: dict[str, Any] = {
    "provider.json": {
        "name": "globex",
        "title": "Globex CRM",
        "documentation": ["https://docs.example.com/globex"],
        "settings": {
            "token": {"title": "Token", "description": "From your account page.", "secret": True},
            "partner": {"title": "Partner", "description": "Your partner route."},
        },
        "base_url": "https://crm.example.com",
        "authentication": {"headers": {"Authorization": "Bearer {token}"}},
        "lead_id": {"name": "id", "body_field": "id"},
        "update": {"method": "POST", "path": "/api/{partner}/leads", "fields": "whole", "envelope": "lead"},
        "read": {
            "method": "GET",
            "path": "/api/{partner}/leads",
            "query": {"leadId": "{lead_id}"},
            "lead_at": "",
            "fields": ["status"],
        },
        "job": {"method": "GET", "path": "/jobs/{job_id}", "id_at": ["/meta/job_id", "/job_id"], "responses": {}},
    },
    "lead.schema.json": {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}, "status": {"type": "string"}, "note": {"type": "string"}},
    },
    "example.json": {"id": "G1", "status": "Contacted"},
    "responses/accepted.json": {
        "source": "assumed",
        "status": 202,
        "body": {"meta": {"job_id": "sample", "queue": "fast"}},
        "outcome": "unconfirmed",
        "sandbox": {"on": "success"},
    },
    "responses/job-open.json": {
        "source": "assumed",
        "call": "job",
        "status": 200,
        "body": {"state": "OPEN"},
        "outcome": "unconfirmed",
        "sandbox": {"on": "pending"},
    },
    "responses/job-done.json": {
        "source": "assumed",
        "call": "job",
        "status": 200,
        "body": {"state": "DONE"},
        "outcome": "delivered",
        "sandbox": {"on": "success"},
    },
    "responses/job-failed.json": {
        "source": "assumed",
        "call": "job",
        "status": 200,
        "body": {"state": "FAILED"},
        "outcome": "rejected",
        "sandbox": {"lead_ids": ["doomed"]},
    },
}


@pytest.fixture(scope="session")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Definition]:
    """Both providers, read from folders as a user's own are."""
    root = tmp_path_factory.mktemp("providers")
    return load([_written(root / "acme", ACME), _written(root / "globex", GLOBEX)])


@pytest.fixture
def emulator(definitions: Mapping[str, Definition]) -> Emulator:
    """A healthy emulator without leads."""
    return Emulator(definitions)


class Stage:
    """An ASGI application that hands every request to the emulator of the test that is running."""

    emulator: Emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        await self.emulator(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    """One server for all tests that need no server of their own, and its URL."""
    stage = Stage()
    with running(stage) as url:
        yield stage, url


@pytest.fixture
def url(stage: tuple[Stage, str], emulator: Emulator) -> str:
    """Where the healthy emulator is served."""
    stage[0].emulator = emulator
    return stage[1]


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A client that keeps its connections."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def patch(url: str, session: requests.Session) -> Callable[..., requests.Response]:
    """Updates a lead of Acme as its documentation wants it; arguments replace parts of the request."""

    def send(lead_id: str = "L1", **changes: Any) -> requests.Response:
        request = {
            "method": "PATCH",
            "url": f"{url}/acme/v1/leads/{lead_id}",
            "headers": {"x-api-key": "key", "content-type": "application/json"},
            "data": '{"email": "ada@example.com"}',
        }
        return session.request(**(request | changes), timeout=5)

    return send


@pytest.fixture
def post(url: str, session: requests.Session) -> Callable[..., requests.Response]:
    """Updates a lead of Globex."""

    def send(**fields: Any) -> requests.Response:
        headers = {"Authorization": "Bearer token"}
        return session.post(f"{url}/globex/api/us-1/leads", json={"lead": fields}, headers=headers, timeout=5)

    return send


@pytest.fixture
def get(url: str, session: requests.Session) -> Callable[..., requests.Response]:
    """Asks any provider, with credentials of both kinds."""

    def send(path: str, **query: str) -> requests.Response:
        headers = {"Authorization": "Bearer token", "x-api-key": "key"}
        return session.get(url + path, params=query, headers=headers, timeout=5)

    return send


def _written(folder: Path, files: Mapping[str, Any]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")
    return folder
