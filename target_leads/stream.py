"""What is decided once for a stream: where its records go, and what they become there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_leads.exceptions import SettingsError
from target_leads.listing import listed
from target_leads.mapping import StreamMapping
from target_leads.outlook import dropped_warning, warnings
from target_leads.routing import provider_of_record, provider_of_stream
from target_leads.settings import StreamSettings
from target_leads.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_leads.changes import Fingerprints
    from target_leads.providers import Definition
    from target_leads.providers.account import Account
    from target_leads.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where those of a stream's records go that are for one provider, and what they become there."""

    provider: str
    account: str
    base_url: str
    mapping: StreamMapping
    context: str
    """Hash of all that decides, beside the record, what is sent. It is the same in every process."""


class Stream:
    """One stream, under the SCHEMA that came last."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        definitions: Mapping[str, Definition],
        account_of: Callable[[str], Account],
        fingerprints: Fingerprints,
        *,
        key_properties: Sequence[str],
    ) -> None:
        """Find its provider; `account_of` gives a provider's account by name.

        Raises:
            SettingsError: nothing names one.
        """
        self.settings = settings.streams.get(name, StreamSettings())
        self.provider = provider_of_stream(name, settings, definitions)
        """Empty if each record has to say."""
        self._name = name
        self._provider_field = settings.provider_field
        self._configured = settings.providers.keys()
        self._definitions = definitions
        self._account_of = account_of
        self._fingerprints = fingerprints
        self._key_properties = key_properties
        self._mappings: dict[str, StreamMapping] = {}
        self._obstacles: dict[str, tuple[str, ...]] = {}
        self._destinations: dict[str, Destination] = {}

    def findings(self, columns: Sequence[str]) -> list[str]:
        """All that is wrong with what the settings say of it. A SCHEMA that names no column at all is believed."""
        findings = list(self._absent_columns(columns)) if columns else []
        if not self.provider:
            obstacles = self._mapping_obstacles()
            everywhere = obstacles and all(obstacles.values())
            return findings + list(dict.fromkeys(each for all_ in obstacles.values() for each in all_ if everywhere))
        return [*findings, *self.obstacle(self.provider)]

    def warnings(self, columns: Sequence[str], schemas: Mapping[str, Any]) -> Iterator[str]:
        """What to warn of, as sentences that follow its name. `schemas` holds what is known of columns' types."""
        if self.provider:
            yield from warnings(self.mapping(self.provider), self._name, columns, schemas)
            return
        obstacles = {name: each for name, each in self._mapping_obstacles().items() if name in self._configured}
        for provider, obstacle in obstacles.items():
            if obstacle:
                yield f"records for {provider} will be invalid. {' '.join(obstacle)}"
        dropped = [set(self.mapping(provider).dropped(columns)) for provider, each in obstacles.items() if not each]
        by_all = [column for column in columns if dropped and all(column in those for those in dropped)]
        yield from dropped_warning(self._name, self.settings, by_all)

    def mapping(self, provider: str) -> StreamMapping:
        """How its records become updates of a provider.

        Raises:
            SettingsError: they cannot, as it is mapped.
        """
        if provider not in self._mappings:
            self._mappings[provider] = StreamMapping(
                stream=self._name,
                definition=self._definitions[provider],
                settings=self.settings,
                key_properties=self._key_properties,
                provider_field=self._provider_field,
            )
        return self._mappings[provider]

    def obstacle(self, provider: str) -> tuple[str, ...]:
        """Why none of its records can go to a provider, as findings; empty if they can."""
        if provider not in self._obstacles:
            findings: list[str] = []
            for step in (self._account_of, self.mapping):
                try:
                    step(provider)
                except SettingsError as error:
                    findings += error.findings
            self._obstacles[provider] = tuple(findings)
        return self._obstacles[provider]

    def provider_of(self, columns: Mapping[str, Any]) -> str:
        """The provider that one of its records is for; it may be one that does not exist."""
        return provider_of_record(columns, provider_field=self._provider_field, default=self.provider)

    def destination(self, provider: str) -> Destination | None:
        """Where its records for a provider go; none if there is no such provider, or an obstacle."""
        if (known := self._destinations.get(provider)) is not None:
            return known
        if provider not in self._definitions or self.obstacle(provider):
            return None
        account = self._account_of(provider)
        opened = self._destinations[provider] = Destination(
            provider=provider,
            account=account.name,
            base_url=account.base_url,
            mapping=self.mapping(provider),
            context=self._context(self._definitions[provider]),
        )
        return opened

    def _context(self, definition: Definition) -> str:
        update = definition.update
        return self._fingerprints.of(
            self._name,
            dataclasses.asdict(self.settings),
            list(self._key_properties),
            self._provider_field,
            definition.lead_schema.schema,
            update.method,
            update.path,
            update.envelope,
            update.partial,
            update.coalesce,
            sorted(update.merged_objects),
            dataclasses.asdict(definition.lead_id),
        )

    def _mapping_obstacles(self) -> dict[str, tuple[str, ...]]:
        """Why its records cannot be mapped to each of the providers that this run can reach."""
        return {provider: self.obstacle(provider) for provider in self._definitions if self._is_reachable(provider)}

    def _is_reachable(self, provider: str) -> bool:
        try:
            self._account_of(provider)
        except SettingsError:
            return False
        return True

    def _absent_columns(self, columns: Sequence[str]) -> Iterator[str]:
        """Fields that the settings name and its SCHEMA does not."""
        named = [
            (f"streams.{self._name}.lead_id", self.settings.lead_id),
            (f"streams.{self._name}.version_field", self.settings.version_field),
            *((f"streams.{self._name}.fields", column) for column in self.settings.fields or ()),
        ]
        if not self.provider:
            named.append(("provider_field", self._provider_field))
        for setting, column in named:
            if column and column not in columns:
                hint = did_you_mean(column, columns)
                where = "the stream" if setting != "provider_field" else f"the stream {self._name}"
                yield f"{setting}: {column} is no field of {where}; it has {listed(columns)}.{hint}"
