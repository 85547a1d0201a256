"""Testing a provider folder: everything that is wrong is told at once, with file and JSON path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.provider_check import folder_findings
from target_leads.providers import bundled

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDERS = {name: Path(str(definition.folder)) for name, definition in bundled().items()}


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., list[str]]:
    """What is found in a copy of a bundled folder, some values of which are set, by file and path; paths cut short."""

    def findings(name: str, *changes: tuple[str, tuple[str | int, ...], Any]) -> list[str]:
        folder = shutil.copytree(FOLDERS[name], tmp_path / name)
        for file, path, value in changes:
            data = json.loads((folder / file).read_text())
            inner = data
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = value
            (folder / file).write_text(json.dumps(data))
        return [finding.replace(f"{folder}/", "") for finding in folder_findings(folder)]

    return findings


ONE_MISTAKE: dict[str, tuple[str, tuple[str, tuple[str | int, ...], Any], list[str]]] = {
    "a field of the example that the schema lacks": (
        "perch",
        ("example.json", ("nickname",), "Avy"),
        ["example.json: $.nickname: is no field in lead.schema.json, so it would not be sent"],
    ),
    "an example that breaks the schema": (
        "perch",
        ("example.json", ("email",), "nonsense"),
        ["example.json: $.email: must be a valid email"],
    ),
    "an example without an id": (
        "perch",
        ("example.json", ("id",), ""),
        [
            (
                "example.json: $.id: holds no usable lead id: it must be text or a whole number, "
                "and neither blank nor . nor .."
            )
        ],
    ),
    "an answer that means something else": (
        "perch",
        ("responses/not_found.json", ("outcome",), "delivered"),
        [
            (
                "responses/not_found.json: $.outcome: is delivered, but by provider.json this answer means rejected "
                "(404 Not Found: the lead does not exist or is not visible to this key). Mend the one or the other"
            )
        ],
    ),
    "a success that is none": (
        "perch",
        ("responses/success.json", ("status",), 500),
        [
            (
                "responses/success.json: $.outcome: is delivered, but by provider.json this answer means failed "
                "(500 Internal Server Error). Mend the one or the other"
            ),
            (
                "example.json: $: sent to the sandbox, which answers with the folder's own responses, it ends as "
                "failed (500 Internal Server Error). Mend provider.json, or the response to a success"
            ),
        ],
    ),
    "a lead that is read elsewhere": (
        "perch",
        ("provider.json", ("read", "lead_at"), "/lead"),
        ["responses/read_success.json: $.body: has no lead at /lead, where by $.read.lead_at in provider.json it is"],
    ),
    "an answer about a job where there is none": (
        "perch",
        ("responses/not_found.json", ("call",), "job"),
        ["responses/not_found.json: $.call: is job, but provider.json has no $.job"],
    ),
    "a job that ends badly": (
        "propexo_entrata",
        ("responses/job_pending.json", ("status",), 401),
        [
            (
                "responses/job_pending.json: $.outcome: is unconfirmed, but by provider.json this answer means "
                "unsettled (401 Unauthorized: the credentials are refused). Mend the one or the other"
            ),
            (
                "example.json: $: sent to the sandbox, which answers with the folder's own responses, its job ends as "
                "unsettled (401 Unauthorized: the credentials are refused). Mend $.job in provider.json, or the "
                "responses of the job"
            ),
        ],
    ),
}


@pytest.mark.parametrize("mistake", ONE_MISTAKE)
def test_one_mistake(mistake: str, broken: Callable[..., list[str]]) -> None:
    """Each is found by what it breaks, in words that say where to mend it."""
    name, change, findings = ONE_MISTAKE[mistake]
    assert broken(name, change) == findings


def test_all_at_once(broken: Callable[..., list[str]]) -> None:
    """No file hides what is wrong with another, even where there is no definition to hold the rest against."""
    found = broken(
        "perch",
        ("provider.json", ("update", "method"), "GET"),
        ("lead.schema.json", ("properties", "email", "format"), "e-mail"),
        ("responses/success.json", ("status",), "good"),
        ("responses/not_found.json", ("outcome",), "lost"),
    )
    places = [finding.split(": ", 2)[:2] for finding in found]
    assert places == [
        ["provider.json", "$.update.method"],
        ["lead.schema.json", "$.properties.email.format"],
        ["responses/not_found.json", "$.outcome"],
        ["responses/success.json", "$.status"],
    ]


def test_what_needs_no_more_than_what_is_right(broken: Callable[..., list[str]]) -> None:
    """An answer is held against the rules for answers, and the example against the schema, whatever else is wrong."""
    assert broken(
        "perch",
        ("provider.json", ("title",), ""),
        ("provider.json", ("update", "method"), "GET"),
        ("provider.json", ("base_url", "urls", "production"), "http://api.example.com"),
        ("provider.json", ("authentication", "headers", "x-key"), "{api_kay}"),
        ("example.json", ("email",), "nonsense"),
        ("responses/not_found.json", ("outcome",), "delivered"),
    ) == [
        "provider.json: $.title: '' should be non-empty",
        "provider.json: $.update.method: 'GET' is not one of PATCH, PUT, POST",
        (
            "provider.json: $.base_url.urls.production: must be https, as credentials travel to it. Plain http is for "
            "loopback only, not for api.example.com."
        ),
        "provider.json: $.authentication.headers.x-key: {api_kay} is neither a setting nor one of none",
        (
            "responses/not_found.json: $.outcome: is delivered, but by provider.json this answer means rejected "
            "(404 Not Found: the lead does not exist or is not visible to this key). Mend the one or the other"
        ),
        "example.json: $.email: must be a valid email",
    ]


@pytest.mark.parametrize("part", ["lead_id", "responses", "schema"])
def test_what_needs_a_part_that_is_wrong(part: str, broken: Callable[..., list[str]]) -> None:
    """It is not judged: nothing is called wrong only because something else is."""
    change: Any = {
        "lead_id": ("provider.json", ("lead_id",), 5),
        "responses": ("provider.json", ("update", "responses"), 5),
        "schema": ("lead.schema.json", ("properties",), 5),
    }[part]
    (finding,) = broken("perch", change)
    assert finding.startswith(f"{change[0]}: $")


def test_files_that_are_missing(tmp_path: Path) -> None:
    """A folder has to have all of them to be tested, also those that a run does not read."""
    found = [finding.removeprefix(f"{tmp_path}/").split(":")[0] for finding in folder_findings(tmp_path)]
    assert found == ["provider.json", "lead.schema.json", "example.json", "responses"]


@pytest.mark.parametrize("name", ["perch", "connect2capital", "propexo_entrata"])
def test_a_definition_that_cannot_be_read_judges_no_answer(name: str, tmp_path: Path) -> None:
    """Of a ``provider.json`` that is no JSON that alone is told."""
    folder = shutil.copytree(FOLDERS[name], tmp_path / name)
    (folder / "provider.json").write_text("{")
    (finding,) = folder_findings(folder)
    assert finding.startswith(f"{folder}/provider.json: is no JSON: ")
