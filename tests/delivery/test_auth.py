"""The headers with credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_leads.delivery.auth import credentials
from target_leads.providers import bundled
from target_leads.providers.account import Account

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("template", "value"),
    [("Bearer {token}", "Bearer tok-4711"), ("{token}", "tok-4711"), ("k={token};v=1", "k=tok-4711;v=1")],
)
def test_fills_the_template(account: Callable[..., Account], template: str, value: str) -> None:
    """A header is the definition's template with the user's setting in it."""
    assert credentials(account(authentication={"headers": {"x-key": template}})) == {"x-key": value}


def test_fills_every_header(account: Callable[..., Account]) -> None:
    """Where the definition has several headers all are sent."""
    headers = {"x-key": "{token}", "x-client": "target"}
    assert credentials(account(authentication={"headers": headers})) == {"x-key": "tok-4711", "x-client": "target"}


@pytest.mark.parametrize("name", bundled())
def test_sends_every_secret_of_a_bundled_provider(name: str) -> None:
    """Each secret setting of a bundled provider ends up in a header, once: none is asked for in vain."""
    definition = bundled()[name]
    config = {
        setting: f"value-of-{setting}"
        for setting, wanted in definition.settings.items()
        if wanted.default is None and not wanted.choices
    }
    sent = " ".join(credentials(Account.open(definition, config, concurrency=1)).values())

    assert {secret: sent.count(config[secret]) for secret in definition.secrets} == dict.fromkeys(definition.secrets, 1)
    assert definition.secrets
