"""Which provider a stream's records go to, or one record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_leads.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_leads.settings import Settings


def provider_of_stream(stream: str, settings: Settings, known: Collection[str]) -> str:
    """Name of the provider for a stream; empty if each record has to say.

    Raises:
        SettingsError: nothing names a provider, or what names one names none that exists.
    """
    given = settings.streams.get(stream)
    if given and given.provider:
        return _known(f"streams.{stream}.provider", given.provider, known)
    if stream in known:
        return stream
    if settings.provider:
        return _known("provider", settings.provider, known)
    if settings.provider_field:
        return ""
    message = (
        f"streams.{stream}.provider: no setting says which provider the stream {stream} goes to. "
        f"Set it, or the setting provider, to one of {', '.join(sorted(known))}."
    )
    raise SettingsError([message])


def provider_of_record(columns: Mapping[str, Any], *, provider_field: str, default: str) -> str:
    """Name of the provider that a record names, else that of its stream; it may be one that does not exist."""
    named = columns.get(provider_field) if provider_field else None
    return default if named is None else str(named)


def _known(setting: str, provider: str, known: Collection[str]) -> str:
    if provider not in known:
        raise SettingsError([f"{setting}: must be one of {', '.join(sorted(known))}, but was {provider!r}."])
    return provider
