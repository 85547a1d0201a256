"""Which provider a stream's records go to, or one record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_leads.exceptions import SettingsError
from target_leads.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_leads.settings import Settings


def named_providers(settings: Settings) -> dict[str, str]:
    """Providers that the settings name, by the setting that names each."""
    named = {
        "provider": settings.provider,
        **{f"streams.{stream}.provider": given.provider for stream, given in settings.streams.items()},
        **{f"providers.{provider}": provider for provider in settings.providers},
    }
    return {setting: provider for setting, provider in named.items() if provider}


def needed_providers(settings: Settings, known: Collection[str]) -> set[str]:
    """Providers that exist and that the settings name, or send a stream to that is called so."""
    named = set(named_providers(settings).values())
    if not settings.provider_field:
        named |= {stream for stream, given in settings.streams.items() if not given.provider}
    return named & set(known)


def unknown_providers(settings: Settings, known: Collection[str]) -> list[str]:
    """A sentence for each setting that names a provider that does not exist."""
    return [
        f"{setting}: must be one of {', '.join(sorted(known))}, but was {provider!r}.{did_you_mean(provider, known)}"
        for setting, provider in named_providers(settings).items()
        if provider not in known
    ]


def provider_of_stream(stream: str, settings: Settings, known: Collection[str]) -> str:
    """Name of the provider for a stream; empty if each record has to say. What settings name is known to exist.

    Raises:
        SettingsError: nothing names a provider.
    """
    given = settings.streams.get(stream)
    if given and given.provider:
        return given.provider
    if stream in known:
        return stream
    if settings.provider or settings.provider_field:
        return settings.provider
    message = (
        f"streams.{stream}.provider: no setting says which provider the stream {stream} goes to. "
        f"Set it, or the setting provider, to one of {', '.join(sorted(known))}."
    )
    raise SettingsError([message])


def provider_of_record(columns: Mapping[str, Any], *, provider_field: str, default: str) -> str:
    """Name of the provider that a record names, else that of its stream; it may be one that does not exist."""
    named = columns.get(provider_field) if provider_field else None
    return default if named is None else str(named)
