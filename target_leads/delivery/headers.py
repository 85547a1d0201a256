"""What the headers of an answer say: when to come back, what is left of a limit, what the request is called."""

from __future__ import annotations

import datetime
import email.utils
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_leads.delivery.http import HttpResponse
    from target_leads.providers import RateLimits

_LONGEST_WISH_SECONDS = 366 * 86_400.0
"""What a provider can wish for. Beyond it a number is a mistake; the run ends with "try later" long before."""
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid")
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
"""A UUID, with its dashes or without: nothing of a person looks like it."""
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


def retry_after(answer: HttpResponse, limits: RateLimits) -> float | None:
    """Seconds after which the provider wants to be asked again; none if it does not say.

    ``Retry-After`` counts first, a number of seconds or a date (RFC 9110, section 10.2.3); a fraction is understood.
    Else, where the provider documents such a header and it says that nothing is left, the length of its shortest
    window: when the window ends is not documented anywhere. A moment that is past is no wish.
    """
    seconds = _retry_after(answer)
    if seconds is None and answer.status == HTTPStatus.TOO_MANY_REQUESTS and limits.windows:
        nothing_left = limits.remaining_header and _number(answer, limits.remaining_header) == 0
        seconds = min(window.per_seconds for window in limits.windows) if nothing_left else None
    return min(seconds, _LONGEST_WISH_SECONDS) if seconds is not None and seconds > 0 else None


def remaining_share(answer: HttpResponse, limits: RateLimits) -> float | None:
    """What is left of the provider's limit, from 0 to 1; none where it does not say."""
    if not limits.remaining_header or not limits.limit_header:
        return None
    limit, remaining = _number(answer, limits.limit_header), _number(answer, limits.remaining_header)
    return min(1.0, remaining / limit) if limit and remaining is not None else None


def request_id(answer: HttpResponse) -> str:
    """The provider's own name for the request; empty if it gives none that can be told from a value of a record."""
    for name in _REQUEST_ID_HEADERS:
        text = answer.headers.get(name, "").strip()
        if _REQUEST_ID.fullmatch(text):
            return text
    return ""


def _retry_after(answer: HttpResponse) -> float | None:
    text = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for years and zones that no calendar has
        return None
    if moment.tzinfo is None:  # the oldest of the three forms of a date names no zone; all of them are UTC
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp() - answer.received_at


def _number(answer: HttpResponse, header: str) -> int | None:
    text = answer.headers.get(header, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004 -- no overflow
