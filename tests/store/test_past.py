"""Looking back at runs and leads, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import datetime
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.models import LeadUpdate, OpenJob, Outcome, Record, Settlement
from target_leads.providers import load_all
from target_leads.report import RunReport
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://api.example.com"


class Clock:
    """Time that passes a second with each look."""

    def __init__(self) -> None:
        """Begin in the year 2023."""
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """The time."""
        self.now += 1
        return self.now


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store of either kind."""
    with closing(Store(store_url, now=Clock(), definitions=load_all([]))) as store:
        yield store


def settlement(lead_id: str, outcome: Outcome, **values: Any) -> Settlement:
    """What became of a record of a lead."""
    record = Record(stream="leads", fields={}, original={"id": lead_id})
    provider, account = values.pop("provider", "perch"), values.pop("account", "default")
    update = LeadUpdate(
        record=record, provider=provider, account=account, base_url=URL, lead_id=lead_id, fields={"email": lead_id}
    )
    return Settlement(
        record=record, outcome=outcome, provider=provider, account=account, lead_id=lead_id, update=update, **values
    )


def settle(store: Store, run_id: str, *settlements: Settlement) -> None:
    """A run that comes to this and nothing else."""
    report = RunReport(run_id)
    store.begin_run(run_id, version="1.2.3")
    report.settle(settlements)
    store.settle(run_id, settlements, report.counts())


def test_runs_come_newest_first(store: Store) -> None:
    """As many as are wanted, with all that is known of each; one that has not ended has no end."""
    for number in range(3):
        settle(store, f"run-{number}", settlement("L", Outcome.DELIVERED), settlement("M", Outcome.REJECTED))
    store.end_run("run-1", exit_status=75, counts=RunReport("run-1").counts())
    newest, ended = store.past.newest_runs(most=2)
    assert (newest.run_id, newest.version, newest.finished_at, newest.exit_status) == ("run-2", "1.2.3", None, None)
    assert (newest.outcomes["delivered"], newest.outcomes["rejected"], newest.refused) == (1, 1, 1)
    assert newest.providers == {"perch": {"delivered": 1, "rejected": 1}}
    assert (ended.run_id, ended.exit_status) == ("run-1", 75)
    assert ended.finished_at is not None
    assert ended.finished_at > ended.started_at > datetime.datetime(2023, 1, 1, tzinfo=datetime.timezone.utc)


def test_a_run_is_found_by_how_its_id_begins(store: Store) -> None:
    """In whatever case it is typed; the signs that SQL takes for any other are signs like any other."""
    for run_id in ("ab-1", "ab-2", "b_-3"):
        store.begin_run(run_id, version="")
    found = {
        prefix: [run.run_id for run in store.past.runs_beginning_with(prefix, most=9)]
        for prefix in ("AB", "b_", "_", "%")
    }
    assert found == {"AB": ["ab-2", "ab-1"], "b_": ["b_-3"], "_": [], "%": []}


def test_the_commonest_reason_comes_first(store: Store) -> None:
    """With how often, and the first three leads of it; what was not refused has no reason here, nor have other runs."""
    settle(store, "other", settlement("z", Outcome.REJECTED, reason="no"))
    rare = settlement("a", Outcome.INVALID, reason="bad")
    common = [settlement(lead_id, Outcome.REJECTED, reason="no") for lead_id in ("d", "c", "c", "b", "a", "")]
    ignored = [settlement(str(number), Outcome.IGNORED, reason="nothing to send") for number in range(9)]
    elsewhere = settlement("e", Outcome.REJECTED, reason="no", provider="bizmate")
    settle(store, "run", rare, *common, *ignored, elsewhere)
    reasons = store.past.commonest_reasons("run", most=2)
    assert [(each.provider, each.outcome, each.reason, each.count, each.lead_ids) for each in reasons] == [
        ("perch", "rejected", "no", 6, ("d", "c", "b")),
        ("perch", "invalid", "bad", 1, ("a",)),
    ]


def test_a_lead_has_a_history_at_each_place(store: Store) -> None:
    """Oldest first, over runs, providers and accounts, with the names of what was sent; no other lead's is in it."""
    settle(store, "run-1", settlement("L", Outcome.DELIVERED, attempts=1, status=200, request_id="r-1"))
    settle(
        store,
        "run-2",
        settlement("L", Outcome.REJECTED, reason="no", attempts=2, status=422, error_code="IN_USE", account="north"),
        settlement("L2", Outcome.DELIVERED, attempts=1),
        settlement("L", Outcome.DELIVERED, attempts=1, provider="bizmate"),
    )
    changes = store.past.lead_history("L").changes
    assert [(each.run_id, each.provider, each.account, each.outcome) for each in changes] == [
        ("run-1", "perch", "default", "delivered"),
        ("run-2", "perch", "north", "rejected"),
        ("run-2", "bizmate", "default", "delivered"),
    ]
    first, second, _ = changes
    assert (first.fields, first.status, first.request_id, first.attempts) == (("email",), 200, "r-1", 1)
    assert (second.reason, second.status, second.error_code, second.attempts) == ("no", 422, "IN_USE", 2)
    assert [each.run_id for each in store.past.lead_history("L", provider="bizmate").changes] == ["run-2"]


def test_what_is_known_of_a_lead_now(store: Store) -> None:
    """Where it was accepted last, and whether that is certain; open dead letters and jobs, and no closed ones."""
    delivered = settlement("L", Outcome.DELIVERED, attempts=1)
    settle(store, "run-1", delivered, settlement("L", Outcome.INVALID, reason="bad"))
    assert delivered.update is not None
    store.announce("run-1", [delivered.update])
    job = OpenJob(update=delivered.update, job_id="j-1")
    store.settle("run-1", [job], RunReport("run-1").counts())
    found = store.past.lead_history("L")
    assert [(each.provider, each.base_url, each.is_known) for each in found.known] == [("perch", URL, False)]
    assert [(each.outcome, each.reason) for each in found.dead_letters] == [("invalid", "bad")]
    assert [each.job_id for each in found.open_jobs] == ["j-1"]
    store.discard([found.dead_letters[0].id], because="seen to")
    assert store.past.lead_history("L").dead_letters == ()


def test_nothing_is_known_of_any_other_lead(store: Store) -> None:
    """An id that only begins so, a wrong provider, an empty store: there is no history, and that can be told."""
    assert not store.past.lead_history("L")
    settle(store, "run", settlement("L-1", Outcome.DELIVERED, attempts=1))
    assert store.past.lead_history("L-1")
    assert not store.past.lead_history("L")
    assert not store.past.lead_history("L-1", provider="bizmate")
