"""Requests and answers as values."""

from __future__ import annotations

from target_leads.delivery.http import HttpRequest, HttpResponse


def test_shows_neither_headers_nor_body() -> None:
    """Credentials and field values do not come out where a request or an answer is printed."""
    request = HttpRequest(method="PATCH", url="https://a/leads/1", headers={"x-api-key": "tok-4711"}, body=b"Lovelace")
    response = HttpResponse(status=200, headers={"set-cookie": "tok-4711"}, body=b"Lovelace")

    assert repr(request) == "HttpRequest(method='PATCH', url='https://a/leads/1')"
    assert repr(response) == "HttpResponse(status=200, received_at=0.0)"
