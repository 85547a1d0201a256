"""What a settlement or a job looks like as a row, and how it comes back."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import simplejson

from target_leads.changes import field_names
from target_leads.models import Record

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

    from target_leads.models import Settlement


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


def outcome_row(settlement: Settlement) -> dict[str, Any]:
    """Columns of ``outcomes`` that say what became of a record."""
    tried = settlement.update is not None and settlement.attempts > 0
    names = field_names(settlement.update.body) if settlement.update is not None and tried else []
    return {**settlement_row(settlement), "fields": storable(json.dumps(names))}


def dead_letter_row(settlement: Settlement) -> dict[str, Any]:
    """Columns that only ``dead_letters`` has."""
    return {
        "violations": json.dumps([asdict(violation) for violation in settlement.violations]),
        **record_row(settlement.record),
    }


def record_row(record: Record) -> dict[str, Any]:
    """Columns in which a record is kept, so that it can come again as the tap sent it."""
    return {
        "record": record_text(record),
        "tap_stream": storable(record.tap_stream or record.stream),
        "key_properties": json.dumps(record.key_properties),
        "columns": simplejson.dumps(record.columns, use_decimal=True, allow_nan=True, default=str),
    }


def kept_record(row: Mapping[str, Any], *, received_at: datetime.datetime) -> Record:
    """The record that `record_row` kept. What stream maps had made of it is gone."""
    return Record(
        stream=row["stream"],
        fields={},
        original=record_of(row["record"]),
        tap_stream=row["tap_stream"],
        key_properties=tuple(json.loads(row["key_properties"])),
        columns=columns_of(row["columns"]),
        received_at=received_at,
    )


def columns_of(text: str) -> Mapping[str, Any]:
    """What a SCHEMA said of each column; in a store of an earlier release their names are all that was kept."""
    columns: Mapping[str, Any] | list[str] = _read(text)
    return {name: {} for name in columns} if isinstance(columns, list) else columns


def record_text(record: Record) -> str:
    """A record as the tap sent it, as JSON. It is kept whatever stands in it, NaN too."""
    return simplejson.dumps(record.original, use_decimal=True, allow_nan=True, default=str)


def without_metadata(record: Record) -> dict[str, Any]:
    """A record without what the tap says of its own doings, such as when it read the row."""
    return {name: value for name, value in record.original.items() if not name.startswith("_sdc_")}


def record_of(text: str) -> Mapping[str, Any]:
    """The record that `record_text` wrote."""
    record: Mapping[str, Any] = _read(text)
    return record


def _read(text: str) -> Any:  # noqa: ANN401 -- JSON
    """JSON as `reader` reads it: NaN and the infinities are decimals too."""
    return simplejson.loads(text, use_decimal=True, parse_constant=Decimal)


def storable(text: str) -> str:
    """Text that every database can hold: field names and the provider's job ids may be anything that JSON can say."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
