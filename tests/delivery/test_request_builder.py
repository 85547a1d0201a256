"""The request of a call: what stands on the wire."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from target_leads.delivery.request_builder import job_request, update_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.delivery import Transport
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Server

UNUSUAL_IDS = [
    "a/b",
    "a/../b",
    "../admin",
    "a?b=c&d",
    "a#b",
    "100%",
    "%2F",
    "%2e%2e",
    " a b ",
    "a\r\nx-evil: 1",
    "Ünïcødé-✓-🙂",
    "a;b:c@d",
    "a+b",
    "a\\b",
    "[a]|^`{b}",
    "...",
    "a" * 2000,
    "\x00\x7f",
]


@pytest.mark.parametrize("lead_id", UNUSUAL_IDS)
def test_an_id_is_one_segment_of_the_path(
    lead_id: str,
    serve: Callable[..., Server],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
) -> None:
    """Whatever characters an id has, the server sees one path segment that decodes to it, and nothing else."""
    server = serve()
    target = account(f"{server.url}/v1")
    transport(target).send(update_request(target, [update(lead_id)]))

    (seen,) = server.seen
    *before, segment = seen.path.split("/")
    assert (before, unquote(segment)) == (["", "v1", "leads"], lead_id)
    assert not set(segment) & set("?#;&= ")
    assert "x-evil" not in seen.headers


@pytest.mark.parametrize("job_id", ["j/1", "../../leads/L1", "\ud800"])
def test_a_job_id_is_one_segment_of_the_path(job_id: str, account: Callable[..., Account], job: dict[str, Any]) -> None:
    """A provider's job id leads to no other path, and no job id ends the run."""
    target = account(job=job)
    request = job_request(target, target.definition.job, job_id)

    before, _, segment = request.url.rpartition("/")
    assert (before, unquote(segment, errors="surrogatepass")) == ("https://api.example.com/v1/jobs", job_id)
    assert (request.method, request.body) == ("GET", b"")
    assert request.headers["authorization"] == "Bearer tok-4711"
    assert "content-type" not in request.headers


def test_a_setting_in_the_path_is_one_segment(
    account: Callable[..., Account], update: Callable[..., LeadUpdate]
) -> None:
    """A partner route from the settings is quoted as an id is; an id in the body stands in no path."""
    target = account(
        settings={name: {"title": name, "description": "Text."} for name in ("token", "partner")},
        config={"partner": "me/../you"},
        lead_id={"name": "id", "body_field": "id"},
        update={"method": "POST", "path": "/{partner}/leads", "fields": "whole"},
    )
    request = update_request(target, [update("a/b", id="a/b")])

    assert (request.method, request.url) == ("POST", "https://api.example.com/v1/me%2F..%2Fyou/leads")
    assert json.loads(request.body) == {"id": "a/b"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"amount": Decimal("1.10")}, b'{"amount":1.10}'),
        ({"amount": Decimal("12345678901234567890.123456789")}, b'{"amount":12345678901234567890.123456789}'),
        ({"amount": Decimal("-0.0")}, b'{"amount":-0.0}'),
        ({"amount": Decimal("1E+3")}, b'{"amount":1E+3}'),
        ({"amount": 12345678901234567890123}, b'{"amount":12345678901234567890123}'),
        ({"when": "2024-01-01T00:00:00+0000"}, b'{"when":"2024-01-01T00:00:00+0000"}'),
        ({"note": None, "ok": True, "tags": []}, b'{"note":null,"ok":true,"tags":[]}'),
        ({"phone": {"extension": "0042"}}, b'{"phone":{"extension":"0042"}}'),
    ],
)
def test_values_keep_their_spelling(
    fields: dict[str, Any], expected: bytes, account: Callable[..., Account], update: Callable[..., LeadUpdate]
) -> None:
    """Decimals keep their digits, text its characters, null stays null, and keys keep their order."""
    assert update_request(account(), [update(**fields)]).body == expected


@pytest.mark.parametrize("text", ["Zoë 🙂 \u2028", 'quote " and \\', "\ud83d", "</script>\n\0"])
def test_text_arrives_as_it_was(text: str, account: Callable[..., Account], update: Callable[..., LeadUpdate]) -> None:
    """The body is plain JSON from which a server reads the same text, half a surrogate pair included."""
    assert json.loads(update_request(account(), [update(note=text)]).body) == {"note": text}


@pytest.mark.parametrize(("envelope", "expected"), [({}, {"a": 1}), ({"envelope": "fields"}, {"fields": {"a": 1}})])
def test_wraps_the_fields_where_the_api_wants_it(
    envelope: dict[str, str],
    expected: dict[str, Any],
    account: Callable[..., Account],
    update: Callable[..., LeadUpdate],
) -> None:
    """The fields are the body, or stand in the definition's envelope."""
    call = {"method": "PUT", "path": "/leads/{lead_id}", "fields": "whole", **envelope}
    request = update_request(account(update=call), [update(a=1)])
    assert (request.method, json.loads(request.body)) == ("PUT", expected)


def test_credentials_stand_in_headers_only(account: Callable[..., Account], update: Callable[..., LeadUpdate]) -> None:
    """The token is in its header, and neither in URL and body nor in what printing the request or the account shows."""
    target = account()
    request = update_request(target, [update()])

    assert request.headers["authorization"] == "Bearer tok-4711"
    assert "tok-4711" not in f"{request.url} {request.body!r} {request!r} {target!r}"
    assert request.headers["content-type"] == request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("target-leads/")
