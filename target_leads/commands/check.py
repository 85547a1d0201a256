"""``target-leads check``: says all that would be wrong with a run, without doing it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from target_leads.commands.configuration import config_option
from target_leads.commands.tables import format_option, print_json, print_table

if TYPE_CHECKING:
    from target_leads.checkup import CheckedProvider, CheckedSetting, Checkup

_WRONG = 2


@click.command(short_help="Say all that would be wrong with a run.")
@config_option
@click.option("--offline", is_flag=True, help="Do not connect to the providers.")
@format_option
@click.pass_context
def check(context: click.Context, *, config_paths: tuple[str, ...], offline: bool, as_format: str) -> None:
    """Read all that a run would read, and say all that is wrong, each with what to do.

    Settings, provider folders, store, credentials, certificates. Hosts of providers are connected to, with the TLS
    handshake; no request is sent to them. One that is not reached now is a warning, as it may be reached later.

    Status 0, or 2 with findings.
    """
    from target_leads.checkup import checkup  # noqa: PLC0415 -- the SDK takes half a second, and --help none of it

    found = checkup(config_paths, connects=not offline)
    if as_format == "json":
        print_json(asdict(found))
    else:
        _print_words(found)
    context.exit(_WRONG if found.findings else 0)


def _print_words(found: Checkup) -> None:
    click.echo(f"Store: {found.store}\n")
    if found.providers:
        rows = [_row(provider, setting) for provider in found.providers for setting in provider.settings]
        print_table(rows, ["provider", "setting", "is"])
        click.echo()
        hosts = [
            {"provider": each.name, "host": each.base_url, "connection": each.connection}
            for each in found.providers
            if each.base_url
        ]
        print_table(hosts, ["provider", "host", "connection"])
        click.echo()
    if found.streams:
        streams = [{"stream": name, "goes_to": to or "as its records say"} for name, to in found.streams.items()]
        print_table(streams, ["stream", "goes_to"])
        click.echo()
    for title, sentences in (("Warnings", found.warnings), ("Findings", found.findings)):
        if sentences:
            click.echo(f"{title}:")
            print_table([{"mark": "-", "words": words} for words in sentences], ["mark", "words"], heading=False)
            click.echo()
    counted = _counted(len(found.findings), "finding"), _counted(len(found.warnings), "warning")
    told = [words for words in counted if words]
    click.echo(f"{' and '.join(told)}." if told else "Nothing is wrong.")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""


def _row(provider: CheckedProvider, setting: CheckedSetting) -> dict[str, str]:
    words = {"given": "given", "default": "default", "missing": "MISSING", "sandbox": "not needed by the sandbox"}
    value = f"{setting.value}, " if setting.value is not None else ""
    secret = ", not shown" if setting.secret and setting.source == "given" else ""
    return {"provider": provider.name, "setting": setting.name, "is": f"{value}{words[setting.source]}{secret}"}
