"""Brings the updates of one lead in a batch into order, and merges them into one where the provider allows it."""

from __future__ import annotations

import dataclasses
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from target_leads.models import Lead, LeadUpdate
    from target_leads.providers import Definition


def coalesced(updates: Iterable[LeadUpdate], definitions: Mapping[str, Definition]) -> Iterator[LeadUpdate]:
    """One update for each lead, in the order in which the leads came first; more where its steps all matter.

    Versions decide which update of a lead is newer, if all of them have one; else the order in which they came.
    """
    leads: dict[Lead, list[LeadUpdate]] = {}
    for update in updates:
        leads.setdefault(update.lead, []).append(update)
    for own in leads.values():
        if len(own) == 1:
            yield own[0]
        else:
            yield from _merged(_in_order(own), definitions[own[0].provider])


def _in_order(updates: Sequence[LeadUpdate]) -> Sequence[LeadUpdate]:
    """By version, if all have one; else as they came. A dead letter that is sent again came when it came first."""
    received = [update.record.received_at for update in updates]
    if any(update.record.dead_letter_id is not None for update in updates) and None not in received:
        updates = [update for _, update in sorted(zip(received, updates, strict=True), key=operator.itemgetter(0))]
    if any(update.version is None for update in updates):
        return updates
    return sorted(updates, key=lambda update: update.version or 0)


def _merged(updates: Sequence[LeadUpdate], definition: Definition) -> Iterator[LeadUpdate]:
    """The updates as one; as they are if each step matters, or they cannot be said as one."""
    *earlier, last = updates
    steps = (*(dataclasses.replace(update, is_latest=False) for update in earlier), last)
    fields: Mapping[str, Any] = {}
    can_be_one = definition.update.coalesce
    by_key = definition.update.merged_objects
    for update in steps:
        can_be_one = can_be_one and all(_can_follow(name, fields, update.fields, by_key) for name in update.fields)
        fields = merged_fields(fields, update.fields, by_key)
    if can_be_one and not definition.lead_schema.violations(fields):
        yield dataclasses.replace(last, fields=fields, parts=steps)
    else:
        yield from steps


def merged_fields(older: Mapping[str, Any], newer: Mapping[str, Any], by_key: Container[str]) -> dict[str, Any]:
    """What is known after both: a field of the newer update wins, null too; one that it lacks stays.

    Objects that the provider merges by key are merged here likewise.
    """
    merged = {**older, **newer}
    for name in older.keys() & newer.keys():
        if name in by_key and isinstance(older[name], dict) and isinstance(newer[name], dict):
            merged[name] = {**older[name], **newer[name]}
    return merged


def _can_follow(name: str, older: Mapping[str, Any], newer: Mapping[str, Any], by_key: Container[str]) -> bool:
    """Whether a field means the same in one update as it does after another in an update of its own.

    An object that is cleared and then given new keys cannot be said at once. Nor can one that loses keys: whether the
    provider keeps them is not known, and half of an old address and half of a new one is neither.
    """
    if name not in older or not isinstance(newer[name], dict):
        return True
    if name in by_key:
        return older[name] is not None
    return _covers(newer[name], older[name])


def _covers(newer: object, older: object) -> bool:
    """Whether a newer value leaves nothing of the older one in question, however deep."""
    if not isinstance(newer, dict):
        return True
    if not isinstance(older, dict):
        return older is not None
    return all(key in newer and _covers(newer[key], older[key]) for key in older)
