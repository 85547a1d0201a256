"""Builds the request of a call, once. Retries send the same bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import simplejson

from target_leads import __version__
from target_leads.delivery.auth import credentials
from target_leads.delivery.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_leads.models import LeadUpdate
    from target_leads.providers import JobCall, ReadCall
    from target_leads.providers.account import Account

_HEADERS = {"accept": "application/json", "user-agent": f"target-leads/{__version__}"}


def update_request(account: Account, updates: Sequence[LeadUpdate]) -> HttpRequest:
    """The call that writes one lead update, or those of many leads where the provider takes many.

    Decimals keep their digits, text its characters.
    """
    call = account.definition.update
    return HttpRequest(
        method=call.method,
        url=account.base_url + _expand(call.path, account, lead_id=updates[0].lead_id),
        headers={**_HEADERS, "content-type": "application/json", **credentials(account)},
        body=update_body(account, [encoded(account, update) for update in updates]),
    )


def encoded(account: Account, update: LeadUpdate) -> bytes:
    """One lead update as JSON, in the provider's envelope."""
    envelope = account.definition.update.envelope
    return _encode({envelope: update.body} if envelope else update.body)


def update_body(account: Account, items: Sequence[bytes]) -> bytes:
    """The body of an update: the one lead, or the list of leads where the provider wants it."""
    many = account.definition.update.many
    if many is None:
        (body,) = items
        return body
    body = b"[" + b",".join(items) + b"]"
    for token in reversed(many.items_at.split("/")[1:]):
        name = json.dumps(token.replace("~1", "/").replace("~0", "~")).encode()
        body = b"{" + name + b":" + body + b"}"
    return body


def read_request(account: Account, read: ReadCall, lead_id: str) -> HttpRequest:
    """The call that reads a lead back."""
    values = {**account.values, "lead_id": lead_id}
    query = urlencode({name: template.format_map(values) for name, template in read.query.items()})
    url = account.base_url + _expand(read.path, account, lead_id=lead_id) + (f"?{query}" if query else "")
    return HttpRequest(method=read.method, url=url, headers={**_HEADERS, **credentials(account)})


def job_request(account: Account, job: JobCall, job_id: str) -> HttpRequest:
    """The call that says how the job of an accepted update ended."""
    url = account.base_url + _expand(job.path, account, job_id=job_id)
    return HttpRequest(method=job.method, url=url, headers={**_HEADERS, **credentials(account)})


def _expand(path: str, account: Account, **names: str) -> str:
    """A path with its placeholders filled; each value is one segment, whatever characters it has."""
    values = {**account.values, **names}
    # Half of a surrogate pair, in a job's id, is the provider's own mistake; it must not end the run.
    return path.format_map({name: quote(value, safe="", errors="surrogatepass") for name, value in values.items()})


def _encode(body: Mapping[str, Any]) -> bytes:
    return simplejson.dumps(body, use_decimal=True, allow_nan=False, separators=(",", ":")).encode()
