"""How updates are cut into units and requests."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.delivery.batching import halves, requests_of, units
from target_leads.delivery.request_builder import update_request
from target_leads.models import LeadUpdate, Record
from target_leads.providers import load_folder
from target_leads.providers.account import Account

if TYPE_CHECKING:
    from collections.abc import Callable

GENERIC = json.loads((Path(__file__).parent.parent / "providers/generic/provider.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def taking(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Account]:
    """Accounts of a provider that takes many leads in a request, or one if nothing is said about many."""

    def open_account(envelope: str = "", **many: Any) -> Account:
        folder = tmp_path_factory.mktemp("providers") / "generic"
        folder.mkdir()
        update = {"method": "POST", "path": "/leads", "fields": "partial"}
        update |= {"envelope": envelope} if envelope else {}
        update |= {"many": {"items_at": "", **many}} if many else {}
        changes = {"lead_id": {"name": "id", "body_field": "id"}, "update": update}
        (folder / "provider.json").write_text(json.dumps(GENERIC | changes), encoding="utf-8")
        (folder / "lead.schema.json").write_text('{"type": "object", "properties": {"id": {}}}', encoding="utf-8")
        return Account.open(load_folder(folder), {"token": "tok-4711"}, concurrency=1)

    return open_account


@pytest.fixture(scope="module")
def one(taking: Callable[..., Account]) -> Account:
    """An account of a provider that takes one lead in a request."""
    return taking()


@pytest.fixture(scope="module")
def three(taking: Callable[..., Account]) -> Account:
    """An account of a provider that takes three leads in a request."""
    return taking(max_items=3)


@pytest.fixture(scope="module")
def short(taking: Callable[..., Account]) -> Account:
    """An account of a provider that takes 200 bytes in a request, in an envelope, deep in the body."""
    return taking("lead", max_items=100, max_bytes=200, items_at="/data/le~1ads")


def update_of(lead_id: str, **fields: Any) -> LeadUpdate:
    """An update of a lead."""
    fields = {"id": lead_id, **fields}
    record = Record(stream="leads", fields=fields, original=fields)
    return LeadUpdate(record=record, provider="generic", account="default", lead_id=lead_id, fields=fields)


def test_one_lead_is_one_unit(one: Account) -> None:
    """Where each request carries one lead, its updates come round after round, each by itself."""
    a1, b1, a2, c1, a3 = (update_of(lead_id, step=step) for step, lead_id in enumerate("ABACA"))
    assert list(units(one, [a1, b1, a2, c1, a3])) == [[[a1], [a2], [a3]], [[b1]], [[c1]]]


def test_leads_share_a_unit_where_the_provider_takes_many(three: Account) -> None:
    """As many leads as a request takes; the second update of one comes in the second round."""
    a1, b1, a2, c1, d1, c2 = (update_of(lead_id, step=step) for step, lead_id in enumerate("ABACDC"))
    assert list(units(three, [a1, b1, a2, c1, d1, c2])) == [[[a1, b1, c1], [a2, c2]], [[d1]]]


def test_nothing_is_no_unit(one: Account, three: Account) -> None:
    """Without updates no worker has anything to do."""
    assert list(units(one, [])) == list(units(three, [])) == []


@given(lead_ids=st.lists(st.sampled_from("ABCDEFGHIJ"), max_size=40), many=st.booleans())
def test_units_keep_leads_together_and_in_order(
    lead_ids: list[str],
    many: bool,  # noqa: FBT001 -- Hypothesis draws it by name
    one: Account,
    three: Account,
) -> None:
    """Nothing is lost or doubled; each lead is in one unit, in order, once in a round; no unit has too many."""
    updates = [update_of(lead_id, step=step) for step, lead_id in enumerate(lead_ids)]
    cut = list(units(three if many else one, updates))

    leads_of = [{update.lead_id for turn in unit for update in turn} for unit in cut]
    assert sum(map(len, leads_of)) == len(set(lead_ids))
    for unit, leads in zip(cut, leads_of, strict=True):
        assert 1 <= len(leads) <= (3 if many else 1)
        for turn in unit:
            assert 1 <= len({update.lead_id for update in turn}) == len(turn)
        for lead_id in leads:
            sent = [update for turn in unit for update in turn if update.lead_id == lead_id]
            assert sent == [update for update in updates if update.lead_id == lead_id]


def test_without_a_longest_body_a_round_is_one_request(one: Account, three: Account) -> None:
    """Only bytes cut a round; its leads were counted before."""
    lead, *more = (update_of(lead_id, note="x" * 10_000) for lead_id in "ABC")
    assert list(requests_of(one, [lead])) == [[lead]]
    assert list(requests_of(three, [lead, *more])) == [[lead, *more]]


@pytest.mark.parametrize("envelope", ["", "lead"])
@pytest.mark.parametrize("items_at", ["", "/leads", "/data/le~1ads"])
def test_a_body_may_be_as_long_as_allowed(envelope: str, items_at: str, taking: Callable[..., Account]) -> None:
    """To the byte, with commas and all that is around the leads; one byte less, and there are two requests."""
    updates = [update_of(lead_id, name="Zoë", quoted='"') for lead_id in "ABCD"]
    unlimited = taking(envelope, max_items=10, items_at=items_at)
    exact = len(update_request(unlimited, updates).body)

    fits = taking(envelope, max_items=10, items_at=items_at, max_bytes=exact)
    assert list(requests_of(fits, updates)) == [updates]
    too_short = taking(envelope, max_items=10, items_at=items_at, max_bytes=exact - 1)
    assert list(requests_of(too_short, updates)) == [updates[:3], updates[3:]]


def test_a_lead_that_is_too_long_goes_alone(short: Account) -> None:
    """The provider has the last word on it, and the others do not pay for it."""
    a, b, c, d, e = (update_of(lead_id, note="x" * (500 if lead_id in "AC" else 1)) for lead_id in "ABCDE")
    assert list(requests_of(short, [a, b, c, d, e])) == [[a], [b], [c], [d, e]]
    assert list(requests_of(short, [a])) == [[a]]


@given(notes=st.lists(st.text(max_size=60) | st.integers(0, 300).map(lambda length: "x" * length), min_size=1))
def test_requests_are_within_the_length_and_as_few_as_can_be(notes: list[str], short: Account) -> None:
    """In order and complete; too long only if it is one lead; and no two neighbours would fit into one."""
    updates = [update_of(f"L{number}", note=note) for number, note in enumerate(notes)]
    cut = list(requests_of(short, updates))

    assert [update for request in cut for update in request] == updates
    for request in cut:
        assert len(request) == 1 or len(update_request(short, request).body) <= 200
    for request, following in itertools.pairwise(cut):
        assert len(update_request(short, [*request, following[0]]).body) > 200


@pytest.mark.parametrize(("count", "first"), [(2, 1), (3, 1), (4, 2), (101, 50)])
def test_halves_are_both_shorter(count: int, first: int) -> None:
    """The first half and the second, in order, neither of them empty: halving comes to an end."""
    updates = [update_of(f"L{number}") for number in range(count)]
    assert halves(updates) == (updates[:first], updates[first:])
