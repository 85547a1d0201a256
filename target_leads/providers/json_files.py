"""Reads the JSON files of provider folders, and says what is wrong with one, and where."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from target_leads.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.resources.abc import Traversable

_Thing = TypeVar("_Thing")
_Read = TypeVar("_Read")


def each(read: Callable[[_Thing], _Read], things: Iterable[_Thing], findings: list[str]) -> list[_Read]:
    """What is read from each of some things that is right; `findings` tell what is wrong with the others."""
    done: list[_Read] = []
    for thing in things:
        try:
            done.append(read(thing))
        except DefinitionError as error:
            findings += error.findings
    return done


def read_checked(file: Traversable, findings: Callable[[Any], Iterable[str]]) -> Any:  # noqa: ANN401 -- any JSON
    """A file's JSON, which has none of what is looked for.

    Raises:
        DefinitionError: the file is missing, is no JSON, or has.
    """
    data = read_json(file)
    if told := named(file, findings(data)):
        raise DefinitionError(told)
    return data


def named(file: Traversable, findings: Iterable[str]) -> list[str]:
    """Findings with the name of their file."""
    return [f"{file}: {finding}" for finding in findings]


def read_json(file: Traversable) -> Any:  # noqa: ANN401 -- a file holds any JSON until it was checked
    """A file's JSON.

    Raises:
        DefinitionError: the file is missing, or is no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number, object_pairs_hook=_object)
    except OSError as error:
        raise DefinitionError([f"{file}: cannot be read: {error.strerror}. A provider folder needs it."]) from error
    except RecursionError:
        raise DefinitionError([f"{file}: is no JSON: it is nested too deeply"]) from None
    except ValueError as error:
        raise DefinitionError([f"{file}: is no JSON: {error}"]) from error


def _no_number(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    message = f"{name} is no number"
    raise ValueError(message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says a thing twice: which was meant cannot be known."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            message = f"{name} stands twice in one object"
            raise ValueError(message)
    return dict(pairs)
