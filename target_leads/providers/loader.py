"""Reads provider folders. The bundled ones and a user's own go through the same code."""

from __future__ import annotations

import functools
import json
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from target_leads.exceptions import DefinitionError
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
from target_leads.providers.rules import (
    definition_findings,
    example_findings,
    field_findings,
    lead_schema_findings,
    occasion_findings,
    response_findings,
    wrong_parts,
)
from target_leads.providers.validation import LeadSchema, Matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from importlib.resources.abc import Traversable

_PACKAGE = resources.files("target_leads.providers")
_Thing = TypeVar("_Thing")
_Read = TypeVar("_Read")


@functools.cache
def bundled() -> Mapping[str, Definition]:
    """The providers that come with the package, by name."""
    return load(folder for folder in _PACKAGE.iterdir() if folder.joinpath("provider.json").is_file())


def load_all(provider_paths: Sequence[str]) -> Mapping[str, Definition]:
    """The bundled providers and those in a user's folders, by name.

    Raises:
        DefinitionError: a folder is missing or breaks the rules, or its name is taken.
    """
    definitions, findings = load_right(provider_paths)
    if findings:
        raise DefinitionError(findings)
    return definitions


def load_right(provider_paths: Sequence[str]) -> tuple[Mapping[str, Definition], list[str]]:
    """The same without the folders that are wrong, and what is wrong with those."""
    findings: list[str] = []
    folders = [folder for found in _each(folders_at, map(Path, provider_paths), findings) for folder in found]
    own = _by_name(folders, findings)
    findings += (
        f"{own[name].folder}/provider.json: $.name: {name} is a bundled provider. Give it another name."
        for name in sorted(own.keys() & bundled().keys())
    )
    return {**bundled(), **own, **bundled()}, findings


def folders_at(path: Path) -> list[Path]:
    """The provider folder at a path, or those inside it.

    Raises:
        DefinitionError: there is none.
    """
    try:
        folders = [path] if (path / "provider.json").is_file() else sorted(path.glob("*/provider.json"))
    except ValueError:  # a NUL, which no path can hold
        folders = []
    if not folders:
        raise DefinitionError(
            [f"provider_paths: {path} is no provider folder and holds none: there is no provider.json."]
        )
    return [folder.parent if folder.name == "provider.json" else folder for folder in folders]


def load(folders: Iterable[Traversable]) -> dict[str, Definition]:
    """Read provider folders.

    Raises:
        DefinitionError: a folder breaks a rule, or two describe one provider. It names file and JSON path.
    """
    findings: list[str] = []
    definitions = _by_name(folders, findings)
    if findings:
        raise DefinitionError(findings)
    return definitions


def _by_name(folders: Iterable[Traversable], findings: list[str]) -> dict[str, Definition]:
    definitions: dict[str, Definition] = {}
    for definition in _each(load_folder, sorted(folders, key=str), findings):
        if definition.name in definitions:
            other = definitions[definition.name].folder
            finding = f"$.name: the provider {definition.name} is described by {other} already. Give it another name."
            findings.append(f"{definition.folder}/provider.json: {finding}")
        else:
            definitions[definition.name] = definition
    return definitions


def name_in(folder: Traversable) -> str:
    """What a folder calls its provider, whatever else is wrong with it; its own name if it does not say."""
    try:
        data = _read_json(folder / "provider.json")
    except DefinitionError:
        return folder.name
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) else folder.name


def load_folder(folder: Traversable) -> Definition:
    """Read one provider folder: its definition and its lead schema.

    Raises:
        DefinitionError: a file is missing, is no JSON, or breaks a rule. It names file and JSON path.
    """
    definition, findings, _ = read_folder(folder)
    if findings:
        raise DefinitionError(findings)
    return definition


def read_folder(folder: Traversable) -> tuple[Definition, list[str], frozenset[str]]:
    """The same of a folder that may break the rules, how it does so, and which parts of it are wrong.

    In the places of these, such as ``job``, ``update.method`` or ``lead_schema``, the definition has stand-ins.
    """
    file = folder / "provider.json"
    findings: list[str] = []
    (data,) = _each(_read_json, [file], findings) or [{}]
    told = [] if findings else definition_findings(data)
    schema_told: list[str] = []
    schemas = _each(_read_lead_schema, [folder], schema_told)
    lead_schema = LeadSchema(*schemas or [{"properties": {}}])
    unknown = list(field_findings(data, lead_schema)) if schemas else []
    findings += [*_named(file, told), *schema_told, *_named(file, unknown)]
    wrong = wrong_parts(data, [*told, *unknown]) | (set() if schemas else {"lead_schema"})
    return _definition(_with_stand_ins(data, wrong), lead_schema, folder), findings, wrong


def _read_lead_schema(folder: Traversable) -> Any:  # noqa: ANN401 -- a JSON Schema is any JSON
    return _read_checked(folder / "lead.schema.json", lead_schema_findings)


_STAND_INS: Mapping[str, Any] = {
    "name": "provider",
    "title": "A provider",
    "documentation": [],
    "base_url": "https://api.example.com",
    "authentication": {"headers": {}},
    "lead_id": {"name": "id"},
    "update": {"method": "PATCH", "path": "/{lead_id}", "fields": "partial"},
}


def _with_stand_ins(data: Any, wrong: Collection[str]) -> dict[str, Any]:  # noqa: ANN401 -- a file holds any JSON
    """A ``provider.json`` with others for those of its parts that are wrong, if there have to be any."""
    if not wrong:
        return dict(data)
    right = {name: part for name, part in data.items() if name not in wrong} if isinstance(data, dict) else {}
    update = data["update"] if "update" in right else {}
    return {
        **_STAND_INS,
        **right,
        "update": {
            **_STAND_INS["update"],
            **{name: part for name, part in update.items() if f"update.{name}" not in wrong},
        },
    }


def load_example(definition: Definition) -> dict[str, Any]:
    """The folder's ``example.json``: a record that works.

    Raises:
        DefinitionError: the file is missing, is no JSON, or no object.
    """
    return read_example(definition.folder)


def read_example(folder: Traversable) -> dict[str, Any]:
    """The same of a folder that may have no good definition. Raises likewise."""
    example: dict[str, Any] = _read_checked(folder / "example.json", example_findings)
    return example


def load_responses(definition: Definition) -> tuple[RecordedResponse, ...]:
    """The folder's ``responses/*.json``, by file name.

    Raises:
        DefinitionError: the folder or a file is missing, is no JSON or breaks a rule. It names file and JSON path.
    """
    return read_responses(definition.folder)


def read_responses(provider_folder: Traversable) -> tuple[RecordedResponse, ...]:
    """The same of a folder that may have no good definition. Raises likewise."""
    folder = provider_folder / "responses"
    try:
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    except OSError as error:
        raise DefinitionError([f"{folder}: cannot be read: {error.strerror}. A provider folder needs it."]) from error
    findings: list[str] = []
    responses = tuple(_each(_recorded_response, files, findings))
    findings += _named(folder, occasion_findings(responses))
    if findings:
        raise DefinitionError(findings)
    return responses


def _each(read: Callable[[_Thing], _Read], things: Iterable[_Thing], findings: list[str]) -> list[_Read]:
    """What is read from each of some things that is right; `findings` tell what is wrong with the others."""
    done: list[_Read] = []
    for thing in things:
        try:
            done.append(read(thing))
        except DefinitionError as error:
            findings += error.findings
    return done


def _read_checked(file: Traversable, findings: Callable[[Any], Iterable[str]]) -> Any:  # noqa: ANN401 -- any JSON
    data = _read_json(file)
    if told := _named(file, findings(data)):
        raise DefinitionError(told)
    return data


def _named(file: Traversable, findings: Iterable[str]) -> list[str]:
    return [f"{file}: {finding}" for finding in findings]


def _read_json(file: Traversable) -> Any:  # noqa: ANN401 -- a file holds any JSON until it was checked
    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number, object_pairs_hook=_object)
    except OSError as error:
        raise DefinitionError([f"{file}: cannot be read: {error.strerror}. A provider folder needs it."]) from error
    except RecursionError:
        raise DefinitionError([f"{file}: is no JSON: it is nested too deeply"]) from None
    except ValueError as error:
        raise DefinitionError([f"{file}: is no JSON: {error}"]) from error


def _no_number(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    message = f"{name} is no number"
    raise ValueError(message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says a thing twice: which was meant cannot be known."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            message = f"{name} stands twice in one object"
            raise ValueError(message)
    return dict(pairs)


def _definition(data: Mapping[str, Any], lead_schema: LeadSchema, folder: Traversable) -> Definition:
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


def _recorded_response(file: Traversable) -> RecordedResponse:
    data = _read_checked(file, response_findings)
    text = json.dumps(data["body"]) if "body" in data else data.get("text", "")
    headers = {"content-type": "application/json"} if "body" in data else {}
    sandbox = data.get("sandbox", {})
    return RecordedResponse(
        name=file.name.removesuffix(".json"),
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
