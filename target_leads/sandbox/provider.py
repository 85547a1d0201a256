"""One emulated provider: a request comes in, is judged in a fixed order, and gets that API's own answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_leads.sandbox.answers import Answer, Answers, recorded
from target_leads.sandbox.inspection import LARGEST_BODY, Inspection, is_json
from target_leads.sandbox.leads import Jobs, LeadBook
from target_leads.sandbox.routes import Match, find, routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.providers import Definition

_WRITTEN = frozenset({"delivered", "unconfirmed"})
"""Outcomes of recorded responses that say that the lead was written, or will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to one provider."""

    method: str
    path: str
    """Without the provider's prefix, quoted as it was sent."""
    query: str
    headers: Mapping[bytes, bytes]
    """By lower-case name."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and what the request turned out to be about."""

    answer: Answer
    call: str = ""
    """``update``, ``read`` or ``job``; empty for a path that is none of them."""
    lead_id: str = ""


class EmulatedProvider:
    """Judges path, method, authentication, content type and body, in this order, and keeps what it took."""

    def __init__(self, definition: Definition) -> None:
        """Compile the definition.

        Raises:
            DefinitionError: a recorded response breaks a rule.
        """
        self.definition = definition
        self.prefix = definition.sandbox_path
        self.book = LeadBook(definition)
        self._jobs = Jobs()
        self._routes = routes(definition)
        self._inspection = Inspection(definition)
        self._answers = Answers(definition)

    def reply(self, request: Request, occasion: str = "") -> Reply:
        """Answer a request; an occasion, such as ``throttled``, keeps it from being looked at any closer."""
        match = find(self._routes, request.method, request.path, request.query)
        if match is None:
            return Reply(answer=self._answers.on("update", occasion or "not_found"))
        if not occasion and match.method != request.method:
            occasion = "method_not_allowed"
        occasion = occasion or self._inspection.refusal(request.headers)
        if occasion:
            answer = self._answers.on(match.call, occasion)
        elif match.call == "update":
            return self._updated(match, request)
        elif match.call == "read":
            answer = self._read(match.lead_id)
        else:
            answer = self._job(match.job_id)
        return Reply(answer=answer, call=match.call, lead_id=match.lead_id or self._jobs.lead_of(match.job_id) or "")

    def _updated(self, match: Match, request: Request) -> Reply:
        fields = None
        if len(request.body) > LARGEST_BODY:
            occasion = "too_large"
        elif not is_json(request.headers):
            occasion = "unsupported_media_type"
        else:
            fields = self._inspection.fields(request.body)
            occasion = "invalid"
        lead_id = match.lead_id
        if fields is not None and (body_field := self.definition.lead_id.body_field):
            lead_id = str(fields.get(body_field, ""))
        if fields is None or not lead_id:
            answer = self._answers.on("update", occasion)
        else:
            answer = self._written(lead_id, fields)
        return Reply(answer=answer, call="update", lead_id=lead_id)

    def _written(self, lead_id: str, fields: Mapping[str, Any]) -> Answer:
        """Take a good update, unless this lead is one that always fares otherwise."""
        own = self._answers.for_lead("update", lead_id)
        if own is not None and own.outcome not in _WRITTEN:
            return recorded(own)
        ending = self._answers.for_lead("job", lead_id)
        if ending is None or ending.outcome in _WRITTEN:
            lead: Mapping[str, Any] = self.book.write(lead_id, fields)
        else:
            lead = self.book.leads.get(lead_id, {})
        job_id = self._jobs.open(lead_id) if self.definition.job else ""
        return self._answers.updated(lead_id, lead, job_id, own)

    def _read(self, lead_id: str) -> Answer:
        lead = self.book.leads.get(lead_id)
        return self._answers.on("read", "not_found") if lead is None else self._answers.shown(lead_id, lead)

    def _job(self, job_id: str) -> Answer:
        lead_id = self._jobs.lead_of(job_id)
        if lead_id is None:
            return self._answers.on("job", "not_found")
        if not self._jobs.has_ended(job_id):
            return self._answers.on("job", "pending")
        ending = self._answers.for_lead("job", lead_id)
        return self._answers.on("job", "success") if ending is None else recorded(ending)
