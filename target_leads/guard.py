"""Stops a run that refuses too much: then it is more likely the mapping or the account than the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_leads.exceptions import RejectLimitReached
from target_leads.models import Outcome

if TYPE_CHECKING:
    from target_leads.report import RunReport
    from target_leads.settings import RejectLimit

_COUNTS_FROM = 100
"""Settled updates from which on a share says something."""
_GOOD_SIGNS = (Outcome.DELIVERED, Outcome.UNCONFIRMED, Outcome.UNCHANGED)


class Guard:
    """Holds a run's dead letters against `reject_limit`."""

    def __init__(self, limit: RejectLimit, report: RunReport) -> None:
        """Guard the run that this report counts."""
        self._limit = limit
        self._report = report

    @property
    def is_tripped(self) -> bool:
        """Whether the limit is exceeded, even if everything that is still in flight succeeds."""
        if self._limit.number is not None:
            return self._refused > self._limit.number
        of_jobs, to_send = self._report.records_of_jobs, self._report.to_send.total()
        judged = self._report.settled + of_jobs + to_send
        share = self._limit.share or 0
        return judged >= _COUNTS_FROM and self._refused > share * (self._report.received + of_jobs)

    @property
    def sees_no_success(self) -> bool:
        """Whether records were refused and none was accepted. As long as that is so, no STATE may go out."""
        accepted = self._report.count(*_GOOD_SIGNS) + self._report.to_send.total()
        accepted += self._report.jobs_ended[Outcome.DELIVERED]
        return self._limit.share != 1 and bool(self._refused) and not accepted

    @property
    def _refused(self) -> int:
        """Records of this run, and those of earlier runs whose jobs ended in it."""
        return self._report.dead_letters + self._report.dead_letters_of_jobs

    def check(self) -> None:
        """End the run if the limit is exceeded.

        Raises:
            RejectLimitReached: it is.
        """
        if self.is_tripped:
            raise self._reached("more than reject_limit allows", "raise reject_limit")

    def check_at_end(self) -> None:
        """End the run, too, if it refused something and had no success at all.

        Raises:
            RejectLimitReached: so it is.
        """
        self.check()
        if self.sees_no_success:
            raise self._reached("and nothing was accepted", "set reject_limit to 100% if that is right")

    def _reached(self, why: str, remedy: str) -> RejectLimitReached:
        reasons = "; ".join(self._report.commonest_reasons(3))
        of_all = self._report.received + self._report.records_of_jobs
        return RejectLimitReached(
            f"{self._refused} of {of_all} records were refused, {why}. "
            f"No STATE was printed for this batch. Commonest: {reasons}. Mend the mapping or the data and run again, "
            f"or {remedy}."
        )
