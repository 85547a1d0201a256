"""``target-leads dead-letters``: works on what was refused."""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
import simplejson

from target_leads.commands.tables import print_table
from target_leads.config_files import ENVIRONMENT, read_config
from target_leads.models import Outcome
from target_leads.redaction import printable
from target_leads.store import DeadLetterFilter, Store, singer_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.store import DeadLetter

_OUTCOMES = [outcome.value for outcome in Outcome if outcome.is_dead_letter]


class _Moment(click.ParamType[datetime.datetime]):
    """A date, or a date with a time; without a zone it is UTC."""

    name = "date"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime.datetime:
        """Read it."""
        try:
            moment = datetime.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{value} is no date such as 2026-03-29 or 2026-03-29T07:00:00+00:00.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def _with_those_before(config_paths: tuple[str, ...]) -> tuple[str, ...]:
    """All settings files, those too that stand before the subcommand."""
    before: tuple[str, ...] = click.get_current_context().find_root().params.get("config_paths") or ()
    return (*before, *config_paths)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which open dead letters are meant, and the store that holds them."""
    options = [
        click.option("--config", "config_paths", multiple=True, help="Settings: a JSON file, or ENV. Repeatable."),
        click.option("--id", "ids", type=int, multiple=True, help="Number of a dead letter. Repeatable."),
        click.option("--provider", default="", help="Those for this provider."),
        click.option("--stream", default="", help="Those of this stream."),
        click.option("--outcome", default="", type=click.Choice(["", *_OUTCOMES]), help="Those that ended so."),
        click.option("--reason", default="", help="Those whose reason holds these words."),
        click.option("--since", type=_Moment(), help="Those filed at this moment or later."),
        click.option("--until", type=_Moment(), help="Those filed before this moment."),
    ]

    @functools.wraps(command)
    def wrapped(*, config_paths: tuple[str, ...], **given: Any) -> Any:  # noqa: ANN401 -- whatever the command returns
        config_paths = _with_those_before(config_paths)
        names = {"ids", "provider", "stream", "outcome", "reason", "since", "until"}
        which = DeadLetterFilter(**{name: given.pop(name) for name in names})
        return command(config_paths=config_paths, which=which, **given)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at what was refused, send it again, or put it aside. Without a filter every open dead letter is meant."""


_format = click.option(
    "--format",
    "as_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for scripts.",
)


@dead_letters.command("list")
@_filtered
@_format
def list_(*, config_paths: tuple[str, ...], which: DeadLetterFilter, as_format: str) -> None:
    """List open dead letters, oldest first. Shows no field's value."""
    with _store(config_paths) as store:
        rows = [_row(letter) for letter in store.dead_letters(which)]
    if as_format == "json":
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        shown = [{**row, "filed": row["created_at"][:16].replace("T", " ")} for row in rows]
        print_table(shown, ["id", "filed", "stream", "provider", "lead_id", "outcome", "reason"])
    else:
        click.echo("There is no open dead letter of this kind.")


@dead_letters.command()
@click.argument("dead_letter_id", type=int)
@click.option("--config", "config_paths", multiple=True, help="Settings: a JSON file, or ENV. Repeatable.")
@_format
@click.pass_context
def show(context: click.Context, *, dead_letter_id: int, config_paths: tuple[str, ...], as_format: str) -> None:
    """Print one open dead letter, with the record as the tap sent it."""
    with _store(_with_those_before(config_paths)) as store:
        letter = store.open_dead_letter(dead_letter_id)
    if letter is None:
        click.echo(f"There is no open dead letter {dead_letter_id}.", err=True)
        context.exit(1)
    record = {"violations": [asdict(violation) for violation in letter.violations], "record": letter.record}
    if as_format == "json":
        click.echo(simplejson.dumps({**_row(letter), **record}, use_decimal=True, indent=2))
        return
    for name, value in _row(letter).items():
        if value not in (None, ""):
            click.echo(f"{name.replace('_', ' '):<12}{printable(str(value))}")
    for violation in letter.violations:
        click.echo(f"{'violation':<12}{printable(str(violation))}")
    click.echo(f"record      {simplejson.dumps(letter.record, use_decimal=True, indent=2)}")


@dead_letters.command()
@_filtered
def export(*, config_paths: tuple[str, ...], which: DeadLetterFilter) -> None:
    """Print open dead letters as Singer messages: piped into target-leads they are sent again."""
    with _store(config_paths) as store:
        for message in singer_messages(store.dead_letters(which), store.identity):
            sys.stdout.write(simplejson.dumps(message, use_decimal=True, allow_nan=True) + "\n")


@dead_letters.command()
@_filtered
@click.pass_context
def replay(context: click.Context, *, config_paths: tuple[str, ...], which: DeadLetterFilter) -> None:
    """Send open dead letters again, oldest first, through the whole pipeline.

    Status 0 when every one is closed, 3 when some were refused again.
    """
    with _store(config_paths):
        pass  # it has to be there
    from target_leads.replay import replay as send_again  # noqa: PLC0415 -- the SDK takes half a second

    context.exit(send_again(config_paths, which))


@dead_letters.command()
@_filtered
@click.option("--because", required=True, help="Why they need not be sent; kept with them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_format
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
    with _store(config_paths) as store:
        ids = [letter.dead_letter_id for letter in store.dead_letters(which)]
        if not ids and as_format == "table":
            click.echo("There is no open dead letter of this kind.")
            return
        letters = f"{len(ids)} dead letter{'' if len(ids) == 1 else 's'}"
        if ids and not yes and not click.confirm(f"Discard {letters}? They will not be sent again.", err=True):
            click.echo("Nothing was discarded.", err=True)
            context.exit(1)
        discarded = store.discard(ids, because=because)
        as_json = json.dumps({"found": len(ids), "discarded": discarded})
        click.echo(as_json if as_format == "json" else f"Discarded {discarded} of {letters}.")


@contextlib.contextmanager
def _store(config_paths: tuple[str, ...]) -> Iterator[Store]:
    """The store that the settings name. It must be there: nobody looks into an empty one on purpose."""
    config = read_config(config_paths)
    if ENVIRONMENT in config_paths:
        from target_leads.environment import settings_from_environment  # noqa: PLC0415 -- the SDK takes half a second
        from target_leads.settings import schema  # noqa: PLC0415 -- likewise

        config |= settings_from_environment(schema())
    from target_leads.settings import Settings  # noqa: PLC0415 -- likewise

    url = Settings.from_config({name: value for name, value in config.items() if name == "store_url"}).store_url
    with contextlib.closing(Store(url, now=time.time, must_exist=True)) as store:
        yield store


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.dead_letter_id,
        "created_at": letter.created_at.isoformat(timespec="seconds"),
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
