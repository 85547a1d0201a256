"""What an answer means: a pure function of the provider's definition and the answer."""

from __future__ import annotations

import datetime
import email.utils
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from target_leads.delivery.http import Failure
from target_leads.models import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_leads.delivery.http import Answer, HttpResponse
    from target_leads.providers import JobCall, ResponseRules, UpdateCall

_WORTH_REPEATING = frozenset({408, 425, 429})
_UNREADABLE = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one attempt means for a lead update. Holds no word of the provider's own."""

    kind: VerdictKind
    reason: str
    """The cause, in words that are the same for the same cause."""
    status: int | None = None
    retry_after: float | None = None
    """Seconds after which the provider wants to be asked again."""
    job_id: str = ""
    """The job that writes an accepted update."""
    credentials_in_doubt: bool = False
    """Whether the refusal may mean the credentials and not the lead: a 403, until another update was accepted."""


def classify_update(answer: Answer, call: UpdateCall, job: JobCall | None) -> Verdict:
    """Verdict on the answer to an update."""
    if job is None:
        return _classify(answer, call.responses, success=VerdictKind.DELIVERED)
    verdict = _classify(answer, call.responses, success=VerdictKind.ACCEPTED)
    if verdict.kind is not VerdictKind.ACCEPTED or isinstance(answer, Failure):
        return verdict
    job_id = _first_id(_body(answer), job.id_at)
    if not job_id:
        return _unreadable(answer, "names no job")
    return Verdict(kind=VerdictKind.ACCEPTED, reason=verdict.reason, status=verdict.status, job_id=job_id)


def classify_job(answer: Answer, job: JobCall) -> Verdict:
    """Verdict on the answer to a question after a job: accepted as long as the job is open.

    How a job ended is for the definition's rules to say. Any other answer is about the question and not about the job,
    so it is asked again; only refused credentials are refused here as well.
    """
    return _classify(answer, job.responses, success=VerdictKind.RETRY, refusal=VerdictKind.RETRY)


def _classify(
    answer: Answer, rules: ResponseRules, *, success: VerdictKind, refusal: VerdictKind = VerdictKind.REJECTED
) -> Verdict:
    if isinstance(answer, Failure):
        return Verdict(kind=VerdictKind.RETRY, reason=answer.reason)
    body = _body(answer)
    for rule in rules.rules:
        fits_status = not rule.statuses or answer.status in rule.statuses
        if fits_status and (rule.when is None or (body is not _UNREADABLE and rule.when.matches(body))):
            return _verdict(answer, rule.verdict, rule.reason)
    if answer.status < HTTPStatus.OK:
        return _unreadable(answer, "is none yet")
    if answer.status < HTTPStatus.MULTIPLE_CHOICES:
        if rules.success_body is not None and (body is _UNREADABLE or not rules.success_body.matches(body)):
            return _unreadable(answer, "is not what the provider promises")
        if body is _UNREADABLE and answer.body.strip():
            content_type = answer.headers.get("content-type", "").lower()
            is_page = "html" in content_type or answer.body.lstrip().startswith(b"<")
            if is_page or "json" in content_type:
                return _unreadable(answer, "is a web page" if is_page else "is no JSON")
        return _verdict(answer, success, "")
    if answer.status < HTTPStatus.BAD_REQUEST:
        return _verdict(answer, refusal, "a redirect, which is never followed")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _verdict(answer, VerdictKind.FATAL, "the credentials are refused")
    if answer.status in _WORTH_REPEATING or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _verdict(answer, VerdictKind.RETRY, "")
    return _verdict(answer, refusal, "")


def _verdict(answer: HttpResponse, kind: VerdictKind, reason: str) -> Verdict:
    return Verdict(
        kind=kind,
        reason=f"{_status_words(answer.status)}{f': {reason}' if reason else ''}",
        status=answer.status,
        retry_after=_retry_after(answer) if kind is VerdictKind.RETRY else None,
        credentials_in_doubt=kind is VerdictKind.REJECTED and answer.status == HTTPStatus.FORBIDDEN,
    )


def _unreadable(answer: HttpResponse, what: str) -> Verdict:
    """The fate of the update is unknown, so it is tried again."""
    return _verdict(answer, VerdictKind.RETRY, f"the answer {what}")


def _status_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _body(answer: HttpResponse) -> Any:  # noqa: ANN401 -- a body is any JSON
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _first_id(body: object, pointers: Iterable[str]) -> str:
    """The first usable id at one of the JSON Pointers: text that is not blank, or a whole number."""
    for pointer in pointers:
        value = body
        for token in pointer.split("/")[1:]:
            value = value.get(token.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return ""


def _retry_after(answer: HttpResponse) -> float | None:
    """Seconds from ``Retry-After``, which is a number of seconds or a date (RFC 9110, section 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # the oldest of the three forms of a date names no zone; all of them are UTC
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return max(0.0, moment.timestamp() - answer.received_at)
