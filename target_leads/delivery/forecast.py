"""What delivering updates would take, without sending any."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_leads.changes import field_names
from target_leads.delivery.batching import requests_of, units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account


@dataclass(slots=True)
class Plan:
    """What one provider would get."""

    leads: int = 0
    """Updates, each of one lead. A lead that comes in several batches counts in each."""
    new_leads: int = 0
    """Of these, leads of which the store knows nothing."""
    requests: int = 0
    """If each succeeds at once; a job counts as one more, to ask after it."""
    least_seconds: float = 0.0
    """What they take under the rate limits, however fast the provider is."""
    fields: Counter[str] = field(default_factory=Counter)
    """How many leads each field would change; all fields of a new lead do."""


class Forecast:
    """Plans for the batches of a dry run."""

    def __init__(self, account_of: Callable[[str], Account]) -> None:
        """Plan for the accounts that `account_of` gives by provider."""
        self._account_of = account_of
        self.plans: dict[str, Plan] = {}

    def add(self, updates: Iterable[LeadUpdate]) -> None:
        """Add a batch."""
        by_provider: dict[str, list[LeadUpdate]] = {}
        for update in updates:
            by_provider.setdefault(update.provider, []).append(update)
        for provider, own in by_provider.items():
            account = self._account_of(provider)
            plan = self.plans.setdefault(provider, Plan())
            for update in own:
                plan.leads += 1
                plan.new_leads += update.differing is None
                names = field_names(update.fields) if update.differing is None else update.differing
                plan.fields.update(name for name in names if name != account.definition.lead_id.body_field)
            rounds = (updates for unit in units(account, own) for updates in unit)
            plan.requests += sum(1 for updates in rounds for _ in requests_of(account, updates))
            plan.requests += len(own) if account.definition.job is not None else 0
            plan.least_seconds = least_seconds(account, plan.requests)


def least_seconds(account: Account, requests: int) -> float:
    """How long it takes at least to send so many requests: each window that is full has to pass."""
    windows = account.rate_limits.windows if requests else ()
    return max(((requests - 1) // window.requests * window.per_seconds for window in windows), default=0.0)
