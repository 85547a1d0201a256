"""Credentials are shown nowhere: not by mistakes in settings, not by what describes the program, not by its objects."""

from __future__ import annotations

import gc
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.target import TargetLeads
from tests.security.canaries import CANARIES, CREDENTIALS, found_in
from tests.security.conftest import settings
from tests.security.test_canary import ENVIRONMENTS, LOUD, answering, lines, person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ended
    from tests.security.conftest import Parrot

KEY, TOKEN = (CANARIES[name].value for name in ("API key", "token"))
URL = "https://api.example.com/v1"


def account(**given: Any) -> dict[str, Any]:
    """Settings with these under the provider's name."""
    return {**settings(URL), "providers": {"canary": {**CREDENTIALS, **given}}}


MISTAKES: dict[str, dict[str, Any]] = {
    "credential in an object": account(api_key={"value": KEY}),
    "credential in a list": account(token=[TOKEN]),
    "credential that is a number": account(api_key=46454286),
    "credential with a line break": account(api_key=f"{KEY}\n"),
    "credential with a space": account(token=f" {TOKEN}"),
    "credential with a sign that no header takes": account(token=f"{TOKEN}é"),
    "credential under another name": account(apikey=KEY, secret=TOKEN),
    "credential as a name": account(**{"api_key ": KEY}),
    "credential for a provider": {**settings(URL), "providers": {"canary": KEY}},
    "credentials in a list": {**settings(URL), "providers": [CREDENTIALS]},
    "credentials as text": {**settings(URL), "providers": json.dumps(CREDENTIALS)},
    "credentials of an unknown provider": {**settings(URL), "provider": "other", "providers": {"other": CREDENTIALS}},
    "credential in the base URL": account(base_url=f"https://user:{KEY}@api.example.com"),
    "credential in the base URL's query": account(base_url=f"https://api.example.com/?key={KEY}"),
    "credential in a base URL without TLS": account(base_url=f"http://user:{KEY}@api.example.com"),
    "credential for the base URL": account(base_url=KEY),
    "credential for the account": account(account={"key": KEY}),
    "credential for concurrency": account(concurrency={"key": KEY}),
    "credential for rate limits": account(rate_limits=[{"requests": KEY, "per_seconds": TOKEN}]),
    "credentials at the top": {**settings(URL), "canary": CREDENTIALS, "batch_size_rows": 0},
    "credentials of a stream": {**settings(URL), "streams": {"leads": CREDENTIALS}},
    "store with a wrong port": {**settings(URL), "store_url": f"postgresql://user:{KEY}@host:port/leads"},
    "store with another driver": {**settings(URL), "store_url": f"mysql://user:{KEY}@host/leads"},
    "store with no driver": {**settings(URL), "store_url": f"postgresql+nothing://user:{KEY}@host/leads"},
    "store that is no URL": {**settings(URL), "store_url": f"user:{KEY}@host"},
    "store in a list": {**settings(URL), "store_url": [f"postgresql://user:{KEY}@host/leads"]},
    "store with an option that is none": {**settings(URL), "store_url": f"postgresql://host/leads?passwort={KEY}"},
    "store that is not there": {**settings(URL), "store_url": f"postgresql://user:{KEY}@127.0.0.1:9/leads"},
    "seed of stream maps": {**settings(URL), "stream_map_config": [KEY], "stream_maps": TOKEN},
    "stream maps that are none": {**settings(URL), "stream_map_config": {"k": KEY}, "stream_maps": {"leads": {"a": 1}}},
    "faker's settings": {**settings(URL), "faker_config": [KEY], "stream_maps": {"leads": {"a": "fake.name()"}}},
}
CHECK = ("check", "--offline", "--format", "json", "--config", "config.json")


def shown_by(folder: Path) -> str:
    """What a command has shown, on screen and in the report."""
    report = folder / "report.json"
    words = "".join((folder / name).read_text() for name in ("stdout", "stderr"))
    return words + (report.read_text() if report.exists() else "")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_mistake_shows_a_credential(
    mistake: str, run_in: Callable[..., int], command: Callable[..., Ended], tmp_path: Path
) -> None:
    """Wherever a credential has ended up in the settings, what is said of the mistake does not repeat it."""
    (tmp_path / "config.json").write_text(json.dumps(MISTAKES[mistake]))
    (tmp_path / "logging.yaml").write_text(LOUD)
    assert found_in((tmp_path / "config.json").read_text())
    status = run_in(tmp_path, "--config", "config.json", lines=lines(), environment=ENVIRONMENTS["loud"])
    checked = command(*CHECK)
    words = shown_by(tmp_path) + checked.stdout + checked.stderr
    assert found_in(words) == set()
    assert "unforeseen" not in words
    assert status in {1, 2}, words


VARIABLES = {
    "no JSON": {"TARGET_LEADS_PROVIDERS": json.dumps({"canary": CREDENTIALS})[:-1]},
    "another type": {"TARGET_LEADS_PROVIDERS": json.dumps([CREDENTIALS])},
    "text": {"TARGET_LEADS_PROVIDERS": KEY},
    "nested too deeply": {"TARGET_LEADS_PROVIDERS": json.dumps({KEY: 1})[:-2] + "[" * 9000},
    "a number": {"TARGET_LEADS_CONCURRENCY": KEY},
    "a truth value": {"TARGET_LEADS_DRY_RUN": TOKEN},
    "a store": {"TARGET_LEADS_STORE_URL": f"mysql://user:{KEY}@host/leads"},
    "not UTF-8": {"TARGET_LEADS_PROVIDERS": json.dumps({"canary": {"token": f"{TOKEN}\udcff"}}, ensure_ascii=False)},
}


@pytest.mark.parametrize("name", VARIABLES)
def test_no_variable_shows_a_credential(
    name: str,
    run_in: Callable[..., int],
    command: Callable[..., Ended],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is wrong with an environment variable is said without what it holds."""
    (tmp_path / "logging.yaml").write_text(LOUD)
    (tmp_path / "config.json").write_text(json.dumps(settings(URL)))
    configs = ("--config", "config.json", "--config", "ENV")
    status = run_in(tmp_path, *configs, lines=lines(), environment={**ENVIRONMENTS["loud"], **VARIABLES[name]})
    for variable, value in VARIABLES[name].items():
        monkeypatch.setenv(variable, value)
    checked = command(*CHECK, "--config", "ENV")
    words = shown_by(tmp_path) + checked.stdout + checked.stderr
    assert found_in(words) == set()
    assert "unforeseen" not in words
    assert (status, checked.status) == (2, 2), words


FILES: dict[str, bytes] = {
    "cut short": json.dumps(account()).encode()[:-3],
    "Python's words": repr(account()).encode(),
    "no JSON": KEY.encode(),
    "a list": json.dumps([CREDENTIALS]).encode(),
    "text": json.dumps(KEY).encode(),
    "not UTF-8": json.dumps(account()).encode() + b"\xff",
    "UTF-16": json.dumps(account()).encode("utf-16"),
    "nested too deeply": json.dumps(account()).encode()[:-1] + b', "x": ' + b"[" * 200_000,
    "a long number": json.dumps(account()).encode()[:-1] + b', "x": ' + b"7" * 5000 + b"}",
}


@pytest.mark.parametrize("name", FILES)
def test_no_file_shows_a_credential(
    name: str, run_in: Callable[..., int], command: Callable[..., Ended], tmp_path: Path
) -> None:
    """What is wrong with a file of settings is said by where it is, and not by what stands there."""
    (tmp_path / "logging.yaml").write_text(LOUD)
    (tmp_path / "config.json").write_bytes(FILES[name])
    status = run_in(tmp_path, "--config", "config.json", lines=lines(), environment=ENVIRONMENTS["loud"])
    checked = command(*CHECK)
    words = shown_by(tmp_path) + checked.stdout + checked.stderr
    assert found_in(words) == set()
    assert "unforeseen" not in words
    assert (status, checked.status) == (2, 2), words
    assert "config.json" in words


def test_settings_in_place_of_a_file_are_not_repeated(command: Callable[..., Ended]) -> None:
    """Who gives the settings themselves where a file is to be named reads that, without the settings."""
    ended = command("--config", json.dumps(account()))
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == "--config: must be the name of a file, or ENV, but was JSON. Write it to a file.\n"


@pytest.mark.parametrize("form", [(), ("--format", "json"), ("--format", "markdown")])
def test_what_describes_the_target_shows_no_settings(
    form: tuple[str, ...], run_in: Callable[..., int], tmp_path: Path
) -> None:
    """--about describes the target for everybody, whatever settings are given with it."""
    (tmp_path / "config.json").write_text(json.dumps(account()))
    (tmp_path / "logging.yaml").write_text(LOUD)
    environment = {**ENVIRONMENTS["loud"], "TARGET_LEADS_PROVIDERS": json.dumps({"canary": CREDENTIALS})}
    configs = ("--config", "config.json", "--config", "ENV")
    assert run_in(tmp_path, "--about", *form, *configs, environment=environment) == 0
    words = shown_by(tmp_path)
    assert "api_token" in words
    assert found_in(words) == set()


def test_no_object_shows_what_it_holds(parrot: Parrot) -> None:
    """While a request is on its way, none of the program's objects shows a credential or a field by its own words."""
    seen: dict[str, set[str]] = {}

    def look(request: bytes) -> bytes:
        objects = gc.get_objects()
        for thing in [*objects, *gc.get_referents(*objects)]:  # the collector does not watch records themselves
            kind = type(thing)
            if str(kind.__module__).startswith("target_leads."):
                shown = found_in(f"{thing!r} {thing}")
                seen.setdefault(f"{kind.__module__}.{kind.__name__}", set()).update(shown)
        return answering(b"200 OK")(request)

    parrot.answer = look
    target = TargetLeads(config=settings(parrot.url))
    target.run(io.BytesIO(lines(person())))
    assert found_in(parrot.heard) == CANARIES.keys()
    assert {kind: shown for kind, shown in seen.items() if shown} == {}
    assert {kind.rpartition(".")[2] for kind in seen} >= {
        "Account",
        "Settings",
        "HttpRequest",
        "LeadUpdate",
        "Record",
        "Service",
        "Definition",
        "TargetLeads",
        "LeadSink",
    }
