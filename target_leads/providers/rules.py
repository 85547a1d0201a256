"""What the files of a provider folder must keep to. A finding says where, as a JSON path, and what is wrong."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from target_leads.providers.base_url import url_findings
from target_leads.providers.definition import placeholders
from target_leads.providers.dialect import compiled
from target_leads.providers.formats import FORMATS
from target_leads.providers.place import names_of
from target_leads.pruning import pruned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from jsonschema import ValidationError

    from target_leads.providers.definition import RecordedResponse
    from target_leads.providers.validation import LeadSchema

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DATA = frozenset({"const", "default", "enum", "examples", "labels"})
"""Rules of a schema that hold data and no schema."""
PARTS = frozenset({"name", "title", "documentation", "base_url", "authentication", "lead_id", "update"})
"""What no ``provider.json`` can be without."""
_PART = re.compile(r"\$\.((?:update\.)?[a-z_]+)")


def definition_findings(data: Any) -> list[str]:  # noqa: ANN401 -- a file holds any JSON
    """What is wrong with a ``provider.json`` by itself."""
    errors = list(_meta_schema("provider.schema.json").iter_errors(data))
    findings = _in_words(errors)
    if not isinstance(data, dict):
        return findings
    broken = {str(error.absolute_path[0]) for error in errors if error.absolute_path}
    return [*findings, *_inconsistencies(pruned(data, errors), broken | (PARTS - data.keys()))]


def wrong_parts(data: Any, findings: Iterable[str]) -> frozenset[str]:  # noqa: ANN401 -- a file holds any JSON
    """Parts of a ``provider.json`` that lack or in which findings stand, such as ``job`` and ``update.method``."""
    places = (_PART.match(finding) for finding in findings)
    there = data.keys() if isinstance(data, dict) else set()
    return frozenset({place[1] for place in places if place} | (PARTS - there))


def lead_schema_findings(schema: Any) -> list[str]:  # noqa: ANN401 -- a file holds any JSON
    """What is wrong with a ``lead.schema.json``."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return ["$: must be the schema of an object with properties"]
    if schema.get("$schema", _DRAFT) != _DRAFT:
        return [f"$['$schema']: must be {_DRAFT}"]
    return list(_schema_findings("$", schema)) or list(_label_findings(schema))


def _label_findings(schema: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the words that are no JSON Schema's own: `labels` and `leadingZeros`."""
    words = compiled(_read("provider.schema.json")["$defs"]["lead_schema"])
    for place, part in _parts("$", schema):
        broken = [f"{place}{error.json_path[1:]}: {_message(error)}" for error in words.iter_errors(part)]
        yield from broken
        if "labels" not in part or broken:
            continue
        named: dict[str, Any] = {}
        for name, key in names_of(part):
            at = f"{place}.labels[{name!r}]"
            if key not in part["enum"]:
                yield f"{at}: {key!r} is not in the enum"
            elif named.setdefault(name.casefold(), key) != key and name in part["labels"]:
                yield f"{at}: but for upper and lower case it is a name of {named[name.casefold()]!r} already"


def field_findings(data: Any, lead_schema: LeadSchema) -> Iterator[str]:  # noqa: ANN401 -- a file holds any JSON
    """Fields that a definition names and its lead schema does not have."""
    if not isinstance(data, dict):
        return
    data = pruned(data, _meta_schema("provider.schema.json").iter_errors(data))
    named = {
        "$.lead_id.body_field": _of(data, "lead_id").get("body_field"),
        **{
            f"$.update.merged_objects[{n}]": name
            for n, name in enumerate(_of(data, "update").get("merged_objects", []))
        },
        **{f"$.read.fields[{n}]": name for n, name in enumerate(_of(data, "read").get("fields", []))},
    }
    for path, name in named.items():
        if name is not None and lead_schema.path_of(name) is None:
            yield f"{path}: {name} is no property in lead.schema.json"


def example_findings(example: Any) -> Iterator[str]:  # noqa: ANN401 -- a file holds any JSON
    """What is wrong with an ``example.json`` by itself."""
    if not isinstance(example, dict):
        yield "$: must be an object, as a record is"


def response_findings(data: Any) -> Iterator[str]:  # noqa: ANN401 -- a file holds any JSON
    """What is wrong with a file in ``responses/``."""
    return _broken("response.schema.json", data)


def occasion_findings(responses: Iterable[RecordedResponse]) -> Iterator[str]:
    """Occasions on which the sandbox would not know which answer to give."""
    occasions = Counter((response.call, response.occasion) for response in responses if response.occasion)
    for (call, occasion), count in occasions.items():
        if count > 1:
            yield f"{count} files are the answer to the call {call} on the occasion {occasion}; only one can be"


def are_rate_limits(value: object) -> bool:
    """Whether a value could stand as the windows of a definition's rate limits."""
    return _windows_schema().is_valid(value)


@functools.cache
def _windows_schema() -> Draft202012Validator:
    return compiled(_read("provider.schema.json")["properties"]["rate_limits"]["properties"]["windows"])


@functools.cache
def _schema_of_schemas() -> Draft202012Validator:
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=checker)


@functools.cache
def _meta_schema(name: str) -> Draft202012Validator:
    return compiled(_read(name))


def _read(name: str) -> Any:  # noqa: ANN401 -- a JSON Schema is any JSON
    return json.loads((resources.files("target_leads.providers") / name).read_text(encoding="utf-8"))


def _broken(meta_schema: str, data: object) -> Iterator[str]:
    """What breaks a meta-schema. A folder holds no secrets: values may be shown."""
    yield from _in_words(_meta_schema(meta_schema).iter_errors(data))


def _in_words(errors: Iterable[ValidationError]) -> list[str]:
    return [f"{error.json_path}: {_message(error)}" for error in sorted(errors, key=lambda error: error.json_path)]


def _message(error: ValidationError) -> str:
    """What jsonschema says, with values as JSON has them, not Python."""
    message = error.message
    if not isinstance(error.instance, (str, int, float)) or isinstance(error.instance, bool):
        with contextlib.suppress(RecursionError):  # JSON is read deeper than it is written
            message = message.replace(repr(error.instance), json.dumps(error.instance, ensure_ascii=False), 1)
    if isinstance(error.validator_value, list):
        allowed = (each if isinstance(each, str) else json.dumps(each) for each in error.validator_value)
        message = message.replace(repr(error.validator_value), ", ".join(allowed))
    return message


def _inconsistencies(data: Mapping[str, Any], broken: Collection[str]) -> Iterator[str]:
    """What a JSON Schema cannot say: names that one part uses and another must define.

    Of parts that are `broken` that is left which is not, and what they may define is not missed.
    """
    settings = data.get("settings", {})
    if "base_url" in data:
        yield from _base_url_findings(data["base_url"], None if "settings" in broken else settings)
    for name, setting in settings.items():
        if "default" in setting and "enum" in setting and setting["default"] not in setting["enum"]:
            yield f"$.settings.{name}.default: must be one of {', '.join(setting['enum'])}"
    used: dict[str, set[str]] = {}
    for path, template, known in _templates(data):
        try:
            used[path] = set(placeholders(template))
        except ValueError as error:
            yield f"{path}: {error}"
            continue
        for name in () if "settings" in broken else sorted(used[path] - {*settings, *known}):
            yield f"{path}: {{{name}}} is neither a setting nor one of {', '.join(known) or 'none'}"
        for name in sorted(used[path] & settings.keys()):
            if settings[name].get("secret") and not path.startswith("$.authentication."):
                yield f"{path}: {{{name}}} is secret; a URL is written to logs, so it belongs in a header"
    if (
        "$.update.path" in used
        and "lead_id" not in broken
        and ("lead_id" in used["$.update.path"]) == ("body_field" in data["lead_id"])
    ):
        yield "$.lead_id: an update carries the id either as {lead_id} in $.update.path or in a body_field: one of them"
    for call, name in (("read", "lead_id"), ("job", "job_id")):
        is_right = call in data and call not in broken
        if is_right and not any(name in names for path, names in used.items() if path.startswith(f"$.{call}.")):
            yield f"$.{call}.path: must hold {{{name}}}"
    for path, schema in _schemas(data):
        yield from _schema_findings(path, schema)
    yield from _update_findings(data, broken)


def _update_findings(data: Mapping[str, Any], broken: Collection[str]) -> Iterator[str]:
    """What does not go together in the call that writes."""
    update = _of(data, "update")
    if "read_back_on" in update and not {"read"} & {*data, *broken}:
        yield "$.update.read_back_on: needs $.read, the call that reads a lead back"
    if "many" in update and "lead_id" not in broken and "body_field" not in data["lead_id"]:
        yield "$.update.many: needs $.lead_id.body_field, which says in the body which lead is meant"
    for key, present in (("$.update.read_back_on", "read_back_on" in update), ("$.job", "job" in data)):
        if "many" in update and present:
            yield f"{key}: cannot be used together with $.update.many"


def _of(data: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = data.get(part, {})
    return found


def _base_url_findings(base_url: str | Mapping[str, Any], settings: Mapping[str, Any] | None) -> Iterator[str]:
    if isinstance(base_url, str):
        yield from (f"$.base_url: {finding}" for finding in url_findings(base_url))
        return
    choices = None if settings is None else settings.get(base_url["setting"], {}).get("enum")
    if settings is None:
        pass  # which values it has is not known
    elif choices is None:
        yield f"$.base_url.setting: {base_url['setting']} is no setting with an enum"
    elif set(choices) != set(base_url["urls"]):
        yield f"$.base_url.urls: its keys must be the values of the setting {base_url['setting']}: {', '.join(choices)}"
    for choice, url in base_url["urls"].items():
        yield from (f"$.base_url.urls.{choice}: {finding}" for finding in url_findings(url))


def _templates(data: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every text with placeholders, its JSON path, and the names it may use beside settings."""
    for name, value in _of(data, "authentication").get("headers", {}).items():
        yield f"$.authentication.headers.{name}", value, ()
    for call, known in (("update", ("lead_id",)), ("read", ("lead_id",)), ("job", ("job_id",))):
        if "path" in _of(data, call):
            yield f"$.{call}.path", data[call]["path"], known
    for name, value in _of(data, "read").get("query", {}).items():
        yield f"$.read.query.{name}", value, ("lead_id",)


def _schemas(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    update = _of(data, "update")
    results = update.get("many", {}).get("results", {})
    for call, part in (("update", update), ("update.many.results", results), ("job", _of(data, "job"))):
        responses = part.get("responses", {})
        if "success_body" in responses:
            yield f"$.{call}.responses.success_body", responses["success_body"]
        for index, rule in enumerate(responses.get("rules", [])):
            if "when" in rule:
                yield f"$.{call}.responses.rules[{index}].when", rule["when"]


def _schema_findings(path: str, schema: Any) -> Iterator[str]:  # noqa: ANN401 -- a JSON Schema is any JSON
    """What is wrong with a JSON Schema that stands at a path."""
    errors = list(_schema_of_schemas().iter_errors(schema))
    yield from dict.fromkeys(f"{path}{error.json_path[1:]}: {_message(error)}" for error in errors)
    if errors:
        schema = pruned(schema, errors)
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for place, part in _parts(path, schema):
        if part.get("format", "email") not in FORMATS.checkers:
            known = ", ".join(sorted(FORMATS.checkers))
            yield f"{place}.format: the format {part['format']} is not checked; use one of {known}"
        if "$ref" in part and not errors:
            try:
                resolver.lookup(part["$ref"])
            except Unresolvable:
                yield f"{place}['$ref']: {part['$ref']} is nowhere in this schema"


def _parts(path: str, schema: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema within a schema, with its JSON path."""
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _parts(f"{path}[{index}]", part)
    elif isinstance(schema, dict):
        yield path, schema
        for name, inner in schema.items():
            below = f"{path}.{name}" if name.isidentifier() else f"{path}[{name!r}]"
            if name in {"properties", "$defs", "patternProperties", "dependentSchemas"}:
                for key, part in inner.items():
                    yield from _parts(f"{below}.{key}" if key.isidentifier() else f"{below}[{key!r}]", part)
            elif name not in _DATA:
                yield from _parts(below, inner)
