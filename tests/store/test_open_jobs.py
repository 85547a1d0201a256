"""Jobs that a provider has not finished stay in the store until it has. On SQLite and on PostgreSQL alike."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from sqlalchemy import create_engine, text

from target_leads.changes import after
from target_leads.models import LeadUpdate, OpenJob, Outcome, Record, Settlement
from target_leads.providers import load_all
from target_leads.report import RunReport
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from target_leads.providers import Definition

NOW = 1_700_000_000.5
URL = "https://api.example.com"


@pytest.fixture(scope="module")
def definitions() -> Mapping[str, Definition]:
    """The bundled providers; `propexo_entrata` has jobs and takes updates whole."""
    return load_all([])


@pytest.fixture
def open_store(store_url: str, definitions: Mapping[str, Definition]) -> Iterator[Callable[..., Store]]:
    """Opens the store as the next run does, and begins a run in it: ``run-1``, ``run-2`` and so on."""
    opened: list[Store] = []

    def open_next(**options: Any) -> Store:
        opened.append(Store(store_url, now=lambda: NOW, definitions=definitions, **options))
        opened[-1].begin_run(f"run-{len(opened)}", version="1.2.3")
        return opened[-1]

    yield open_next
    for each in opened:
        each.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    """A new store with the run ``run-1`` in it."""
    return open_store()


def update_of(
    lead_id: str = "L-1",
    *,
    provider: str = "propexo_entrata",
    account: str = "north",
    base_url: str = URL,
    **fields: Any,
) -> LeadUpdate:
    """An update of a lead; its record has one column more."""
    original = {"id": lead_id, **fields}
    record = Record(stream="leads", fields=original, original=original, tap_stream="crm-leads", key_properties=("id",))
    return LeadUpdate(
        record=record, provider=provider, account=account, base_url=base_url, lead_id=lead_id, fields=fields
    )


def ended(update: LeadUpdate, outcome: str = "delivered", job_id: str = "J-1", **given: Any) -> list[Settlement]:
    """What became of the records of an update that was sent."""
    return [
        Settlement(
            record=part.record,
            outcome=Outcome(outcome),
            provider=update.provider,
            account=update.account,
            lead_id=update.lead_id,
            update=update,
            job_id=job_id,
            **{"attempts": 1, **given},
        )
        for part in update.parts or (update,)
    ]


def begin(store: Store, update: LeadUpdate, job_id: str = "J-1") -> None:
    """Send an update, of which a job comes."""
    store.recall([update.lead])
    store.announce("run-1", [update])
    settle(store, OpenJob(update=update, job_id=job_id))


def settle(store: Store, *group: Settlement | OpenJob) -> None:
    """Commit a group of settlements and jobs."""
    settlements = [entry for entry in group if isinstance(entry, Settlement)]
    store.settle("run-1", group, RunReport("run-1").counts(settlements))


def job_of(store: Store, update: LeadUpdate) -> str:
    """The open job that writes this very update, if it was the last that was sent for its lead."""
    last = store.open_jobs_of([update.lead]).get(update.lead)
    return last.job_id if last and last.fingerprint == store.fingerprints.of(update.fields) else ""


def jobs(store: Store) -> list[tuple[str, str]]:
    """Lead and name of each open job."""
    return [(job.update.lead_id, job.job_id) for job in store.open_jobs()]


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """What another program reads from the store with SQL."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(text(query)).mappings()]
    engine.dispose()
    return found


A = update_of(stage="A")
B = update_of(stage="B")


def test_a_new_store_has_no_open_jobs(store: Store) -> None:
    """Nothing is asked after, and every update is new."""
    assert (store.open_jobs(), store.open_jobs_of([A.lead])) == ([], {})


def test_an_open_job_is_known_in_the_next_run(store: Store, open_store: Callable[..., Store]) -> None:
    """Its record comes back as the tap sent it, digit for digit; the fields are gone, and the update is recognised."""
    update = update_of(stage="A", amount=Decimal("1.10"), name="Zoë")
    begin(store, update)

    for each in (store, open_store()):
        (job,) = each.open_jobs()
        assert (job.job_id, job.update.lead) == ("J-1", update.lead)
        assert job.update.record == structs.replace(update.record, fields={}, received_at=job.begun_at)
        assert str(job.update.record.original["amount"]) == "1.10"
        assert (job.update.fields, job.update.parts) == ({}, ())
        assert job_of(each, update) == "J-1"


def test_a_job_survives_a_crash_before_its_update_is_settled(
    store: Store, store_url: str, open_store: Callable[..., Store]
) -> None:
    """It is entered when the provider accepts the update, so a run that is killed while it waits has lost nothing."""
    begin(store, A)
    assert rows(store_url, "SELECT id FROM outcomes") == []

    following = open_store()  # the store of the killed run was never closed
    assert (jobs(following), job_of(following, A)) == ([("L-1", "J-1")], "J-1")
    assert following.settle_job("run-2", ended(following.open_jobs()[0].update))
    assert rows(store_url, "SELECT run_id, outcome FROM outcomes") == [{"run_id": "run-2", "outcome": "delivered"}]


@pytest.mark.parametrize(
    "other",
    [
        update_of(stage="B"),
        update_of(stage="A", city="Oslo"),
        update_of(stage=None),
        update_of("L-2", stage="A"),
        update_of(stage="A", account="south"),
        update_of(stage="A", provider="perch"),
        update_of(stage="A", base_url="https://eu.example.com"),
    ],
    ids=["other value", "more fields", "null", "other lead", "other account", "other provider", "other base_url"],
)
def test_only_the_very_update_is_recognised(other: LeadUpdate, store: Store, open_store: Callable[..., Store]) -> None:
    """Anything else has to be sent."""
    begin(store, A)
    assert [(job_of(each, A), job_of(each, other)) for each in (store, open_store())] == [("J-1", "")] * 2


def test_a_job_of_another_base_url_is_another(store: Store, open_store: Callable[..., Store]) -> None:
    """Two environments may give their jobs the same name; the end of one says nothing of the other."""
    elsewhere = update_of(stage="A", base_url="https://eu.example.com")
    begin(store, A)
    begin(store, elsewhere)
    following = open_store()
    assert [job.update.base_url for job in following.open_jobs()] == [URL, "https://eu.example.com"]

    assert following.settle_job("run-2", ended(elsewhere))
    assert [job.update.base_url for job in following.open_jobs()] == [URL]
    assert (job_of(following, A), job_of(following, elsewhere)) == ("J-1", "")
    assert following.recall([A.lead, elsewhere.lead]).keys() == {elsewhere.lead}


def test_the_order_of_fields_does_not_matter(store: Store) -> None:
    """The same fields are the same update, however deep they are and in whatever order they come."""
    begin(store, update_of(a=1, b={"c": 2, "d": 3}))
    assert job_of(store, update_of(b={"d": 3, "c": 2}, a=1)) == "J-1"


def test_many_leads_are_looked_up_at_once(store: Store) -> None:
    """However many leads a batch holds, each that has an open job is found, and no other."""
    for number in (0, 700, 1999):
        begin(store, update_of(f"L-{number}", stage="A"), job_id=f"J-{number}")
    found = store.open_jobs_of(update_of(f"L-{number}").lead for number in range(2000))
    assert {lead[-1]: last.job_id for lead, last in found.items()} == {
        "L-0": "J-0",
        "L-700": "J-700",
        "L-1999": "J-1999",
    }


def test_the_table_shows_no_value_but_in_the_record(store: Store, store_url: str) -> None:
    """What an update said is kept as hashes with the key of this store, so nobody can guess it from outside."""
    begin(store, A)
    (row,) = rows(store_url, "SELECT * FROM open_jobs")
    assert row.pop("record") == '{"id": "L-1", "stage": "A"}'
    assert len(row.pop("fingerprint")) == 16
    assert '"A"' not in str(row)
    assert '\\"A\\"' not in row["accepted"]
    names = ("run_id", "stream", "tap_stream", "provider", "account", "base_url", "lead_id", "job_id", "key_properties")
    assert [row[name] for name in names] == [
        "run-1", "leads", "crm-leads", "propexo_entrata", "north", URL, "L-1", "J-1", '["id"]',
    ]  # fmt: skip


def test_two_stores_hash_the_same_update_differently(store: Store, tmp_path: Path) -> None:
    """The key is the store's own."""
    other = Store(f"sqlite:///{tmp_path / 'other.db'}", now=lambda: NOW)
    assert store.fingerprints.of(A.fields) != other.fingerprints.of(A.fields)
    other.close()


def test_jobs_come_back_oldest_first(store: Store, open_store: Callable[..., Store]) -> None:
    """Each with its own lead."""
    for lead_id, job_id in (("L-2", "J-9"), ("L-1", "J-8"), ("L-3", "J-7")):
        begin(store, update_of(lead_id), job_id)
    assert jobs(open_store()) == [("L-2", "J-9"), ("L-1", "J-8"), ("L-3", "J-7")]


def merged_update() -> LeadUpdate:
    """An update that was made of two."""
    parts = update_of(stage="A"), update_of(city="Oslo")
    return dataclasses.replace(parts[-1], fields={"stage": "A", "city": "Oslo"}, parts=parts)


def test_records_that_share_a_job_come_back_together(store: Store, open_store: Callable[..., Store]) -> None:
    """A merged update is one job; its records are the parts of it, in order, the last of them its own."""
    merged = merged_update()
    begin(store, merged)

    following = open_store()
    (job,) = following.open_jobs()
    assert [part.record.original for part in job.update.parts] == [part.record.original for part in merged.parts]
    assert job.update.record == job.update.parts[-1].record
    assert job_of(following, merged) == "J-1"
    assert [job_of(following, part) for part in merged.parts] == ["", ""]


def test_a_merged_job_that_has_ended_is_removed_whole(
    store: Store, store_url: str, open_store: Callable[..., Store]
) -> None:
    """All of its records have their fate, and none of them is asked after again."""
    begin(store, merged_update())
    following = open_store()
    (job,) = following.open_jobs()
    assert following.settle_job("run-2", ended(job.update, "rejected"))
    assert [(each.open_jobs(), each.open_jobs_of([A.lead])) for each in (store, following)] == [([], {})] * 2
    assert rows(store_url, "SELECT record FROM dead_letters ORDER BY id") == [
        {"record": '{"id": "L-1", "stage": "A"}'},
        {"record": '{"id": "L-1", "city": "Oslo"}'},
    ]


@pytest.mark.parametrize("outcome", ["delivered", "rejected", "failed", "unconfirmed"])
def test_a_job_is_open_until_it_has_ended(outcome: str, store: Store, open_store: Callable[..., Store]) -> None:
    """What has ended within its own run is not asked after; what was waited for in vain is."""
    begin(store, A)
    settle(store, *ended(A, outcome))
    left = [("L-1", "J-1")] if outcome == "unconfirmed" else []
    for each in (store, open_store()):
        assert (jobs(each), job_of(each, A)) == (left, "J-1" if left else "")


def test_a_job_that_begins_and_ends_in_one_group(store: Store, store_url: str) -> None:
    """A provider that is quick leaves nothing behind but the outcome."""
    settle(store, OpenJob(update=A, job_id="J-1"), *ended(A))
    assert jobs(store) == []
    assert rows(store_url, "SELECT outcome, job_id FROM outcomes") == [{"outcome": "delivered", "job_id": "J-1"}]


@pytest.mark.parametrize("outcome", ["delivered", "unconfirmed"])
def test_an_older_job_does_not_stand_for_the_lead(outcome: str, store: Store, open_store: Callable[..., Store]) -> None:
    """After A and then B, A has to be sent again, though its first job is still open and is still asked after."""
    begin(store, A, "J-1")
    begin(store, B, "J-2")
    settle(store, *ended(B, outcome, "J-2"))

    for each in (store, open_store()):
        assert ("L-1", "J-1") in jobs(each)
        assert job_of(each, A) == ""
        assert job_of(each, B) == ("J-2" if outcome == "unconfirmed" else "")


def test_an_update_about_to_be_sent_leaves_the_older_job_behind(store: Store, open_store: Callable[..., Store]) -> None:
    """Also if the run is killed before anything comes of it: whether B was written nobody knows, so A is sent again."""
    begin(store, A)
    store.announce("run-1", [B])
    following = open_store()
    assert (jobs(following), job_of(following, A)) == ([("L-1", "J-1")], "")


@pytest.mark.parametrize("first", ["A", "B"])
def test_only_the_latest_update_of_a_batch_stands_for_the_lead(
    first: str, store: Store, open_store: Callable[..., Store]
) -> None:
    """Jobs are entered in any order; A has to be sent again after A and then B, also once the job of B has ended."""
    entries = [
        OpenJob(update=dataclasses.replace(A, is_latest=False), job_id="J-1"),
        OpenJob(update=B, job_id="J-2"),
    ]
    for entry in entries if first == "A" else reversed(entries):
        settle(store, entry)
    assert [job_of(each, A) for each in (store, open_store())] == ["", ""]

    assert store.settle_job("run-1", ended(B, job_id="J-2"))
    assert [job_of(each, A) for each in (store, open_store())] == ["", ""]


def test_an_update_that_was_not_sent_changes_nothing(store: Store, open_store: Callable[..., Store]) -> None:
    """While its job is open the same update is unconfirmed without a request, and the job stays what it is."""
    begin(store, A)
    (again,) = ended(A, "unconfirmed", attempts=0)
    settle(store, dataclasses.replace(again, update=None))
    for each in (store, open_store()):
        assert (jobs(each), job_of(each, A)) == ([("L-1", "J-1")], "J-1")


@pytest.mark.parametrize("outcome", ["delivered", "rejected"])
def test_a_job_that_has_ended_is_removed(
    outcome: str, store: Store, store_url: str, open_store: Callable[..., Store]
) -> None:
    """Its fate is entered, the same update may be sent again, and others stay: of this lead, and of that name."""
    other = update_of("L-2", stage="A")
    begin(store, A, "J-1")
    begin(store, other, "J-2")
    begin(store, B, "J-2")
    assert store.settle_job("run-1", ended(B, outcome, "J-2"))

    for each in (store, open_store()):
        assert jobs(each) == [("L-1", "J-1"), ("L-2", "J-2")]
        assert (job_of(each, B), job_of(each, other)) == ("", "J-2")
    query = "SELECT lead_id, outcome, job_id FROM "
    row = {"lead_id": "L-1", "outcome": outcome, "job_id": "J-2"}
    assert rows(store_url, f"{query} outcomes") == [row]
    assert rows(store_url, f"{query} dead_letters") == ([row] if outcome == "rejected" else [])


def test_the_end_of_an_older_job_leaves_the_newer_one(store: Store, open_store: Callable[..., Store]) -> None:
    """What was sent last is still being written."""
    begin(store, A, "J-1")
    begin(store, B, "J-2")
    assert store.settle_job("run-1", ended(A, job_id="J-1"))
    for each in (store, open_store()):
        assert (jobs(each), job_of(each, B)) == ([("L-1", "J-2")], "J-2")


@pytest.mark.parametrize("outcome", ["rejected", "failed"])
def test_an_older_job_that_ends_badly_leaves_nothing_known(
    outcome: str, store: Store, open_store: Callable[..., Store]
) -> None:
    """It may have written a part over what was delivered after it."""
    begin(store, A, "J-1")
    following = open_store()
    following.recall([B.lead])
    following.announce("run-2", [B])
    following.settle("run-2", ended(B, job_id=""), RunReport("run-2").counts())
    assert following.recall([B.lead])[B.lead].fields
    assert following.settle_job("run-2", ended(A, outcome, job_id="J-1"))
    assert following.recall([B.lead])[B.lead].fields == {}


def test_the_counts_of_the_run_do_not_change(store: Store, open_store: Callable[..., Store]) -> None:
    """The records of an earlier run's job were received by that run, so the counts of this one add up without them."""
    begin(store, A)
    following = open_store()
    assert following.settle_job("run-2", ended(A))
    (run,) = following.past.runs_beginning_with("run-2", most=2)
    assert (run.received, run.outcomes["delivered"]) == (0, 0)


# What the end of a job says of its lead


def test_a_job_that_ends_well_is_remembered(
    store: Store, open_store: Callable[..., Store], definitions: Mapping[str, Definition]
) -> None:
    """Once the provider has written it, its update is what the provider last accepted."""
    update = dataclasses.replace(A, digest="digest-of-A", version=Decimal(7))
    begin(store, update)
    assert store.recall([A.lead]) == {}
    following = open_store()
    assert following.settle_job("run-2", ended(following.open_jobs()[0].update))
    expected = after(None, update, store.fingerprints, definitions[update.provider])
    assert following.recall([update.lead]) == {update.lead: expected}
    assert (expected.digest, expected.version, [*expected.fields]) == ("digest-of-A", Decimal(7), ["stage"])


def test_a_job_that_ends_badly_leaves_the_lead_forgotten(store: Store, open_store: Callable[..., Store]) -> None:
    """It may have been written in part, so what was there before is not what is there now."""
    settle(store, *ended(B))
    begin(store, A)
    following = open_store()
    assert following.settle_job("run-2", ended(A, "rejected"))
    accepted = following.recall([A.lead])[A.lead]
    assert (accepted.fields, accepted.digest) == ({}, "")


def test_the_end_of_an_older_job_forgets_the_lead(store: Store, open_store: Callable[..., Store]) -> None:
    """Another update was sent since, and which of the two was written last nobody knows: the next has to be sent."""
    begin(store, A, "J-1")
    begin(store, B, "J-2")
    settle(store, *ended(B, job_id="J-2"))
    assert store.recall([A.lead])[A.lead].fields.keys() == {"stage"}

    following = open_store()
    assert following.settle_job("run-2", ended(A, job_id="J-1"))
    accepted = following.recall([A.lead])[A.lead]
    assert (accepted.fields, accepted.digest) == ({}, "")


@pytest.mark.parametrize("status", [404, 410])
def test_a_job_that_its_provider_does_not_know_keeps_nothing_back(
    status: int, store: Store, open_store: Callable[..., Store]
) -> None:
    """It may never end, so its update is sent again if it comes again; it is asked after as before, and no fate yet."""
    begin(store, A)
    following = open_store()
    assert not following.settle_job("run-2", ended(A, "unconfirmed", status=status))
    assert (jobs(following), job_of(following, A)) == ([("L-1", "J-1")], "")


@pytest.mark.parametrize("status", [None, 200, 500])
def test_a_job_that_has_not_ended_stays_what_it_is(status: int | None, store: Store, store_url: str) -> None:
    """Still open, or no answer: its update is not sent again, and has no other fate yet."""
    begin(store, A)
    assert not store.settle_job("run-1", ended(A, "unconfirmed", status=status))
    assert job_of(store, A) == "J-1"
    assert rows(store_url, "SELECT id FROM outcomes") == []


# Two runs at once


def test_two_runs_that_look_up_the_same_ended_job(
    store: Store, store_url: str, open_store: Callable[..., Store]
) -> None:
    """The first enters its fate; the second has nothing to tell, so there is one dead letter and one outcome."""
    begin(store, A)
    second = open_store()
    looked_up = [(each, each.open_jobs()[0].update) for each in (store, second)]
    assert [each.settle_job("run-2", ended(update, "rejected")) for each, update in looked_up] == [True, False]
    for table in ("dead_letters", "outcomes"):
        assert len(rows(store_url, f"SELECT id FROM {table}")) == 1  # noqa: S608 -- the test's own names


def test_many_runs_that_look_up_the_same_jobs_at_once(
    store: Store, store_url: str, open_store: Callable[..., Store]
) -> None:
    """Whoever comes first: each job that ended badly is one dead letter, and each that ended well is remembered."""
    updates = [update_of(f"L-{number}", stage="A") for number in range(20)]
    for update in updates:
        begin(store, update)
    runs = [open_store() for _ in range(4)]
    together = threading.Barrier(len(runs))

    def look_up(run: Store) -> int:
        found = run.open_jobs()
        together.wait(timeout=30)
        return sum(
            run.settle_job("run-2", ended(job.update, "rejected" if number % 2 else "delivered"))
            for number, job in enumerate(found)
        )

    with ThreadPoolExecutor(len(runs)) as pool:
        assert sum(pool.map(look_up, runs)) == 20
    assert jobs(store) == []
    refused = [{"lead_id": update.lead_id} for update in updates[1::2]]
    assert rows(store_url, "SELECT lead_id FROM dead_letters ORDER BY id") == refused
    assert store.recall(update.lead for update in updates).keys() == {update.lead for update in updates[::2]}


@pytest.mark.parametrize("strange", ["J\0-1", "J\ud800-1"])
def test_a_strange_job_id_is_kept(strange: str, store: Store, open_store: Callable[..., Store]) -> None:
    """The provider may name its jobs as it likes; what no database can hold is replaced, and removed all the same."""
    begin(store, A, strange)
    following = open_store()
    (job,) = following.open_jobs()
    assert job_of(following, A) == job.job_id
    assert following.settle_job("run-2", ended(A, job_id=strange))
    assert (following.open_jobs(), job_of(following, A)) == ([], "")


def test_a_store_that_is_not_to_remember_keeps_no_job(open_store: Callable[..., Store]) -> None:
    """The sandbox's jobs end with the run, and nobody could be asked after them."""
    store = open_store(remembers=False)
    begin(store, A)
    settle(store, *ended(A, "unconfirmed"))
    assert (store.open_jobs(), store.open_jobs_of([A.lead])) == ([], {})
