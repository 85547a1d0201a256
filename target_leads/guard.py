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
        refused = self._report.dead_letters
        if self._limit.number is not None:
            return refused > self._limit.number
        share = self._limit.share or 0
        return self._report.settled >= _COUNTS_FROM and refused > share * self._report.received

    @property
    def sees_no_success(self) -> bool:
        """Whether records were refused and none was accepted. As long as that is so, no STATE may go out."""
        return self._limit.share != 1 and bool(self._report.dead_letters) and not self._report.count(*_GOOD_SIGNS)

    def check(self) -> None:
        """End the run if the limit is exceeded.

        Raises:
            RejectLimitReached: it is.
        """
        if self.is_tripped:
            raise self._reached("more than reject_limit allows")

    def check_at_end(self) -> None:
        """End the run, too, if it refused something and had no success at all.

        Raises:
            RejectLimitReached: so it is.
        """
        self.check()
        if self.sees_no_success:
            raise self._reached("and nothing was accepted")

    def _reached(self, why: str) -> RejectLimitReached:
        reasons = "; ".join(self._report.commonest_reasons(3))
        return RejectLimitReached(
            f"{self._report.dead_letters} of {self._report.settled} records were refused, {why}. "
            f"No STATE was printed for this batch. Commonest: {reasons}. Mend the mapping or the data and run again, "
            "or raise reject_limit."
        )
