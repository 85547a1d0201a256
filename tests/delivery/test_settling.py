"""What an update's last verdict means for the records in it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from target_leads.delivery.classification import Verdict
from target_leads.delivery.retry import Attempts, Result
from target_leads.delivery.settling import settlements_of
from target_leads.models import Outcome, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.models import LeadUpdate, Settlement


def settled(update: LeadUpdate, kind: VerdictKind) -> list[Settlement]:
    """Settlements after three attempts with this verdict at their end."""
    verdict = Verdict(
        kind=kind, reason="what was answered", status=222, error_code="E-1", request_id="R-1", job_id="J-1"
    )
    attempts = Attempts(verdict=verdict, count=3, waited_seconds=1.5, first_ended_at=0, last_began_at=2)
    return list(settlements_of(Result(update=update, attempts=attempts)))


@pytest.fixture
def merged(update: Callable[..., LeadUpdate]) -> LeadUpdate:
    """An update that was made of three."""
    parts = tuple(update("L1", step=step) for step in range(3))
    return dataclasses.replace(parts[-1], parts=parts, fields={"step": 2, "all": True})


@pytest.mark.parametrize("kind", VerdictKind)
def test_every_record_is_settled_once_and_in_order(
    kind: VerdictKind, merged: LeadUpdate, update: Callable[..., LeadUpdate]
) -> None:
    """However it ended, as many settlements come out as records went in, each with its own record."""
    assert [entry.record for entry in settled(merged, kind)] == [part.record for part in merged.parts]
    (single,) = settled(update("L2"), kind)
    assert (single.lead_id, single.outcome) == ("L2", kind.last_outcome)


def test_a_delivery_of_merged_updates_supersedes_the_earlier_ones(merged: LeadUpdate) -> None:
    """The last record was delivered, and the others were carried further by it; no attempt counts for them."""
    *earlier, last = settled(merged, VerdictKind.DELIVERED)

    for entry in earlier:
        assert (entry.outcome, entry.reason) == (
            Outcome.SUPERSEDED,
            "a later record of the same batch carried it further",
        )
        assert (entry.provider, entry.account, entry.lead_id) == ("generic", "default", "L1")
        assert (entry.attempts, entry.waited_seconds, entry.status) == (0, 0.0, None)
    assert (last.outcome, last.reason, last.status) == (Outcome.DELIVERED, "", 222)
    assert (last.attempts, last.waited_seconds, last.job_id, last.request_id) == (3, 1.5, "J-1", "R-1")
    assert last.update is merged
    assert all(entry.update is None for entry in earlier)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (VerdictKind.REJECTED, Outcome.REJECTED),
        (VerdictKind.RETRY, Outcome.FAILED),
        (VerdictKind.FATAL, Outcome.UNSETTLED),
    ],
)
def test_what_was_not_delivered_is_the_fate_of_every_record(
    kind: VerdictKind, outcome: Outcome, merged: LeadUpdate
) -> None:
    """Nothing of a merged update got there, so no record in it may pass for done."""
    for entry in settled(merged, kind):
        assert (entry.outcome, entry.reason, entry.status) == (outcome, "what was answered", 222)
        assert (entry.error_code, entry.request_id, entry.attempts) == ("E-1", "R-1", 3)
        assert entry.update is merged


def test_an_unfinished_job_is_the_fate_of_every_record(merged: LeadUpdate) -> None:
    """Each of them says which job is to write the update as a whole."""
    for entry in settled(merged, VerdictKind.ACCEPTED):
        assert (entry.outcome, entry.job_id) == (Outcome.UNCONFIRMED, "J-1")
        assert entry.update is merged


@pytest.mark.parametrize("kind", VerdictKind)
def test_that_it_may_be_written_stays_known(kind: VerdictKind, update: Callable[..., LeadUpdate]) -> None:
    """A refusal after an attempt whose fate is unknown does not mean that the lead is as it was."""
    verdict = Verdict(kind=kind, reason="what was answered")
    attempts = Attempts(verdict=verdict, count=2, waited_seconds=0, first_ended_at=0, last_began_at=2)
    for may_be_written in (False, True):
        (entry,) = settlements_of(Result(update=update(), attempts=attempts, may_be_written=may_be_written))
        assert entry.update is not None
        assert entry.update.may_be_written is may_be_written
