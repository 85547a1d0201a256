"""Settings from the files that the command line names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_leads.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

ENVIRONMENT = "ENV"
"""What stands for the environment variables among the files."""


def read_config(paths: Iterable[str]) -> dict[str, Any]:
    """Settings from files, later ones over earlier ones.

    Raises:
        SettingsError: a file cannot be read or is no JSON object; it names all that are so.
    """
    config: dict[str, Any] = {}
    findings = []
    for path in paths:
        if path == ENVIRONMENT:
            continue
        if path.lstrip().startswith("{"):  # it would be shown as a name, credentials and all
            findings.append("--config: must be the name of a file, or ENV, but was JSON. Write it to a file.")
            continue
        try:
            settings = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            findings.append(f"--config {path}: cannot be read: {error.strerror}.")
        except ValueError as error:
            place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            findings.append(f"--config {path}: is no JSON{place}.")
        except RecursionError:
            findings.append(f"--config {path}: is nested too deeply.")
        else:
            if isinstance(settings, dict):
                config |= settings
            else:
                findings.append(f"--config {path}: must be a JSON object of settings.")
    if findings:
        raise SettingsError(findings)
    return config
