"""Settings from environment variables, and variables that look like settings and are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from target_leads.environment import read_environment, unknown_variables
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
FROM_KUBERNETES = (
    "SERVICE_HOST",
    "SERVICE_PORT",
    "SERVICE_PORT_HTTP",
    "PORT",
    "PORT_80_TCP",
    "PORT_80_TCP_PROTO",
    "PORT_80_TCP_PORT",
    "PORT_80_TCP_ADDR",
    "STORE_SERVICE_HOST",
    "STORE_PORT_5432_TCP",
)
"""As it sets them in each container for the Services target-leads and target-leads-store."""


def of_meltanos_settings() -> Iterator[str]:
    """What Meltano makes of each setting of the loader, and of a key in each object."""
    project = yaml.safe_load((Path(__file__).parent.parent / "meltano.yml").read_text(encoding="utf-8"))
    (loader,) = project["plugins"]["loaders"]
    for setting in loader["settings"]:
        name = setting["name"].replace(".", "_").upper()
        yield name
        if setting.get("kind") == "object":
            yield f"{name}_LEADS"
            yield f"{name}_LEADS_FIELDS_AMOUNT"
    yield from ("_DIALECT", "_LOG_PARSER")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is said of these variables."""

    def do(
        *names: str,
        given: tuple[str, ...] = (),
        count: bool = True,
        in_meltano: bool = False,
        loader: str = "target-leads",
    ) -> list[str]:
        monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
        monkeypatch.delenv("MELTANO_LOADER_NAME", raising=False)
        if in_meltano:
            monkeypatch.setenv("MELTANO_PROJECT_ROOT", "/project")
            monkeypatch.setenv("MELTANO_LOADER_NAME", loader)
        for name in names:
            monkeypatch.setenv(PREFIX + name, VALUE)
        return list(unknown_variables(TargetLeads.config_jsonschema, given, count=count))

    TargetLeads.append_builtin_config(TargetLeads.config_jsonschema)
    return do


def test_a_variable_that_is_no_setting(told: Callable[..., list[str]]) -> None:
    """It is named, with what may be meant and without its value."""
    assert told("DRYRUN", "COLOUR", "LOGLEVEL", "SOURCE", "DRY_RUN", "_X", "CUSTOM", given=("custom",)) == [
        f"There is no setting for {PREFIX}COLOUR; it has no effect.",
        DRYRUN,
    ]


def test_a_setting_where_variables_do_not_count(told: Callable[..., list[str]]) -> None:
    """Who sets TARGET_LEADS_DRY_RUN and forgets ``--config ENV`` would send for good: it is told. Others are not."""
    assert told("DRY_RUN", "DRYRUN", "LOGLEVEL", "SOURCE", count=False) == [
        f"{PREFIX}DRY_RUN has no effect: variables count with --config ENV."
    ]


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


@pytest.mark.parametrize("suffix", ["EU", "US", "UK", "DE", "QA", "A", "STORE"])
def test_no_false_alarms_for_a_loader_that_inherits(told: Callable[..., list[str]], suffix: str) -> None:
    """Meltano makes variables of all its settings; who runs another loader has them in its environment too."""
    names = [f"{suffix}_{name}" for name in of_meltanos_settings()]
    assert len(names) > 50
    assert told(*names, in_meltano=True) == []
    assert told(*names, in_meltano=True, loader=f"target-leads-{suffix.lower()}") == []


def test_what_begins_with_the_loaders_own_name_is_meltanos(told: Callable[..., list[str]]) -> None:
    """Of a loader that inherits; where it is called as this target is, a misspelt name is told."""
    names = ("EU_DRYRUN", "DRYRUN")
    assert told(*names, in_meltano=True, loader="target-leads-eu") == [DRYRUN]
    assert len(told(*names, in_meltano=True)) == 2


def test_no_false_alarms_in_kubernetes(told: Callable[..., list[str]]) -> None:
    """A Service that is called as this target is has variables that begin as its settings do."""
    assert told(*FROM_KUBERNETES, "REPORT") == [
        f"There is no setting for {PREFIX}REPORT; it has no effect. Did you mean {PREFIX}REPORT_PATH?"
    ]


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
