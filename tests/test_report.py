"""What a run did, in numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_leads.models import Outcome, Record, Settlement
from target_leads.report import RunReport

RECORD = Record(stream="leads", fields={}, original={})


def settled(outcome: str, *, provider: str = "perch", lead_id: str = "", reason: str = "") -> Settlement:
    """The fate of a record."""
    return Settlement(record=RECORD, outcome=Outcome(outcome), provider=provider, lead_id=lead_id, reason=reason)


def report_of(*settlements: Settlement, received: int | None = None) -> RunReport:
    """A report of a run with these settlements."""
    report = RunReport("run")
    for _ in range(len(settlements) if received is None else received):
        report.receive()
    report.settle(settlements)
    return report


def test_counts() -> None:
    """Every outcome is counted under its own word, in all and for each provider; what has none yet is unsettled."""
    report = report_of(
        settled("delivered"),
        settled("rejected"),
        settled("delivered", provider="bizmate"),
        settled("invalid", provider=""),
        received=6,
    )
    report.requests = 7
    assert report.counts() == {
        "received": 6,
        "delivered": 2,
        "unconfirmed": 0,
        "unchanged": 0,
        "superseded": 0,
        "ignored": 0,
        "invalid": 1,
        "rejected": 1,
        "failed": 0,
        "unsettled": 2,
        "requests": 7,
        "providers": {
            "bizmate": {"delivered": 1},
            "none": {"invalid": 1},
            "perch": {"delivered": 1, "rejected": 1},
        },
    }
    assert (report.settled, report.unsettled, report.dead_letters) == (4, 2, 2)


def test_counts_with_what_is_coming() -> None:
    """What is about to be committed can be counted beforehand, and is counted once when it was."""
    report = report_of(settled("delivered"), received=3)
    coming = [settled("failed", provider="bizmate")]
    before = report.counts(coming)
    assert (before["failed"], before["unsettled"]) == (1, 1)
    assert before["providers"] == {"bizmate": {"failed": 1}, "perch": {"delivered": 1}}
    assert report.counts()["failed"] == 0
    report.settle(coming)
    assert report.counts() == before


@given(
    outcomes=st.lists(st.tuples(st.sampled_from(Outcome), st.sampled_from(["", "perch", "bizmate"]))),
    waiting=st.integers(min_value=0, max_value=5),
)
def test_counts_add_up(outcomes: list[tuple[Outcome, str]], waiting: int) -> None:
    """Whatever happens, the outcomes add up to the records received, and the providers to the outcomes."""
    entries = [settled(outcome.value, provider=provider) for outcome, provider in outcomes if outcome != "unsettled"]
    counts = report_of(*entries, received=len(entries) + waiting).counts()
    assert sum(counts[outcome.value] for outcome in Outcome) == counts["received"]
    assert sum(sum(each.values()) for each in counts["providers"].values()) == len(entries)


def test_commonest_reasons() -> None:
    """Causes of dead letters are told commonest first, each with provider, outcome and up to three leads."""
    report = report_of(
        settled("rejected", lead_id="a", reason="404 Not Found"),
        *(settled("invalid", lead_id=lead_id, reason="$.x is required") for lead_id in ("b", "c", "", "d", "e")),
        *(settled("invalid", provider="bizmate", reason="no id") for _ in range(2)),
        settled("ignored", lead_id="f", reason="nothing to send"),
        settled("delivered", lead_id="g"),
    )
    assert report.commonest_reasons() == [
        "5 × perch invalid: $.x is required (lead b, c, d and more)",
        "2 × bizmate invalid: no id",
        "1 × perch rejected: 404 Not Found (lead a)",
    ]
    assert report.commonest_reasons(1) == ["5 × perch invalid: $.x is required (lead b, c, d and more)"]


def test_memory_stays_flat_whatever_a_provider_answers() -> None:
    """After a thousand different reasons the rest is counted together, and none is lost from the count."""
    report = report_of(*(settled("rejected", lead_id=f"{n}", reason=f"reason {n}") for n in range(1500)))
    assert report.dead_letters == 1500
    assert report.commonest_reasons(1) == ["500 × perch rejected: another reason (lead 1000, 1001, 1002 and more)"]
    assert len(report.commonest_reasons(5000)) == 1001
    report.settle([settled("rejected", lead_id="1500", reason="reason 7")])
    assert report.commonest_reasons(2)[1] == "2 × perch rejected: reason 7 (lead 7, 1500)"


def test_what_people_read() -> None:
    """One line for each provider and one sentence for all, with the outcomes that happened, in their order."""
    report = report_of(settled("rejected"), settled("delivered"), settled("delivered", provider="bizmate"), received=4)
    assert list(report.lines()) == ["bizmate: 1 settled: 1 delivered", "perch: 2 settled: 1 delivered, 1 rejected"]
    assert report.sentence() == "4 records received: 2 delivered, 1 rejected, 1 unsettled."
    assert RunReport("run").sentence() == "0 records received: nothing to do."
