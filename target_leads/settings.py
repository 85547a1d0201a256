"""What a user may set, checked as a whole and frozen for the length of a run."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import resources
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from target_leads.exceptions import SettingsError
from target_leads.pruning import pruned
from target_leads.redaction import broken_rules
from target_leads.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How the records of one stream become lead updates."""

    provider: str = ""
    lead_id: str = ""
    """Record field that holds the lead's id; empty: the default rule."""
    fields: Mapping[str, str] | None = None
    """Record field → provider field; none: records use the provider's names."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    sends_nulls: bool = False
    rejects_unknown_fields: bool = False
    version_field: str = ""
    """Record field that orders the updates of one lead; empty: the order in which they come."""
    coerces: bool = False
    """Whether types are converted where no meaning can be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectLimit:
    """How many dead letters a run bears: a number, or a share of the settled updates."""

    number: int | None = None
    share: Fraction | None = None
    """From 0 to 1, exact: 29 of 100 are not more than 29%."""

    @classmethod
    def parse(cls, text: str | int) -> RejectLimit:
        """Limit from ``"10%"``, ``"50"`` or ``50``."""
        text = str(text)
        return cls(share=Fraction(text[:-1]) / 100) if text.endswith("%") else cls(number=int(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a user may set. Durations are in seconds."""

    provider: str
    provider_field: str
    streams: Mapping[str, StreamSettings]
    providers: Mapping[str, Mapping[str, Any]] = field(repr=False)
    provider_paths: tuple[str, ...]
    resend: str
    """``changed`` or ``all``."""
    reject_limit: RejectLimit
    concurrency: int
    batch_size_rows: int
    max_tries: int
    max_wait_seconds: float
    request_timeout_seconds: float
    confirm_timeout_seconds: float
    shutdown_seconds: float
    store_url: str = field(repr=False)
    retention_days: float
    dry_run: bool
    sandbox: bool
    report_path: str
    """Empty for no report."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Settings from a configuration, defaults filled in.

        Raises:
            SettingsError: something is wrong; it lists all that is, each with what is allowed.
        """
        settings, findings = cls.from_what_is_right(config)
        if findings:
            raise SettingsError(findings)
        return settings

    @classmethod
    def from_what_is_right(cls, config: Mapping[str, Any]) -> tuple[Settings, list[str]]:
        """Settings from a configuration, defaults in the places of those that are wrong; and what is wrong."""
        properties = schema()["properties"]
        config = {name: _as_meant(value, properties.get(name, {})) for name, value in _given(config).items()}
        errors = sorted(_validator().iter_errors(config), key=_place)  # jsonschema tells some in any order
        findings = [finding for error in errors for finding in _findings(error)]
        given = {name: setting.get("default", "") for name, setting in properties.items()} | pruned(config, errors)
        return cls._from_right(given), findings

    @classmethod
    def _from_right(cls, given: Mapping[str, Any]) -> Settings:
        return cls(
            provider=given["provider"],
            provider_field=given["provider_field"],
            streams={name: _stream(stream) for name, stream in given["streams"].items()},
            providers=given["providers"],
            provider_paths=tuple(given["provider_paths"]),
            reject_limit=RejectLimit.parse(given["reject_limit"]),
            **{
                name: given[name]
                for name in (
                    "resend",
                    "concurrency",
                    "batch_size_rows",
                    "max_tries",
                    "max_wait_seconds",
                    "request_timeout_seconds",
                    "confirm_timeout_seconds",
                    "shutdown_seconds",
                    "store_url",
                    "retention_days",
                    "dry_run",
                    "sandbox",
                    "report_path",
                )
            },
        )


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the settings, with title, description and default of each."""
    file = resources.files("target_leads") / "settings.schema.json"
    settings_schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return settings_schema


@functools.cache
def _validator() -> Draft202012Validator:
    types = Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
    validator: Draft202012Validator = extend(Draft202012Validator, type_checker=types)(schema())  # type: ignore[no-untyped-call] # as jsonschema has it
    return validator


def _is_number(_checker: object, value: object) -> bool:
    """Numbers that a clock can wait: Python's JSON also reads NaN and the infinities."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without those that are null: so does who wrote the file say that a setting is not set."""
    given = {name: value for name, value in config.items() if value is not None}
    for name in ("streams", "providers"):
        if isinstance(given.get(name), dict):
            given[name] = {
                key: {inner: value for inner, value in each.items() if value is not None}
                if isinstance(each, dict)
                else each
                for key, each in given[name].items()
                if each is not None
            }
    return given


def _stream(config: Mapping[str, Any]) -> StreamSettings:
    return StreamSettings(
        provider=config.get("provider", ""),
        lead_id=config.get("lead_id", ""),
        fields=config.get("fields"),
        constants=config.get("constants", {}),
        sends_nulls=config.get("nulls") == "send",
        rejects_unknown_fields=config.get("unknown_fields") == "reject",
        version_field=config.get("version_field", ""),
        coerces=config.get("coerce", False),
    )


def _as_meant(value: Any, setting: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- a setting holds any JSON
    """A number or truth value also where it came as text, as environment variables bring it, and 8 for 8.0."""
    kinds = setting.get("type", ())
    if isinstance(value, str) and kinds in ("integer", "number", "boolean"):
        try:
            value = json.loads(value.lower())
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() and "integer" in kinds else value


def _place(error: ValidationError) -> tuple[int, str]:
    """Where it stands, in the order of the settings."""
    name = str(error.absolute_path[0])
    return list(schema()["properties"]).index(name), error.json_path


def _findings(error: ValidationError) -> Iterator[str]:
    """Say which setting is wrong, what it was unless that may be secret, and what is allowed."""
    place = ".".join(map(str, error.absolute_path))
    schema = error.schema if isinstance(error.schema, dict) else {}
    may_be_shown = isinstance(error.instance, (str, int, float)) and not (
        error.absolute_path[0] == "providers" or schema.get("secret")
    )
    shown = repr(error.instance) if isinstance(error.instance, str) else json.dumps(error.instance, default=str)
    was = f", but was {shown}" if may_be_shown else ""
    known = schema.get("properties", ()) if error.validator == "additionalProperties" else ()
    for violation in broken_rules(error):
        name = violation.path.removeprefix(error.json_path)
        yield f"{place}{name}: {violation.rule}{was}.{did_you_mean(name.removeprefix('.'), known)}"
