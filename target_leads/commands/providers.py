"""``target-leads providers``: which there are, what each wants, and whether a folder keeps what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from target_leads.commands.configuration import config_option, given_settings
from target_leads.commands.provider_page import column_name, page_json, print_page, query_lines
from target_leads.commands.tables import cell_text, format_option, print_json, print_table
from target_leads.exceptions import DefinitionError
from target_leads.providers import bundled, folders_at, load_all
from target_leads.providers.fields import fields_of
from target_leads.settings import Settings
from target_leads.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from target_leads.providers import Definition

_NOT_FOUND = 1
_WRONG = 2

_own_option = click.option(
    "--provider-path", "provider_paths", multiple=True, help="Folder with a provider of your own. Repeatable."
)


@click.group(short_help="List, show and test providers.")
def providers() -> None:
    """Look at the bundled providers, and those of your own that --config or --provider-path names."""


@providers.command("list")
@config_option
@_own_option
@format_option
def list_(*, config_paths: tuple[str, ...], provider_paths: tuple[str, ...], as_format: str) -> None:
    """List providers, and the settings that each needs under providers.<name>."""
    rows = [
        {
            "name": definition.name,
            "title": definition.title,
            "needs": [name for name, setting in definition.settings.items() if setting.default is None],
            "documentation": definition.documentation[0],
        }
        for _, definition in sorted(_definitions(config_paths, provider_paths).items())
    ]
    if as_format == "json":
        print_json(rows)
    else:
        print_table(rows, list(rows[0]), prose=["title", "needs"], optional=["documentation"])


@providers.command()
@click.argument("name")
@config_option
@_own_option
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["table", "json", "query", "fields"]),
    default="table",
    help="query: a SELECT with a column for each field, to put your own in. fields: a map for streams.<stream>.fields.",
)
@click.pass_context
def show(
    context: click.Context,
    *,
    name: str,
    config_paths: tuple[str, ...],
    provider_paths: tuple[str, ...],
    as_format: str,
) -> None:
    """Show a provider: its settings, how it is called, its fields, and a record that works."""
    known = _definitions(config_paths, provider_paths)
    if name not in known:
        hint = did_you_mean(name, known)
        there_are = ", ".join(sorted(known))
        click.echo(f"Error: there is no provider {cell_text(name)}; there are {there_are}.{hint}", err=True)
        context.exit(_NOT_FOUND)
    definition = known[name]
    fields = fields_of(definition)
    if as_format == "json":
        print_json(page_json(definition, fields))
    elif as_format == "query":
        click.echo("\n".join(query_lines(definition, fields)))
    elif as_format == "fields":
        print_json({column_name(field): field.name for field in fields if field.is_column})
    else:
        print_page(definition, fields)


@providers.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1)
@config_option
@format_option
@click.pass_context
def check(context: click.Context, *, folders: tuple[str, ...], config_paths: tuple[str, ...], as_format: str) -> None:
    """Test provider folders: files, example, recorded answers, and a delivery of the example to an emulator.

    FOLDER is a provider folder or holds some. Without any, the bundled ones are tested, and those that --config names.

    Status 0, or 2 with findings.
    """
    from target_leads.provider_check import folder_findings  # noqa: PLC0415 -- only this command sends anything

    tested: dict[str, list[str]] = {}
    if not folders:
        tested = {str(each.folder): folder_findings(each.folder) for each in bundled().values()}
    for path in folders or _settings(config_paths).provider_paths:
        try:
            found: list[Traversable] = list(folders_at(Path(path)))
        except DefinitionError:
            tested[path] = [f"{path}: is no provider folder and holds none: there is no provider.json."]
        else:
            tested |= {str(folder): _findings_of_own(folder, folder_findings(folder)) for folder in found}
    count = sum(map(len, tested.values()))
    if as_format == "json":
        print_json([{"folder": folder, "findings": findings} for folder, findings in tested.items()])
    else:
        for folder, findings in tested.items():
            click.echo(f"{cell_text(folder)}: {_counted(len(findings))}")
            print_table([{"mark": " -", "words": words} for words in findings], ["mark", "words"], heading=False)
    context.exit(_WRONG if count else 0)


def _findings_of_own(folder: Traversable, findings: list[str]) -> list[str]:
    """What is wrong with a folder of the user's own, a name that is taken too."""
    try:
        load_all([str(folder)])
    except DefinitionError as error:
        return list(dict.fromkeys([*findings, *error.findings]))
    return findings


def _counted(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}" if count else "nothing is wrong"


def _settings(config_paths: tuple[str, ...]) -> Settings:
    given = given_settings(config_paths)
    return Settings.from_config({name: value for name, value in given.items() if name == "provider_paths"})


def _definitions(config_paths: tuple[str, ...], provider_paths: tuple[str, ...]) -> Mapping[str, Definition]:
    return load_all([*_settings(config_paths).provider_paths, *provider_paths])
