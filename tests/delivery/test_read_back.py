"""An update whose answer was lost and whose repetition is refused: the lead itself says whether it was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import ProviderUnavailable
from tests.delivery.conftest import GENERIC, taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.delivery import Dispatcher
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Delivery, Reply, Seen

STAGES = {
    "update": {**GENERIC["update"], "method": "POST", "fields": "whole", "coalesce": False, "read_back_on": [409]},
    "read": {"method": "GET", "path": "/leads/{lead_id}", "lead_at": "/data", "fields": ["stage"]},
}
"""A provider at which each stage of a lead is a step, and which shows the stage of a lead."""
ONCE = {"update": {**GENERIC["update"], "method": "POST", "repeatable": False}}
"""A provider at which a repeated update does harm."""


@pytest.fixture
def provider(reply: type[Reply]) -> Callable[..., Callable[[Seen], Reply | int]]:
    """Makes servers that keep one stage for each lead, refuse the one that a lead has, and fail the first updates."""

    def make(*failures: str, shown: dict[str, Any] | None = None) -> Callable[[Seen], Reply | int]:
        stages: dict[str, str] = {}
        left = iter(failures)

        def answer(seen: Seen) -> Reply | int:
            lead = seen.path.rpartition("/")[2]
            if seen.method == "GET":
                data = {"stage": stages.get(lead)} if shown is None else shown
                return reply(200, {}, json.dumps({"data": data}).encode())
            failure = next(left, "")
            if failure.isdigit():
                return int(failure)
            stage = json.loads(seen.body)["stage"]
            refused = stages.get(lead) == stage
            if failure != "lost before":
                stages[lead] = stage
            if failure:
                raise ConnectionAbortedError
            return 409 if refused else 200

        return answer

    return make


def _methods(delivery: Delivery) -> list[str]:
    return [seen.method for seen in delivery.seen]


@pytest.fixture
def won(update: Callable[..., LeadUpdate]) -> list[LeadUpdate]:
    """One update that sets a lead's stage."""
    return [update("L1", stage="won", note="not shown")]


def test_a_lead_that_shows_the_update_was_written(
    deliver: Callable[..., Delivery], provider: Callable[..., Callable[[Seen], Reply | int]], won: list[LeadUpdate]
) -> None:
    """The first answer is lost after the write, the repetition gets 409, the lead shows the stage: delivered, once."""
    delivery = deliver(provider("lost after"), won, **STAGES)

    assert (delivery.outcomes, delivery.error) == ({"delivered": 1}, None)
    assert _methods(delivery) == ["POST", "POST", "GET"]
    assert delivery.seen[-1].path == "/leads/L1"
    assert delivery.settlements[0].attempts == 3


@pytest.mark.parametrize(
    "shown",
    [{"stage": "lost"}, {"stage": None}, {}, {"note": "not shown"}],
    ids=["other", "null", "nothing", "unasked"],
)
def test_a_lead_that_does_not_show_the_update_rejected_it(
    shown: dict[str, Any],
    deliver: Callable[..., Delivery],
    provider: Callable[..., Callable[[Seen], Reply | int]],
    won: list[LeadUpdate],
) -> None:
    """The refusal stands, with its own status, if the lead has another stage or shows none."""
    delivery = deliver(provider("lost after", shown=shown), won, **STAGES)

    assert (delivery.outcomes, delivery.error) == ({"rejected": 1}, None)
    assert (delivery.settlements[0].status, _methods(delivery)) == (409, ["POST", "POST", "GET"])


def test_a_first_409_is_a_refusal(
    deliver: Callable[..., Delivery], provider: Callable[..., Callable[[Seen], Reply | int]], won: list[LeadUpdate]
) -> None:
    """Nothing was sent before that could have been written: no look, although the lead shows the very update."""
    delivery = deliver(provider("409", shown={"stage": "won"}), won, **STAGES)
    assert (delivery.outcomes, _methods(delivery)) == ({"rejected": 1}, ["POST"])


def test_a_409_after_a_request_that_was_not_looked_at_is_a_refusal(
    deliver: Callable[..., Delivery], provider: Callable[..., Callable[[Seen], Reply | int]], won: list[LeadUpdate]
) -> None:
    """A 429 wrote nothing, so the 409 after it is about the lead."""
    delivery = deliver(provider("429", "409", shown={"stage": "won"}), won, **STAGES)
    assert (delivery.outcomes, _methods(delivery)) == ({"rejected": 1}, ["POST", "POST"])


@pytest.mark.parametrize("failure", ["500", "503", "lost after"])
def test_a_409_after_an_unknown_fate_and_a_throttling_is_looked_at(
    failure: str,
    deliver: Callable[..., Delivery],
    provider: Callable[..., Callable[[Seen], Reply | int]],
    won: list[LeadUpdate],
) -> None:
    """What an earlier attempt may have written counts, whatever came between."""
    delivery = deliver(provider(failure, "429", "409", shown={"stage": "won"}), won, max_tries=3, **STAGES)
    assert (delivery.outcomes, _methods(delivery)) == ({"delivered": 1}, ["POST", "POST", "POST", "GET"])


def test_a_repetition_that_is_accepted_needs_no_look(
    deliver: Callable[..., Delivery], provider: Callable[..., Callable[[Seen], Reply | int]], won: list[LeadUpdate]
) -> None:
    """The answer was lost before the write: the repetition writes."""
    delivery = deliver(provider("lost before"), won, **STAGES)
    assert (delivery.outcomes, _methods(delivery)) == ({"delivered": 1}, ["POST", "POST"])


def test_a_look_that_fails_leaves_the_fate_open(
    deliver: Callable[..., Delivery],
    provider: Callable[..., Callable[[Seen], Reply | int]],
    won: list[LeadUpdate],
    update: Callable[..., LeadUpdate],
) -> None:
    """While the lead cannot be read nobody knows: it is read again, then failed, never rejected or delivered."""
    healthy = provider("lost after")
    delivery = deliver(
        lambda seen: 500 if seen.method == "GET" else healthy(seen),
        [*won, *(update(f"L{number}", stage="won") for number in range(2, 5))],
        max_tries=2,
        **STAGES,
    )

    assert delivery.outcome_of == {"L1": "failed", **{f"L{number}": "delivered" for number in range(2, 5)}}
    assert _methods(delivery) == ["POST", "POST", "GET", "GET", "POST", "POST", "POST"]


def test_later_steps_of_the_lead_follow_the_look(
    deliver: Callable[..., Delivery],
    provider: Callable[..., Callable[[Seen], Reply | int]],
    update: Callable[..., LeadUpdate],
) -> None:
    """The lead is read before its next stage is sent: else it would show that one."""
    stages = [update("L1", stage="qualified"), update("L1", stage="won")]
    delivery = deliver(provider("lost after"), stages, concurrency=4, **STAGES)
    assert delivery.outcomes == {"delivered": 2}
    assert _methods(delivery) == ["POST", "POST", "GET", "POST"]


@pytest.mark.parametrize("failure", ["500", "503", "lost after"])
def test_what_does_harm_is_not_repeated_when_its_fate_is_unknown(
    failure: str,
    deliver: Callable[..., Delivery],
    provider: Callable[..., Callable[[Seen], Reply | int]],
    update: Callable[..., LeadUpdate],
) -> None:
    """It is sent once, and has failed when others get through; max_tries does not matter."""
    updates = [update(f"L{number}", stage="won") for number in range(4)]
    delivery = deliver(provider(failure), updates, max_tries=5, **ONCE)

    assert delivery.outcome_of == {"L0": "failed", "L1": "delivered", "L2": "delivered", "L3": "delivered"}
    assert len(delivery.seen) == 4


def test_what_does_harm_is_repeated_when_it_was_throttled(
    deliver: Callable[..., Delivery], provider: Callable[..., Callable[[Seen], Reply | int]], won: list[LeadUpdate]
) -> None:
    """A 429 says that nothing was looked at, so nothing was written."""
    delivery = deliver(provider("429", "429"), won, max_tries=5, **ONCE)
    assert (delivery.outcomes, len(delivery.seen)) == ({"delivered": 1}, 3)


def test_what_does_harm_is_repeated_when_the_connection_was_refused(
    account: Callable[..., Account], dispatcher: Callable[..., Dispatcher], won: list[LeadUpdate], nobody: str
) -> None:
    """A request that never left wrote nothing: it is tried as often as any other."""
    dispatching = dispatcher(account(nobody, **ONCE), max_tries=4)
    settlements, _ = taken(dispatching.deliver(won))
    with pytest.raises(ProviderUnavailable, match="the host takes no connection, 4 attempts each"):
        dispatching.conclude()
    assert (settlements, dispatching.traffic["generic"].requests) == ([], 0)


@pytest.mark.parametrize("failure", ["500", "503", "lost after"])
def test_an_unknown_fate_is_remembered_until_there_is_room_again(
    failure: str,
    deliver: Callable[..., Delivery],
    provider: Callable[..., Callable[[Seen], Reply | int]],
    update: Callable[..., LeadUpdate],
) -> None:
    """The tries end with a 429, others get through, and the 409 to what is sent again at the end is looked at."""
    updates = [update("L1", stage="won"), update("L2", stage="lost")]
    answer = provider(failure, "429", "", "409", shown={"stage": "won"})
    delivery = deliver(answer, updates, max_tries=2, **STAGES)

    assert (delivery.outcomes, delivery.error) == ({"delivered": 2}, None)
    assert [(seen.method, seen.path[-2:]) for seen in delivery.seen] == [
        ("POST", "L1"),
        ("POST", "L1"),
        ("POST", "L2"),
        ("POST", "L1"),
        ("GET", "L1"),
    ]


def test_a_409_to_what_was_only_throttled_before_is_a_refusal(
    deliver: Callable[..., Delivery],
    provider: Callable[..., Callable[[Seen], Reply | int]],
    update: Callable[..., LeadUpdate],
) -> None:
    """Nothing was looked at before, so there is nothing to look for when it is sent again."""
    updates = [update("L1", stage="won"), update("L2", stage="lost")]
    delivery = deliver(provider("429", "429", "", "409", shown={"stage": "won"}), updates, max_tries=2, **STAGES)
    assert delivery.outcome_of == {"L1": "rejected", "L2": "delivered"}
    assert _methods(delivery) == ["POST"] * 4
