"""A batch of updates, over real connections: order, concurrency, and how a run ends."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.coalescing import coalesced
from target_leads.delivery.http import HttpResponse
from target_leads.exceptions import CredentialsRefused, ProviderUnavailable
from target_leads.models import OVERTAKEN, OpenJob, Outcome, Settlement
from tests.delivery.conftest import GENERIC, Delivery, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.delivery import Dispatcher
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Reply, Seen, Server, Time

    Delivering = Iterator[Settlement | OpenJob | None]


@pytest.fixture
def batch(update: Callable[..., LeadUpdate]) -> Callable[..., list[LeadUpdate]]:
    """Updates of so many leads, L0 and up."""
    return lambda count, provider="generic": [update(f"L{number}", provider) for number in range(count)]


def _lead(seen: Seen) -> str:
    return seen.path.rpartition("/")[2]


def _next(delivering: Delivering) -> Settlement:
    """The next settlement of an update that was sent, past all moments in which nothing came."""
    settled = (entry for entry in delivering if isinstance(entry, Settlement))
    return next(entry for entry in settled if entry.outcome is not Outcome.UNSETTLED)


def _cut(_: Seen) -> int:
    """The server closes the connection instead of answering."""
    raise ConnectionAbortedError


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


@pytest.mark.parametrize("left_alone", [["L3"], ["L3", "L7"], [f"L{number}" for number in range(10)]])
def test_a_lead_of_which_something_newer_was_sent_meanwhile_is_left_alone(
    left_alone: list[str],
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
) -> None:
    """Whoever is told of an update before it is sent may say so; it is superseded, with all that was merged into it."""
    server = serve(lambda _: 200)
    updates = batch(10)
    updates[3] = dataclasses.replace(updates[3], parts=(updates[3], updates[3]))
    leads = {update.lead: OVERTAKEN for update in updates if update.lead_id in left_alone}
    delivering = dispatcher(account(server.url, concurrency=2))
    settled = list(filter(None, delivering.deliver(updates, lambda _: leads)))

    assert sorted(map(_lead, server.seen)) == [f"L{number}" for number in range(10) if f"L{number}" not in left_alone]
    told = Counter((entry.outcome, entry.update is None) for entry in settled if isinstance(entry, Settlement))
    assert told[Outcome.SUPERSEDED, True] == len(left_alone) + 1
    assert told.total() == 11


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
        assert len(taken(delivering.deliver(batch(2, "kept")))[0]) == 2
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
    settlements, _ = taken(dispatcher(account(server.url, concurrency=concurrency)).deliver(batch(30)))
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
    settlements, _ = taken(dispatcher(*accounts).deliver(batch(5) + batch(5, "other")))

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
    with pytest.raises(ProviderUnavailable, match="the host takes no connection, 2 attempts each"):
        list(dispatcher(account(nobody)).deliver(batch(20)))


def test_refused_credentials_end_the_run_at_once(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """After a 401 no further update is sent; what was accepted before is settled."""
    delivery = deliver(_first(5, 401), batch(100))
    assert (delivery.outcomes, len(delivery.seen)) == ({"delivered": 5}, 6)
    assert isinstance(delivery.error, CredentialsRefused)


@pytest.mark.parametrize(("status", "requests"), [(401, 2), (500, 4)])
def test_a_slow_reader_of_settlements_changes_nothing(
    status: int, requests: int, slow: Callable[..., tuple[Delivering, Server]], time: Time
) -> None:
    """While a store is busy with the first settlement little is sent; the run stops in time, and blames no update."""
    settlements, server = slow(_first(1, status), max_tries=1)

    assert _next(settlements).outcome.value == "delivered"
    assert len(server.seen) <= 2
    with pytest.raises((CredentialsRefused, ProviderUnavailable)):
        _next(settlements)
    assert time.stopping.is_set()
    assert len(server.seen) == requests


@pytest.fixture
def slow(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
) -> Callable[..., tuple[Delivering, Server]]:
    """Delivers a batch of a hundred to a server; the test takes the settlements."""

    def begin(answer: Callable[[Seen], int], **options: Any) -> tuple[Delivering, Server]:
        server = serve(answer)
        return dispatcher(account(server.url), **options).deliver(batch(100)), server

    return begin


def test_nothing_more_is_sent_once_nobody_takes_settlements(
    slow: Callable[..., tuple[Delivering, Server]], time: Time
) -> None:
    """If the store cannot write what was delivered, the workers send no further update of the batch."""

    def answer(seen: Seen) -> int:
        assert _lead(seen) == "L0" or time.stopping.wait(5)
        return 200

    settlements, server = slow(answer)
    _next(settlements)
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

    settlement = _next(delivering)

    assert (settlement.provider, settlement.outcome.value) == ("generic", "delivered")
    with pytest.raises(ProviderUnavailable, match="other lets no update through"):
        _next(delivering)
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


STEP_BY_STEP = {"update": {**GENERIC["update"], "coalesce": False}}


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_outage_that_one_lead_meets_ends_the_run(
    status: int, deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """A lead with two hundred steps is no reason to send six hundred requests to a provider that is down."""
    steps = [update("L1", step=step) for step in range(200)]
    delivery = deliver(lambda _: status, steps, max_tries=3, concurrency=4, **STEP_BY_STEP)

    assert delivery.settlements == []
    assert isinstance(delivery.error, ProviderUnavailable)
    assert len(delivery.seen) <= 10 * 3


def test_a_lead_that_used_up_its_time_with_pauses_of_its_own_costs_only_itself(
    deliver: Callable[..., Delivery], batch: Callable[..., list[LeadUpdate]], reply: type[Reply], time: Time
) -> None:
    """The wish that it cannot grant any more is no longer than allowed: the others grant it and are delivered."""

    def answer(seen: Seen) -> Reply | int:
        if _lead(seen) != "L3":
            return 200
        return reply(500, {"retry-after": "120"}) if time.seconds > 200 else 500

    delivery = deliver(answer, batch(10), max_tries=1000)
    assert (delivery.outcomes, delivery.error) == ({"delivered": 9, "failed": 1}, None)
    assert time.waits[-1] == pytest.approx(120, abs=0.01)


@pytest.fixture
def dispatcher_to(
    serve: Callable[..., Server], account: Callable[..., Account], dispatcher: Callable[..., Dispatcher]
) -> Callable[..., Dispatcher]:
    """Dispatchers to a server that answers as told, with an account as told."""
    return lambda answer, **changes: dispatcher(account(serve(answer).url, **changes))


def test_a_settlement_does_not_wait_for_the_next(
    dispatcher_to: Callable[..., Dispatcher], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """While the next request takes its time the reader gets his turn, to write down what was delivered."""
    release = threading.Event()

    def answer(seen: Seen) -> int:
        if _lead(seen) == "L1":
            release.wait(5)
        return 200

    delivering = dispatcher_to(answer).deliver(batch(2))
    first, pause = next(delivering), next(delivering)
    still_waits = not release.is_set()
    release.set()
    (second,) = (entry for entry in delivering if isinstance(entry, Settlement))

    assert isinstance(first, Settlement)
    assert (first.lead_id, pause, still_waits, second.lead_id) == ("L0", None, True, "L1")


def test_an_accepted_update_comes_as_an_open_job_before_its_settlement(
    dispatcher_to: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
    job: dict[str, Any],
    reply: type[Reply],
) -> None:
    """So that a crash while its job is waited for does not lose the job; then the reader gets his turn."""
    questions = Counter[str]()

    def answer(seen: Seen) -> Reply:
        if seen.method != "GET":
            return reply(202, {}, json.dumps({"job_id": f"job-{_lead(seen)}"}).encode())
        questions[_lead(seen)] += 1
        state = "DONE" if questions[_lead(seen)] == 2 else "OPEN"
        return reply(200, {}, json.dumps({"state": state}).encode())

    updates = batch(2)
    came = list(dispatcher_to(answer, job=job).deliver(updates))

    jobs = [entry for entry in came if isinstance(entry, OpenJob)]
    assert jobs == [OpenJob(update=update, job_id=f"job-{update.lead_id}") for update in updates]
    first_settled = next(place for place, entry in enumerate(came) if isinstance(entry, Settlement))
    last_job = max(place for place, entry in enumerate(came) if isinstance(entry, OpenJob))
    assert None in came[last_job:first_settled]
    settled = [entry.outcome.value for entry in came if isinstance(entry, Settlement)]
    assert settled == ["delivered", "delivered"]


def test_a_part_of_a_merged_update_that_gets_through_is_progress(
    deliver: Callable[..., Delivery], account: Callable[..., Account], update: Callable[..., LeadUpdate]
) -> None:
    """Of three records sent one by one the last is throttled: two got through, so the third is sent again."""
    steps = [update("L1", step=step) for step in "ABC"]
    (merged,) = coalesced(steps, {"generic": account().definition})
    answers = [422, 200, 200, 429, 200]
    delivery = deliver(lambda _: answers.pop(0), [merged], max_tries=1)

    assert (delivery.outcomes, delivery.error) == ({"delivered": 3}, None)
    assert [seen.body[-3:-2] for seen in delivery.seen] == [b"C", b"A", b"B", b"C", b"C"]


@pytest.mark.parametrize("stuck_comes_first", [1, 0])
def test_only_the_provider_that_lets_nothing_through_is_blamed(
    stuck_comes_first: int,
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
) -> None:
    """One takes one update in each pass, the other takes none: that one ends the run, and after its first pass."""
    turns = iter([200, 429, 429, 200, 429, 200])
    slow, stuck = serve(lambda _: next(turns)), serve(lambda _: 429)
    updates = [batch(3), batch(1, "other")]
    if stuck_comes_first:
        updates.reverse()
    accounts = account(slow.url), account(stuck.url, name="other")

    settlements, error = taken(dispatcher(*accounts, max_tries=1).deliver([*updates[0], *updates[1]]))

    assert [(settlement.provider, settlement.outcome.value) for settlement in settlements] == [("generic", "delivered")]
    assert isinstance(error, ProviderUnavailable)
    assert str(error).startswith("other takes fewer requests than are sent")
    assert len(stuck.seen) == 1


def test_refused_credentials_of_one_provider_go_before_an_outage_of_another(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
    time: Time,
) -> None:
    """The outage stops the run while the other's 401 is under way: trying later would meet the 401 again."""
    in_flight = threading.Event()

    def refuse(_: Seen) -> int:
        in_flight.set()
        return 401 if time.stopping.wait(5) else 500

    down, refusing = serve(lambda _: 503 if in_flight.wait(5) else 200), serve(refuse)
    accounts = account(down.url), account(refusing.url, name="other")

    settlements, error = taken(dispatcher(*accounts).deliver(batch(10) + batch(1, "other")))

    assert settlements == []
    assert isinstance(error, CredentialsRefused)


@pytest.fixture
def look_up(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    batch: Callable[..., list[LeadUpdate]],
    job: dict[str, Any],
) -> Callable[..., Delivery]:
    """Looks up so many jobs that an earlier run left open, job-L0 and up."""

    def run(answer: Callable[[Seen], Reply | int], count: int, *, concurrency: int = 1) -> Delivery:
        server = serve(answer)
        jobs = [OpenJob(update=update, job_id=f"job-{update.lead_id}") for update in batch(count)]
        looking = dispatcher(account(server.url, concurrency=concurrency, job=job))
        settlements, error = taken(looking.look_up(jobs))
        return Delivery(settlements, error, server.seen)

    return run


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("down", [lambda _: 503, _cut], ids=["503", "cut"])
def test_looking_up_jobs_of_a_provider_that_is_down_ends_soon(
    down: Callable[[Seen], int], concurrency: int, look_up: Callable[..., Delivery]
) -> None:
    """A few questions in vain show that it is no use now; all jobs stay open, and the run goes on."""
    delivery = look_up(down, 200, concurrency=concurrency)
    assert (delivery.outcomes, delivery.error) == ({"unconfirmed": 200}, None)
    assert len(delivery.seen) <= concurrency + 2


@pytest.mark.parametrize("status", [404, 410])
def test_jobs_that_their_provider_does_not_know_hide_no_others(
    status: int, look_up: Callable[..., Delivery], reply: type[Reply]
) -> None:
    """They come first, run after run: such an answer shows the provider alive, so the others are asked after too."""

    def answer(seen: Seen) -> Reply | int:
        return reply(200, {}, b'{"state": "DONE"}') if _lead(seen) == "job-L9" else status

    delivery = look_up(answer, 10)
    assert delivery.outcome_of == {**{f"L{number}": "unconfirmed" for number in range(9)}, "L9": "delivered"}
