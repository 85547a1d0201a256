"""A provider on one page: for people, for scripts, and to paste into a tap's query."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from target_leads.commands.tables import cell_text, print_table
from target_leads.providers import load_example
from target_leads.providers.fields import value_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.providers import Definition
    from target_leads.providers.fields import Field


def page_json(definition: Definition, fields: list[Field]) -> dict[str, Any]:
    """All of it, for scripts."""
    call = definition.update
    return {
        "name": definition.name,
        "title": definition.title,
        "documentation": definition.documentation,
        "settings": {name: asdict(setting) for name, setting in definition.settings.items()},
        "base_urls": definition.base_url.urls,
        "lead_id": asdict(definition.lead_id),
        "update": {
            "method": call.method,
            "path": call.path,
            "partial": call.partial,
            "coalesce": call.coalesce,
            "leads_in_a_request": call.many.max_items if call.many else 1,
            "writes_later": definition.job is not None,
        },
        "rate_limits": [asdict(window) for window in definition.rate_limits.windows],
        "fields": [asdict(field) for field in fields],
        "example": load_example(definition),
    }


def print_page(definition: Definition, fields: list[Field]) -> None:
    """Print how a provider is called, its settings, its fields, and a record that works."""
    click.echo(f"{definition.title}: {definition.documentation[0]}\n")
    print_table(list(_calls(definition)), ["what", "words"], heading=False)
    click.echo(f"\nSettings under providers.{definition.name}")
    rows = [
        {
            "setting": name,
            "default": setting.default or "(required)",
            "description": f"{'Secret. ' if setting.secret else ''}{_one_of(setting.choices)}{setting.description}",
        }
        for name, setting in definition.settings.items()
    ]
    print_table(rows, ["setting", "default", "description"])
    click.echo("\nFields, beside the lead's id")
    print_table([_row(field) for field in fields], ["field", "type", "required", "description"])
    click.echo("\nA record that works")
    click.echo(json.dumps(load_example(definition), indent=2, ensure_ascii=False))
    click.echo("\nTo paste into a tap's query:           --format query")
    click.echo("To paste into streams.<stream>.fields: --format fields")


def _calls(definition: Definition) -> Iterator[dict[str, str]]:
    """How it is called, in words."""
    call, lead_id = definition.update, definition.lead_id
    for choice, url in definition.base_url.urls.items():
        when = f"  ({definition.base_url.setting}: {choice})" if choice else ""
        yield {"what": "Update", "words": f"{call.method} {url}{call.path}{when}"}
    place = f"in the body as {lead_id.body_field}" if lead_id.body_field else "in the path"
    yield {"what": "Lead id", "words": f"column {lead_id.name}, if nothing else was set; sent {place}"}
    kept = "are kept" if call.partial else "may be lost, so each update carries all fields of its record"
    yield {"what": "Left out", "words": f"fields that an update leaves out {kept}"}
    merged = "are merged into one" if call.coalesce else "are sent one by one, in order"
    yield {"what": "Waiting", "words": f"updates of one lead that wait together {merged}"}
    if call.many:
        yield {"what": "Request", "words": f"carries up to {call.many.max_items} leads"}
    if definition.job:
        yield {"what": "Writing", "words": "happens later, in a job that is asked after"}
    windows = [f"{window.requests} requests in {window.per_seconds:g} s" for window in definition.rate_limits.windows]
    unknown = f"none is built in: set providers.{definition.name}.rate_limits if you know one"
    yield {"what": "Limits", "words": ", ".join(windows) or unknown}


def _row(field: Field) -> dict[str, Any]:
    rules = "".join(f"{rule[0].upper()}{rule[1:]}. " for rule in field.rules)
    labels = "".join(f"{label} means {value_text(value)}. " for label, value in field.labels.items())
    examples = f" Examples: {', '.join(map(value_text, field.examples))}" if field.examples else ""
    return {
        "field": field.name,
        "type": f"{field.kind}{' or null' if field.nullable else ''}",
        "required": field.required,
        "description": f"{_one_of(field.choices)}{labels}{rules}{field.description}{examples}",
    }


def _one_of(choices: tuple[Any, ...]) -> str:
    return f"One of {', '.join(map(value_text, choices))}. " if choices else ""


def column_name(field: Field) -> str:
    """Name of a flat column that needs no mapping."""
    return field.name.replace(".", "__")


def query_lines(definition: Definition, fields: list[Field]) -> Iterator[str]:
    """A query that runs as it is and sends nothing: a null is left out. Put a column in the place of each NULL."""
    columns = [(definition.lead_id.name, "the lead's id")]
    columns += [(column_name(each), _remark(each)) for each in fields if each.is_column]
    yield f"-- {definition.title}: put your own column in the place of each NULL, or leave the line out."
    yield "SELECT"
    for number, (column, remark) in enumerate(columns, start=1):
        yield f'  NULL AS "{column}"{"," if number < len(columns) else ""}  -- {remark}'
    yield "FROM your_table"


def _remark(field: Field) -> str:
    row = _row(field)
    return cell_text(f"{row['type']}{', required' if field.required else ''}: {row['description']}")
