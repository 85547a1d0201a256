"""What the person who operates a Meltano project does beside ``meltano run``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from meltano_project import ROOT

from target_leads.providers import bundled, load_all
from target_leads.sandbox import Emulator, running
from tests.markdown import blocks, blocks_to_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from meltano_project import Project

pytestmark = pytest.mark.slow

NOT_AN_ADDRESS = "UPDATE crm.mortgage_leads SET email = 'noor at example.com' WHERE perch_id = 'b9TrQ2Lm'"


def test_the_commands_of_the_page(project: Project, emulator: Emulator) -> None:
    """Each does its work: after records were refused for what the settings lacked, and that was put right."""
    (commands,) = blocks_to_run("docs/meltano.md", "Commands", by=__file__)
    right = (project.folder / "meltano.yml").read_text(encoding="utf-8")
    project.change(
        lambda settings: settings["environments"][0]["config"]["plugins"]["loaders"][0]["config"].pop("streams")
    )
    assert project.run().status == 0
    assert not emulator.leads["perch"]
    (project.folder / "meltano.yml").write_text(right, encoding="utf-8")

    done = project.shell(commands.text)
    assert done.status == 0, done.log
    assert "2 delivered" in done.log
    assert emulator.leads["perch"].keys() == {"g4XWxPqY", "b9TrQ2Lm"}
    for words in ("$.resourceId is required", "amountRequested", '"bookmarks"'):
        assert words in done.stdout


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


def test_production(project: Project, emulator: Emulator, sandbox_url: str) -> None:
    """The sample's production lacks what only its user has, and says so; given that in .env, it delivers.

    What an emulator does in the providers' place: variables name its address.
    """
    (commands,) = blocks_to_run("docs/meltano.md", "Credentials and environments", by=__file__)
    checked = project.meltano("--environment", "production", "invoke", "target-leads", "check", "--offline")
    assert checked.status == 2
    missing = [
        f"providers.{name}.{setting}: is required."
        for name, definition in bundled().items()
        for setting, each in definition.settings.items()
        if each.default is None
    ]
    assert "providers.connect2capital.service_partner: is required." in missing
    for words in (
        *missing,
        "streams.crm-mortgage_leads: perch requires resourceId, which no field and no constant gives",
    ):
        assert words in checked.stdout
    assert f"{len(missing) + 1} findings." in checked.stdout

    example = (ROOT / "sample_data" / "warehouse" / "env.example").read_text(encoding="utf-8")
    example = example.replace("/path/to/target-leads", str(ROOT))
    given, count = re.subn(r"^# (\w+)=$", r"\1=my-own", example, flags=re.MULTILINE)
    assert count == len(missing) + 1
    addresses = {
        f"TARGET_LEADS_PROVIDERS_{name.upper()}_BASE_URL": f"{sandbox_url}{definition.sandbox_path}"
        for name, definition in bundled().items()
    }
    given += "".join(f"{name}={address}\n" for name, address in addresses.items())
    (project.folder / ".env").write_text(given, encoding="utf-8")
    done = project.shell(commands.text)
    assert done.status == 0, done.log
    assert "Nothing is wrong." in done.stdout
    assert {name: len(emulator.leads[name]) for name in bundled()} == dict.fromkeys(bundled(), 2)
    assert {lead["resourceId"] for lead in emulator.leads["perch"].values()} == {"my-own"}
    paths = {each.path for each in emulator.requests if each.provider == "connect2capital"}
    assert paths == {"/connect2capital/api/v1/my-own/leads"}
    assert project.state("production:tap-postgres-to-target-leads")["bookmarks"]
    assert project.state("sandbox:tap-postgres-to-target-leads") == {}


def test_the_schedule(project: Project, emulator: Emulator) -> None:
    """The schedule of the sample runs the pipeline, by the job's name."""
    (commands,) = blocks_to_run("docs/meltano.md", "On a schedule", by=__file__)
    ended = project.shell(commands.text)
    assert ended.status == 0, ended.log
    assert sum(map(len, emulator.leads.values())) == 10


def test_a_provider_of_your_own(project: Project) -> None:
    """Meltano hands over settings that the definition cannot know, and what a variable of .env holds.

    The folder is the one that the guide for authors makes.
    """
    (part,) = blocks_to_run("docs/meltano.md", "In a project of your own", by=__file__)
    for block in blocks(ROOT / "docs" / "providers.md"):
        if block.mark == "file" and block.value.startswith("acme/"):
            file = project.folder / "providers" / block.value
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
    definitions = load_all([str(project.folder / "providers")])
    emulator = Emulator(definitions, "healthy")

    def own(settings: dict[str, Any]) -> None:
        (loader,) = settings["plugins"]["loaders"]
        loader["config"] = yaml.safe_load(part.text)["config"]
        loader["config"]["providers"]["acme"]["base_url"] = url + definitions["acme"].sandbox_path
        loader["config"]["streams"] = {"crm-broker_leads": {"provider": "acme", "fields": {"company": "note"}}}
        settings["environments"] = [{"name": "sandbox"}]
        settings["plugins"]["extractors"][0]["select"] = ["crm-broker_leads.*"]

    (project.folder / ".env").write_text("ACME_KEY=mine\n", encoding="utf-8")
    with running(emulator) as url:
        project.change(own)
        ended = project.run()
    assert ended.status == 0, ended.log
    assert {lead["note"] for lead in emulator.leads["acme"].values()} == {
        "Banksia Joinery Pty Ltd",
        "Harbour Street Coffee",
    }
