"""When a run has refused too much."""

from __future__ import annotations

import pytest

from target_leads.exceptions import RejectLimitReached
from target_leads.guard import Guard
from target_leads.models import Outcome, Record, Settlement
from target_leads.report import RunReport
from target_leads.settings import RejectLimit

RECORD = Record(stream="leads", fields={}, original={})


def report_of(*, received: int, **outcomes: int) -> RunReport:
    """A report of a run that received so many records and settled so many as each outcome."""
    report = RunReport("run")
    for _ in range(received):
        report.receive("leads", "perch")
    for word, count in outcomes.items():
        entry = Settlement(record=RECORD, outcome=Outcome(word), provider="perch", lead_id="L-1", reason="bad")
        report.settle([entry] * count)
    return report


@pytest.mark.parametrize(
    ("limit", "received", "outcomes", "tripped"),
    [
        ("10%", 100, {"delivered": 90, "rejected": 10}, False),
        ("10%", 100, {"delivered": 89, "rejected": 11}, True),
        ("10%", 100, {"unchanged": 89, "rejected": 4, "invalid": 4, "failed": 3}, True),
        ("10%", 99, {"rejected": 99}, False),  # the share counts from the 100th settled update on
        ("10%", 100, {"rejected": 99}, False),
        ("10%", 2000, {"rejected": 150}, False),  # all that is in flight may yet succeed
        ("10%", 2000, {"rejected": 201}, True),
        ("29%", 100, {"delivered": 71, "rejected": 29}, False),  # exact: 0.29 * 100 is less than 29
        ("0%", 100, {"delivered": 99, "rejected": 1}, True),
        ("0%", 50, {"delivered": 49, "rejected": 1}, False),
        ("100%", 200, {"rejected": 200}, False),
        (0, 10, {"delivered": 9, "rejected": 1}, True),
        (2, 10, {"rejected": 2}, False),
        (2, 10, {"rejected": 3}, True),
        ("2", 10, {"invalid": 1, "rejected": 1, "failed": 1}, True),
        (0, 200, {"delivered": 50, "ignored": 50, "superseded": 50, "unconfirmed": 50}, False),
    ],
)
def test_the_limit(limit: str | int, received: int, outcomes: dict[str, int], *, tripped: bool) -> None:
    """A number stops the run once it is exceeded; a share only from the 100th settled update on."""
    guard = Guard(RejectLimit.parse(limit), report_of(received=received, **outcomes))
    assert guard.is_tripped is tripped
    if tripped:
        with pytest.raises(RejectLimitReached):
            guard.check()
    else:
        guard.check()


@pytest.mark.parametrize(
    ("limit", "outcomes", "stops"),
    [
        ("10%", {"rejected": 1}, True),
        (1000, {"invalid": 1, "ignored": 5, "superseded": 5}, True),
        ("10%", {"rejected": 1, "delivered": 1}, False),
        ("10%", {"rejected": 1, "unconfirmed": 1}, False),
        ("10%", {"rejected": 1, "unchanged": 1}, False),
        ("10%", {"ignored": 5}, False),
        ("10%", {}, False),
        ("100%", {"rejected": 200}, False),
        (2, {"rejected": 3, "delivered": 9}, True),
    ],
)
def test_the_end_of_input(limit: str | int, outcomes: dict[str, int], *, stops: bool) -> None:
    """A run that refused something and had no success at all stops as well, unless nothing is to stop it."""
    guard = Guard(RejectLimit.parse(limit), report_of(received=sum(outcomes.values()), **outcomes))
    if stops:
        with pytest.raises(RejectLimitReached):
            guard.check_at_end()
    else:
        guard.check_at_end()


def test_what_the_user_reads() -> None:
    """The last line says how much was refused, why the run stops, what the commonest cause is, and what to do."""
    guard = Guard(RejectLimit(number=1), report_of(received=9, delivered=1, rejected=2))
    with pytest.raises(RejectLimitReached) as raised:
        guard.check()
    assert str(raised.value) == (
        "2 of 9 records were refused, more than reject_limit allows. No STATE was printed for this batch. "
        "Commonest: 2 × perch rejected: bad (lead L-1). "
        "Mend the mapping or the data and run again, or raise reject_limit."
    )
    assert raised.value.exit_status == 3
    guard = Guard(RejectLimit(number=5), report_of(received=1, rejected=1))
    with pytest.raises(RejectLimitReached, match=r"^1 of 1 records were refused, and nothing was accepted\. "):
        guard.check_at_end()
