"""One set of credentials at a provider: what requests go to it with, and how many at once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from target_leads.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.providers.definition import Definition

_COMMON = ("account", "base_url", "concurrency")
_SANDBOX_CREDENTIAL = "sandbox"
_MOST_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A provider as one user reaches it."""

    definition: Definition
    name: str
    """Keeps two sets of credentials of one provider apart."""
    base_url: str
    """What comes before the path of every call, without a slash at its end."""
    values: Mapping[str, str] = field(repr=False)
    """Values of the provider's own settings, credentials included, by setting name."""
    concurrency: int
    """Requests in flight at once."""

    @property
    def key(self) -> tuple[str, str]:
        """Provider and account name: limits and memory are kept by this."""
        return self.definition.name, self.name

    @classmethod
    def open(cls, definition: Definition, config: Mapping[str, Any], *, concurrency: int) -> Account:
        """Account from what stands under ``providers.<name>``.

        Raises:
            SettingsError: something there is wrong or missing; it lists all that is, and shows no secret.
        """
        if findings := list(_findings(definition, config)):
            raise SettingsError([f"providers.{definition.name}.{finding}" for finding in findings])
        values = {name: config.get(name, setting.default) for name, setting in definition.settings.items()}
        return cls(
            definition=definition,
            name=config.get("account", "default"),
            base_url=(config.get("base_url") or definition.base_url.pick(values)).rstrip("/"),
            values=values,
            concurrency=config.get("concurrency", concurrency),
        )


def sandbox_config(definition: Definition, config: Mapping[str, Any], *, url: str) -> dict[str, Any]:
    """The same settings pointed at the sandbox: its URL for the base URL, and no credential of the user's."""
    stand_ins = {
        name: _SANDBOX_CREDENTIAL
        for name, setting in definition.settings.items()
        if setting.secret or (setting.default is None and name not in config)
    }
    return {**config, **stand_ins, "base_url": url}


def _findings(definition: Definition, config: Mapping[str, Any]) -> Iterator[str]:
    for name in config:
        if name not in definition.settings and name not in _COMMON:
            yield f"{name}: is not one of {', '.join([*definition.settings, *_COMMON])}."
    for name, setting in definition.settings.items():
        value = config.get(name, setting.default)
        if value is None:
            yield f"{name}: is required. {setting.description}"
        elif not isinstance(value, str) or not value.strip():
            yield f"{name}: must be text that is not blank."
        elif setting.choices and value not in setting.choices:
            yield f"{name}: must be one of {', '.join(setting.choices)}{_was(value, secret=setting.secret)}."
        elif not value.isprintable() or not value.isascii():
            yield f"{name}: must be printable ASCII text; it holds a line break or another character that no header takes."
    if "base_url" in config:
        yield from _url_findings(config["base_url"])
    if not isinstance(config.get("account", "default"), str):
        yield "account: must be text."
    concurrency = config.get("concurrency", 1)
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or not 1 <= concurrency <= _MOST_AT_ONCE:
        yield f"concurrency: must be a whole number from 1 to {_MOST_AT_ONCE}{_was(concurrency)}."


def _was(value: object, *, secret: bool = False) -> str:
    return "" if secret else f", but was {value!r}"


def _url_findings(url: object) -> Iterator[str]:
    """What is wrong with a base URL. The URL itself is not shown: a password may stand in it."""
    if not isinstance(url, str):
        yield "base_url: must be a URL such as https://api.example.com/v1."
        return
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        yield "base_url: is no URL. Give one such as https://api.example.com/v1."
        return
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        yield "base_url: must begin with https:// and a host, such as https://api.example.com/v1."
    elif parts.scheme == "http" and not _is_loopback(parts.hostname):
        yield f"base_url: must be https, because credentials travel to it. Plain http is for loopback only, not for {parts.hostname}."
    if parts.query or parts.fragment or parts.username or parts.password:
        yield "base_url: must hold no user, password, query or fragment."


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
