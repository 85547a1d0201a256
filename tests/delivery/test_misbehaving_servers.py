"""Providers that misbehave, as real servers on loopback: what they saw and when, and what became of each lead."""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import json
import math
import random
import threading
import time as system_time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from target_leads.clock import Clock
from target_leads.coalescing import coalesced
from target_leads.delivery import Dispatcher, RetryPolicy, Service, Transport
from target_leads.exceptions import ProviderUnavailable
from tests.delivery.conftest import GENERIC, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_leads.models import LeadUpdate, Settlement
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Delivery, Reply, Seen, Server

STEP_BY_STEP = {"update": {**GENERIC["update"], "coalesce": False}}


def _lead(seen: Seen) -> str:
    return seen.path.rpartition("/")[2]


def _merged(updates: Iterable[LeadUpdate], account: Account) -> list[LeadUpdate]:
    return list(coalesced(updates, {"generic": account.definition}))


def _cut(_: Seen) -> int:
    """The server closes the connection instead of answering."""
    raise ConnectionAbortedError


@pytest.fixture
def batch(update: Callable[..., LeadUpdate]) -> Callable[..., list[LeadUpdate]]:
    """Updates of so many leads, from a number on."""
    return lambda count, start=0: [update(f"L{number}") for number in range(start, start + count)]


class Moments:
    """When requests came to a server, by the server's own clock."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.arrived: list[float] = []
        self._lock = threading.Lock()

    def note(self) -> None:
        """A request came."""
        with self._lock:
            self.arrived.append(system_time.time())

    def most_within(self, seconds: float) -> int:
        """How many requests came in the busiest stretch of so many seconds, wherever it begins."""
        moments, first, most = sorted(self.arrived), 0, 0
        for last, moment in enumerate(moments):
            while moment - moments[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


@pytest.fixture
def deliver_in_real_time(
    serve: Callable[..., Server], account: Callable[..., Account]
) -> Iterator[Callable[..., tuple[Counter[str], Exception | None]]]:
    """Delivers a batch with the real clock, by 32 workers; the outcomes, and what was raised after them."""
    with contextlib.ExitStack() as stack:

        def run(
            answer: Callable[[Seen], Reply | int], updates: Iterable[LeadUpdate], **config: Any
        ) -> tuple[Counter[str], Exception | None]:
            stopping = threading.Event()
            clock = Clock(wait=stopping.wait)
            target = account(serve(answer).url, concurrency=32, config=config)
            transport = Transport(target, timeout_seconds=5, clock=clock)
            stack.callback(transport.close)
            service = Service(
                target, send=transport.send, policy=RetryPolicy(max_tries=5, max_wait_seconds=300), clock=clock
            )
            dispatcher = Dispatcher(
                open_service=lambda _: service,
                stopping=stopping,
                clock=clock,
                confirm_timeout_seconds=60,
                shutdown_seconds=5,
            )
            stack.callback(dispatcher.close)
            settlements, error = taken(dispatcher.deliver(updates))
            return Counter(settlement.outcome.value for settlement in settlements), error

        yield run


def _in_seconds(now: float) -> tuple[str, float]:
    """A wish in seconds, and the moment that it means."""
    return "1", now + 1


def _as_a_date(now: float) -> tuple[str, float]:
    """A wish as a date, which has whole seconds, and the moment that it means."""
    moment = math.ceil(now) + 1
    return email.utils.formatdate(moment, usegmt=True), moment


@pytest.mark.parametrize("wish", [_in_seconds, _as_a_date])
def test_no_worker_asks_before_the_time_that_a_provider_set(
    wish: Callable[[float], tuple[str, float]],
    deliver_in_real_time: Callable[..., tuple[Counter[str], Exception | None]],
    batch: Callable[..., list[LeadUpdate]],
    reply: type[Reply],
) -> None:
    """In a storm of 429 the last wish holds for all 32 workers, also for those that did not receive it."""
    moments, turns, together = Moments(), itertools.count(), threading.Barrier(32, timeout=5)
    opens_at: list[float] = []

    def answer(_: Seen) -> Reply | int:
        moments.note()
        turn = next(turns)
        if turn >= 32:
            return 200
        together.wait()  # however slow the machine is, all were sent before the first is answered
        threading.Event().wait(turn * 0.005)
        text, moment = wish(system_time.time())
        opens_at.append(moment)
        return reply(429, {"retry-after": text})

    outcomes, error = deliver_in_real_time(answer, batch(64))

    assert (outcomes, error) == ({"delivered": 64}, None)
    assert (len(opens_at), len(moments.arrived)) == (32, 32 + 64)
    assert [moment for moment in sorted(moments.arrived)[32:] if moment < max(opens_at)] == []


def test_a_wish_that_one_worker_met_holds_for_all(
    deliver_in_real_time: Callable[..., tuple[Counter[str], Exception | None]],
    batch: Callable[..., list[LeadUpdate]],
    reply: type[Reply],
) -> None:
    """One request of many is told to come back in a second: no worker sends any other request before."""
    moments = Moments()
    opens_at: list[float] = []

    def answer(seen: Seen) -> Reply | int:
        moments.note()
        if _lead(seen) == "L40" and not opens_at:
            together.wait()
            opens_at.append(system_time.time() + 1)
            return reply(429, {"retry-after": "1"})
        if not opens_at:
            together.wait()
            threading.Event().wait(0.6)  # the one answer goes first
        return 200

    together = threading.Barrier(32, timeout=5)
    updates = batch(64)
    updates.insert(0, updates.pop(40))
    outcomes, error = deliver_in_real_time(answer, updates)

    assert (outcomes, error) == ({"delivered": 64}, None)
    assert len(moments.arrived) == 65
    assert min(sorted(moments.arrived)[32:]) >= opens_at[0]


@pytest.mark.parametrize("latency", [0.0, 0.12])
def test_rate_limits_hold_in_every_window(
    latency: float,
    deliver_in_real_time: Callable[..., tuple[Counter[str], Exception | None]],
    batch: Callable[..., list[LeadUpdate]],
) -> None:
    """Wherever a window begins in the server's own log, it holds no more than is allowed, and no fewer than needed."""
    moments, lottery = Moments(), random.Random(4711)  # noqa: S311 -- no secret

    def answer(_: Seen) -> int:
        threading.Event().wait(latency * lottery.random())
        moments.note()
        threading.Event().wait(latency * lottery.random())
        return 200

    limits = [{"requests": 10, "per_seconds": 0.2}, {"requests": 25, "per_seconds": 1}]
    outcomes, error = deliver_in_real_time(answer, batch(45), rate_limits=limits)

    assert (outcomes, error) == ({"delivered": 45}, None)
    assert moments.most_within(0.2) <= 10
    assert 20 <= moments.most_within(1) <= 25


def test_rate_limits_count_what_fails(
    deliver_in_real_time: Callable[..., tuple[Counter[str], Exception | None]], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """A request that is answered with an error, or not at all, takes its place in the window like any other."""
    moments, turns = Moments(), itertools.count()

    def answer(seen: Seen) -> int:
        moments.note()
        turn = next(turns)
        return _cut(seen) if turn == 1 else 422 if turn % 2 else 200

    outcomes, error = deliver_in_real_time(answer, batch(40), rate_limits=[{"requests": 10, "per_seconds": 0.3}])

    assert (outcomes.total(), outcomes["rejected"], error) == (40, 19, None)
    assert len(moments.arrived) == 41
    assert moments.most_within(0.3) <= 10


class Keeper:
    """A provider that keeps what it takes, and that fails each request in turn before, or after, it is written."""

    def __init__(self, failures: Sequence[Callable[[Seen], Reply | int]]) -> None:
        """Fail as told, before each success."""
        self.leads: dict[str, Any] = {}
        self.sent: defaultdict[str, list[Any]] = defaultdict(list)
        """Values of the field `step` in the order in which they came, by lead."""
        self._failures = failures
        self._tries = Counter[tuple[str, bytes]]()

    def answer(self, seen: Seen) -> Reply | int:
        """Take an update, or fail."""
        lead, key = _lead(seen), (_lead(seen), seen.body)
        self.sent[lead].append(json.loads(seen.body)["step"])
        self._tries[key] += 1
        if self._tries[key] <= len(self._failures):
            return self._failures[self._tries[key] - 1](seen)
        self.leads[lead] = json.loads(seen.body)["step"]
        self._tries[key] = 0
        return 200


FAILURES: list[Callable[[Seen], Reply | int]] = [lambda _: 503, _cut, lambda _: 429]


def _without_repeats(steps: Iterable[Any]) -> list[Any]:
    return [step for step, _ in itertools.groupby(steps)]


def test_one_leads_steps_keep_their_order_within_a_batch(
    deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """Whatever is retried: a lead's next step is never sent before the last is settled, and no step comes back."""
    keeper = Keeper(FAILURES)
    leads = [f"L{number}" for number in range(20)]
    updates = [update(lead, step=step) for step in "ABCA" for lead in leads]
    delivery = deliver(keeper.answer, updates, concurrency=8, max_tries=6, **STEP_BY_STEP)

    assert (delivery.outcomes, delivery.error) == ({"delivered": 80}, None)
    assert {lead: _without_repeats(keeper.sent[lead]) for lead in leads} == {
        lead: ["A", "B", "C", "A"] for lead in leads
    }
    assert keeper.leads == dict.fromkeys(leads, "A")


def test_throttled_steps_keep_their_order(deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]) -> None:
    """A step that is put off because the provider has no room takes the lead's later steps with it."""
    keeper, turns = Keeper([]), itertools.count()

    def answer(seen: Seen) -> Reply | int:
        return 429 if next(turns) % 3 == 1 else keeper.answer(seen)

    leads = [f"L{number}" for number in range(10)]
    updates = [update(lead, step=step) for step in range(4) for lead in leads]
    delivery = deliver(answer, updates, concurrency=4, max_tries=2, **STEP_BY_STEP)

    assert (delivery.outcomes, delivery.error) == ({"delivered": 40}, None)
    assert {lead: keeper.sent[lead] for lead in leads} == {lead: [0, 1, 2, 3] for lead in leads}


def test_one_step_that_gets_through_is_progress(
    deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """Every other request is throttled, and one lead has all the updates: it goes on as long as one gets through."""
    keeper, turns = Keeper([]), itertools.count()
    updates = [update("L1", step=step) for step in range(4)]
    delivery = deliver(
        lambda seen: 429 if next(turns) % 2 else keeper.answer(seen), updates, max_tries=1, **STEP_BY_STEP
    )

    assert (delivery.outcomes, delivery.error) == ({"delivered": 4}, None)
    assert keeper.sent == {"L1": [0, 1, 2, 3]}


def test_one_leads_updates_keep_their_order_across_batches(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    dispatcher: Callable[..., Dispatcher],
    update: Callable[..., LeadUpdate],
) -> None:
    """A, then B, then A again, each in a batch of its own and each retried: the provider ends with A."""
    keeper = Keeper(FAILURES)
    delivering = dispatcher(account(serve(keeper.answer).url, concurrency=8), max_tries=6)
    leads = [f"L{number}" for number in range(8)]
    for step in "ABA":
        settlements, error = taken(delivering.deliver([update(lead, step=step) for lead in leads]))
        assert ([settlement.outcome.value for settlement in settlements], error) == (["delivered"] * 8, None)

    assert {lead: _without_repeats(keeper.sent[lead]) for lead in leads} == {lead: ["A", "B", "A"] for lead in leads}
    assert keeper.leads == dict.fromkeys(leads, "A")


def test_a_merged_batch_ends_as_its_last_update(
    account: Callable[..., Account], deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """A, B and A in one batch, merged: one request says A, and the records before it are superseded."""
    keeper = Keeper([lambda _: 503])
    updates = [update("L1", step=step) for step in "ABA"]
    merged = _merged(updates, account())
    delivery = deliver(keeper.answer, merged)

    assert (keeper.sent, keeper.leads) == ({"L1": ["A", "A"]}, {"L1": "A"})
    assert [settlement.outcome.value for settlement in delivery.settlements] == [
        "superseded",
        "superseded",
        "delivered",
    ]
    assert [settlement.record for settlement in delivery.settlements] == [update.record for update in updates]


def test_a_refused_merged_update_is_sent_record_by_record_in_order(
    account: Callable[..., Account], deliver: Callable[..., Delivery], update: Callable[..., LeadUpdate]
) -> None:
    """The record at fault is rejected by itself; those around it are delivered, the newest last."""
    keeper = Keeper([])

    def answer(seen: Seen) -> Reply | int:
        return 422 if b"broken" in seen.body else keeper.answer(seen)

    updates = [update("L1", step="A"), update("L1", step="B", note="broken"), update("L1", step="C")]
    merged = _merged(updates, account())
    delivery = deliver(answer, merged)

    assert [settlement.outcome.value for settlement in delivery.settlements] == ["delivered", "rejected", "delivered"]
    assert [settlement.record for settlement in delivery.settlements] == [update.record for update in updates]
    assert (keeper.sent, keeper.leads) == ({"L1": ["A", "C"]}, {"L1": "C"})


class Ended(NamedTuple):
    """How delivering several batches, one after the other, ended."""

    settlements: list[Settlement]
    error: Exception | None
    requests: int

    @property
    def outcomes(self) -> Counter[str]:
        """How many settlements of each outcome there are."""
        return Counter(settlement.outcome.value for settlement in self.settlements)


@pytest.fixture
def run(
    serve: Callable[..., Server], account: Callable[..., Account], dispatcher: Callable[..., Dispatcher]
) -> Callable[..., Ended]:
    """Delivers several batches with one dispatcher and concludes, as a run does, until something is raised."""

    def deliver_all(
        answer: Callable[[Seen], Reply | int],
        batches: Iterable[Sequence[LeadUpdate]],
        *,
        max_tries: int = 3,
        concurrency: int = 1,
        **changes: Any,
    ) -> Ended:
        server = serve(answer)
        delivering = dispatcher(account(server.url, concurrency=concurrency, **changes), max_tries=max_tries)
        settlements: list[Settlement] = []
        for each in batches:
            more, error = taken(delivering.deliver(each))
            settlements += more
            if error is not None:
                return Ended(settlements, error, len(server.seen))
        try:
            delivering.conclude()
        except ProviderUnavailable as error:
            return Ended(settlements, error, len(server.seen))
        return Ended(settlements, None, len(server.seen))

    return deliver_all


@pytest.mark.parametrize(
    ("down", "concurrency"),
    [(lambda _: 503, 1), (lambda _: 503, 8), (lambda _: 429, 8), (_cut, 8)],
    ids=["503-1", "503-8", "429-8", "cut-8"],
)
@pytest.mark.parametrize("working", [0, 60, 115, 119], ids=["start", "middle", "end", "last"])
def test_an_outage_ends_the_run_and_blames_nobody(
    working: int,
    down: Callable[[Seen], int],
    concurrency: int,
    run: Callable[..., Ended],
    batch: Callable[..., list[LeadUpdate]],
) -> None:
    """Whenever it begins: the run stops, nothing is dead-lettered, and the provider is left alone soon."""
    left = threading.Semaphore(working)

    def answer(seen: Seen) -> int:
        return 200 if left.acquire(blocking=False) else down(seen)

    ended = run(answer, [batch(40), batch(40, 40), batch(40, 80)], concurrency=concurrency)

    assert isinstance(ended.error, ProviderUnavailable)
    assert ended.outcomes == Counter(delivered=working) - Counter()
    assert ended.requests <= working + (2 * concurrency + 3) * 3


def test_an_outage_that_ends_costs_nothing(run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]]) -> None:
    """A provider that is down for a moment gets every update by retries."""
    turns = itertools.count()
    ended = run(lambda _: 503 if 50 <= next(turns) < 60 else 200, [batch(100)], concurrency=4, max_tries=8)
    assert (ended.outcomes, ended.error, ended.requests) == ({"delivered": 100}, None, 110)


@pytest.mark.parametrize(("place", "concurrency"), [(0, 1), (900, 8)])
def test_one_lead_that_always_fails_costs_only_itself(
    place: int, concurrency: int, run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """Of a thousand leads one is always answered 500: it has failed, 999 are delivered, and the run goes well."""
    bad = f"L{place}"
    ended = run(lambda seen: 500 if _lead(seen) == bad else 200, [batch(1000)], concurrency=concurrency)

    assert (ended.outcomes, ended.error) == ({"delivered": 999, "failed": 1}, None)
    assert [settlement.lead_id for settlement in ended.settlements if settlement.outcome.value == "failed"] == [bad]
    assert ended.requests == 999 + 3


@pytest.mark.parametrize(("changes", "concurrency"), [({}, 1), ({}, 8), (STEP_BY_STEP, 1), (STEP_BY_STEP, 8)])
def test_a_lead_with_many_updates_that_always_fails_costs_only_itself(
    changes: dict[str, Any],
    concurrency: int,
    run: Callable[..., Ended],
    account: Callable[..., Account],
    update: Callable[..., LeadUpdate],
) -> None:
    """Four updates of the one bad lead are no outage: they say no more of the provider than one does."""
    records = [update(lead, step=step) for lead in ("L1", "bad") for step in range(4)]
    records += [update(f"L{number}") for number in range(2, 300)]
    updates = _merged(records, account(**changes))
    ended = run(lambda seen: 500 if _lead(seen) == "bad" else 200, [updates], concurrency=concurrency, **changes)

    assert ended.error is None
    assert {settlement.lead_id for settlement in ended.settlements if settlement.outcome.value == "failed"} == {"bad"}
    assert ended.outcomes["failed"] == 4
    assert ended.outcomes["delivered"] + ended.outcomes["superseded"] == 4 + 298


def test_a_lead_in_doubt_at_the_end_of_a_batch_waits_for_the_next(
    run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """The very last lead of a batch fails: the next batch shows that the provider is alive, so the run goes well."""
    ended = run(lambda seen: 500 if _lead(seen) == "L9" else 200, [batch(10), batch(10, 10)])
    assert (ended.outcomes, ended.error) == ({"delivered": 19, "failed": 1}, None)


@pytest.mark.parametrize(("max_tries", "concurrency"), [(1, 1), (2, 1), (5, 1), (5, 8)])
def test_sporadic_throttling_blames_no_update(
    max_tries: int, concurrency: int, run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """Every fourth request is answered 429 with no word of when to return: all updates get through all the same."""
    turns = itertools.count()
    ended = run(
        lambda _: 429 if next(turns) % 4 == 2 else 200, [batch(100)], concurrency=concurrency, max_tries=max_tries
    )
    assert (ended.outcomes, ended.error) == ({"delivered": 100}, None)


def test_throttling_some_of_what_was_sent_at_once_is_no_outage(
    run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """Of the first eight requests, all in flight together, the provider takes five and throttles three: it is alive."""
    together, turns = threading.Barrier(8, timeout=5), itertools.count()

    def answer(_: Seen) -> int:
        turn = next(turns)
        if turn < 8:
            together.wait()
        if turn in {2, 4, 6}:
            return 429
        if turn < 16:
            threading.Event().wait(0.2)  # the three go first
        return 200

    ended = run(answer, [batch(100)], concurrency=8, max_tries=1)
    assert (ended.outcomes, ended.error) == ({"delivered": 100}, None)


def test_a_lead_that_is_always_throttled_is_never_a_dead_letter(
    run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]]
) -> None:
    """When all others are through and the provider still has no room for one, the run says so and blames nobody."""
    ended = run(lambda seen: 429 if _lead(seen) == "L5" else 200, [batch(20)], concurrency=4)
    assert ended.outcomes == {"delivered": 19}
    assert isinstance(ended.error, ProviderUnavailable)
    assert ended.requests <= 19 + 3 * 3


UNREADABLE: dict[str, tuple[int, dict[str, str], bytes]] = {
    "cut short": (200, {"content-length": "100", "connection": "close"}, b'{"id": "L5"'),
    "half a JSON": (200, {"content-type": "application/json"}, b'{"id": "L5"'),
    "a web page": (200, {"content-type": "text/html"}, b"<html><body>Please sign in</body></html>"),
    "a web page with no type": (200, {}, b"<!DOCTYPE html><title>Maintenance</title>"),
    "a part": (206, {"content-range": "bytes 0-1/9"}, b"{}"),
    "several answers": (207, {"content-type": "application/json"}, b'{"responses": [{"status": 422}]}'),
    "packed wrongly": (200, {"content-encoding": "gzip"}, b"not packed at all"),
    "no UTF-8": (200, {"content-type": "application/json"}, b'{"id": "\xff"}'),
    "far too deep": (200, {"content-type": "application/json"}, b"[" * 100_000 + b"]" * 100_000),
    "a number too long for one": (200, {"content-type": "application/json"}, b'{"id": ' + b"1" * 5000 + b"}"),
    "of another standard": (600, {}, b"{}"),
    "of no standard": (999, {}, b"{}"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_answer_that_cannot_be_read_is_no_delivery(
    what: str, run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]], reply: type[Reply]
) -> None:
    """Its fate is unknown: it is retried, and has failed when nothing better comes while others get through."""
    broken = reply(*UNREADABLE[what])
    ended = run(lambda seen: broken if _lead(seen) == "L5" else 200, [batch(10)], max_tries=3)

    assert (ended.outcomes, ended.error) == ({"delivered": 9, "failed": 1}, None)
    assert [settlement.lead_id for settlement in ended.settlements if settlement.outcome.value == "failed"] == ["L5"]
    assert ended.requests == 9 + 3


ODD: dict[str, bytes] = {
    "keys that come twice": b'{"id": "L5", "id": "L6", "status": 200, "status": 500}',
    "numbers that are none": b'{"id": NaN, "other": [Infinity, -Infinity, 1e999]}',
    "halves of surrogate pairs": rb'{"id": "\ud800", "\udfff": ["\ud83d"]}',
    "signs that no text has": rb'{"id": "a\u0000b"}',
    "quite some depth": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a mark of its order of bytes": b'\xef\xbb\xbf{"id": "L5"}',
    "another encoding": '{"id": "L5"}'.encode("utf-16"),
}


@pytest.mark.parametrize("status", [200, 422])
@pytest.mark.parametrize("what", ODD)
def test_odd_json_is_judged_like_any_other(
    what: str, status: int, run: Callable[..., Ended], batch: Callable[..., list[LeadUpdate]], reply: type[Reply]
) -> None:
    """The status says what became of the lead; nothing that a body may hold ends the run."""
    odd = reply(status, {"content-type": "text/plain"}, ODD[what])
    ended = run(lambda seen: odd if _lead(seen) == "L5" else 200, [batch(10)])
    others = {"delivered": 10} if status == 200 else {"delivered": 9, "rejected": 1}
    assert (ended.outcomes, ended.error, ended.requests) == (others, None, 10)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_no_delivery_and_is_not_followed(
    status: int,
    serve: Callable[..., Server],
    run: Callable[..., Ended],
    batch: Callable[..., list[LeadUpdate]],
    reply: type[Reply],
) -> None:
    """The lead is rejected at once, and the place that the answer names sees no request."""
    elsewhere = serve()
    away = reply(status, {"location": f"{elsewhere.url}/leads/L5"})
    ended = run(lambda seen: away if _lead(seen) == "L5" else 200, [batch(10)])

    assert (ended.outcomes, ended.error, ended.requests) == ({"delivered": 9, "rejected": 1}, None, 10)
    assert elsewhere.seen == []
