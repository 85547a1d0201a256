"""What a provider keeps: the leads that it was sent and the jobs that write them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.providers import Definition

_MOST_JOBS = 100_000


class LeadBook:
    """The leads of one provider, by id, as the updates left them."""

    def __init__(self, definition: Definition) -> None:
        """Begin without leads: the first update of a lead makes it known."""
        self.leads: dict[str, dict[str, Any]] = {}
        self._update = definition.update

    def write(self, lead_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Keep an update; gives the lead as it is now."""
        old = self.leads.get(lead_id, {}) if self._update.partial else {}
        lead = {**old, **fields}
        for name in self._update.merged_objects & fields.keys():
            if isinstance(old.get(name), dict) and isinstance(fields[name], dict):
                lead[name] = {**old[name], **fields[name]}
        self.leads[lead_id] = lead
        return lead


class Jobs:
    """The jobs of a provider that writes later. Each is pending when first looked at, and ended from then on."""

    def __init__(self) -> None:
        """Begin without jobs."""
        self._leads: dict[str, str] = {}
        self._seen: set[str] = set()

    def open(self, lead_id: str) -> str:
        """Id of a new job for a lead. The oldest job is forgotten where there are very many."""
        if len(self._leads) >= _MOST_JOBS:
            oldest = next(iter(self._leads))
            del self._leads[oldest]
            self._seen.discard(oldest)
        job_id = str(uuid.uuid4())
        self._leads[job_id] = lead_id
        return job_id

    def lead_of(self, job_id: str) -> str | None:
        """The lead that a job is for; ``None`` if there is no such job."""
        return self._leads.get(job_id)

    def has_ended(self, job_id: str) -> bool:
        """Whether a job has ended; to look at it the first time is what lets it end."""
        if job_id in self._seen:
            return True
        self._seen.add(job_id)
        return False
