"""A batch of updates, over real connections: order, concurrency, and how a run ends."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.delivery.http import HttpResponse
from target_leads.exceptions import CredentialsRefused, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.delivery import Dispatcher
    from target_leads.models import LeadUpdate, Settlement
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Delivery, Seen, Server, Time


@pytest.fixture
def batch(update: Callable[..., LeadUpdate]) -> Callable[..., list[LeadUpdate]]:
    """Updates of so many leads, L0 and up."""
    return lambda count, provider="generic": [update(f"L{number}", provider) for number in range(count)]


def _lead(seen: Seen) -> str:
    return seen.path.rpartition("/")[2]


def _first(count: int, status: int) -> Callable[[Seen], int]:
    """Answers 200 so many times, and then this status."""
    left = threading.Semaphore(count)
    return lambda _: 200 if left.acquire(blocking=False) else status


def test_delivers_every_update(deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]) -> None:
    """Each update is sent once, and each has one settlement, with its own record."""
    updates = batch(100)
    delivery = deliver(lambda _: 200, updates, concurrency=8)

    assert (delivery.outcomes, delivery.error) == ({"delivered": 100}, None)
    assert Counter(map(_lead, delivery.seen)) == Counter(update.lead_id for update in updates)
    assert {id(settlement.record) for settlement in delivery.settlements} == {id(update.record) for update in updates}
    assert len({seen.connection for seen in delivery.seen}) <= 8


def test_an_empty_batch_is_delivered(deliver: Callable[..., Delivery]) -> None:
    """Nothing to send is no reason to send anything."""
    assert deliver(lambda _: 200, []) == ([], None, [])


def test_keeps_connections_and_workers_between_batches(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
) -> None:
    """A second batch goes over the first one's connection, by the same thread."""
    server = serve()
    delivering = dispatcher(account(server.url, name="kept"))
    threads = set()
    for _ in range(3):
        assert len(list(delivering.deliver(batch(2, "kept")))) == 2
        threads |= {thread.ident for thread in threading.enumerate() if thread.name == "kept-0"}

    assert len({seen.connection for seen in server.seen}) == 1
    assert len(threads) == 1


def test_one_leads_updates_keep_their_order_through_retries(
    deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """The second update of a lead is not sent before the first has its last answer, whatever the other workers do."""
    failures = Counter({b'{"step":1}': 2, b'{"step":2}': 1})

    def answer(seen: Seen) -> int:
        if _lead(seen) == "L1" and failures[seen.body]:
            failures[seen.body] -= 1
            return 503
        return 200

    updates = [update(lead, step=step) for step in (1, 2, 3) for lead in ("L1", "L2", "L3")]
    delivery = deliver(answer, updates, concurrency=8, max_tries=5)

    sent = {lead: [seen.body[-2:-1] for seen in delivery.seen if _lead(seen) == lead] for lead in ("L1", "L2", "L3")}
    assert sent == {"L1": [b"1", b"1", b"1", b"2", b"2", b"3"], "L2": [b"1", b"2", b"3"], "L3": [b"1", b"2", b"3"]}
    assert delivery.outcomes == {"delivered": 9}


def test_a_refusal_keeps_no_later_update_of_the_lead_back(
    deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """A refused update is settled, and the lead's next one is sent."""
    delivery = deliver(lambda seen: 422 if b"1" in seen.body else 200, [update(step=1), update(step=2)])
    assert [settlement.outcome.value for settlement in delivery.settlements] == ["rejected", "delivered"]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_requests_in_flight_as_allowed(
    concurrency: int,
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
) -> None:
    """As the server sees it the bound is reached, and never exceeded: each answer waits until so many are there."""
    together = threading.Barrier(concurrency, timeout=5)

    def answer(_: Seen) -> int:
        together.wait()
        return 200

    server = serve(answer)
    settlements = list(dispatcher(account(server.url, concurrency=concurrency)).deliver(batch(30)))
    assert (len(settlements), server.most_at_once) == (30, concurrency)


def test_several_providers_at_once(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
) -> None:
    """A batch for two providers goes to both at the same time, each with its own updates and credentials."""
    together = threading.Barrier(2, timeout=5)

    def answer(_: Seen) -> int:
        together.wait()
        return 200

    one, other = serve(answer), serve(answer)
    accounts = [account(one.url), account(other.url, name="other", config={"token": "tok-other"})]
    settlements = list(dispatcher(*accounts).deliver(batch(5) + batch(5, "other")))

    outcomes = Counter((settlement.provider, settlement.outcome.value) for settlement in settlements)
    assert outcomes == {("generic", "delivered"): 5, ("other", "delivered"): 5}
    assert {seen.headers["authorization"] for seen in one.seen} == {"Bearer tok-4711"}
    assert {seen.headers["authorization"] for seen in other.seen} == {"Bearer tok-other"}


def test_a_lead_that_fails_while_others_succeed_has_failed(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """One lead that is always answered 500 becomes a dead letter and costs only itself."""
    delivery = deliver(lambda seen: 500 if _lead(seen) == "L3" else 200, batch(10), max_tries=3)

    assert (delivery.outcomes, delivery.error) == ({"delivered": 9, "failed": 1}, None)
    (failed,) = (settlement for settlement in delivery.settlements if settlement.outcome.value == "failed")
    assert (failed.lead_id, failed.reason, failed.status, failed.attempts) == (
        "L3",
        "500 Internal Server Error",
        500,
        3,
    )
    assert Counter(map(_lead, delivery.seen))["L3"] == 3


def test_a_lead_that_fails_as_the_very_last_stops_the_run(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """With one request at a time no success comes after it, so nothing shows whose fault it is; it costs its tries."""
    delivery = deliver(lambda seen: 500 if _lead(seen) == "L9" else 200, batch(10), max_tries=5)

    assert (delivery.outcomes, len(delivery.seen)) == ({"delivered": 9}, 9 + 5)
    assert isinstance(delivery.error, ProviderUnavailable)
    assert str(delivery.error).startswith(
        "generic lets no update through (500 Internal Server Error, 5 attempts each)."
    )


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("working", [0, 20])
def test_an_outage_ends_the_run_and_blames_nobody(
    concurrency: int,
    working: int,
    deliver: Callable[..., Delivery],
    batch: Callable[..., list[LeadUpdate]],
    time: Time,
) -> None:
    """At the start or in the middle: what went before is settled, nothing is failed, and the requests are bounded."""
    delivery = deliver(_first(working, 503), batch(1000), concurrency=concurrency, max_tries=3)

    assert delivery.outcomes == Counter(delivered=working) - Counter()
    assert isinstance(delivery.error, ProviderUnavailable)
    assert len(delivery.seen) <= working + (concurrency + 2) * 3
    assert time.stopping.is_set()


def test_a_refused_connection_is_an_outage(
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
    nobody: str,
) -> None:
    """A server that is not there ends the run, and no update is blamed."""
    with pytest.raises(ProviderUnavailable, match="the connection failed or broke, 2 attempts each"):
        next(dispatcher(account(nobody)).deliver(batch(20)))


def test_refused_credentials_end_the_run_at_once(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """After a 401 no further update is sent; what was accepted before is settled."""
    delivery = deliver(_first(5, 401), batch(100))
    assert (delivery.outcomes, len(delivery.seen)) == ({"delivered": 5}, 6)
    assert isinstance(delivery.error, CredentialsRefused)


@pytest.mark.parametrize(("status", "requests"), [(401, 2), (500, 4)])
def test_a_slow_reader_of_settlements_changes_nothing(
    status: int, requests: int, slow: Callable[..., tuple[Iterator[Settlement], Server]], time: Time
) -> None:
    """While a store is busy with the first settlement the workers decide: they stop in time, and blame no update."""
    settlements, server = slow(_first(1, status), max_tries=1)

    assert next(settlements).outcome.value == "delivered"
    assert time.stopping.wait(5)
    with pytest.raises((CredentialsRefused, ProviderUnavailable)):
        next(settlements)
    assert len(server.seen) == requests


@pytest.fixture
def slow(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
) -> Callable[..., tuple[Iterator[Settlement], Server]]:
    """Delivers a batch of a hundred to a server; the test takes the settlements."""

    def begin(answer: Callable[[Seen], int], **options: Any) -> tuple[Iterator[Settlement], Server]:
        server = serve(answer)
        return dispatcher(account(server.url), **options).deliver(batch(100)), server

    return begin


def test_nothing_more_is_sent_once_nobody_takes_settlements(
    slow: Callable[..., tuple[Iterator[Settlement], Server]], time: Time
) -> None:
    """If the store cannot write what was delivered, the workers send no further update of the batch."""

    def answer(seen: Seen) -> int:
        assert _lead(seen) == "L0" or time.stopping.wait(5)
        return 200

    settlements, server = slow(answer)
    next(settlements)
    del settlements

    assert time.stopping.is_set()
    assert len(server.seen) <= 2


def test_one_providers_outage_ends_the_run_for_all(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
    time: Time,
) -> None:
    """What was in flight at the other provider is settled; nothing more is sent to it."""
    alive, down = serve(lambda _: 200 if time.stopping.wait(5) else 500), serve(lambda _: 503)
    delivering = dispatcher(account(alive.url), account(down.url, name="other")).deliver(batch(10) + batch(10, "other"))

    settlement = next(delivering)

    assert (settlement.provider, settlement.outcome.value) == ("generic", "delivered")
    with pytest.raises(ProviderUnavailable, match="other lets no update through"):
        next(delivering)
    assert len(alive.seen) == 1


def test_a_stop_lets_what_is_in_flight_finish(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]], time: Time
) -> None:
    """Requests that were sent are settled, updates that were not yield nothing, and no error is raised for that."""
    together = threading.Barrier(3, timeout=5, action=time.stopping.set)

    def answer(_: Seen) -> int:
        together.wait()
        return 200

    delivery = deliver(answer, batch(50), concurrency=3)
    assert (delivery.outcomes, len(delivery.seen), delivery.error) == ({"delivered": 3}, 3, None)


def test_a_stop_between_two_updates_of_a_lead_holds(
    deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate], time: Time
) -> None:
    """A unit ends after the update that is in flight."""
    delivery = deliver(lambda _: time.stopping.set() or 200, [update(step=1), update(step=2)])
    assert (delivery.outcomes, len(delivery.seen)) == ({"delivered": 1}, 1)


def test_a_retry_that_a_stop_cuts_short_is_not_settled(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]], time: Time
) -> None:
    """An update that might have got through at the next attempt is no dead letter, though others got through."""
    tried_again, others_went_on = threading.Event(), threading.Event()
    attempts = Counter[str]()

    def answer(seen: Seen) -> int:
        attempts[_lead(seen)] += 1
        if _lead(seen) != "L0":
            assert tried_again.wait(5)
            if _lead(seen) == "L3":
                others_went_on.set()
            return 200
        if attempts["L0"] == 2:
            tried_again.set()
            assert others_went_on.wait(5)
            time.stopping.set()
        return 500

    delivery = deliver(answer, batch(4), concurrency=2, max_tries=5)

    assert delivery.outcome_of == {"L1": "delivered", "L2": "delivered", "L3": "delivered"}
    assert (delivery.error, attempts["L0"]) == (None, 2)


def test_a_stop_ends_without_a_verdict_on_the_provider(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]], time: Time
) -> None:
    """What is in doubt when the run is told to stop stays so: the reason for the end is the stop."""

    def answer(seen: Seen) -> int:
        if _lead(seen) == "L0":
            return 500
        time.stopping.set()
        return 422

    delivery = deliver(answer, batch(3), max_tries=1)
    assert (delivery.outcome_of, delivery.error) == ({"L1": "rejected"}, None)


def test_a_request_that_hangs_holds_up_a_stop_no_longer_than_allowed(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]], time: Time
) -> None:
    """After shutdown_seconds the run goes on without it, well before the request's own time-out."""
    release = threading.Event()

    def answer(_: Seen) -> int:
        time.stopping.set()
        release.wait(5)
        return 200

    delivery = deliver(answer, batch(2), shutdown_seconds=0)
    still_hangs = not release.is_set()
    release.set()

    assert still_hangs
    assert (delivery.settlements, delivery.error) == ([], None)


def test_an_unforeseen_error_reaches_the_caller_after_what_was_delivered(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]], time: Time
) -> None:
    """A mistake in the code ends the run, nothing more is sent, and what others had delivered is settled first."""
    in_flight = threading.Event()

    def send(request: Any) -> HttpResponse:
        if request.url.endswith("L1"):
            assert in_flight.wait(5)
            raise ZeroDivisionError
        in_flight.set()
        assert time.stopping.wait(5)
        return HttpResponse(status=200, headers={}, body=b"{}")

    delivery = deliver(lambda _: 200, batch(10), concurrency=2, send=send)

    assert delivery.outcome_of == {"L0": "delivered"}
    assert isinstance(delivery.error, ZeroDivisionError)
