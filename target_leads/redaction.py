"""Saying what went wrong without saying what was in it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from target_leads.models import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

_PHRASES = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "format": "must be a valid {}",
    "pattern": "must match the pattern {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
}


def broken_rules(error: ValidationError) -> Iterator[Violation]:
    """Path and rule of a schema violation, said from the schema's side only.

    The message of jsonschema is of no use here: it quotes the offending value.
    """
    path, rule = error.json_path, str(error.validator)
    expected: Any = error.validator_value
    if rule == "required" and isinstance(error.instance, dict):
        # jsonschema makes one error of each missing name and tells which only in the message.
        missing = [name for name in expected if name not in error.instance]
        name = next((name for name in missing if error.message.startswith(repr(name))), missing[0])
        yield Violation(path=f"{path}.{name}", rule="is required")
    elif rule == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        for name in error.instance:
            if name not in known:
                yield Violation(path=f"{path}.{name}", rule=f"is not one of {', '.join(known)}")
    elif rule in {"anyOf", "oneOf"} and error.context:
        rules = dict.fromkeys(violation.rule for inner in error.context for violation in broken_rules(inner))
        yield Violation(path=path, rule=", or ".join(rules))
    else:
        words = ", ".join(map(str, expected)) if isinstance(expected, list) else str(expected)
        yield Violation(path=path, rule=_PHRASES.get(rule, f"breaks the rule {rule}").format(words))


def without_secrets(url: str) -> str:
    """A URL for people: without user, password, query and fragment, in which credentials travel."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def place_of(error: BaseException) -> str:
    """Type and place of an unforeseen error, without its message: that may hold a field's value."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames[-6:]))
    return f"{type(error).__name__} at {places or 'unknown place'}"
