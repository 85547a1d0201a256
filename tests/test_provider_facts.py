"""The page that says what is documented, assumed and unknown of each bundled provider."""

from __future__ import annotations

import json
import re

import pytest

from target_leads.providers import bundled
from tests.markdown import ROOT

FACTS = ROOT / "docs" / "provider-facts.md"


@pytest.mark.parametrize("name", sorted(bundled()))
def test_facts_of_every_provider(name: str) -> None:
    """What is documented, assumed and unknown has its place, with the pages on which the definition rests."""
    section = re.search(rf"^## {name}$(.*?)(?=^## |\Z)", FACTS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert section is not None
    headings = re.findall(r"^### (.+)$", section[1], re.MULTILINE)
    assert headings == [f"Documented by {name}", f"Assumed of {name}", f"Unknown of {name}"]
    definition = bundled()[name]
    assert tuple(re.findall(r"<(https://[^>]+)>", section[1])) == definition.documentation


@pytest.mark.parametrize("name", sorted(bundled()))
def test_facts_list_the_answers_that_no_page_shows(name: str) -> None:
    """A status that was made up for the sandbox is told from one that is documented."""
    folder = bundled()[name].folder / "responses"
    answers = [json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir()]
    answers = [answer for answer in answers if answer.get("call") != "read"]
    documented = {answer["status"] for answer in answers if answer["source"] != "assumed"}
    assumed = sorted({answer["status"] for answer in answers} - documented)
    section = FACTS.read_text(encoding="utf-8").split(f"\n## {name}\n")[1]
    told = re.search(r"Recorded answers that no page shows: (.+)\.$", section, re.MULTILINE)
    assert told is not None
    assert told[1] == ", ".join(map(str, assumed))


@pytest.mark.parametrize("name", sorted(bundled()))
def test_facts_tell_the_call(name: str) -> None:
    """The table has a row for each provider, with the method and path of its update."""
    update = bundled()[name].update
    rows = [line for line in FACTS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| [`{name}`]")]
    assert len(rows) == 1
    assert f"{update.method} `{update.path.replace('{lead_id}', '{id}')}`" in rows[0]
    assert ("| merged |" in rows[0]) == update.coalesce
    partial = "| kept |" in rows[0]
    assert partial == update.partial
