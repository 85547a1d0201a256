"""Every setting in one place: for --about, meltano.yml and the documentation."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from target_leads import settings
from target_leads.providers import bundled
from target_leads.redaction import broken_rules
from target_leads.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.providers import Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One setting, as people read about it."""

    name: str
    """Dotted; a name that the user chooses stands in angle brackets: ``streams.<stream>.lead_id``."""
    kind: str
    """Its JSON type, or types."""
    title: str
    description: str
    default: Any
    choices: tuple[str, ...]
    secret: bool
    required: bool


def complete_schema() -> dict[str, Any]:
    """The JSON Schema of the settings, with those of every bundled provider."""
    schema = copy.deepcopy(settings.schema())
    schema["properties"]["providers"]["properties"] = {
        name: _provider_schema(definition) for name, definition in sorted(bundled().items())
    }
    return schema


def rows(schema: Mapping[str, Any], prefix: str = "") -> Iterator[SettingRow]:
    """Every setting in a schema, outer ones first."""
    required = schema.get("required", ())
    for name, setting in schema.get("properties", {}).items():
        given = setting.get("type", "any")
        kinds = given if isinstance(given, list) else [given]
        yield SettingRow(
            name=prefix + name,
            kind=" or ".join(kinds),
            title=setting.get("title", name),
            description=setting.get("description", ""),
            default=setting.get("default"),
            choices=tuple(setting.get("enum", ())),
            secret=setting.get("secret", False),
            required=name in required,
        )
        yield from rows(setting, f"{prefix}{name}.")
        chosen = setting.get("additionalProperties")
        if isinstance(chosen, dict) and "properties" in chosen:
            yield from rows(chosen, f"{prefix}{name}.<{name.removesuffix('s')}>.")


def findings_beyond_our_own(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Which settings that `schema` has beside our own, those that the SDK brings, are of a wrong type. Shows no value.

    Types are all that is asked: deeper down the SDK's schema of stream maps is none that a validator can read.
    """
    own = settings.schema()["properties"]
    brought = {name: {"type": setting["type"]} for name, setting in schema["properties"].items() if name not in own}
    for error in Draft202012Validator({"properties": brought}).iter_errors(config):
        for violation in broken_rules(error):
            yield f"{violation.path.removeprefix('$.')}: {violation.rule}."


def unknown_settings(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each setting at the top that there is not."""
    known = schema["properties"]
    for name in sorted(config.keys() - known.keys()):
        yield f"There is no setting {name}; it has no effect.{did_you_mean(name, known)}"


def _provider_schema(definition: Definition) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for name, setting in definition.settings.items():
        own[name] = {"type": "string", "title": setting.title, "description": setting.description}
        if setting.choices:
            own[name]["enum"] = list(setting.choices)
        if setting.default is not None:
            own[name]["default"] = setting.default
        if setting.secret:
            own[name] |= {"secret": True, "writeOnly": True}
    return {
        "type": "object",
        "title": definition.title,
        "description": f"Settings of {definition.title}: {definition.documentation[0]}",
        "properties": own
        | {
            "base_url": {
                "type": "string",
                "title": "Base URL",
                "description": "What comes before the path of the update call, instead of the provider's own. "
                "Must be https, except on loopback.",
            },
            "account": {
                "type": "string",
                "title": "Account name",
                "description": "A name that keeps two sets of credentials apart.",
                "default": "default",
            },
            "concurrency": {
                "type": "integer",
                "title": "Concurrency of this provider",
                "description": "Requests in flight, instead of the setting concurrency.",
            },
            "rate_limits": {
                "type": "array",
                "title": "Rate limits",
                "description": 'Most requests in any so many seconds, such as [{"requests": 150, "per_seconds": 60}], '
                "instead of the provider's own. Several count at once; an empty list means no limit.",
            },
        },
    }
