"""What a run did, in numbers."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from target_leads.models import LeadUpdate, Outcome, Record, Repeated, Settlement
from target_leads.report import RunReport
from target_leads.traffic import Traffic


def record_of(stream: str) -> Record:
    """A record of a stream."""
    return Record(stream=stream, fields={}, original={})


def settled(outcome: str, *, provider: str = "perch", stream: str = "leads", **given: str) -> Settlement:
    """The fate of a record."""
    return Settlement(record=record_of(stream), outcome=Outcome(outcome), provider=provider, **given)


def report_of(*settlements: Settlement, received: int | None = None) -> RunReport:
    """A report of a run with these settlements."""
    report = RunReport("run")
    for _ in range(len(settlements) if received is None else received):
        report.receive("leads", "perch")
    report.settle(settlements)
    return report


def traffic_of(**requests: int) -> dict[str, Traffic]:
    """So many requests to each provider."""
    return {provider: Traffic(requests=count) for provider, count in requests.items()}


def test_counts() -> None:
    """Every outcome is counted under its own word, in all and for each provider; what has none yet is unsettled."""
    report = report_of(
        settled("delivered"),
        settled("rejected"),
        settled("delivered", provider="bizmate"),
        settled("invalid", provider=""),
        received=6,
    )
    report.traffic = traffic_of(perch=4, bizmate=3)
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
            "perch": {"delivered": 1, "rejected": 1, "unsettled": 2},
        },
    }
    assert (report.settled, report.unsettled, report.dead_letters) == (4, 2, 2)


def test_records_that_came_as_before_are_counted_together() -> None:
    """As many as there are, of each stream and provider, and none of them waits any more."""
    report = report_of(settled("delivered"), received=4)
    repeated = Repeated(counts={("perch", "leads"): 2, ("", "leads"): 1}, leads={})
    for counts in (report.counts([repeated]), report.settle([repeated]) or report.counts()):
        assert (counts["received"], counts["delivered"], counts["unchanged"], counts["unsettled"]) == (4, 1, 3, 0)
        assert counts["providers"] == {"none": {"unchanged": 1}, "perch": {"delivered": 1, "unchanged": 2}}
    assert (report.settled, report.dead_letters) == (4, 0)


def test_counts_with_what_is_coming() -> None:
    """What is about to be committed can be counted beforehand, and is counted once when it was."""
    report = report_of(settled("delivered"), received=3)
    coming = [settled("failed", provider="bizmate")]
    before = report.counts(coming)
    assert (before["failed"], before["unsettled"]) == (1, 1)
    assert before["providers"] == {"bizmate": {"failed": 1}, "perch": {"delivered": 1, "unsettled": 1}}
    assert report.counts()["failed"] == 0
    report.settle(coming)
    assert report.counts() == before


@given(
    outcomes=st.lists(st.tuples(st.sampled_from(Outcome), st.sampled_from(["", "perch", "bizmate"]))),
    waiting=st.integers(min_value=0, max_value=5),
)
def test_counts_add_up(outcomes: list[tuple[Outcome, str]], waiting: int) -> None:
    """Whatever happens, the outcomes add up to the records received, and so do those of the providers and streams."""
    entries = [settled(outcome.value, provider=provider) for outcome, provider in outcomes if outcome != "unsettled"]
    report = report_of(*entries, received=len(entries) + waiting)
    counts = report.counts()
    assert sum(counts[outcome.value] for outcome in Outcome) == counts["received"]
    assert sum(sum(each.values()) for each in counts["providers"].values()) == counts["received"]
    assert sum(counter.total() for counter in report.streams.values()) == counts["received"]


def test_records_of_each_stream() -> None:
    """Each record counts for the stream that it came on; those that are not settled, for that stream's provider."""
    report = RunReport("run")
    for stream, provider in [("a", "perch"), ("a", "perch"), ("b", "bizmate"), ("each says", "")]:
        report.receive(stream, provider)
    report.settle([settled("delivered", stream="a"), settled("rejected", stream="each says", provider="bizmate")])
    assert report.streams == {
        "a": {Outcome.DELIVERED: 1, Outcome.UNSETTLED: 1},
        "b": {Outcome.UNSETTLED: 1},
        "each says": {Outcome.REJECTED: 1},
    }
    assert report.providers == {
        "bizmate": {Outcome.UNSETTLED: 1, Outcome.REJECTED: 1},
        "perch": {Outcome.DELIVERED: 1, Outcome.UNSETTLED: 1},
    }


def test_what_a_dry_run_would_send_is_unsettled_at_its_own_provider() -> None:
    """It is counted where it would go, also if each record names its own provider; of merged updates each record is."""
    report = RunReport("run", is_dry_run=True)
    for _ in range(4):
        report.receive("leads", "")
    one, two, three = (
        LeadUpdate(record=record_of("leads"), provider=provider, account="a", lead_id="L", fields={})
        for provider in ("perch", "bizmate", "bizmate")
    )
    report.leave([one, dataclasses.replace(three, parts=(two, three))])
    assert report.to_send == {"perch": 1, "bizmate": 2}
    assert report.counts()["providers"] == {
        "bizmate": {"unsettled": 2},
        "none": {"unsettled": 1},
        "perch": {"unsettled": 1},
    }
    assert (report.unsettled, report.settled) == (4, 0)


def test_a_job_of_an_earlier_run_is_no_record_of_this_one() -> None:
    """How it ended is told beside the counts, which add up without it; what was refused with it has its reason."""
    report = report_of(settled("delivered"))
    report.settle_job([settled("delivered", lead_id="a")])
    report.settle_job([settled("rejected", lead_id="b", reason="no"), settled("rejected", lead_id="b", reason="no")])
    assert (report.received, report.settled, report.dead_letters, report.dead_letters_of_jobs) == (1, 1, 0, 2)
    assert report.jobs_ended == {Outcome.DELIVERED: 1, Outcome.REJECTED: 1}
    assert report.commonest_reasons() == ["2 × perch rejected: no (lead b)"]
