"""Why records were refused: each cause with how often it turned up and the first leads it turned up for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_leads.redaction import printable

if TYPE_CHECKING:
    from target_leads.models import Outcome, Settlement

_LEADS_NAMED = 3
_MOST_REASONS = 1000
"""Kept apart; later ones are counted together, so that memory stays flat whatever a provider answers."""


@dataclass(slots=True, kw_only=True)
class Reason:
    """How often one cause turned up, and the first leads it turned up for."""

    provider: str
    outcome: Outcome
    words: str
    count: int = 0
    lead_ids: list[str] = field(default_factory=list)
    names_all: bool = True
    """Whether there were no other leads."""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.count} × {self.provider} {self.outcome}: {self.words}{self._leads()}"

    def _leads(self) -> str:
        if not self.lead_ids:
            return ""
        return f" (lead {', '.join(map(printable, self.lead_ids))}{'' if self.names_all else ' and more'})"


class Reasons:
    """Those of a run."""

    def __init__(self) -> None:
        """Begin with none."""
        self._reasons: dict[tuple[str, Outcome, str], Reason] = {}

    def add(self, entry: Settlement) -> None:
        """Count why a record was refused."""
        provider, words = entry.provider or "none", entry.reason
        if (provider, entry.outcome, words) not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            words = "another reason"
        key = (provider, entry.outcome, words)
        if key not in self._reasons:
            self._reasons[key] = Reason(provider=provider, outcome=entry.outcome, words=words)
        reason = self._reasons[key]
        reason.count += 1
        if entry.lead_id and entry.lead_id not in reason.lead_ids:
            reason.names_all = len(reason.lead_ids) < _LEADS_NAMED
            if reason.names_all:
                reason.lead_ids.append(entry.lead_id)

    def commonest(self) -> list[Reason]:
        """The commonest first; of equals, the one that turned up first."""
        return sorted(self._reasons.values(), key=lambda reason: -reason.count)
