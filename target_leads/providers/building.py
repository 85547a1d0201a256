"""Makes definitions of the JSON of provider folders, which was checked before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from target_leads.models import VerdictKind
from target_leads.providers.definition import (
    BaseUrl,
    Definition,
    ItemResults,
    JobCall,
    LeadId,
    ManyLeads,
    RateLimit,
    RateLimits,
    ReadCall,
    RecordedResponse,
    ResponseRule,
    ResponseRules,
    SettingDefinition,
    UpdateCall,
)
from target_leads.providers.validation import LeadSchema, Matcher

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable


def definition_of(data: Mapping[str, Any], lead_schema: LeadSchema, folder: Traversable) -> Definition:
    """A folder's definition, from the JSON of its ``provider.json`` and its schema."""
    base_url = data["base_url"]
    update, read, job = data["update"], data.get("read"), data.get("job")
    return Definition(
        name=data["name"],
        title=data["title"],
        documentation=tuple(data["documentation"]),
        settings={name: _setting(setting) for name, setting in data.get("settings", {}).items()},
        base_url=BaseUrl(urls={"": base_url})
        if isinstance(base_url, str)
        else BaseUrl(setting=base_url["setting"], urls=base_url["urls"]),
        headers=data["authentication"]["headers"],
        lead_id=LeadId(name=data["lead_id"]["name"], body_field=data["lead_id"].get("body_field", "")),
        update=UpdateCall(
            method=update["method"],
            path=update["path"],
            partial=update["fields"] == "partial",
            envelope=update.get("envelope", ""),
            merged_objects=frozenset(update.get("merged_objects", ())),
            coalesce=update.get("coalesce", True),
            repeatable=update.get("repeatable", True),
            read_back_on=frozenset(update.get("read_back_on", ())),
            many=_many_leads(update["many"]) if "many" in update else None,
            responses=_response_rules(update.get("responses", {})),
        ),
        lead_schema=lead_schema,
        rate_limits=_rate_limits(data.get("rate_limits", {})),
        read=read
        and ReadCall(
            method=read["method"],
            path=read["path"],
            lead_at=read["lead_at"],
            query=read.get("query", {}),
            fields=tuple(read.get("fields", ())),
        ),
        job=job
        and JobCall(
            method=job["method"],
            path=job["path"],
            id_at=tuple(job["id_at"]),
            responses=_response_rules(job["responses"]),
        ),
        folder=folder,
    )


def _setting(data: Mapping[str, Any]) -> SettingDefinition:
    return SettingDefinition(
        title=data["title"],
        description=data["description"],
        secret=data.get("secret", False),
        choices=tuple(data.get("enum", ())),
        default=data.get("default"),
    )


def _rate_limits(data: Mapping[str, Any]) -> RateLimits:
    return RateLimits(
        windows=tuple(
            RateLimit(requests=window["requests"], per_seconds=window["per_seconds"])
            for window in data.get("windows", ())
        ),
        slow_down_from=data.get("slow_down_from", 1.0),
        limit_header=data.get("limit_header", "").lower(),
        remaining_header=data.get("remaining_header", "").lower(),
    )


def _many_leads(data: Mapping[str, Any]) -> ManyLeads:
    results = data.get("results")
    return ManyLeads(
        max_items=data["max_items"],
        max_bytes=data.get("max_bytes"),
        items_at=data["items_at"],
        results=results
        and ItemResults(
            at=results["at"],
            id_at=results["id_at"],
            status_at=results.get("status_at", ""),
            responses=_response_rules(results.get("responses", {})),
        ),
    )


def _response_rules(data: Mapping[str, Any]) -> ResponseRules:
    return ResponseRules(
        error_codes=tuple(data.get("error_codes", {}).get("codes", ())),
        error_codes_at=tuple(data.get("error_codes", {}).get("at", ())),
        success_body=Matcher(data["success_body"]) if "success_body" in data else None,
        rules=tuple(
            ResponseRule(
                verdict=VerdictKind(rule["verdict"]),
                reason=rule["reason"],
                statuses=frozenset(rule.get("status", ())),
                when=Matcher(rule["when"]) if "when" in rule else None,
            )
            for rule in data.get("rules", ())
        ),
    )


def recorded_response_of(data: Mapping[str, Any], name: str) -> RecordedResponse:
    """What the provider answered once, under the name of its file."""
    text = json.dumps(data["body"]) if "body" in data else data.get("text", "")
    headers = {"content-type": "application/json"} if "body" in data else {}
    sandbox = data.get("sandbox", {})
    return RecordedResponse(
        name=name,
        call=data.get("call", "update"),
        status=data["status"],
        headers=headers | data.get("headers", {}),
        body=text.encode(),
        content=data.get("body"),
        outcome=data["outcome"],
        occasion=sandbox.get("on", ""),
        lead_ids=tuple(sandbox.get("lead_ids", ())),
        lead_at=sandbox.get("lead_at"),
        id_field=sandbox.get("id_field", ""),
    )
