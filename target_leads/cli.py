"""The command ``target-leads``: a Singer target, with subcommands for the person who operates it."""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata, resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from target_leads.exceptions import TargetLeadsError
from target_leads.redaction import place_of, printable
from target_leads.run import do_run, exit_status_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUBCOMMANDS = ("check", "dead-letters", "history", "providers", "runs", "sandbox")


class _Subcommands(click.Group):
    """Imports a subcommand when it is asked for: a run needs none of them, and none what the others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- the signature is click's
        """Names of all, for --help."""
        return list(_SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- likewise
        """The one of this name: it is called as its module is."""
        if cmd_name not in _SUBCOMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"target_leads.commands.{name}"), name)
        return command


@click.group(cls=_Subcommands, invoke_without_command=True)
@click.option(
    "--config",
    "config_paths",
    multiple=True,
    help="Settings: a JSON file, or ENV for environment variables. Repeatable; later files win, variables over all.",
)
@click.option(
    "--input", "file_input", type=click.File("rb"), help="Singer messages to read, instead of standard input."
)
@click.option("--dry-run", is_flag=True, help="Validate, map and compare, report what would be sent; send nothing.")
@click.option("--about", is_flag=True, help="Print what the target can do and every setting.")
@click.option(
    "--format",
    "about_format",
    type=click.Choice(["json", "markdown", "meltano"]),
    help="How --about prints. meltano: the definition of the loader, for meltano add --from-ref.",
)
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
    if about_format and not about:
        message = "--format says how --about prints. Give --about as well."
        raise click.UsageError(message)
    if version:
        click.echo(f"target-leads v{metadata.version('target-leads')}, Meltano SDK v{metadata.version('singer-sdk')}")
    elif about and about_format == "meltano":
        click.echo(resources.files("target_leads").joinpath("target-leads.yml").read_text(encoding="utf-8"), nl=False)
    elif context.invoked_subcommand is None:
        from target_leads.target import TargetLeads  # noqa: PLC0415 -- the SDK takes half a second, subcommands none of it

        if about:
            TargetLeads.print_about(about_format)
        else:
            context.exit(do_run(TargetLeads, config_paths, file_input, mistakes=_mistakes, dry_run=dry_run))


def _mistakes(config: Mapping[str, Any], *, variables_count: bool) -> Sequence[str]:
    from target_leads.configuration import mistakes  # noqa: PLC0415 -- asked for only when something is wrong

    return mistakes(config, variables_count=variables_count)


@target_leads.result_callback()
def _write_the_rest(*_: object, **__: object) -> None:
    """Write what is left here, where click knows what to do if nobody reads it any more, as after ``| head``."""
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and leave with its exit status. The last line on stderr says what happened and what to do.

    `arguments` stand for those of the process.
    """
    if sys.stderr is None:  # closed by whoever started the process
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- as long as the process lives
    if sys.stdout is None:
        click.echo("Error: standard output is closed, but STATE and answers have to go somewhere.", err=True)
        sys.exit(TargetLeadsError.exit_status)
    try:
        sys.exit(target_leads.main(arguments, prog_name="target-leads", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except TargetLeadsError as error:
        click.echo(f"Error: {words_of(error)}", err=True)
        sys.exit(exit_status_of(error))
    except OSError as error:
        what = printable(str(error.filename)) if error.filename else "standard output"
        words = f"{what} cannot be {'used' if error.filename else 'written'}: {error.strerror or type(error).__name__}"
        click.echo(f"Error: {words}.", err=True)
        sys.exit(TargetLeadsError.exit_status)
    except Exception as error:  # noqa: BLE001 -- the last line of defence: its message may hold a value, so it is not shown
        click.echo(f"An unforeseen error: {place_of(error)}. Please report it.", err=True)
        sys.exit(TargetLeadsError.exit_status)
