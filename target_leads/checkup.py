"""Finds out, without sending anything, all that would be wrong with a run."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from target_leads.bootstrap import check_named_providers, open_account
from target_leads.config_files import ENVIRONMENT, read_config
from target_leads.delivery.network import network_findings
from target_leads.environment import settings_from_environment
from target_leads.exceptions import SettingsError
from target_leads.mapping import StreamMapping
from target_leads.outlook import required_warning
from target_leads.providers import bundled, folders_at, load_all, load_folder
from target_leads.redaction import without_secrets
from target_leads.report_file import path_findings
from target_leads.routing import provider_of_stream
from target_leads.settings import Settings
from target_leads.settings_reference import findings_beyond_our_own, unknown_settings
from target_leads.store import condition_of
from target_leads.stream_maps import StreamMaps
from target_leads.surroundings import reached
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_leads.providers import Definition
    from target_leads.providers.account import Account

_NOWHERE = "http://127.0.0.1"
"""Stands for the sandbox, which is not started."""
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSetting:
    """A setting that a provider asks for."""

    name: str
    secret: bool
    source: str
    """``given``, ``default``, ``missing``, or ``sandbox`` where the sandbox stands in for it."""
    value: str | None
    """None if it is secret or missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedProvider:
    """A provider that the settings name."""

    name: str
    account: str
    base_url: str
    """Empty if it depends on what is wrong."""
    settings: tuple[CheckedSetting, ...]
    connection: str
    """``reached``, why not, or empty if it was not tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What was found."""

    findings: tuple[str, ...]
    """What would end a run with status 2, or at its first request; each with what is to do."""
    warnings: tuple[str, ...]
    """What may be meant, or may pass."""
    providers: tuple[CheckedProvider, ...]
    streams: Mapping[str, str]
    """Provider of each stream that the settings name; empty if each record says it."""
    store: str
    """Its URL without secrets, and what state it is in."""


def checkup(config_paths: Sequence[str], *, connects: bool) -> Checkup:
    """Read all that a run would read. With `connects` providers are connected to, but sent no request."""
    findings: list[str] = []
    warnings: list[str] = []
    config = _config(config_paths, findings)
    settings = _settings(config, findings, warnings)
    definitions = _definitions(settings, findings)
    accounts = _accounts(settings, definitions, findings)
    streams = _streams(settings, definitions, findings, warnings)
    condition = condition_of(settings.store_url)
    findings += condition.findings
    findings += path_findings(config.get("report_path"))
    network = [] if settings.sandbox else network_findings(account.base_url for account in accounts.values())
    findings += network
    connections = {}
    if connects and not settings.sandbox and not network:
        for name, unreachable in reached(accounts.values()).items():
            connections[name] = unreachable.reason if unreachable else "reached"
            if unreachable:
                words = f"{name}: {accounts[name].base_url} is not reached: {unreachable.reason}. See to the network,"
                # A run would end with 75, not 2, for what may pass.
                (warnings if unreachable.may_pass else findings).append(f"{words} the proxy and the base URL.")
    return Checkup(
        findings=tuple(dict.fromkeys(findings)),
        warnings=tuple(dict.fromkeys(warnings)),
        providers=tuple(
            _provider(definitions[name], settings, accounts.get(name), connections.get(name, ""))
            for name in _named(settings, definitions)
        ),
        streams=streams,
        store=f"{without_secrets(settings.store_url)}: {condition.state or 'cannot be used'}",
    )


def _config(config_paths: Sequence[str], findings: list[str]) -> dict[str, Any]:
    """The settings of all files that can be read, and of the environment if it is asked for."""
    config: dict[str, Any] = {}
    for path in config_paths:
        config |= _or_findings(functools.partial(read_config, [path]), findings) or {}
    if ENVIRONMENT in config_paths:
        config |= _or_findings(functools.partial(settings_from_environment, _schema()), findings) or {}
    return {name: value for name, value in config.items() if value is not None}


@functools.cache
def _schema() -> dict[str, Any]:
    """The JSON Schema of all settings, those of the SDK too."""
    schema = copy.deepcopy(TargetLeads.config_jsonschema)
    TargetLeads.append_builtin_config(schema)
    return schema


def _settings(config: Mapping[str, Any], findings: list[str], warnings: list[str]) -> Settings:
    """The settings without those that are wrong, so that what depends on the others can be looked at."""
    warnings += unknown_settings(_schema(), config)
    beyond_our_own = list(findings_beyond_our_own(_schema(), config))
    findings += beyond_our_own
    if not beyond_our_own:
        _or_findings(lambda: StreamMaps(plugin_config=config, logger=logging.getLogger(__name__)), findings)
    right: dict[str, Any] = {}
    for name, value in config.items():
        if name in {"streams", "providers"} and isinstance(value, dict):
            right[name] = {key: one for key, one in value.items() if _is_right({name: {key: one}}, findings)}
        elif _is_right({name: value}, findings):
            right[name] = value
    return Settings.from_config(right)


def _is_right(config: Mapping[str, Any], findings: list[str]) -> bool:
    return _or_findings(functools.partial(Settings.from_config, config), findings) is not None


def _definitions(settings: Settings, findings: list[str]) -> Mapping[str, Definition]:
    """The providers whose folders are right. One of a broken folder is not unknown as well."""
    told: list[str] = []
    definitions = _or_findings(functools.partial(load_all, settings.provider_paths), told)
    if definitions is not None:
        return definitions
    findings += told
    right = {}
    for path in settings.provider_paths:
        for folder in _or_findings(functools.partial(folders_at, Path(path)), []) or ():
            if definition := _or_findings(functools.partial(load_folder, folder), []):
                right[definition.name] = definition
    return {**right, **bundled()}


def _accounts(settings: Settings, definitions: Mapping[str, Definition], findings: list[str]) -> dict[str, Account]:
    urls = dict.fromkeys(definitions, _NOWHERE) if settings.sandbox else {}
    account_of = functools.partial(open_account, settings, definitions, urls)
    _or_findings(functools.partial(check_named_providers, settings, definitions, account_of), findings)
    opened = {name: _or_findings(functools.partial(account_of, name), []) for name in _named(settings, definitions)}
    return {name: account for name, account in opened.items() if account is not None}


def _named(settings: Settings, definitions: Mapping[str, Definition]) -> list[str]:
    """Providers that the settings name, and those whose name a stream has."""
    named = {settings.provider, *settings.providers, *settings.streams}
    named |= {stream.provider for stream in settings.streams.values()}
    return sorted(named & definitions.keys())


def _streams(
    settings: Settings, definitions: Mapping[str, Definition], findings: list[str], warnings: list[str]
) -> dict[str, str]:
    """Where each stream goes. What of it can be judged before its SCHEMA comes is judged."""
    streams = {}
    for stream, given in settings.streams.items():
        provider = _or_findings(functools.partial(provider_of_stream, stream, settings, definitions), findings)
        if provider is None or (provider and provider not in definitions):
            continue
        streams[stream] = provider
        # Where each record says it, records for a provider that lacks a field are invalid, and the others are not.
        for name in [provider] if provider else settings.providers:
            # In parts too: the mapping stops at the first part that is wrong.
            for part in (given, dataclasses.replace(given, constants={}), dataclasses.replace(given, fields=None)):
                if name in definitions:
                    mapping = functools.partial(
                        StreamMapping,
                        stream=stream,
                        definition=definitions[name],
                        settings=part,
                        provider_field=settings.provider_field,
                    )
                    found = _or_findings(mapping, findings if provider else warnings)
                    if found is not None and provider and part is given:
                        findings += [f"streams.{stream}: {sentence}" for sentence in required_warning(found, stream)]
    return streams


def _provider(definition: Definition, settings: Settings, account: Account | None, connection: str) -> CheckedProvider:
    config = settings.providers.get(definition.name, {})
    given_account = config.get("account", "default")
    checked = []
    for name, setting in definition.settings.items():
        value = config.get(name, setting.default)
        if settings.sandbox and (setting.secret or value is None):
            source, value = "sandbox", None
        else:
            source = "given" if name in config else "missing" if value is None else "default"
        may_be_shown = not setting.secret and (not setting.choices or value in setting.choices)
        shown = value if may_be_shown and isinstance(value, str) else None
        checked.append(CheckedSetting(name=name, secret=setting.secret, source=source, value=shown))
    return CheckedProvider(
        name=definition.name,
        account=account.name if account else given_account if isinstance(given_account, str) else "",
        base_url="the sandbox" if settings.sandbox else account.base_url if account else "",
        settings=tuple(checked),
        connection=connection,
    )


def _or_findings(read: Callable[[], _Read], findings: list[str]) -> _Read | None:
    """What is read; None if that is wrong, and the findings say how."""
    try:
        return read()
    except SettingsError as error:
        findings += error.findings
        return None
