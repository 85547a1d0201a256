"""What the emulated providers take, keep and answer."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from target_leads.providers import Definition, bundled, load_example, load_responses
from target_leads.sandbox import Emulator, running
from target_leads.sandbox.answers import placed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    Send = Callable[..., requests.Response]

_JSON = {"content-type": "application/json"}


def test_success_answers_as_the_folder_says(patch: Send, emulator: Emulator) -> None:
    """A good update is kept and answered with the recorded success, the stored lead put over the sample in it."""
    response = patch()

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"data": {"id": "L1", "stage": "new", "email": "ada@example.com"}, "trace": 7}
    assert emulator.leads["acme"] == {"L1": {"email": "ada@example.com"}}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nobody/v1/leads/L1", "PATCH", 404),
        ("/acme/leads/L1", "PATCH", 404),
        ("/acme/v1", "PATCH", 404),
        ("/acme/v1/leads/", "PATCH", 404),
        ("/acme/v1/leads/L1/", "PATCH", 404),
        ("/acme/v1/leads/L1/notes", "PATCH", 404),
        ("/acme/v1/Leads/L1", "PATCH", 404),
        ("/acme/v1/leads/%ff", "PATCH", 404),
        ("/acme/v1/leads/L1", "PUT", 405),
        ("/acme/v1/leads/L1", "DELETE", 405),
        ("/", "POST", 405),
    ],
)
def test_path_and_method_are_exact(path: str, method: str, status: int, url: str, patch: Send) -> None:
    """Another path is not found and another method not allowed, with a bare status where the folder has no answer."""
    response = patch(url=url + path, method=method)

    assert (response.status_code, response.content) == (status, b"")


@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"x-api-key": "refused"}])
def test_credentials_must_be_there_and_not_refused(headers: dict[str, str], patch: Send, emulator: Emulator) -> None:
    """No credential, an empty one and the word refused get the provider's own 401, headers and text included."""
    response = patch(headers=_JSON | headers)

    assert (response.status_code, response.text) == (401, "Who are you?")
    assert response.headers["www-authenticate"] == "ApiKey"
    assert emulator.leads["acme"] == {}


def test_forbidden_credential(patch: Send) -> None:
    """The credential forbidden is known and may do nothing."""
    assert patch(headers=_JSON | {"x-api-key": "forbidden"}).status_code == 403


@pytest.mark.parametrize("value", ["token", "bearer token", "Bearer", "Bearer refused", "Basic token"])
def test_header_template_is_matched_whole(value: str, url: str, session: requests.Session) -> None:
    """What stands around a credential in its header is part of the proof."""
    response = session.post(
        f"{url}/globex/api/us-1/leads", json={"lead": {"id": "G1"}}, headers={"Authorization": value}, timeout=5
    )

    assert response.status_code == 401


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/json; profile=lead", 415),
        ("application/merge-patch+json", 415),
        ("text/plain", 415),
        (None, 415),
    ],
)
def test_content_type_must_be_json(content_type: str | None, status: int, patch: Send) -> None:
    """Only JSON in UTF-8 is a supported media type."""
    headers = {"x-api-key": "key"} | ({"content-type": content_type} if content_type else {})

    assert patch(headers=headers).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"email"',
        b"{}",
        b'{"email": 1}',
        b'{"email": "nobody"}',
        b'{"email": "ada@example.com", "surname": "Lovelace"}',
        b'{"email": "ada@example.com", "budget": NaN}',
        b'{"email": "ada@example.com", "email": "bob@example.com"}',
        b'{"email": "ada@example.com", "phone": ' + b'{"a":' * 100_000,
        b'{"email": "\xff@example.com"}',
    ],
)
def test_body_must_keep_to_the_lead_schema(body: bytes, patch: Send, emulator: Emulator) -> None:
    """A body that is no JSON object, or breaks the schema, gets the provider's own answer to invalid updates."""
    response = patch(data=body)

    assert (response.status_code, response.json()) == (422, {"message": "A field is wrong."})
    assert emulator.leads["acme"] == {}


def test_body_is_bounded(patch: Send) -> None:
    """More than a mebibyte is refused, however good it is."""
    lead = {"email": "ada@example.com", "phone": {"number": "5" * 1024 * 1024}}

    assert patch(data=json.dumps(lead)).status_code == 413


@pytest.mark.parametrize("body", [{"id": "G1"}, {"lead": {"id": "G1"}, "more": 1}, {"lead": []}, {"lead": {"id": ""}}])
def test_envelope_is_exact(body: dict[str, Any], url: str, session: requests.Session) -> None:
    """Where the API wants an envelope, the body is that and nothing beside it; an id in it must not be empty."""
    headers = {"Authorization": "Bearer token"}

    assert session.post(f"{url}/globex/api/us-1/leads", json=body, headers=headers, timeout=5).status_code == 400


def test_checks_have_an_order(patch: Send) -> None:
    """Path, method, authentication, content type and body are judged in this order."""
    wrong: dict[str, Any] = {"data": "{", "headers": {}, "method": "PUT"}

    assert patch("L1/notes", **wrong).status_code == 404
    assert patch(**wrong).status_code == 405
    assert patch(**wrong | {"method": "PATCH"}).status_code == 401
    assert patch(**wrong | {"method": "PATCH", "headers": {"x-api-key": "key"}}).status_code == 415


def test_partial_update_keeps_what_it_leaves_out(patch: Send, emulator: Emulator) -> None:
    """A partial update replaces the fields it holds; only the keys of merged objects are merged one by one."""
    patch(data='{"email": "ada@example.com", "phone": {"number": "1"}, "address": {"city": "A", "zip": "1"}}')
    response = patch(data='{"email": "bob@example.com", "phone": {"extension": "2"}, "address": {"zip": "2"}}')

    lead = {"email": "bob@example.com", "phone": {"extension": "2"}, "address": {"city": "A", "zip": "2"}}
    assert emulator.leads["acme"]["L1"] == lead
    assert response.json()["data"] == {"id": "L1", "stage": "new", **lead}


def test_whole_update_replaces_the_lead(post: Send, emulator: Emulator) -> None:
    """Where updates are whole, a field that one leaves out is gone."""
    post(id="G1", status="Contacted", note="Call again.")
    post(id="G1", status="Qualified")

    assert emulator.leads["globex"] == {"G1": {"id": "G1", "status": "Qualified"}}


def test_lead_is_read_back(patch: Send, get: Send) -> None:
    """A known lead is shown as it is stored, an unknown one is not found."""
    patch()

    assert get("/acme/v1/leads/L1").json() == {"data": {"id": "L1", "email": "ada@example.com"}, "seen": True}
    assert get("/acme/v1/leads/L2").status_code == 404


def test_lead_is_read_by_query(post: Send, get: Send) -> None:
    """The id may stand in the query, and the answer shows the fields that the API shows."""
    post(id="G&1", status="Contacted", note="Call again.")

    assert get("/globex/api/us-1/leads", leadId="G&1").json() == {"status": "Contacted"}
    assert get("/globex/api/us-1/leads", leadId="G2").status_code == 404
    assert get("/globex/api/us-1/leads").status_code == 404


def test_reading_needs_credentials(url: str, session: requests.Session) -> None:
    """A read-back proves who asks, as an update does."""
    assert session.get(f"{url}/acme/v1/leads/L1", timeout=5).status_code == 401


@pytest.mark.parametrize("lead_id", ["a/b", "a?b", "a#b", "a%b", "a%2Fb", "a b", "a+b", "Zoë", "👤", "a;b=c&d", ".a"])
def test_quoted_id_is_one_segment(lead_id: str, patch: Send, get: Send, emulator: Emulator) -> None:
    """An id of any characters arrives as it was, if it was quoted."""
    response = patch(quote(lead_id, safe=""))

    assert response.json()["data"]["id"] == lead_id
    assert list(emulator.leads["acme"]) == [lead_id]
    assert get(f"/acme/v1/leads/{quote(lead_id, safe='')}").json()["data"]["id"] == lead_id


def test_decimals_keep_their_digits(patch: Send, get: Send) -> None:
    """A number is answered with the digits that it was sent with."""
    number = "1234567890123456789.012345678901234567890"

    sent = patch(data=f'{{"email": "ada@example.com", "budget": {number}}}')

    assert f'"budget": {number}' in sent.text
    assert f'"budget": {number}' in get("/acme/v1/leads/L1").text


def test_some_leads_always_fare_the_same(patch: Send, emulator: Emulator) -> None:
    """A lead that a recorded response names is always answered with it, and not kept."""
    response = patch("converted")

    assert (response.status_code, response.json()) == (409, {"message": "Converted."})
    assert emulator.leads["acme"] == {}


def test_job_ends_at_the_second_look(post: Send, get: Send, emulator: Emulator) -> None:
    """An update that is written later gets a job id of its own; its job is open at first and ended from then on."""
    response = post(id="G1")
    job_id = response.json()["meta"]["job_id"]

    assert (response.status_code, response.json()["meta"]["queue"]) == (202, "fast")
    assert job_id not in {"sample", post(id="G1").json()["meta"]["job_id"]}
    states = [get(f"/globex/jobs/{job_id}").json()["state"] for _ in range(3)]
    assert states == ["OPEN", "DONE", "DONE"]
    assert list(emulator.leads["globex"]) == ["G1"]
    assert get("/globex/jobs/unknown").status_code == 404


def test_some_jobs_always_fail(post: Send, get: Send, emulator: Emulator) -> None:
    """The job of a lead that a recorded ending names ends so, and the lead stays as it was."""
    job_id = post(id="doomed").json()["meta"]["job_id"]

    states = [get(f"/globex/jobs/{job_id}").json()["state"] for _ in range(3)]
    assert states == ["OPEN", "FAILED", "FAILED"]
    assert emulator.leads["globex"] == {}


def test_requests_are_remembered(definitions: Mapping[str, Definition], session: requests.Session) -> None:
    """A test can see which requests came, in order, what they were about and how they were answered."""
    emulator = Emulator(definitions, now=lambda: 12.5)
    with running(emulator) as url:
        session.post(f"{url}/globex/api/us-1/leads", json={}, headers={"Authorization": "Bearer a"}, timeout=5)
        session.get(f"{url}/acme/v1/leads/a%2Fb", headers={"x-api-key": "key"}, timeout=5)

    first, second = emulator.requests
    assert (first.provider, first.call, first.method, first.status, first.lead_id) == (
        "globex",
        "update",
        "POST",
        400,
        "",
    )
    assert (second.call, second.path, second.lead_id, second.received_at) == (
        "read",
        "/acme/v1/leads/a%2Fb",
        "a/b",
        12.5,
    )
    assert emulator.request_count == 2


def test_index_lists_the_providers(url: str, session: requests.Session, emulator: Emulator) -> None:
    """The root says which base URL stands for which provider, and is no request to any of them."""
    assert session.get(url, timeout=5).json() == {
        "providers": [
            {"name": "acme", "title": "Acme Leads", "base_url": f"{url}/acme/v1"},
            {"name": "globex", "title": "Globex CRM", "base_url": f"{url}/globex"},
        ]
    }
    assert emulator.requests == ()


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", {"a": {"b": 1}, "c": [{"d": 2}], "x": 9}),
        ("/a", {"a": {"b": 1, "x": 9}, "c": [{"d": 2}]}),
        ("/c/0", {"a": {"b": 1}, "c": [{"d": 2, "x": 9}]}),
        ("/new/deep", {"a": {"b": 1}, "c": [{"d": 2}], "new": {"deep": {"x": 9}}}),
        ("/a~1b~0", {"a": {"b": 1}, "c": [{"d": 2}], "a/b~": {"x": 9}}),
    ],
)
def test_placing_at_a_pointer(pointer: str, expected: object) -> None:
    """A value is put where a JSON Pointer says, over what stands there, and the document itself stays as it was."""
    document = {"a": {"b": 1}, "c": [{"d": 2}]}

    assert placed(document, pointer, {"x": 9}) == expected
    assert document == {"a": {"b": 1}, "c": [{"d": 2}]}


def test_query_beside_the_id_is_free(patch: Send, get: Send) -> None:
    """A query that the call does not need the id from changes nothing."""
    patch()

    assert get("/acme/v1/leads/L1", scope="withDeleted").status_code == 200


@pytest.mark.parametrize("name", sorted(bundled()))
def test_example_of_every_bundled_provider_is_taken(name: str, session: requests.Session) -> None:
    """The example record of a provider folder, sent as the folder says, is accepted and kept."""
    definition = bundled()[name]
    fields = load_example(definition)
    lead_id = fields.pop(definition.lead_id.name)
    emulator = Emulator({name: definition})
    with running(emulator) as url:
        response = _update(session, url, definition, lead_id, fields)

    assert response.ok, response.text
    kept = dict(emulator.leads[name][lead_id])
    kept.pop(definition.lead_id.body_field, None)
    assert kept == json.loads(json.dumps(fields), parse_float=Decimal)
    promised = definition.update.responses.success_body
    assert promised is None or promised.matches(response.json())


@pytest.mark.parametrize("name", sorted(bundled()))
def test_leads_that_bundled_responses_name(name: str, session: requests.Session) -> None:
    """Every response of a provider folder that names leads is what an update of them gets."""
    definition = bundled()[name]
    fields = load_example(definition)
    del fields[definition.lead_id.name]
    named = [(lead_id, it) for it in load_responses(definition) if it.call == "update" for lead_id in it.lead_ids]
    with running(Emulator({name: definition})) as url:
        answers = [_update(session, url, definition, lead_id, fields) for lead_id, _ in named]

    assert [(it.status_code, it.content) for it in answers] == [(it.status, it.body) for _, it in named]


def _update(
    session: requests.Session, url: str, definition: Definition, lead_id: str, fields: Mapping[str, Any]
) -> requests.Response:
    """Send an update as a provider's folder says, with any credentials."""
    update, body_field = definition.update, definition.lead_id.body_field
    values = dict.fromkeys(definition.settings, "sandbox")
    path = update.path.format(**values, lead_id=quote(lead_id, safe=""))
    body = {**fields, body_field: lead_id} if body_field else fields
    return session.request(
        update.method,
        url + definition.sandbox_path + path,
        json={update.envelope: body} if update.envelope else body,
        headers={name: template.format(**values) for name, template in definition.headers.items()},
        timeout=5,
    )
