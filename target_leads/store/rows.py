"""What a settlement or a job looks like as a row, and how it comes back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import simplejson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.models import Record, Settlement


def settlement_row(settlement: Settlement) -> dict[str, Any]:
    """Columns that ``outcomes`` and ``dead_letters`` share."""
    return {
        "stream": storable(settlement.record.stream),
        "provider": settlement.provider,
        "account": settlement.account,
        "lead_id": storable(settlement.lead_id),
        "outcome": settlement.outcome.value,
        "reason": storable(settlement.reason),
        "status": settlement.status,
        "error_code": storable(settlement.error_code),
        "request_id": storable(settlement.request_id),
        "attempts": settlement.attempts,
        "job_id": storable(settlement.job_id),
    }


def dead_letter_row(settlement: Settlement) -> dict[str, Any]:
    """Columns that only ``dead_letters`` has."""
    return {
        "violations": json.dumps([asdict(violation) for violation in settlement.violations]),
        "record": record_text(settlement.record),
    }


def record_text(record: Record) -> str:
    """A record as the tap sent it, as JSON. It is kept whatever stands in it, NaN too."""
    return simplejson.dumps(record.original, use_decimal=True, allow_nan=True, default=str)


def record_of(text: str) -> Mapping[str, Any]:
    """The record that `record_text` wrote."""
    record: Mapping[str, Any] = simplejson.loads(text, use_decimal=True, allow_nan=True)
    return record


def storable(text: str) -> str:
    """Text that every database can hold: field names and the provider's job ids may be anything that JSON can say."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
