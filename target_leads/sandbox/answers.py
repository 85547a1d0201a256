"""A provider's own answers: the recorded responses of its folder, with stored leads put into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import simplejson

from target_leads.providers import load_responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.providers import Definition, RecordedResponse

_PLAIN_STATUSES = {
    "success": 200,
    "pending": 200,
    "invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "unsupported_media_type": 415,
    "throttled": 429,
    "unavailable": 503,
}
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back to whoever sent a request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Answers:
    """The answers of one provider. An occasion that its folder has no response for gets a bare status."""

    def __init__(self, definition: Definition) -> None:
        """Read the folder's responses.

        Raises:
            DefinitionError: one of them breaks a rule.
        """
        self._recorded: dict[tuple[str, str], RecordedResponse] = {}
        self._by_lead: dict[tuple[str, str], RecordedResponse] = {}
        for response in load_responses(definition):
            if response.occasion:
                self._recorded.setdefault((response.call, response.occasion), response)
            for lead_id in response.lead_ids:
                self._by_lead.setdefault((response.call, lead_id), response)
        self._job_id_at = definition.job.id_at[0] if definition.job else ""
        self._lead_at, self._readable = (
            (definition.read.lead_at, definition.read.fields) if definition.read else ("", ())
        )

    @property
    def success(self) -> RecordedResponse | None:
        """The folder's answer to a good update, if it has one."""
        return self._recorded.get(("update", "success"))

    def for_lead(self, call: str, lead_id: str) -> RecordedResponse | None:
        """The response that this lead always gets, if it is such a lead."""
        return self._by_lead.get((call, lead_id))

    def on(self, call: str, occasion: str) -> Answer:
        """Answer to a call that did not succeed, or has nothing to tell of a lead."""
        response = self._recorded.get((call, occasion))
        return Answer(status=_PLAIN_STATUSES[occasion]) if response is None else recorded(response)

    def updated(
        self, lead_id: str, lead: Mapping[str, Any], job_id: str, response: RecordedResponse | None = None
    ) -> Answer:
        """Answer to an update that was taken: it shows the lead as it is now, and the job if there is one.

        `response` stands in for the folder's response to a success.
        """
        response = response or self.success
        if response is None and not job_id:
            return Answer(status=_PLAIN_STATUSES["success"])
        content = response and response.content
        if response is not None and response.lead_at is not None:
            content = placed(content, response.lead_at, _with_id(response, lead_id, lead))
        if job_id:
            content = placed(content, self._job_id_at, job_id)
        if response is None:
            return Answer(status=_PLAIN_STATUSES["success"], headers=_JSON, body=_bytes(content))
        return recorded(response) if content is response.content else _rendered(response, content)

    def shown(self, lead_id: str, lead: Mapping[str, Any]) -> Answer:
        """Answer to a call that reads a lead back. It shows no more fields than the API does."""
        response = self._recorded.get(("read", "success"))
        seen = {name: lead[name] for name in self._readable if name in lead} if self._readable else lead
        if response is None:
            content = placed(None, self._lead_at, seen)
            return Answer(status=_PLAIN_STATUSES["success"], headers=_JSON, body=_bytes(content))
        lead_at = self._lead_at if response.lead_at is None else response.lead_at
        return _rendered(response, placed(response.content, lead_at, _with_id(response, lead_id, seen)))


def recorded(response: RecordedResponse) -> Answer:
    """A recorded response as it stands."""
    return Answer(status=response.status, headers=response.headers, body=response.body)


def placed(document: Any, pointer: str, value: Any) -> Any:  # noqa: ANN401 -- any JSON into any JSON
    """A copy of a document with a value at a JSON Pointer; an object there keeps the keys that the value lacks."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return _placed(document, steps, value)


def _placed(there: Any, steps: list[str], value: Any) -> Any:  # noqa: ANN401
    if not steps:
        return {**there, **value} if isinstance(there, dict) and isinstance(value, dict) else value
    step, rest = steps[0], steps[1:]
    if isinstance(there, list) and step.isdecimal() and int(step) < len(there):
        return [_placed(item, rest, value) if index == int(step) else item for index, item in enumerate(there)]
    kept = there if isinstance(there, dict) else {}
    return {**kept, step: _placed(kept.get(step), rest, value)}


def _with_id(response: RecordedResponse, lead_id: str, lead: Mapping[str, Any]) -> dict[str, Any]:
    return {response.id_field: lead_id, **lead} if response.id_field else dict(lead)


def _rendered(response: RecordedResponse, content: object) -> Answer:
    return Answer(status=response.status, headers=_JSON | dict(response.headers), body=_bytes(content))


def _bytes(content: object) -> bytes:
    """JSON in which a decimal has the digits that it came with."""
    return simplejson.dumps(content, use_decimal=True).encode()
