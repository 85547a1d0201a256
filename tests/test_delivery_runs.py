"""Whole runs over real HTTP with a real store: merged updates, versions, jobs that outlive a run, and blame."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import CredentialsRefused, ProviderUnavailable, RejectLimitReached, SettingsError
from target_leads.models import Outcome
from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.report import RunReport

Message = dict[str, Any]
SCHEMA: Message = {
    "type": "SCHEMA",
    "stream": "leads",
    "key_properties": ["id"],
    "schema": {"properties": {"id": {"type": "string"}, "email": {}, "note": {}, "phone": {}, "at": {}}},
}


def record(lead_id: str, **fields: Any) -> Message:
    """A RECORD message for one lead."""
    return {"type": "RECORD", "stream": "leads", "record": {"id": lead_id, **fields}}


def state(number: int) -> Message:
    """A STATE message."""
    return {"type": "STATE", "value": {"bookmark": number}}


def run(config: dict[str, Any], *messages: Message) -> RunReport:
    """Do a whole run; whatever ends it early goes on to the caller."""
    target = TargetLeads(config=config)
    lines = io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in (SCHEMA, *messages)))
    try:
        target.run(lines)
    finally:
        target.close(exit_status=1)
    assert target.report is not None
    return target.report


def rows(query: str) -> list[tuple[Any, ...]]:
    """Rows of the store that a run makes by default."""
    with contextlib.closing(sqlite3.connect("target-leads.db")) as connection:
        return connection.execute(query).fetchall()


def write(statement: str) -> None:
    """Change that store."""
    with contextlib.closing(sqlite3.connect("target-leads.db")) as connection, connection:
        connection.execute(statement)


def states(capsys: pytest.CaptureFixture[str]) -> list[int]:
    """The bookmarks of the STATE lines on stdout, of which there is nothing else."""
    return [json.loads(line)["bookmark"] for line in capsys.readouterr().out.splitlines()]


@contextlib.contextmanager
def serving(config: dict[str, Any], scenario: Callable[[Arrival], Interference]) -> Iterator[Emulator]:
    """An emulator that behaves as the test wants, to which the settings point."""
    emulator = Emulator(load_all(config.get("provider_paths", [])), scenario)
    with running(emulator) as url:
        for name, settings in config["providers"].items():
            settings["base_url"] = url + emulator.prefixes[name]
        yield emulator


def when(condition: Callable[[Arrival], bool], occasion: str) -> Callable[[Arrival], Interference]:
    """A provider that answers some requests as on this occasion, and all others well."""
    return lambda arrival: Interference(occasion=occasion) if condition(arrival) else Interference()


def test_updates_of_one_lead_are_merged(generic_config: dict[str, Any], emulator: Emulator) -> None:
    """One request carries what all records of the batch say; the earlier ones are superseded, and the counts add up."""
    report = run(
        generic_config,
        record("a", email="ada@example.com", note="first"),
        record("b", note="other"),
        record("a", note=None, phone={"number": "555-0100"}),
        record("a", note="last", phone={"number": "555-0100", "extension": "7"}),
    )
    assert emulator.leads["generic"]["a"] == {
        "email": "ada@example.com",
        "note": "last",
        "phone": {"number": "555-0100", "extension": "7"},
    }
    assert [request.lead_id for request in emulator.requests].count("a") == 1
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.SUPERSEDED), report.unsettled) == (2, 2, 0)


@pytest.mark.parametrize("batch_size_rows", [1, 3])
def test_back_and_forth_ends_where_it_should(
    batch_size_rows: int, generic_config: dict[str, Any], emulator: Emulator
) -> None:
    """A, then B, then A again is A at the provider, within one batch and across several."""
    notes = ["A", "B", "A"]
    run({**generic_config, "batch_size_rows": batch_size_rows}, *[record("a", note=note) for note in notes])
    assert emulator.leads["generic"]["a"] == {"note": "A"}


def test_one_refused_record_does_not_take_along_those_it_was_merged_with(generic_config: dict[str, Any]) -> None:
    """If the provider refuses the merged update, each record is sent by itself, and only the bad one is refused."""
    with serving(generic_config, when(lambda arrival: b"forbidden word" in arrival.body, "invalid")) as emulator:
        report = run(
            {**generic_config, "reject_limit": "100%"},
            record("a", email="ada@example.com"),
            record("a", note="a forbidden word"),
            record("a", phone={"number": "555-0100"}),
        )
    assert emulator.leads["generic"]["a"] == {"email": "ada@example.com", "phone": {"number": "555-0100"}}
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.REJECTED)) == (2, 1)
    ((kept,),) = rows("SELECT record FROM dead_letters")
    assert json.loads(kept) == {"id": "a", "note": "a forbidden word"}


def test_steps_that_matter_are_all_sent(sandbox_url: str, emulator: Emulator) -> None:
    """Connect2Capital's stages go out one by one, in order."""
    lead_id = "7d1f8a52-60b3-4c7e-9f24-5b8e1c0d3a96"
    config = {
        "provider": "connect2capital",
        "providers": {
            "connect2capital": {
                "api_key": "sandbox",
                "service_partner": "my-finances",
                "base_url": f"{sandbox_url}/connect2capital",
            }
        },
    }
    stages = ["Reviewed", "Contacted", "Qualified"]
    report = run(config, *[record(lead_id, status=stage) for stage in stages])
    assert report.count(Outcome.DELIVERED) == 3
    assert emulator.leads["connect2capital"][lead_id]["status"] == "Qualified"
    assert len(emulator.requests) == 3


def test_versions_decide_which_record_is_newer(generic_config: dict[str, Any], emulator: Emulator) -> None:
    """A late record with an older version adds what the newer one lacks, and takes back nothing."""
    config = {
        **generic_config,
        "streams": {"leads": {"version_field": "at", "fields": {"note": "note", "email": "email"}}},
    }
    run(
        config,
        record("a", note="newer", at="2026-03-29T01:30:00+00:00"),
        record("a", note="older", email="ada@example.com", at="2026-03-29T02:15:00+01:00"),
    )
    assert emulator.leads["generic"]["a"] == {"note": "newer", "email": "ada@example.com"}


def test_a_record_without_a_version_is_invalid(generic_config: dict[str, Any]) -> None:
    """Where versions decide, one that cannot be compared costs its own record, and its value is not shown."""
    config = {**generic_config, "streams": {"leads": {"version_field": "at"}}}
    report = run(
        config, record("a", note="1", at="yesterday"), record("b", note="2", at=None), record("c", note="3", at=7)
    )
    assert (report.count(Outcome.INVALID), report.count(Outcome.DELIVERED)) == (2, 1)
    assert {reason for (reason,) in rows("SELECT reason FROM dead_letters")} == {
        "$.at holds no version: it must be a number or a timestamp"
    }


def test_a_version_field_that_the_stream_lacks_is_a_mistake(generic_config: dict[str, Any]) -> None:
    """It is told when the SCHEMA comes, before anything is sent."""
    with pytest.raises(
        SettingsError, match=r"streams\.leads\.version_field: updated is no field of the stream; it has"
    ):
        run({**generic_config, "streams": {"leads": {"version_field": "updated"}}}, record("a", note="1"))


@pytest.fixture
def slow_jobs(sandbox_url: str) -> dict[str, Any]:
    """Settings for a provider that writes later than anybody waits: its jobs end when they are asked after again."""
    return {
        "provider": "propexo_entrata",
        "confirm_timeout_seconds": 0,
        "providers": {"propexo_entrata": {"api_token": "sandbox", "base_url": f"{sandbox_url}/propexo_entrata"}},
    }


def calls(emulator: Emulator) -> list[str]:
    """The calls that the emulator saw, in order."""
    return [request.call for request in emulator.requests]


def test_an_open_job_is_looked_up_in_the_next_run(
    slow_jobs: dict[str, Any], emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is unconfirmed and its STATE goes out; the next run asks first, even without a record, and closes it."""
    first = run(slow_jobs, record("L-1", first_name="Ada"), state(1))
    assert (first.count(Outcome.UNCONFIRMED), states(capsys)) == (1, [1])

    second = run(slow_jobs)
    assert (second.jobs_looked_up, second.jobs_ended) == (1, {Outcome.DELIVERED: 1})
    assert (second.received, calls(emulator)) == (0, ["update", "job", "job"])
    assert rows("SELECT lead_id, outcome FROM outcomes ORDER BY id") == [("L-1", "unconfirmed"), ("L-1", "delivered")]
    assert rows("SELECT received, delivered, unconfirmed, requests FROM runs ORDER BY started_at") == [
        (1, 0, 1, 2),
        (0, 0, 0, 1),
    ]
    run(slow_jobs)
    assert len(emulator.requests) == 3


def test_a_job_that_fails_after_the_run_becomes_a_dead_letter(slow_jobs: dict[str, Any], failing_lead: str) -> None:
    """What the tap sent is kept with the job, so that nothing is lost if it ends badly."""
    run(slow_jobs, record(failing_lead, first_name="Ada", unknown="kept as well"))
    assert rows("SELECT count(*) FROM dead_letters") == [(0,)]

    report = run(slow_jobs, record("L-2", first_name="Bo"))
    assert (report.jobs_looked_up, report.jobs_ended) == (1, {Outcome.REJECTED: 1})
    ((outcome, reason, job_id, kept),) = rows("SELECT outcome, reason, job_id, record FROM dead_letters")
    assert (outcome, reason) == ("rejected", "200 OK: the job failed and wrote nothing")
    assert job_id
    assert json.loads(kept) == {"id": failing_lead, "first_name": "Ada", "unknown": "kept as well"}
    assert report.count(Outcome.UNCONFIRMED) == report.received == 1


def test_a_job_that_its_provider_does_not_know_any_more_becomes_a_dead_letter(slow_jobs: dict[str, Any]) -> None:
    """Whether it wrote the update nobody can say; it is not asked after for ever, and its record is kept.

    A job that has just begun may come to be known yet.
    """
    slow_jobs["reject_limit"] = "100%"
    with serving(slow_jobs, when(lambda _: False, "")):
        run(slow_jobs, record("L-1", first_name="Ada"))
        write("UPDATE open_jobs SET job_id = 'nobody-knows'")
        young = run(slow_jobs)
        assert (young.jobs_looked_up, young.jobs_ended, len(rows("SELECT * FROM open_jobs"))) == (1, {}, 1)
        write("UPDATE open_jobs SET created_at = datetime('now', '-2 hours')")
        old = run(slow_jobs)
    assert (old.jobs_looked_up, old.jobs_ended) == (1, {Outcome.FAILED: 1})
    assert rows("SELECT * FROM open_jobs") == []
    assert rows("SELECT outcome, reason, lead_id FROM dead_letters") == [
        ("failed", "the provider knows no such job any more; whether it wrote the update is not known", "L-1")
    ]


@pytest.mark.parametrize(("limit", "records", "stops"), [(0, 1, True), ("10%", 0, True), ("10%", 1, False)])
def test_jobs_of_earlier_runs_that_end_badly_count_against_the_limit(
    limit: str | int, records: int, slow_jobs: dict[str, Any], failing_lead: str, *, stops: bool
) -> None:
    """A mapping that a slow provider refuses every time must not pass for a run in which all is well."""
    slow_jobs["reject_limit"] = limit
    run(slow_jobs, record(failing_lead, first_name="Ada"))
    given = [record("L-2", first_name="Bo")] * records
    if stops:
        with pytest.raises(RejectLimitReached, match="1 of 1 records were refused"):
            run(slow_jobs, *given)
    else:
        assert run(slow_jobs, *given).count(Outcome.UNCONFIRMED) == 1


@pytest.fixture
def failing_lead() -> str:
    """A lead whose jobs fail."""
    folder = load_all([])["propexo_entrata"].folder / "responses" / "job_failure.json"
    lead_id: str = json.loads(folder.read_text(encoding="utf-8"))["sandbox"]["lead_ids"][0]
    return lead_id


def test_the_same_update_is_not_sent_again_while_its_job_is_open(slow_jobs: dict[str, Any]) -> None:
    """A tap that sends the whole table again meets the open job; another update is sent, and then the first again."""
    with serving(slow_jobs, when(lambda arrival: arrival.method == "GET", "pending")) as emulator:
        for name, calls_so_far in (("Ada", 1), ("Ada", 1), ("Bo", 2), ("Bo", 2), ("Ada", 3), ("Ada", 3)):
            report = run(slow_jobs, record("L-1", first_name=name))
            assert report.count(Outcome.UNCONFIRMED) == 1
            assert calls(emulator).count("update") == calls_so_far
    assert rows("SELECT count(*) FROM open_jobs") == [(3,)]


def test_the_credentials_may_be_refused_when_an_open_job_is_looked_up(
    slow_jobs: dict[str, Any], emulator: Emulator
) -> None:
    """Then the run ends before it reads a record, and the job stays open."""
    run(slow_jobs, record("L-1", first_name="Ada"))
    slow_jobs["providers"]["propexo_entrata"]["api_token"] = "refused"
    with pytest.raises(CredentialsRefused):
        run(slow_jobs, record("L-2", first_name="Bo"))
    assert "L-2" not in emulator.leads["propexo_entrata"]
    assert rows("SELECT lead_id FROM open_jobs") == [("L-1",)]


@pytest.mark.parametrize(
    "change", [{"account": "other"}, None], ids=["another account", "a provider that is not set up any more"]
)
def test_a_job_of_an_account_that_is_not_there_waits(
    change: dict[str, Any] | None, slow_jobs: dict[str, Any], generic_config: dict[str, Any], emulator: Emulator
) -> None:
    """Only the account that was told of a job can ask after it."""
    run(slow_jobs, record("L-1", first_name="Ada"))
    if change:
        slow_jobs["providers"]["propexo_entrata"] |= change
    report = run(slow_jobs if change else generic_config)
    assert (report.jobs_looked_up, report.jobs_of_others) == (0, 1)
    assert (calls(emulator), rows("SELECT count(*) FROM open_jobs")) == (["update", "job"], [(1,)])


def test_what_is_in_doubt_at_the_end_of_a_batch_waits_for_the_next(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A lead that fails as the last of its batch is judged by the next batch's evidence."""
    generic_config["providers"]["generic"]["concurrency"] = 1
    with serving(generic_config, when(lambda arrival: arrival.target.endswith("/b?"), "unavailable")):
        report = run(
            {**generic_config, "batch_size_rows": 2, "max_tries": 1, "reject_limit": 5},
            *[record("a", note="1"), record("b", note="2"), state(1)],
            *[record("c", note="3"), record("d", note="4"), state(2)],
        )
    assert (report.count(Outcome.FAILED), report.count(Outcome.DELIVERED), report.unsettled) == (1, 3, 0)
    assert states(capsys) == [1, 2]


def test_what_is_in_doubt_at_the_end_of_the_run_is_not_blamed(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without evidence the run ends with "try later"; the requests that it made are counted all the same."""
    with serving(generic_config, when(lambda _: True, "unavailable")), pytest.raises(ProviderUnavailable):
        run({**generic_config, "max_tries": 1}, record("a", note="1"), state(1))
    assert states(capsys) == []
    assert rows("SELECT received, failed, unsettled, requests FROM runs") == [(1, 0, 1, 1)]


def test_what_never_left_is_no_request(generic_config: dict[str, Any]) -> None:
    """Of a provider that takes no connection the summary and the store tell no request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    generic_config["providers"]["generic"]["base_url"] = f"http://127.0.0.1:{port}"
    with pytest.raises(ProviderUnavailable, match="the host takes no connection, 1 attempt each"):
        run({**generic_config, "max_tries": 1}, record("a", note="1"))
    assert rows("SELECT received, unsettled, requests FROM runs") == [(1, 1, 0)]


def test_a_404_for_every_lead_stops_at_the_reject_limit(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a wrong base URL or account, not a thousand bad leads: most of them are not even sent."""
    with serving(generic_config, when(lambda _: True, "not_found")) as emulator:
        leads = [record(f"L{number}", note="x") for number in range(5000)]
        with pytest.raises(RejectLimitReached, match="404 Not Found"):
            run({**generic_config, "batch_size_rows": 500}, *leads, state(1))
    assert states(capsys) == []
    assert len(emulator.requests) <= 500
