"""What a run did, in words for the person who looks at its end: one page, read in ten seconds, from below."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from target_leads.models import Outcome
from target_leads.redaction import without_secrets
from target_leads.report import by_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_leads.report import RunReport
    from target_leads.settings import Settings

_WIDTH = 80
"""Of tables and of lists; whoever has a wider terminal reads them as well."""
_FIELDS_TOLD = 8
_REASONS_TOLD = 5
_ACCOUNTS_TOLD = 3
_KEPT_TOGETHER = "\N{NO-BREAK SPACE}"

Row = tuple[str, "Mapping[str, str]"]
"""What is told, and what there is to tell of each provider."""


def summary(report: RunReport, settings: Settings, *, seconds: float) -> Iterator[str]:
    """A page: what became of the records of each provider and what it took, then what was refused and where it is kept.

    Nothing of a run that had nothing to do.
    """
    first, *others = (
        [*_first_line(report, seconds=seconds), *_tables([*_outcomes(report)], [*_effort(report)])],
        [*_fields(report)],
        [*_jobs(report)],
        [*_dead_letters(report, settings)],
        [*_left_open(report)],
    )
    yield from first
    for block in filter(None, others):
        yield from ("", *block)


def last_line(report: RunReport) -> str:
    """The last line of a run that settled everything."""
    return f"{'Dry run: nothing was sent.' if report.is_dry_run else 'Done.'} {sentence(report)}"


def sentence(report: RunReport) -> str:
    """All providers together, in a sentence."""
    totals = sum(report.providers.values(), Counter[Outcome]())
    to_send = report.to_send.total()
    totals[Outcome.UNSETTLED] -= to_send
    words = [f"{to_send:,} would be sent"] if to_send else []
    words += [f"{count:,} {word}" for word, count in by_word(totals).items()]
    jobs = f" {counted(ended, 'job')} of earlier runs ended." if (ended := report.jobs_ended.total()) else ""
    left = f" {counted(count, 'dead letter')} left open." if (count := report.left_open.total()) else ""
    run = "" if report.is_dry_run else f" Run {report.run_id}."
    return f"{counted(report.received, 'record')} received: {', '.join(words) or 'nothing to do'}.{jobs}{left}{run}"


def counted(count: int, thing: str) -> str:
    """So many things, in words."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time in words: 4.1 s, 12 min 5 s, 3 h 10 min."""
    if seconds < 59.95:  # noqa: PLR2004 -- what is less than a minute when it is rounded
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def _first_line(report: RunReport, *, seconds: float) -> Iterator[str]:
    if report.received:
        yield f"{counted(report.received, 'record')} in {duration(seconds)}."


def _outcomes(report: RunReport) -> Iterator[Row]:
    """How many records of each provider ended how."""
    counts = report.providers
    yield "records", {provider: f"{counter.total():,}" for provider, counter in counts.items()}
    yield "to send", {provider: f"{count:,}" for provider, count in report.to_send.items()}
    for provider, count in report.to_send.items():
        counts[provider][Outcome.UNSETTLED] -= count
    for outcome in Outcome:
        ended = {provider: counter[outcome] for provider, counter in counts.items()}
        yield outcome.value, {provider: f"{count:,}" for provider, count in ended.items() if count}


def _effort(report: RunReport) -> Iterator[Row]:
    """What it took, or would take."""
    plans, traffic = report.plans.items(), report.traffic.items()
    yield "leads", {provider: f"{plan.leads:,}" for provider, plan in plans}
    yield "new leads", {provider: f"{plan.new_leads:,}" for provider, plan in plans if plan.new_leads}
    requests = {provider: plan.requests for provider, plan in plans}
    requests |= {provider: each.requests for provider, each in traffic}
    yield "requests", {provider: f"{count:,}" for provider, count in requests.items() if count}
    yield "at least", {provider: duration(plan.least_seconds) for provider, plan in plans if plan.least_seconds}
    yield "repeated", {provider: f"{each.retries:,}" for provider, each in traffic if each.retries}
    waits = {provider: each.waited_for_limits_seconds for provider, each in traffic}
    yield "held back", {provider: duration(seconds) for provider, seconds in waits.items() if seconds}
    latencies = {provider: each.latency(0.95) for provider, each in traffic}
    yield "p95 answer", {provider: _latency(seconds) for provider, seconds in latencies.items() if seconds is not None}


def _latency(seconds: float) -> str:
    """With as many digits as it is known to: 30 ms, 0.4 s, 12 s."""
    if seconds < 0.0995:  # noqa: PLR2004 -- what is less than 0.1 s when it is rounded
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"  # noqa: PLR2004 -- likewise with 10 s


def _tables(*groups: list[Row]) -> Iterator[str]:
    """Tables with a column for each provider, as many side by side as there is room for."""
    rows = [row for group in groups for row in group if row[1]]
    label_width = max((len(label) for label, _ in rows), default=0)
    widths = {
        provider: max(len(provider), *(len(cells.get(provider, "")) for _, cells in rows))
        for provider in sorted({provider for _, cells in rows for provider in cells})
    }
    for number, columns in enumerate(_side_by_side(widths, room=_WIDTH - label_width)):
        if number:
            yield ""
        yield _line("", ((provider, widths[provider]) for provider in columns), label_width)
        told = [[row for row in group if not row[1].keys().isdisjoint(columns)] for group in groups]
        for index, group in enumerate(filter(None, told)):
            if index:
                yield ""
            for label, cells in group:
                yield _line(label, ((cells.get(provider, "-"), widths[provider]) for provider in columns), label_width)


def _line(label: str, cells: Iterable[tuple[str, int]], label_width: int) -> str:
    return f"{label:{label_width}}{''.join(f'  {cell:>{width}}' for cell, width in cells)}"


def _side_by_side(widths: Mapping[str, int], *, room: int) -> Iterator[list[str]]:
    columns: list[str] = []
    taken = 0
    for provider, width in widths.items():
        if columns and taken + width + 2 > room:
            yield columns
            columns, taken = [], 0
        columns.append(provider)
        taken += width + 2
    if columns:
        yield columns


def _fields(report: RunReport) -> Iterator[str]:
    """How many leads each field would change, the commonest first."""
    plans = {provider: plan for provider, plan in sorted(report.plans.items()) if plan.fields}
    if plans:
        yield "Fields that would change, each with how many leads:"
    label_width = max(map(len, plans), default=0) + 4
    for provider, plan in plans.items():
        told = [f"{name}{_KEPT_TOGETHER}{count:,}" for name, count in plan.fields.most_common(_FIELDS_TOLD)]
        if more := len(plan.fields) - len(told):
            told.append(f"and {counted(more, 'other field')}".replace(" ", _KEPT_TOGETHER))
        lines = textwrap.wrap(
            ", ".join(told),
            _WIDTH,
            initial_indent=f"  {provider}".ljust(label_width),
            subsequent_indent=" " * label_width,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from (line.replace(_KEPT_TOGETHER, " ") for line in lines)


def _jobs(report: RunReport) -> Iterator[str]:
    """What became of the jobs that earlier runs left open."""
    if report.jobs_looked_up:
        ended = [f"{count:,} {word}" for word, count in by_word(report.jobs_ended).items()]
        if still_open := report.jobs_looked_up - report.jobs_ended.total():
            ended.append(f"{still_open:,} still open")
        yield f"{counted(report.jobs_looked_up, 'open job')} of earlier runs: {', '.join(ended)}"
    if report.jobs_of_others:
        jobs = counted(report.jobs_of_others, "open job")
        yield f"{jobs} of accounts or base URLs that the settings do not name: not asked after"


def _dead_letters(report: RunReport, settings: Settings) -> Iterator[str]:
    """What was refused, where it is kept, and the commonest reasons."""
    count = report.dead_letters + report.dead_letters_of_jobs
    if not count:
        return
    kept = "not kept, as this is a dry run" if report.is_dry_run else f"in {without_secrets(settings.store_url)}"
    yield f"{counted(count, 'dead letter')}, {kept}:"
    reasons = report.reasons.commonest()
    yield from (f"  {reason}" for reason in reasons[:_REASONS_TOLD])
    if more := len(reasons[_REASONS_TOLD:]):
        yield f"  … for {counted(more, 'other reason')}"


def _left_open(report: RunReport) -> Iterator[str]:
    """Dead letters that were not sent again, whose they are, and what to do."""
    if not report.left_open:
        return
    told, total = report.left_open.most_common(_ACCOUNTS_TOLD), report.left_open.total()
    accounts = [f"{count:,} of {provider}/{account}" for (provider, account), count in told]
    if more := total - sum(count for _, count in told):
        accounts.append(f"{more:,} of others")
    yield (
        f"{counted(total, 'dead letter')} left open, of accounts that the settings do not name: {', '.join(accounts)}. "
        "Replay them with the settings of that account, or put them aside: target-leads dead-letters discard."
    )
