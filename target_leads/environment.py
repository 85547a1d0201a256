"""Settings from environment variables."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from singer_sdk.configuration._dict_config import parse_environment_config

from target_leads.exceptions import SettingsError
from target_leads.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_PREFIX = "TARGET_LEADS_"
_OTHERS = frozenset({"LOGLEVEL", "SOURCE"})
"""Behind the prefix: what the SDK, and the definition of the loader for Meltano, read besides."""
_IN_MELTANO = "MELTANO_PROJECT_ROOT"
_MELTANO_LOADER = "MELTANO_LOADER_NAME"
_OF_KUBERNETES = re.compile(r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?)?)")
"""Behind the prefix: what it tells all containers of a Service whose name begins as ours does."""
_TRUTH_VALUES = frozenset({"true", "1", "yes", "on", "false", "0", "no", "off", ""})
_AS_TEXT = {"array": "a list as JSON", "integer": "a whole number", "object": "an object as JSON"}


def settings_from_environment(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from environment variables, read by the SDK one by one, so that each mistake is told.

    Raises:
        SettingsError: a variable holds no value of its setting's type; it names all that do so.
    """
    settings, findings = read_environment(schema)
    if findings:
        raise SettingsError(findings)
    return settings


def read_environment(schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings in the variables that are right, and what is wrong with the others."""
    settings: dict[str, Any] = {}
    findings = []
    for name, setting in schema["properties"].items():
        variable = _PREFIX + name.upper()
        kinds = {setting["type"]} if isinstance(setting["type"], str) else set(setting["type"])
        # The SDK would read reject_limit, a text or a number, as a number only.
        kind = "string" if "string" in kinds else next(iter(kinds - {"null"}))
        try:
            settings |= parse_environment_config({"properties": {name: {**setting, "type": kind}}}, _PREFIX)
        except (ValueError, RecursionError):
            findings.append(f"{variable}: must be {_AS_TEXT[kind]}.")
        if kind == "boolean" and os.environ.get(variable, "").lower() not in _TRUTH_VALUES:
            findings.append(f"{variable}: must be true or false.")  # the SDK takes any other word for false
            settings.pop(name, None)
    return settings, findings


def unknown_variables(schema: Mapping[str, Any], given: Collection[str], *, count: bool) -> Iterator[str]:
    """A sentence for each variable that looks like a setting and is none, or does not count. Shows no value.

    `given` are the settings that came another way; `count` says whether variables count here. Within Meltano they count
    for Meltano, which has one for each setting in an object as well, and hands them all on. There people may also have
    variables of their own, and others for a loader that inherits from this one: only a misspelt name is told.
    """
    known = {name.upper(): setting for name, setting in schema["properties"].items()}
    objects = [name for name, setting in known.items() if "object" in setting["type"]]
    in_meltano = _IN_MELTANO in os.environ
    if not count and not in_meltano:
        useless = (_PREFIX + name for name in sorted(known) if _PREFIX + name in os.environ)
        yield from (f"{variable} has no effect: variables count with --config ENV." for variable in useless)
        return
    for variable in sorted(os.environ):
        name = variable.removeprefix(_PREFIX)
        if name in {variable, *known, *_OTHERS, *(each.upper() for each in given)} or name.startswith("_"):
            continue
        if _OF_KUBERNETES.fullmatch(name):
            continue
        whole = next((each for each in objects if name.startswith(f"{each}_")), None)
        near = nearest(name, known)
        if in_meltano and (not near or _belongs_to_meltano(name, known, objects)):
            continue
        if whole:
            yield f"{variable} is read by Meltano alone; it has no effect. Give {_PREFIX}{whole}, an object as JSON."
        else:
            hint = f" Did you mean {_PREFIX}{near}?" if near else ""
            yield f"There is no setting for {variable}; it has no effect.{hint}"


def _belongs_to_meltano(name: str, known: Collection[str], objects: Collection[str]) -> bool:
    """Whether Meltano has made it of a setting of its own, or of one of a loader that inherits from this one."""
    inherits_as = f"{re.sub('[^A-Z0-9]', '_', os.environ.get(_MELTANO_LOADER, '').upper())}_".removeprefix(_PREFIX)
    return (
        "__" in name
        or name.endswith(tuple(f"_{each}" for each in known))
        or any(f"_{each}_" in f"_{name}_" for each in objects)
        or (inherits_as != "" and name.startswith(inherits_as))
    )
