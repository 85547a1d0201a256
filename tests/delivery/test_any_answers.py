"""Whatever a provider answers, in whatever order: every update ends once, or the run says why it does not."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from target_leads.coalescing import coalesced
from target_leads.delivery import Dispatcher, RetryPolicy, Service
from target_leads.delivery.http import Failure, HttpResponse
from target_leads.exceptions import TargetLeadsError
from target_leads.models import LeadUpdate, Outcome, Record
from target_leads.providers import load_folder
from target_leads.providers.account import Account
from target_leads.providers.definition import ItemResults, LeadId, ManyLeads, ResponseRules
from tests.conftest import OWN_PROVIDERS
from tests.delivery.conftest import Time, taken

if TYPE_CHECKING:
    from target_leads.delivery.http import Answer, HttpRequest
    from target_leads.models import Settlement

GENERIC = load_folder(OWN_PROVIDERS / "generic")
TOGETHER = ManyLeads(max_items=3, max_bytes=None, items_at="/leads", results=None)
EACH = dataclasses.replace(
    TOGETHER, results=ItemResults(at="/results", id_at="/id", status_at="/status", responses=ResponseRules())
)
WAYS = {
    "step by step": {"coalesce": False},
    "merged": {"coalesce": True},
    "together": {"coalesce": False, "many": TOGETHER},
    "each": {"coalesce": False, "many": EACH},
}
"""What differs in the definition: one lead or many in a request, each step or only where it ends."""
ANSWERS = ["200"] * 4 + ["422", "403", "429", "500", "503", "lost", "written and lost", "refused", "unreadable"]
RARE_ANSWERS = ["401", "stop"]


Batch = list[tuple[str, list[str]]]
"""Leads, each with what its next requests are answered."""
BATCHES = st.lists(
    st.tuples(
        st.sampled_from("ABCDE"),
        st.lists(st.one_of(st.sampled_from(ANSWERS), st.sampled_from(ANSWERS + RARE_ANSWERS)), max_size=5),
    ),
    min_size=1,
    max_size=8,
)


class Deliveries:
    """A run: batches of updates of few leads, to a provider that answers each lead's requests as the example says."""

    def __init__(self, way: str, *, concurrency: int, max_tries: int) -> None:
        """Open an account, and nothing is sent yet."""
        self.way = way
        self.definition = dataclasses.replace(
            GENERIC,
            update=dataclasses.replace(GENERIC.update, **WAYS[way]),
            lead_id=LeadId(name="id", body_field="id"),
        )
        account = Account.open(self.definition, {"token": "tok-4711"}, concurrency=concurrency)
        self.time = Time()
        policy = RetryPolicy(max_tries=max_tries, max_wait_seconds=300)
        service = Service(account, send=self.send, policy=policy, clock=self.time.clock)
        self.dispatcher = Dispatcher(
            open_service=lambda _: service,
            stopping=self.time.stopping,
            clock=self.time.clock,
            confirm_timeout_seconds=60,
            shutdown_seconds=5,
        )
        self.lock = threading.Lock()
        self.steps = itertools.count(1)
        self.batch_of: dict[int, int] = {}
        self.lead_of: dict[int, str] = {}
        self.answers: defaultdict[str, list[str]] = defaultdict(list)
        self.sent: defaultdict[str, list[int]] = defaultdict(list)
        self.accepted: set[int] = set()
        self.requests = 0
        self.settled: dict[int, Settlement] = {}
        self.error: Exception | None = None
        self.ended = False

    def deliver(self, batch: Batch) -> None:
        """Deliver a batch; what comes back is checked at once."""
        updates = []
        number = max(self.batch_of.values(), default=0) + 1
        for lead, answers in batch:
            self.answers[lead] += answers
            step = next(self.steps)
            self.batch_of[step], self.lead_of[step] = number, lead
            updates.append(_update(lead, step))
        settlements, self.error = taken(self.dispatcher.deliver(coalesced(updates, {"generic": self.definition})))
        self.ended = self.error is not None or self.time.stopping.is_set()
        for settlement in settlements:
            self.check(settlement)
        assert self.error is None or isinstance(self.error, TargetLeadsError)
        assert sum(each.requests for each in self.dispatcher.traffic.values()) == self.requests

    def deliver_after_the_end(self) -> None:
        """Nothing more is sent, and nothing settled, once the run has to stop."""
        before = self.requests
        settlements, _ = taken(self.dispatcher.deliver([_update("A", 0)]))
        assert (settlements, self.requests) == ([], before)

    def end(self) -> None:
        """The input ends: nothing is left in the dark, and every lead's updates came in order."""
        if not self.ended:
            try:
                self.dispatcher.conclude()
            except TargetLeadsError as error:
                self.error = error
        unsettled = self.batch_of.keys() - self.settled.keys()
        assert not unsettled or self.error is not None or self.time.stopping.is_set()
        for sent in self.sent.values():
            in_order = [self.batch_of[step] for step in sent] if self.way == "merged" else sent
            assert in_order == sorted(in_order)

    def check(self, settlement: Settlement) -> None:
        """A record is settled once, and as the provider answered."""
        step = settlement.record.fields["step"]
        assert step not in self.settled
        self.settled[step] = settlement
        assert settlement.lead_id == self.lead_of[step]
        if settlement.outcome is Outcome.DELIVERED:
            assert step in self.accepted
        elif settlement.outcome is Outcome.SUPERSEDED:
            own = (settlement.lead_id, self.batch_of[step])
            assert any(later > step and (self.lead_of[later], self.batch_of[later]) == own for later in self.accepted)
        else:
            assert settlement.outcome in {Outcome.REJECTED, Outcome.FAILED}
            assert step not in self.accepted

    def send(self, request: HttpRequest) -> Answer:
        """The provider: answers as told, and notes what came and what it accepted so that it can be known."""
        with self.lock:
            self.requests += 1
            body = json.loads(request.body)
            leads = body.get("leads", [body])
            assert len({lead["id"] for lead in leads}) == len(leads)
            for lead in leads:
                self.sent[lead["id"]].append(lead["step"])
            if self.way != "each":
                told = self.next_answer(leads[0]["id"])
                self.accepted.update(lead["step"] for lead in leads if told in {"200", "stop"})
                return _answer(told)
            return _listing([(lead["id"], self.item(lead)) for lead in leads])

    def item(self, lead: dict[str, Any]) -> str:
        """What is answered for one lead of many."""
        told = self.next_answer(lead["id"])
        if told in {"200", "stop"}:
            self.accepted.add(lead["step"])
        return told

    def next_answer(self, lead_id: str) -> str:
        """What a lead's next request is answered; all is well when nothing was told."""
        told = self.answers[lead_id].pop(0) if self.answers[lead_id] else "200"
        if told == "stop":
            self.time.stopping.set()
        return told


def _update(lead_id: str, step: int) -> LeadUpdate:
    fields = {"id": lead_id, "step": step}
    record = Record(stream="leads", fields=fields, original=fields)
    return LeadUpdate(record=record, provider="generic", account="default", lead_id=lead_id, fields=fields)


def _answer(told: str) -> Answer:
    if told.isdigit():
        return HttpResponse(status=int(told), headers={}, body=b"{}")
    if told == "stop":
        return HttpResponse(status=200, headers={}, body=b"{}")
    if told == "unreadable":
        return HttpResponse(status=200, headers={"content-type": "text/html"}, body=b"<html></html>")
    return Failure(reason=told, may_have_arrived=told != "refused")


def _listing(told: list[tuple[str, str]]) -> Answer:
    """Results for the leads that are answered a status; the others are left out."""
    results = [
        {"id": lead_id, "status": 200 if own == "stop" else int(own)}
        for lead_id, own in told
        if own.isdigit() or own == "stop"
    ]
    return HttpResponse(status=207, headers={}, body=json.dumps({"results": results}).encode())


@settings(max_examples=300, deadline=None)
@given(
    way=st.sampled_from(sorted(WAYS)),
    concurrency=st.integers(min_value=1, max_value=4),
    max_tries=st.integers(min_value=1, max_value=3),
    batches=st.lists(BATCHES, max_size=6),
)
def test_every_update_ends_once(way: str, concurrency: int, max_tries: int, batches: list[Batch]) -> None:
    """All is drawn before it begins: what threads come to must not decide what is drawn next."""
    run = Deliveries(way, concurrency=concurrency, max_tries=max_tries)
    try:
        for batch in batches:
            if run.ended:
                run.deliver_after_the_end()
            else:
                run.deliver(batch)
        run.end()
    finally:
        run.dispatcher.close()
