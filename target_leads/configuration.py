"""Everything that a run reads before its first record, without what of it is wrong."""

from __future__ import annotations

import copy
import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from target_leads.bootstrap import open_account
from target_leads.config_files import ENVIRONMENT, read_config
from target_leads.delivery.network import network_findings
from target_leads.environment import read_environment, unknown_variables
from target_leads.exceptions import SettingsError
from target_leads.mapping import StreamMapping
from target_leads.outlook import required_warning
from target_leads.providers import folders_at, load_right, name_in
from target_leads.report_file import path_findings
from target_leads.routing import needed_providers, provider_of_stream, unknown_providers
from target_leads.settings import Settings
from target_leads.settings_reference import findings_beyond_our_own, unknown_settings
from target_leads.stream_maps import StreamMaps
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_leads.providers.account import Account

_NOWHERE = "http://127.0.0.1"
"""Stands for the sandbox, which is not started."""
_Read = TypeVar("_Read")


def mistakes(config: Mapping[str, Any], *, variables_count: bool) -> Sequence[str]:
    """All that is wrong with what a run reads before its first record, but for its store: that is not touched.

    If a variable cannot be read, nothing else: what may stand in it is not missed.
    """
    findings = tuple(dict.fromkeys(Configuration(config, variables_count=variables_count).findings))
    return tuple(finding for finding in findings if _is_of_a_source(finding)) or findings


class Configuration:
    """Settings and provider folders without those that are wrong, so that what depends on the others can be looked at.

    What is wrong is told of on the way, and nothing that is wrong only because something else is.
    """

    def __init__(
        self, config: Mapping[str, Any], *, variables_count: bool, unreadable_files: Iterable[str] = ()
    ) -> None:
        """Look at the settings of files, and of variables if they count. Nothing is connected to or written."""
        self.findings = list(unreadable_files)
        self.warnings: list[str] = []
        self.forecast: list[str] = []
        """What is wrong and would not keep a run from its first record."""
        config = self._with_variables(config, count=variables_count)
        self.settings = self._read_settings(config)
        self.wrong = {finding.partition(": ")[0] for finding in self.findings}
        """Settings that are, among other things."""
        self.definitions, told = load_right(self.settings.provider_paths)
        self.findings += told
        self._unread = _names_in(self.settings.provider_paths) - self.definitions.keys()
        """Providers whose folders are wrong: they are not unknown as well."""
        self.accounts = self._open_accounts()
        self.streams = self._find_streams()
        self.findings += path_findings(config.get("report_path"))
        sandbox = self.settings.sandbox
        self.network_findings = [] if sandbox else network_findings(each.base_url for each in self.accounts.values())
        self.findings += self.network_findings

    @classmethod
    def read(cls, config_paths: Sequence[str]) -> Configuration:
        """Read all files that can be read, each once, and the environment if it is asked for."""
        config: dict[str, Any] = {}
        findings: list[str] = []
        for path in config_paths:
            config |= _or_findings(functools.partial(read_config, [path]), findings) or {}
        return cls(config, variables_count=ENVIRONMENT in config_paths, unreadable_files=findings)

    @property
    def named(self) -> list[str]:
        """Providers that the settings name, and those whose name a stream has."""
        named = {self.settings.provider, *self.settings.providers, *self.settings.streams}
        named |= {stream.provider for stream in self.settings.streams.values()}
        return sorted(named & self.definitions.keys())

    def _with_variables(self, config: Mapping[str, Any], *, count: bool) -> dict[str, Any]:
        variables, told = read_environment(_schema()) if count else ({}, [])
        config = {**config, **variables}
        self.findings += told
        self.warnings += unknown_settings(_schema(), config)
        self.warnings += unknown_variables(_schema(), config, count=count)
        return {name: value for name, value in config.items() if value is not None}

    def _read_settings(self, config: Mapping[str, Any]) -> Settings:
        beyond_our_own = list(findings_beyond_our_own(_schema(), config))
        self.findings += beyond_our_own
        if not beyond_our_own:
            _or_findings(lambda: StreamMaps(plugin_config=config, logger=logging.getLogger(__name__)), self.findings)
        settings, findings = Settings.from_what_is_right(config)
        self.findings += findings
        return settings

    def _open_accounts(self) -> dict[str, Account]:
        """Those that can be opened, of all providers that the settings name."""
        urls = dict.fromkeys(self.definitions, _NOWHERE) if self.settings.sandbox else {}
        self.findings += unknown_providers(self.settings, {*self.definitions, *self._unread})
        needed = needed_providers(self.settings, self.definitions)
        opened = {}
        for name in self.named:
            account_of = functools.partial(open_account, self.settings, self.definitions, urls, name)
            is_told = name in needed and self.wrong.isdisjoint({"providers", f"providers.{name}"})
            opened[name] = _or_findings(account_of, self.findings if is_told else [])
        return {name: account for name, account in opened.items() if account is not None}

    def _find_streams(self) -> dict[str, str]:
        """Where each stream goes. What of it can be judged before its SCHEMA comes is judged."""
        streams = {}
        settings = self.settings
        says_who = not self.wrong & {"provider", "provider_field"} and not any(map(_is_of_a_source, self.wrong))
        known = {*self.definitions, *self._unread}
        for stream, given in settings.streams.items():
            told = self.findings if says_who and f"streams.{stream}.provider" not in self.wrong else []
            provider = _or_findings(functools.partial(provider_of_stream, stream, settings, known), told)
            if provider is None or (provider and provider not in self.definitions):
                continue
            streams[stream] = provider
            # Where each record says it, records for a provider that lacks a field are invalid, and the others are not.
            for name in {provider} if provider else settings.providers.keys() & self.definitions.keys():
                mapping = functools.partial(
                    StreamMapping,
                    stream=stream,
                    definition=self.definitions[name],
                    settings=given,
                    provider_field=settings.provider_field,
                )
                found = _or_findings(mapping, self.findings if provider else self.warnings)
                is_whole = not any(setting.startswith(f"streams.{stream}.") for setting in self.wrong)
                if found is not None and provider and is_whole:
                    self.forecast += [f"streams.{stream}: {sentence}" for sentence in required_warning(found, stream)]
        if not (settings.provider or settings.provider_field or settings.streams) and says_who:
            self.warnings.append(
                "No setting says which provider a stream goes to, so only those go anywhere that are called as a "
                f"provider is: {', '.join(sorted(known))}. For others set provider, or streams.<stream>.provider."
            )
        return streams


@functools.cache
def _schema() -> dict[str, Any]:
    """The JSON Schema of all settings, those of the SDK too."""
    schema = copy.deepcopy(TargetLeads.config_jsonschema)
    TargetLeads.append_builtin_config(schema)
    return schema


def _is_of_a_source(what: str) -> bool:
    """Whether it is no setting that is wrong but a file or a variable, in which more may stand."""
    return what.startswith(("--config", "TARGET_LEADS_"))


def _names_in(provider_paths: Sequence[str]) -> set[str]:
    """What the folders at these paths call their providers."""
    found = (_or_findings(functools.partial(folders_at, Path(path)), []) or () for path in provider_paths)
    return {name_in(folder) for folders in found for folder in folders}


def _or_findings(read: Callable[[], _Read], findings: list[str]) -> _Read | None:
    """What is read; None if that is wrong, and the findings say how."""
    try:
        return read()
    except SettingsError as error:
        findings += error.findings
        return None
