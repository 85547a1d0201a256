"""What one run leaves behind for the next, in whole runs over real HTTP with a real store."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import ProviderUnavailable
from target_leads.models import Outcome
from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference
from tests.test_delivery_runs import calls, record, rows, run, serving, state, states, when

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADDRESS = {"unit": "Unit 7", "level": "Level 3", "city": "Sydney"}
OTHER_ADDRESS = {"street": "1 New St", "city": "Perth"}
PENDING = when(lambda arrival: arrival.method == "GET", "pending")


@pytest.fixture
def jobs() -> dict[str, Any]:
    """Settings for a provider that writes later than anybody waits."""
    return {
        "provider": "propexo_entrata",
        "confirm_timeout_seconds": 0,
        "providers": {"propexo_entrata": {"api_token": "sandbox"}},
    }


@pytest.fixture
def stage_jobs(jobs: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Settings for a provider that writes later, and at which each step of a lead matters."""
    folder = tmp_path / "own" / "stages"
    shutil.copytree(str(load_all([])["propexo_entrata"].folder), folder)
    definition = json.loads((folder / "provider.json").read_text(encoding="utf-8"))
    definition["name"] = "stages"
    definition["update"]["coalesce"] = False
    definition.pop("rate_limits", None)
    (folder / "provider.json").write_text(json.dumps(definition), encoding="utf-8")
    return {
        **jobs,
        "provider": "stages",
        "provider_paths": [str(folder.parent)],
        "providers": {"stages": {"api_token": "sandbox", "concurrency": 1}},
    }


class Mood:
    """A provider that behaves as the test wants at the moment, and what it was sent."""

    def __init__(self, **jobs: str) -> None:
        """Answer questions after jobs as on this occasion, and everything else well."""
        self.question = jobs.get("question", "")
        self.update = ""
        self.bodies: list[Any] = []
        self.on_arrival: Callable[[Arrival], object] = lambda _: None

    def __call__(self, arrival: Arrival) -> Interference:
        """Treat one request."""
        self.on_arrival(arrival)
        if arrival.body:
            self.bodies.append(json.loads(arrival.body))
        return Interference(occasion=self.question if arrival.method == "GET" else self.update)

    @property
    def names(self) -> list[str]:
        """First names in the order in which they came."""
        return [body["first_name"] for body in self.bodies]


def test_an_open_job_elsewhere_stops_no_update(jobs: dict[str, Any]) -> None:
    """What is being written at one base URL says nothing of another: the very same update is sent there."""
    ada = record("L-1", first_name="Ada")
    with serving(jobs, PENDING):
        assert run(jobs, ada).count(Outcome.UNCONFIRMED) == 1
    with serving(jobs, PENDING) as real:
        run(jobs, ada)
        assert calls(real).count("update") == 1
        run(jobs, ada)
        assert calls(real).count("update") == 1
    assert rows("SELECT count(*) FROM open_jobs") == [(2,)]


def test_a_job_elsewhere_is_not_looked_up_here(jobs: dict[str, Any]) -> None:
    """Another environment knows nothing of it; its answer would mislead, and its credentials are not for it."""
    with serving(jobs, PENDING):
        run(jobs, record("L-1", first_name="Ada"))
    with serving(jobs, PENDING) as real:
        run(jobs)
        assert calls(real) == []


def test_a_job_of_the_sandbox_stops_no_update(jobs: dict[str, Any]) -> None:
    """A trial with the bundled emulator leaves nothing behind that keeps the real update from being sent."""
    ada = record("L-1", first_name="Ada")
    with serving(jobs, PENDING) as real:
        trial = run({**jobs, "sandbox": True}, ada)
        assert trial.count(Outcome.UNCONFIRMED) + trial.count(Outcome.DELIVERED) == 1
        assert (rows("SELECT * FROM open_jobs"), rows("SELECT * FROM leads"), calls(real)) == ([], [], [])
        run(jobs, ada)
        assert calls(real).count("update") == 1


def test_what_the_sandbox_took_is_sent_to_the_real_provider(generic_config: dict[str, Any], emulator: Emulator) -> None:
    """Also where updates are written at once: nothing is remembered of a trial."""
    for _ in range(2):
        assert run({**generic_config, "sandbox": True}, record("a", note="1")).count(Outcome.DELIVERED) == 1
    assert run(generic_config, record("a", note="1")).count(Outcome.DELIVERED) == 1
    assert emulator.leads["generic"] == {"a": {"note": "1"}}


@pytest.mark.parametrize("runs_before", [0, 1], ids=["in the same run", "after a run without it"])
def test_a_job_that_its_provider_does_not_know_stops_no_update(jobs: dict[str, Any], runs_before: int) -> None:
    """It may never end: its update is sent again when it comes again, and stands for its lead with its new job."""
    ada, mood = record("L-1", first_name="Ada"), Mood(question="pending")
    with serving(jobs, mood) as emulator:
        run(jobs, ada)
        mood.question = "not_found"
        for _ in range(runs_before):
            run(jobs)
        report = run(jobs, ada)
        assert (calls(emulator).count("update"), report.count(Outcome.UNCONFIRMED)) == (2, 1)

        mood.question = "pending"
        assert run(jobs, ada).count(Outcome.UNCONFIRMED) == 1
        assert calls(emulator).count("update") == 2


def test_many_jobs_that_their_provider_does_not_know_stop_no_update(jobs: dict[str, Any]) -> None:
    """However many they are, all of them are asked after, and all their updates are sent again."""
    mood = Mood(question="pending")
    leads = [record(f"L-{number}", first_name="Ada") for number in range(40)]
    with serving(jobs, mood) as emulator:
        run(jobs, *leads)
        mood.question = "not_found"
        run(jobs, *leads)
        assert calls(emulator).count("update") == 80


def test_a_provider_that_answers_no_question_is_asked_few(
    jobs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Hundreds of open jobs cost a few questions while it is down; the run goes on, and they stay open."""
    jobs["providers"]["propexo_entrata"]["rate_limits"] = [{"requests": 1000, "per_seconds": 1}]
    mood = Mood(question="pending")
    with serving(jobs, mood) as emulator:
        run(jobs, *[record(f"L-{number}", first_name="Ada") for number in range(100)])
        asked, mood.question = len(emulator.requests), "unavailable"
        report = run(jobs, state(2))
        assert len(emulator.requests) - asked <= 8 + 2
    assert (report.received, states(capsys)) == (0, [2])
    assert rows("SELECT count(*) FROM open_jobs") == [(100,)]


def test_back_and_forth_step_by_step_ends_where_it_should(stage_jobs: dict[str, Any]) -> None:
    """A, B and A in one batch are three jobs, whether or not A is being written already from the run before."""
    a, b = (record("L-1", first_name=name) for name in ("A", "B"))
    mood = Mood(question="pending")
    with serving(stage_jobs, mood):
        assert run(stage_jobs, a, b, a).count(Outcome.UNCONFIRMED) == 3
        assert mood.names == ["A", "B", "A"]

        assert run(stage_jobs, a, b, a).count(Outcome.UNCONFIRMED) == 3
        assert mood.names == ["A", "B", "A", "B", "A"]

        assert run(stage_jobs, a).count(Outcome.UNCONFIRMED) == 1
        assert mood.names == ["A", "B", "A", "B", "A"]
        assert run(stage_jobs, b).count(Outcome.UNCONFIRMED) == 1
        assert mood.names == ["A", "B", "A", "B", "A", "B"]


def test_back_and_forth_step_by_step_is_remembered(stage_jobs: dict[str, Any]) -> None:
    """Once the jobs of A, B and A have ended the lead is at A: the next A is unchanged, the next B is sent."""
    stage_jobs["confirm_timeout_seconds"] = 10
    a, b = (record("L-1", first_name=name) for name in ("A", "B"))
    mood = Mood()
    with serving(stage_jobs, mood):
        assert run(stage_jobs, a, b, a).count(Outcome.DELIVERED) == 3
        assert run(stage_jobs, a).count(Outcome.UNCHANGED) == 1
        assert run(stage_jobs, a, b, a).count(Outcome.DELIVERED) == 2
    assert mood.names == ["A", "B", "A", "B", "A"]
    assert rows("SELECT * FROM open_jobs") == []


def test_what_an_earlier_step_wrote_is_not_known_while_a_later_one_is_open(stage_jobs: dict[str, Any]) -> None:
    """A's job has ended and B's has not: when A comes again in the next run it is sent, or B would be written last."""
    a, b = (record("L-1", first_name=name) for name in ("A", "B"))
    mood, first = Mood(), list[str]()

    def end_only_the_first(arrival: Arrival) -> None:
        if arrival.method == "GET":
            first.append(arrival.target)
            mood.question = "" if arrival.target == first[0] else "pending"

    mood.on_arrival = end_only_the_first
    stage_jobs["confirm_timeout_seconds"] = 0.5
    with serving(stage_jobs, mood):
        report = run(stage_jobs, a, b)
        assert (report.count(Outcome.DELIVERED), report.count(Outcome.UNCONFIRMED)) == (1, 1)
        run(stage_jobs, a)
    assert mood.names == ["A", "B", "A"]


@pytest.mark.parametrize("kept", [{}, {"city": "Perth"}], ids=["another address", "the same city"])
def test_half_of_an_old_object_and_half_of_a_new_one_are_not_mixed(
    kept: dict[str, str], generic_config: dict[str, Any]
) -> None:
    """Whether the provider keeps the keys that an object lacks is not known: both addresses are sent, in order."""
    mood = Mood()
    older, newer = ADDRESS | kept, OTHER_ADDRESS
    with serving(generic_config, mood):
        report = run(generic_config, record("a", address=older, note="1"), record("a", address=newer, note="2"))
    assert [body["address"] for body in mood.bodies] == [older, newer]
    assert (report.count(Outcome.DELIVERED), report.unsettled) == (2, 0)


def test_an_object_that_covers_the_old_one_is_merged(generic_config: dict[str, Any]) -> None:
    """Where the newer object has every key of the older one nothing is in question, and one request is enough."""
    mood, newer = Mood(), {**ADDRESS, "city": "Perth"}
    with serving(generic_config, mood):
        run(generic_config, record("a", address=ADDRESS, note="1"), record("a", address=newer))
    assert mood.bodies == [{"address": newer, "note": "1"}]


def test_objects_that_the_provider_merges_are_merged() -> None:
    """PowerChord keeps the keys of Content that an update lacks, so two halves of it are one request."""
    config = {"provider": "powerchord", "providers": {"powerchord": {"access_token": "sandbox"}}}
    lead_id, mood = "3d9f61b4-0a27-4e8c-b5d1-94c7e2f06a18", Mood()
    with serving(config, mood):
        report = run(
            config,
            record(lead_id, Content={"firstName": "Ada", "lastName": "Byron"}),
            record(lead_id, Content={"lastName": "Lovelace", "email": "ada@example.com"}),
        )
    assert [body["Content"] for body in mood.bodies] == [
        {"firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com"}
    ]
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.SUPERSEDED)) == (1, 1)


def test_older_values_are_never_written_last(generic_config: dict[str, Any]) -> None:
    """A merged update is written, its answer is lost, its repetition is refused: the lead keeps the newer values."""
    tries = Counter[bytes]()

    def lose_then_refuse(arrival: Arrival) -> Interference:
        if b"newer" not in arrival.body:
            return Interference()
        tries[arrival.body] += 1
        return Interference(cut_off=True) if tries[arrival.body] == 1 else Interference(occasion="invalid")

    with serving(generic_config, lose_then_refuse) as emulator:
        report = run(
            {**generic_config, "reject_limit": "100%"},
            record("z", note="fine"),
            record("a", note="older"),
            record("a", note="newer"),
        )
    assert emulator.leads["generic"]["a"] == {"note": "newer"}
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.REJECTED)) == (1, 2)


def test_what_was_delivered_is_committed_while_the_rest_waits_at_the_gate(generic_config: dict[str, Any]) -> None:
    """A rate limit holds the second request back: when it comes the first one's outcome is in the store."""
    generic_config["providers"]["generic"]["rate_limits"] = [{"requests": 1, "per_seconds": 0.7}]
    mood, seen = Mood(), list[Any]()
    mood.on_arrival = lambda _: seen.extend(rows("SELECT count(*) FROM outcomes WHERE outcome = 'delivered'"))
    with serving(generic_config, mood):
        run(generic_config, *[record(lead_id, note="x") for lead_id in "abc"])
    assert seen == [(0,), (1,), (2,)]


def test_an_accepted_job_is_in_the_store_before_it_is_confirmed(jobs: dict[str, Any]) -> None:
    """When a job is asked after again a crash would not lose it any more; once it has ended it is gone."""
    jobs["confirm_timeout_seconds"] = 10
    mood, kept = Mood(question="pending"), list[Any]()

    def look(arrival: Arrival) -> None:
        if arrival.method == "GET":
            kept.append(rows("SELECT lead_id FROM open_jobs"))
            mood.question = "pending" if len(kept) == 1 else ""

    mood.on_arrival = look
    with serving(jobs, mood):
        assert run(jobs, record("L-1", first_name="Ada")).count(Outcome.DELIVERED) == 1
    assert len(kept) > 1
    assert all(entry == [("L-1",)] for entry in kept[1:])
    assert rows("SELECT * FROM open_jobs") == []


def test_a_lead_with_many_steps_does_not_flood_a_provider_that_is_down(stage_jobs: dict[str, Any]) -> None:
    """Two hundred steps of one lead end the run with "try later" after a few requests, and no dead letter."""
    mood = Mood()
    mood.update = "unavailable"
    steps = [record("L-1", first_name=f"step {number}") for number in range(200)]
    with serving(stage_jobs, mood) as emulator, pytest.raises(ProviderUnavailable):
        run({**stage_jobs, "max_tries": 1}, *steps)
    assert len(emulator.requests) <= 10
    assert rows("SELECT count(*) FROM dead_letters") == [(0,)]
    assert rows("SELECT received, unsettled FROM runs") == [(200, 200)]
