"""What an update's last verdict means for the records in it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from target_leads.models import Outcome, Settlement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.delivery.retry import Result
    from target_leads.models import LeadUpdate, Record

_MERGED = "a later record of the same batch carried it further"


def unsettled(update: LeadUpdate) -> Settlement:
    """An update that was not sent, as the run stops."""
    return _settled(update, update.record, Outcome.UNSETTLED, update=update)


def superseded(update: LeadUpdate, reason: str) -> Iterator[Settlement]:
    """Settlements for every record of an update that must not be sent, for this reason."""
    for part in update.parts or (update,):
        yield _settled(update, part.record, Outcome.SUPERSEDED, reason=reason)


def settlements_of(result: Result) -> Iterator[Settlement]:
    """Settlements for every record of an update when its verdict is the last word, in the order of the records.

    Records whose fields were merged into a later one are superseded if that was delivered; else they share its fate, so
    that nothing in them is lost.
    """
    update, verdict = result.update, result.attempts.verdict
    if result.may_be_written:
        update = dataclasses.replace(update, may_be_written=True)
    outcome = verdict.kind.last_outcome
    *earlier, _ = update.parts or (update,)
    for part in earlier if outcome is Outcome.DELIVERED else ():
        yield _settled(update, part.record, Outcome.SUPERSEDED, reason=_MERGED, job_id=verdict.job_id)
    for part in (update,) if outcome is Outcome.DELIVERED else update.parts or (update,):
        yield _settled(
            update,
            part.record,
            outcome,
            reason="" if outcome is Outcome.DELIVERED else verdict.reason,
            status=verdict.status,
            error_code=verdict.error_code,
            request_id=verdict.request_id,
            attempts=result.attempts.count,
            waited_seconds=result.attempts.waited_seconds,
            update=update,
            job_id=verdict.job_id,
        )


def _settled(about: LeadUpdate, record: Record, outcome: Outcome, **told: Any) -> Settlement:  # noqa: ANN401 -- its fields
    return Settlement(
        record=record, outcome=outcome, provider=about.provider, account=about.account, lead_id=about.lead_id, **told
    )
