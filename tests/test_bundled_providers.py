"""Every provider folder: the definition is valid, the example works, the recorded responses mean what they state."""

from __future__ import annotations

import copy
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.delivery.request_builder import update_request
from target_leads.models import LeadUpdate, Record
from target_leads.provider_check import example_update, folder_findings
from target_leads.providers import bundled, load_all, load_example, load_responses
from target_leads.providers.account import Account, sandbox_config
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.sandbox import Emulator


OWN_PROVIDERS = Path(__file__).parent / "providers"
PROVIDERS = load_all([str(OWN_PROVIDERS)])
BUNDLED = sorted(bundled())


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_folder_keeps_what_it_promises(name: str) -> None:
    """The example is valid, arrives over HTTP as it is, and every recorded response means what it states.

    How a folder fails this is in test_provider_check.py.
    """
    assert folder_findings(PROVIDERS[name].folder) == []


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_example_arrives_as_it_is(name: str, emulator: Emulator, sandbox_url: str) -> None:
    """A whole run writes every field of it at the provider, each as it stands in the example."""
    definition = PROVIDERS[name]
    example = load_example(definition)
    account = sandbox_config(definition, {}, url=sandbox_url + definition.sandbox_path)
    schema = {"type": "SCHEMA", "stream": name, "key_properties": [], "schema": {"properties": {}}}
    messages = [schema, {"type": "RECORD", "stream": name, "record": example}]
    target = TargetLeads(
        config={"provider_paths": [str(OWN_PROVIDERS)], "providers": {name: account}, "confirm_timeout_seconds": 0}
    )
    target.run(io.BytesIO("\n".join(map(json.dumps, messages)).encode()))
    sent = {key: value for key, value in example.items() if key != definition.lead_id.name}
    lead = emulator.leads[name][example[definition.lead_id.name]]
    assert {key: lead[key] for key in sent} == json.loads(json.dumps(sent), parse_float=Decimal)


OCCASIONS = {
    "success", "unauthorized", "forbidden", "not_found", "method_not_allowed", "unsupported_media_type", "invalid",
    "throttled", "unavailable",
}  # fmt: skip


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_folder_has_an_answer_for_every_occasion(name: str) -> None:
    """The sandbox can answer whatever happens, in the API's own words, also to the calls that only some APIs have."""
    definition = bundled()[name]
    on = {(response.call, response.occasion) for response in load_responses(definition) if response.occasion}
    assert on >= {("update", occasion) for occasion in OCCASIONS}
    assert (("read", "success") in on) == (definition.read is not None)
    assert ({("job", "pending"), ("job", "success")} <= on) == (definition.job is not None)


FACTS: dict[str, dict[str, Any]] = {
    "perch": {
        "urls": {"production": "https://api.partner.myperch.io/v1", "sandbox": "https://api.partner.dit.myperch.io/v1"},
        "call": ("PATCH", "/leads/L%2F1"),
        "credentials": {"x-api-key": "secret"},
        "settings": {"api_key": (None, ()), "environment": ("production", ("production", "sandbox"))},
        "lead_id": ("id", ""),
        "required": {"email", "firstName", "lastName", "resourceType", "resourceId"},
        "partial": True,
        "body": {"email": "e"},
    },
    "bizmate": {
        "urls": {"": "https://bizmate.fasttask.net/api/v1"},
        "call": ("PATCH", "/LEAD/L%2F1"),
        "credentials": {"authorization": "Bearer secret"},
        "settings": {"api_token": (None, ())},
        "lead_id": ("leadid", ""),
        "required": set(),
        "partial": True,
        "body": {"fields": {"email": "e"}},
    },
    "powerchord": {
        "urls": {"us": "https://api.powerchord.com/v3", "eu": "https://api.powerchord.eu/v3"},
        "call": ("PATCH", "/lead/L%2F1"),
        "credentials": {"authorization": "Bearer secret"},
        "settings": {"access_token": (None, ()), "region": ("us", ("us", "eu"))},
        "lead_id": ("leadID", ""),
        "required": set(),
        "partial": True,
        "body": {"email": "e"},
    },
    "propexo_entrata": {
        "urls": {"production": "https://api.propexo.com", "sandbox": "https://api.sandbox.propexo.com"},
        "call": ("PUT", "/v1/leads/entrata/L%2F1"),
        "credentials": {"authorization": "Bearer secret"},
        "settings": {"api_token": (None, ()), "environment": ("production", ("production", "sandbox"))},
        "lead_id": ("lead_id", ""),
        "required": set(),
        "partial": False,
        "body": {"email": "e"},
    },
    "connect2capital": {
        "urls": {"production": "https://connect.crfusa.com", "test": "https://qa.connect.crfusa.com"},
        "call": ("POST", "/api/v1/my%2Ffinances/leads"),
        "credentials": {"x-api-key": "secret"},
        "settings": {
            "api_key": (None, ()),
            "service_partner": (None, ()),
            "environment": ("production", ("production", "test")),
        },
        "lead_id": ("id", "id"),
        "required": {"id", "status"},
        "partial": False,
        "body": {"email": "e"},
    },
}
CREDENTIALS = {"api_key": "secret", "api_token": "secret", "access_token": "secret", "service_partner": "my/finances"}


def test_the_bundled_providers() -> None:
    """There are exactly the five that are promised."""
    assert set(BUNDLED) == FACTS.keys()


@pytest.mark.parametrize("name", FACTS)
def test_facts_about_an_api(name: str) -> None:
    """Settings, hosts, required fields and the kind of update are those of the contract and the documentation."""
    definition, facts = bundled()[name], FACTS[name]
    assert definition.base_url.urls == facts["urls"]
    assert {key: (each.default, each.choices) for key, each in definition.settings.items()} == facts["settings"]
    assert definition.secrets == facts["settings"].keys() & {"api_key", "api_token", "access_token"}
    assert (definition.lead_id.name, definition.lead_id.body_field) == facts["lead_id"]
    assert set(definition.lead_schema.schema.get("required", ())) == facts["required"]
    assert definition.lead_schema.schema["additionalProperties"] is False
    assert definition.update.partial is facts["partial"]
    assert definition.update.merged_objects == ({"Content"} if name == "powerchord" else set())
    assert (definition.job is not None) == (name == "propexo_entrata")


@pytest.mark.parametrize(
    ("name", "choice"), [(name, choice) for name, facts in FACTS.items() for choice in facts["urls"]]
)
def test_the_update_call(name: str, choice: str) -> None:
    """Method, URL, credentials and body of a request are exactly those of the API, in each environment or region."""
    definition, facts = bundled()[name], FACTS[name]
    config = {key: value for key, value in CREDENTIALS.items() if key in definition.settings}
    if choice:
        config[definition.base_url.setting] = choice
    update = LeadUpdate(
        record=Record(stream="leads", fields={}, original={}),
        provider=name,
        account="default",
        lead_id="L/1",
        fields={"email": "e"},
    )
    request = update_request(Account.open(definition, config, concurrency=1), [update])
    method, path = facts["call"]
    assert (request.method, request.url) == (method, facts["urls"][choice] + path)
    assert json.loads(request.body) == facts["body"]
    headers = {header.lower(): value for header, value in request.headers.items()}
    assert headers == {**headers, **facts["credentials"], "content-type": "application/json"}


WRONG: dict[str, Any] = {
    "null": None, "boolean": True, "integer": 7, "number": 7.5, "string": "text", "array": [], "object": {},
}  # fmt: skip


def wrong_values(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Any]:
    """Values that break one of a schema's rules."""
    if "$ref" in schema:
        yield from wrong_values(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "type" in schema:
        types = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
        allowed = types | ({"integer"} if "number" in types else set())
        yield from (value for kind, value in WRONG.items() if kind not in allowed)
    if "enum" in schema:
        yield from ("no such value", "", None, *(text.upper() + " " for text in schema["enum"]))
    if "format" in schema or any("format" in part for part in schema.get("anyOf", ())):
        yield from ("no such thing", "", "2024-02-30", "2024-02-30T00:00:00Z", "ada@", "123e4567")
    if "pattern" in schema:
        yield from ("no such pattern", "", "12\n")
    if "maxLength" in schema:
        yield "1" * (schema["maxLength"] + 1)
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if schema.get("additionalProperties") is False:
        yield {"no such field": 1}


def places(schema: Mapping[str, Any], root: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Path of every field and list item that a schema describes; an item is called ``[]``."""
    if path:
        yield path
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    for name, inner in schema.get("properties", {}).items():
        yield from places(inner, root, (*path, name))
    if "items" in schema:
        yield from places(schema["items"], root, (*path, "[]"))


def schema_at(path: tuple[str, ...], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a field or list item."""
    schema = root
    for step in path:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = schema["items"] if step == "[]" else schema["properties"][step]
    return schema


def with_value(fields: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of an update with another value at a path, which is made where it is missing."""
    for step in reversed(path[1:]):
        value = [value] if step == "[]" else {step: value}
    return {**copy.deepcopy(dict(fields)), path[0]: value}


PLACES = [
    (name, path)
    for name in BUNDLED
    for path in places(bundled()[name].lead_schema.schema, bundled()[name].lead_schema.schema)
]


@pytest.mark.parametrize(("name", "path"), PLACES, ids=[f"{name}-{'.'.join(path)}" for name, path in PLACES])
def test_every_rule_of_a_field_is_kept(name: str, path: tuple[str, ...]) -> None:
    """Each value that breaks a field's type, enum, format, pattern or bound is refused, with the path of the field."""
    lead_schema = bundled()[name].lead_schema
    fields = example_update(load_example(bundled()[name]), bundled()[name]).fields
    place = f"$.{'.'.join(path)}".replace(".[]", "[0]")
    for value in wrong_values(schema_at(path, lead_schema.schema), lead_schema.schema):
        violations = lead_schema.violations(with_value(fields, path, value))
        assert violations, value
        assert all(violation.path.startswith(place) for violation in violations), value


@pytest.mark.parametrize("name", BUNDLED)
def test_required_and_unknown_fields(name: str) -> None:
    """An update without a required field is refused by the name of the field, and so is one with an unknown field."""
    lead_schema = bundled()[name].lead_schema
    fields = example_update(load_example(bundled()[name]), bundled()[name]).fields
    for required in FACTS[name]["required"]:
        without = {key: value for key, value in fields.items() if key != required}
        assert [str(each) for each in lead_schema.violations(without)] == [f"$.{required} is required"]
    (violation,) = lead_schema.violations({**fields, "no such field": 1})
    assert violation.path == "$.no such field"
    assert violation.rule == f"is not one of {', '.join(lead_schema.properties)}"
