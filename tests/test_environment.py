"""Settings from environment variables, and variables that look like settings and are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.environment import read_environment, unknown_variables
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = "not-to-be-told-4711"
PREFIX = "TARGET_LEADS_"
DRYRUN = f"There is no setting for {PREFIX}DRYRUN; it has no effect. Did you mean {PREFIX}DRY_RUN?"
FROM_MELTANO = (
    "BATCH_SIZE_ROWS",
    "DRY_RUN",
    "PROVIDERS_ACME_KEY",
    "PROVIDERS_BIZMATE_API_TOKEN",
    "PROVIDER_PATHS",
    "SOURCE",
    "STREAMS",
    "STREAMS_BROKER_LEADS_FIELDS_AMOUNT",
    "STREAM_MAPS",
    "STREAM_MAPS_A_B",
    "_DIALECT",
    "_LOG_PARSER",
)
"""As Meltano 4 sets them for `meltano invoke`; SOURCE and the providers' are the user's own."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is said of these variables."""

    def do(*names: str, given: tuple[str, ...] = (), count: bool = True, in_meltano: bool = False) -> list[str]:
        monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
        if in_meltano:
            monkeypatch.setenv("MELTANO_PROJECT_ROOT", "/project")
        for name in names:
            monkeypatch.setenv(PREFIX + name, VALUE)
        return list(unknown_variables(TargetLeads.config_jsonschema, given, count=count))

    TargetLeads.append_builtin_config(TargetLeads.config_jsonschema)
    return do


def test_a_variable_that_is_no_setting(told: Callable[..., list[str]]) -> None:
    """It is named, with what may be meant and without its value; where variables do not count, it is left alone."""
    assert told("DRYRUN", "COLOUR", "LOGLEVEL", "SOURCE", "DRY_RUN", "_X", "CUSTOM", given=("custom",)) == [
        f"There is no setting for {PREFIX}COLOUR; it has no effect.",
        DRYRUN,
    ]
    assert told(count=False) == []


def test_a_variable_for_a_part_of_an_object(told: Callable[..., list[str]]) -> None:
    """Only Meltano knows it. Who sets it without Meltano learns what to set."""
    assert told("PROVIDERS_BIZMATE_API_TOKEN") == [
        (
            f"{PREFIX}PROVIDERS_BIZMATE_API_TOKEN is read by Meltano alone; it has no effect. "
            f"Give {PREFIX}PROVIDERS, an object as JSON."
        )
    ]


@pytest.mark.parametrize("count", [True, False])
def test_no_false_alarms_in_meltano(told: Callable[..., list[str]], *, count: bool) -> None:
    """What it hands on, what its users name as they like, and what belongs to a loader that inherits from this one."""
    names = (*FROM_MELTANO, "CRM_PASSWORD", "EU_DRY_RUN", "EU_STORE_URL")
    assert told(*names, count=count, in_meltano=True) == []
    assert told("DRYRUN", count=count, in_meltano=True) == [DRYRUN]


def test_a_run_and_a_check_tell_it(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As a warning, each in its own way, as they do with a setting in a file that there is not."""
    monkeypatch.setenv(f"{PREFIX}DRYRUN", VALUE)
    checked = command("check", "--config", "ENV", "--offline", "--format", "json")
    assert DRYRUN in json.loads(checked.stdout)["warnings"]
    ran = command("--config", "ENV", "--input", "/dev/null")
    assert ran.status == 0
    assert [line.rpartition(" | ")[2] for line in ran.stderr.splitlines() if "WARNING" in line] == [DRYRUN]
    assert VALUE not in checked.stdout + checked.stderr + ran.stdout + ran.stderr


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some that are right beside some that are wrong."""
    for name, value in {"CONCURRENCY": "3", "DRY_RUN": "perhaps", "PROVIDERS": "{", "PROVIDER": "perch"}.items():
        monkeypatch.setenv(PREFIX + name, value)


@pytest.mark.usefixtures("variables")
def test_what_is_right_beside_what_is_wrong() -> None:
    """It is read all the same."""
    settings, findings = read_environment(TargetLeads.config_jsonschema)
    assert settings == {"concurrency": 3, "provider": "perch"}
    assert findings == [
        f"{PREFIX}PROVIDERS: must be an object as JSON.",
        f"{PREFIX}DRY_RUN: must be true or false.",
    ]
