"""All that would be wrong with a run, told at once, and nothing sent or made on the way."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.sandbox import Emulator

OWN_PROVIDERS = Path(__file__).parent / "providers"
SECRET = "kept-to-myself-4711"


@pytest.fixture
def check(command: Callable[..., Any]) -> Callable[..., Any]:
    """Does the check with these settings."""

    def do(settings: dict[str, Any], *arguments: str, **options: Any) -> Any:
        Path("config.json").write_text(json.dumps(settings))
        return command("check", "--config", "config.json", *arguments, **options)

    return do


@pytest.fixture
def findings(check: Callable[..., Any]) -> Callable[..., list[str]]:
    """What the check finds without connecting to anything."""

    def found(settings: dict[str, Any]) -> list[str]:
        ended = check(settings, "--offline", "--format", "json")
        told: list[str] = json.loads(ended.stdout)["findings"]
        assert ended.status == (2 if told else 0)
        assert SECRET not in ended.stdout + ended.stderr
        return told

    return found


ALL_THAT_PERCH_REQUIRES = {
    "mail": "email",
    "first": "firstName",
    "last": "lastName",
    "kind": "resourceType",
    "firm": "resourceId",
}
RIGHT_AT_80 = """\
Store: sqlite:///target-leads.db: not there yet; the first run makes it

provider  setting      is
generic   token        given, not shown
perch     api_key      given, not shown
perch     environment  production, default

provider  host                         connection
generic   <URL>/generic/v1  reached
perch     <URL>/perch/v1    reached

stream  goes to
crm     perch

Nothing is wrong.
"""


def test_what_is_right(check: Callable[..., Any], generic_config: dict[str, Any], emulator: Emulator) -> None:
    """Every provider is reached and hears no request; no store is made; no credential is shown."""
    url = generic_config["providers"]["generic"]["base_url"].removesuffix("/generic/v1")
    generic_config["providers"]["perch"] = {"api_key": SECRET, "base_url": f"{url}/perch/v1"}
    generic_config["streams"] = {"crm": {"provider": "perch", "fields": ALL_THAT_PERCH_REQUIRES}}
    ended = check(generic_config, columns=80)
    assert (ended.status, ended.stderr) == (0, "")
    assert " ".join(ended.stdout.replace(url, "<URL>").split()) == " ".join(RIGHT_AT_80.split())
    assert emulator.request_count == 0
    assert [path.name for path in Path().iterdir()] == ["config.json"]


def test_what_is_right_for_scripts(check: Callable[..., Any], generic_config: dict[str, Any]) -> None:
    """The same as JSON."""
    found = json.loads(check(generic_config, "--offline", "--format", "json").stdout)
    assert found == {
        "findings": [],
        "warnings": [],
        "providers": [
            {
                "name": "generic",
                "account": "default",
                "base_url": generic_config["providers"]["generic"]["base_url"],
                "settings": [{"name": "token", "secret": True, "source": "given", "value": None}],
                "connection": "",
            }
        ],
        "streams": {},
        "store": "sqlite:///target-leads.db: not there yet; the first run makes it",
    }


MANY_WRONG: dict[str, Any] = {
    "provider": "perchh",
    "concurency": 3,
    "batch_size_rows": 0,
    "stream_maps": "leads",
    "store_url": "sqlite:///nowhere/leads.db",
    "report_path": "nowhere/report.json",
    "provider_paths": ["nowhere"],
    "streams": {
        "wrong": {"nulls": "keep"},
        "crm": {"provider": "perch", "fields": {"mail": "email", "tel": "telephone"}, "constants": {"country": "CA"}},
        "other": {"provider": "acme"},
    },
    "providers": {
        "perch": {"environment": "sandbox"},
        "bizmate": {"api_token": SECRET, "base_url": "http://bizmate.example.com", "apikey": SECRET},
        "powerchord": SECRET,
    },
}
KNOWN = "bizmate, connect2capital, perch, powerchord, propexo_entrata"
PERCH_HAS = "email, firstName, lastName, resourceType, resourceId, phone, clientData, referredByReferralCodeId"


def test_everything_is_told_at_once(findings: Callable[..., list[str]]) -> None:
    """A mistake in one place hides none in another: settings, streams, providers, folders, store, report."""
    found = findings(MANY_WRONG)
    assert [finding for finding in found if "Key of the Perch" not in finding] == [
        "stream_maps: must be of type object or null.",
        "streams.wrong.nulls: must be one of omit, send, but was 'keep'.",
        "providers.powerchord: must be of type object.",
        "batch_size_rows: must be at least 1, but was 0.",
        "provider_paths: nowhere is no provider folder and holds none: there is no provider.json.",
        f"provider: must be one of {KNOWN}, but was 'perchh'. Did you mean perch?",
        f"streams.other.provider: must be one of {KNOWN}, but was 'acme'.",
        (
            "providers.bizmate.apikey: is not one of api_token, account, base_url, concurrency, rate_limits. "
            "Did you mean api_token?"
        ),
        (
            "providers.bizmate.base_url: must be https, as credentials travel to it. Plain http is for loopback only, "
            "not for bizmate.example.com."
        ),
        f"streams.crm.constants: country is no field of perch; it has {PERCH_HAS}.",
        f"streams.crm.fields: telephone is no field of perch; it has {PERCH_HAS}. Did you mean phone?",
        "report_path: there is no folder nowhere. Make it, or name another.",
        "store_url: there is no folder nowhere for leads.db. Make it, or name another.",
    ]
    assert [finding.split(":")[0] for finding in found if "Key of the Perch" in finding] == ["providers.perch.api_key"]


SCREEN_AT_80 = """\
provider  setting      is
bizmate   api_token    given, not shown
perch     api_key      MISSING
perch     environment  sandbox, given
"""
ENDING_AT_80 = """\
-  store_url: there is no folder nowhere for leads.db. Make it, or name another.

14 findings and 1 warning.
"""


def test_the_screen_of_what_is_wrong(check: Callable[..., Any]) -> None:
    """Which credentials are there, then warnings, then findings, then how many."""
    ended = check(MANY_WRONG, "--offline", columns=80)
    assert ended.status == 2
    assert SCREEN_AT_80 in ended.stdout
    assert "Warnings:\n-  There is no setting concurency; it has no effect. Did you mean concurrency?\n" in ended.stdout
    assert ended.stdout.endswith(ENDING_AT_80)
    assert SECRET not in ended.stdout


def test_files_and_variables(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that can be read are checked although others cannot; variables count, before the subcommand too."""
    Path("broken.json").write_text("{")
    Path("right.json").write_text(json.dumps({"providers": {"perch": {"api_key": SECRET}}, "max_tries": 0}))
    monkeypatch.setenv("TARGET_LEADS_BATCH_SIZE_ROWS", "0")
    arguments = (
        "--config",
        "missing.json",
        "--config",
        "ENV",
        "check",
        "--config",
        "broken.json",
        "--config",
        "right.json",
    )
    found = json.loads(command(*arguments, "--offline", "--format", "json").stdout)
    assert found["findings"] == [
        "--config missing.json: cannot be read: No such file or directory.",
        "--config broken.json: is no JSON at line 1, column 2.",
        "batch_size_rows: must be at least 1, but was 0.",
        "max_tries: must be at least 1, but was 0.",
    ]
    assert [each["name"] for each in found["providers"]] == ["perch"]
    monkeypatch.setenv("TARGET_LEADS_BATCH_SIZE_ROWS", "many")
    found = json.loads(command(*arguments, "--offline", "--format", "json").stdout)
    assert "TARGET_LEADS_BATCH_SIZE_ROWS: must be a whole number." in found["findings"]


def test_a_broken_folder_is_told_once(findings: Callable[..., list[str]], tmp_path: Path) -> None:
    """The folders beside it are read, and their providers are known."""
    folders = shutil.copytree(OWN_PROVIDERS, tmp_path / "own")
    shutil.copytree(folders / "generic", folders / "broken")
    (folders / "broken" / "provider.json").write_text("{}")
    settings = {"provider_paths": [str(folders)], "provider": "generic", "providers": {"generic": {"token": SECRET}}}
    found = findings(settings)
    assert found
    assert all(finding.startswith(f"{folders}/broken/provider.json: $: ") for finding in found)


def test_a_provider_of_a_broken_folder(findings: Callable[..., list[str]], tmp_path: Path) -> None:
    """It is not unknown as well, nor is a stream that is called so; another name that is misspelt is."""
    folder = shutil.copytree(OWN_PROVIDERS / "generic", tmp_path / "own" / "acme")
    definition = json.loads((folder / "provider.json").read_text())
    (folder / "provider.json").write_text(json.dumps({**definition, "name": "acme", "title": ""}))
    settings = {"provider_paths": [str(tmp_path / "own")], "provider": "acme", "streams": {"acme": {}}}
    known = f"acme, {KNOWN}"
    assert findings(settings) == [f"{folder}/provider.json: $.title: '' should be non-empty"]
    assert findings({**settings, "provider": "acmee"}) == [
        f"{folder}/provider.json: $.title: '' should be non-empty",
        f"provider: must be one of {known}, but was 'acmee'. Did you mean acme?",
    ]


def test_what_stands_beside_a_mistake(findings: Callable[..., list[str]]) -> None:
    """In a stream and in a map of fields what is right is looked at too, and what is wrong is not missed."""
    settings = {
        "streams": {
            "crm": {
                "provider": "perch",
                "nulls": "keep",
                "field": {},
                "fields": {"a": 5, "b": "emial"},
                "constants": {"x": 1},
            },
            "erp": {"provider": 5},
        },
        "providers": {"perch": {"api_key": SECRET, "enviroment": "sandbox"}, "bizmat": {}},
        "store_url": 5,
    }
    keys = "provider, lead_id, fields, constants, nulls, unknown_fields, version_field, coerce"
    assert findings(settings) == [
        f"streams.crm.field: is not one of {keys}. Did you mean fields?",
        "streams.crm.fields.a: must be of type string, but was 5.",
        "streams.crm.nulls: must be one of omit, send, but was 'keep'.",
        "streams.erp.provider: must be of type string, but was 5.",
        "store_url: must be of type string.",
        f"providers.bizmat: must be one of {KNOWN}, but was 'bizmat'. Did you mean bizmate?",
        (
            "providers.perch.enviroment: is not one of api_key, environment, account, base_url, concurrency, "
            "rate_limits. Did you mean environment?"
        ),
        f"streams.crm.constants: x is no field of perch; it has {PERCH_HAS}.",
        f"streams.crm.fields: emial is no field of perch; it has {PERCH_HAS}. Did you mean email?",
    ]


def test_a_stream_that_is_called_as_a_provider(findings: Callable[..., list[str]]) -> None:
    """It goes there, so the provider's settings are needed."""
    (finding,) = findings({"streams": {"bizmate": {}}})
    assert finding.startswith("providers.bizmate.api_token: is required. ")
    assert findings({"provider_field": "partner", "streams": {"bizmate": {}}}) == []


def test_no_word_of_where_streams_go(check: Callable[..., Any]) -> None:
    """That may be right, if every stream is called as a provider is; so it is a warning."""
    found = json.loads(check({"providers": {"perch": {"api_key": SECRET}}}, "--offline", "--format", "json").stdout)
    assert (found["findings"], found["warnings"]) == (
        [],
        [
            (
                "No setting says which provider a stream goes to, so only those go anywhere that are called as a "
                f"provider is: {KNOWN}. For others set provider, or streams.<stream>.provider."
            )
        ],
    )


def test_a_run_tells_as_much(command: Callable[..., Any]) -> None:
    """All that is wrong, settings, streams, providers and folders, in the words of the check; but the store is left."""
    Path("config.json").write_text(json.dumps(MANY_WRONG))
    checked = json.loads(command("check", "--config", "config.json", "--offline", "--format", "json").stdout)
    ended = command("--config", "config.json")
    told = [finding for finding in checked["findings"] if not finding.startswith("store_url")]
    assert ended.status == 2
    lines = [line for line in ended.stderr.splitlines() if " | " not in line]
    assert sorted(lines) == sorted(told)
    Path("broken.json").write_text("{")
    ended = command("--config", "config.json", "--config", "broken.json")
    assert ended.stderr == "--config broken.json: is no JSON at line 1, column 2.\n"


def test_a_stream_that_goes_nowhere(findings: Callable[..., list[str]]) -> None:
    """Nothing says which provider it is for."""
    (finding,) = findings({"streams": {"crm": {}}})
    assert finding.startswith("streams.crm.provider: no setting says which provider the stream crm goes to.")


def test_what_the_sdk_refuses(findings: Callable[..., list[str]]) -> None:
    """Stream maps and flattening are its own, and so is its judgement."""
    (finding,) = findings({"stream_maps": {"__else__": "all"}})
    assert finding.startswith("stream_maps: Undefined transform for '__else__'")


def test_what_a_provider_requires_and_nothing_gives(findings: Callable[..., list[str]]) -> None:
    """Fields that are mapped are all that a record can bring. Without a map its columns are not known yet."""
    settings: dict[str, Any] = {
        "providers": {"perch": {"api_key": SECRET}},
        "streams": {
            "crm": {"provider": "perch", "fields": {"mail": "email", "first": "firstName", "last": "lastName"}},
            "erp": {"provider": "perch"},
        },
    }
    settings["streams"]["crm"]["constants"] = {"resourceType": "Firm"}
    assert findings(settings) == [
        (
            "streams.crm: perch requires resourceId, which no field and no constant gives: records will be invalid. "
            "Map fields to them with streams.crm.fields, or set them in streams.crm.constants."
        )
    ]
    settings["streams"]["crm"]["constants"]["resourceId"] = "F1"
    assert findings(settings) == []


def test_a_stream_whose_records_say_where_they_go(check: Callable[..., Any]) -> None:
    """A provider that lacks a field of it is a warning: there may be no record for it."""
    settings = {
        "provider_field": "partner",
        "providers": {"perch": {"api_key": SECRET}, "bizmate": {"api_token": SECRET}},
        "streams": {"crm": {"fields": {"mail": "email", "abn": "abn"}}},
    }
    found = json.loads(check(settings, "--offline", "--format", "json").stdout)
    assert (found["findings"], found["streams"]) == ([], {"crm": ""})
    assert found["warnings"] == [f"streams.crm.fields: abn is no field of perch; it has {PERCH_HAS}."]


def test_the_sandbox_needs_no_credential(check: Callable[..., Any]) -> None:
    """It is not started, and nothing is connected to; what is wrong beside the credentials is found all the same."""
    settings = {"sandbox": True, "streams": {"perch": {}}, "providers": {"bizmate": {"apikey": SECRET}}}
    found = json.loads(check(settings, "--format", "json").stdout)
    sources = {each["name"]: [setting["source"] for setting in each["settings"]] for each in found["providers"]}
    assert sources == {"bizmate": ["sandbox"], "perch": ["sandbox", "default"]}
    assert [finding.split(":")[0] for finding in found["findings"]] == ["providers.bizmate.apikey"]


def test_a_host_that_is_not_reached_now(check: Callable[..., Any]) -> None:
    """A warning: a run would end with 75 and could succeed in an hour. Status 0."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: no server of another test gets it
        port = taken.getsockname()[1]
        settings = {
            "provider": "perch",
            "providers": {"perch": {"api_key": SECRET, "base_url": f"http://127.0.0.1:{port}"}},
        }
        ended = check(settings, "--format", "json")
    found = json.loads(ended.stdout)
    assert (ended.status, found["findings"]) == (0, [])
    assert found["warnings"] == [
        (
            f"perch: http://127.0.0.1:{port} is not reached: the host takes no connection. "
            "See to the network and the base URL."
        )
    ]


def test_a_handshake_that_fails_is_no_matter_of_time(check: Callable[..., Any], generic_config: dict[str, Any]) -> None:
    """A finding: somebody has to mend it. Here the server speaks no TLS at all."""
    account = generic_config["providers"]["generic"]
    account["base_url"] = account["base_url"].replace("http:", "https:")
    ended = check(generic_config, "--format", "json")
    found = json.loads(ended.stdout)
    assert ended.status == 2
    assert found["findings"] == [
        (
            f"generic: {account['base_url']} is not reached: the host's TLS certificate or handshake is not valid: "
            "what answers there speaks no TLS. See to the network and the base URL."
        )
    ]
    assert found["providers"][0]["connection"].startswith("the host's TLS certificate or handshake is not valid")


def test_certificates_that_cannot_be_used(
    check: Callable[..., Any], findings: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told once, however many providers there are, and none is connected to. The sandbox takes no certificates."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "missing.pem")
    providers = {"perch": {"api_key": SECRET}, "bizmate": {"api_token": SECRET}}
    ended = check({"provider": "perch", "providers": providers}, "--format", "json")
    found = json.loads(ended.stdout)
    assert (ended.status, found["warnings"]) == (2, [])
    (finding,) = found["findings"]
    assert finding == (
        "REQUESTS_CA_BUNDLE: there is no file missing.pem. "
        "Name one with certificates in PEM form, or unset the variable."
    )
    assert {provider["connection"] for provider in found["providers"]} == {""}
    assert findings({"sandbox": True, "providers": providers}) == []


def test_a_proxy_that_cannot_be_used(findings: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Told where a provider would be reached through it, without what stands in its URL."""
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"ftp://{SECRET}@proxy.example.com")
    assert findings({}) == []
    assert findings({"providers": {"perch": {"api_key": SECRET}}}) == [
        "HTTPS_PROXY: is no URL of a proxy. Give one such as http://proxy.example.com:3128, or unset the variable."
    ]


def test_the_report(findings: Callable[..., list[str]], tmp_path: Path) -> None:
    """A place where the report can be written is right, whether there is a report or not."""
    (tmp_path / "report.json").touch()
    assert findings({"report_path": "report.json"}) == []
    assert findings({"report_path": "new.json"}) == []
    assert findings({"report_path": str(tmp_path)}) == [f"report_path: {tmp_path} is a folder. Name a file."]
    assert findings({"report_path": "/dev/null"}) == ["report_path: /dev/null is no file. Name one."]
    (finding,) = findings({"report_path": "/proc/self/report.json"})
    assert finding.startswith("report_path: /proc/self/report.json may not be written.")
