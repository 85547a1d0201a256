"""One emulated provider: a request comes in, is judged in a fixed order, and gets that API's own answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_leads.sandbox.answers import Answer, Answers, recorded
from target_leads.sandbox.inspection import LARGEST_BODY, Inspection, is_json
from target_leads.sandbox.leads import Jobs, LeadBook
from target_leads.sandbox.many_leads import takes_all_or_none, together
from target_leads.sandbox.routes import Match, find, routes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_leads.providers import Definition, ManyLeads, RecordedResponse

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
        if len(request.body) > LARGEST_BODY:
            return Reply(answer=self._answers.on("update", "too_large"), call="update", lead_id=match.lead_id)
        if not is_json(request.headers):
            answer = self._answers.on("update", "unsupported_media_type")
            return Reply(answer=answer, call="update", lead_id=match.lead_id)
        updates = self._inspection.updates(request.body)
        if self.definition.update.many is not None:
            return self._updated_together(updates, self.definition.update.many)
        (fields,) = updates
        lead_id = match.lead_id or self._named(fields)
        answer = self._written(lead_id, fields) if fields and lead_id else self._answers.on("update", "invalid")
        return Reply(answer=answer, call="update", lead_id=lead_id)

    def _updated_together(self, updates: Sequence[Mapping[str, Any] | None], many: ManyLeads) -> Reply:
        """Take the good ones of many updates, or none where one bad one spoils them all."""
        named = {self._named(fields): fields for fields in updates if fields is not None}
        if len(named) < len(updates) or "" in named:  # a bad one, which has no name, or a lead that stands there twice
            return Reply(answer=self._answers.on("update", "invalid"), call="update")
        refused = {lead_id: recorded(own) for lead_id in named if (own := self._refusal(lead_id)) is not None}
        if refused and takes_all_or_none(many.results):
            answers = refused
        else:
            answers = {
                lead_id: refused.get(lead_id) or self._written(lead_id, fields) for lead_id, fields in named.items()
            }
        return Reply(answer=together(answers, many.results, self._answers.success), call="update")

    def _named(self, fields: Mapping[str, Any] | None) -> str:
        """The lead that the body of an update names, if any."""
        return str((fields or {}).get(self.definition.lead_id.body_field, ""))

    def _refusal(self, lead_id: str) -> RecordedResponse | None:
        """The answer that a lead gets that is never written."""
        own = self._answers.for_lead("update", lead_id)
        return own if own is not None and own.outcome not in _WRITTEN else None

    def _written(self, lead_id: str, fields: Mapping[str, Any]) -> Answer:
        """Take a good update, unless this lead is one that always fares otherwise."""
        if (refusal := self._refusal(lead_id)) is not None:
            return recorded(refusal)
        own = self._answers.for_lead("update", lead_id)
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
