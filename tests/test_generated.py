"""Files that are made from the settings say what the settings say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from target_leads.providers import bundled
from target_leads.settings_reference import complete_schema, rows

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def generated() -> Any:
    """The script that writes the files."""
    specification = importlib.util.spec_from_file_location("generated", TESTS / "generated.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_settings_page_is_in_step(generated: Any) -> None:
    """docs/settings.md is what `make settings` writes."""
    assert (generated.ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == generated.settings_page()


def test_meltano_project_is_in_step(generated: Any) -> None:
    """meltano.yml is what `make settings` writes."""
    assert (generated.ROOT / "meltano.yml").read_text(encoding="utf-8") == generated.meltano_project()


def test_definition_for_meltano_is_in_step(generated: Any) -> None:
    """The definition is what `make settings` writes; but for where it comes from, it is the loader of the project."""
    written = (generated.ROOT / "target_leads" / "target-leads.yml").read_text(encoding="utf-8")
    assert written == generated.meltano_definition()
    (loader,) = yaml.safe_load(generated.meltano_project())["plugins"]["loaders"]
    assert yaml.safe_load(written) == {**loader, "pip_url": '"${TARGET_LEADS_SOURCE}[postgres]"'}


def test_meltano_knows_every_setting_of_every_provider(generated: Any) -> None:
    """A credential has a Meltano setting of its own, marked sensitive, so that Meltano never shows it."""
    project = yaml.safe_load(generated.meltano_project())
    settings = {setting["name"]: setting for setting in project["plugins"]["loaders"][0]["settings"]}
    for name, definition in bundled().items():
        for setting in definition.settings:
            assert settings[f"providers.{name}.{setting}"].get("sensitive", False) == (setting in definition.secrets)
    assert settings.keys() >= complete_schema()["properties"].keys() - {"providers"}


def test_every_setting_is_described() -> None:
    """A person who reads a list of settings finds a title, a type and a sentence for each."""
    for row in rows(complete_schema()):
        assert row.title
        assert row.kind != "any", row.name
        assert row.description.endswith((".", "/")) or "http" in row.description, row.name
