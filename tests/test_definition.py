"""The types of a provider definition."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from target_leads.providers import bundled, load_folder
from target_leads.providers.definition import BaseUrl, placeholders

GENERIC = Path(__file__).parent / "providers" / "generic"


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("/leads/{lead_id}", ["lead_id"]),
        ("/{a}/x/{b}{a}", ["a", "b", "a"]),
        ("{{no}}", []),
        ("plain", []),
        ("{}", [""]),
        ("{a!r}{b:>5}{c.d}{e[0]}", ["a!r", "b:>5", "c.d", "e[0]"]),
    ],
)
def test_placeholders(template: str, names: list[str]) -> None:
    """Names stand in braces; anything more than a name is told with it, so that no definition can have it."""
    assert list(placeholders(template)) == names


@pytest.mark.parametrize("template", ["{lead_id", "lead_id}", "{a}}", "{"])
def test_braces_that_do_not_match(template: str) -> None:
    """A template with a stray brace is a mistake."""
    with pytest.raises(ValueError, match=r"[{}]"):
        list(placeholders(template))


def test_a_base_url_is_one_or_picked_by_a_setting() -> None:
    """Where there are several, the value of a setting says which."""
    assert BaseUrl(urls={"": "https://a.example.com"}).pick({"region": "eu"}) == "https://a.example.com"
    urls = {"us": "https://us.example.com", "eu": "https://eu.example.com"}
    assert BaseUrl(setting="region", urls=urls).pick({"region": "eu"}) == "https://eu.example.com"


def test_a_definition_knows_its_secrets() -> None:
    """The settings whose values must never be shown are those that the folder marks so."""
    assert load_folder(GENERIC).secrets == {"token"}
    assert all(definition.secrets for definition in bundled().values())


@pytest.mark.parametrize(("url", "path"), [("https://api.example.com/v1", "/generic/v1"), ("https://x.y", "/generic")])
def test_where_the_sandbox_serves_it(url: str, path: str) -> None:
    """The sandbox puts the provider's name before the path of its base URL."""
    definition = dataclasses.replace(load_folder(GENERIC), base_url=BaseUrl(urls={"": url}))
    assert definition.sandbox_path == path
