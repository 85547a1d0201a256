"""What the person who operates a Meltano project does beside ``meltano run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from meltano_project import Project

    from target_leads.sandbox import Emulator

pytestmark = pytest.mark.slow

OWN_PROVIDERS = Path(__file__).parents[1] / "providers"
NOT_AN_ADDRESS = "UPDATE crm.mortgage_leads SET email = 'noor at example.com' WHERE perch_id = 'b9TrQ2Lm'"


def test_look_ahead_and_back(project: Project, warehouse: Callable[[str], None]) -> None:
    """Every subcommand works behind ``meltano invoke target-leads``, and some by a name of their own."""
    warehouse(NOT_AN_ADDRESS)
    checked = project.meltano("invoke", "target-leads", "check")
    assert checked.status == 0, checked.log
    assert "Nothing is wrong." in checked.stdout
    assert project.run().status == 0

    (run,) = json.loads(project.meltano("invoke", "target-leads:runs", "--format", "json").stdout)
    assert (run["received"], run["delivered"], run["invalid"]) == (10, 9, 1)
    (letter,) = json.loads(project.meltano("invoke", "target-leads:dead-letters", "--format", "json").stdout)
    assert (letter["provider"], letter["lead_id"]) == ("perch", "b9TrQ2Lm")
    history = project.meltano("invoke", "target-leads", "history", "b9TrQ2Lm", "--format", "json")
    assert "invalid" in history.stdout
    assert "perch" in project.meltano("invoke", "target-leads", "providers", "list").stdout

    replayed = project.meltano("invoke", "target-leads", "dead-letters", "replay")
    assert replayed.status == 3
    discarded = project.meltano("invoke", "target-leads", "dead-letters", "discard", "--because", "a test", "--yes")
    assert discarded.status == 0, discarded.log
    assert json.loads(project.meltano("invoke", "target-leads:dead-letters", "--format", "json").stdout) == []


def test_secrets_come_from_the_dotenv_file_and_are_not_shown(project: Project, emulator: Emulator) -> None:
    """What .env says wins over meltano.yml, is used, and stands in nothing that Meltano or the target prints."""
    (project.folder / ".env").write_text('TARGET_LEADS_PROVIDERS_PERCH_API_KEY="kept$to!myself"\n', encoding="utf-8")
    shown = project.meltano("--environment", "production", "config", "print", "target-leads")
    listed = project.meltano("--environment", "production", "config", "list", "target-leads")
    checked = project.meltano("--environment", "production", "invoke", "target-leads", "check", "--offline")
    assert json.loads(shown.stdout)["providers"]["perch"]["api_key"] == "*****"
    assert "from the TARGET_LEADS_PROVIDERS_PERCH_API_KEY variable in `.env`" in listed.stdout
    assert checked.status == 2
    assert "given, not shown" in checked.stdout
    assert "providers.bizmate.api_token: is required." in checked.stdout
    for ended in (shown, listed, checked):
        assert "kept" not in ended.stdout + ended.log

    # The emulator lets any credential in but this one.
    (project.folder / ".env").write_text("TARGET_LEADS_PROVIDERS_PERCH_API_KEY=refused\n", encoding="utf-8")
    ended = project.run()
    assert ended.status == 1
    assert "Check providers.perch.api_key" in ended.log
    assert not emulator.leads["perch"]


def test_the_schedule(project: Project, emulator: Emulator) -> None:
    """The schedule of the sample runs the pipeline, by the job's name."""
    schedules = json.loads(project.meltano("schedule", "list", "--format", "json").stdout)
    assert "leads-every-hour" in json.dumps(schedules)
    ended = project.meltano("schedule", "run", "leads-every-hour")
    assert ended.status == 0, ended.log
    assert sum(map(len, emulator.leads.values())) == 10


def test_a_provider_of_your_own(project: Project, emulator: Emulator, sandbox_url: str) -> None:
    """Meltano hands over settings that the definition cannot know, and what a variable of .env holds."""

    def own(settings: dict[str, Any]) -> None:
        (loader,) = settings["plugins"]["loaders"]
        loader["config"] = {
            "provider": "generic",
            "provider_paths": [str(OWN_PROVIDERS)],
            "providers": {"generic": {"base_url": f"{sandbox_url}/generic/v1", "token": "$GENERIC_TOKEN"}},
            "streams": {"crm-broker_leads": {"fields": {"company": "note"}}},
        }
        settings["plugins"]["extractors"][0]["select"] = ["crm-broker_leads.*"]

    project.change(own)
    (project.folder / ".env").write_text("GENERIC_TOKEN=mine\n", encoding="utf-8")
    ended = project.run()
    assert ended.status == 0, ended.log
    assert {lead["note"] for lead in emulator.leads["generic"].values()} == {
        "Banksia Joinery Pty Ltd",
        "Harbour Street Coffee",
    }
