"""From messages to settlements and STATE: real HTTP, a real store, the whole target in between."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import (
    CredentialsRefused,
    InputError,
    ProviderUnavailable,
    RejectLimitReached,
    SettingsError,
    StoreError,
)
from target_leads.models import Outcome
from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running
from target_leads.store import DeadLetter, Store
from target_leads.summary import last_line
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Message = dict[str, Any]


def schema(stream: str = "leads") -> Message:
    """A SCHEMA message of a stream with the key id."""
    properties = {name: {"type": ["string", "null"]} for name in ("id", "email", "note")}
    return {"type": "SCHEMA", "stream": stream, "key_properties": ["id"], "schema": {"properties": properties}}


def record(lead_id: str, stream: str = "leads", **fields: Any) -> Message:
    """A RECORD message for one lead."""
    return {"type": "RECORD", "stream": stream, "record": {"id": lead_id, **fields}}


def state(number: int) -> Message:
    """A STATE message."""
    return {"type": "STATE", "value": {"bookmark": number}}


def run(config: dict[str, Any], messages: Iterable[Message]) -> TargetLeads:
    """Do a whole run; returns the target, whatever ended it goes on to the caller."""
    target = TargetLeads(config=config)
    lines = io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    try:
        target.run(lines)
    finally:
        target.close(exit_status=1)
    return target


def states(capsys: pytest.CaptureFixture[str]) -> list[int]:
    """The bookmarks of the STATE lines on stdout, of which there is nothing else."""
    return [json.loads(line)["bookmark"] for line in capsys.readouterr().out.splitlines()]


def dead_letters() -> list[DeadLetter]:
    """The open dead letters in the store that a run makes by default."""
    with contextlib.closing(Store("sqlite:///target-leads.db", now=lambda: 0.0)) as store:
        return list(store.open_dead_letters())


def after(number: int, interference: Interference) -> Callable[[Arrival], Interference]:
    """A scenario in which everything works for some requests, and all others suffer the same."""
    seen = iter(range(1_000_000))
    return lambda _: Interference() if next(seen) < number else interference


def served(own_providers: str, scenario: Callable[[Arrival], Interference]) -> Emulator:
    """An emulator that behaves as the test wants."""
    return Emulator(load_all([own_providers]), scenario)


def test_every_record_is_delivered_and_the_last_state_goes_out(
    generic_config: dict[str, Any], emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run whose records are all accepted leaves them at the provider, and STATE on stdout."""
    target = run(generic_config, [schema(), record("a", note="one"), record("b", note="two"), state(1)])
    assert emulator.leads["generic"] == {"a": {"note": "one"}, "b": {"note": "two"}}
    assert states(capsys) == [1]
    assert target.pipeline.report.count(Outcome.DELIVERED) == 2


def test_state_goes_out_after_each_settled_batch(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A STATE waits for the records before it, and no longer: not for those after it, not for the end."""
    messages = [
        schema(),
        record("a", note="1"),
        state(1),
        record("b", note="2"),
        state(2),
        record("c", note="3"),
        state(3),
    ]
    run({**generic_config, "batch_size_rows": 2}, messages)
    assert states(capsys) == [1, 2, 3]


def test_two_streams_do_not_overtake_each_other(
    generic_config: dict[str, Any], emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Updates of one lead arrive in the order in which they came, from two streams too; a batch's are merged."""
    messages = [schema("old"), schema("new"), record("a", "old", note="first")]
    messages += [record(f"b{number}", "new", note="x") for number in range(3)]
    messages += [record("a", "new", note="second"), record("a", "old", note="third"), state(1)]
    run({**generic_config, "batch_size_rows": 4}, messages)
    assert emulator.leads["generic"]["a"] == {"note": "third"}
    assert [request.status for request in emulator.requests if request.lead_id == "a"] == [200, 200]
    assert states(capsys) == [1]


def test_one_bad_record_costs_only_itself(
    generic_config: dict[str, Any], emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid record becomes a dead letter as the tap sent it; the others are delivered and STATE goes out."""
    bad = record("b", email="nobody at example.com", note="bad")
    run(generic_config, [schema(), record("a", note="one"), bad, record("c", note="three"), state(1)])
    assert sorted(emulator.leads["generic"]) == ["a", "c"]
    assert states(capsys) == [1]
    (letter,) = dead_letters()
    assert (letter.outcome, letter.lead_id, letter.record) == (Outcome.INVALID, "b", bad["record"])
    assert letter.reason == "$.email must be a valid email"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e99999999999999999999"])
def test_a_number_that_is_none_costs_only_its_record(
    generic_config: dict[str, Any], emulator: Emulator, number: str
) -> None:
    """What Python's JSON reads and no provider can is invalid, like any other bad value; it does not end the run."""
    lines = [
        json.dumps(schema()),
        json.dumps(record("a", note="1")),
        json.dumps(record("b", note=7)).replace("7", number),
    ]
    target = TargetLeads(config=generic_config)
    target.run(io.BytesIO("\n".join(lines).encode()))
    assert list(emulator.leads["generic"]) == ["a"]
    assert target.pipeline.report.count(Outcome.INVALID) == 1


def test_outage_stops_the_run_and_blames_no_record(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A provider that goes down ends the run with 75: nothing is dead-lettered, and STATE covers what was settled."""
    emulator = served(generic_config["provider_paths"][0], after(2, Interference(occasion="unavailable")))
    with running(emulator) as url:
        config = generic_config | {"max_tries": 1, "batch_size_rows": 2, "concurrency": 1}
        config["providers"] = {"generic": {"token": "t", "base_url": f"{url}/generic/v1"}}
        messages = [schema(), record("a", note="1"), record("b", note="2"), state(1)]
        messages += [record(f"c{number}", note="3") for number in range(100)]
        with pytest.raises(ProviderUnavailable, match="generic lets no update through"):
            run(config, [*messages, state(2)])
    assert states(capsys) == [1]
    assert dead_letters() == []
    assert emulator.request_count <= 2 + 3


def test_refused_credentials_stop_the_run(generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A 401 is the configuration's fault: the run ends, names the setting, and dead-letters nothing."""
    generic_config["providers"]["generic"]["token"] = "refused"
    with pytest.raises(CredentialsRefused, match=r"Check providers\.generic\.token"):
        run(generic_config, [schema(), record("a", note="1"), state(1)])
    assert states(capsys) == []
    assert dead_letters() == []


def test_too_many_refusals_stop_the_run_before_its_state(
    generic_config: dict[str, Any], emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """When reject_limit trips, no STATE of the batch goes out, and what is not sent yet is not sent."""
    config = generic_config | {"reject_limit": 2, "batch_size_rows": 5}
    messages = [schema(), *(record(f"a{number}", email="bad") for number in range(5)), state(1), record("b", note="1")]
    with pytest.raises(RejectLimitReached, match="5 of 5 records were refused"):
        run(config, messages)
    assert states(capsys) == []
    assert emulator.request_count == 0


@pytest.mark.parametrize("batch_size_rows", [1, 2, 1000])
def test_all_refused_and_nothing_accepted_stops_the_run(
    generic_config: dict[str, Any], batch_size_rows: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that refused all it got does not look like a success: no STATE moves the bookmark past those records."""
    messages = [schema(), record("a", email="bad"), state(1), record("b", email="bad"), state(2)]
    with pytest.raises(RejectLimitReached, match="and nothing was accepted"):
        run({**generic_config, "batch_size_rows": batch_size_rows}, messages)
    assert states(capsys) == []


def test_state_that_waited_for_a_success_goes_out_with_it(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Once one record is accepted, the refused ones before it are dead letters like any others."""
    messages = [schema(), record("a", email="bad"), state(1), record("b", note="good"), state(2)]
    run({**generic_config, "batch_size_rows": 1}, messages)
    assert states(capsys) == [1, 2]


@pytest.mark.parametrize(
    ("setting", "value"), [("lead_id", "idd"), ("fields", {"frist": "note"})], ids=["lead id", "field"]
)
def test_a_column_that_the_stream_lacks_is_a_wrong_setting(
    generic_config: dict[str, Any], setting: str, value: object
) -> None:
    """A typo in a column's name is found at the SCHEMA: otherwise it would cost every record of the stream."""
    config = generic_config | {"streams": {"leads": {setting: value}}}
    with pytest.raises(SettingsError, match=rf"^streams\.leads\.{setting}: \w+ is no field of the stream; it has id,"):
        run(config, [schema(), record("a", note="1")])


def test_settings_of_a_stream_that_never_came_are_told(
    generic_config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A typo in a stream's name has no effect, and says so."""
    run(generic_config | {"streams": {"laeds": {"nulls": "send"}}}, [schema(), record("a", note="1")])
    assert "streams.laeds has no effect: no stream of this name came." in caplog.messages


def test_a_misspelt_setting_is_told(generic_config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """An unknown setting at the top is a warning that names the one it resembles."""
    TargetLeads(config={**generic_config, "dryrun": True})
    assert "There is no setting dryrun; it has no effect. Did you mean dry_run?" in caplog.messages


def test_a_lead_id_cannot_forge_a_line(generic_config: dict[str, Any]) -> None:
    """An id with a line break or a terminal's control characters is told in escapes."""
    target = TargetLeads(config=generic_config | {"reject_limit": "100%"})
    lines = [schema(), record("a\n\x1b[31mDone.", email="bad")]
    target.run(io.BytesIO(b"\n".join(json.dumps(line).encode() for line in lines)))
    (reason,) = target.pipeline.report.commonest_reasons()
    assert reason.endswith(r"(lead a\n\x1b[31mDone.)")


def test_a_sandbox_that_does_not_start_says_why(generic_config: dict[str, Any], tmp_path: Path) -> None:
    """What keeps the sandbox from starting, such as a broken recorded response, is told with its place."""
    folder = shutil.copytree(f"{generic_config['provider_paths'][0]}/generic", tmp_path / "generic")
    (folder / "responses" / "updated.json").write_text('{"status": 200}')
    target = TargetLeads(config={"sandbox": True, "provider": "generic", "provider_paths": [str(folder)]})
    with pytest.raises(SettingsError, match=r"The sandbox did not start\. .*updated\.json: \$: 'source' is a required"):
        target.run(io.BytesIO())
    target.close(exit_status=2)


def test_store_failure_prints_no_state(
    generic_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the store did not take is not settled: no STATE covers it, and its records count as unsettled."""
    target = TargetLeads(config=generic_config)
    report = target.pipeline.report
    with sqlite3.connect(tmp_path / "target-leads.db") as connection:
        connection.execute("DROP TABLE outcomes")
    connection.close()
    lines = [schema(), record("a", note="1"), state(1)]
    with pytest.raises(StoreError, match="no such table: outcomes"):
        target.run(io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    target.close(exit_status=1)
    assert states(capsys) == []
    assert (report.received, report.unsettled) == (1, 1)


def test_dry_run_sends_stores_and_promises_nothing(
    generic_config: dict[str, Any], emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run says what is wrong with the records, and leaves no trace anywhere."""
    messages = [schema(), record("a", note="1"), record("b", email="bad"), state(1)]
    target = run({**generic_config, "dry_run": True}, messages)
    assert emulator.request_count == 0
    assert states(capsys) == []
    assert list(tmp_path.iterdir()) == []
    assert target.pipeline.report.count(Outcome.INVALID) == 1
    assert last_line(target.pipeline.report).startswith("Dry run: nothing was sent. 2 records")


def test_a_deleted_row_deletes_nothing(generic_config: dict[str, Any], emulator: Emulator) -> None:
    """A row that the tap marks as deleted is ignored, and counted."""
    target = run(generic_config, [schema(), record("a", note="1", _sdc_deleted_at="2026-11-20T00:00:00Z")])
    assert emulator.request_count == 0
    assert target.pipeline.report.count(Outcome.IGNORED) == 1


def test_filtered_records_are_counted(generic_config: dict[str, Any], emulator: Emulator) -> None:
    """A record that stream maps filter out is ignored, so that received still is the sum of all outcomes."""
    config = generic_config | {"stream_maps": {"leads": {"__filter__": "note != 'no'"}}}
    target = run(config, [schema(), record("a", note="yes"), record("b", note="no")])
    assert list(emulator.leads["generic"]) == ["a"]
    report = target.pipeline.report
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.IGNORED), report.unsettled) == (1, 1, 0)


def test_counts_of_a_run_add_up_in_the_store(generic_config: dict[str, Any]) -> None:
    """The row in runs says how the run ended, and its outcomes add up to what was received."""
    messages = [schema(), record("a", note="1"), record("b", email="bad"), record("c", _sdc_deleted_at="x", note="1")]
    target = run(generic_config, messages)
    with contextlib.closing(Store("sqlite:///target-leads.db", now=lambda: 0.0)) as store:
        (kept,) = store.past.newest_runs(most=2)
    assert (kept.run_id, kept.exit_status) == (target.pipeline.report.run_id, 0)
    assert kept.received == 3 == sum(kept.outcomes.values())
    assert kept.providers == {"generic": {"delivered": 1, "ignored": 1, "invalid": 1}}


@pytest.mark.parametrize("scenario", ["flaky", "slow"])
def test_a_shaky_provider_still_gets_everything(generic_config: dict[str, Any], scenario: str) -> None:
    """Requests that fail or lose their answer are repeated until the provider has every lead's last value."""
    emulator = Emulator(load_all(generic_config["provider_paths"]), scenario)
    with running(emulator) as url:
        generic_config["providers"]["generic"]["base_url"] = f"{url}/generic/v1"
        run(generic_config, [schema(), *(record(f"a{number}", note=str(number)) for number in range(8))])
    assert emulator.leads["generic"] == {f"a{number}": {"note": str(number)} for number in range(8)}


def test_a_bookmark_that_cannot_be_kept_is_not_printed_in_another_form(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A STATE with a number beyond any range ends the run where it stands; what came before it is settled."""
    lines = [json.dumps(schema()), json.dumps(record("a", note="1")), json.dumps(state(1)), json.dumps(state(2))]
    lines[-1] = lines[-1].replace("2", "1e99999999999999999999")
    target = TargetLeads(config=generic_config)
    with pytest.raises(InputError, match="Line 4 of the input is a STATE with a number beyond any range"):
        target.run(io.BytesIO("\n".join(lines).encode()))
    target.close(exit_status=1)
    assert states(capsys) == [1]


def test_a_deleted_row_stays_deleted_whatever_stream_maps_leave_of_it(
    generic_config: dict[str, Any], emulator: Emulator
) -> None:
    """The mark of a deletion counts as the tap sent it, also where a stream map drops its column."""
    config = generic_config | {"stream_maps": {"leads": {"id": "id", "note": "note", "__else__": None}}}
    run(config, [schema(), record("a", note="1", _sdc_deleted_at="2026-11-20T00:00:00Z")])
    assert emulator.request_count == 0


@pytest.mark.parametrize("store_url", ["sqlite://store.db", "sqlite:///file:store.db?uri=true"])
def test_a_store_url_that_cannot_be_used_is_a_wrong_setting(generic_config: dict[str, Any], store_url: str) -> None:
    """Two slashes, and a query that would open another file than the private one, are told before anything is sent."""
    target = TargetLeads(config=generic_config | {"store_url": store_url})
    with pytest.raises(SettingsError, match=r"^store_url: .* Give one such as sqlite:///target-leads\.db"):
        target.run(io.BytesIO())


def test_the_sandbox_is_reached_past_any_proxy(generic_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to the sandbox stays on the machine, also where the environment names a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    config = {"sandbox": True, "provider": "generic", "provider_paths": generic_config["provider_paths"]}
    target = run(config, [schema(), record("a", note="1")])
    assert target.pipeline.report.count(Outcome.DELIVERED) == 1


def test_a_filtered_record_of_a_renamed_stream_belongs_to_its_provider(generic_config: dict[str, Any]) -> None:
    """What stream maps filter out of a stream is counted for the provider that the stream goes to by its new name."""
    config = generic_config | {"stream_maps": {"leads": {"__alias__": "out", "__filter__": "note != 'no'"}}}
    report = run(config, [schema(), record("a", note="yes"), record("b", note="no")]).pipeline.report
    assert report.providers == {"generic": {Outcome.DELIVERED: 1, Outcome.IGNORED: 1}}
    assert report.streams == {"out": {Outcome.DELIVERED: 1, Outcome.IGNORED: 1}}


def test_records_add_up_by_stream_whatever_stream_maps_make_of_them(
    generic_config: dict[str, Any], tmp_path: Path
) -> None:
    """Renamed, duplicated, filtered, not to be computed or not sent at last: each counts for the stream it became."""
    maps = {
        "leads": {"__alias__": "out", "__filter__": "note != 'no'"},
        "again": {"__source__": "leads", "note": "str(int(note))"},
    }
    generic_config["providers"]["generic"]["base_url"] = "http://127.0.0.1:9"  # where nobody listens
    target = TargetLeads(config=generic_config | {"stream_maps": maps, "max_tries": 1})
    messages = [schema(), record("a", note="1"), record("b", note="no"), record("c", note="2")]
    with pytest.raises(ProviderUnavailable):
        target.run(io.BytesIO(b"\n".join(json.dumps(message).encode() for message in messages)))
    target.close(exit_status=75)
    report = target.pipeline.report
    assert report.streams == {
        "again": {Outcome.INVALID: 1, Outcome.UNSETTLED: 2},
        "out": {Outcome.UNSETTLED: 2},
    }
    with contextlib.closing(Store(f"sqlite:///{tmp_path / 'target-leads.db'}", now=lambda: 0.0)) as store:
        (kept,) = store.past.newest_runs(most=2)
    assert (kept.run_id, kept.received, kept.providers) == (
        report.run_id,
        5,
        {"generic": {"invalid": 1, "unsettled": 4}},
    )
