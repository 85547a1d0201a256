"""What delivering updates would take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.delivery.forecast import Forecast, Plan, least_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account

MANY = {"method": "POST", "path": "/leads", "fields": "partial", "many": {"items_at": "", "max_items": 3}}


def plan_of(account: Account, *batches: Iterable[LeadUpdate]) -> Plan:
    """The plan for one account after some batches."""
    forecast = Forecast(lambda _: account)
    for batch in batches:
        forecast.add(batch)
    return forecast.plans["generic"]


def test_one_request_for_each_lead(account: Callable[..., Account], update: Callable[..., LeadUpdate]) -> None:
    """Batches add up."""
    plan = plan_of(account(), [update("a"), update("b")], [update("c")])
    assert (plan.requests, plan.leads, plan.least_seconds) == (3, 3, 0)


def test_each_step_of_a_lead_is_a_request(account: Callable[..., Account], update: Callable[..., LeadUpdate]) -> None:
    """Where each update of a lead matters, each is sent."""
    assert plan_of(account(), [update("a", note="1"), update("a", note="2")]).requests == 2


@pytest.mark.parametrize(("leads", "requests"), [("abc", 1), ("abcd", 2), ("abcdefg", 3), ("aab", 2)])
def test_many_leads_in_one_request(
    leads: str, requests: int, account: Callable[..., Account], update: Callable[..., LeadUpdate]
) -> None:
    """As many as the provider takes at once, and no lead twice."""
    to_many = account(update=MANY, lead_id={"name": "id", "body_field": "id"})
    plan = plan_of(to_many, [update(lead, id=lead, note="x") for lead in leads])
    assert (plan.requests, plan.leads) == (requests, len(leads))


def test_jobs_are_asked_after(
    account: Callable[..., Account], update: Callable[..., LeadUpdate], job: dict[str, Any]
) -> None:
    """A provider that writes later is asked once at least how each update went."""
    assert plan_of(account(job=job), [update("a"), update("b")]).requests == 4


@pytest.mark.parametrize(
    ("windows", "requests", "seconds"),
    [
        ([], 1000, 0),
        ([(150, 60)], 0, 0),
        ([(150, 60)], 150, 0),
        ([(150, 60)], 151, 60),
        ([(150, 60)], 301, 120),
        ([(1, 0.5)], 3, 1.0),
        ([(50, 60), (500, 3600)], 500, 540),
        ([(50, 60), (500, 3600)], 501, 3600),
    ],
)
def test_least_seconds(
    windows: list[tuple[int, float]], requests: int, seconds: float, account: Callable[..., Account]
) -> None:
    """Each full window has to pass before the next request; the window that takes longest decides."""
    named = [{"requests": most, "per_seconds": per_seconds} for most, per_seconds in windows]
    assert least_seconds(account(rate_limits={"windows": named}), requests) == seconds


def test_a_plan_holds_the_least_time_of_all_its_requests(
    account: Callable[..., Account], update: Callable[..., LeadUpdate]
) -> None:
    """Not the sum over batches, each of which may fit into a window by itself."""
    limited = account(rate_limits={"windows": [{"requests": 2, "per_seconds": 60}]})
    assert plan_of(limited, [update("a"), update("b")], [update("c")]).least_seconds == 60


def test_fields_that_would_change(account: Callable[..., Account], update: Callable[..., LeadUpdate]) -> None:
    """Of a known lead those that differ, of a new one all of them, those in an object by name; never the id."""
    with_id = account(
        update={"method": "POST", "path": "/leads", "fields": "partial"}, lead_id={"name": "id", "body_field": "id"}
    )
    known = dataclasses.replace(update("a", id="a", note="1", email="x"), differing=("note",))
    same = dataclasses.replace(update("b", id="b", note="1"), differing=())
    new = update("c", id="c", note="2", phone={"number": "555", "extension": "1"})
    plan = plan_of(with_id, [known, same, new])
    assert plan.fields == {"note": 2, "phone.number": 1, "phone.extension": 1}
    assert (plan.leads, plan.new_leads) == (3, 1)


def test_each_provider_has_its_own_plan(account: Callable[..., Account], update: Callable[..., LeadUpdate]) -> None:
    """What one provider would get says nothing of another."""
    accounts = {name: account(name=name) for name in ("generic", "other")}
    forecast = Forecast(accounts.__getitem__)
    forecast.add([update("a"), update("b", provider="other"), update("c", provider="other")])
    assert {name: plan.requests for name, plan in forecast.plans.items()} == {"generic": 1, "other": 2}
