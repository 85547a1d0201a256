"""Puts values into the types and words that a provider takes, where no meaning can be lost."""

from __future__ import annotations

import functools
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from target_leads.providers.place import types_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.providers import Place

    Conversion = Callable[[Any], Any]

_NUMBER = re.compile(r"(?!-0\Z)-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
"""The one way to write a number: no zero in front, no plus, no exponent."""
_LONGEST_NUMBER = 100
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ]00:00(?::00(?:\.0+)?)?(?:[Zz]|\+00(?::?00)?)?", re.ASCII)
"""Of UTC, or of no zone: at midnight of another zone it is another day in UTC."""
_BOOLEANS = {"true": True, "false": False}
_MOST_NAMES = 1000


def conversion(place: Place | None, *, coerces: bool, omits_nulls: bool) -> Conversion | None:
    """What is done to every value that is sent to a place; none if nothing ever is.

    Labels become what they stand for. With `coerces` a value that the place does not take is converted if that can be
    done exactly; any other stays as it is, for the provider's schema to refuse. An empty text becomes null where that
    is taken, or where nulls are left out.
    """
    if place is None or not (coerces or place.has_labels):
        return None
    return _Converter(place, coerces=coerces, omits_nulls=omits_nulls).convert


class _Converter:
    def __init__(self, place: Place, *, coerces: bool, omits_nulls: bool) -> None:
        self._place = place
        self._coerces = coerces
        self._omits_nulls = omits_nulls
        self._field = functools.lru_cache(_MOST_NAMES)(self._conversion_of_field)

    def convert(self, value: Any) -> Any:  # noqa: ANN401 -- a field holds any JSON
        if isinstance(value, dict):
            return {
                name: inner if (convert := self._field(name)) is None else convert(inner)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            convert = self._item
            return value if convert is None else [convert(item) for item in value]
        if isinstance(value, str) and self._place.labels:
            value = self._unlabelled(value)
        return self._coerced(value) if self._coerces else value

    def _unlabelled(self, text: str) -> Any:  # noqa: ANN401 -- an allowed value is any JSON
        """What a label stands for. A text that is an allowed value stays, whatever it is a label of."""
        labels = self._place.labels
        label = text if text in labels else text.casefold()
        return labels[label] if label in labels and not self._place.takes(text) else text

    def _coerced(self, value: Any) -> Any:  # noqa: ANN401 -- any JSON
        taken: bool | None = None
        for candidate in self._candidates(value):
            if taken is None:
                taken = self._place.takes(value)
            if taken:
                break
            if isinstance(candidate, (dict, list)):
                return self.convert(candidate)
            if self._place.takes(candidate) or (candidate is None and self._omits_nulls):
                return candidate
        return value

    def _candidates(self, value: object) -> Iterator[Any]:
        """What a value might become: each means the same as the value, and is of a type that the place takes."""
        types, formats = self._place.types, self._place.formats
        if isinstance(value, str):
            if value == "" and (self._omits_nulls or "null" in types):
                yield None
            if "integer" in types and not self._place.is_code and (number := _number(value)) is not None:
                yield number
            if "boolean" in types and value in _BOOLEANS:
                yield _BOOLEANS[value]
            if "date" in formats and (midnight := _MIDNIGHT.fullmatch(value)):
                yield midnight[1]
            if "date-time" in formats and _DATE.fullmatch(value):
                yield f"{value}T00:00:00Z"
            if types & {"array", "object"} and types & types_of(content := _content(value)) - {"null"}:
                yield content
        elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and Decimal(value).is_finite():
            if "string" in types and not self._place.is_code and (text := _text(value)):
                yield text
            if "boolean" in types and value in (0, 1):
                yield value == 1

    @functools.cached_property
    def _item(self) -> Conversion | None:
        # A null item of a list is sent, so there an empty text is one only where null is taken.
        return conversion(self._place.items, coerces=self._coerces, omits_nulls=False)

    def _conversion_of_field(self, name: str) -> Conversion | None:
        return conversion(self._place.child(name), coerces=self._coerces, omits_nulls=self._omits_nulls)


def _number(text: str) -> int | Decimal | None:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text) if "." in text else int(text)


def _text(number: float | Decimal) -> str:
    """The number as people write it, digit for digit; empty if it has too many of them."""
    exact = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if max(abs(exact.adjusted()), -int(exact.as_tuple().exponent)) > _LONGEST_NUMBER:
        return ""
    text = f"{exact:f}"
    return text if _number(text) is not None else ""


def _content(text: str) -> Any:  # noqa: ANN401 -- any JSON
    """The object or list that a text writes as JSON, as warehouses without such types keep it; none if it is none."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_object)
    except ValueError:
        return None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a field twice: which of the values was meant cannot be known."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        message = "A field stands twice in one object."
        raise ValueError(message)
    return fields


def can_be_taken(place: Place, kind: str, text_format: str = "", *, coerces: bool) -> bool:
    """Whether some value of a JSON type, and of a format if it is a text, can end as one that a place takes."""
    types = place.types
    if kind == "string" and place.labels:
        return True
    if kind == "string" and text_format in _EXAMPLES and place.formats and not place.is_code:
        convert = conversion(place, coerces=coerces, omits_nulls=False)
        return place.takes(_EXAMPLES[text_format] if convert is None else convert(_EXAMPLES[text_format]))
    if kind in types or (kind == "number" and "integer" in types):
        return True
    if not coerces:
        return False
    if kind == "string":
        return bool(types & {"array", "boolean", "object"}) or ("integer" in types and not place.is_code)
    if kind in {"integer", "number"}:
        is_text = "string" in types and not place.is_code and not place.formats
        return "boolean" in types or (is_text and (not place.choices or any(map(_NUMBER.fullmatch, place.choices))))
    return False


_EXAMPLES = {"date": "2000-01-01", "date-time": "2000-01-01T00:00:00Z"}
