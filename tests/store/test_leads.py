"""What providers last accepted of their leads: remembered after it was accepted, forgotten before anything is sent."""

from __future__ import annotations

import dataclasses
import datetime
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from sqlalchemy import create_engine, text

from target_leads.changes import Accepted, after
from target_leads.models import OVERTAKEN, LeadUpdate, Outcome, Record, Repeated, Settlement
from target_leads.providers import load_all
from target_leads.report import RunReport
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NOW = 1_700_000_000.5
URL = "https://api.example.com"
SECRET = "s3cret-value"
"""Planted, to see that it is never kept."""
DEFINITIONS = load_all([])
"""The bundled providers: updates of `bizmate` and `powerchord` are partial, those of `connect2capital` whole."""


@pytest.fixture
def open_store(store_url: str) -> Iterator[Callable[..., Store]]:
    """Opens the store as the next run does, and begins a run in it: ``run-1``, ``run-2`` and so on."""
    opened: list[Store] = []

    def open_next(**options: Any) -> Store:
        opened.append(Store(store_url, now=lambda: NOW, definitions=DEFINITIONS, **options))
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
    provider: str = "bizmate",
    account: str = "north",
    base_url: str = URL,
    version: int | None = None,
    **fields: Any,
) -> LeadUpdate:
    """An update of a lead. Its digest says which fields it has."""
    return LeadUpdate(
        record=Record(stream="leads", fields=fields, original=fields),
        provider=provider,
        account=account,
        base_url=base_url,
        lead_id=lead_id,
        fields=fields,
        version=None if version is None else Decimal(version),
        digest="+".join(fields),
    )


def settled(update: LeadUpdate, outcome: str = "delivered") -> Settlement:
    """What became of an update that was sent."""
    return Settlement(
        record=update.record,
        outcome=Outcome(outcome),
        provider=update.provider,
        account=update.account,
        lead_id=update.lead_id,
        update=update,
    )


def settle(store: Store, *group: Settlement) -> None:
    """Commit a group of settlements."""
    store.settle("run-1", group, RunReport("run-1").counts(group))


def begin(store: Store, *updates: LeadUpdate) -> None:
    """Begin to send a batch."""
    store.recall({update.lead for update in updates})
    store.announce("run-1", updates)


def send(store: Store, update: LeadUpdate, outcome: str = "delivered") -> None:
    """Send a batch of one update, which ends so."""
    begin(store, update)
    settle(store, settled(update, outcome))


def known(store: Store, update: LeadUpdate) -> Accepted | None:
    """What another run knows of an update's lead."""
    return store.recall([update.lead]).get(update.lead)


def accepted(store: Store, update: LeadUpdate) -> Accepted:
    """What is known of a lead of which nothing but this update was accepted."""
    return after(None, update, store.fingerprints, DEFINITIONS[update.provider])


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """What another program reads from the store with SQL."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(text(query)).mappings()]
    engine.dispose()
    return found


BIZMATE = DEFINITIONS["bizmate"]
MOMENT = datetime.datetime(2026, 3, 29, 7, 0, tzinfo=datetime.timezone.utc)
SECOND = datetime.timedelta(seconds=1)
A = update_of(name="Ada", city="Oslo")
B = update_of(city="Bergen")
MAYBE_B = dataclasses.replace(B, may_be_written=True)


def test_of_a_new_lead_nothing_is_known(store: Store) -> None:
    """Neither by asking for it nor by beginning to send it does a lead come to be known."""
    begin(store, A)
    assert store.recall([A.lead]) == {}


def test_what_was_delivered_is_remembered(store: Store, open_store: Callable[..., Store]) -> None:
    """The next run knows a hash of each field, the record's digest, and its version."""
    update = update_of(name="Ada", city="Oslo", version=7)
    send(store, update)
    assert [known(each, update) for each in (store, open_store())] == [accepted(store, update)] * 2
    found = accepted(store, update)
    assert ([*found.fields], found.digest, found.version) == (["name", "city"], "name+city", Decimal(7))


def test_where_updates_are_partial_other_fields_stay(store: Store, open_store: Callable[..., Store]) -> None:
    """The provider keeps what an update leaves out, so it is known as before."""
    send(store, A)
    send(open_store(), B)
    both = accepted(store, update_of(name="Ada", city="Bergen"))
    assert known(store, A) == dataclasses.replace(both, digest="city")


def test_where_updates_are_whole_other_fields_are_gone(store: Store, open_store: Callable[..., Store]) -> None:
    """Of what an update leaves out nothing is known then."""
    send(store, update_of(provider="connect2capital", id="L-1", status="open", city="Oslo"))
    later = update_of(provider="connect2capital", id="L-1", status="won")
    send(open_store(), later)
    assert known(store, later) == accepted(store, later)


def test_keys_of_an_object_that_is_merged_are_remembered_one_by_one(store: Store) -> None:
    """The provider keeps those that an update does not name."""
    for content in ({"a": 1, "b": 2}, {"b": 3, "c": None}):
        send(store, update_of(provider="powerchord", Content=content))
    together = update_of(provider="powerchord", Content={"a": 1, "b": 3, "c": None})
    assert known(store, together) == accepted(store, together)
    assert accepted(store, together).fields["Content"].keys() == {"a", "b", "c"}


@pytest.mark.parametrize(
    "other",
    [
        update_of("L-2"),
        update_of("l-1"),
        update_of("L-1 "),
        update_of(account="south"),
        update_of(provider="perch"),
        update_of(base_url="https://eu.example.com"),
    ],
    ids=["lead", "case", "blank", "account", "provider", "base_url"],
)
def test_of_another_lead_nothing_is_known(other: LeadUpdate, store: Store) -> None:
    """What one lead, account or environment has accepted says nothing of another, and is not touched with it."""
    send(store, A)
    assert known(store, other) is None
    begin(store, other)
    assert known(store, A) == accepted(store, A)


def test_a_lead_is_forgotten_before_it_is_sent(store: Store, open_store: Callable[..., Store]) -> None:
    """If the run is killed now, whether it was written nobody knows: only the version stays, which orders updates."""
    send(store, update_of(name="Ada", version=7))
    begin(open_store(), update_of(name="Bea", version=8))
    assert known(open_store(), A) == Accepted(fields={}, digest="", version=Decimal(7))


def test_a_refused_update_changes_nothing(store: Store, open_store: Callable[..., Store]) -> None:
    """The provider has what it had, so that is known again, to the version."""
    send(store, update_of(name="Ada", city="Oslo", version=7))
    send(open_store(), update_of(city="Bergen", version=8), "rejected")
    assert known(store, A) == accepted(store, update_of(name="Ada", city="Oslo", version=7))


def test_a_job_that_ended_badly_leaves_nothing_known(store: Store, open_store: Callable[..., Store]) -> None:
    """It may have written a part of the update, so what the provider has now nobody knows."""
    send(store, update_of(name="Ada", city="Oslo"))
    update = update_of(city="Bergen")
    begin(store, update)
    settle(store, dataclasses.replace(settled(update, "rejected"), job_id="J-1"))
    found = known(open_store(), A)
    assert found is not None
    assert found.fields == {}


def test_a_refused_update_of_an_unknown_lead_leaves_nothing(store: Store, store_url: str) -> None:
    """A lead of which nothing was ever accepted stays unknown."""
    send(store, A, "rejected")
    assert rows(store_url, "SELECT * FROM leads") == []


@pytest.mark.parametrize(
    ("outcome", "update"), [("failed", B), ("failed", MAYBE_B), ("rejected", MAYBE_B), ("unconfirmed", B)]
)
def test_an_update_of_unknown_fate_stays_forgotten(
    outcome: str, update: LeadUpdate, store: Store, open_store: Callable[..., Store]
) -> None:
    """It may have been written, so the next one is sent, whatever stands in it."""
    send(store, A)
    send(store, update, outcome)
    assert known(open_store(), A) == Accepted(fields={})


def test_after_an_unknown_fate_only_what_is_sent_is_known(store: Store, open_store: Callable[..., Store]) -> None:
    """Fields that were forgotten are not known again because another one was delivered."""
    send(store, A)
    send(store, update_of(name="Bea"), "failed")
    send(open_store(), B)
    assert known(store, A) == accepted(store, B)


def test_what_was_not_sent_changes_nothing(store: Store) -> None:
    """A record that is unchanged, superseded or invalid says nothing of what its provider has."""
    send(store, A)
    outcomes = ("unchanged", "superseded", "invalid", "ignored", "unconfirmed", "rejected")
    settle(store, *(dataclasses.replace(settled(B, outcome), update=None) for outcome in outcomes))
    assert known(store, A) == accepted(store, A)


# Several updates of one lead in a batch


def in_one_group(store: Store, settlements: Iterable[Settlement]) -> None:
    """Commit them together."""
    settle(store, *settlements)


def one_by_one(store: Store, settlements: Iterable[Settlement]) -> None:
    """Commit each by itself."""
    for entry in settlements:
        settle(store, entry)


EITHER_WAY = pytest.mark.parametrize("commit", [in_one_group, one_by_one])
CITY_FIRST = dataclasses.replace(update_of(city="Oslo"), is_latest=False)
B_FIRST = dataclasses.replace(B, is_latest=False)
NAME = update_of(name="Bea")


@EITHER_WAY
@pytest.mark.parametrize(
    ("outcomes", "fields"),
    [
        (("delivered", "delivered"), {"name": "Bea", "city": "Bergen", "zip": "1"}),
        (("delivered", "rejected"), {"name": "Ada", "city": "Bergen", "zip": "1"}),
        (("rejected", "delivered"), {"name": "Bea", "city": "Oslo", "zip": "1"}),
        (("rejected", "rejected"), {"name": "Ada", "city": "Oslo", "zip": "1"}),
    ],
)
def test_steps_whose_fate_is_known(
    outcomes: tuple[str, str], fields: dict[str, str], commit: Any, store: Store, open_store: Callable[..., Store]
) -> None:
    """What is known is what the provider has: each step that was delivered, and none that was refused."""
    send(store, update_of(name="Ada", city="Oslo", zip="1"))
    begin(store, B_FIRST, NAME)
    commit(store, map(settled, (B_FIRST, NAME), outcomes))
    found = known(open_store(), B)
    assert found is not None
    assert found.fields == accepted(store, update_of(**fields)).fields


@EITHER_WAY
@pytest.mark.parametrize("outcome", ["failed", "unconfirmed"])
def test_a_step_of_unknown_fate_after_one_that_was_delivered(
    outcome: str, commit: Any, store: Store, open_store: Callable[..., Store]
) -> None:
    """A, then B with a time-out: if A comes again it must be sent, as the provider may have B."""
    begin(store, CITY_FIRST, B)
    commit(store, map(settled, (CITY_FIRST, B), ("delivered", outcome)))
    assert known(open_store(), B) in (None, Accepted(fields={}))


@EITHER_WAY
@pytest.mark.parametrize("first", ["failed", "may be written"])
@pytest.mark.parametrize("second", ["delivered", "rejected"])
def test_a_step_of_unknown_fate_before_another(
    first: str, second: str, commit: Any, store: Store, open_store: Callable[..., Store]
) -> None:
    """What the lead had before the batch may be overwritten, so its city is not known, whatever came after."""
    send(store, update_of(name="Ada", city="Oslo"))
    begin(store, B_FIRST, NAME)
    unknown = settled(B_FIRST, "failed")
    if first == "may be written":
        unknown = settled(dataclasses.replace(B_FIRST, may_be_written=True), "rejected")
    commit(store, [unknown, settled(NAME, second)])
    found = known(open_store(), B)
    assert found is not None
    assert "city" not in found.fields
    assert found.digest in ("", "name")


def test_a_group_of_an_earlier_update_does_not_undo_that_the_lead_is_about_to_change(
    store: Store, open_store: Callable[..., Store]
) -> None:
    """A is committed as delivered while B, the next step, is on its way; if the run is killed, A must be sent again."""
    begin(store, CITY_FIRST, B)
    settle(store, settled(CITY_FIRST))  # and here the process dies
    found = known(open_store(), B)
    assert found is None or "city" not in found.fields


# Versions


@pytest.mark.parametrize(
    "version", ["0", "-1.5", "1700000000.123456789012345678901234567890", "123456789012345678901234567890", "1E+5"]
)
def test_a_version_is_kept_to_its_last_digit(version: str, store: Store, open_store: Callable[..., Store]) -> None:
    """However long it is, so that no update is taken for an older one."""
    send(store, dataclasses.replace(A, version=Decimal(version)))
    found = known(open_store(), A)
    assert found is not None
    assert found.version == Decimal(version)


def test_an_update_without_a_version_keeps_the_last_one(store: Store) -> None:
    """Another stream may have no version field; what orders the first stays known."""
    send(store, update_of(name="Ada", version=7))
    send(store, NAME)
    assert known(store, A) == accepted(store, update_of(name="Bea", version=7))


# Many leads, many runs


def test_thousands_of_leads_at_once(store: Store, open_store: Callable[..., Store]) -> None:
    """A batch of 2,000 leads of two accounts is recalled, forgotten and settled whole, each lead as itself."""
    batch = [
        update_of(f"L-{number}", account="north" if number % 2 else "south", city=f"City {number}")
        for number in range(2000)
    ]
    begin(store, *batch)
    settle(store, *map(settled, batch))
    following = open_store()
    found = following.recall({update.lead for update in batch})
    assert found == {update.lead: accepted(store, update) for update in batch}
    following.announce("run-2", batch)
    assert all(each == Accepted(fields={}) for each in store.recall(found).values())
    settle_in(following, "run-2", *(settled(update, "rejected") for update in batch))
    assert store.recall(found) == found


@pytest.mark.parametrize(
    "lead_id",
    ["'; DROP TABLE leads; --", '"', "\\", "\\u0041", "a/b?c#d%e", "%s", ":of_account", "ë", "🦊", "[1]", "null", "1"],
)
def test_whatever_a_lead_is_called(lead_id: str, store: Store, open_store: Callable[..., Store]) -> None:
    """Its id is found as it is, and no other is taken for it."""
    update = update_of(lead_id, city="Oslo")
    send(store, update)
    following = open_store()
    others = {update_of(other).lead for other in ("A", lead_id + " ", lead_id * 2)}
    assert following.digests({update.lead, *others}) == {update.lead: "city"}
    assert following.recall({update.lead, *others}) == {update.lead: accepted(store, update)}


def test_the_digests_of_many_accounts(store: Store) -> None:
    """Those of leads that were accepted, each in its own place; one that is being sent has none."""
    leads = [
        update_of("L-1", city="Oslo"),
        update_of("L-2", name="Ada"),
        update_of("L-1", account="south", name="Ada"),
        update_of("L-1", base_url="https://test.example.com", note="x"),
    ]
    for each in leads:
        send(store, each)
    unknown = update_of("L-2", account="south").lead
    digests = store.digests([*(each.lead for each in leads), unknown])
    assert digests == {each.lead: each.digest for each in leads}
    begin(store, leads[0])
    assert not store.digests([leads[0].lead]).get(leads[0].lead)


def test_two_runs_with_leads_of_their_own(store: Store, open_store: Callable[..., Store]) -> None:
    """Two runs at once on one store are both right: each lead is known as its own run has sent it."""
    runs = [store, open_store()]

    def work(number: int) -> list[LeadUpdate]:
        own = [update_of(f"{number}-{each}", city=f"City {number}-{each}") for each in range(50)]
        for update in own:
            send(runs[number], update_of(update.lead_id, city="before"))
            send(runs[number], update)
        return own

    with ThreadPoolExecutor(2) as pool:
        updates = [update for own in pool.map(work, range(2)) for update in own]
    found = open_store().recall(update.lead for update in updates)
    assert found == {update.lead: accepted(store, update) for update in updates}


def test_a_lead_that_another_run_has_delivered_meanwhile_is_forgotten_too(
    store: Store, open_store: Callable[..., Store]
) -> None:
    """What it was when this batch was selected does not matter: an update of unknown fate is always forgotten."""
    other = open_store()
    store.recall([A.lead])  # nothing is known yet
    send(other, A)
    store.announce("run-1", [B])
    settle(store, settled(B, "failed"))
    assert known(other, A) in (None, Accepted(fields={}))


# Two runs with the same lead at once


def settle_in(store: Store, run_id: str, *group: Settlement) -> None:
    """Commit a group of settlements of a run."""
    store.settle(run_id, group, RunReport(run_id).counts(group))


def send_in(store: Store, run_id: str, update: LeadUpdate) -> None:
    """Send a batch of one update in a run, which is delivered."""
    store.recall({update.lead})
    store.announce(run_id, [update])
    settle_in(store, run_id, settled(update))


@pytest.mark.parametrize("first", ["run-1", "run-2"])
@pytest.mark.parametrize("is_new", [True, False])
def test_of_a_lead_that_two_runs_send_to_at_once_nothing_is_known(
    first: str, *, is_new: bool, store: Store, open_store: Callable[..., Store]
) -> None:
    """Which of the two was written last nobody knows, in whatever order they hear that they were accepted."""
    other = open_store()
    if not is_new:
        send(store, NAME)
    sent = {"run-1": (store, A), "run-2": (other, B)}
    for run_id, (each, update) in sent.items():
        each.recall([update.lead])
        each.announce(run_id, [update])
    for run_id in (first, *(sent.keys() - {first})):
        each, update = sent[run_id]
        settle_in(each, run_id, settled(update))
    found = known(open_store(), A)
    assert found is not None
    assert (found.fields, found.digest) == ({}, "")


def test_what_another_run_changed_since_it_was_recalled_is_not_restored(
    store: Store, open_store: Callable[..., Store]
) -> None:
    """A run selected its update by what was known before another run sent to the lead: neither picture is whole."""
    other = open_store()
    send(store, A)
    other.recall([A.lead])
    send(store, update_of(city="Bodø"))
    other.announce("run-2", [NAME])
    settle_in(other, "run-2", settled(NAME))
    assert known(store, A) == dataclasses.replace(accepted(store, NAME), fields={}, digest="")


@pytest.mark.parametrize("outcome", ["rejected", "unchanged"])
def test_a_run_that_wrote_nothing_leaves_alone_what_another_wrote(
    outcome: str, store: Store, open_store: Callable[..., Store]
) -> None:
    """It would put back what was true before."""
    other = open_store()
    send(store, A)
    other.recall([A.lead])
    if outcome == "rejected":
        other.announce("run-2", [B])
    send(store, update_of(city="Bodø"))
    settle_in(other, "run-2", settled(B, outcome))
    before = accepted(store, A) if outcome == "unchanged" else None  # else nothing was known when it was sent
    assert known(store, A) == after(before, update_of(city="Bodø"), store.fingerprints, BIZMATE)


def test_the_run_that_comes_after_both_knows_again(store: Store, open_store: Callable[..., Store]) -> None:
    """Once one run alone has sent the lead it is known."""
    other = open_store()
    send(store, B)
    other.recall([B.lead])
    send(store, A)
    other.announce("run-2", [B])
    settle_in(other, "run-2", settled(B))
    other.recall([NAME.lead])
    other.announce("run-3", [NAME])
    settle_in(other, "run-3", settled(NAME))
    assert known(store, A) == accepted(store, NAME)


@pytest.mark.parametrize(
    ("older", "newer", "overtaken"),
    [
        ({"at": 0, "again": 1}, {"at": 1}, True),
        ({"at": 1, "again": 1}, {"at": 0}, False),
        ({"at": 0}, {"at": 1}, False),
        ({"at": 1, "version": 6}, {"at": 0, "version": 7}, True),
        ({"at": 0, "version": 8}, {"at": 1, "version": 7}, False),
        ({}, {}, False),
    ],
    ids=["older dead letter", "newer dead letter", "came before", "older version", "newer version", "age unknown"],
)
def test_what_another_run_has_overtaken_is_not_sent(
    older: dict[str, int], newer: dict[str, int], *, overtaken: bool, store: Store, open_store: Callable[..., Store]
) -> None:
    """A slow run looks again right before it sends: it must not write over what a quicker one has delivered.

    By age that is so for dead letters alone: two taps may bring different fields, and clocks may differ.
    """
    settle_in(store, "run-1", dataclasses.replace(settled(A, "invalid"), update=None))
    (letter,) = store.open_dead_letters()

    def dated(update: LeadUpdate, *, at: int | None = None, version: int | None = None, again: int = 0) -> LeadUpdate:
        moment = None if at is None else MOMENT + at * SECOND
        letter_id = letter.dead_letter_id if again else None
        record = structs.replace(update.record, received_at=moment, dead_letter_id=letter_id)
        return dataclasses.replace(update, record=record, version=None if version is None else Decimal(version))

    quick, other = open_store(), update_of("L-2", name="Eve")
    store.recall([A.lead, other.lead])
    new = dated(A, **newer)
    quick.recall([A.lead])
    quick.announce("run-2", [new])
    settle_in(quick, "run-2", settled(new))
    before = known(quick, A)
    left_alone = store.announce("run-1", [dated(B, **older), other])
    assert left_alone == ({A.lead: OVERTAKEN} if overtaken else {})
    assert (known(quick, A) == before) is overtaken


@pytest.mark.parametrize("first", ["run-1", "run-2"])
def test_a_version_never_gets_older(first: str, store: Store, open_store: Callable[..., Store]) -> None:
    """Of two updates that were on their way at once the newer version counts for what comes after."""
    sent = {
        "run-1": (store, update_of(name="Ada", version=9)),
        "run-2": (open_store(), update_of(name="Bea", version=10)),
    }
    for run_id, (each, update) in sent.items():
        each.recall([update.lead])
        each.announce(run_id, [update])
    for run_id in (first, *(sent.keys() - {first})):
        each, update = sent[run_id]
        settle_in(each, run_id, settled(update))
    found = known(store, A)
    assert found is not None
    assert found.version == 10


def test_an_unknown_fate_leaves_nothing_known_of_what_another_run_wrote(
    store: Store, open_store: Callable[..., Store]
) -> None:
    """The update that got no answer may be written after the one that another run had accepted meanwhile."""
    other = open_store()
    send(store, NAME)
    for each, run_id in ((store, "run-1"), (other, "run-2")):
        each.recall([A.lead])
        each.announce(run_id, [A])
    settle_in(other, "run-2", settled(A))
    settle(store, settled(B, "failed"))
    found = known(store, A)
    assert found is not None
    assert found.fields == {}


def test_what_is_in_doubt_when_a_run_ends_is_forgotten(store: Store, open_store: Callable[..., Store]) -> None:
    """Likewise for an update that has no fate at all, because the run stopped; and for no other lead."""
    other, untouched = open_store(), update_of("L-2", name="Eve")
    for update in (A, untouched):
        send(store, update)
    store.recall([A.lead])
    store.announce("run-1", [B])
    send_in(other, "run-2", A)
    assert known(other, A) is not None
    store.end_run("run-1", exit_status=75, counts=RunReport("run-1").counts())
    assert [found and found.fields for found in (known(store, A), known(store, untouched))] == [
        {},
        accepted(store, untouched).fields,
    ]


# Dead letters and the age of what a provider has


def test_a_record_without_news_is_newer_than_an_open_dead_letter(store: Store) -> None:
    """The tap says that the lead is as it was: what was refused in between must not be sent over that."""
    unchanged = Repeated(counts={("bizmate", "leads"): 1}, leads={A.lead: MOMENT})
    send(store, A)
    store.recall([A.lead])
    settle(store, unchanged)
    assert known(store, A) == accepted(store, A)  # nothing to write down
    settle(store, dataclasses.replace(settled(B, "rejected"), update=None))
    settle(store, unchanged)
    assert known(store, A) == dataclasses.replace(accepted(store, A), as_of=MOMENT)


def test_data_does_not_get_older(store: Store) -> None:
    """A dead letter that is sent again brings its own age, and what is newer stays so."""
    old, new = (structs.replace(A.record, received_at=moment) for moment in (MOMENT - SECOND, MOMENT))
    for record in (old, new, old):
        send(store, dataclasses.replace(A, record=record))
        ages = store.recall([A.lead])[A.lead].as_of
    assert ages == MOMENT


def test_a_store_that_is_not_to_remember_knows_nothing(open_store: Callable[..., Store]) -> None:
    """What the sandbox accepts says nothing of any provider."""
    store = open_store(remembers=False)
    send(store, A)
    assert known(store, A) is None


def test_no_value_is_kept(store: Store, store_url: str, open_store: Callable[..., Store]) -> None:
    """What the table holds is hashes, with a key of the store's own: no value, nor anything like it."""
    update = update_of(provider="powerchord", name=SECRET, Content={"key": SECRET})
    send(store, update)
    (row,) = rows(store_url, "SELECT * FROM leads")
    assert SECRET not in str(row)
    assert (row["provider"], row["account"], row["base_url"], row["lead_id"]) == update.lead
    assert known(open_store(), update) == accepted(store, update)
