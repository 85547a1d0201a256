"""JSON Schema, draft 2020-12, as it is meant: what jsonschema leaves open, or gets wrong with decimals."""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from target_leads.providers.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNS = re.compile(r"\\.|\$|\[|\]|[^\\$\[\]]+", re.DOTALL)
_LARGEST_EXPONENT = 400
"""No number beyond it is written out; a double ends at 308."""


def compiled(schema: Any) -> Draft202012Validator:  # noqa: ANN401 -- a JSON Schema is any JSON
    """Validator of a JSON Schema that checks formats, knows decimals, and fetches nothing from the network."""
    return _Validator(schema, format_checker=FORMATS, registry=Registry())


@functools.cache
def python_pattern(pattern: str) -> str:
    r"""A pattern of a schema in Python's words: in ECMA-262 ``$`` is the very end, and ``\d`` one of ten digits."""
    in_class = False
    parts = []
    for sign in _SIGNS.findall(pattern):
        if sign in "[]":
            in_class = sign == "["
        if sign == r"\d":
            parts.append("0-9" if in_class else "[0-9]")
        else:
            parts.append(r"\Z" if sign == "$" and not in_class else sign)
    return "".join(parts)


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


def _pattern(validator: Any, pattern: str, instance: Any, _schema: object) -> Iterator[ValidationError]:  # noqa: ANN401 -- any JSON
    if validator.is_type(instance, "string") and re.search(python_pattern(pattern), instance) is None:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _multiple_of(validator: Any, factor: Any, instance: Any, _schema: object) -> Iterator[ValidationError]:  # noqa: ANN401 -- any JSON
    if validator.is_type(instance, "number"):
        number = _exact(instance)
        if number and (
            abs(number.adjusted()) > _LARGEST_EXPONENT or (Fraction(number) / Fraction(_exact(factor))).denominator != 1
        ):
            yield ValidationError(f"{instance!r} is not a multiple of {factor}")


def _exactly(rule: str) -> Callable[[Any, Any, Any, Any], Iterator[ValidationError]]:
    """A bound that is compared as it is written: the double 0.3 is less than the decimal 0.3."""
    stock = Draft202012Validator.VALIDATORS[rule]

    def check(validator: Any, bound: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ANN401 -- any JSON
        if isinstance(instance, Decimal) or isinstance(bound, float):
            bound = _exact(bound)
            instance = _exact(instance) if validator.is_type(instance, "number") else instance
        yield from stock(validator, bound, instance, schema)

    return check


def _exact(number: float | Decimal) -> Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


_Validator: type[Draft202012Validator] = extend(  # type: ignore[no-untyped-call] # as jsonschema has it
    Draft202012Validator,
    {
        "multipleOf": _multiple_of,
        "pattern": _pattern,
        **{rule: _exactly(rule) for rule in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")},
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number),
)
