"""Which of two updates of one lead is newer, where a stream has a field that says so."""

from __future__ import annotations

import datetime
import re
from decimal import Context, Decimal

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?([.,]\d+)?\s*(?:Z|z|([+-]\d\d)(?::?(\d\d))?)?", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_LONGEST = 100
"""Characters. Nothing that orders updates is longer."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def version_of(value: object) -> Decimal | None:
    """A version that can be compared; none if the value is neither a number nor a timestamp.

    A number counts as it is, also as text. A timestamp counts as the seconds since 1970 UTC, to its last digit; one
    without a zone is taken for UTC, a date for its first moment.
    """
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        return number if number.is_finite() and abs(number.adjusted()) < _LONGEST else None
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    return _instant(text)


def _instant(text: str) -> Decimal | None:
    if _DATE.fullmatch(text):
        text += "T00:00:00"
    parts = _TIMESTAMP.fullmatch(text)
    if parts is None:
        return None
    date, minutes, seconds, fraction, zone_hours, zone_minutes = parts.groups()
    zone = f"{zone_hours or '+00'}:{zone_minutes or '00'}"
    try:
        moment = datetime.datetime.fromisoformat(f"{date}T{minutes}{seconds or ':00'}{zone}")
    except ValueError:
        return None
    whole = Decimal((moment - _EPOCH) // datetime.timedelta(seconds=1))
    return Context(prec=2 * _LONGEST).add(whole, Decimal((fraction or "0").replace(",", ".")))
