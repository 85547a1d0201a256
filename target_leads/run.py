"""Does one run and says how it ended: the summary, the last line, the exit status."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING, Any

import click

from target_leads.config_files import ENVIRONMENT, read_config
from target_leads.exceptions import Interrupted, SettingsError, TargetLeadsError
from target_leads.progress import live_line
from target_leads.redaction import place_of
from target_leads.summary import success_line, summary

if TYPE_CHECKING:
    from target_leads.target import TargetLeads


def do_run(
    target_class: type[TargetLeads],
    config_paths: tuple[str, ...],
    file_input: IO[bytes] | None,
    *,
    dry_run: bool = False,
    **options: Any,  # noqa: ANN401 -- the target's own
) -> int:
    """Do one run with a target of this class; returns its exit status."""
    target = None
    try:
        _set_up_logging(target_class)
        config = read_config(config_paths)
        target = target_class(config=config, parse_env_config=ENVIRONMENT in config_paths, dry_run=dry_run, **options)
        with live_line(target.pipeline.report):
            target.run(file_input)
        exit_status, last_line = 0, success_line(target.pipeline.report, target.settings)
    except TargetLeadsError as error:
        exit_status, last_line = exit_status_of(error), str(error)
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


def exit_status_of(error: TargetLeadsError) -> int:
    """The exit status of a process that ends with this."""
    return error.run_exit_status if isinstance(error, Interrupted) else error.exit_status
