"""What a run did, in words for the person who looks at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_leads.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.report import RunReport
    from target_leads.settings import Settings


def summary(report: RunReport, settings: Settings) -> Iterator[str]:
    """A line for each provider, then what was refused, why, and where it is kept."""
    yield from report.lines()
    if count := report.dead_letters + report.dead_letters_of_jobs:
        dead_letters = f"{count} dead letter{'' if count == 1 else 's'}"
        kept = "not kept, as this is a dry run" if settings.dry_run else f"in {without_secrets(settings.store_url)}"
        yield f"{dead_letters}, {kept}:"
        yield from (f"  {reason}" for reason in report.commonest_reasons())


def success_line(report: RunReport, settings: Settings) -> str:
    """The last line of a run that settled everything."""
    if settings.dry_run:
        return f"Dry run: nothing was sent. {report.dry_run_sentence()}"
    return f"Done. {report.sentence()} Run {report.run_id}."
