"""One set of credentials at a provider: what requests go to it with, and how many at once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_leads.exceptions import SettingsError
from target_leads.providers.base_url import url_findings
from target_leads.providers.definition import RateLimit
from target_leads.providers.rules import are_rate_limits
from target_leads.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_leads.providers.definition import Definition, RateLimits

_COMMON = ("account", "base_url", "concurrency", "rate_limits")
_SANDBOX_CREDENTIAL = "sandbox"
SANDBOX_ACCOUNT = "sandbox"
"""Under this name the sandbox is every provider's account: what it refused says nothing of theirs."""
_MOST_AT_ONCE = 256
_LONGEST_SHOWN = 10
"""No credential is as short."""


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
    rate_limits: RateLimits
    """The definition's, or the user's own windows in it."""

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
            rate_limits=dataclasses.replace(definition.rate_limits, windows=_windows(config["rate_limits"]))
            if "rate_limits" in config
            else definition.rate_limits,
        )


def sandbox_config(definition: Definition, config: Mapping[str, Any], *, url: str) -> dict[str, Any]:
    """The same settings pointed at the sandbox: its URL for the base URL, and no credential of the user's.

    As an account of its own, so that what the sandbox refuses is kept apart from what the provider did.
    """
    stand_ins = {
        name: next(iter(setting.choices), _SANDBOX_CREDENTIAL)
        for name, setting in definition.settings.items()
        if setting.secret or (setting.default is None and name not in config)
    }
    return {**config, **stand_ins, "base_url": url, "account": SANDBOX_ACCOUNT}


def _findings(definition: Definition, config: Mapping[str, Any]) -> Iterator[str]:
    for name in config:
        if name not in definition.settings and name not in _COMMON:
            known = [*definition.settings, *_COMMON]
            yield f"{name}: is not one of {', '.join(known)}.{did_you_mean(name, known)}"
    for name, setting in definition.settings.items():
        value = config.get(name, setting.default)
        if value is None:
            yield f"{name}: is required. {setting.description}"
        elif not isinstance(value, str) or not value.strip():
            yield f"{name}: must be text that is not blank. {setting.description}"
        elif setting.choices and value not in setting.choices:
            was = "" if setting.secret else _was(value)
            yield f"{name}: must be one of {', '.join(setting.choices)}{was}.{did_you_mean(value, setting.choices)}"
        elif not value.isprintable() or not value.isascii():
            yield f"{name}: must be printable ASCII text; it holds a line break or another sign that no header takes."
        elif value != value.strip():
            yield f"{name}: must not begin or end with a space."
    if "base_url" in config:
        yield from (f"base_url: {finding}" for finding in url_findings(config["base_url"]))
    account = config.get("account", "default")
    if not isinstance(account, str) or not account.strip() or not account.isprintable():
        yield "account: must be a name, as text that is not blank."
    concurrency = config.get("concurrency", 1)
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or not 1 <= concurrency <= _MOST_AT_ONCE:
        yield f"concurrency: must be a whole number from 1 to {_MOST_AT_ONCE}{_was(concurrency)}."
    if not are_rate_limits(config.get("rate_limits", [])):
        yield (
            'rate_limits: must be a list such as [{"requests": 150, "per_seconds": 60}], with requests a whole number '
            "from 1 on and per_seconds more than 0 and no more than a year; an empty list means no limit."
        )


def _windows(config: Iterable[Mapping[str, Any]]) -> tuple[RateLimit, ...]:
    return tuple(RateLimit(requests=window["requests"], per_seconds=window["per_seconds"]) for window in config)


def _was(value: object) -> str:
    """What it was, if it can be no credential that stands in the wrong place: a number, or a short text."""
    is_shown = isinstance(value, (int, float)) or (isinstance(value, str) and len(value) <= _LONGEST_SHOWN)
    return f", but was {value!r}" if is_shown else ""
