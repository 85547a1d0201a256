"""The run's report as JSON, for programs that watch over runs."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_leads import __version__
from target_leads.models import Outcome
from target_leads.report import by_word
from target_leads.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_leads.delivery import Plan
    from target_leads.report import RunReport

_LONGEST_REPORT_BYTES = 10_000_000
FORMAT_VERSION = 1
"""Of the shape below. It grows when a key goes or changes its meaning; new keys may come at any time."""
_REASONS_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended."""

    exit_status: int
    last_line: str
    """What the user reads last: the cause and the next step."""
    finished_at: float
    """Seconds since 1970-01-01 UTC."""
    input_lines: int


def report_as_json(report: RunReport, ending: Ending | None = None) -> dict[str, Any]:
    """What a run did; the shape is documented in docs/operations.md. Without an ending it is that of a run under way.

    Moments are ISO 8601 in UTC, durations seconds. Holds no value of a record but lead ids.
    """
    counts = report.counts()
    providers = report.providers
    return {
        "format_version": FORMAT_VERSION,
        "run_id": report.run_id or None,
        "version": __version__,
        "dry_run": report.is_dry_run,
        "started_at": _moment(report.started_at),
        "finished_at": _moment(ending.finished_at) if ending else None,
        "duration_seconds": round(ending.finished_at - report.started_at, 3) if ending else None,
        "exit_status": ending.exit_status if ending else None,
        "last_line": ending.last_line if ending else None,
        "input_lines": ending.input_lines if ending else 0,
        "received": counts["received"],
        **{outcome.value: counts[outcome.value] for outcome in Outcome},
        **_effort(report.traffic.values()),
        "providers": {
            provider: {**_counts(counter), **_effort([traffic]), **_latency(traffic)}
            for provider in sorted(providers.keys() | report.traffic.keys())
            for counter in (providers.get(provider, Counter()),)
            for traffic in (report.traffic.get(provider, Traffic()),)
        },
        "streams": {stream: _counts(counter) for stream, counter in report.streams.items()},
        "reasons": [
            {
                "provider": reason.provider,
                "outcome": reason.outcome.value,
                "reason": reason.words,
                "count": reason.count,
                "lead_ids": reason.lead_ids,
            }
            for reason in report.reasons.commonest()[:_REASONS_TOLD]
        ],
        "earlier_jobs": {
            "asked_after": report.jobs_looked_up,
            "not_asked_after": report.jobs_of_others,
            **by_word(report.jobs_ended),
        },
        "dead_letters_left_open": [
            {"provider": provider, "account": account, "count": count}
            for (provider, account), count in report.left_open.most_common()
        ],
        "plans": {
            provider: {"records": report.to_send[provider], **_plan(plan)}
            for provider, plan in sorted(report.plans.items())
        },
    }


def path_findings(path: object) -> Iterator[str]:
    """What keeps a report from being written to a path, if there is one, as far as a look can tell."""
    if not isinstance(path, str) or not path:
        return
    try:
        file = Path(os.path.realpath(path))
        file.exists()
    except OSError as error:
        yield f"report_path: {path} cannot be looked at: {error.strerror}. Name another file."
        return
    except ValueError:  # a NUL in it
        yield "report_path: is no path. Name a file."
        return
    if file.is_dir():
        yield f"report_path: {path} is a folder. Name a file."
    elif file.exists() and not file.is_file():
        yield f"report_path: {path} is no file. Name one."
    elif file.exists() and not _is_ours(file):
        yield f"report_path: {path} holds something that is no report. Name another file, or remove that one."
    elif not file.parent.is_dir():
        yield f"report_path: there is no folder {Path(path).parent}. Make it, or name another."
    elif not os.access(file.parent, os.W_OK | os.X_OK):
        yield f"report_path: {path} may not be written. Let the user of the run write to its folder, or name another."


def write_report(path: str, content: dict[str, Any]) -> None:
    """Write the report whole or not at all, readable by its owner only.

    Raises:
        OSError: it cannot be written.
    """
    file = Path(os.path.realpath(path))
    if file.exists() and not file.is_file():  # a rename would put the report in the place of a device
        raise OSError(errno.EINVAL, "is no file")
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".report.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2)
            stream.write("\n")
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _is_ours(file: Path) -> bool:
    """Whether a file is empty or an earlier report: no store and no settings must be lost to a slip of the pen."""
    try:
        text = file.read_text(encoding="utf-8") if file.stat().st_size <= _LONGEST_REPORT_BYTES else "too long"
        content = json.loads(text) if text else {"format_version": FORMAT_VERSION}
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "format_version" in content


def _counts(counter: Counter[Outcome]) -> dict[str, int]:
    return {"received": counter.total(), **{outcome.value: counter[outcome] for outcome in Outcome}}


def _effort(traffic: Iterable[Traffic]) -> dict[str, Any]:
    each = list(traffic)
    return {
        "requests": sum(one.requests for one in each),
        "retries": sum(one.retries for one in each),
        "waited_seconds": round(sum(one.waited_seconds for one in each), 3),
        "waited_for_limits_seconds": round(sum(one.waited_for_limits_seconds for one in each), 3),
    }


def _latency(traffic: Traffic) -> dict[str, float | None]:
    p50, p95 = traffic.latency(0.5), traffic.latency(0.95)
    return {
        "latency_p50_seconds": None if p50 is None else round(p50, 4),
        "latency_p95_seconds": None if p95 is None else round(p95, 4),
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {**asdict(plan), "fields": dict(plan.fields.most_common())}


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds")
