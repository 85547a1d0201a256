"""Why records were refused."""

from __future__ import annotations

from target_leads.models import Outcome, Record, Settlement
from target_leads.reasons import Reasons

RECORD = Record(stream="leads", fields={}, original={})


def refused(outcome: str, *, provider: str = "perch", lead_id: str = "", reason: str = "") -> Settlement:
    """The fate of a record that becomes a dead letter."""
    return Settlement(record=RECORD, outcome=Outcome(outcome), provider=provider, lead_id=lead_id, reason=reason)


def told(*entries: Settlement) -> list[str]:
    """The causes of these, as people read them."""
    reasons = Reasons()
    for entry in entries:
        reasons.add(entry)
    return [str(reason) for reason in reasons.commonest()]


def test_the_commonest_is_told_first() -> None:
    """Each cause with provider, outcome and up to three leads; of equals, the one that turned up first."""
    assert told(
        refused("rejected", lead_id="a", reason="404 Not Found"),
        *(refused("invalid", lead_id=lead_id, reason="$.x is required") for lead_id in ("b", "c", "", "d", "e")),
        *(refused("invalid", provider="bizmate", reason="no id") for _ in range(2)),
        refused("failed", lead_id="a", reason="404 Not Found"),
        refused("invalid", provider="", reason="no id"),
    ) == [
        "5 × perch invalid: $.x is required (lead b, c, d and more)",
        "2 × bizmate invalid: no id",
        "1 × perch rejected: 404 Not Found (lead a)",
        "1 × perch failed: 404 Not Found (lead a)",
        "1 × none invalid: no id",
    ]


def test_a_lead_is_named_once() -> None:
    """Three records of one lead that are refused for the same reason name it once, and no more leads are hinted at."""
    assert told(*[refused("rejected", lead_id="a", reason="no")] * 5) == ["5 × perch rejected: no (lead a)"]


def test_a_lead_id_breaks_no_line() -> None:
    """Whatever somebody has named a lead, it stands on one line and moves no cursor."""
    (line,) = told(refused("rejected", lead_id="a\n\x1b[2J", reason="no"))
    assert line == r"1 × perch rejected: no (lead a\n\x1b[2J)"


def test_memory_stays_flat_whatever_a_provider_answers() -> None:
    """After a thousand different reasons the rest is counted together, and none is lost from the count."""
    reasons = Reasons()
    for number in range(1500):
        reasons.add(refused("rejected", lead_id=f"{number}", reason=f"reason {number}"))
    assert len(reasons.commonest()) == 1001
    reasons.add(refused("rejected", lead_id="1500", reason="reason 7"))
    assert [str(reason) for reason in reasons.commonest()[:2]] == [
        "500 × perch rejected: another reason (lead 1000, 1001, 1002 and more)",
        "2 × perch rejected: reason 7 (lead 7, 1500)",
    ]
