"""Jobs that a provider has not finished stay in the store until it has. On SQLite and on PostgreSQL alike."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

from target_leads.models import LeadUpdate, OpenJob, Outcome, Record, Settlement
from target_leads.report import RunReport
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_700_000_000.5


@pytest.fixture
def open_store(store_url: str) -> Iterator[Callable[[], Store]]:
    """Opens the store as the next run does, and begins a run in it."""
    opened: list[Store] = []

    def open_next() -> Store:
        opened.append(Store(store_url, now=lambda: NOW))
        opened[-1].begin_run(f"run-{len(opened)}", version="1.2.3")
        return opened[-1]

    yield open_next
    for each in opened:
        each.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    """A new store with the run ``run-1`` in it."""
    return open_store()


def update_of(lead_id: str = "L-1", *, provider: str = "propexo", account: str = "north", **fields: Any) -> LeadUpdate:
    """An update of a lead; its record has one column more."""
    original = {"id": lead_id, **fields}
    record = Record(stream="leads", fields=original, original=original)
    return LeadUpdate(record=record, provider=provider, account=account, lead_id=lead_id, fields=fields)


def settled(update: LeadUpdate, outcome: str = "unconfirmed", job_id: str = "J-1", **given: Any) -> list[Settlement]:
    """What became of the records of an update that was sent."""
    kind = Outcome(outcome)
    return [
        Settlement(
            record=part.record,
            outcome=kind,
            provider=update.provider,
            account=update.account,
            lead_id=update.lead_id,
            job_id=job_id,
            open_job=OpenJob(update=update, job_id=job_id) if kind is Outcome.UNCONFIRMED else None,
            **{"attempts": 1, **given},
        )
        for part in update.parts or (update,)
    ]


def settle(store: Store, *entries: list[Settlement]) -> None:
    """Commit settlements as one group."""
    together = [entry for group in entries for entry in group]
    store.settle("run-1", together, RunReport("run-1").counts(together))


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
    assert (store.open_jobs(), store.job_of(A)) == ([], "")


def test_an_open_job_is_known_in_the_next_run(store: Store, open_store: Callable[[], Store]) -> None:
    """Its record comes back as the tap sent it, digit for digit; the fields are gone, and the update is recognised."""
    update = update_of(stage="A", amount=Decimal("1.10"), name="Zoë")
    settle(store, settled(update))

    for each in (store, open_store()):
        (job,) = each.open_jobs()
        assert (job.job_id, job.update.lead_id, job.update.provider, job.update.account) == (
            "J-1",
            "L-1",
            "propexo",
            "north",
        )
        assert job.update.record == Record(stream="leads", fields={}, original=update.record.original)
        assert str(job.update.record.original["amount"]) == "1.10"
        assert (job.update.fields, job.update.parts) == ({}, ())
        assert each.job_of(update) == "J-1"


@pytest.mark.parametrize(
    "other",
    [
        update_of(stage="B"),
        update_of(stage="A", city="Oslo"),
        update_of(stage=None),
        update_of("L-2", stage="A"),
        update_of(stage="A", account="south"),
        update_of(stage="A", provider="perch"),
    ],
    ids=["other value", "more fields", "null", "other lead", "other account", "other provider"],
)
def test_only_the_very_update_is_recognised(other: LeadUpdate, store: Store, open_store: Callable[[], Store]) -> None:
    """Anything else has to be sent."""
    settle(store, settled(A))
    assert [each.job_of(other) for each in (store, open_store())] == ["", ""]


def test_the_order_of_fields_does_not_matter(store: Store) -> None:
    """The same fields are the same update, however deep they are and in whatever order they come."""
    settle(store, settled(update_of(a=1, b={"c": 2, "d": 3})))
    assert store.job_of(update_of(b={"d": 3, "c": 2}, a=1)) == "J-1"


def test_the_table_shows_no_value_but_in_the_record(store: Store, store_url: str) -> None:
    """What an update said is kept as a hash with the key of this store, so nobody can guess it from outside."""
    settle(store, settled(A))
    (row,) = rows(store_url, "SELECT * FROM open_jobs")
    assert row.pop("record") == '{"id": "L-1", "stage": "A"}'
    assert len(row.pop("fingerprint")) == 64
    assert '"A"' not in str(row)
    assert (row["run_id"], row["stream"], row["provider"], row["account"], row["lead_id"], row["job_id"]) == (
        "run-1",
        "leads",
        "propexo",
        "north",
        "L-1",
        "J-1",
    )


def test_two_stores_hash_the_same_update_differently(store_url: str, store: Store, tmp_path: Any) -> None:
    """The key is the store's own."""
    settle(store, settled(A))
    other_url = f"sqlite:///{tmp_path / 'other.db'}"
    other = Store(other_url, now=lambda: NOW)
    other.begin_run("run-1", version="1.2.3")
    settle(other, settled(A))
    other.close()
    query = "SELECT fingerprint FROM open_jobs"
    assert rows(store_url, query) != rows(other_url, query)


def test_jobs_come_back_oldest_first(store: Store, open_store: Callable[[], Store]) -> None:
    """Each with its own lead."""
    settle(store, settled(update_of("L-2"), job_id="J-9"), settled(update_of("L-1"), job_id="J-8"))
    settle(store, settled(update_of("L-3"), job_id="J-7"))
    assert [(job.update.lead_id, job.job_id) for job in open_store().open_jobs()] == [
        ("L-2", "J-9"),
        ("L-1", "J-8"),
        ("L-3", "J-7"),
    ]


def test_records_that_share_a_job_come_back_together(store: Store, open_store: Callable[[], Store]) -> None:
    """A merged update is one job; its records are the parts of it, in order, the last of them its own."""
    parts = update_of(stage="A"), update_of(city="Oslo")
    merged = dataclasses.replace(parts[-1], fields={"stage": "A", "city": "Oslo"}, parts=parts)
    settle(store, settled(merged))

    following = open_store()
    (job,) = following.open_jobs()
    assert [part.record.original for part in job.update.parts] == [part.record.original for part in parts]
    assert job.update.record == job.update.parts[-1].record
    assert following.job_of(merged) == "J-1"
    assert [following.job_of(part) for part in parts] == ["", ""]


@pytest.mark.parametrize("outcome", ["delivered", "rejected", "failed", "invalid", "unchanged"])
def test_only_an_unconfirmed_update_has_an_open_job(outcome: str, store: Store) -> None:
    """What has ended is not asked after, though it had a job."""
    settle(store, settled(A, outcome))
    assert (store.open_jobs(), store.job_of(A)) == ([], "")


@pytest.mark.parametrize("outcome", ["delivered", "unconfirmed"])
def test_an_older_job_does_not_stand_for_the_lead(outcome: str, store: Store, open_store: Callable[[], Store]) -> None:
    """After A and then B, A has to be sent again, though its first job is still open and is still asked after."""
    settle(store, settled(A, job_id="J-1"))
    store.forget([B])
    settle(store, settled(B, outcome, job_id="J-2"))

    for each in (store, open_store()):
        assert "J-1" in [job.job_id for job in each.open_jobs()]
        assert each.job_of(A) == ""
        assert each.job_of(B) == ("J-2" if outcome == "unconfirmed" else "")


@pytest.mark.parametrize("outcome", ["delivered", "unconfirmed"])
@pytest.mark.parametrize("first", ["A", "B"])
def test_only_the_latest_update_of_a_batch_stands_for_the_lead(
    outcome: str, first: str, store: Store, open_store: Callable[[], Store]
) -> None:
    """Jobs end in any order; A has to be sent again after A and then B, also once the job of B has ended."""
    groups = [settled(dataclasses.replace(A, is_latest=False), job_id="J-1"), settled(B, outcome, job_id="J-2")]
    for group in groups if first == "A" else reversed(groups):
        settle(store, group)
    assert [each.job_of(A) for each in (store, open_store())] == ["", ""]

    store.settle_jobs("run-1", settled(B, "delivered", job_id="J-2"))
    assert [each.job_of(A) for each in (store, open_store())] == ["", ""]


def test_an_update_that_was_not_sent_changes_nothing(store: Store, open_store: Callable[[], Store]) -> None:
    """While its job is open the same update is unconfirmed without a request, and the job stays what it is."""
    settle(store, settled(A))
    (again,) = settled(A, attempts=0)
    settle(store, [dataclasses.replace(again, open_job=None)])

    for each in (store, open_store()):
        assert each.job_of(A) == "J-1"
        assert len(each.open_jobs()) == 1


@pytest.mark.parametrize("outcome", ["delivered", "rejected"])
def test_a_job_that_has_ended_is_removed(
    outcome: str, store: Store, store_url: str, open_store: Callable[[], Store]
) -> None:
    """Its fate is entered, the same update may be sent again, and others stay: of this lead, and of that name."""
    settle(store, settled(A, job_id="J-1"))
    settle(store, settled(update_of("L-2", stage="A"), job_id="J-2"), settled(B, job_id="J-2"))
    store.settle_jobs("run-1", settled(B, outcome, job_id="J-2"))

    for each in (store, open_store()):
        assert [(job.update.lead_id, job.job_id) for job in each.open_jobs()] == [("L-1", "J-1"), ("L-2", "J-2")]
        assert (each.job_of(B), each.job_of(update_of("L-2", stage="A"))) == ("", "J-2")
    query = f"SELECT count(*) AS count FROM outcomes WHERE job_id = 'J-2' AND outcome = '{outcome}'"  # noqa: S608
    assert rows(store_url, query) == [{"count": 1}]


def test_the_end_of_an_older_job_leaves_the_newer_one(store: Store, open_store: Callable[[], Store]) -> None:
    """What was sent last is still being written."""
    settle(store, settled(A, job_id="J-1"))
    settle(store, settled(B, job_id="J-2"))
    store.settle_jobs("run-1", settled(A, "delivered", job_id="J-1"))

    for each in (store, open_store()):
        assert [job.job_id for job in each.open_jobs()] == ["J-2"]
        assert each.job_of(B) == "J-2"


def test_a_merged_job_that_has_ended_is_removed_whole(store: Store, open_store: Callable[[], Store]) -> None:
    """All of its records have their fate, and none of them is asked after again."""
    parts = update_of(stage="A"), update_of(city="Oslo")
    merged = dataclasses.replace(parts[-1], fields={"stage": "A", "city": "Oslo"}, parts=parts)
    settle(store, settled(merged))
    (job,) = store.open_jobs()
    store.settle_jobs("run-1", settled(job.update, "delivered", job_id=job.job_id))
    assert [(each.open_jobs(), each.job_of(merged)) for each in (store, open_store())] == [([], "")] * 2


@pytest.mark.parametrize("strange", ["J\0-1", "J\ud800-1"])
def test_a_strange_job_id_is_kept(strange: str, store: Store, open_store: Callable[[], Store]) -> None:
    """The provider may name its jobs as it likes; what no database can hold is replaced, and removed all the same."""
    settle(store, settled(A, job_id=strange))
    following = open_store()
    (job,) = following.open_jobs()
    assert following.job_of(A) == job.job_id
    following.settle_jobs("run-2", settled(A, "delivered", job_id=strange))
    assert (following.open_jobs(), following.job_of(A)) == ([], "")
