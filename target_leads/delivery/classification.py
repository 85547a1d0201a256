"""What an answer means: a pure function of the provider's definition and the answer."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_leads.delivery.body import UNREADABLE, at, body_of, first_id, words_at
from target_leads.delivery.headers import remaining_share, request_id, retry_after
from target_leads.delivery.http import Failure, HttpResponse
from target_leads.models import VerdictKind
from target_leads.providers import ResponseRules

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_leads.delivery.http import Answer
    from target_leads.models import LeadUpdate
    from target_leads.providers import Definition, ItemResults, JobCall, RateLimits

_WORTH_REPEATING = frozenset({408, 425, 429})
_OVERLOADED = frozenset({408, 429, 503, 504})
_NOT_TAKEN = frozenset({425, 429})
"""Statuses by which a provider says that it has not looked at a request."""
_STATUSES = range(100, 600)
_PARTIAL_CONTENT, _MULTI_STATUS = 206, 207
_NO_RULES = ResponseRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one attempt means for a lead update. Holds no word of the provider's own but those that it documents."""

    kind: VerdictKind
    reason: str
    """The cause, in words that are the same for the same cause."""
    status: int | None = None
    error_code: str = ""
    """Documented words of the provider's for what is wrong, in alphabetical order."""
    request_id: str = ""
    """The provider's own name for the request."""
    retry_after: float | None = None
    """Seconds after which the provider wants to be asked again."""
    remaining_share: float | None = None
    """What the provider says is left of its rate limit, from 0 to 1."""
    job_id: str = ""
    """The job that writes an accepted update."""
    credentials_in_doubt: bool = False
    """Whether the refusal may mean the credentials and not the lead: a 403, until another update was accepted."""
    throttled: bool = False
    """Whether the provider takes no more requests for now, whatever they say."""
    overloaded: bool = False
    """Whether the provider should have fewer requests at once."""
    fate_unknown: bool = False
    """Whether the update may have been written although nothing says so."""
    unsent: bool = False
    """Whether no request was sent, as there was no connection."""
    see_to: str = ""
    """Environment variable that keeps requests from the provider, if one does."""


def classify_update(answer: Answer, definition: Definition) -> Verdict:
    """Verdict on the answer to a request, for all the updates in it."""
    call, job, limits = definition.update, definition.job, definition.rate_limits
    if job is None:
        return _classify(answer, call.responses, limits, success=VerdictKind.DELIVERED)
    verdict = _classify(answer, call.responses, limits, success=VerdictKind.ACCEPTED)
    if verdict.kind is not VerdictKind.ACCEPTED or isinstance(answer, Failure):
        return verdict
    job_id = first_id(body_of(answer), job.id_at)
    if not job_id.isprintable() or not job_id:  # no store keeps half a surrogate pair, nor each a NUL
        return _unreadable(answer, limits, "names no job")
    return dataclasses.replace(verdict, job_id=job_id)


def classify_items(
    answer: Answer, definition: Definition, lead_ids: Collection[str]
) -> tuple[Verdict, dict[str, Verdict] | None]:
    """Verdict on the answer to an update of many leads, and on each lead that the answer names by itself.

    If it names any, the verdict on the whole holds for the leads that it does not name: those were not delivered,
    whatever the status. None instead of verdicts on single leads: the answer is about all leads together.
    """
    whole = classify_update(answer, definition)
    results = definition.update.many.results if definition.update.many else None
    if results is None or isinstance(answer, Failure) or whole.kind is VerdictKind.FATAL:
        return whole, None
    listed = at(body_of(answer), results.at)
    if not isinstance(listed, list):
        taken = whole.kind is VerdictKind.DELIVERED
        return (_unreadable(answer, definition.rate_limits, "lists no results") if taken else whole), None
    named: dict[str, Verdict] = {}
    for item in listed:
        lead_id = first_id(item, (results.id_at,))
        if lead_id in lead_ids:
            verdict = _classify_item(answer, item, results, definition.rate_limits)
            named[lead_id] = verdict if lead_id not in named else _worse(named[lead_id], verdict)
    if not named and whole.kind is VerdictKind.REJECTED:
        return whole, None
    if whole.kind in {VerdictKind.DELIVERED, VerdictKind.REJECTED} or answer.status == _MULTI_STATUS:
        whole = _unreadable(answer, definition.rate_limits, "does not name the lead")
    return whole, named


def classify_job(answer: Answer, job: JobCall, limits: RateLimits) -> Verdict:
    """Verdict on the answer to a question after a job: accepted as long as the job is open.

    How a job ended is for the definition's rules to say. Any other answer is about the question and not about the job,
    so it is asked again; only refused credentials are refused here as well.
    """
    return _classify(answer, job.responses, limits, success=VerdictKind.RETRY, refusal=VerdictKind.RETRY)


def classify_read(answer: Answer, definition: Definition, update: LeadUpdate) -> Verdict:
    """Verdict on an update by the answer to the call that reads its lead back: delivered if the lead shows it.

    Only fields that the answer can show are compared; it has to show one at least. What comes back in another form
    than it was sent in counts as not written: that is the careful side.
    """
    read = definition.read
    verdict = _classify(answer, _NO_RULES, definition.rate_limits, success=VerdictKind.DELIVERED)
    if read is None or isinstance(answer, Failure) or verdict.kind is not VerdictKind.DELIVERED:
        return verdict
    lead = at(body_of(answer), read.lead_at)
    if not isinstance(lead, dict):
        return _unreadable(answer, definition.rate_limits, "shows no lead")
    readable = set(read.fields or update.fields) - {definition.lead_id.body_field}
    compared = [name for name in update.fields if name in readable]
    if compared and all(lead.get(name) == update.fields[name] for name in compared):
        return verdict
    return dataclasses.replace(verdict, kind=VerdictKind.REJECTED)


def _classify(
    answer: Answer,
    rules: ResponseRules,
    limits: RateLimits,
    *,
    success: VerdictKind,
    refusal: VerdictKind = VerdictKind.REJECTED,
) -> Verdict:
    if isinstance(answer, Failure):
        return Verdict(
            kind=VerdictKind.RETRY,
            reason=answer.reason,
            overloaded=answer.timed_out,
            fate_unknown=answer.may_have_arrived,
            unsent=answer.unsent,
            see_to=answer.see_to,
        )
    body = body_of(answer)
    for rule in rules.rules:
        fits_status = not rule.statuses or answer.status in rule.statuses
        if fits_status and (rule.when is None or (body is not UNREADABLE and rule.when.matches(body))):
            return _verdict(answer, rules, limits, rule.verdict, rule.reason)
    if answer.status < HTTPStatus.OK:
        return _unreadable(answer, limits, "is none yet")
    if answer.status < HTTPStatus.MULTIPLE_CHOICES:
        if rules.success_body is not None and (body is UNREADABLE or not rules.success_body.matches(body)):
            return _unreadable(answer, limits, "is not what the provider promises")
        if answer.status in {_PARTIAL_CONTENT, _MULTI_STATUS}:
            return _unreadable(answer, limits, "may tell of success and of failure")
        if body is UNREADABLE and answer.body.strip():
            content_type = answer.headers.get("content-type", "").lower()
            is_page = "html" in content_type or answer.body.lstrip().startswith(b"<")
            if is_page or "json" in content_type:
                return _unreadable(answer, limits, "is a web page" if is_page else "is no JSON")
        return _verdict(answer, rules, limits, success, "")
    if answer.status < HTTPStatus.BAD_REQUEST:
        return _verdict(answer, rules, limits, refusal, "a redirect, which is never followed")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _verdict(answer, rules, limits, VerdictKind.FATAL, "the credentials are refused")
    if answer.status in _WORTH_REPEATING or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _verdict(answer, rules, limits, VerdictKind.RETRY, "")
    return _verdict(answer, rules, limits, refusal, "")


def _classify_item(answer: HttpResponse, item: object, results: ItemResults, limits: RateLimits) -> Verdict:
    """Verdict on one lead: its item is judged as an answer of its own would be."""
    status = at(item, results.status_at) if results.status_at else answer.status
    if not isinstance(status, int) or status not in _STATUSES:
        return _unreadable(answer, limits, "gives the lead no status")
    own = HttpResponse(
        status=HTTPStatus.OK if status == _MULTI_STATUS else status,
        headers=answer.headers,
        body=json.dumps(item).encode(),
        received_at=answer.received_at,
    )
    return _classify(own, results.responses, limits, success=VerdictKind.DELIVERED)


def _worse(one: Verdict, other: Verdict) -> Verdict:
    """Of two verdicts on one lead the one that says less good: a lead named twice is delivered only if both say so."""
    return other if one.kind is VerdictKind.DELIVERED else one


def _verdict(answer: HttpResponse, rules: ResponseRules, limits: RateLimits, kind: VerdictKind, reason: str) -> Verdict:
    retry = kind is VerdictKind.RETRY
    codes = (
        ""
        if kind is VerdictKind.DELIVERED
        else ", ".join(words_at(body_of(answer), rules.error_codes_at, rules.error_codes))
    )
    words = f"{_status_words(answer.status)}{f': {reason}' if reason else ''}"
    return Verdict(
        kind=kind,
        reason=f"{words} ({codes})" if codes else words,
        status=answer.status,
        error_code=codes,
        request_id=request_id(answer),
        retry_after=retry_after(answer, limits),
        remaining_share=remaining_share(answer, limits),
        credentials_in_doubt=kind is VerdictKind.REJECTED and answer.status == HTTPStatus.FORBIDDEN,
        throttled=retry and answer.status == HTTPStatus.TOO_MANY_REQUESTS,
        overloaded=retry and answer.status in _OVERLOADED,
        fate_unknown=retry and answer.status not in _NOT_TAKEN,
    )


def _unreadable(answer: HttpResponse, limits: RateLimits, what: str) -> Verdict:
    """The fate of the update is unknown, so it is tried again."""
    return _verdict(answer, _NO_RULES, limits, VerdictKind.RETRY, f"the answer {what}")


def _status_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
