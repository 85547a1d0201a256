"""Tests a provider folder: does it keep what it promises?"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

from target_leads.clock import Clock
from target_leads.delivery import RetryPolicy, Service, Transport
from target_leads.delivery.body import at
from target_leads.delivery.classification import classify_job, classify_update
from target_leads.delivery.http import HttpResponse
from target_leads.exceptions import DefinitionError
from target_leads.mapping import StreamMapping
from target_leads.models import LeadUpdate, Record, VerdictKind
from target_leads.providers import read_example, read_folder, read_responses
from target_leads.providers.account import Account, sandbox_config
from target_leads.sandbox import Emulator, running
from target_leads.settings import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from importlib.resources.abc import Traversable
    from typing import Any

    from target_leads.delivery.classification import Verdict
    from target_leads.delivery.retry import Result
    from target_leads.providers import Definition, RecordedResponse

_SECONDS = 10
_JUDGED_BY = {
    "update": ("update", "update.responses", "update.many", "job", "rate_limits"),
    "job": ("update", "job", "rate_limits"),
    "read": ("update", "read"),
}
"""Parts of ``provider.json`` that say what an answer to each call means. Without `update` there is none at all."""
_Read = TypeVar("_Read")


def folder_findings(folder: Traversable) -> list[str]:
    """Everything that is wrong with a provider folder, each with its file, JSON path, and what is to do; none: nothing.

    Beside what a run reads, the example has to be valid, with every field of it sent, and to be delivered over HTTP to
    an emulator of the provider; every recorded answer has to mean, by the definition, the outcome that it names.
    """
    definition, findings, wrong_parts = read_folder(folder)
    example = _read(read_example, folder, findings)
    responses = _read(read_responses, folder, findings)
    for response in responses or ():
        if wrong_parts.isdisjoint(_JUDGED_BY[response.call]):
            findings += (f"{folder}/responses/{response.name}.json: {each}" for each in _wrong(response, definition))
    if example is not None and wrong_parts.isdisjoint({"lead_id", "lead_schema"}):
        wrong = list(_violations(example, definition))
        if not wrong and not wrong_parts and responses is not None:  # without them there is no emulator
            wrong = list(_undelivered(example, definition))
        findings += (f"{folder}/example.json: {each}" for each in wrong)
    return findings


def example_update(example: Mapping[str, Any], definition: Definition) -> LeadUpdate:
    """The lead update that an example means when a tap sends it without any mapping. It may be invalid."""
    mapped = StreamMapping(stream=definition.name, definition=definition, settings=StreamSettings()).map(example)
    return LeadUpdate(
        record=Record(stream=definition.name, fields=example, original=example),
        provider=definition.name,
        account="default",
        lead_id=mapped.lead_id,
        fields=mapped.fields,
    )


def _read(read: Callable[[Traversable], _Read], folder: Traversable, findings: list[str]) -> _Read | None:
    try:
        return read(folder)
    except DefinitionError as error:
        findings += error.findings
        return None


def _violations(example: Mapping[str, Any], definition: Definition) -> Iterator[str]:
    mapping = StreamMapping(stream=definition.name, definition=definition, settings=StreamSettings())
    for column in mapping.dropped(example):
        yield f"$.{column}: is no field in lead.schema.json, so it would not be sent"
    mapped = mapping.map(example)
    for violation in (*mapped.violations, *definition.lead_schema.violations(mapped.fields)):
        yield f"{violation.path}: {violation.rule}"


def _undelivered(example: Mapping[str, Any], definition: Definition) -> Iterator[str]:
    """What keeps the example from being delivered to an emulator that is made of the same folder."""
    emulator = Emulator({definition.name: definition})
    update = example_update(example, definition)
    clock = Clock(wait=threading.Event().wait)
    with running(emulator) as url:
        config = sandbox_config(definition, {}, url=url + definition.sandbox_path)
        account = Account.open(definition, config, concurrency=1)
        with contextlib.closing(Transport(account, timeout_seconds=_SECONDS, clock=clock)) as transport:
            policy = RetryPolicy(max_tries=1, max_wait_seconds=0)
            service = Service(account, send=transport.send, policy=policy, clock=clock)
            told: list[Result] = []
            verdict = [*service.update([update], told.append).results, *told][0].attempts.verdict
            asked = service.job_status(verdict.job_id, max_wait_seconds=0).verdict if verdict.job_id else None
    sent = "sent to the sandbox, which answers with the folder's own responses,"
    if verdict.kind is not (VerdictKind.ACCEPTED if definition.job else VerdictKind.DELIVERED):
        yield f"$: {sent} it ends as {_meaning(verdict)}. Mend provider.json, or the response to a success"
    elif asked is not None and asked.kind not in {VerdictKind.ACCEPTED, VerdictKind.DELIVERED}:
        yield f"$: {sent} its job ends as {_meaning(asked)}. Mend $.job in provider.json, or the responses of the job"


def _wrong(response: RecordedResponse, definition: Definition) -> Iterator[str]:
    """What a recorded answer says that the definition does not."""
    call = getattr(definition, response.call)
    if call is None:
        yield f"$.call: is {response.call}, but provider.json has no $.{response.call}"
    elif response.call == "read":
        if response.occasion == "success" and not isinstance(at(response.content, call.lead_at), dict):
            yield f"$.body: has no lead at {call.lead_at or 'its top'}, where by $.read.lead_at in provider.json it is"
    else:
        verdict = _verdict(response, definition)
        if verdict.kind.last_outcome.value != response.outcome:
            yield (
                f"$.outcome: is {response.outcome}, but by provider.json this answer means {_meaning(verdict)}. "
                "Mend the one or the other"
            )


def _verdict(response: RecordedResponse, definition: Definition) -> Verdict:
    headers = {name.lower(): value for name, value in response.headers.items()}
    answer = HttpResponse(status=response.status, headers=headers, body=response.body)
    if response.call == "job" and definition.job is not None:
        return classify_job(answer, definition.job, definition.rate_limits)
    return classify_update(answer, definition)


def _meaning(verdict: Verdict) -> str:
    return f"{verdict.kind.last_outcome} ({verdict.reason})"
