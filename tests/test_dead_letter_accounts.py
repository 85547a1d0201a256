"""A dead letter goes only to the account that it is of: two environments, served, that share one store."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine

from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.conftest import Ended

OWN_PROVIDERS = Path(__file__).parent / "providers"
COLUMNS: dict[str, Any] = {"id": {}, "note": {}}
SCHEMA = {"type": "SCHEMA", "stream": "leads", "key_properties": ["id"], "schema": {"properties": COLUMNS}}
TOLD = "left open, of accounts that the settings do not name: "


def record(lead_id: str | None, note: Any = "refuse me") -> dict[str, Any]:
    """A RECORD message, refused unless it says something else."""
    return {"type": "RECORD", "stream": "leads", "record": {"id": lead_id, "note": note}}


class Environment:
    """An environment of the provider, and the command with its settings."""

    def __init__(self, store_url: str, do: Callable[..., Ended]) -> None:
        """Refuse what says so."""
        self.emulator = Emulator(load_all([str(OWN_PROVIDERS)]), self._scenario)
        self.is_mended = False
        self._do = do
        self.settings: dict[str, Any] = {
            "provider": "generic",
            "provider_paths": [str(OWN_PROVIDERS)],
            "store_url": store_url,
            "reject_limit": "100%",
        }

    def _scenario(self, arrival: Arrival) -> Interference:
        return Interference(occasion="invalid" if b"refuse me" in arrival.body and not self.is_mended else "")

    def served_at(self, url: str, account: Mapping[str, str]) -> None:
        """Name its base URL and its account in its settings."""
        generic = {"token": "sandbox", "base_url": f"{url}/generic/v1", **account}
        self.settings["providers"] = {"generic": generic}

    def command(self, *arguments: str) -> Ended:
        """Do the command."""
        Path("config.json").write_text(json.dumps(self.settings))
        return self._do(*arguments, "--config", "config.json")

    def take(self, *messages: dict[str, Any]) -> Ended:
        """A run with these messages as its input."""
        text = "".join(json.dumps(message) + "\n" for message in messages)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))
            return self.command()

    @property
    def leads(self) -> list[str]:
        """Ids of the leads that it has."""
        return sorted(self.emulator.leads["generic"])


class Shared:
    """Staging and production, and the store that they share."""

    def __init__(self, staging: Environment, production: Environment, store_url: str) -> None:
        """Begin with nothing refused."""
        self.staging, self.production, self._store_url = staging, production, store_url

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """What another program reads from the store, or does to it."""
        engine = create_engine(self._store_url)
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    @property
    def open_ones(self) -> list[tuple[Any, ...]]:
        """Lead and account of every open dead letter."""
        return self.sql("SELECT lead_id, account FROM dead_letters WHERE closed_at IS NULL ORDER BY lead_id, account")


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, command: Callable[..., Ended]) -> Iterator[Shared]:
    """Staging has refused the lead s, and a record without an id; production, whose account has no name, the lead p."""
    sqlite = request.param == "sqlite"
    store_url = "sqlite:///shared.db" if sqlite else request.getfixturevalue("postgresql_url")
    staging, production = Environment(store_url, command), Environment(store_url, command)
    with running(staging.emulator) as at_staging, running(production.emulator) as at_production:
        staging.served_at(at_staging, {"account": "staging"})
        production.served_at(at_production, {})
        assert staging.take(SCHEMA, record("s"), record(None), record("fine", "fine")).status == 0
        assert production.take(SCHEMA, record("p"), record("fine", "fine")).status == 0
        shared = Shared(staging, production, store_url)
        assert shared.open_ones == [("", "staging"), ("p", "default"), ("s", "staging")]
        yield shared


def test_a_replay_sends_those_of_its_account(shared: Shared) -> None:
    """The others stay open; one line says how many, of which accounts, and what to do."""
    staging, production = shared.staging, shared.production
    production.is_mended = True
    staging.is_mended = True
    ended = production.command("dead-letters", "replay")
    assert ended.status == 0, ended.stderr
    assert (production.leads, staging.leads) == (["fine", "p"], ["fine"])
    assert shared.open_ones == [("", "staging"), ("s", "staging")]
    assert (
        f"\n2 dead letters {TOLD}2 of generic/staging. Replay them with the settings of that account, "
        "or put them aside: target-leads dead-letters discard.\n"
    ) in ended.stderr
    assert "1 record received: 1 delivered. 2 dead letters left open. Run " in ended.stderr.splitlines()[-1]

    again = staging.command("dead-letters", "replay", "--format", "json")
    assert again.status == 3, again.stderr
    assert (production.leads, staging.leads) == (["fine", "p"], ["fine", "s"])
    assert shared.open_ones == [("", "staging")]
    assert json.loads(again.stdout)["dead_letters_left_open"] == []


def test_a_replay_of_nothing_but_others_is_no_failure(shared: Shared) -> None:
    """Nothing is sent, and the report has what the line says."""
    ended = shared.production.command("dead-letters", "replay", "--reason", "usable", "--format", "json")
    report = json.loads(ended.stdout)
    assert (ended.status, report["received"]) == (0, 0)
    assert report["dead_letters_left_open"] == [{"provider": "generic", "account": "staging", "count": 1}]
    assert len(shared.open_ones) == 3


def test_a_base_url_that_was_mended_gets_its_dead_letters(shared: Shared) -> None:
    """It was wrong, so all was refused; the account is the same."""
    generic = shared.staging.settings["providers"]["generic"]
    wrong, right = f"{generic['base_url']}/moved", generic["base_url"]
    generic["base_url"] = wrong
    assert shared.staging.take(SCHEMA, record("m", "fine"), record("n", "fine")).status == 0
    assert [lead for lead, _ in shared.open_ones] == ["", "m", "n", "p", "s"]
    generic["base_url"] = right
    ended = shared.staging.command("dead-letters", "replay", "--reason", "404")
    assert ended.status == 0, ended.stderr
    assert shared.staging.leads == ["fine", "m", "n"]
    assert [lead for lead, _ in shared.open_ones] == ["", "p", "s"]


def test_the_sandbox_is_an_account_like_any_other(shared: Shared) -> None:
    """What it refused is sent only where the settings call an account so."""
    shared.sql("UPDATE dead_letters SET account = 'sandbox' WHERE lead_id = 'p'")
    shared.production.is_mended = True
    ended = shared.production.command("dead-letters", "replay", "--outcome", "rejected")
    assert (ended.status, shared.production.leads) == (0, ["fine"])
    assert f"{TOLD}1 of generic/" in ended.stderr
    shared.production.settings["providers"]["generic"]["account"] = "sandbox"
    assert shared.production.command("dead-letters", "replay", "--outcome", "rejected").status == 0
    assert shared.production.leads == ["fine", "p"]


def test_one_whose_account_is_not_known_is_sent(shared: Shared) -> None:
    """As one that named no provider: the settings say where."""
    shared.sql("UPDATE dead_letters SET account = '' WHERE lead_id = 's'")
    shared.production.is_mended = True
    assert shared.production.command("dead-letters", "replay", "--outcome", "rejected").status == 0
    assert shared.production.leads == ["fine", "p", "s"]


def test_without_an_account_at_its_provider_the_stream_decides(shared: Shared) -> None:
    """All are sent where their stream goes now, but for those that the sandbox refused."""
    perch = {"api_key": "any", "base_url": shared.production.settings["providers"]["generic"]["base_url"]}
    shared.production.settings |= {"provider": "perch", "providers": {"perch": perch}}
    shared.sql("UPDATE dead_letters SET account = 'sandbox' WHERE lead_id = 's'")
    ended = shared.production.command("dead-letters", "replay", "--format", "json")
    report = json.loads(ended.stdout)
    assert (ended.status, report["received"], report["ignored"], report["invalid"]) == (3, 2, 1, 1), ended.stderr
    assert report["dead_letters_left_open"] == [{"provider": "generic", "account": "sandbox", "count": 1}]


def test_what_stream_maps_refuse_has_an_account_too(shared: Shared) -> None:
    """An expression that fails on the records of one environment keeps them from the other all the same."""
    shared.staging.settings["stream_maps"] = {"leads": {"note": "int(note)"}}
    shared.staging.take(SCHEMA, record("m", "no number"))
    named = shared.sql("SELECT provider, account FROM dead_letters WHERE reason LIKE 'stream_maps:%%'")
    assert named == [("generic", "staging")]
    shared.production.command("dead-letters", "replay", "--reason", "stream_maps")
    assert shared.production.leads == ["fine"]


def test_an_export_piped_in_sends_those_of_its_account(shared: Shared) -> None:
    """As a replay does: the others are ignored and stay open."""
    exported = [json.loads(line) for line in shared.staging.command("dead-letters", "export").stdout.splitlines()]
    shared.production.is_mended = True
    ended = shared.production.take(*exported)
    assert ended.status == 0, ended.stderr
    assert "3 records received: 1 delivered, 2 ignored. 2 dead letters left open. Run " in ended.stderr
    assert f"{TOLD}2 of generic/staging. Replay" in ended.stderr
    assert (shared.production.leads, len(shared.open_ones)) == (["fine", "p"], 2)


def test_without_its_mark_an_exported_record_is_one_like_any_other(shared: Shared) -> None:
    """Who takes the mark away means to send it elsewhere; the dead letter stays open."""
    exported = shared.staging.command("dead-letters", "export", "--outcome", "rejected").stdout.splitlines()
    messages = [json.loads(line) for line in exported]
    for message in messages:
        message.pop("dead_letter", None)
    shared.production.is_mended = True
    assert shared.production.take(*messages).status == 0
    assert (shared.production.leads, len(shared.open_ones)) == (["fine", "p", "s"], 3)
