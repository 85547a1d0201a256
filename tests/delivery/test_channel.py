"""The way to one account: what becomes of a unit that goes through it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.coalescing import coalesced
from target_leads.delivery import RetryPolicy, Service
from target_leads.delivery.channel import Channel
from target_leads.delivery.http import Failure, HttpResponse
from target_leads.models import Outcome, Settlement
from tests.delivery.conftest import GENERIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.delivery.batching import Unit
    from target_leads.delivery.http import Answer, HttpRequest
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Time

CUT = Failure(reason="no answer within the time-out", may_have_arrived=True)
UNSENT = Failure(reason="the connection failed", may_have_arrived=False)
EACH = {"max_items": 10, "items_at": "/leads", "results": {"at": "/results", "id_at": "/id", "status_at": "/status"}}
TOGETHER = {"max_items": 10, "items_at": "/leads"}


def _many(many: dict[str, Any]) -> dict[str, Any]:
    call = {"method": "POST", "path": "/leads/batch", "fields": "partial", "many": many}
    return {"lead_id": {"name": "id", "body_field": "id"}, "update": {**GENERIC["update"], **call}}


def _status(status: int) -> HttpResponse:
    return HttpResponse(status=status, headers={}, body=b"{}")


class Line:
    """Sends nowhere: it answers as told and notes the bodies."""

    def __init__(self, answer: Callable[[HttpRequest], Answer]) -> None:
        """Answer every request with this."""
        self.bodies: list[Any] = []
        self._answer = answer

    def send(self, request: HttpRequest) -> Answer:
        """Answer one request."""
        self.bodies.append(json.loads(request.body))
        return self._answer(request)


@pytest.fixture
def channel(account: Callable[..., Account], time: Time) -> Iterator[Callable[..., Channel]]:
    """Channels of accounts as told, which send with a callable; closed with the test."""
    opened: list[Channel] = []

    def open_channel(
        send: Callable[[HttpRequest], Answer], *, max_tries: int = 2, max_wait_seconds: float = 300, **changes: Any
    ) -> Channel:
        policy = RetryPolicy(max_tries=max_tries, max_wait_seconds=max_wait_seconds)
        service = Service(account(**changes), send=send, policy=policy, clock=time.clock)
        opened.append(Channel(service, stopping=time.stopping))
        return opened[-1]

    yield open_channel
    for each in opened:
        each.workers.close()


@pytest.fixture
def merged(update: Callable[..., LeadUpdate], account: Callable[..., Account]) -> LeadUpdate:
    """Three steps of the lead L1, made one."""
    steps = [update("L1", id="L1", step=step) for step in "ABC"]
    (one,) = coalesced(steps, {"generic": account().definition})
    return one


def _outcomes(told: list[Any]) -> list[Outcome]:
    return [entry.outcome for entry in told if isinstance(entry, Settlement)]


@pytest.mark.parametrize("first", [CUT, _status(500), _status(503)], ids=["cut", "500", "503"])
def test_a_merged_update_that_may_be_written_is_not_taken_apart(
    first: Answer, channel: Callable[..., Channel], merged: LeadUpdate
) -> None:
    """Its first attempt has an unknown fate and its repetition is refused: the older values are not sent after it."""
    answers = [first, _status(422)]
    line, told = Line(lambda _: answers.pop(0)), list[Any]()

    assert channel(line.send).deliver([[merged]], told.append) == []

    assert [body["step"] for body in line.bodies] == ["C", "C"]
    assert _outcomes(told) == [Outcome.REJECTED] * 3
    assert all(entry.update.may_be_written for entry in told)


@pytest.mark.parametrize("first", [UNSENT, _status(429)], ids=["not sent", "429"])
def test_a_merged_update_that_cannot_be_written_is_taken_apart(
    first: Answer, channel: Callable[..., Channel], merged: LeadUpdate
) -> None:
    """Where the first attempt wrote nothing each record answers for itself, the newest last."""
    answers = [first, _status(422), _status(200), _status(422), _status(200)]
    line, told = Line(lambda _: answers.pop(0)), list[Any]()

    assert channel(line.send).deliver([[merged]], told.append) == []

    assert [body["step"] for body in line.bodies] == ["C", "C", "A", "B", "C"]
    assert _outcomes(told) == [Outcome.DELIVERED, Outcome.REJECTED, Outcome.DELIVERED]


def test_that_it_may_be_written_outlasts_a_throttling(channel: Callable[..., Channel], merged: LeadUpdate) -> None:
    """Put off after an unknown fate and a 429, and refused when it is sent again: it is still not taken apart."""
    answers = [CUT, _status(429), _status(422)]
    line, told = Line(lambda _: answers.pop(0)), list[Any]()
    way = channel(line.send)

    rest = way.deliver([[merged]], told.append)
    assert (len(rest), told) == (1, [])
    assert way.deliver(rest, told.append) == []

    assert [body["step"] for body in line.bodies] == ["C"] * 3
    assert _outcomes(told) == [Outcome.REJECTED] * 3


def test_that_it_may_be_written_outlasts_halving(
    channel: Callable[..., Channel], merged: LeadUpdate, update: Callable[..., LeadUpdate]
) -> None:
    """A request with others in it has an unknown fate, and alone the merged update is refused: not taken apart."""

    def answer(request: HttpRequest) -> Answer:
        leads = json.loads(request.body)["leads"]
        return CUT if len(leads) > 1 else _status(422 if leads[0]["id"] == "L1" else 200)

    line, told = Line(answer), list[Any]()
    unit: Unit = [[merged, update("L2", id="L2")]]
    assert channel(line.send, **_many(TOGETHER)).deliver(unit, told.append) == []

    steps = [lead["step"] for body in line.bodies for lead in body["leads"] if lead["id"] == "L1"]
    assert set(steps) == {"C"}
    assert Counter(_outcomes(told)) == {Outcome.REJECTED: 3, Outcome.DELIVERED: 1}


def test_a_refusal_of_one_item_takes_its_merged_update_apart(
    channel: Callable[..., Channel], merged: LeadUpdate, update: Callable[..., LeadUpdate]
) -> None:
    """The answer names the lead and refuses it clearly, so nothing was written and each record answers for itself."""

    def answer(request: HttpRequest) -> Answer:
        sent = json.loads(request.body)["leads"]
        results = [{"id": lead["id"], "status": 422 if lead.get("step") in {"B", "C"} else 200} for lead in sent]
        return HttpResponse(status=200, headers={}, body=json.dumps({"results": results}).encode())

    line, told = Line(answer), list[Any]()
    unit: Unit = [[merged, update("L2", id="L2")]]
    assert channel(line.send, **_many(EACH)).deliver(unit, told.append) == []

    steps = [lead["step"] for body in line.bodies for lead in body["leads"] if lead["id"] == "L1"]
    assert steps == ["C", "A", "B", "C"]
    assert Counter(_outcomes(told)) == {Outcome.DELIVERED: 2, Outcome.REJECTED: 2}


def test_a_refusal_of_one_item_says_that_it_was_not_written(
    channel: Callable[..., Channel], update: Callable[..., LeadUpdate]
) -> None:
    """What its provider has of the lead is as it was: nothing needs to be forgotten."""
    results = [{"id": "L1", "status": 422}, {"id": "L2", "status": 200}]
    line = Line(lambda _: HttpResponse(status=200, headers={}, body=json.dumps({"results": results}).encode()))
    told = list[Any]()
    unit: Unit = [[update("L1", id="L1"), update("L2", id="L2")]]
    channel(line.send, **_many(EACH)).deliver(unit, told.append)

    (refused,) = (entry for entry in told if entry.outcome is Outcome.REJECTED)
    assert not refused.update.may_be_written


def test_what_was_delivered_is_told_before_others_are_tried_again(
    channel: Callable[..., Channel], update: Callable[..., LeadUpdate]
) -> None:
    """One answer delivers two leads and lacks the third: the two are told before the third is sent again."""
    told, told_before = list[Any](), list[int]()

    def answer(request: HttpRequest) -> Answer:
        told_before.append(len(told))
        sent = [lead["id"] for lead in json.loads(request.body)["leads"]]
        results = [{"id": lead_id, "status": 200} for lead_id in sent if lead_id != "L3" or len(told_before) == 3]
        return HttpResponse(status=200, headers={}, body=json.dumps({"results": results}).encode())

    unit: Unit = [[update(f"L{number}", id=f"L{number}") for number in (1, 2, 3)]]
    assert channel(answer, max_tries=3, **_many(EACH)).deliver(unit, told.append) == []

    assert told_before == [0, 2, 2]
    assert [entry.lead_id for entry in told] == ["L1", "L2", "L3"]


def test_many_throttled_items_count_once(channel: Callable[..., Channel], update: Callable[..., LeadUpdate]) -> None:
    """One answer that throttles nine leads of ten is one request in vain; they go on together, in one round."""
    line = Line(
        lambda request: HttpResponse(
            status=200,
            headers={},
            body=json.dumps(
                {
                    "results": [
                        {"id": lead["id"], "status": 200 if lead["id"] == "L0" else 429}
                        for lead in json.loads(request.body)["leads"]
                    ]
                }
            ).encode(),
        )
    )
    updates = [update(f"L{number}", id=f"L{number}") for number in range(10)]
    told = list[Any]()
    way = channel(line.send, max_tries=1, **_many(EACH))

    (left,) = way.deliver([updates], told.append)

    assert [each.lead_id for each in left] == [f"L{number}" for number in range(1, 10)]
    assert (_outcomes(told), way.evidence.stop, len(line.bodies)) == ([Outcome.DELIVERED], None, 1)
