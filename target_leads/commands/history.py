"""``target-leads history``: every change that was sent for one lead."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from target_leads.commands.configuration import config_option, opened_store
from target_leads.commands.parameters import Text
from target_leads.commands.tables import cell_text, format_option, minute_text, print_json, print_table

if TYPE_CHECKING:
    from target_leads.store import LeadHistory
    from target_leads.store.lead_history import Change, KnownLead, OpenDeadLetter, PendingJob

_NOT_FOUND = 1
_DEFAULT_ACCOUNT = "default"
_SHORT = 8
_A_MINUTE = datetime.timedelta(minutes=1)
"""A replayed dead letter has older data than that; a record that is sent as it comes has not."""


@click.command(short_help="Show every change that was sent for one lead.")
@click.argument("lead_id", type=Text())
@config_option
@click.option("--provider", default="", type=Text(), help="At this provider only.")
@format_option
@click.pass_context
def history(
    context: click.Context, *, lead_id: str, config_paths: tuple[str, ...], provider: str, as_format: str
) -> None:
    """Show what became of each record of one lead, oldest first, and what is known of the lead now.

    Of fields only the names are kept. A record that changed nothing leaves no trace, and what is older than
    retention_days is removed. Times are in UTC. Status 1 if nothing is known of the lead.
    """
    with opened_store(config_paths) as store:
        found = store.past.lead_history(lead_id, provider=provider)
    if as_format == "json":
        print_json({"lead_id": lead_id, **asdict(found)})
    elif found:
        _print_words(found)
    if not found:
        at = f" at {cell_text(provider)}" if provider else ""
        click.echo(f"Error: nothing is known of the lead {cell_text(lead_id)}{at}.", err=True)
        context.exit(_NOT_FOUND)


def _print_words(found: LeadHistory) -> None:
    if found.changes:
        columns = ["when", "provider", "outcome", "tries", "run", "request", "fields", "answer"]
        rows = [_row(change) for change in found.changes]
        print_table(rows, columns, prose=["fields", "answer"], optional=["tries", "run", "request"])
    sentences = [
        *map(_state, found.known),
        *(f"{_filed(each)} is open: target-leads dead-letters show {each.id}" for each in found.dead_letters),
        *(f"{_begun(each)} is open: the next run asks how it ended." for each in found.open_jobs),
    ]
    if sentences:
        click.echo("\nNow" if found.changes else "Now")
        print_table([{"mark": "-", "words": words} for words in sentences], ["mark", "words"], heading=False)


def _row(change: Change) -> dict[str, Any]:
    return {
        "when": minute_text(change.settled_at),
        "provider": _place(change.provider, change.account),
        "outcome": change.outcome,
        "tries": change.attempts,
        "run": change.run_id[:_SHORT],
        "request": change.request_id,
        "fields": change.fields,
        "answer": change.reason or change.status,
    }


def _state(known: KnownLead) -> str:
    where = f"{_place(known.provider, known.account)} ({known.base_url})"
    if not known.is_known:
        return f"What {where} has of it is not known, so the next record of it is sent whole."
    version = f", version {known.version}" if known.version is not None else ""
    is_older = known.as_of is not None and known.accepted_at - known.as_of > _A_MINUTE
    as_of = f", with data of {minute_text(known.as_of)}" if is_older else ""
    return f"{where} accepted it last at {minute_text(known.accepted_at)}{as_of}{version}."


def _filed(letter: OpenDeadLetter) -> str:
    return f"Dead letter {letter.id} of {minute_text(letter.created_at)}, {_place(letter.provider, letter.account)},"


def _begun(job: PendingJob) -> str:
    return f"Job {job.job_id} of {minute_text(job.created_at)}, {_place(job.provider, job.account)},"


def _place(provider: str, account: str) -> str:
    return provider if account in ("", _DEFAULT_ACCOUNT) else f"{provider}/{account}"
