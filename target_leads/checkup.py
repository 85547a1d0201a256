"""Finds out, without sending anything, all that would be wrong with a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_leads.configuration import Configuration
from target_leads.redaction import without_secrets
from target_leads.store import condition_of
from target_leads.surroundings import reached

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_leads.providers import Definition
    from target_leads.providers.account import Account
    from target_leads.settings import Settings


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
    read = Configuration.read(config_paths)
    settings, findings, warnings = read.settings, [*read.findings, *read.forecast], read.warnings
    store = "not looked at, as store_url is wrong"
    if "store_url" not in read.wrong:
        condition = condition_of(settings.store_url)
        findings += condition.findings
        store = f"{without_secrets(settings.store_url)}: {condition.state or 'cannot be used'}"
    connections = {}
    if connects and not settings.sandbox and not read.network_findings:
        for name, unreachable in reached(read.accounts.values()).items():
            connections[name] = unreachable.reason if unreachable else "reached"
            if unreachable:
                url, see_to = read.accounts[name].base_url, unreachable.see_to
                advice = f"See that {see_to} is right." if see_to else "See to the network and the base URL."
                # A run would end with 75, not 2, for what may pass.
                (warnings if unreachable.may_pass else findings).append(
                    f"{name}: {url} is not reached: {unreachable.reason}. {advice}"
                )
    return Checkup(
        findings=tuple(dict.fromkeys(findings)),
        warnings=tuple(dict.fromkeys(warnings)),
        providers=tuple(
            _provider(read.definitions[name], settings, read.accounts.get(name), connections.get(name, ""))
            for name in read.named
        ),
        streams=read.streams,
        store=store,
    )


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
