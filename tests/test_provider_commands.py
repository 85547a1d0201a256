"""Looking at providers: which there are, what each wants, and whether a folder is right."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.providers import bundled, load_example
from target_leads.providers.fields import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

OWN_PROVIDERS = Path(__file__).parent / "providers"
PERCH = Path(str(bundled()["perch"].folder))


def test_the_list_at_80_columns(command: Callable[..., Any]) -> None:
    """Names, titles, and the settings without which there is nothing to do; that there is more is said."""
    ended = command("providers", "list", columns=80)
    assert (ended.status, ended.stderr) == (0, "On a wider screen there is more: documentation.\n")
    assert ended.stdout.splitlines() == [
        "name             title                                  needs",
        "bizmate          Bizcap Bizmate CRM Partner API         api_token",
        "connect2capital  CRF Connect2Capital Lead Management    api_key, service_partner",
        "                 API",
        "perch            Perch Partner API                      api_key",
        "powerchord       PowerChord Leads API                   access_token",
        "propexo_entrata  Propexo API for Entrata                api_token",
    ]


def test_the_list_in_a_pipe(command: Callable[..., Any]) -> None:
    """One line for each provider, its documentation too."""
    lines = command("providers", "list").stdout.splitlines()
    assert len(lines) == 6
    assert lines[3].split()[-1] == "https://docs.myperch.io/partner-api/lead/update-lead"


def test_the_list_for_scripts(command: Callable[..., Any]) -> None:
    """The same as JSON; providers of the user's own are in it, by setting or by option."""
    Path("config.json").write_text(json.dumps({"provider_paths": [str(OWN_PROVIDERS)]}))
    rows = json.loads(command("--config", "config.json", "providers", "list", "--format", "json").stdout)
    assert rows[2] == {
        "name": "generic",
        "title": "A generic lead API",
        "needs": ["token"],
        "documentation": "https://api.example.com/docs",
    }
    named = command("providers", "list", "--provider-path", str(OWN_PROVIDERS), "--format", "json")
    assert json.loads(named.stdout) == rows


PERCH_AT_80 = """\
Perch Partner API: https://docs.myperch.io/partner-api/lead/update-lead

Update    PATCH https://api.partner.myperch.io/v1/leads/{lead_id}  (environment:
          production)
Update    PATCH https://api.partner.dit.myperch.io/v1/leads/{lead_id}
          (environment: sandbox)
Lead id   column id, if nothing else was set; sent in the path
Left out  fields that an update leaves out are kept
Waiting   updates of one lead that wait together are merged into one
Limits    none is built in: set providers.perch.rate_limits if you know one

Settings under providers.perch
setting      default     description
api_key      (required)  Secret. Key of the Perch Partner API, a UUID. Perch
                         sends it by e-mail (partnersupport@myperch.io). A key
                         belongs to one environment.
environment  production  One of production, sandbox. Perch environment that the
                         key is for: production, or Perch's own sandbox.

Fields, beside the lead's id
field                             type               required
email                             email              yes
    E-mail of the lead. The lead converts only if the client signs up with this
    address.
"""


def test_one_at_80_columns(command: Callable[..., Any]) -> None:
    """How it is called, its settings, and what each field is, readable on a narrow screen."""
    ended = command("providers", "show", "perch", columns=80)
    assert ended.status == 0
    assert ended.stdout.startswith(PERCH_AT_80)
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_one_at_120_columns(command: Callable[..., Any]) -> None:
    """On a wide screen a field's description stands beside it."""
    lines = command("providers", "show", "perch", columns=120).stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("resourceType ")]
    assert line.split(maxsplit=3)[1:] == ["text", "yes", "One of ClientProfile, Firm, FirmMember. What owns the"]
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", bundled())
def test_one_in_a_pipe(name: str, command: Callable[..., Any]) -> None:
    """Each field is one line, with all that is said of it; the example is the folder's."""
    definition = bundled()[name]
    stdout = command("providers", "show", name).stdout
    lines = stdout.splitlines()
    for field in fields_of(definition):
        (line,) = [line for line in lines if line.startswith(f"{field.name}  ")]
        assert field.description.split()[-1] in line
    assert json.dumps(load_example(definition), indent=2) in stdout


def test_one_for_scripts(command: Callable[..., Any]) -> None:
    """The same as JSON, with names for what the table says in words."""
    shown = json.loads(command("providers", "show", "connect2capital", "--format", "json").stdout)
    assert shown.keys() == {
        "name", "title", "documentation", "settings", "base_urls", "lead_id", "update", "rate_limits", "fields",
        "example",
    }  # fmt: skip
    assert shown["settings"]["environment"] == {
        "title": "Environment",
        "description": shown["settings"]["environment"]["description"],
        "secret": False,
        "choices": ["production", "test"],
        "default": "production",
    }
    assert shown["update"] == {
        "method": "POST",
        "path": "/api/v1/{service_partner}/leads",
        "partial": False,
        "coalesce": False,
        "leads_in_a_request": 1,
        "writes_later": False,
    }
    status, *_ = shown["fields"]
    assert (status["name"], status["kind"], status["required"], status["nullable"]) == ("status", "text", True, False)
    assert status["choices"][:2] == ["Reviewed", "Contacted"]
    months = next(field for field in shown["fields"] if field["name"] == "fundedTermMonths")
    assert (months["kind"], months["nullable"], months["comment"]) == ("whole number", True, "The page says int32.")


@pytest.mark.parametrize("name", bundled())
def test_a_query_to_paste(name: str, command: Callable[..., Any]) -> None:
    """It runs as it stands, with a column for the id and for each field that a column can stand for, each known."""
    query = command("providers", "show", name, "--format", "query").stdout
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE your_table (id)")
        columns = [column for column, *_ in connection.execute(query).description]
    definition = bundled()[name]
    assert columns[0] == definition.lead_id.name
    assert [definition.lead_schema.path_of(column) for column in columns[1:]] == [
        tuple(field.name.split(".")) for field in fields_of(definition) if field.is_column
    ]


@pytest.mark.parametrize("name", bundled())
def test_a_map_to_paste(name: str, command: Callable[..., Any]) -> None:
    """A stream with it goes through the check of the settings: each is a field of the provider, and none is twice."""
    fields = json.loads(command("providers", "show", name, "--format", "fields").stdout)
    assert len(fields) == len([field for field in fields_of(bundled()[name]) if field.is_column])
    account = {"api_key": "k", "api_token": "t", "access_token": "t", "service_partner": "s"}
    given = {key: value for key, value in account.items() if key in bundled()[name].settings}
    settings = {"providers": {name: given}, "streams": {"crm": {"provider": name, "fields": fields}}}
    Path("config.json").write_text(json.dumps(settings))
    assert command("check", "--offline", "--config", "config.json").status == 0


def test_one_that_does_not_exist(command: Callable[..., Any]) -> None:
    """Status 1, and what there is."""
    ended = command("providers", "show", "pearch")
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == (
        "Error: there is no provider pearch; there are bizmate, connect2capital, perch, powerchord, propexo_entrata. "
        "Did you mean perch?\n"
    )


def test_a_folder_that_is_right(command: Callable[..., Any]) -> None:
    """Status 0; a folder of folders stands for those in it."""
    ended = command("providers", "check", str(OWN_PROVIDERS))
    assert (ended.status, ended.stdout) == (0, f"{OWN_PROVIDERS}/generic: nothing is wrong\n")


def test_the_bundled_ones_go_through_the_same(command: Callable[..., Any]) -> None:
    """So they do without any folder named; those that the settings name as well."""
    Path("config.json").write_text(json.dumps({"provider_paths": [str(OWN_PROVIDERS)]}))
    ended = command("providers", "check", "--config", "config.json", "--format", "json")
    tested = json.loads(ended.stdout)
    assert ended.status == 0
    assert [Path(each["folder"]).name for each in tested] == [*bundled(), "generic"]
    assert {tuple(each) for each in tested} == {("folder", "findings")}


def test_a_folder_that_is_wrong(command: Callable[..., Any], tmp_path: Path) -> None:
    """Status 2, and everything at once, with file and JSON path; a taken name, and a folder that is none, too."""
    folder = shutil.copytree(PERCH, tmp_path / "own")
    example = json.loads((folder / "example.json").read_text())
    (folder / "example.json").write_text(json.dumps({**example, "email": None}))
    ended = command("providers", "check", str(folder), "nowhere")
    assert ended.status == 2
    assert ended.stdout.splitlines() == [
        f"{folder}: 2 findings",
        f" -  {folder}/example.json: $.email: is required",
        f" -  {folder}/provider.json: $.name: perch is a bundled provider. Give it another name.",
        "nowhere: 1 finding",
        " -  nowhere: is no provider folder and holds none: there is no provider.json.",
    ]


def test_the_sdk_is_not_imported() -> None:
    """A person waits for none of what a run needs."""
    program = (
        "import sys\nfrom target_leads.cli import main\n"
        "try:\n    main(['providers', 'list'])\nexcept SystemExit:\n    pass\n"
        "print(*sorted(name for name in ('singer_sdk', 'sqlalchemy', 'requests', 'uvicorn') if name in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == ""


def test_the_sandbox_says_its_scenarios(command: Callable[..., Any]) -> None:
    """In its help, each with what it does; one that does not exist is told with those that do."""
    help_text = command("sandbox", "--help").stdout
    assert re.findall(r"^    (\w+)  +\S", help_text, re.MULTILINE) == [
        "healthy", "flaky", "throttled", "refusing", "slow", "down",
    ]  # fmt: skip
    assert max(map(len, help_text.splitlines())) <= 80
    ended = command("sandbox", "--scenario", "flakey")
    assert ended.status == 2
    assert "'flakey' is not one of 'healthy', 'flaky', 'throttled', 'refusing', 'slow', 'down'." in ended.stderr
