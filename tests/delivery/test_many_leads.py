"""A provider that takes the updates of many leads in one request: refusals, results, order."""

from __future__ import annotations

import json
import math
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import CredentialsRefused, ProviderUnavailable
from tests.delivery.conftest import GENERIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_leads.models import LeadUpdate
    from tests.delivery.conftest import Delivery, Reply, Seen, Time

TOGETHER = {"max_items": 100, "items_at": "/leads"}
"""Leads that are taken or refused together."""
EACH = {**TOGETHER, "results": {"at": "/results", "id_at": "/id", "status_at": "/status"}}
"""Leads of which the answer says for each what became of it."""


def _changes(many: dict[str, Any], **update: Any) -> dict[str, Any]:
    """The generic provider's definition, made to take many leads in one request."""
    call = {"method": "POST", "path": "/leads/batch", "fields": "partial", "many": many, **update}
    return {"lead_id": {"name": "id", "body_field": "id"}, "update": {**GENERIC["update"], **call}}


def _ids(seen: Seen) -> list[str]:
    """The leads of a request, in its order."""
    return [lead["id"] for lead in json.loads(seen.body)["leads"]]


def _refusing(bad: Iterable[str], status: int = 422) -> Callable[[Seen], int]:
    """Answers with a status, and no word on any lead, if one of the bad ones is among those of the request."""
    refused = frozenset(bad)
    return lambda seen: 200 if refused.isdisjoint(_ids(seen)) else status


@pytest.fixture
def batch(update: Callable[..., LeadUpdate]) -> Callable[..., list[LeadUpdate]]:
    """Updates of so many leads, L0 and up, each with its id in the body."""
    return lambda count, **fields: [update(f"L{number}", id=f"L{number}", **fields) for number in range(count)]


@pytest.fixture
def answering(reply: type[Reply]) -> Callable[..., Callable[[Seen], Reply]]:
    """Makes servers that answer with the results that a function makes of the leads in a request."""

    def make(results: Callable[[list[str]], object], status: int = 200) -> Callable[[Seen], Reply]:
        headers = {"content-type": "application/json"}
        return lambda seen: reply(status, headers, json.dumps({"results": results(_ids(seen))}).encode())

    return make


def _good(ids: Iterable[str]) -> list[dict[str, Any]]:
    return [{"id": lead_id, "status": 200} for lead_id in ids]


def _with(outcome_of: dict[str, str], outcome: str) -> set[str]:
    return {lead_id for lead_id, own in outcome_of.items() if own == outcome}


def test_sends_as_many_leads_as_a_request_takes(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """250 leads go in three requests of a hundred at most, each lead once, and each has a settlement of its own."""
    delivery = deliver(lambda _: 200, batch(250), **_changes(TOGETHER))

    assert [len(_ids(seen)) for seen in delivery.seen] == [100, 100, 50]
    assert Counter(lead_id for seen in delivery.seen for lead_id in _ids(seen)) == Counter(list(delivery.outcome_of))
    assert (delivery.outcomes, delivery.error) == ({"delivered": 250}, None)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("max_items", [100, 1000])
def test_one_percent_of_poison_is_found_by_halving(
    max_items: int, status: int, deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """Of a thousand leads exactly the ten bad ones are rejected, with about 2·k·log2(n) requests more than without."""
    bad = {f"L{number}" for number in random.Random(max_items + status).sample(range(1000), 10)}  # noqa: S311 -- no secret
    delivery = deliver(
        _refusing(bad, status), batch(1000), concurrency=4, **_changes({**TOGETHER, "max_items": max_items})
    )

    assert (_with(delivery.outcome_of, "rejected"), delivery.error) == (bad, None)
    assert delivery.outcomes == {"delivered": 990, "rejected": 10}
    assert len(delivery.seen) <= 2 * 10 * math.log2(1000) + 1000 / max_items
    taken = Counter(lead_id for seen in delivery.seen if bad.isdisjoint(_ids(seen)) for lead_id in _ids(seen))
    assert taken == Counter(_with(delivery.outcome_of, "delivered"))


@pytest.mark.parametrize("place", [0, 37, 99])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_lead_that_makes_every_request_fail_costs_only_itself(
    concurrency: int, place: int, deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """A request with the one lead in it is answered 500: halving finds it, it has failed, the others are through."""
    delivery = deliver(_refusing({f"L{place}"}, 500), batch(1000), concurrency=concurrency, **_changes(TOGETHER))

    assert (_with(delivery.outcome_of, "failed"), delivery.error) == ({f"L{place}"}, None)
    assert delivery.outcomes == {"delivered": 999, "failed": 1}
    assert len(delivery.seen) <= 2 * (2 * math.ceil(math.log2(100)) + 1) + 9


def test_an_outage_is_not_halved_to_the_end(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """A provider that is down gets a few requests, not two for every lead, and nothing is dead-lettered."""
    delivery = deliver(lambda _: 503, batch(1000), concurrency=4, max_tries=3, **_changes(TOGETHER))

    assert delivery.settlements == []
    assert isinstance(delivery.error, ProviderUnavailable)
    assert len(delivery.seen) <= (4 + 2) * 3


def test_refused_credentials_are_not_halved(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """One 401 is enough for all leads of the request and of all others."""
    delivery = deliver(lambda _: 401, batch(1000), **_changes(EACH))
    assert (delivery.settlements, len(delivery.seen)) == ([], 1)
    assert isinstance(delivery.error, CredentialsRefused)


@pytest.mark.parametrize("status", [200, 207])
def test_each_lead_has_the_result_that_names_it(
    status: int,
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """Results may come in any order, and name leads that were not sent: they are aligned by id, and sent once."""

    def results(ids: list[str]) -> object:
        own = [{"id": lead_id, "status": 422 if lead_id.endswith("3") else 200} for lead_id in ids]
        random.Random(7).shuffle(own)  # noqa: S311 -- no secret
        return [{"id": "stranger", "status": 422}, *own, {"status": 500}, None, "L1", {"id": "L10000", "status": 200}]

    delivery = deliver(answering(results, status), batch(200), **_changes(EACH))

    assert _with(delivery.outcome_of, "rejected") == {f"L{number}" for number in range(3, 200, 10)}
    assert (delivery.outcomes, delivery.error) == ({"delivered": 180, "rejected": 20}, None)
    assert len(delivery.seen) == 2
    assert {settlement.status for settlement in delivery.settlements} == {200, 422}


def test_a_lead_without_a_result_is_sent_again_by_itself(
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """A missing result is no success: the next request holds the leads that lack one, and no other."""
    shy, sent = {"L3", "L7"}, Counter[str]()

    def results(ids: list[str]) -> object:
        sent.update(ids)
        return _good(lead_id for lead_id in ids if lead_id not in shy or sent[lead_id] > 1)

    delivery = deliver(answering(results), batch(10), **_changes(EACH))

    assert [set(_ids(seen)) for seen in delivery.seen] == [{f"L{number}" for number in range(10)}, shy]
    assert (delivery.outcomes, delivery.error) == ({"delivered": 10}, None)


def test_a_lead_that_never_has_a_result_has_failed(
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """It is tried as often as any other; the others of its request are delivered and not sent twice."""
    delivery = deliver(
        answering(lambda ids: _good(lead_id for lead_id in ids if lead_id != "L3")),
        batch(200),
        max_tries=3,
        **_changes(EACH),
    )

    assert (_with(delivery.outcome_of, "failed"), delivery.outcomes["delivered"]) == ({"L3"}, 199)
    assert delivery.error is None
    assert Counter(lead_id for seen in delivery.seen for lead_id in _ids(seen)) == {
        **{f"L{number}": 1 for number in range(200)},
        "L3": 3,
    }


@pytest.mark.parametrize("statuses", [(200, 422), (422, 200)])
def test_a_lead_that_is_named_twice_is_delivered_only_if_both_say_so(
    statuses: tuple[int, int],
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """Of two results for one lead the worse one counts, whichever comes first."""

    def results(ids: list[str]) -> object:
        own = [{"id": "L1", "status": status} for status in statuses]
        return [own[0], *_good(lead_id for lead_id in [*ids, *ids] if lead_id != "L1"), own[1]]

    delivery = deliver(answering(results), batch(2), **_changes(EACH))
    assert delivery.outcome_of == {"L0": "delivered", "L1": "rejected"}


@pytest.mark.parametrize("status", [422, 400])
def test_results_in_a_refusal_count_for_each_lead(
    status: int,
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """A refusal that names the bad lead needs no halving: the rest is sent again without it, and goes through."""
    healthy = answering(_good)
    refusing = answering(lambda _: [{"id": "L3", "status": status}], status)

    def answer(seen: Seen) -> Reply:
        return refusing(seen) if "L3" in _ids(seen) else healthy(seen)

    delivery = deliver(answer, batch(10), **_changes(EACH))

    assert (_with(delivery.outcome_of, "rejected"), delivery.outcomes["delivered"]) == ({"L3"}, 9)
    assert len(delivery.seen) == 2


@pytest.mark.parametrize("body", [b"{}", b"", b"[]", b'{"results": {"id": "L0", "status": 200}}', b"<html></html>"])
@pytest.mark.parametrize("status", [200, 207])
def test_an_answer_without_the_list_delivers_nothing(
    status: int,
    body: bytes,
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    reply: type[Reply],
) -> None:
    """It says nothing of any lead; if no answer is better the run stops, and no lead is blamed."""
    delivery = deliver(lambda _: reply(status, {}, body), batch(300), **_changes(EACH))

    assert delivery.settlements == []
    assert isinstance(delivery.error, ProviderUnavailable)
    assert len(delivery.seen) <= (2 * math.log2(25) + 3) * 2  # down to two single leads, each request twice


def test_one_lead_that_is_throttled_is_sent_again_alone(
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """Where the provider has no room for one lead of a request the others are through, and it follows."""
    tries = Counter[str]()

    def results(ids: list[str]) -> object:
        tries.update(ids)
        return [{"id": lead_id, "status": 429 if lead_id == "L3" and tries["L3"] < 3 else 200} for lead_id in ids]

    delivery = deliver(answering(results), batch(10), max_tries=2, **_changes(EACH))

    assert (delivery.outcomes, delivery.error) == ({"delivered": 10}, None)
    assert [len(_ids(seen)) for seen in delivery.seen] == [10, 1, 1]


@pytest.mark.parametrize("concurrency", [1, 8])
def test_no_lead_is_twice_in_one_request(
    concurrency: int, deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """Steps of one lead go in requests of their own, in order, though others fill the same requests and some fail."""
    turns, lock = Counter[str](), threading.Lock()

    def answer(_: Seen) -> int:
        with lock:
            turns["all"] += 1
            return 503 if turns["all"] % 4 == 2 else 200

    updates = [
        update(f"L{number}", id=f"L{number}", step=step)
        for step in range(4)
        for number in range(30)
        if number % 4 >= step
    ]
    delivery = deliver(
        answer, updates, concurrency=concurrency, max_tries=5, **_changes({**TOGETHER, "max_items": 10}, coalesce=False)
    )

    assert (delivery.outcomes, delivery.error) == ({"delivered": len(updates)}, None)
    steps: dict[str, list[int]] = {}
    for seen in delivery.seen:
        assert max(Counter(_ids(seen)).values()) == 1
        for lead in json.loads(seen.body)["leads"]:
            steps.setdefault(lead["id"], []).append(lead["step"])
    assert all(own == sorted(own) for own in steps.values())
    assert {lead_id: sorted(set(own)) for lead_id, own in steps.items()} == {
        f"L{number}": list(range(number % 4 + 1)) for number in range(30)
    }


def test_no_body_is_longer_than_the_provider_takes(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """Bodies are filled up to max_bytes; a lead that is longer by itself goes alone, and its 413 costs only itself."""
    limit = 500
    updates = batch(60, note="x" * 40)
    updates[7].fields["note"] = "y" * 1000  # type: ignore[index] # a dict
    delivery = deliver(
        lambda seen: 413 if len(seen.body) > limit else 200, updates, **_changes({**TOGETHER, "max_bytes": limit})
    )

    assert (_with(delivery.outcome_of, "rejected"), delivery.error) == ({"L7"}, None)
    assert [_ids(seen) for seen in delivery.seen if len(seen.body) > limit] == [["L7"]]
    full = [len(seen.body) for seen in delivery.seen if "L7" not in _ids(seen)]
    item = len(b'{"id":"L10","note":"","email":""},') + 40
    assert sum(length + item <= limit for length in full) <= 3  # before the long one, and at the end of each hundred


def test_what_must_not_be_repeated_is_not_halved_either(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """After an answer that leaves the fate open no lead of the request is sent a second time."""
    delivery = deliver(
        lambda seen: 500 if "L3" in _ids(seen) else 200,
        batch(40),
        max_tries=5,
        **_changes({**TOGETHER, "max_items": 10}, repeatable=False),
    )

    assert max(Counter(lead_id for seen in delivery.seen for lead_id in _ids(seen)).values()) == 1
    assert delivery.outcomes["delivered"] == 30
    assert delivery.error is None


def test_only_what_was_throttled_is_repeated_where_repeating_does_harm(
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """A lead with a 429 was not written; one with no result may have been, so it is not sent a second time."""
    sent = Counter[str]()

    def results(ids: list[str]) -> object:
        sent.update(ids)
        return [{"id": lead_id, "status": 429 if sent["L0"] == 1 else 200} for lead_id in ids if lead_id != "L1"]

    deliver(answering(results), batch(2), max_tries=3, **_changes(EACH, repeatable=False))
    assert sent == {"L0": 2, "L1": 1}


@pytest.mark.parametrize("bad", [1, 5, 99])
def test_items_that_always_fail_beside_others_that_succeed_have_failed(
    bad: int,
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """The very answer shows that the provider is alive: a 500 for some of its leads is theirs, and the run goes on."""

    def results(ids: list[str]) -> object:
        return [{"id": lead_id, "status": 200 if int(lead_id[1:]) >= bad else 500} for lead_id in ids]

    delivery = deliver(answering(results), batch(100), max_tries=2, **_changes(EACH))

    assert (delivery.outcomes, delivery.error) == ({"delivered": 100 - bad, "failed": bad}, None)
    assert [len(_ids(seen)) for seen in delivery.seen] == [100, bad]


def test_many_throttled_items_are_sent_again_in_one_request(
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """An answer that takes one lead and throttles 99 is no outage: they follow together when there is room."""
    turns = Counter[str]()

    def results(ids: list[str]) -> object:
        turns.update(["all"])
        return [{"id": lead_id, "status": 429 if turns["all"] == 1 and lead_id != "L0" else 200} for lead_id in ids]

    delivery = deliver(answering(results), batch(100), max_tries=1, **_changes(EACH))

    assert (delivery.outcomes, delivery.error) == ({"delivered": 100}, None)
    assert [len(_ids(seen)) for seen in delivery.seen] == [100, 99]


def test_attempts_of_a_lead_count_the_tries_so_far(
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """What the third request settles took three attempts, and what the first one settled took one."""
    turns = Counter[str]()

    def results(ids: list[str]) -> object:
        turns.update(ids)
        wanted = {"L0": (1, 200), "L1": (2, 200), "L2": (2, 422), "L3": (3, 200), "L4": (3, 422)}
        return [
            {"id": lead_id, "status": status}
            for lead_id, (turn, status) in wanted.items()
            if lead_id in ids and turns[lead_id] == turn
        ]

    delivery = deliver(answering(results), batch(5), max_tries=3, **_changes(EACH))

    attempts = {settlement.lead_id: settlement.attempts for settlement in delivery.settlements}
    assert attempts == {"L0": 1, "L1": 2, "L2": 2, "L3": 3, "L4": 3}


@pytest.mark.parametrize("many", [EACH, TOGETHER], ids=["each named", "none named"])
def test_a_wish_in_an_answer_about_many_leads_holds_the_next_request(
    many: dict[str, Any],
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    reply: type[Reply],
    time: Time,
) -> None:
    """Retry-After is obeyed also when all leads of the request are delivered."""

    def answer(seen: Seen) -> Reply:
        results = {"results": _good(_ids(seen))}
        return reply(200, {"retry-after": "30"}, json.dumps(results).encode())

    delivery = deliver(answer, batch(200), **_changes(many))
    assert (delivery.outcomes, time.waits) == ({"delivered": 200}, pytest.approx([30], abs=0.01))


def test_a_strange_status_of_a_lead_is_none(
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    answering: Callable[..., Callable[[Seen], Reply]],
) -> None:
    """A number that is no status of HTTP is not written down, and delivers nothing."""
    delivery = deliver(
        answering(lambda ids: [{"id": i, "status": 10**25 if i == "L0" else 200} for i in ids]),
        batch(3),
        **_changes(EACH),
    )
    assert delivery.outcome_of == {"L0": "failed", "L1": "delivered", "L2": "delivered"}
    assert {settlement.status for settlement in delivery.settlements} == {200}


@pytest.mark.parametrize(
    "item",
    [
        b'{"id": "L1", "status": ' + b"1" * 4000 + b"}",
        b'{"id": "L1", "status": NaN}',
        b'{"id": "L1", "status": 200, "status": 5}',
        b'{"id": "L1", "status": "\\ud800"}',
        b'{"id": ["L1"], "status": 200}',
        b'{"id": "L1", "status": 500, "why": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"[" * 900 + b"]" * 900,
    ],
)
def test_an_odd_result_says_nothing_good(
    item: bytes, deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]], reply: type[Reply]
) -> None:
    """Whatever stands where a lead's result is promised: that lead is not delivered by it, and the others are."""

    def answer(seen: Seen) -> Reply:
        results = [
            item if lead_id == "L1" else b'{"id": "%s", "status": 200}' % lead_id.encode() for lead_id in _ids(seen)
        ]
        return reply(200, {}, b'{"results": [' + b",".join(results) + b"]}")

    delivery = deliver(answer, batch(5), **_changes(EACH))
    assert (delivery.outcomes, delivery.error) == ({"delivered": 4, "failed": 1}, None)
    assert delivery.outcome_of["L1"] == "failed"
