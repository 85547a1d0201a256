"""--about tells every setting, those of each provider too, and which are secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_leads import settings
from target_leads.about import settings_table
from target_leads.providers import bundled
from target_leads.settings_reference import complete_schema, findings_beyond_our_own, rows
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def about(capsys: pytest.CaptureFixture[str]) -> Callable[[str | None], str]:
    """What --about prints in a format."""

    def print_about(output_format: str | None) -> str:
        TargetLeads.print_about(output_format)
        return capsys.readouterr().out

    return print_about


def expected_settings() -> dict[str, bool]:
    """Every setting by its dotted name, and whether it is secret: from where it is defined, ours or a provider's."""
    stream = settings.schema()["properties"]["streams"]["additionalProperties"]["properties"]
    own = {name: setting.get("secret", False) for name, setting in settings.schema()["properties"].items()}
    of_providers = {
        f"providers.{provider}.{name}": name in definition.secrets
        for provider, definition in bundled().items()
        for name in (*definition.settings, "base_url", "account", "concurrency")
    }
    return {**own, **{f"streams.<stream>.{name}": False for name in stream}, **of_providers, "stream_maps": False}


def test_text_names_every_setting(about: Callable[[str | None], str]) -> None:
    """Each setting stands on a line of its own with its type, then the variable it is read from, then what it does."""
    lines = about(None).splitlines()
    for name, secret in expected_settings().items():
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"  {name} ("))
        below = lines[at + 1 : at + 3]
        if "." not in name:
            assert below.pop(0) == f"      Environment variable: TARGET_LEADS_{name.upper()}"
        assert below[0].endswith(" Secret.") == secret, name
    assert "  reject_limit (string or integer, default 10%)" in lines
    assert "  providers (object)" in lines


def test_markdown_names_every_setting(about: Callable[[str | None], str]) -> None:
    """Each setting is a row of one table, and every row has as many cells as the heading."""
    table = [line for line in about("markdown").splitlines() if line.startswith("| ")]
    for name, secret in expected_settings().items():
        (row,) = (line for line in table if line.startswith(f"| `{name}` |"))
        assert row.endswith(" Secret. |") == secret, name
    assert {line.replace("\\|", "").count("|") for line in table} == {5}


def test_json_names_every_setting(about: Callable[[str | None], str]) -> None:
    """The JSON Schema of the settings holds each, marks the secret ones, and names one provider as well as the next."""
    found = {row.name: row.secret for row in rows(json.loads(about("json"))["settings"])}
    assert expected_settings().items() <= found.items()


def test_every_credential_is_secret() -> None:
    """No provider has a setting that is called a key, a token, a password or a secret, and is not marked so."""
    words = ("key", "token", "password", "secret")
    credentials = [row for row in rows(complete_schema()) if any(word in row.name.split(".")[-1] for word in words)]
    assert {row.name.split(".")[1] for row in credentials} == set(bundled())
    assert all(row.secret for row in credentials)


def test_choices_and_defaults_are_told() -> None:
    """A person who chooses sees what there is to choose from."""
    known = {row.name: row for row in rows(complete_schema())}
    assert known["providers.perch.environment"].choices == ("production", "sandbox")
    assert known["streams.<stream>.nulls"].default == "omit"
    assert known["concurrency"].default == 8


def test_a_bar_does_not_break_the_table() -> None:
    """A bar in a description is text, not the end of a cell."""
    (*_, row) = settings_table({"properties": {"way": {"type": "string", "description": "This | that."}}})
    assert row == "| `way` | string |  | This \\| that. |"


@pytest.mark.parametrize(
    ("config", "finding"),
    [
        ({"stream_maps": "leads"}, "stream_maps: must be of type object or null."),
        ({"flattening_enabled": "yes"}, "flattening_enabled: must be of type boolean or null."),
        ({"flattening_max_depth": "deep"}, "flattening_max_depth: must be of type integer or null."),
    ],
)
def test_settings_of_the_sdk_are_checked(config: dict[str, Any], finding: str) -> None:
    """What the SDK brings is checked as well as our own, and told in the same words, without its value."""
    schema = complete_schema()
    TargetLeads.append_builtin_config(schema)
    assert list(findings_beyond_our_own(schema, config)) == [finding]


def test_a_format_for_nothing(command: Callable[..., Any]) -> None:
    """It says how --about prints; without that it begins no run."""
    for arguments in (("--format", "meltano"), ("--format", "json", "runs", "list")):
        ended = command(*arguments)
        assert (ended.status, ended.stdout) == (2, "")
        assert ended.stderr.endswith("Error: --format says how --about prints. Give --about as well.\n")
