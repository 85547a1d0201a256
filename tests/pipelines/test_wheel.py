"""The wheel itself, installed by Meltano as a user's project installs it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from meltano_project import Project

import target_leads

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_meltano_installs_and_runs_the_wheel(meltano: Path, wheel: Path, tmp_path: Path) -> None:
    """With the wheel's file as `pip_url` the sample goes from a tap through to the sandbox, with no checkout in sight.

    What the wheel needs comes from the package index in the newest versions that it lets in.
    """
    project = Project(folder=tmp_path / "leads", command=meltano)
    shutil.copytree(ROOT / "sample_data", project.folder / "sample_data", ignore=shutil.ignore_patterns("warehouse"))
    settings = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (loader,) = settings["plugins"]["loaders"]
    loader["pip_url"] = str(wheel)
    (project.folder / "meltano.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    project.meltano("install").must_have_installed()

    python = project.folder / ".meltano" / "loaders" / "target-leads" / "venv" / "bin" / "python"
    asks = "import target_leads; print(target_leads.__version__, target_leads.__file__)"
    told = subprocess.run([python, "-c", asks], cwd=tmp_path, env=project.environment, capture_output=True, check=True)
    version, _, file = told.stdout.decode().strip().partition(" ")
    assert version == target_leads.__version__
    assert Path(file).is_relative_to(project.folder)

    ended = project.meltano("run", "tap-singer-jsonl", "target-leads")
    assert ended.status == 0, ended.log
    (run,) = json.loads(project.meltano("invoke", "target-leads:runs", "--format", "json").stdout)
    assert [run[name] for name in ("received", "delivered", "invalid", "rejected")] == [22, 20, 1, 1]
