"""Reads provider folders. The bundled ones and a user's own go through the same code."""

from __future__ import annotations

import functools
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, SchemaError

from target_leads.exceptions import DefinitionError
from target_leads.models import VerdictKind
from target_leads.providers.definition import (
    BaseUrl,
    Definition,
    JobCall,
    LeadId,
    ReadCall,
    RecordedResponse,
    ResponseRule,
    ResponseRules,
    SettingDefinition,
    UpdateCall,
    placeholders,
)
from target_leads.providers.formats import FORMATS, compiled
from target_leads.providers.validation import LeadSchema, Matcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

_PACKAGE = resources.files("target_leads.providers")


@functools.cache
def bundled() -> Mapping[str, Definition]:
    """The providers that come with the package, by name."""
    return load(folder for folder in _PACKAGE.iterdir() if folder.joinpath("provider.json").is_file())


def load_all(provider_paths: Sequence[str]) -> Mapping[str, Definition]:
    """The bundled providers and those in a user's folders, by name.

    Raises:
        DefinitionError: a folder is missing or breaks the rules, or its name is taken.
    """
    own = load(folder for path in provider_paths for folder in _folders(Path(path)))
    for name in own.keys() & bundled().keys():
        raise DefinitionError(
            [f"{own[name].folder}/provider.json: $.name: {name} is a bundled provider. Give it another name."]
        )
    return {**bundled(), **own}


def _folders(path: Path) -> list[Path]:
    """The provider folder at a path, or those inside it."""
    folders = [path] if (path / "provider.json").is_file() else sorted(path.glob("*/provider.json"))
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
    definitions: dict[str, Definition] = {}
    for folder in sorted(folders, key=str):
        definition = load_folder(folder)
        if definition.name in definitions:
            raise DefinitionError(
                [
                    f"{folder}/provider.json: $.name: the provider {definition.name} is described by "
                    f"{definitions[definition.name].folder} already. Give it another name."
                ]
            )
        definitions[definition.name] = definition
    return definitions


def load_folder(folder: Traversable) -> Definition:
    """Read one provider folder: its definition and its lead schema.

    Raises:
        DefinitionError: a file is missing, is no JSON, or breaks a rule. It names file and JSON path.
    """
    file = folder / "provider.json"
    data = _read_json(file)
    findings = list(_findings(_meta_schema("provider.schema.json"), data))
    if not findings:
        findings = list(_inconsistencies(data))
    if findings:
        raise DefinitionError([f"{file}: {finding}" for finding in findings])
    return _definition(data, LeadSchema(_lead_schema(folder)), folder)


def load_example(definition: Definition) -> dict[str, Any]:
    """The folder's ``example.json``: a record that works."""
    example: dict[str, Any] = _read_json(definition.folder / "example.json")
    return example


def load_responses(definition: Definition) -> tuple[RecordedResponse, ...]:
    """The folder's ``responses/*.json``, by file name.

    Raises:
        DefinitionError: a file is no JSON or breaks a rule. It names file and JSON path.
    """
    folder = definition.folder / "responses"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return tuple(_recorded_response(file) for file in files)


def _read_json(file: Traversable) -> Any:  # noqa: ANN401 -- a file holds any JSON until it was checked
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DefinitionError(
            [f"{file}: cannot be read: {error.strerror}. A provider folder needs this file."]
        ) from error
    except ValueError as error:
        raise DefinitionError([f"{file}: is no JSON: {error}"]) from error


@functools.cache
def _meta_schema(name: str) -> Draft202012Validator:
    return compiled(json.loads(_PACKAGE.joinpath(name).read_text(encoding="utf-8")))


def _findings(validator: Draft202012Validator, data: object) -> Iterator[str]:
    """What breaks the meta-schema, each with its JSON path. A folder holds no secrets: values may be shown."""
    for error in sorted(validator.iter_errors(data), key=lambda error: error.json_path):
        yield f"{error.json_path}: {error.message}"


def _inconsistencies(data: Mapping[str, Any]) -> Iterator[str]:
    """What a JSON Schema cannot say: names that one part uses and another must define."""
    settings = data.get("settings", {})
    base_url = data["base_url"]
    if isinstance(base_url, dict):
        choices = settings.get(base_url["setting"], {}).get("enum")
        if choices is None:
            yield f"$.base_url.setting: {base_url['setting']} is no setting with an enum"
        elif set(choices) != set(base_url["urls"]):
            yield f"$.base_url.urls: its keys must be the values of the setting {base_url['setting']}: {', '.join(choices)}"
    for name, setting in settings.items():
        if "default" in setting and "enum" in setting and setting["default"] not in setting["enum"]:
            yield f"$.settings.{name}.default: must be one of {', '.join(setting['enum'])}"
    in_path = "lead_id" in placeholders(data["update"]["path"])
    if in_path == ("body_field" in data["lead_id"]):
        yield "$.lead_id: an update carries the id either as {lead_id} in $.update.path or in a body_field, so one of them"
    for path, template, known in _templates(data):
        for name in placeholders(template):
            if name not in {*settings, *known}:
                yield f"{path}: {{{name}}} is neither a setting nor one of {', '.join(known) or 'none'}"
    for path, schema in _schemas(data):
        yield from _schema_findings(path, schema)


def _templates(data: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every text with placeholders, its JSON path, and the names it may use beside settings."""
    for name, value in data["authentication"]["headers"].items():
        yield f"$.authentication.headers.{name}", value, ()
    yield "$.update.path", data["update"]["path"], ("lead_id",)
    if read := data.get("read"):
        yield "$.read.path", read["path"], ("lead_id",)
        for name, value in read.get("query", {}).items():
            yield f"$.read.query.{name}", value, ("lead_id",)
    if job := data.get("job"):
        yield "$.job.path", job["path"], ("job_id",)


def _schemas(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for call in ("update", "job"):
        responses = data.get(call, {}).get("responses", {})
        if "success_body" in responses:
            yield f"$.{call}.responses.success_body", responses["success_body"]
        for index, rule in enumerate(responses.get("rules", [])):
            if "when" in rule:
                yield f"$.{call}.responses.rules[{index}].when", rule["when"]


def _schema_findings(path: str, schema: Any) -> Iterator[str]:
    """What is wrong with a JSON Schema that stands at a path."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"{path}{error.json_path[1:]}: {error.message}"
    else:
        for name in sorted(_formats(schema)):
            if name not in FORMATS.checkers:
                yield f"{path}: the format {name} is not checked; use one of {', '.join(sorted(FORMATS.checkers))}"


def _formats(schema: object) -> set[str]:
    """Names of all formats in a schema, however deep."""
    if isinstance(schema, dict):
        inner = set().union(*(_formats(value) for value in schema.values()))
        return inner | ({schema["format"]} if isinstance(schema.get("format"), str) else set())
    if isinstance(schema, list):
        return set().union(*(_formats(value) for value in schema))
    return set()


def _lead_schema(folder: Traversable) -> dict[str, Any]:
    file = folder / "lead.schema.json"
    schema = _read_json(file)
    findings = list(_schema_findings("$", schema))
    if not findings and not (isinstance(schema, dict) and isinstance(schema.get("properties"), dict)):
        findings = ["$: must be the schema of an object with properties"]
    if findings:
        raise DefinitionError([f"{file}: {finding}" for finding in findings])
    lead_schema: dict[str, Any] = schema
    return lead_schema


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
            responses=_response_rules(update.get("responses", {})),
        ),
        lead_schema=lead_schema,
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


def _response_rules(data: Mapping[str, Any]) -> ResponseRules:
    return ResponseRules(
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
    data = _read_json(file)
    if findings := list(_findings(_meta_schema("response.schema.json"), data)):
        raise DefinitionError([f"{file}: {finding}" for finding in findings])
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
