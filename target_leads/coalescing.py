"""Brings the updates of one lead in a batch into order, and merges them into one where the provider allows it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_leads.models import LeadUpdate
    from target_leads.providers import Definition


def coalesced(updates: Iterable[LeadUpdate], definitions: Mapping[str, Definition]) -> Iterator[LeadUpdate]:
    """One update for each lead, in the order in which the leads came first; more where its steps all matter.

    Versions decide which update of a lead is newer, if all of them have one; else the order in which they came.
    """
    leads: dict[tuple[str, str, str], list[LeadUpdate]] = {}
    for update in updates:
        leads.setdefault((update.provider, update.account, update.lead_id), []).append(update)
    for (provider, _, _), own in leads.items():
        if len(own) == 1:
            yield own[0]
        else:
            yield from _merged(_in_order(own), definitions[provider])


def _in_order(updates: Sequence[LeadUpdate]) -> Sequence[LeadUpdate]:
    if any(update.version is None for update in updates):
        return updates
    return sorted(updates, key=lambda update: update.version or 0)


def _merged(updates: Sequence[LeadUpdate], definition: Definition) -> Iterator[LeadUpdate]:
    """The updates as one; as they are if each step matters, or they cannot be said as one."""
    *earlier, last = updates
    steps = (*(dataclasses.replace(update, is_latest=False) for update in earlier), last)
    fields: Mapping[str, Any] = {}
    can_be_one = definition.update.coalesce
    for update in steps:
        can_be_one = can_be_one and not _fills_what_was_cleared(fields, update.fields)
        fields = merged_fields(fields, update.fields)
    if can_be_one and not definition.lead_schema.violations(fields):
        yield dataclasses.replace(last, fields=fields, parts=steps)
    else:
        yield from steps


def merged_fields(older: Mapping[str, Any], newer: Mapping[str, Any]) -> dict[str, Any]:
    """What is known after both: a field of the newer update wins, null too; one that it lacks stays, however deep."""
    merged = {**older, **newer}
    for name in older.keys() & newer.keys():
        if isinstance(older[name], dict) and isinstance(newer[name], dict):
            merged[name] = merged_fields(older[name], newer[name])
    return merged


def _fills_what_was_cleared(older: Mapping[str, Any], newer: Mapping[str, Any]) -> bool:
    """Whether an object is cleared and then given new keys: one update cannot say that the old keys are to go."""
    return any(
        isinstance(value, dict)
        and name in older
        and (older[name] is None or (isinstance(older[name], dict) and _fills_what_was_cleared(older[name], value)))
        for name, value in newer.items()
    )
