"""Dead letters are found, sent again, closed: each is one, however often it is refused."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

from target_leads.models import LeadUpdate, Outcome, Record, Settlement, Violation
from target_leads.providers import load_all
from target_leads.report import RunReport
from target_leads.store import DeadLetterFilter, Store

if TYPE_CHECKING:
    from collections.abc import Iterator


NOW = 1_700_000_000.5
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=datetime.timezone.utc)
SECOND = datetime.timedelta(seconds=1)
FOREVER = MOMENT + datetime.timedelta(days=36_500)


class Clock:
    """Time that passes when the test says so."""

    seconds = NOW


@pytest.fixture
def clock() -> Clock:
    """The time in every store of the test."""
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    """A new store with two runs in it."""
    opened = Store(store_url, now=lambda: clock.seconds, definitions=load_all([]))
    for run_id in ("run-1", "run-2"):
        opened.begin_run(run_id, version="1.2.3")
    yield opened
    opened.close()


def update_of(record: Record, lead_id: str, *, provider: str = "perch", account: str = "north") -> LeadUpdate:
    """An update of a lead."""
    return LeadUpdate(record=record, provider=provider, account=account, lead_id=lead_id, fields={"email": "a"})


def settled(outcome: str = "rejected", lead_id: str = "L-1", *, again: int | None = None, **given: Any) -> Settlement:
    """The fate of a record, which may be a dead letter that is sent again."""
    stream, provider, account = (
        given.pop("stream", "leads"),
        given.pop("provider", "perch"),
        given.pop("account", "north"),
    )
    record = Record(stream=stream, fields={}, original={"id": lead_id}, dead_letter_id=again)
    return Settlement(
        record=record,
        outcome=Outcome(outcome),
        provider=provider,
        account=account,
        lead_id=lead_id,
        update=update_of(record, lead_id, provider=provider, account=account),
        **given,
    )


def settle(store: Store, *group: Settlement, run_id: str = "run-1") -> None:
    """Commit a group of settlements."""
    store.settle(run_id, group, RunReport(run_id).counts(group))


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """What another program reads from the store with SQL."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(text(query)).mappings()]
    engine.dispose()
    return found


# Filters


@pytest.fixture
def filled(store: Store, clock: Clock) -> Store:
    """A store with four dead letters, a second apart."""
    for entry in (
        settled("rejected", "L-1", reason="404 Not Found"),
        settled("invalid", "L-2", reason="$.email is required"),
        settled("failed", "L-3", reason="502 Bad Gateway", provider="bizmate"),
        settled("rejected", "L-4", reason="100%_sure", stream="deals"),
    ):
        settle(store, entry)
        clock.seconds += 1
    return store


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, [1, 2, 3, 4]),
        ({"ids": (2, 4, 99)}, [2, 4]),
        ({"provider": "bizmate"}, [3]),
        ({"provider": "biz"}, []),
        ({"stream": "deals"}, [4]),
        ({"outcome": "rejected"}, [1, 4]),
        ({"reason": "not found"}, [1]),
        ({"reason": "is required"}, [2]),
        ({"reason": "%"}, [4]),
        ({"reason": "_"}, [4]),
        ({"reason": "0%_s"}, [4]),
        ({"reason": "\\"}, []),
        ({"since": MOMENT + SECOND}, [2, 3, 4]),
        ({"since": MOMENT + SECOND * 1.5}, [3, 4]),
        ({"until": MOMENT + SECOND}, [1]),
        ({"since": MOMENT + SECOND, "until": MOMENT + 3 * SECOND}, [2, 3]),
        ({"outcome": "rejected", "stream": "leads"}, [1]),
        ({"ids": (1, 2), "reason": "required"}, [2]),
    ],
    ids=str,
)
def test_a_filter_finds_what_it_means(which: dict[str, Any], found: list[int], filled: Store) -> None:
    """Every condition has to hold; a reason is found by any words in it, taken as they are; `until` is not in it."""
    assert [letter.dead_letter_id for letter in filled.dead_letters(DeadLetterFilter(**which))] == found


def test_a_moment_in_another_zone_is_the_same_moment(filled: Store) -> None:
    """People give times with the zone of their own wall clock."""
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    since = (MOMENT + SECOND).astimezone(zone)
    assert [letter.dead_letter_id for letter in filled.dead_letters(DeadLetterFilter(since=since))] == [2, 3, 4]


def test_a_closed_dead_letter_is_found_by_no_filter(filled: Store) -> None:
    """Not even by its id."""
    filled.discard([2], because="duplicate")
    for which in (DeadLetterFilter(), DeadLetterFilter(ids=(2,)), DeadLetterFilter(outcome="invalid")):
        assert 2 not in [letter.dead_letter_id for letter in filled.dead_letters(which)]


def test_the_store_can_be_written_while_dead_letters_are_read(filled: Store) -> None:
    """A long list is worked through one by one, and each is closed on the way."""
    for letter in list(filled.dead_letters(DeadLetterFilter())):
        settle(filled, settled("delivered", letter.lead_id, again=letter.dead_letter_id))
    assert list(filled.open_dead_letters()) == []


# Sent again


@pytest.mark.parametrize("outcome", ["delivered", "unconfirmed", "unchanged", "superseded", "ignored"])
def test_a_dead_letter_that_gets_through_is_closed(outcome: str, filled: Store, store_url: str, clock: Clock) -> None:
    """It keeps the outcome that closed it, the moment, and all that it was before; the others stay open."""
    settle(filled, settled(outcome, again=1), run_id="run-2")
    assert [letter.dead_letter_id for letter in filled.open_dead_letters()] == [2, 3, 4]
    query = "SELECT run_id, outcome, reason, closed_because FROM dead_letters WHERE closed_at IS NOT NULL"
    assert rows(store_url, query) == [
        {"run_id": "run-1", "outcome": "rejected", "reason": "404 Not Found", "closed_because": outcome}
    ]
    assert clock.seconds == NOW + 4
    (row,) = rows(store_url, "SELECT count(*) AS count FROM dead_letters")
    assert row["count"] == 4


@pytest.mark.parametrize("outcome", ["rejected", "invalid", "failed"])
def test_a_dead_letter_that_is_refused_again_is_the_same_one(outcome: str, filled: Store, store_url: str) -> None:
    """It stays open with its new reason, and the age that it had; there is no second one."""
    violations = (Violation(path="$.a", rule="is required"),) if outcome == "invalid" else ()
    given: dict[str, Any] = {
        "reason": "another", "status": 409, "attempts": 2, "error_code": "DUP", "request_id": "r-1", "job_id": "J-1",
    }  # fmt: skip
    settle(filled, settled(outcome, again=1, violations=violations, **given), run_id="run-2")

    assert [letter.dead_letter_id for letter in filled.open_dead_letters()] == [1, 2, 3, 4]
    (letter,) = filled.dead_letters(DeadLetterFilter(ids=(1,)))
    assert {name: getattr(letter, name) for name in given} == given
    assert (letter.outcome, letter.violations, letter.run_id) == (Outcome(outcome), violations, "run-2")
    assert (letter.created_at, letter.record) == (MOMENT, {"id": "L-1"})
    assert len(rows(store_url, "SELECT id FROM outcomes")) == 5


def test_a_dead_letter_refused_many_times_is_one(filled: Store) -> None:
    """However often it is sent again, and by however many runs."""
    for number in range(3):
        settle(filled, settled("rejected", again=1, reason=f"reason {number}"), run_id="run-2")
    assert [letter.reason for letter in filled.dead_letters(DeadLetterFilter(ids=(1,)))] == ["reason 2"]
    assert len(list(filled.open_dead_letters())) == 4


@pytest.mark.parametrize("outcome", ["delivered", "rejected"])
def test_a_dead_letter_that_was_closed_meanwhile_stays_closed(outcome: str, filled: Store, store_url: str) -> None:
    """Somebody discarded it while it was on its way; their words stay, and no new one is filed."""
    filled.discard([1], because="duplicate")
    settle(filled, settled(outcome, again=1, reason="another"), run_id="run-2")
    query = "SELECT reason, closed_because FROM dead_letters WHERE lead_id = 'L-1'"
    assert rows(store_url, query) == [{"reason": "404 Not Found", "closed_because": "duplicate"}]


def test_new_ones_and_old_ones_in_one_group(filled: Store) -> None:
    """Each finds its place: a new one is filed, an old one stays, another is closed."""
    settle(filled, settled("failed", "L-9"), settled("rejected", "L-2", again=2), settled("delivered", "L-3", again=3))
    found = {letter.dead_letter_id: letter.outcome.value for letter in filled.open_dead_letters()}
    assert found == {1: "rejected", 2: "rejected", 4: "rejected", 5: "failed"}


# Closed by hand


def test_discarding_says_how_many_were_open(filled: Store, store_url: str, clock: Clock) -> None:
    """Each keeps the words with which it was discarded; one that is closed already, or none at all, does not count."""
    assert filled.discard([1, 3], because="asked by the partner") == 2
    clock.seconds += 5
    assert filled.discard([1, 2, 99], because="later") == 1
    assert filled.discard([], because="nothing") == 0
    assert rows(store_url, "SELECT id, closed_because FROM dead_letters ORDER BY id") == [
        {"id": 1, "closed_because": "asked by the partner"},
        {"id": 2, "closed_because": "later"},
        {"id": 3, "closed_because": "asked by the partner"},
        {"id": 4, "closed_because": None},
    ]


def test_as_many_as_there_are_can_be_discarded_at_once(store: Store) -> None:
    """A bad day leaves tens of thousands, closed by their ids, and no limit of a database keeps them."""
    settle(store, settled("rejected"))
    assert store.discard(range(1, 70_001), because="outage of the partner") == 1
