"""What a person reads when a run has ended: whole screens, as they stand on standard error."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from target_leads.delivery import Plan
from target_leads.models import LeadUpdate, Outcome, Record, Settlement
from target_leads.report import RunReport
from target_leads.settings import Settings
from target_leads.summary import counted, duration, last_line, sentence, summary
from target_leads.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS = Settings.from_config({"store_url": "postgresql://jo:s3cret@db.example.com/leads"})
FIVE = ("bizmate", "connect2capital", "perch", "powerchord", "propexo_entrata")


def settled(outcome: str, provider: str = "perch", *, lead_id: str = "", reason: str = "") -> Settlement:
    """The fate of a record."""
    record = Record(stream=provider, fields={}, original={})
    return Settlement(record=record, outcome=Outcome(outcome), provider=provider, lead_id=lead_id, reason=reason)


def report_of(outcomes: Mapping[str, Mapping[str, int]], *refused: Settlement, **waiting: int) -> RunReport:
    """A report with so many records of each provider and outcome, these refused ones, and so many that wait."""
    report = RunReport("0f7e1515960")
    entries = [
        settled(outcome, provider)
        for provider, counts in outcomes.items()
        for outcome, count in counts.items()
        for _ in range(count)
    ]
    for entry in (*entries, *refused):
        report.receive(entry.record.stream, entry.provider)
    report.settle([*entries, *refused])
    for provider, count in waiting.items():
        for _ in range(count):
            report.receive(provider, provider)
    return report


def traffic(requests: int, *, p95: float, retries: int = 0, waited: float = 0.0) -> Traffic:
    """Requests that all were answered in the same time."""
    told = Traffic(requests=requests, retries=retries, waited_for_limits_seconds=waited, waited_seconds=waited + 5)
    told.answered(p95)
    return told


def screen(report: RunReport, *, seconds: float = 4.1) -> str:
    """The page, with the spaces at the ends of its lines, of which there must be none."""
    return "\n".join(summary(report, SETTINGS, seconds=seconds))


def dedent(text: str) -> str:
    """A page as it stands in a test."""
    return textwrap.dedent(text).strip("\n")


def test_an_ordinary_run() -> None:
    """What became of the records, what it took, what was refused and why, and where that is kept; no secret."""
    report = report_of(
        {
            "bizmate": {"delivered": 3},
            "connect2capital": {"delivered": 5},
            "perch": {"delivered": 4, "unchanged": 1200},
        },
        settled("invalid", lead_id="Zc81vYhE", reason="$.email must be a valid email"),
        settled("rejected", "bizmate", lead_id="404", reason="404 Not Found: the lead does not exist"),
    )
    report.traffic = {
        "bizmate": traffic(4, p95=0.02),
        "connect2capital": traffic(5, p95=0.3),
        "perch": traffic(4, p95=12),
    }
    assert screen(report) == dedent("""
        1,214 records in 4.1 s.
                    bizmate  connect2capital  perch
        records           4                5  1,205
        delivered         3                5      4
        unchanged         -                -  1,200
        invalid           -                -      1
        rejected          1                -      -

        requests          4                5      4
        p95 answer    20 ms            0.3 s   12 s

        2 dead letters, in postgresql://db.example.com/leads:
          1 × perch invalid: $.email must be a valid email (lead Zc81vYhE)
          1 × bizmate rejected: 404 Not Found: the lead does not exist (lead 404)
    """)
    assert last_line(report) == (
        "Done. 1,214 records received: 12 delivered, 1,200 unchanged, 1 invalid, 1 rejected. Run 0f7e1515960."
    )


def test_retries_and_waits() -> None:
    """What was repeated, and how long the provider's limits held the account back; other waits are no news."""
    report = report_of({"perch": {"delivered": 105}, "bizmate": {"delivered": 2}})
    report.traffic = {
        "perch": traffic(130, p95=0.8, retries=25, waited=3725),
        "bizmate": traffic(2, p95=0.1),
    }
    assert screen(report, seconds=3790) == dedent("""
        107 records in 1 h 3 min.
                    bizmate      perch
        records           2        105
        delivered         2        105

        requests          2        130
        repeated          -         25
        held back         -  1 h 2 min
        p95 answer    0.1 s      0.8 s
    """)


def test_an_outage() -> None:
    """Nothing is refused, and what is left over stands beside what was delivered."""
    report = report_of({"perch": {"delivered": 200}}, perch=800)
    report.traffic = {"perch": traffic(215, p95=30, retries=12)}
    assert screen(report, seconds=65) == dedent("""
        1,000 records in 1 min 5 s.
                    perch
        records     1,000
        delivered     200
        unsettled     800

        requests      215
        repeated       12
        p95 answer   30 s
    """)
    assert sentence(report) == "1,000 records received: 200 delivered, 800 unsettled. Run 0f7e1515960."


def test_jobs_of_earlier_runs() -> None:
    """How they ended, what is still open, and what nobody asked after; also in a run without a record."""
    report = RunReport("0f7e1515960")
    report.traffic = {"propexo_entrata": traffic(4, p95=0.05)}
    report.jobs_looked_up, report.jobs_of_others = 4, 1
    report.settle_job([settled("delivered", "propexo_entrata")])
    report.settle_job([settled("rejected", "propexo_entrata", lead_id="L-7", reason="200 OK: the job failed")])
    assert screen(report) == dedent("""
                    propexo_entrata
        requests                  4
        p95 answer            50 ms

        4 open jobs of earlier runs: 1 delivered, 1 rejected, 2 still open
        1 open job of accounts or base URLs that the settings do not name: not asked after

        1 dead letter, in postgresql://db.example.com/leads:
          1 × propexo_entrata rejected: 200 OK: the job failed (lead L-7)
    """)
    assert last_line(report) == (
        "Done. 0 records received: nothing to do. 2 jobs of earlier runs ended. Run 0f7e1515960."
    )


def test_dead_letters_that_were_left_open() -> None:
    """In one line: how many, of which accounts the most are, and what to do. Also in a run without a record."""
    report = RunReport("0f7e1515960")
    report.left_open["perch", "staging"] = 1200
    report.left_open["perch", "sandbox"] = 4
    report.left_open["bizmate", "north"] = 3
    assert screen(report) == (
        "\n1,207 dead letters left open, of accounts that the settings do not name: 1,200 of perch/staging, "
        "4 of perch/sandbox, 3 of bizmate/north. "
        "Replay them with the settings of that account, or put them aside: target-leads dead-letters discard."
    )
    assert last_line(report).startswith("Done. 0 records received: nothing to do. 1,207 dead letters left open. Run ")
    report.left_open["bizmate", "south"] = 2
    assert ", 3 of bizmate/north, 2 of others. Replay them" in screen(report)


def dry_run() -> RunReport:
    """A dry run with two providers: one that knows most leads, one that knows none."""
    report = RunReport("0f7e1515960", is_dry_run=True)
    for provider, count in {"perch": 1300, "propexo_entrata": 150}.items():
        for number in range(count):
            report.receive(provider, provider)
            record = Record(stream=provider, fields={}, original={})
            if number < 100:
                report.leave(
                    [LeadUpdate(record=record, provider=provider, account="a", lead_id=f"L-{number}", fields={})]
                )
    report.settle([settled("unchanged")] * 1199)
    report.settle([settled("invalid", lead_id="Zc81vYhE", reason="$.email must be a valid email")])
    report.settle([settled("ignored", "propexo_entrata")] * 50)
    perch, propexo = Plan(), Plan()
    perch.leads, perch.new_leads, perch.requests = 100, 3, 100
    perch.fields.update({f"clientData.field{number}": 100 - number for number in range(10)})
    propexo.leads, propexo.new_leads, propexo.requests, propexo.least_seconds = 100, 100, 200, 60.0
    propexo.fields.update({"first_name": 100, "email_1": 99})
    report.plans = {"propexo_entrata": propexo, "perch": perch}
    return report


def test_a_dry_run() -> None:
    """What would be sent, what that takes at least, and which fields would change how many leads, commonest first."""
    report = dry_run()
    assert screen(report) == dedent("""
        1,450 records in 4.1 s.
                   perch  propexo_entrata
        records    1,300              150
        to send      100              100
        unchanged  1,199                -
        ignored        -               50
        invalid        1                -

        leads        100              100
        new leads      3              100
        requests     100              200
        at least       -        1 min 0 s

        Fields that would change, each with how many leads:
          perch            clientData.field0 100, clientData.field1 99,
                           clientData.field2 98, clientData.field3 97,
                           clientData.field4 96, clientData.field5 95,
                           clientData.field6 94, clientData.field7 93,
                           and 2 other fields
          propexo_entrata  first_name 100, email_1 99

        1 dead letter, not kept, as this is a dry run:
          1 × perch invalid: $.email must be a valid email (lead Zc81vYhE)
    """)
    assert last_line(report) == (
        "Dry run: nothing was sent. 1,450 records received: 200 would be sent, 1,199 unchanged, 50 ignored, 1 invalid."
    )


@pytest.mark.parametrize("report", [report_of({}), RunReport("")], ids=["nothing came", "it did not begin"])
def test_a_run_with_nothing_to_do(report: RunReport) -> None:
    """There is no page, only the last line."""
    assert screen(report) == ""
    assert sentence(report).startswith("0 records received: nothing to do.")


def test_no_page_is_wider_than_80_columns() -> None:
    """Five providers with every outcome fit side by side; with more of them there are several tables. None is lost."""
    every = {outcome.value: 1000 for outcome in Outcome if outcome is not Outcome.UNSETTLED and outcome != "failed"}
    report = report_of(dict.fromkeys(FIVE, every))
    assert sum(line.startswith("records ") for line in screen(report).splitlines()) == 1
    more = [*FIVE, "another_one_with_a_name_that_is_rather_long", "yet_another_one"]
    report = report_of({provider: {"delivered": 1} for provider in more})
    report.traffic = {provider: traffic(1, p95=0.1) for provider in more}
    told = screen(report).splitlines()
    assert sum(line.startswith("records ") for line in told) == 2
    assert {word for line in told for word in line.split()} >= set(more)
    for page in (told, screen(dry_run()).splitlines()):
        assert max(map(len, page)) <= 80
        assert all(line == line.rstrip() for line in page)


def test_a_name_that_is_wider_than_the_page_stands_alone() -> None:
    """A name is never cut: it would name another provider."""
    told = screen(report_of({"x" * 100: {"delivered": 1}, "perch": {"delivered": 1}})).splitlines()
    assert any(line.split() == ["x" * 100] for line in told)


def test_the_commonest_reasons_are_told_and_the_others_counted() -> None:
    """A page stays a page, whatever a provider answers."""
    report = report_of({}, *(settled("rejected", reason=f"reason {number}") for number in range(12)))
    told = screen(report).splitlines()
    assert [line for line in told if "×" in line] == [f"  1 × perch rejected: reason {number}" for number in range(5)]
    assert told[-1] == "  … for 7 other reasons"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (4.06, "4.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (725, "12 min 5 s"),
        (3599.4, "59 min 59 s"),
        (11400, "3 h 10 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    """As people say them."""
    assert duration(seconds) == words


def test_counts() -> None:
    """One is one, and many have their commas."""
    assert [counted(number, "record") for number in (0, 1, 12345)] == ["0 records", "1 record", "12,345 records"]
