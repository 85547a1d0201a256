"""One provider folder: what its files say, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_leads.exceptions import DefinitionError
from target_leads.providers.building import definition_of, recorded_response_of
from target_leads.providers.json_files import each, named, read_checked, read_json
from target_leads.providers.rules import (
    definition_findings,
    example_findings,
    field_findings,
    lead_schema_findings,
    occasion_findings,
    response_findings,
    wrong_parts,
)
from target_leads.providers.validation import LeadSchema

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from importlib.resources.abc import Traversable

    from target_leads.providers.definition import Definition, RecordedResponse


def name_in(folder: Traversable) -> str:
    """What a folder calls its provider, whatever else is wrong with it; its own name if it does not say."""
    try:
        data = read_json(folder / "provider.json")
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
    (data,) = each(read_json, [file], findings) or [{}]
    told = [] if findings else definition_findings(data)
    schema_told: list[str] = []
    schemas = each(_read_lead_schema, [folder], schema_told)
    lead_schema = LeadSchema(*schemas or [{"properties": {}}])
    unknown = list(field_findings(data, lead_schema)) if schemas else []
    findings += [*named(file, told), *schema_told, *named(file, unknown)]
    wrong = wrong_parts(data, [*told, *unknown]) | (set() if schemas else {"lead_schema"})
    return definition_of(_with_stand_ins(data, wrong), lead_schema, folder), findings, wrong


def _read_lead_schema(folder: Traversable) -> Any:  # noqa: ANN401 -- a JSON Schema is any JSON
    return read_checked(folder / "lead.schema.json", lead_schema_findings)


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
    example: dict[str, Any] = read_checked(folder / "example.json", example_findings)
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
    responses = tuple(each(_recorded_response, files, findings))
    findings += named(folder, occasion_findings(responses))
    if findings:
        raise DefinitionError(findings)
    return responses


def _recorded_response(file: Traversable) -> RecordedResponse:
    return recorded_response_of(read_checked(file, response_findings), file.name.removesuffix(".json"))
