"""``target-leads runs``: what each run did."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from target_leads.commands.configuration import config_option, opened_store
from target_leads.commands.exit_statuses import exit_status_in_words
from target_leads.commands.parameters import WHOLE_NUMBER, Text
from target_leads.commands.tables import cell_text, format_option, minute_text, print_json, print_table
from target_leads.exceptions import SettingsError
from target_leads.models import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.store import PastRun, ReasonCount

_NOT_FOUND = 1
_REASONS = 10
_LATEST = "latest"
_SHORT = 8
"""Characters of a run's id that tell it from all others, as good as always."""


@click.group()
def runs() -> None:
    """Look back at runs. Times are in UTC."""


@runs.command("list")
@config_option
@click.option("--limit", type=WHOLE_NUMBER, default=20, show_default=True, help="How many runs, at most.")
@format_option
def list_(*, config_paths: tuple[str, ...], limit: int, as_format: str) -> None:
    """List runs, the newest first."""
    with opened_store(config_paths) as store:
        found = store.past.newest_runs(most=limit)
    if as_format == "json":
        print_json([_as_json(run) for run in found])
    elif found:
        columns = ["run", "started", "took", "ended", "received", "requests", "outcomes"]
        print_table([_row(run) for run in found], columns, optional=["requests", "took"])
    else:
        click.echo("There was no run yet.")


@runs.command()
@click.argument("run", type=Text())
@config_option
@format_option
@click.pass_context
def show(context: click.Context, *, run: str, config_paths: tuple[str, ...], as_format: str) -> None:
    """Show what one run did, why it refused records, and what to do next.

    RUN is the id of a run, or how it begins if no other begins so, or the word latest.
    """
    with opened_store(config_paths) as store:
        found = store.past.newest_runs(most=1) if run == _LATEST else store.past.runs_beginning_with(run, most=3)
        reasons = store.past.commonest_reasons(found[0].run_id, most=_REASONS) if found else []
    if len(found) > 1:
        first = ", ".join(each.run_id for each in found)
        raise SettingsError([f"More than one run begins with {run!r}, such as {first}. Give more of the id."])
    if not found:
        words = "there was no run yet" if run == _LATEST else f"there is no run {cell_text(run)}"
        click.echo(f"Error: {words}.", err=True)
        context.exit(_NOT_FOUND)
    if as_format == "json":
        print_json({**_as_json(found[0]), "reasons": [asdict(reason) for reason in reasons]})
    else:
        _print_words(found[0], reasons)


def _row(run: PastRun) -> dict[str, Any]:
    return {
        "run": run.run_id[:_SHORT],
        "started": minute_text(run.started_at),
        "took": _took(run),
        "ended": exit_status_in_words(run.exit_status).short,
        "received": run.received,
        "requests": run.requests,
        "outcomes": _counts(run.outcomes),
    }


def _as_json(run: PastRun) -> dict[str, Any]:
    """The columns of ``runs`` by name, each outcome's count at the top level as in the report."""
    values = {name: value for name, value in asdict(run).items() if name != "outcomes"}
    return {**values, **run.outcomes, "exit_status_means": exit_status_in_words(run.exit_status).meaning}


def _print_words(run: PastRun, reasons: list[ReasonCount]) -> None:
    status = exit_status_in_words(run.exit_status)
    ended = f"{minute_text(run.finished_at)}, after {_took(run)}" if run.finished_at else ""
    facts = {
        "Run": f"{run.run_id}, by release {run.version}",
        "Started": minute_text(run.started_at),
        "Ended": ended,
        "Status": f"{'none' if run.exit_status is None else run.exit_status}: {status.meaning}",
        "Received": f"{_counted(run.received, 'record')}: {_counts(run.outcomes) or 'none is settled'}",
        "Requests": str(run.requests),
    }
    print_table(
        [{"what": what, "words": words} for what, words in facts.items() if words], ["what", "words"], heading=False
    )
    if run.providers:
        click.echo()
        print_table([{"provider": name, **counts} for name, counts in run.providers.items()], _provider_columns(run))
    if reasons:
        click.echo("\nWhy records were refused, the commonest reason first")
        rows = [{**asdict(reason), "such_as": reason.lead_ids} for reason in reasons]
        print_table(rows, ["count", "provider", "outcome", "such_as", "reason"])
    if steps := list(_next_steps(run)):
        click.echo("\nWhat to do")
        print_table([{"mark": "-", "words": step} for step in steps], ["mark", "words"], heading=False)


def _provider_columns(run: PastRun) -> list[str]:
    return ["provider", *(name.value for name in Outcome if any(name in counts for counts in run.providers.values()))]


def _next_steps(run: PastRun) -> Iterator[str]:
    if next_step := exit_status_in_words(run.exit_status).next_step:
        yield next_step
    if run.refused:
        yield f"target-leads dead-letters list --since {run.started_at:%Y-%m-%dT%H:%M:%SZ} lists what was refused."
        yield "target-leads dead-letters replay sends it again, once its reason is mended."
    if run.outcomes[Outcome.UNCONFIRMED.value]:
        yield "The next run asks how the open jobs ended; it needs no records for that."


def _took(run: PastRun) -> str:
    """How long it took, to about the two largest units."""
    if run.finished_at is None:
        return ""
    seconds = max((run.finished_at - run.started_at).total_seconds(), 0)  # the clock may have been set back
    if seconds < 10:  # noqa: PLR2004 -- from there on a tenth tells nothing
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", "" if hours else f"{rest} s")
    return " ".join(filter(None, parts))


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _counts(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items() if count)
