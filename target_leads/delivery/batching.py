"""Cuts updates into requests that a provider takes: so many leads, so many bytes, no lead twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_leads.delivery.request_builder import encoded, update_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account

Round = list["LeadUpdate"]
"""Updates that may go in one request: each is for another lead."""
Unit = list[Round]
"""What one worker takes: the updates of some leads. Round after round it sends each lead's next one."""


def units(account: Account, updates: Iterable[LeadUpdate]) -> Iterator[Unit]:
    """Cut one account's updates into units: each lead is in one of them, with its updates in order."""
    many = account.definition.update.many
    leads: dict[str, list[LeadUpdate]] = {}
    for update in updates:
        leads.setdefault(update.lead_id, []).append(update)
    queues = list(leads.values())
    size = many.max_items if many else 1
    for start in range(0, len(queues), size):
        together = queues[start : start + size]
        yield [
            [queue[turn] for queue in together if turn < len(queue)]
            for turn in range(max(len(queue) for queue in together))
        ]


def requests_of(account: Account, updates: Round) -> Iterator[Round]:
    """Cut a round so that no body is longer than the provider takes. A lead that is too long by itself goes alone."""
    many = account.definition.update.many
    if many is None or many.max_bytes is None or len(updates) == 1:
        yield updates
        return
    around = len(update_body(account, []))
    begin, length = 0, around
    for index, update in enumerate(updates):
        more = len(encoded(account, update)) + len(",")
        if index > begin and length + more - 1 > many.max_bytes:
            yield updates[begin:index]
            begin, length = index, around
        length += more
    yield updates[begin:]


def halves(updates: Round) -> tuple[Round, Round]:
    """The first half and the second."""
    middle = len(updates) // 2
    return updates[:middle], updates[middle:]
