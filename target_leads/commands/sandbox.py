"""``target-leads sandbox``: the emulator, for a person."""

from __future__ import annotations

import textwrap

import click

from target_leads.providers import load_all
from target_leads.sandbox import SCENARIOS, serve

_WIDTH = 78


def _scenarios() -> str:
    """Name and description of each, as click prints it: the mark keeps it from wrapping the lines anew."""
    widest = max(map(len, SCENARIOS))
    lines = [
        line
        for name, kind in SCENARIOS.items()
        for line in textwrap.wrap(
            kind.description, _WIDTH, initial_indent=f"  {name:<{widest}}  ", subsequent_indent=" " * (widest + 4)
        )
    ]
    return "\n".join(["\b", "Scenarios:", *lines])


@click.command(epilog=_scenarios())
@click.option("--port", default=8765, show_default=True, help="Port on 127.0.0.1; 0 picks a free one.")
@click.option(
    "--scenario",
    default="healthy",
    type=click.Choice(list(SCENARIOS)),
    metavar="NAME",
    show_default=True,
    help="How the providers behave.",
)
@click.option(
    "--provider-path", "provider_paths", multiple=True, help="Folder with a provider of your own. Repeatable."
)
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def sandbox(*, port: int, scenario: str, provider_paths: tuple[str, ...], until_stdin_closes: bool) -> None:
    """Serve an emulator of every provider on loopback."""
    definitions = load_all(provider_paths)
    serve(port=port, scenario=scenario, definitions=definitions, until_stdin_closes=until_stdin_closes)
