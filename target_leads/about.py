"""Renders --about for people: every setting, also those inside others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from target_leads.settings_reference import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.about import AboutInfo

    from target_leads.settings_reference import SettingRow


def render(info: AboutInfo, *, markdown: bool) -> str:
    """What the target is, can do, and may be told: as Markdown, or as plain text."""
    return "\n".join(_markdown(info) if markdown else _text(info))


def settings_table(schema: dict[str, Any]) -> Iterator[str]:
    """Every setting as a row of a Markdown table."""
    yield "| Setting | Type | Default | Description |"
    yield "|:--------|:-----|:--------|:------------|"
    for row in rows(schema):
        yield f"| `{row.name}` | {row.kind} | {_default(row)} | {_description(row).replace('|', chr(92) + '|')} |"


def _markdown(info: AboutInfo) -> Iterator[str]:
    yield f"# `{info.name}`\n\n{info.description}\n\n## Capabilities\n"
    yield from (f"- `{capability}`" for capability in info.capabilities)
    yield "\n## Settings\n"
    yield from settings_table(info.settings)


def _text(info: AboutInfo) -> Iterator[str]:
    yield f"{info.name} {info.version}, Meltano SDK {info.sdk_version}\n{info.description}\n"
    yield f"Capabilities: {', '.join(map(str, info.capabilities))}"
    yield f"Python: {', '.join(info.supported_python_versions or ())}\n\nSettings:"
    for row in rows(info.settings):
        yield f"  {row.name} ({row.kind}{', default ' + _default(row).strip('`') if _default(row) else ''})"
        if "." not in row.name:
            yield f"      Environment variable: {info.env_var_prefix}{row.name.upper()}"
        yield f"      {_description(row)}"


def _default(row: SettingRow) -> str:
    return "" if row.default is None or row.default in ({}, []) else f"`{json.dumps(row.default).strip(chr(34))}`"


def _description(row: SettingRow) -> str:
    choices = f" One of {', '.join(row.choices)}." if row.choices else ""
    return " ".join(f"{row.description}{choices}{' Secret.' if row.secret else ''}".split())
