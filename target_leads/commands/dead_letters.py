"""``target-leads dead-letters``: works on what was refused."""

from __future__ import annotations

import functools
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
import simplejson

from target_leads.commands.configuration import config_option, given_settings, opened_store
from target_leads.commands.parameters import WHOLE_NUMBER, Moment, Words
from target_leads.commands.tables import format_option, minute_text, moment_text, print_json, print_table
from target_leads.exceptions import SettingsError
from target_leads.models import Outcome
from target_leads.redaction import printable
from target_leads.store import DeadLetterFilter, singer_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.store import DeadLetter

_OUTCOMES = [outcome.value for outcome in Outcome if outcome.is_dead_letter]
_NONE = "There is no open dead letter of this kind."


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which open dead letters are meant."""
    options = [
        config_option,
        click.option("--id", "ids", type=WHOLE_NUMBER, multiple=True, help="Number of a dead letter. Repeatable."),
        click.option("--provider", default=None, type=Words(), help="Those for this provider."),
        click.option("--stream", default=None, type=Words(), help="Those of this stream."),
        click.option("--outcome", default=None, type=click.Choice(_OUTCOMES), help="Those that ended so."),
        click.option("--reason", default=None, type=Words(), help="Those whose reason holds these words."),
        click.option("--since", type=Moment(), help="Those that came at this moment, in UTC, or later."),
        click.option("--until", type=Moment(), help="Those that came before this moment, in UTC."),
    ]

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401 -- whatever the command returns
        names = ("ids", "provider", "stream", "outcome", "reason", "since", "until")
        wanted = {name: given.pop(name) for name in names}
        which = DeadLetterFilter(**{name: value for name, value in wanted.items() if value is not None})
        return command(which=which, **given)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at what was refused, send it again, or put it aside. Without a filter every open dead letter is meant."""


@dead_letters.command("list")
@_filtered
@format_option
def list_(*, config_paths: tuple[str, ...], which: DeadLetterFilter, as_format: str) -> None:
    """List open dead letters, oldest first. Shows no field's value. Times are in UTC."""
    with opened_store(config_paths) as store:
        rows = [_row(letter) for letter in store.dead_letters(which)]
    if as_format == "json":
        print_json(rows)
    elif rows:
        shown = [{**row, "filed": minute_text(row["created_at"])} for row in rows]
        columns = ["id", "filed", "stream", "provider", "lead_id", "outcome", "reason"]
        print_table(shown, columns, optional=["stream", "filed"])
    else:
        click.echo(_NONE)


@dead_letters.command()
@click.argument("dead_letter_id", type=WHOLE_NUMBER)
@config_option
@format_option
@click.pass_context
def show(context: click.Context, *, dead_letter_id: int, config_paths: tuple[str, ...], as_format: str) -> None:
    """Print one open dead letter, with the record as the tap sent it."""
    with opened_store(config_paths) as store:
        letter = store.open_dead_letter(dead_letter_id)
    if letter is None:
        click.echo(f"Error: there is no open dead letter {dead_letter_id}.", err=True)
        context.exit(1)
    row = {**_row(letter), "created_at": moment_text(letter.created_at)}
    if as_format == "json":
        violations = [asdict(violation) for violation in letter.violations]
        whole = {**row, "violations": violations, "record": letter.record}
        click.echo(simplejson.dumps(whole, use_decimal=True, indent=2))
        return
    for name, value in row.items():
        if value not in (None, ""):
            click.echo(f"{name.replace('_', ' '):<12}{printable(str(value))}")
    for violation in letter.violations:
        click.echo(f"{'violation':<12}{printable(str(violation))}")
    click.echo(f"record      {simplejson.dumps(letter.record, use_decimal=True, indent=2)}")


@dead_letters.command()
@_filtered
def export(*, config_paths: tuple[str, ...], which: DeadLetterFilter) -> None:
    """Print open dead letters as Singer messages: piped into target-leads they are sent again."""
    with opened_store(config_paths) as store:
        for message in singer_messages(store.dead_letters(which), store.identity):
            sys.stdout.write(simplejson.dumps(message, use_decimal=True, allow_nan=True) + "\n")


@dead_letters.command()
@_filtered
@format_option
@click.pass_context
def replay(context: click.Context, *, config_paths: tuple[str, ...], which: DeadLetterFilter, as_format: str) -> None:
    """Send open dead letters again, oldest first, through the whole pipeline. As JSON its report is printed.

    Status 0 when every one that was sent is closed, 3 when some were refused again. Those of accounts that the settings
    do not name stay open.
    """
    _refuse_dry_run(context, config_paths, "sent again for good or not at all")
    with opened_store(config_paths) as store:
        if as_format == "table" and next(store.dead_letters(which), None) is None:
            click.echo(_NONE)
            return
    from target_leads.replay import replay as send_again  # noqa: PLC0415 -- the SDK takes half a second

    context.exit(send_again(config_paths, which, prints_report=as_format == "json"))


@dead_letters.command()
@_filtered
@click.option("--because", required=True, type=Words(), help="Why they need not be sent; kept with them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@click.pass_context
def discard(
    context: click.Context,
    *,
    config_paths: tuple[str, ...],
    which: DeadLetterFilter,
    because: str,
    yes: bool,
    as_format: str,
) -> None:
    """Close open dead letters that will never be sent."""
    _refuse_dry_run(context, config_paths, "discarded for good or not at all")
    with opened_store(config_paths) as store:
        ids = [letter.dead_letter_id for letter in store.dead_letters(which)]
        letters = f"{len(ids)} dead letter{'' if len(ids) == 1 else 's'}"
        if ids and not yes and not _is_confirmed(f"Discard {letters}, never to be sent?"):
            click.echo("Nothing was discarded.", err=True)
            context.exit(1)
        discarded = store.discard(ids, because=because)
    if as_format == "json":
        print_json({"found": len(ids), "discarded": discarded})
    else:
        click.echo(f"Discarded {discarded} of {letters}." if ids else _NONE)


def _is_confirmed(question: str) -> bool:
    """Ask.

    Raises:
        click.ClickException: nobody is there to answer.
    """
    try:
        return click.confirm(question, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            click.echo(err=True)
            message = "There is nobody to ask. Give --yes to discard without a question."
            raise click.ClickException(message) from None
        raise


def _refuse_dry_run(context: click.Context, config_paths: tuple[str, ...], what_is_done: str) -> None:
    """A rehearsal must close nothing.

    Raises:
        SettingsError: the settings, or the option before the subcommand, ask for a dry run.
    """
    if context.find_root().params.get("dry_run") or given_settings(config_paths).get("dry_run"):
        raise SettingsError([f"dry_run: dead letters are {what_is_done}. Leave dry_run out."])


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.dead_letter_id,
        "created_at": letter.created_at,
        "run_id": letter.run_id,
        "stream": letter.stream,
        "provider": letter.provider,
        "account": letter.account,
        "lead_id": letter.lead_id,
        "outcome": letter.outcome.value,
        "reason": letter.reason,
        "status": letter.status,
        "error_code": letter.error_code,
        "request_id": letter.request_id,
        "attempts": letter.attempts,
        "job_id": letter.job_id,
    }
