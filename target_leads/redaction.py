"""Saying what went wrong without saying what was in it."""

from __future__ import annotations

import json
import logging
import re
import traceback
from typing import TYPE_CHECKING, Any

from target_leads.models import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

_PHRASES = {
    "const": "must be {}",
    "enum": "must be one of {}",
    "exclusiveMaximum": "must be less than {}",
    "exclusiveMinimum": "must be more than {}",
    "format": "must be a valid {}",
    "maxItems": "must have at most {} items",
    "maxLength": "must have at most {} characters",
    "maxProperties": "must have at most {} fields",
    "maximum": "must be at most {}",
    "minItems": "must have at least {} items",
    "minLength": "must have at least {} characters",
    "minProperties": "must have at least {} fields",
    "minimum": "must be at least {}",
    "multipleOf": "must be a multiple of {}",
    "pattern": "must match the pattern {}",
    "type": "must be of type {}",
    "uniqueItems": "must hold nothing twice",
}
_AT_LEAST_ONE = frozenset({"minItems", "minLength", "minProperties"})


def broken_rules(error: ValidationError) -> Iterator[Violation]:
    """Path and rule of a schema violation, said from the schema's side only.

    The message of jsonschema is of no use here: it quotes the offending value.
    """
    path = error.json_path
    rule: Any = error.validator
    expected: Any = error.validator_value
    schema = error.schema if isinstance(error.schema, dict) else {}
    if rule == "required" and isinstance(error.instance, dict):
        # jsonschema makes one error of each missing name and tells which only in the message.
        missing = [name for name in expected if name not in error.instance]
        name = next((name for name in missing if error.message.startswith(repr(name))), missing[0])
        yield Violation(path=f"{path}.{name}", rule="is required")
    elif rule == "dependentRequired" and isinstance(error.instance, dict):
        for name, needed in expected.items():
            for other in needed:
                if error.message == f"{other!r} is a dependency of {name!r}":
                    yield Violation(path=f"{path}.{other}", rule=f"is required with {name}")
    elif rule == "additionalProperties" and isinstance(error.instance, dict):
        for name in unknown_names(schema, error.instance):
            known = ", ".join(schema.get("properties", ()))
            yield Violation(path=f"{path}.{name}", rule=f"is not one of {known}" if known else "is not allowed")
    elif rule in {"anyOf", "oneOf"} and error.context:
        rules = dict.fromkeys(_rule_below(path, inner) for other in error.context for inner in broken_rules(other))
        yield Violation(path=path, rule=", or ".join(rules))
    elif rule in _AT_LEAST_ONE and expected == 1:
        yield Violation(path=path, rule="must not be empty")
    elif rule == "pattern" and "examples" in schema:
        yield Violation(path=path, rule=f"must look like {_words(schema['examples'], ' or ')}")
    elif rule is None:  # the schema false
        yield Violation(path=path, rule="is not allowed")
    else:
        words = _words(expected, " or " if rule == "type" else ", ")
        yield Violation(path=path, rule=_PHRASES.get(rule, f"breaks the rule {rule}").format(words))


def unknown_names(schema: Mapping[str, Any], instance: Mapping[str, Any]) -> Iterator[str]:
    """Names in an object that its schema does not have."""
    patterns = schema.get("patternProperties", ())
    for name in instance:
        if name not in schema.get("properties", ()) and not any(re.search(pattern, name) for pattern in patterns):
            yield name


def _rule_below(path: str, violation: Violation) -> str:
    """The rule of one alternative, with the place below the path that all alternatives share."""
    return f"{violation.path.removeprefix(path).lstrip('.')} {violation.rule}".lstrip()


def _words(expected: object, between: str) -> str:
    """What a schema expects, as JSON has it, but text without quotes."""
    values = expected if isinstance(expected, list) else [expected]
    return between.join(value if isinstance(value, str) else json.dumps(value, default=str) for value in values)


def without_secrets(url: str) -> str:
    """A URL for people: without user, password, query and fragment, in which credentials travel.

    Of one that can be read in more than one way only the scheme is shown.
    """
    scheme, separator, host, after = _parts(url)
    if not separator or is_ambiguous(url):
        return f"{scheme}://…" if separator else "…"
    return f"{scheme}://{host.rpartition('@')[2]}{re.split('[?#]', after)[0]}"


def is_ambiguous(url: str) -> bool:
    """Whether a URL can be read in more than one way, as one with an unquoted slash in its password can.

    What a program that reads it takes for the host may then be a part of the password.
    """
    _, _, host, after = _parts(url)
    return bool(host) and "@" in after


def _parts(url: str) -> tuple[str, str, str, str]:
    """Scheme, separator, what stands before the first slash, question mark or number sign, and the rest."""
    scheme, separator, rest = url.partition("://")
    host, after = re.fullmatch("([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr] # it fits all text
    return scheme, separator, host, after


def keep_quiet(logger: str, *, up_to: int) -> None:
    """Let a library's logger say nothing up to this level, as it quotes values there.

    A filter, and no level: a file of log settings that names the library sets the levels of all its loggers anew.
    """
    logging.getLogger(logger).addFilter(lambda entry: entry.levelno > up_to)


def place_of(error: BaseException) -> str:
    """Type and place of an unforeseen error, without its message: that may hold a field's value."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames[-6:]))
    return f"{type(error).__name__} at {places or 'unknown place'}"


def printable(text: str) -> str:
    """Text that breaks no line and moves no cursor, whatever somebody has named a lead."""
    return text if text.isprintable() else "".join(map(_printable_sign, text))


def _printable_sign(sign: str) -> str:
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode()
