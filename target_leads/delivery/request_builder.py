"""Builds the request of a call, once. Retries send the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import simplejson

from target_leads import __version__
from target_leads.delivery.auth import credentials
from target_leads.delivery.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.models import LeadUpdate
    from target_leads.providers import JobCall
    from target_leads.providers.account import Account

_HEADERS = {"accept": "application/json", "user-agent": f"target-leads/{__version__}"}


def update_request(account: Account, update: LeadUpdate) -> HttpRequest:
    """The call that writes one lead update. Decimals keep their digits, text its characters."""
    call = account.definition.update
    return HttpRequest(
        method=call.method,
        url=account.base_url + _expand(call.path, account, lead_id=update.lead_id),
        headers={**_HEADERS, "content-type": "application/json", **credentials(account)},
        body=_encode({call.envelope: update.fields} if call.envelope else update.fields),
    )


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
