"""Settings from environment variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from singer_sdk.configuration._dict_config import parse_environment_config

from target_leads.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "TARGET_LEADS_"
_TRUTH_VALUES = frozenset({"true", "1", "yes", "on", "false", "0", "no", "off", ""})
_AS_TEXT = {"array": "a list as JSON", "integer": "a whole number", "object": "an object as JSON"}


def settings_from_environment(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from environment variables, read by the SDK one by one, so that each mistake is told.

    Raises:
        SettingsError: a variable holds no value of its setting's type; it names all that do so.
    """
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
    if findings:
        raise SettingsError(findings)
    return settings
