"""Reading provider folders: a mistake is named by file and JSON path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import DefinitionError
from target_leads.models import VerdictKind
from target_leads.providers import bundled, load, load_all, load_example, load_folder, load_responses
from target_leads.providers.definition import LeadId, RateLimit, SettingDefinition

if TYPE_CHECKING:
    from collections.abc import Callable

GENERIC = Path(__file__).parent / "providers" / "generic"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the generic provider's folder, to be broken."""
    return Path(shutil.copytree(GENERIC, tmp_path / "generic"))


def change(file: Path, *path: str | int, to: Any) -> None:
    """Set the value at a path in a JSON file; with no path, the whole of it."""
    data = json.loads(file.read_text())
    inner = data
    for step in path[:-1]:
        inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
    if path:
        inner[path[-1]] = to
    file.write_text(json.dumps(data if path else to))


def findings_of(read: Callable[[], object]) -> tuple[str, ...]:
    """What a folder is refused for."""
    with pytest.raises(DefinitionError) as raised:
        read()
    assert raised.value.exit_status == 2
    return raised.value.findings


def test_how_many_and_how_often_arrives_in_the_definition(folder: Path) -> None:
    """Many leads in a request, what may be repeated or merged, and the rate limits."""
    file = folder / "provider.json"
    results = {"at": "/r", "id_at": "/id", "status_at": "/code", "responses": {"rules": [RULE]}}
    many = {"max_items": 10, "max_bytes": 999, "items_at": "/leads", "results": results}
    more = {"many": many, "coalesce": False, "repeatable": False}
    change(file, "lead_id", to={"name": "key", "body_field": "id"})
    change(file, "update", to={"method": "PATCH", "path": "/l", "fields": "partial", **more})
    windows = [{"requests": 5, "per_seconds": 1}, {"requests": 100, "per_seconds": 60.5}]
    headers = {"limit_header": "X-Limit", "remaining_header": "X-Left"}
    change(file, "rate_limits", to={"windows": windows, "slow_down_from": 0.5, **headers})
    definition = load_folder(folder)
    call, limits = definition.update, definition.rate_limits
    assert (call.coalesce, call.repeatable, call.read_back_on) == (False, False, frozenset())
    assert call.many is not None
    assert (call.many.max_items, call.many.max_bytes, call.many.items_at) == (10, 999, "/leads")
    assert call.many.results is not None
    assert (call.many.results.at, call.many.results.id_at, call.many.results.status_at) == ("/r", "/id", "/code")
    assert [rule.reason for rule in call.many.results.responses.rules] == ["busy"]
    assert limits.windows == (RateLimit(requests=5, per_seconds=1), RateLimit(requests=100, per_seconds=60.5))
    assert (limits.slow_down_from, limits.limit_header, limits.remaining_header) == (0.5, "x-limit", "x-left")


def test_a_rule_on_a_single_result_is_looked_at_too(folder: Path) -> None:
    """A schema in there is checked like any other."""
    file = folder / "provider.json"
    results = {"at": "", "id_at": "", "responses": {"success_body": {"format": "x"}}}
    change(file, "lead_id", to={"name": "key", "body_field": "id"})
    many = {"max_items": 2, "items_at": "", "results": results}
    change(file, "update", to={"method": "PATCH", "path": "/l", "fields": "partial", "many": many})
    (finding,) = findings_of(lambda: load_folder(folder))
    assert "$.update.many.results.responses.success_body.format: the format x is not checked;" in finding


def test_what_a_definition_does_not_say_is_the_usual(folder: Path) -> None:
    """One lead in a request, merged and repeated where that helps, and no rate limit."""
    call, limits = load_folder(folder).update, load_folder(folder).rate_limits
    assert (call.many, call.coalesce, call.repeatable, call.read_back_on) == (None, True, True, frozenset())
    assert (limits.windows, limits.slow_down_from) == ((), 1.0)


RULE = {"status": [409], "verdict": "retry", "reason": "busy"}


def test_a_folder_becomes_a_definition(folder: Path) -> None:
    """Everything that the files say arrives in the definition, under the definition's names."""
    file = folder / "provider.json"
    change(file, "settings", "region", to={"title": "R", "description": "D", "enum": ["us", "eu"], "default": "us"})
    change(
        file,
        "base_url",
        to={"setting": "region", "urls": {"us": "https://us.example.com", "eu": "https://eu.example.com"}},
    )
    change(file, "lead_id", to={"name": "key", "body_field": "id"})
    responses = {
        "success_body": {"type": "object"},
        "rules": [{"status": [409], "when": {"required": ["x"]}, "verdict": "retry", "reason": "busy"}],
    }
    update = {"method": "PUT", "path": "/l/{region}", "fields": "whole", "envelope": "data", "merged_objects": ["home"]}
    change(file, "update", to={**update, "responses": responses})
    change(
        file,
        "read",
        to={"method": "GET", "path": "/l", "query": {"q": "{lead_id}"}, "lead_at": "/data", "fields": ["email"]},
    )
    change(file, "job", to={"method": "GET", "path": "/j/{job_id}", "id_at": ["/job"], "responses": {}})
    definition = load_folder(folder)
    assert (definition.name, definition.title) == ("generic", "A generic lead API")
    assert definition.documentation == ("https://api.example.com/docs",)
    assert definition.settings == {
        "token": SettingDefinition(title="Token", description="The token that example.com gives you.", secret=True),
        "region": SettingDefinition(title="R", description="D", choices=("us", "eu"), default="us"),
    }
    assert definition.base_url.pick({"region": "eu"}) == "https://eu.example.com"
    assert definition.headers == {"authorization": "Bearer {token}"}
    assert definition.lead_id == LeadId(name="key", body_field="id")
    call = definition.update
    assert (call.method, call.path, call.partial, call.envelope) == ("PUT", "/l/{region}", False, "data")
    assert call.merged_objects == {"home"}
    assert call.responses.success_body is not None
    assert not call.responses.success_body.matches([])
    (rule,) = call.responses.rules
    assert (rule.verdict, rule.reason, rule.statuses) == (VerdictKind.RETRY, "busy", {409})
    assert rule.when is not None
    assert not rule.when.matches({})
    assert definition.read is not None
    assert (definition.read.method, definition.read.path, definition.read.lead_at) == ("GET", "/l", "/data")
    assert (definition.read.query, definition.read.fields) == ({"q": "{lead_id}"}, ("email",))
    assert definition.job is not None
    assert (definition.job.method, definition.job.path, definition.job.id_at) == ("GET", "/j/{job_id}", ("/job",))
    assert definition.lead_schema.schema == json.loads((GENERIC / "lead.schema.json").read_text())


def test_what_a_folder_leaves_out() -> None:
    """Without a read-back, jobs, an envelope or rules the definition has none."""
    definition = load_folder(GENERIC)
    assert (definition.read, definition.job, definition.update.envelope) == (None, None, "")
    assert (definition.update.responses.rules, definition.update.responses.success_body) == ((), None)
    assert definition.update.partial


SETTING = {"title": "T", "description": "D"}
JOB = {"method": "GET", "path": "/j/{job_id}", "id_at": ["/id"], "responses": {}}
READ = {"method": "GET", "path": "/l/{lead_id}", "lead_at": ""}
MANY = {"max_items": 10, "items_at": ""}


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ((), [], "$: [] is not of type 'object'"),
        (("extra",), 1, "$: Additional properties are not allowed ('extra' was unexpected)"),
        (("name",), "My API", "$.name: 'My API' does not match '^[a-z][a-z0-9_]*$'"),
        (("name",), "api\n", "$.name: 'api\\n' does not match '^[a-z][a-z0-9_]*$'"),
        (("title",), "", "$.title: '' should be non-empty"),
        (("documentation",), [], "$.documentation: [] should be non-empty"),
        (("documentation",), ["the web"], "$.documentation[0]: 'the web' does not match '^https?://'"),
        (("settings", "Token"), SETTING, "$.settings: 'Token' does not match '^[a-z][a-z0-9_]*$'"),
        (("settings", "lead_id"), SETTING, "$.settings: 'lead_id' should not be valid under"),
        (("settings", "base_url"), SETTING, "$.settings: 'base_url' should not be valid under"),
        (("settings", "x"), {"title": "T"}, "$.settings.x: 'description' is a required property"),
        (("settings", "x"), {**SETTING, "enum": []}, "$.settings.x.enum: [] should be non-empty"),
        (("settings", "x"), {**SETTING, "default": 5}, "$.settings.x.default: 5 is not of type 'string'"),
        (("settings", "x"), {**SETTING, "default": ""}, "$.settings.x.default: '' should be non-empty"),
        (
            ("settings", "x"),
            {**SETTING, "enum": ["a", "b"], "default": "c"},
            "$.settings.x.default: must be one of a, b",
        ),
        (("base_url",), "ftp://x.example.com", "$.base_url: 'ftp://x.example.com' is not valid under any"),
        (("base_url",), "https://x.example.com/", "$.base_url: 'https://x.example.com/' is not valid under any"),
        (("base_url",), "http://x.example.com", "$.base_url: must be https, as credentials travel to it."),
        (("base_url",), "http://localhost.example.com", "$.base_url: must be https, as credentials travel to it."),
        (("base_url",), "http://127.example.com", "$.base_url: must be https, as credentials travel to it."),
        (("base_url",), "https://u:p@x.example.com", "$.base_url: must hold no user, password, query or fragment;"),
        (("base_url",), "https://{x}.example.com", "$.base_url: is no URL that a request can go to;"),
        (("base_url",), {"setting": "token"}, '$.base_url: {"setting": "token"} is not valid under any'),
        (
            ("base_url",),
            {"setting": "token", "urls": {"a": "https://x.example.com"}},
            "$.base_url.setting: token is no setting with an enum",
        ),
        (
            ("base_url",),
            {"setting": "none", "urls": {"a": "https://x.example.com"}},
            "$.base_url.setting: none is no setting with an enum",
        ),
        (("authentication",), {"headers": {}}, "$.authentication.headers: {} should be non-empty"),
        (("authentication",), {}, "$.authentication: 'headers' is a required property"),
        (("authentication", "headers", "x key"), "a", "$.authentication.headers: 'x key' does not match"),
        (("authentication", "headers", "x"), "", "$.authentication.headers.x: '' does not match"),
        (("authentication", "headers", "x"), "a\r\nb: c", "$.authentication.headers.x: 'a\\r\\nb: c' does not match"),
        (("authentication", "headers", "x"), " {token}", "$.authentication.headers.x: ' {token}' does not match"),
        (
            ("authentication", "headers", "x"),
            "{tokn}",
            "$.authentication.headers.x: {tokn} is neither a setting nor one of none",
        ),
        (("update", "path"), "/{token}/leads/{lead_id}", "$.update.path: {token} is secret; a URL is written to logs"),
        (("authentication", "headers", "x"), "{lead_id}", "$.authentication.headers.x: {lead_id} is neither a setting"),
        (("authentication", "headers", "x"), "{token", "$.authentication.headers.x: expected '}' before end of string"),
        (("authentication", "headers", "x"), "{token.x}", "$.authentication.headers.x: {token.x} is neither a setting"),
        (
            ("authentication", "headers", "x"),
            "{}",
            "$.authentication.headers.x: {} is neither a setting nor one of none",
        ),
        (("lead_id",), {}, "$.lead_id: 'name' is a required property"),
        (
            ("lead_id", "body_field"),
            "id",
            "$.lead_id: an update carries the id either as {lead_id} in $.update.path or",
        ),
        (("update", "path"), "/leads", "$.lead_id: an update carries the id either as {lead_id} in $.update.path or"),
        (("update", "path"), "leads/{lead_id}", "$.update.path: 'leads/{lead_id}' does not match '^/[^?#]*$'"),
        (
            ("update", "path"),
            "/leads/{lead_id}?x=1",
            "$.update.path: '/leads/{lead_id}?x=1' does not match '^/[^?#]*$'",
        ),
        (("update", "path"), "/{tenant}/{lead_id}", "$.update.path: {tenant} is neither a setting nor one of lead_id"),
        (("update", "path"), "/{lead_id", "$.update.path: expected '}' before end of string"),
        (
            ("update", "path"),
            "/{lead_id}/{token!r}",
            "$.update.path: {token!r} is neither a setting nor one of lead_id",
        ),
        (("update", "method"), "DELETE", "$.update.method: 'DELETE' is not one of PATCH, PUT, POST"),
        (("update", "method"), "patch", "$.update.method: 'patch' is not one of PATCH, PUT, POST"),
        (("update", "fields"), "some", "$.update.fields: 'some' is not one of partial, whole"),
        (("update", "envelope"), "", "$.update.envelope: '' should be non-empty"),
        (("update", "responses", "success_body"), 5, "$.update.responses.success_body: 5 is not of type"),
        (
            ("update", "responses", "success_body"),
            {"type": "objekt"},
            "$.update.responses.success_body.type: 'objekt' is not valid under any of the given schemas",
        ),
        (
            ("update", "responses", "success_body"),
            {"properties": {"at": {"format": "time"}}},
            (
                "$.update.responses.success_body.properties.at.format: the format time is not checked; "
                "use one of date, date-time, email, uuid"
            ),
        ),
        (("update", "responses", "rules"), [{"verdict": "retry", "reason": "x"}], "$.update.responses.rules[0]: "),
        (
            ("update", "responses", "rules"),
            [{"status": [409], "verdict": "retry"}],
            "$.update.responses.rules[0]: 'reason' is",
        ),
        (
            ("update", "responses", "rules"),
            [{"status": [99], "verdict": "retry", "reason": "x"}],
            "$.update.responses.rules[0].status[0]: 99 is less than the minimum of 100",
        ),
        (
            ("update", "responses", "rules"),
            [{"status": [409], "verdict": "ignored", "reason": "x"}],
            "$.update.responses.rules[0].verdict: 'ignored' is not one of",
        ),
        (
            ("update", "responses", "rules"),
            [{"when": {"properties": {"x": {"pattern": "("}}}, "verdict": "retry", "reason": "x"}],
            "$.update.responses.rules[0].when.properties.x.pattern: '(' is not a 'regex'",
        ),
        (("update", "coalesce"), "no", "$.update.coalesce: 'no' is not of type 'boolean'"),
        (("update", "read_back_on"), [409], "$.update.read_back_on: needs $.read, the call that reads a lead back"),
        (("update", "read_back_on"), [200], "$.update.read_back_on[0]: 200 is less than the minimum of 400"),
        (
            ("update", "many"),
            MANY,
            "$.update.many: needs $.lead_id.body_field, which says in the body which lead is meant",
        ),
        (("rate_limits",), {"windows": [{"requests": 1}]}, "$.rate_limits.windows[0]: 'per_seconds' is a required"),
        (
            ("rate_limits",),
            {"slow_down_from": 0},
            "$.rate_limits.slow_down_from: 0 is less than or equal to the minimum",
        ),
        (
            ("update", "responses"),
            {"error_codes": {"at": ["/code"], "codes": []}},
            "$.update.responses.error_codes.codes: [] should be non-empty",
        ),
        (("read",), READ | {"method": "POST"}, "$.read.method: 'POST' is not one of GET"),
        (("read",), READ | {"lead_at": "data"}, "$.read.lead_at: 'data' does not match"),
        (("read",), READ | {"path": "/l"}, "$.read.path: must hold {lead_id}"),
        (("read",), READ | {"query": {"q": "{x}"}}, "$.read.query.q: {x} is neither a setting nor one of lead_id"),
        (("job",), JOB | {"path": "/j"}, "$.job.path: must hold {job_id}"),
        (
            ("job",),
            JOB | {"path": "/j/{job_id}/{lead_id}"},
            "$.job.path: {lead_id} is neither a setting nor one of job_id",
        ),
        (("job",), JOB | {"id_at": []}, "$.job.id_at: [] should be non-empty"),
        (
            ("job",),
            JOB | {"responses": {"success_body": {"type": 5}}},
            "$.job.responses.success_body.type: 5 is not valid",
        ),
    ],
)
def test_a_mistake_in_the_definition(folder: Path, path: tuple[str, ...], value: Any, finding: str) -> None:
    """A definition that breaks a rule is refused with the file, the JSON path of the mistake, and what is wrong."""
    file = folder / "provider.json"
    change(file, *path, to=value)
    findings = findings_of(lambda: load_folder(folder))
    assert len(findings) == 1
    assert findings[0].startswith(f"{file}: {finding}")


@pytest.mark.parametrize(
    "name", sorted(json.loads((GENERIC / "provider.json").read_text()).keys() - {"$comment", "settings"})
)
def test_a_part_that_every_definition_needs(folder: Path, name: str) -> None:
    """Each part without which no request could be made is required."""
    data = json.loads((folder / "provider.json").read_text())
    del data[name]
    change(folder / "provider.json", to=data)
    (finding,) = findings_of(lambda: load_folder(folder))
    assert finding == f"{folder}/provider.json: $: '{name}' is a required property"


def test_base_urls_are_all_checked(folder: Path) -> None:
    """Each value of the setting has its URL, and each URL is one that credentials may go to."""
    file = folder / "provider.json"
    change(file, "settings", "region", to={**SETTING, "enum": ["us", "eu"]})
    change(
        file,
        "base_url",
        to={"setting": "region", "urls": {"us": "http://x.example.com", "au": "https://x.example.com"}},
    )
    assert findings_of(lambda: load_folder(folder)) == (
        f"{file}: $.base_url.urls: its keys must be the values of the setting region: us, eu",
        (
            f"{file}: $.base_url.urls.us: must be https, as credentials travel to it. Plain http is for loopback only, "
            "not for x.example.com."
        ),
    )


@pytest.mark.parametrize(
    ("many", "finding"),
    [
        ({"items_at": ""}, "$.update.many: 'max_items' is a required property"),
        (MANY | {"max_items": 1}, "$.update.many.max_items: 1 is less than the minimum of 2"),
    ],
)
def test_what_breaks_a_rule_and_does_not_fit_the_rest(folder: Path, many: Any, finding: str) -> None:
    """A part that is wrong by itself hides nothing that is wrong between the parts, and makes no other part wrong."""
    file = folder / "provider.json"
    change(file, "update", "many", to=many)
    change(file, "authentication", "headers", "x", to="{tokn}")
    assert findings_of(lambda: load_folder(folder)) == (
        f"{file}: {finding}",
        f"{file}: $.authentication.headers.x: {{tokn}} is neither a setting nor one of none",
        f"{file}: $.update.many: needs $.lead_id.body_field, which says in the body which lead is meant",
    )
    change(file, "settings", "Token", to=SETTING)
    change(file, "lead_id", "body_field", to=5)
    assert findings_of(lambda: load_folder(folder)) == (
        f"{file}: $.lead_id.body_field: 5 is not of type 'string'",
        f"{file}: $.settings: 'Token' does not match '^[a-z][a-z0-9_]*$'",
        f"{file}: {finding}",
    )


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    """Who writes a definition mends everything in one go."""
    change(folder / "provider.json", "name", to="X")
    change(folder / "provider.json", "update", "method", to="GET")
    assert len(findings_of(lambda: load_folder(folder))) == 2


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ((), [], "$: must be the schema of an object with properties"),
        ((), True, "$: must be the schema of an object with properties"),
        (("properties",), [], "$: must be the schema of an object with properties"),
        (("properties", "email", "type"), "txt", "$.properties.email.type: 'txt' is not valid under any"),
        (("properties", "email", "minLength"), -1, "$.properties.email.minLength: -1 is less than the minimum of 0"),
        (("properties", "email", "pattern"), "[", "$.properties.email.pattern: '[' is not a 'regex'"),
        (
            ("properties", "email", "format"),
            "idn-email",
            "$.properties.email.format: the format idn-email is not checked; use one of date, date-time, email, uuid",
        ),
        (
            ("properties", "list of", "items", "anyOf"),
            [{}, {"format": "time"}],
            "$.properties['list of'].items.anyOf[1].format: the format time is not checked;",
        ),
        (
            ("properties", "email", "$ref"),
            "#/$defs/x",
            "$.properties.email['$ref']: #/$defs/x is nowhere in this schema",
        ),
        (
            ("properties", "email", "$ref"),
            "https://example.com/schema.json",
            "$.properties.email['$ref']: https://example.com/schema.json is nowhere in this schema",
        ),
        (
            ("$schema",),
            "http://json-schema.org/draft-07/schema#",
            "$['$schema']: must be https://json-schema.org/draft/2020-12/schema",
        ),
    ],
)
def test_a_mistake_in_the_lead_schema(folder: Path, path: tuple[str, ...], value: Any, finding: str) -> None:
    """A lead schema that is none, asks for an unchecked format, or refers to nothing, is refused with its JSON path."""
    file = folder / "lead.schema.json"
    change(file, *path, to=value)
    findings = findings_of(lambda: load_folder(folder))
    assert len(findings) == 1
    assert findings[0].startswith(f"{file}: {finding}")


def test_data_in_a_lead_schema_is_no_schema(folder: Path) -> None:
    """Fields may be called format or $ref, and examples may hold such keys: neither is a rule."""
    file = folder / "lead.schema.json"
    change(file, "properties", "format", to={"type": "string", "examples": [{"format": "time", "$ref": "x"}]})
    change(file, "properties", "$ref", to={"enum": [{"format": "time"}]})
    change(file, "$defs", "address", to={"properties": {"city": {"type": "string"}}})
    change(file, "properties", "home", to={"$ref": "#/$defs/address"})
    assert load_folder(folder).lead_schema.path_of("home__city") == ("home", "city")


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        (("update", "merged_objects"), ["email", "none"], "$.update.merged_objects[1]: none is no property"),
        (("read",), {**READ, "fields": ["none"]}, "$.read.fields[0]: none is no property"),
    ],
)
def test_fields_that_a_definition_names(folder: Path, path: tuple[str, ...], value: Any, finding: str) -> None:
    """A field of which the definition says something must be in the lead schema."""
    change(folder / "lead.schema.json", "additionalProperties", to=False)
    change(folder / "provider.json", *path, to=value)
    assert findings_of(lambda: load_folder(folder)) == (f"{folder}/provider.json: {finding} in lead.schema.json",)


def test_the_id_in_the_body_is_a_field(folder: Path) -> None:
    """An id that travels in the body is part of what the lead schema judges, so it has to be in there."""
    change(folder / "lead.schema.json", "additionalProperties", to=False)
    change(folder / "provider.json", "lead_id", "body_field", to="id")
    change(folder / "provider.json", "update", "path", to="/leads")
    assert findings_of(lambda: load_folder(folder)) == (
        f"{folder}/provider.json: $.lead_id.body_field: id is no property in lead.schema.json",
    )


READERS: dict[str, Callable[[Path], object]] = {
    "provider.json": load_folder,
    "lead.schema.json": load_folder,
    "example.json": lambda folder: load_example(load_folder(folder)),
    "responses/updated.json": lambda folder: load_responses(load_folder(folder)),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"{", "is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"", "is no JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": "\xff"}', "is no JSON: 'utf-8' codec can't decode byte 0xff in position 7: invalid start byte"),
        (b"[" * 100_000, "is no JSON: it is nested too deeply"),
        (b'{"a": NaN}', "is no JSON: NaN is no number"),
    ],
)
def test_a_file_that_is_no_json(folder: Path, name: str, content: bytes, finding: str) -> None:
    """A file that cannot be read as JSON is named, with the place of the mistake."""
    (folder / name).write_bytes(content)
    assert findings_of(lambda: READERS[name](folder)) == (f"{folder / name}: {finding}",)


@pytest.mark.parametrize("name", ["provider.json", "lead.schema.json", "example.json"])
def test_a_file_that_is_missing(folder: Path, name: str) -> None:
    """A missing file is named, and that a folder needs it."""
    (folder / name).rename(folder / "elsewhere.json")
    finding = f"{folder / name}: cannot be read: No such file or directory. A provider folder needs it."
    if name == "example.json":
        (folder / "elsewhere.json").rename(folder / name)
        definition = load_folder(folder)
        (folder / name).unlink()
        assert findings_of(lambda: load_example(definition)) == (finding,)
    else:
        assert findings_of(lambda: load_folder(folder)) == (finding,)


def test_a_missing_folder_of_responses(folder: Path) -> None:
    """A folder without responses cannot be tested, and says so."""
    shutil.rmtree(folder / "responses")
    assert findings_of(lambda: load_responses(load_folder(folder))) == (
        f"{folder}/responses: cannot be read: No such file or directory. A provider folder needs it.",
    )


def test_an_example_that_is_no_record(folder: Path) -> None:
    """An example is a record, and a record is an object."""
    change(folder / "example.json", to=[])
    assert findings_of(lambda: load_example(load_folder(folder))) == (
        f"{folder}/example.json: $: must be an object, as a record is",
    )


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ((), [], "$: [] is not of type 'object'"),
        (("source",), "hearsay", "$.source: 'hearsay' does not match"),
        (("status",), 99, "$.status: 99 is less than the minimum of 100"),
        (("status",), "200", "$.status: '200' is not of type 'integer'"),
        (("outcome",), "invalid", "$.outcome: 'invalid' is not one of"),
        (("call",), "delete", "$.call: 'delete' is not one of update, read, job"),
        (("text",), "x", "$: "),
        (("headers",), {"retry-after": 1}, "$.headers['retry-after']: 1 is not of type 'string'"),
        (("sandbox",), {}, "$.sandbox: {} should be non-empty"),
        (("sandbox",), {"on": "monday"}, "$.sandbox.on: 'monday' is not one of"),
        (("extra",), 1, "$: Additional properties are not allowed ('extra' was unexpected)"),
    ],
)
def test_a_mistake_in_a_recorded_response(folder: Path, path: tuple[str, ...], value: Any, finding: str) -> None:
    """A recorded response that breaks a rule is refused with file and JSON path."""
    file = folder / "responses" / "updated.json"
    change(file, *path, to=value)
    findings = findings_of(lambda: load_responses(load_folder(folder)))
    assert len(findings) == 1
    assert findings[0].startswith(f"{file}: {finding}")


def test_recorded_responses(folder: Path) -> None:
    """A response is read with what it says of itself; one with a JSON body has the content type of JSON."""
    own = {
        "source": "assumed", "call": "job", "status": 503, "headers": {"retry-after": "1"}, "text": "<html>",
        "outcome": "failed", "sandbox": {"on": "unavailable", "lead_ids": ["L-1"]},
    }  # fmt: skip
    (folder / "responses" / "down.json").write_text(json.dumps(own))
    (folder / "responses" / "README.md").write_text("Not a response.")
    down, updated = load_responses(load_folder(folder))
    assert (down.name, down.call, down.status, down.body, down.content) == ("down", "job", 503, b"<html>", None)
    assert (down.headers, down.outcome, down.occasion) == ({"retry-after": "1"}, "failed", "unavailable")
    assert (down.lead_ids, down.lead_at, down.id_field) == (("L-1",), None, "")
    assert (updated.name, updated.call, updated.status, updated.body) == ("updated", "update", 200, b"{}")
    assert (updated.headers, updated.content) == ({"content-type": "application/json"}, {})
    assert (updated.outcome, updated.occasion, updated.lead_at, updated.id_field) == ("delivered", "success", "", "id")


def test_one_answer_for_one_occasion(folder: Path) -> None:
    """The sandbox must know which answer to give, so two files for one call and occasion are a mistake."""
    shutil.copy(folder / "responses" / "updated.json", folder / "responses" / "again.json")
    assert findings_of(lambda: load_responses(load_folder(folder))) == (
        f"{folder}/responses: 2 files are the answer to the call update on the occasion success; only one can be",
    )


def test_own_providers_stand_beside_the_bundled_ones(folder: Path) -> None:
    """A setting names a provider folder, or a folder of such folders; the bundled providers are always there."""
    for path in (folder, folder.parent):
        providers = load_all([str(path)])
        assert set(providers) == {*bundled(), "generic"}
    assert load_all([]) == bundled()


def test_two_folders_for_one_provider(folder: Path) -> None:
    """Two folders that describe one provider are a mistake that names both."""
    other = shutil.copytree(folder, folder.parent / "other")
    assert findings_of(lambda: load_all([str(folder), str(other)])) == (
        f"{other}/provider.json: $.name: the provider generic is described by {folder} already. Give it another name.",
    )
    assert set(load([folder])) == {"generic"}


def test_the_name_of_a_bundled_provider_is_taken(folder: Path) -> None:
    """A user's folder cannot replace a bundled provider without notice."""
    change(folder / "provider.json", "name", to="perch")
    assert findings_of(lambda: load_all([str(folder)])) == (
        f"{folder}/provider.json: $.name: perch is a bundled provider. Give it another name.",
    )


@pytest.mark.parametrize("path", ["empty", "missing", "generic/responses", "generic/provider.json", "nul\0"])
def test_a_path_without_providers(folder: Path, path: str) -> None:
    """A path of the user's that holds no provider folder is a mistake, and not a provider less."""
    (folder.parent / "empty").mkdir()
    own = folder.parent / path
    assert findings_of(lambda: load_all([str(folder), str(own)])) == (
        f"provider_paths: {own} is no provider folder and holds none: there is no provider.json.",
    )


LABELLED = {"enum": ["open", "Won", 7], "labels": {"New": "open"}}


@pytest.mark.parametrize(
    ("labels", "finding"),
    [
        ({"New": "opened"}, "$.properties.stage.labels['New']: 'opened' is not in the enum"),
        (
            {"New": "open", "NEW": "Won"},
            "$.properties.stage.labels['NEW']: but for upper and lower case it is a name of 'open' already",
        ),
        (
            {"won": "open"},
            "$.properties.stage.labels['won']: but for upper and lower case it is a name of 'Won' already",
        ),
        ({"open": 7}, "$.properties.stage.labels['open']: but for upper and lower case it is a name of 'open' already"),
        ({}, "$.properties.stage.labels: {} should be non-empty"),
        ({"": "open"}, "$.properties.stage.labels: '' should be non-empty"),
        (["New"], "$.properties.stage.labels: [\"New\"] is not of type 'object'"),
    ],
)
def test_labels_that_cannot_be(folder: Path, labels: Any, finding: str) -> None:
    """A label names a value of the enum beside it, and no two values have one name."""
    change(folder / "lead.schema.json", "properties", "stage", to={**LABELLED, "labels": labels})
    assert findings_of(lambda: load_folder(folder)) == (f"{folder}/lead.schema.json: {finding}",)


def test_words_of_our_own_in_a_lead_schema(folder: Path) -> None:
    """Labels need an enum, and leading zeros count or do not; properties of these names are no such words."""
    file = folder / "lead.schema.json"
    change(file, "properties", "labels", to={"type": "string", "leadingZeros": True})
    change(file, "properties", "leadingZeros", to={"type": "array", "items": LABELLED})
    load_folder(folder)
    change(file, "properties", "a", to={"labels": {"New": "open"}, "leadingZeros": "yes"})
    assert findings_of(lambda: load_folder(folder)) == (
        f"{file}: $.properties.a.leadingZeros: 'yes' is not of type 'boolean'",
        f"{file}: $.properties.a: 'enum' is a dependency of 'labels'",
    )


def test_a_name_that_stands_twice_in_an_object(folder: Path) -> None:
    """JSON lets it pass, and one of the two would be lost without a word."""
    file = folder / "lead.schema.json"
    file.write_text('{"type": "object", "properties": {"a": {"labels": {"New": "open", "New": "won"}}}}')
    assert findings_of(lambda: load_folder(folder)) == (f"{file}: is no JSON: New stands twice in one object",)


def test_every_folder_and_file_is_read_before_anything_is_said(folder: Path, tmp_path: Path) -> None:
    """Two folders, two files in one of them, and a path that holds none: all mistakes are told at once."""
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    change(folder / "provider.json", "update", "method", to="GET")
    change(folder / "lead.schema.json", "properties", to=[])
    change(other / "provider.json", "name", to="Other")
    places = [finding.partition(": ")[0] for finding in findings_of(lambda: load([other, folder]))]
    assert places == [f"{folder}/provider.json", f"{folder}/lead.schema.json", f"{other}/provider.json"]
    paths = [str(tmp_path / "one"), str(tmp_path / "two")]
    assert [finding.split()[1] for finding in findings_of(lambda: load_all(paths))] == paths


def test_every_response_is_read_before_anything_is_said(folder: Path) -> None:
    """One answer that breaks a rule does not hide another."""
    shutil.copy(folder / "responses" / "updated.json", folder / "responses" / "again.json")
    for name in ("again", "updated"):
        change(folder / "responses" / f"{name}.json", "status", to="good")
    files = [finding.partition(": ")[0] for finding in findings_of(lambda: load_responses(load_folder(folder)))]
    assert files == [f"{folder}/responses/again.json", f"{folder}/responses/updated.json"]
