"""Whose fault it was: the record's, the provider's or the configuration's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_leads.delivery.classification import Verdict
from target_leads.delivery.evidence import Evidence
from target_leads.delivery.gate import Wait
from target_leads.delivery.retry import Attempts, Result
from target_leads.delivery.settling import settlements_of
from target_leads.exceptions import CredentialsRefused, ProviderUnavailable
from target_leads.models import Outcome, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.models import LeadUpdate, Settlement
    from target_leads.providers.account import Account

GOOD = Verdict(kind=VerdictKind.DELIVERED, reason="200 OK", status=200)
TAKEN = Verdict(kind=VerdictKind.ACCEPTED, reason="202 Accepted", status=202, job_id="J1")
BAD = Verdict(kind=VerdictKind.REJECTED, reason="422 Unprocessable", status=422)
FORBIDDEN = Verdict(kind=VerdictKind.REJECTED, reason="403 Forbidden", status=403, credentials_in_doubt=True)
DOWN = Verdict(kind=VerdictKind.RETRY, reason="503 Service Unavailable", status=503)
SILENT = Verdict(kind=VerdictKind.RETRY, reason="no answer within the time-out")
REFUSED = Verdict(kind=VerdictKind.FATAL, reason="401 Unauthorized: the credentials are refused", status=401)
LATER = Verdict(kind=VerdictKind.RETRY, reason="429 Too Many Requests", status=429, retry_after=3600)


class Witness:
    """Gives evidence one verdict after the other, a second apart, and notes what becomes of the updates."""

    def __init__(self, account: Account, update: Callable[..., LeadUpdate]) -> None:
        """Begin with no evidence."""
        self.evidence = Evidence(account)
        self.outcomes: list[tuple[str, str]] = []
        self._update = update
        self._seconds = 100.0

    def saw(
        self, lead_id: str, verdict: Verdict, *, ago: float = 0, lasted: float = 0, too_long: Wait | None = None
    ) -> Witness:
        """Judge a verdict that was asked for some time ago, `lasted` seconds after the first attempt ended."""
        self._seconds += 1
        began_at = self._seconds - ago
        attempts = Attempts(
            verdict=verdict,
            count=5,
            waited_seconds=lasted,
            first_ended_at=began_at - lasted if lasted else began_at + 0.1,
            last_began_at=began_at,
            too_long=too_long,
        )
        settlements: list[Settlement] = self.evidence.judge(Result(update=self._update(lead_id), attempts=attempts))
        self.outcomes += [(settlement.lead_id, settlement.outcome.value) for settlement in settlements]
        return self


@pytest.fixture
def witness(account: Callable[..., Account], update: Callable[..., LeadUpdate]) -> Witness:
    """Evidence of a provider about which nothing is known yet."""
    return Witness(account(), update)


@pytest.mark.parametrize(("verdict", "outcome"), [(GOOD, "delivered"), (BAD, "rejected")])
def test_a_clear_answer_settles(verdict: Verdict, outcome: str, witness: Witness) -> None:
    """Accepted and refused updates wait for nothing, and stop nothing."""
    for lead_id in "ABCDE":
        witness.saw(lead_id, verdict)
    assert witness.outcomes == [(lead_id, outcome) for lead_id in "ABCDE"]
    assert witness.evidence.stop is None


def test_an_accepted_update_waits_for_its_job(witness: Witness) -> None:
    """It is evidence that the provider is alive, but no settlement yet."""
    witness.saw("A", DOWN).saw("B", TAKEN)
    assert witness.outcomes == [("A", "failed")]


@pytest.mark.parametrize("verdict", [DOWN, SILENT])
def test_a_later_success_shows_who_failed(verdict: Verdict, witness: Witness) -> None:
    """Updates that used up their attempts have failed themselves once another gets through after them."""
    witness.saw("A", verdict).saw("B", verdict)
    assert witness.outcomes == []
    witness.saw("C", GOOD)
    assert witness.outcomes == [("A", "failed"), ("B", "failed"), ("C", "delivered")]
    witness.evidence.conclude()
    assert witness.evidence.stop is None


def test_a_success_between_the_attempts_shows_who_failed(witness: Witness) -> None:
    """While one update was tried in vain another got through."""
    witness.saw("A", GOOD).saw("B", DOWN, lasted=1.5)
    assert witness.outcomes == [("A", "delivered"), ("B", "failed")]


def test_a_success_before_the_first_attempt_shows_nothing(witness: Witness) -> None:
    """The provider was alive once; that is no reason to blame what came after."""
    witness.saw("A", GOOD).saw("B", DOWN, lasted=0.5)
    assert witness.outcomes == [("A", "delivered")]


def test_a_success_counts_from_when_it_was_asked_for(witness: Witness) -> None:
    """Answers may overtake each other: a success asked for before the failure is no evidence, the next one is."""
    witness.saw("A", DOWN).saw("B", GOOD, ago=1.5).saw("C", DOWN, lasted=0.5)
    assert witness.outcomes == [("B", "delivered")]
    witness.saw("D", GOOD)
    assert witness.outcomes == [("B", "delivered"), ("A", "failed"), ("C", "failed"), ("D", "delivered")]


def test_the_latest_success_counts(witness: Witness) -> None:
    """An older success that is told after a newer one does not take its place."""
    witness.saw("A", GOOD).saw("B", GOOD, ago=3).saw("C", DOWN, lasted=2.5)
    assert witness.outcomes[-1] == ("C", "failed")


@pytest.mark.parametrize("verdict", [DOWN, SILENT])
def test_several_in_a_row_are_an_outage(verdict: Verdict, witness: Witness) -> None:
    """Three updates in vain without a success stop the run, and none of them is settled."""
    witness.saw("A", verdict).saw("B", verdict)
    assert witness.evidence.stop is None
    witness.saw("C", verdict)

    assert witness.outcomes == []
    assert isinstance(witness.evidence.stop, ProviderUnavailable)
    assert str(witness.evidence.stop) == (
        f"generic lets no update through ({verdict.reason}, 5 attempts each). "
        "Nothing is lost: see that https://api.example.com/v1 is right, or run again later, and the rest is sent then."
    )


def test_successes_in_between_are_no_outage(witness: Witness) -> None:
    """However many fail, as long as others get through the run goes on."""
    for lead_id in "ABCDEFGH":
        witness.saw(lead_id, DOWN).saw(lead_id.lower(), GOOD)
    assert witness.evidence.stop is None
    assert [outcome for _, outcome in witness.outcomes] == ["failed", "delivered"] * 8


def test_refusals_in_between_are_no_evidence(witness: Witness) -> None:
    """A gateway that rejects says nothing about whether updates get through."""
    witness.saw("A", DOWN).saw("B", BAD).saw("C", DOWN).saw("D", BAD).saw("E", DOWN)
    assert isinstance(witness.evidence.stop, ProviderUnavailable)
    assert witness.outcomes == [("B", "rejected"), ("D", "rejected")]


def test_what_is_in_doubt_at_the_end_stops_the_run(witness: Witness) -> None:
    """When no more evidence comes an update in doubt is not blamed."""
    witness.saw("A", GOOD).saw("B", DOWN)
    witness.evidence.conclude()
    assert isinstance(witness.evidence.stop, ProviderUnavailable)
    assert witness.outcomes == [("A", "delivered")]


def test_without_doubt_the_end_is_the_end(witness: Witness) -> None:
    """A run without updates in doubt is not stopped."""
    witness.saw("A", GOOD).saw("B", BAD).evidence.conclude()
    assert witness.evidence.stop is None


def test_a_success_after_the_stop_blames_nobody(witness: Witness) -> None:
    """Once an outage was seen, a straggler that gets through is delivered, and the others are left for the next run."""
    witness.saw("A", DOWN).saw("B", DOWN).saw("C", DOWN).saw("D", GOOD)
    assert witness.outcomes == [("D", "delivered")]
    assert isinstance(witness.evidence.stop, ProviderUnavailable)


@pytest.mark.parametrize("before", [[], [GOOD], [GOOD, DOWN]])
def test_a_401_is_the_end_at_any_time(before: list[Verdict], witness: Witness) -> None:
    """Refused credentials end the run, and the update that met them is not settled."""
    for verdict in before:
        witness.saw("A", verdict)
    witness.outcomes.clear()
    witness.saw("B", REFUSED)

    assert witness.outcomes == []
    assert isinstance(witness.evidence.stop, CredentialsRefused)
    assert str(witness.evidence.stop) == (
        "generic refuses the credentials (401 Unauthorized: the credentials are refused). "
        "Check providers.generic.token and that they belong to https://api.example.com/v1, then run again."
    )


def test_403_before_anything_was_accepted_means_the_credentials(witness: Witness) -> None:
    """Three refusals of that kind at the start end the run with the credentials, and none is rejected."""
    witness.saw("A", FORBIDDEN).saw("B", FORBIDDEN)
    assert witness.evidence.stop is None
    witness.saw("C", FORBIDDEN)
    assert isinstance(witness.evidence.stop, CredentialsRefused)
    assert witness.outcomes == []


def test_a_single_403_at_the_end_means_the_credentials(witness: Witness) -> None:
    """A run in which nothing was accepted and one update met a 403 ends with the credentials."""
    witness.saw("A", FORBIDDEN).evidence.conclude()
    assert isinstance(witness.evidence.stop, CredentialsRefused)


@pytest.mark.parametrize("success", [GOOD, TAKEN])
def test_403_while_others_are_accepted_means_the_lead(success: Verdict, witness: Witness) -> None:
    """Before and after the first success: the credentials work, so it is the lead that is refused."""
    witness.saw("A", FORBIDDEN).saw("B", success).saw("C", FORBIDDEN)
    rejected = [lead_id for lead_id, outcome in witness.outcomes if outcome == "rejected"]
    assert rejected == ["A", "C"]
    assert witness.evidence.stop is None


@pytest.mark.parametrize("before", [[], [GOOD]])
def test_a_wait_too_long_is_the_end(before: list[Verdict], witness: Witness) -> None:
    """If the provider wants a longer pause than allowed the run ends, and the update is not settled."""
    for verdict in before:
        witness.saw("A", verdict)
    witness.outcomes.clear()
    witness.saw("B", LATER, lasted=1.5, too_long=Wait(seconds=3600.4, why="it asked for that pause"))

    assert witness.outcomes == []
    assert isinstance(witness.evidence.stop, ProviderUnavailable)
    assert str(witness.evidence.stop) == (
        "generic takes no request for another 3,600 s (429 Too Many Requests: it asked for that pause), "
        "longer than max_wait_seconds allows. "
        "Nothing is lost: run again later, or raise max_wait_seconds."
    )


@pytest.mark.parametrize(
    ("verdict", "outcome", "reason"),
    [
        (GOOD, Outcome.DELIVERED, ""),
        (TAKEN, Outcome.UNCONFIRMED, "202 Accepted"),
        (BAD, Outcome.REJECTED, "422 Unprocessable"),
        (DOWN, Outcome.FAILED, "503 Service Unavailable"),
    ],
)
def test_a_settlement_says_all_that_is_known(
    verdict: Verdict, outcome: Outcome, reason: str, update: Callable[..., LeadUpdate]
) -> None:
    """Lead, provider, answer, attempts and waits come out; a delivery needs no reason."""
    lead = update("L7")
    attempts = Attempts(verdict=verdict, count=3, waited_seconds=1.5, first_ended_at=0, last_began_at=2)
    (settlement,) = settlements_of(Result(update=lead, attempts=attempts))

    assert (settlement.outcome, settlement.reason, settlement.status) == (outcome, reason, verdict.status)
    assert (settlement.attempts, settlement.waited_seconds, settlement.job_id) == (3, 1.5, verdict.job_id)
    assert (settlement.provider, settlement.account, settlement.lead_id) == ("generic", "default", "L7")
    assert settlement.record is lead.record


def test_refused_credentials_go_before_an_outage(witness: Witness) -> None:
    """Whichever is seen first: trying later does not help whoever has the wrong credentials."""
    witness.saw("A", DOWN).saw("B", DOWN).saw("C", DOWN)
    assert isinstance(witness.evidence.stop, ProviderUnavailable)
    witness.saw("D", REFUSED)
    assert isinstance(witness.evidence.stop, CredentialsRefused)


@pytest.mark.parametrize("after", ["outage", "throttled", "wait too long", "end"])
def test_nothing_takes_the_place_of_refused_credentials(after: str, witness: Witness) -> None:
    """What other workers see after a 401 does not hide it."""
    witness.saw("A", REFUSED)
    if after == "outage":
        witness.saw("B", DOWN).saw("C", DOWN).saw("D", DOWN)
    elif after == "throttled":
        witness.evidence.throttle()
    elif after == "wait too long":
        witness.saw("B", LATER, too_long=Wait(seconds=3600.0, why="it asked for that pause"))
    else:
        witness.saw("B", DOWN).evidence.conclude()
    assert isinstance(witness.evidence.stop, CredentialsRefused)


def test_the_first_reason_to_try_later_is_told(witness: Witness) -> None:
    """Of two reasons of one kind the later one is often the consequence of the stop."""
    witness.saw("A", LATER, too_long=Wait(seconds=3600.0, why="it asked for that pause"))
    witness.evidence.throttle()
    assert "takes no request for another 3,600 s" in str(witness.evidence.stop)


@pytest.mark.parametrize("verdict", [DOWN, SILENT])
def test_many_requests_for_one_lead_are_an_outage(verdict: Verdict, witness: Witness) -> None:
    """The tenth request in vain without one success stops the run, though all of them were for one lead."""
    for _ in range(9):
        witness.saw("A", verdict)
    assert witness.evidence.stop is None
    witness.saw("A", verdict)
    assert isinstance(witness.evidence.stop, ProviderUnavailable)
    assert witness.outcomes == []
