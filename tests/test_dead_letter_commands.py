"""Dead letters as their user meets them: listed, shown, exported, sent again, put aside."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Ended

OWN_PROVIDERS = Path(__file__).parent / "providers"
SCHEMA = {
    "type": "SCHEMA",
    "stream": "crm_leads",
    "key_properties": ["id"],
    "schema": {"properties": {"id": {}, "note": {}}},
}


def record(lead_id: str | None, **fields: Any) -> dict[str, Any]:
    """A RECORD message."""
    return {"type": "RECORD", "stream": "crm_leads", "record": {"id": lead_id, **fields}}


class Shop:
    """A provider that refuses notes with certain words, and the command in a folder of its own."""

    def __init__(self, folder: Path, do: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
        """Begin with nothing refused. Commands are done in this process, in the folder."""
        self.folder = folder
        self._do = do
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        self.refused = "refuse me"
        self.emulator = Emulator(load_all([str(OWN_PROVIDERS)]), self._scenario)
        self.settings: dict[str, Any] = {
            "provider": "generic",
            "provider_paths": [str(OWN_PROVIDERS)],
            "reject_limit": "100%",
            "stream_maps": {"crm_leads": {"__alias__": "leads"}},
        }

    def _scenario(self, arrival: Arrival) -> Interference:
        return Interference(occasion="invalid" if self.refused and self.refused.encode() in arrival.body else "")

    def command(
        self, *arguments: str, messages: list[Any] | None = None, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Do the command with these arguments."""
        (self.folder / "config.json").write_text(json.dumps(self.settings))
        given = text or "".join(json.dumps(message) + "\n" for message in messages or ())
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8"))
        ended = self._do(*arguments, "--config", "config.json", columns=100)
        return subprocess.CompletedProcess(arguments, ended.status, ended.stdout, ended.stderr)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the store."""
        with closing(sqlite3.connect(self.folder / "target-leads.db")) as connection:
            return connection.execute(query).fetchall()

    def number_of(self, lead_id: str) -> int:
        """The number of a lead's dead letter."""
        ((number,),) = self.rows(f"SELECT id FROM dead_letters WHERE lead_id = '{lead_id}'")  # noqa: S608 -- a test's own
        return int(number)

    @property
    def leads(self) -> dict[str, Any]:
        """The leads at the provider."""
        return {lead_id: dict(lead) for lead_id, lead in self.emulator.leads["generic"].items()}


@pytest.fixture
def shop(tmp_path: Path, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A provider, served, and a store with three dead letters in it: two rejected, one invalid."""
    shop = Shop(tmp_path, command, monkeypatch)
    with running(shop.emulator) as url:
        shop.settings["providers"] = {
            "generic": {"token": "sandbox", "base_url": f"{url}/generic/v1", "concurrency": 1}
        }
        refused = [record("a", note="refuse me 1"), record("b", note="fine"), record("c", note="refuse me 2")]
        ended = shop.command(messages=[SCHEMA, *refused, record(None, note="no id")])
        assert ended.returncode == 0, ended.stderr
        yield shop


def test_they_are_listed_without_a_value(shop: Shop) -> None:
    """A table for people, JSON for scripts; the reason is there, what stood in the record is not."""
    listed = shop.command("dead-letters", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines() if line[:2].strip()] == ["id", "2", "3", "1"]
    assert "refuse me" not in listed.stdout
    rows = json.loads(shop.command("dead-letters", "list", "--format", "json").stdout)
    assert [(row["stream"], row["lead_id"], row["outcome"]) for row in rows] == [
        ("leads", "a", "rejected"),
        ("leads", "c", "rejected"),
        ("leads", "", "invalid"),
    ]


@pytest.mark.parametrize(
    ("arguments", "leads"),
    [
        (("--outcome", "rejected"), ["a", "c"]),
        (("--reason", "usable lead"), [""]),
        (("--provider", "generic"), ["", "a", "c"]),
        (("--provider", "perch"), []),
        (("--stream", "crm_leads"), []),
        (("--since", "2020-01-01"), ["", "a", "c"]),
        (("--until", "2020-01-01T00:00:00Z"), []),
    ],
)
def test_filters(arguments: tuple[str, ...], leads: list[str], shop: Shop) -> None:
    """All commands take the same ones."""
    listed = shop.command("dead-letters", "list", "--format", "json", *arguments)
    assert sorted(row["lead_id"] for row in json.loads(listed.stdout)) == leads


def test_one_is_shown_with_its_record(shop: Shop) -> None:
    """As the tap sent it, before stream maps."""
    (number,) = shop.rows("SELECT id FROM dead_letters WHERE lead_id = 'a'")[0]
    shown = json.loads(shop.command("dead-letters", "show", str(number), "--format", "json").stdout)
    assert (shown["record"], shown["status"]) == ({"id": "a", "note": "refuse me 1"}, 400)
    screen = shop.command("dead-letters", "show", str(number)).stdout
    for line in ("lead id     a", "outcome     rejected", "status      400", '  "note": "refuse me 1"'):
        assert line in screen.splitlines()
    (invalid,) = shop.rows("SELECT id FROM dead_letters WHERE lead_id = ''")[0]
    screen = shop.command("dead-letters", "show", str(invalid)).stdout
    assert "violation   $.id holds no usable lead id: it must be text or a whole number" in screen
    assert shop.command("dead-letters", "show", "999").returncode == 1


def test_what_was_mended_is_delivered_and_closed(shop: Shop) -> None:
    """They go through the whole pipeline again; status 0 says that every one is closed."""
    shop.refused = ""
    ended = shop.command("dead-letters", "replay", "--outcome", "rejected")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    assert shop.leads == {"a": {"note": "refuse me 1"}, "b": {"note": "fine"}, "c": {"note": "refuse me 2"}}
    closed = shop.rows("SELECT lead_id, closed_because, closed_at IS NULL FROM dead_letters ORDER BY lead_id")
    assert closed == [("", None, 1), ("a", "delivered", 0), ("c", "delivered", 0)]


def test_what_is_refused_again_stays_with_its_new_reason(shop: Shop) -> None:
    """It is no second dead letter, and status 3 says that there is still something to do."""
    shop.refused = "refuse me 2"
    ended = shop.command("dead-letters", "replay")
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("2 of 3 were refused again; they stay open")
    assert shop.rows("SELECT lead_id, closed_because FROM dead_letters ORDER BY lead_id") == [
        ("", None),
        ("a", "delivered"),
        ("c", None),
    ]
    assert shop.rows("SELECT received, delivered, rejected, invalid, exit_status FROM runs")[-1] == (3, 1, 1, 1, 3)


def test_a_replay_prints_its_report_for_scripts(shop: Shop) -> None:
    """As JSON on standard output, the same as at report_path; words for people stay on standard error."""
    shop.refused = "refuse me 2"
    shop.settings["report_path"] = "report.json"
    ended = shop.command("dead-letters", "replay", "--format", "json", "--outcome", "rejected")
    report = json.loads(ended.stdout)
    assert (report["exit_status"], report["received"], report["delivered"], report["rejected"]) == (3, 2, 1, 1)
    assert report["reasons"][0]["lead_ids"] == ["c"]
    assert report == json.loads((shop.folder / "report.json").read_text())
    assert ended.stderr.endswith(report["last_line"] + "\n")
    none = shop.command("dead-letters", "replay", "--format", "json", "--provider", "perch")
    assert (none.returncode, json.loads(none.stdout)["received"]) == (0, 0)


def test_one_that_was_overtaken_is_superseded(shop: Shop) -> None:
    """Something newer of the lead was accepted since: the old record is not written over it."""
    shop.command(messages=[SCHEMA, record("a", note="newer")])
    shop.refused = ""
    assert shop.command("dead-letters", "replay", "--outcome", "rejected").returncode == 0
    assert shop.leads["a"] == {"note": "newer"}
    assert shop.rows("SELECT closed_because FROM dead_letters WHERE lead_id = 'a'") == [("superseded",)]


def test_one_that_was_filed_under_no_lead_is_superseded_too(shop: Shop) -> None:
    """A wrong setting hid whose it is; since it was mended, something newer of the lead was delivered."""
    shop.settings["streams"] = {"leads": {"lead_id": "note"}}
    shop.command(messages=[SCHEMA, {**record("d"), "record": {"id": "d", "note": None, "stage": "old"}}])
    assert shop.rows("SELECT lead_id, closed_because FROM dead_letters WHERE id = 4") == [("", None)]
    del shop.settings["streams"]
    shop.command(messages=[SCHEMA, record("d", stage="new")])
    assert shop.command("dead-letters", "replay", "--id", "4").returncode == 0
    assert shop.leads["d"] == {"stage": "new"}
    assert shop.rows("SELECT closed_because FROM dead_letters WHERE id = 4") == [("superseded",)]


def test_one_is_superseded_when_its_lead_is_as_it_was(shop: Shop) -> None:
    """What was refused in between is not sent over what the tap says now, although that needed no request."""
    shop.command(messages=[SCHEMA, record("b", note="refuse me 4")])
    ended = shop.command(messages=[SCHEMA, record("b", note="fine")])
    assert "1 unchanged" in ended.stderr
    shop.refused = ""
    assert shop.command("dead-letters", "replay", "--id", "4").returncode == 0
    assert shop.leads["b"] == {"note": "fine"}


def test_what_was_delivered_elsewhere_does_not_count(shop: Shop) -> None:
    """Another base URL is another place: what a test environment has says nothing of production."""
    accounts = shop.settings["providers"]
    base_url = accounts["generic"]["base_url"]
    accounts["generic"]["base_url"] = base_url.replace("127.0.0.1", "localhost")
    shop.command(messages=[SCHEMA, record("a", note="newer")])
    accounts["generic"]["base_url"] = base_url
    shop.refused = ""
    assert shop.command("dead-letters", "replay", "--id", "2").returncode == 0
    assert shop.rows("SELECT lead_id, closed_because FROM dead_letters WHERE id = 2") == [("a", "delivered")]


def test_the_newer_of_two_in_a_batch_is_not_taken_for_older(shop: Shop) -> None:
    """A record is as old as its coming: the lead's earlier record was delivered after the later one was refused."""
    schema = {**SCHEMA, "schema": {"properties": {"id": {}, "note": {}, "email": {}}}}
    shop.command(messages=[schema, record("d", note="first"), record("d", email="none")])
    assert shop.rows("SELECT lead_id, outcome FROM dead_letters WHERE id = 4") == [("d", "invalid")]
    shop.settings["streams"] = {"leads": {"fields": {"email": "contact", "note": "note"}}}
    ended = shop.command("dead-letters", "replay", "--id", "4")
    assert (ended.returncode, shop.leads["d"]) == (0, {"note": "first", "contact": "none"}), ended.stderr


def test_two_of_one_lead_are_sent_in_order(shop: Shop) -> None:
    """The second is not taken for overtaken because the first gets through, in whatever batches they come."""
    shop.command(messages=[SCHEMA, record("a", note="refuse me 3")])
    shop.refused = ""
    shop.settings["batch_size_rows"] = 1
    assert shop.command("dead-letters", "replay", "--outcome", "rejected").returncode == 0
    assert shop.leads["a"] == {"note": "refuse me 3"}


def test_an_export_piped_in_does_the_same(shop: Shop) -> None:
    """Singer messages of the tap's own stream, with its keys: stream maps apply once."""
    shop.refused = ""
    exported = shop.command("dead-letters", "export", "--outcome", "rejected")
    assert exported.returncode == 0
    ended = shop.command(text=exported.stdout)
    assert ended.returncode == 0, ended.stderr
    assert shop.leads["a"] == {"note": "refuse me 1"}
    assert shop.rows("SELECT closed_because FROM dead_letters WHERE lead_id = 'a'") == [("delivered",)]

    again = shop.command(text=exported.stdout)
    assert "2 records received: 2 ignored." in again.stderr


def test_an_export_piped_in_is_not_sent_over_newer_data(shop: Shop) -> None:
    """However long the file has lain about."""
    exported = shop.command("dead-letters", "export", "--outcome", "rejected")
    shop.refused = ""
    shop.command(messages=[SCHEMA, record("a", note="newer")])
    shop.command(text=exported.stdout)
    assert (shop.leads["a"], shop.leads["c"]) == ({"note": "newer"}, {"note": "refuse me 2"})
    closed = shop.rows("SELECT lead_id, closed_because FROM dead_letters WHERE lead_id != '' ORDER BY lead_id")
    assert closed == [("a", "superseded"), ("c", "delivered")]


def test_an_export_is_new_to_another_store(shop: Shop) -> None:
    """The numbers of one store mean nothing in another, nor in a rehearsal."""
    exported = shop.command("dead-letters", "export", "--outcome", "rejected")
    shop.refused = "refuse me 2"
    shop.settings["sandbox"] = True
    assert shop.command(text=exported.stdout).returncode == 0
    shop.settings |= {"sandbox": False, "store_url": "sqlite:///elsewhere.db"}
    shop.command(messages=[SCHEMA, record(None, note="one"), record(None, note="two"), record(None, note="three")])
    shop.command(text=exported.stdout)
    assert shop.leads["a"] == {"note": "refuse me 1"}
    assert shop.rows("SELECT closed_because FROM dead_letters") == [(None,)] * 3
    listed = json.loads(shop.command("dead-letters", "list", "--format", "json").stdout)
    assert sorted((row["id"], row["outcome"]) for row in listed) == [
        (1, "invalid"),
        (2, "invalid"),
        (3, "invalid"),
        (4, "rejected"),
    ]


def test_discarding_asks_first(shop: Shop) -> None:
    """It cannot be undone, so it wants a reason and a yes."""
    assert shop.command("dead-letters", "discard").returncode == 2
    declined = shop.command("dead-letters", "discard", "--because", "test data", text="n\n")
    assert declined.returncode == 1
    assert declined.stderr.endswith("Nothing was discarded.\n")
    unasked = shop.command("dead-letters", "discard", "--because", "test data")
    assert unasked.returncode == 2
    assert unasked.stderr.endswith("\nError: There is nobody to ask. Give --yes to discard without a question.\n")
    assert shop.command("dead-letters", "discard", "--because", "test data", "--id", "1", "--yes").stdout == (
        "Discarded 1 of 1 dead letter.\n"
    )
    again = shop.command("dead-letters", "discard", "--because", "x", "--id", "1", "--yes", "--format", "json")
    assert json.loads(again.stdout) == {"found": 0, "discarded": 0}
    assert shop.command("dead-letters", "discard", "--because", "all", text="y\n").stdout.endswith("2 dead letters.\n")
    assert shop.command("dead-letters", "list").stdout == "There is no open dead letter of this kind.\n"
    assert {because for (because,) in shop.rows("SELECT closed_because FROM dead_letters")} == {"test data", "all"}


def test_the_same_bad_row_in_the_next_run_is_the_same_dead_letter(shop: Shop) -> None:
    """A tap that sends the whole table each hour does not fill the store with one row."""
    ended = shop.command(messages=[SCHEMA, record("a", note="refuse me 1"), record(None, note="no id")])
    assert ended.returncode == 0
    assert shop.rows("SELECT count(*) FROM dead_letters") == [(3,)]
    (run_id,) = shop.rows("SELECT run_id FROM runs ORDER BY started_at")[-1]
    assert shop.rows("SELECT run_id FROM dead_letters WHERE lead_id = 'a'") == [(run_id,)]


def test_what_the_tap_says_of_itself_makes_no_other_row(shop: Shop) -> None:
    """Taps add when they read a row, which differs each time."""
    for hour in (1, 2, 3):
        shop.command(messages=[SCHEMA, record(None, note="same", _sdc_extracted_at=f"2026-03-29T0{hour}:00:00Z")])
    assert shop.rows("SELECT count(*) FROM dead_letters WHERE record LIKE '%same%'") == [(1,)]


def test_a_row_that_comes_twice_has_two_dead_letters_and_no_more(shop: Shop) -> None:
    """However often the tap sends the table in which it stands twice."""
    for _ in range(3):
        shop.command(messages=[SCHEMA, record(None, note="twice"), record(None, note="twice")])
    assert shop.rows("SELECT count(*) FROM dead_letters WHERE record LIKE '%twice%'") == [(2,)]


def test_a_dead_letter_whose_stream_is_there_no_more_stays(shop: Shop) -> None:
    """Which of the streams that the tap's is mapped to now stands for it nobody knows; none may make it disappear."""
    shop.settings["stream_maps"] = {"crm_leads": {"__alias__": "x"}, "also": {"__source__": "crm_leads"}}
    shop.refused = ""
    ended = shop.command("dead-letters", "replay", "--outcome", "rejected")
    assert (ended.returncode, "a" in shop.leads) == (3, False)
    assert "2 × none invalid: stream_maps: no stream is mapped to leads any more" in ended.stderr
    letters = shop.rows("SELECT provider, lead_id, closed_because FROM dead_letters WHERE outcome = 'invalid'")
    assert sorted(letters) == [("generic", "", None), ("generic", "a", None), ("generic", "c", None)]


def test_a_newer_record_of_the_same_input_goes_after_an_exported_one(shop: Shop) -> None:
    """A dead letter is as old as it is, wherever it stands in the input."""
    exported = shop.command("dead-letters", "export", "--id", str(shop.number_of("a"))).stdout
    shop.refused = ""
    schema, letter = exported.splitlines(keepends=True)
    newer = json.dumps(record("a", note="newer")) + "\n"
    shop.command(text=schema + newer + letter)
    assert shop.leads["a"] == {"note": "newer"}


def test_an_old_export_does_not_mean_a_new_dead_letter(shop: Shop) -> None:
    """Where a number was given twice, as an older release did, what stands in the export decides."""
    number = shop.number_of("a")
    exported = shop.command("dead-letters", "export", "--id", str(number)).stdout
    with closing(sqlite3.connect(shop.folder / "target-leads.db")) as connection, connection:
        connection.execute("DELETE FROM dead_letters WHERE id = ?", (number,))
        connection.execute("UPDATE dead_letters SET id = ? WHERE lead_id = 'c'", (number,))
    shop.refused = ""
    ended = shop.command(text=exported)
    assert ended.stderr.splitlines()[-1].startswith("Done. 1 record received: 1 ignored.")
    assert shop.rows("SELECT closed_because FROM dead_letters WHERE lead_id = 'c'") == [(None,)]


def test_a_store_that_is_not_there_is_a_mistake(
    tmp_path: Path, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks into an empty store on purpose, and none is made."""
    shop = Shop(tmp_path, command, monkeypatch)
    ended = shop.command("dead-letters", "list")
    assert ended.returncode == 2
    assert "there is no store target-leads.db" in ended.stderr
    assert not (tmp_path / "target-leads.db").exists()


@pytest.mark.parametrize("setting", ["sandbox", "dry_run"])
def test_a_rehearsal_closes_nothing(setting: str, shop: Shop) -> None:
    """What an emulator takes is not delivered: such a replay is refused before it begins."""
    shop.settings[setting] = True
    ended = shop.command("dead-letters", "replay")
    assert (ended.returncode, f"{setting}: dead letters are sent again for good" in ended.stderr) == (2, True)
    assert shop.rows("SELECT count(*) FROM dead_letters WHERE closed_at IS NULL") == [(3,)]


@pytest.mark.parametrize("wanted", [("replay",), ("discard", "--because", "test", "--yes")])
def test_a_dry_run_closes_nothing(wanted: tuple[str, ...], shop: Shop) -> None:
    """Whether it is asked for by the settings or before the subcommand."""
    before = [sys.executable, "-m", "target_leads", "--config", "config.json", "--dry-run", "dead-letters", *wanted]
    ended = subprocess.run(before, cwd=shop.folder, capture_output=True, text=True, check=False)
    shop.settings["dry_run"] = True
    for each in (ended, shop.command("dead-letters", *wanted)):
        assert (each.returncode, each.stderr.startswith("Error: dry_run: dead letters are ")) == (2, True)
    assert shop.rows("SELECT count(*) FROM dead_letters WHERE closed_at IS NULL") == [(3,)]


@pytest.mark.parametrize("filtering", ["--reason", "--provider", "--stream", "--outcome", "--because", "--id"])
def test_a_variable_that_is_not_set_does_not_mean_all(filtering: str, shop: Shop) -> None:
    """A filter that is blank is a mistake."""
    given = {"--because": "test", filtering: ""}
    arguments = [word for pair in given.items() for word in pair]
    ended = shop.command("dead-letters", "discard", *arguments, "--yes")
    assert ended.returncode == 2
    assert shop.rows("SELECT count(*) FROM dead_letters WHERE closed_at IS NULL") == [(3,)]


def test_a_replay_of_none_is_no_run(shop: Shop) -> None:
    """A filter that fits nothing says so."""
    ended = shop.command("dead-letters", "replay", "--id", "4711")
    assert (ended.returncode, ended.stdout) == (0, "There is no open dead letter of this kind.\n")
    assert shop.rows("SELECT count(*) FROM runs") == [(1,)]
    assert shop.command("dead-letters", "show", "9" * 30).returncode == 2


def test_what_the_sandbox_refused_is_for_no_provider(shop: Shop) -> None:
    """A replay sends what providers refused, and leaves the sandbox's alone."""
    schema = {**SCHEMA, "schema": {"properties": {"id": {}, "email": {}}}}
    shop.settings["sandbox"] = True
    shop.command(messages=[schema, record("d", email="none")])
    shop.settings |= {"sandbox": False, "stream_maps": {"crm_leads": {"__alias__": "leads", "email": "None"}}}
    shop.refused = ""
    wanted = [word for lead in "acd" for word in ("--id", str(shop.number_of(lead)))]
    ended = shop.command("dead-letters", "replay", "--provider", "generic", *wanted)
    assert ended.returncode == 0, ended.stderr
    assert sorted(shop.leads) == ["a", "b", "c"]
    assert shop.rows("SELECT lead_id FROM dead_letters WHERE closed_at IS NULL AND lead_id > ''") == [("d",)]
    assert "1 dead letter left open, of accounts that the settings do not name: 1 of generic/sandbox." in ended.stderr


def test_a_replay_without_a_store_is_a_mistake(shop: Shop) -> None:
    """A store that is named wrongly is not made, and nothing seems to be done."""
    shop.settings["store_url"] = "sqlite:///elsewhere.db"
    ended = shop.command("dead-letters", "replay")
    assert (ended.returncode, "there is no store elsewhere.db" in ended.stderr) == (2, True)
    assert not (shop.folder / "elsewhere.db").exists()


def test_settings_may_stand_before_the_subcommand(shop: Shop) -> None:
    """As Meltano puts them there."""
    command = [sys.executable, "-m", "target_leads", "--config", "config.json", "dead-letters", "list"]
    (shop.folder / "config.json").write_text(json.dumps(shop.settings | {"store_url": "sqlite:///elsewhere.db"}))
    ended = subprocess.run(command, cwd=shop.folder, capture_output=True, text=True, check=False)
    assert "there is no store elsewhere.db" in ended.stderr
