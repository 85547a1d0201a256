"""Format checks that really check: JSON Schema leaves ``format`` to whoever validates."""

from __future__ import annotations

import datetime
import re
import uuid
from decimal import Decimal
from typing import Any

import email_validator
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend
from rfc3339_validator import validate_rfc3339

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

FORMATS = FormatChecker(formats=())
"""The formats that a lead schema may use; the loader refuses a schema with any other."""


@FORMATS.checks("email", raises=email_validator.EmailNotValidError)
def _is_email(value: object) -> bool:
    if isinstance(value, str):
        email_validator.validate_email(value, check_deliverability=False, allow_quoted_local=True)
    return True


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or (_UUID.fullmatch(value) is not None and bool(uuid.UUID(value).hex))


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or (
        _DATE.fullmatch(value) is not None and bool(datetime.date.fromisoformat(value).year)
    )


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3339(value))


def _is_integer(_checker: object, value: object) -> bool:
    """Whole numbers, also as a decimal such as ``3.0``, which JSON Schema counts as an integer."""
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _is_number(_checker: object, value: object) -> bool:
    """Numbers that JSON can say: neither NaN nor an infinity."""
    if isinstance(value, (float, Decimal)):
        return Decimal(value).is_finite()
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
_Validator: type[Draft202012Validator] = extend(Draft202012Validator, type_checker=_TYPES)  # type: ignore[no-untyped-call] # as jsonschema has it


def compiled(schema: Any) -> Draft202012Validator:  # noqa: ANN401 -- a JSON Schema is any JSON
    """Validator of a JSON Schema (draft 2020-12) that checks formats and knows decimals."""
    return _Validator(schema, format_checker=FORMATS)
