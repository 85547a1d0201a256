"""Decides what may be sent: a record becomes a lead update, or has its outcome already."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from target_leads.coalescing import coalesced
from target_leads.exceptions import SettingsError
from target_leads.listing import listed
from target_leads.mapping import is_deletion
from target_leads.models import LeadUpdate, Outcome, Settlement, Violation
from target_leads.providers.account import SANDBOX_ACCOUNT
from target_leads.stream import Destination, Stream
from target_leads.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_leads.changes import Fingerprints
    from target_leads.models import Lead, Record
    from target_leads.providers import Definition
    from target_leads.providers.account import Account
    from target_leads.settings import Settings

_VERSION_RULE = "holds no version: it must be a number or a timestamp"
_UNKNOWN_PROVIDER = "unknown"
_NOTHING_SAID: Mapping[str, Any] = MappingProxyType({})
_DELETED = "a deleted row: a lead update never deletes"


class Addressed(msgspec.Struct, frozen=True, gc=False):
    """A record of which is known whose it is."""

    record: Record
    destination: Destination
    lead: Lead
    """Which lead it is, and where; its id is empty if the record has no usable one."""
    digest: str


class Admission:
    """Admits the records of all streams."""

    def __init__(
        self,
        settings: Settings,
        definitions: Mapping[str, Definition],
        account_of: Callable[[str], Account],
        fingerprints: Fingerprints,
    ) -> None:
        """Admit records for these providers; `account_of` gives a provider's account by name."""
        self._fingerprints = fingerprints
        self._settings = settings
        self._definitions = definitions
        self._account_of = account_of
        self._streams: dict[str, Stream] = {}

    def open_stream(
        self,
        stream: str,
        *,
        columns: Sequence[str],
        key_properties: Sequence[str],
        schemas: Mapping[str, Any] = _NOTHING_SAID,
    ) -> list[str]:
        """Decide what a stream's records become; returns what to warn of, as sentences that follow the stream's name.

        `schemas` holds the JSON Schemas of columns, as far as they are known.

        Raises:
            SettingsError: no provider, one whose credentials are missing, or settings that fit neither the provider
                nor the stream's columns. It lists all that is wrong with the stream.
        """
        opened = Stream(
            stream,
            self._settings,
            self._definitions,
            self._account_of,
            self._fingerprints,
            key_properties=tuple(key_properties),
        )
        if findings := opened.findings(columns):
            raise SettingsError(findings)
        self._streams[stream] = opened
        return list(opened.warnings(columns, schemas))

    @property
    def streams(self) -> frozenset[str]:
        """Names of the streams whose SCHEMA has come."""
        return frozenset(self._streams)

    def provider_of(self, stream: str) -> str:
        """The provider of a stream; empty if there is none, or each record has to say."""
        return self._streams[stream].provider if stream in self._streams else ""

    def account_of(self, stream: str) -> str:
        """The name of the account to which a stream's records go; empty if it has no provider of its own."""
        provider = self.provider_of(stream)
        return self._account_of(provider).name if provider else ""

    def address(self, record: Record) -> Addressed | Settlement:
        """Which lead a record is about, or its outcome where it is about none."""
        stream = self._streams[record.stream]
        provider = stream.provider_of(record.fields)
        destination = stream.destination(provider)
        is_as_read = record.fields is record.original
        # Stream maps may drop the column, or make it. Such a row may hold nothing but its key.
        if is_deletion(record.original) or (not is_as_read and is_deletion(record.fields)):
            name = provider if provider in self._definitions else _UNKNOWN_PROVIDER
            return _ignored(record, name, destination.account if destination else "", "", _DELETED)
        if destination is None:
            return self._homeless(record, stream, provider)
        lead_id = destination.mapping.lead_id(record.fields)
        try:
            digest = self._fingerprints.of_record(destination.context, record.fields, is_as_read=is_as_read)
        except RecursionError:  # JSON is read far deeper than anything in Python goes
            violation = Violation(path="$", rule="is nested too deeply")
            return _refused(record, provider, destination.account, lead_id, (violation,))
        return Addressed(record, destination, (provider, destination.account, destination.base_url, lead_id), digest)

    def _homeless(self, record: Record, stream: Stream, provider: str) -> Settlement:
        """A record that names no provider, or one to which its stream's records cannot go."""
        if provider in self._definitions:
            rule = f"names {provider}, where records of this stream cannot go: {' '.join(stream.obstacle(provider))}"
        else:
            provider = _UNKNOWN_PROVIDER
            rule = f"names no provider: it must be one of {', '.join(sorted(self._definitions))}"
        violation = Violation(path=f"$.{self._settings.provider_field}", rule=rule)
        return _refused(record, provider, "", "", (violation,))

    def admit(self, addressed: Addressed) -> LeadUpdate | Settlement:
        """The lead update that a record means, or its outcome where there is nothing to send."""
        record, destination = addressed.record, addressed.destination
        provider, account = destination.provider, destination.account
        try:
            mapped = destination.mapping.map(record.fields)
            if not mapped.fields and not mapped.violations:
                return _ignored(record, provider, account, mapped.lead_id, "nothing to send")
            violations = mapped.violations or destination.mapping.definition.lead_schema.violations(mapped.fields)
        except RecursionError:
            violation = Violation(path="$", rule="is nested too deeply")
            return _refused(record, provider, account, addressed.lead[-1], (violation,))
        version_field = destination.mapping.settings.version_field
        version = version_of(record.fields.get(version_field)) if version_field else None
        if version_field and version is None:
            violations = (*violations, Violation(path=f"$.{version_field}", rule=_VERSION_RULE))
        if violations:
            return _refused(record, provider, account, mapped.lead_id, violations)
        return LeadUpdate(
            record=record,
            provider=provider,
            account=account,
            base_url=destination.base_url,
            lead_id=mapped.lead_id,
            fields=mapped.fields,
            version=version,
            digest=addressed.digest,
        )

    def coalesced(self, updates: Iterable[LeadUpdate]) -> Iterator[LeadUpdate]:
        """A batch's updates with those of one lead in order, and merged where its provider allows it."""
        return coalesced(updates, self._definitions)

    def can_ask_after(self, update: LeadUpdate) -> bool:
        """Whether this run has the account at which the job of an update is open. The sandbox stands for none."""
        definition = self._definitions.get(update.provider)
        if self._settings.sandbox or definition is None or definition.job is None:
            return False
        if update.provider not in self._settings.providers:
            return False
        account = self._account_of(update.provider)
        return (account.name, account.base_url) == (update.account, update.base_url)

    def takes_again(self, provider: str, account: str) -> bool:
        """Whether a dead letter of this account may be sent again: it is the provider's account here, or not known.

        Of a provider that has no account here, all but the sandbox's may: where their streams go now decides.
        """
        if not account:
            return True
        try:
            here = self._account_of(provider).name if provider in self._definitions else None
        except SettingsError:  # it lacks credentials
            here = None
        return account != SANDBOX_ACCOUNT if here is None else account == here


def _refused(
    record: Record, provider: str, account: str, lead_id: str, violations: tuple[Violation, ...]
) -> Settlement:
    return Settlement(
        record=record,
        outcome=Outcome.INVALID,
        provider=provider,
        account=account,
        lead_id=lead_id,
        reason=listed([str(violation) for violation in violations], "; "),
        violations=violations,
    )


def _ignored(record: Record, provider: str, account: str, lead_id: str, reason: str) -> Settlement:
    return Settlement(
        record=record, outcome=Outcome.IGNORED, provider=provider, account=account, lead_id=lead_id, reason=reason
    )
