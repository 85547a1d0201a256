"""Format checks that really check: JSON Schema leaves ``format`` to whoever validates."""

from __future__ import annotations

import datetime
import re

import email_validator
from jsonschema import FormatChecker
from rfc3339_validator import validate_rfc3339

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_LONGEST_EMAIL = 1000
"""Characters. None has more than 254; the validator would look at all of ten million."""

FORMATS = FormatChecker(formats=())
"""The formats that a lead schema may use; the loader refuses a schema with any other."""


@FORMATS.checks("email", raises=ValueError)
def _is_email(value: object) -> bool:
    if isinstance(value, str):
        if len(value) > _LONGEST_EMAIL:
            raise ValueError
        email_validator.validate_email(value, check_deliverability=False, allow_quoted_local=True, strict=True)
    return True


@FORMATS.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or _UUID.fullmatch(value) is not None


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or (
        _DATE.fullmatch(value) is not None and bool(datetime.date.fromisoformat(value).year)
    )


@FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    # RFC 3339 takes t and z as well; the validator takes neither, and lets a line break at the end pass.
    return not isinstance(value, str) or (not value.endswith("\n") and bool(validate_rfc3339(value.upper())))
