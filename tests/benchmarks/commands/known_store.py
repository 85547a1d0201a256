"""Does a first run in which every update is accepted without being sent, so that a store of many leads is made soon.

All but the delivery is the run's own: what the store knows after it is what it knows after a real one. A test compares
the two.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_leads import bootstrap
from target_leads.models import Outcome, Settlement
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_leads.models import LeadUpdate

_ROWS_AT_ONCE = 10_000
_OK = 200


class _Accepting:
    """Stands for the dispatcher: every provider has accepted everything."""

    def __init__(self, **_: Any) -> None:
        """It needs nothing."""
        self.traffic: dict[str, Any] = {}

    def look_up(self, _jobs: Sequence[Any]) -> Iterator[Settlement]:
        """No job is open."""
        return iter(())

    def deliver(
        self, updates: Sequence[LeadUpdate], announce: Callable[[Sequence[LeadUpdate]], Any]
    ) -> Iterator[Settlement]:
        """As the dispatcher does: announce first, then a settlement for each."""
        announce(updates)
        for update in updates:
            yield Settlement(
                record=update.record,
                outcome=Outcome.DELIVERED,
                provider=update.provider,
                account=update.account,
                lead_id=update.lead_id,
                status=_OK,
                attempts=1,
                update=update,
            )

    def conclude(self) -> None:
        """Nothing is in doubt."""

    def close(self) -> None:
        """Nothing is open."""


def main(config: str, messages: str) -> None:
    """Make the store that the settings name."""
    bootstrap.Dispatcher = _Accepting  # type: ignore[assignment,misc] # what it does of a dispatcher is all that a run asks of one
    settings = json.loads(Path(config).read_text(encoding="utf-8"))
    target = TargetLeads(config={**settings, "batch_size_rows": _ROWS_AT_ONCE})
    with Path(messages).open("rb") as lines:
        target.run(lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
