"""The command ``target-leads``: a Singer target, with subcommands for the person who operates it."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import IO, NoReturn

import click

from target_leads.commands.dead_letters import dead_letters
from target_leads.exceptions import TargetLeadsError
from target_leads.run import do_run, exit_status_of


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
            context.exit(do_run(TargetLeads, config_paths, file_input, dry_run=dry_run))


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


target_leads.add_command(dead_letters)


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
        sys.exit(exit_status_of(error))
