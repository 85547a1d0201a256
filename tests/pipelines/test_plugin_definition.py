"""The plugin definition, and the developers' project, in Meltano's own hands."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from jsonschema import Draft202012Validator
from meltano_project import ROOT, Project, checkout_at

import target_leads
from tests.markdown import blocks_to_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

DEFINITION = ROOT / "target_leads" / "target-leads.yml"
SAMPLE = "sample_data/leads.singer.jsonl"


def test_meltano_takes_the_definition_as_it_is(meltano: Path, tmp_path: Path) -> None:
    """`meltano add --from-ref` leaves nothing out, and takes a newer one without touching what is set."""
    project = Project(folder=tmp_path / "new", command=meltano)
    started = Project(folder=tmp_path, command=meltano).meltano("init", "new")
    assert started.status == 0, started.log
    definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    add = ("add", "target-leads", "--no-install", "--from-ref")
    assert project.meltano(*add, str(DEFINITION)).status == 0

    (loader,) = yaml.safe_load((project.folder / "meltano.yml").read_text(encoding="utf-8"))["plugins"]["loaders"]
    assert loader == definition
    assert project.meltano("config", "set", "target-leads", "reject_limit", "5%").status == 0
    newer = tmp_path / "newer.yml"
    newer.write_text(yaml.safe_dump({**definition, "executable": "target-leads-2"}), encoding="utf-8")
    assert project.meltano(*add, str(newer)).status == 0
    (loader,) = yaml.safe_load((project.folder / "meltano.yml").read_text(encoding="utf-8"))["plugins"]["loaders"]
    assert (loader["executable"], loader["config"]) == ("target-leads-2", {"reject_limit": "5%"})


def test_in_a_project_of_your_own(meltano: Path, installed: Project, tmp_path: Path) -> None:
    """What the page tells to type adds and installs the loader: from a checkout, and with what an installation prints.

    The checkout's folder may have a space in its name, whichever of Meltano's two ways installs from it.
    """
    from_checkout, from_installation = (
        block.text for block in blocks_to_run("docs/meltano.md", "In a project of your own", by=__file__)
    )
    checkout = checkout_at(tmp_path / "a checkout")
    from_checkout = from_checkout.replace("/path/to/target-leads", shlex.quote(str(checkout)))
    path = f"{installed.folder}/.meltano/loaders/target-leads/venv/bin:{installed.environment['PATH']}"
    ways = {
        "uv": (from_checkout, {"MELTANO_VENV_BACKEND": "uv"}),
        "virtualenv": (from_checkout, {"MELTANO_VENV_BACKEND": "virtualenv"}),
        "installation": (from_installation, {"PATH": path, "TARGET_LEADS_SOURCE": str(checkout)}),
    }
    for name, (commands, variables) in ways.items():
        started = Project(folder=tmp_path, command=meltano).meltano("init", name)
        assert started.status == 0, started.log
        project = Project(folder=tmp_path / name, command=meltano, variables=variables)
        project.shell(commands).must_have_installed()
        (loader,) = yaml.safe_load((project.folder / "meltano.yml").read_text(encoding="utf-8"))["plugins"]["loaders"]
        assert loader == yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
        version = project.meltano("invoke", "target-leads", "--version")
        assert version.stdout.startswith(f"target-leads v{target_leads.__version__},"), version.log


def test_meltanos_schema_finds_nothing_wrong(meltano: Path) -> None:
    """The projects and the definition have no key that Meltano does not know, and each value is of its kind."""
    (schema,) = meltano.parents[1].glob("lib/*/site-packages/meltano/schemas/meltano.schema.json")
    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    paths = (ROOT / "meltano.yml", ROOT / "sample_data" / "warehouse" / "meltano.yml", DEFINITION)
    *projects, definition = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths)
    for project in (*projects, {"plugins": {"loaders": [definition]}}):
        assert [error.message for error in validator.iter_errors(project)] == []


def test_the_developers_project_replays_files(meltano: Path, tmp_path: Path) -> None:
    """In a checkout the sample is delivered from its file, and Meltano keeps the last STATE in it."""
    folder = tmp_path / "checkout"
    for path in ("LICENSE", "README.md", "meltano.yml", "pyproject.toml", SAMPLE):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    shutil.copytree(ROOT / "target_leads", folder / "target_leads")
    project = Project(folder=folder, command=meltano)
    project.meltano("install").must_have_installed()
    ended = project.meltano("run", "tap-singer-jsonl", "target-leads")
    assert ended.status == 0, ended.log

    letters = json.loads(project.meltano("invoke", "target-leads:dead-letters", "--format", "json").stdout)
    assert [letter["lead_id"] for letter in letters] == ["Zc81vYhE", "00000000-0000-4000-8000-000000000404"]
    (run,) = json.loads(project.meltano("invoke", "target-leads:runs", "--format", "json").stdout)
    assert (run["received"], run["delivered"]) == (22, 20)
    messages = [json.loads(line) for line in (ROOT / SAMPLE).read_text(encoding="utf-8").splitlines()]
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    assert project.state("sandbox:tap-singer-jsonl-to-target-leads") == states[-1]
