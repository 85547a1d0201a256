"""The command ``target-leads``: a Singer target, with subcommands for the person who operates it."""

from __future__ import annotations

import contextlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from target_leads.exceptions import Interrupted, SettingsError, TargetLeadsError
from target_leads.progress import live_line
from target_leads.redaction import place_of
from target_leads.summary import success_line, summary

if TYPE_CHECKING:
    from target_leads.target import TargetLeads


@click.group(invoke_without_command=True)
@click.option(
    "--config",
    "config_paths",
    multiple=True,
    help="Settings: a JSON file, or ENV for environment variables. Repeatable; later files win, variables over all.",
)
@click.option(
    "--input", "file_input", type=click.File("rb"), help="Singer messages to read, instead of standard input."
)
@click.option("--dry-run", is_flag=True, help="Validate and map, report what would be sent; send and store nothing.")
@click.option("--about", is_flag=True, help="Print what the target can do and every setting.")
@click.option("--format", "about_format", type=click.Choice(["json", "markdown"]), help="How --about prints.")
@click.option("--version", is_flag=True, help="Print the version.")
@click.pass_context
def target_leads(
    context: click.Context,
    *,
    config_paths: tuple[str, ...],
    file_input: IO[bytes] | None,
    dry_run: bool,
    about: bool,
    about_format: str | None,
    version: bool,
) -> None:
    """Deliver lead updates, read as Singer messages, to partner APIs."""
    if version:
        click.echo(f"target-leads v{metadata.version('target-leads')}, Meltano SDK v{metadata.version('singer-sdk')}")
    elif context.invoked_subcommand is None:
        from target_leads.target import TargetLeads  # noqa: PLC0415 -- the SDK takes half a second, subcommands none of it

        if about:
            TargetLeads.print_about(about_format)
        else:
            context.exit(_run(TargetLeads, config_paths, file_input, dry_run=dry_run))


@target_leads.command()
@click.option("--port", default=8765, show_default=True, help="Port on 127.0.0.1; 0 picks a free one.")
@click.option("--scenario", default="healthy", show_default=True, help="How the providers behave.")
@click.option(
    "--provider-path", "provider_paths", multiple=True, help="Folder with a provider of your own. Repeatable."
)
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def sandbox(*, port: int, scenario: str, provider_paths: tuple[str, ...], until_stdin_closes: bool) -> None:
    """Serve an emulator of every provider on loopback."""
    from target_leads.providers import load_all  # noqa: PLC0415 -- as below
    from target_leads.sandbox import serve  # noqa: PLC0415 -- only this command needs the server

    definitions = load_all(provider_paths)
    serve(port=port, scenario=scenario, definitions=definitions, until_stdin_closes=until_stdin_closes)


def main() -> NoReturn:
    """Run the command and leave with its exit status. The last line on stderr says what happened and what to do."""
    try:
        sys.exit(target_leads.main(prog_name="target-leads", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except TargetLeadsError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(_exit_status(error))


def _run(
    target_class: type[TargetLeads], config_paths: tuple[str, ...], file_input: IO[bytes] | None, *, dry_run: bool
) -> int:
    """Do one run; returns its exit status."""
    target = None
    try:
        _set_up_logging(target_class)
        config = _read_config(config_paths)
        target = target_class(config=config, parse_env_config="ENV" in config_paths, dry_run=dry_run)
        with live_line(target.pipeline.report):
            target.run(file_input)
        exit_status, last_line = 0, success_line(target.pipeline.report, target.settings)
    except TargetLeadsError as error:
        exit_status, last_line = _exit_status(error), str(error)
    except Exception as error:  # noqa: BLE001 -- the last line of defence: its message may hold a value, so it is not shown
        exit_status = TargetLeadsError.exit_status
        last_line = f"An unforeseen error ended the run: {place_of(error)}. Nothing settled is lost. Please report it."
    if target is not None:
        with contextlib.suppress(TargetLeadsError):  # a store that fails now failed before, or tells less than that did
            target.close(exit_status)
        for line in summary(target.report, target.settings) if target.report else ():
            click.echo(line, err=True)
        if exit_status and target.report:
            click.echo(target.report.sentence(), err=True)
    click.echo(last_line, err=True)
    return exit_status


def _set_up_logging(target_class: type[TargetLeads]) -> None:
    """Log as the SDK does, by environment variables.

    Raises:
        SettingsError: the log level is none, or the file of log settings is wrong.
    """
    try:
        _ = target_class.cli
    except ValueError as error:
        raise SettingsError([f"TARGET_LEADS_LOGLEVEL, LOGLEVEL or SINGER_SDK_LOG_CONFIG: {error}."]) from None


def _exit_status(error: TargetLeadsError) -> int:
    return error.run_exit_status if isinstance(error, Interrupted) else error.exit_status


def _read_config(paths: tuple[str, ...]) -> dict[str, Any]:
    """Settings from files, later ones over earlier ones.

    Raises:
        SettingsError: a file cannot be read or is no JSON object; it names all that are so.
    """
    config: dict[str, Any] = {}
    findings = []
    for path in paths:
        if path == "ENV":
            continue
        try:
            settings = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            findings.append(f"--config {path}: cannot be read: {error.strerror}.")
        except ValueError as error:
            place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            findings.append(f"--config {path}: is no JSON{place}.")
        else:
            if isinstance(settings, dict):
                config |= settings
            else:
                findings.append(f"--config {path}: must be a JSON object of settings.")
    if findings:
        raise SettingsError(findings)
    return config
