"""One set of credentials at a provider."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from target_leads.exceptions import SettingsError
from target_leads.providers import Definition, SettingDefinition, bundled, load_folder
from target_leads.providers.account import Account, sandbox_config
from target_leads.providers.definition import BaseUrl

SECRET = "s3cret-value"
"""Planted, to see that it is never shown."""


@pytest.fixture(scope="module")
def definition() -> Definition:
    """A provider with a credential, a region that picks its URL, and a path of the user's own."""
    return dataclasses.replace(
        load_folder(Path(__file__).parent / "providers" / "generic"),
        settings={
            "token": SettingDefinition(title="Token", description="Ask example.com for it.", secret=True),
            "region": SettingDefinition(title="Region", description="Where.", choices=("us", "eu"), default="us"),
            "branch": SettingDefinition(title="Branch", description="Your branch.", choices=("north", "south")),
        },
        base_url=BaseUrl(setting="region", urls={"us": "https://us.example.com/v1", "eu": "https://eu.example.com/v1"}),
    )


GOOD = {"token": SECRET, "branch": "north"}


def findings_of(definition: Definition, config: dict[str, Any]) -> list[str]:
    """What is wrong, without the words that all findings begin with."""
    with pytest.raises(SettingsError) as raised:
        Account.open(definition, config, concurrency=1)
    assert all(finding.startswith("providers.generic.") for finding in raised.value.findings)
    return [finding.removeprefix("providers.generic.") for finding in raised.value.findings]


def test_a_secret_with_choices_is_not_shown(definition: Definition) -> None:
    """What was given in place of one of the choices is shown only where it is no secret, however short it is."""
    secret = dataclasses.replace(definition.settings["branch"], secret=True)
    changed = dataclasses.replace(definition, settings={**definition.settings, "branch": secret})
    assert findings_of(definition, GOOD | {"branch": "east"}) == [
        "branch: must be one of north, south, but was 'east'."
    ]
    assert findings_of(changed, GOOD | {"branch": "east"}) == ["branch: must be one of north, south."]


def test_an_account_with_its_defaults(definition: Definition) -> None:
    """What is not given comes from the definition and from the run's settings."""
    account = Account.open(definition, GOOD, concurrency=3)
    assert account.values == {"token": SECRET, "region": "us", "branch": "north"}
    assert (account.name, account.base_url, account.concurrency) == ("default", "https://us.example.com/v1", 3)
    assert account.key == ("generic", "default")


def test_an_account_with_everything_given(definition: Definition) -> None:
    """What is given counts; a slash at the end of the base URL is left out."""
    config = GOOD | {"region": "eu", "account": "north", "concurrency": 256, "base_url": "https://x.example.com/v9/"}
    account = Account.open(definition, config, concurrency=3)
    assert (account.name, account.base_url, account.concurrency) == ("north", "https://x.example.com/v9", 256)
    assert Account.open(definition, GOOD | {"region": "eu"}, concurrency=1).base_url == "https://eu.example.com/v1"


@pytest.mark.parametrize(
    ("config", "windows"),
    [
        ({}, [(150, 60)]),
        ({"rate_limits": []}, []),
        (
            {"rate_limits": [{"requests": 500, "per_seconds": 3600}, {"requests": 3, "per_seconds": 0.5}]},
            [(500, 3600), (3, 0.5)],
        ),
    ],
)
def test_rate_limits_are_the_providers_or_the_users_own(
    config: dict[str, Any], windows: list[tuple[int, float]]
) -> None:
    """The setting takes the place of the definition's windows; how the provider slows down and tells so stays."""
    account = Account.open(bundled()["propexo_entrata"], {"api_token": "t"} | config, concurrency=1)
    assert [(limit.requests, limit.per_seconds) for limit in account.rate_limits.windows] == windows
    assert (account.rate_limits.slow_down_from, account.rate_limits.remaining_header) == (0.8, "x-ratelimit-remaining")


def test_an_account_shows_no_credential(definition: Definition) -> None:
    """An account that ends up in a log or a traceback does not show what it signs in with."""
    assert SECRET not in repr(Account.open(definition, GOOD, concurrency=1))


RATE_LIMITS = (
    'must be a list such as [{"requests": 150, "per_seconds": 60}], with requests a whole number from 1 on and '
    "per_seconds more than 0 and no more than a year; an empty list means no limit."
)
CONTROL = "must be printable ASCII text; it holds a line break or another sign that no header takes."


@pytest.mark.parametrize(
    ("config", "finding"),
    [
        ({"token": None}, "token: is required. Ask example.com for it."),
        ({"token": ""}, "token: must be text that is not blank. Ask example.com for it."),
        ({"token": " \t"}, "token: must be text that is not blank. Ask example.com for it."),
        ({"token": 5}, "token: must be text that is not blank. Ask example.com for it."),
        ({"token": [SECRET]}, "token: must be text that is not blank. Ask example.com for it."),
        ({"token": f"{SECRET}\r\nx-admin: 1"}, f"token: {CONTROL}"),
        ({"token": f"{SECRET}\n"}, f"token: {CONTROL}"),
        ({"token": f"{SECRET}\0"}, f"token: {CONTROL}"),
        ({"token": f"{SECRET}\u2028x"}, f"token: {CONTROL}"),
        ({"token": f"{SECRET}é"}, f"token: {CONTROL}"),
        ({"token": f" {SECRET}"}, "token: must not begin or end with a space."),
        ({"token": f"{SECRET} "}, "token: must not begin or end with a space."),
        ({"region": "US"}, "region: must be one of us, eu, but was 'US'. Did you mean us?"),
        ({"region": SECRET}, "region: must be one of us, eu."),
        ({"region": ""}, "region: must be text that is not blank. Where."),
        (
            {"tokne": SECRET},
            (
                "tokne: is not one of token, region, branch, account, base_url, concurrency, rate_limits. "
                "Did you mean token?"
            ),
        ),
        ({"account": ""}, "account: must be a name, as text that is not blank."),
        ({"account": 5}, "account: must be a name, as text that is not blank."),
        ({"account": "a\nb"}, "account: must be a name, as text that is not blank."),
        ({"concurrency": 0}, "concurrency: must be a whole number from 1 to 256, but was 0."),
        ({"concurrency": 257}, "concurrency: must be a whole number from 1 to 256, but was 257."),
        ({"concurrency": True}, "concurrency: must be a whole number from 1 to 256, but was True."),
        ({"concurrency": 2.5}, "concurrency: must be a whole number from 1 to 256, but was 2.5."),
        ({"concurrency": "8"}, "concurrency: must be a whole number from 1 to 256, but was '8'."),
        ({"concurrency": SECRET}, "concurrency: must be a whole number from 1 to 256."),
        ({"concurrency": [SECRET]}, "concurrency: must be a whole number from 1 to 256."),
        *[
            ({"rate_limits": wrong}, f"rate_limits: {RATE_LIMITS}")
            for wrong in (
                {"requests": 1, "per_seconds": 1},
                [[1, 1]],
                [{"requests": 1}],
                [{"requests": 0, "per_seconds": 1}],
                [{"requests": 1.5, "per_seconds": 1}],
                [{"requests": True, "per_seconds": 1}],
                [{"requests": 1, "per_seconds": 0}],
                [{"requests": 1, "per_seconds": float("nan")}],
                [{"requests": 1, "per_seconds": float("inf")}],
                [{"requests": 1, "per_seconds": 1, "per_minute": 1}],
            )
        ],
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(definition: Definition, config: dict[str, Any], finding: str) -> None:
    """One sentence names the setting and what is allowed, and no secret."""
    config = {name: value for name, value in {**GOOD, **config}.items() if value is not None}
    findings = findings_of(definition, config)
    assert findings == [finding]
    assert SECRET not in findings[0]


def test_all_mistakes_are_told_at_once(definition: Definition) -> None:
    """A user mends everything in one go."""
    findings = findings_of(definition, {"region": "x", "base_url": "x", "account": "", "concurrency": 0, "y": 1})
    assert [finding.split(":")[0] for finding in findings] == [
        "y", "token", "region", "branch", "base_url", "account", "concurrency",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com:8443/v1/",
        "https://api.example.com/v1/my%20path",
        "https://localhost.example.com/v1",
        "https://[2001:db8::1]/v1",
        "https://10.0.0.1",
        "http://localhost",
        "http://LOCALHOST:8765/perch/v1",
        "http://127.0.0.1:8765",
        "http://127.8.9.1/v1",
        "http://[::1]:8765/v1",
    ],
)
def test_base_urls_that_credentials_may_go_to(definition: Definition, url: str) -> None:
    """A base URL is https to anywhere, or http to this machine."""
    account = Account.open(definition, GOOD | {"base_url": url}, concurrency=1)
    assert account.base_url == url.rstrip("/")


PLAIN = "base_url: must be https, as credentials travel to it. Plain http is for loopback only, not for {}."
BEGIN = "base_url: must begin with https:// and a host, such as https://api.example.com/v1."
MARKS = "base_url: must hold no user, password, query or fragment; give one such as https://api.example.com/v1."
NO_URL = "base_url: is no URL that a request can go to; give one such as https://api.example.com/v1."


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        ("http://api.example.com", PLAIN.format("api.example.com")),
        ("http://localhost.example.com", PLAIN.format("localhost.example.com")),
        ("http://127.0.0.1.example.com", PLAIN.format("127.0.0.1.example.com")),
        ("http://example.com/localhost", PLAIN.format("example.com")),
        ("http://localhost.", PLAIN.format("localhost.")),
        ("http://127.1", PLAIN.format("127.1")),
        ("http://2130706433", PLAIN.format("2130706433")),
        ("http://0.0.0.0", PLAIN.format("0.0.0.0")),  # noqa: S104 -- a URL that is refused
        ("http://10.0.0.1", PLAIN.format("10.0.0.1")),
        ("http://[2001:db8::1]", PLAIN.format("2001:db8::1")),
        ("", BEGIN),
        (5, BEGIN),
        (["https://api.example.com"], BEGIN),
        ("api.example.com", BEGIN),
        ("ftp://api.example.com", BEGIN),
        (" https://api.example.com", BEGIN),
        ("https:/api.example.com", BEGIN),
        (f"https://{SECRET}@api.example.com", MARKS),
        (f"https://user:{SECRET}@api.example.com", MARKS),
        (f"http://localhost:80@{SECRET}.example.com", MARKS),
        ("https://@api.example.com", MARKS),
        (f"https://api.example.com/v1?key={SECRET}", MARKS),
        ("https://api.example.com/v1?", MARKS),
        (f"https://api.example.com/v1#{SECRET}", MARKS),
        ("http://localhost#.example.com", MARKS),
        ("https://", NO_URL),
        ("https:///v1", NO_URL),
        ("https://:443/v1", NO_URL),
        (f"https://user:{SECRET}/x", NO_URL),
        ("https://api.example.com:0", NO_URL),
        ("https://api.example.com:65536", NO_URL),
        ("https://[::1", NO_URL),
        ("https://[zz]/v1", NO_URL),
        ("https://api.example.com/v1\n", NO_URL),
        ("https://api.exa\nmple.com/v1", NO_URL),
        ("https://api.example.com/v 1", NO_URL),
        ("http://localhost\\.example.com", NO_URL),
        ("https://{region}.example.com", NO_URL),
        ("http://１２７.0.0.1", NO_URL),  # noqa: RUF001 -- digits that only look like those of this machine
        ("http://ⓛocalhost", NO_URL),
    ],
)
def test_base_urls_that_credentials_may_not_go_to(definition: Definition, url: object, finding: str) -> None:
    """No trick makes credentials travel in plain text or to another host; a password in the URL is not shown."""
    findings = findings_of(definition, GOOD | {"base_url": url})
    assert findings == [finding]
    assert SECRET not in findings[0]


def test_the_sandbox_gets_no_credential(definition: Definition) -> None:
    """With the sandbox, secrets are replaced even if given, what is missing is made up, and the rest is the user's."""
    config = sandbox_config(
        definition, {"token": SECRET, "region": "eu", "base_url": "https://x"}, url="http://127.0.0.1/g"
    )
    assert config == {
        "token": "sandbox",
        "region": "eu",
        "branch": "north",
        "base_url": "http://127.0.0.1/g",
        "account": "sandbox",
    }
    assert sandbox_config(definition, {"branch": "south"}, url="http://127.0.0.1/g") == {
        "token": "sandbox",
        "branch": "south",
        "base_url": "http://127.0.0.1/g",
        "account": "sandbox",
    }
    assert Account.open(definition, config, concurrency=1).base_url == "http://127.0.0.1/g"
