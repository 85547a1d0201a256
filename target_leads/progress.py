"""How far a run is, while it goes on: a live line on a terminal, else a plain line now and then."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from target_leads.models import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.report import RunReport

_REFRESHES_PER_SECOND = 4
_LINE_EVERY_SECONDS = 30.0


@contextlib.contextmanager
def progress(report: RunReport) -> Iterator[None]:
    """Show on stderr how far the run is, as long as the ``with`` block lasts."""
    with _live_line(report) if sys.stderr.isatty() else _plain_lines(report):
        yield


def line(report: RunReport, *, seconds: float, now: float) -> str:
    """How far a run is after so many seconds, and what it waits for `now`, on the clock's monotonic time."""
    to_send = report.to_send.total()
    sent = f"{to_send:,} to send" if report.is_dry_run else f"{report.count(Outcome.DELIVERED):,} delivered"
    words = [f"{report.received:,} records read", sent]
    if unchanged := report.count(Outcome.UNCHANGED):
        words.append(f"{unchanged:,} unchanged")
    if report.dead_letters:
        words.append(f"{report.dead_letters:,} refused")
    words.append(f"{(report.settled + to_send) / max(seconds, 1e-3):,.0f} a second")
    waiting = "; ".join(_waiting(report, now))
    return f"{', '.join(words)}{f'; waiting for {waiting}' if waiting else ''}"


def lines(report: RunReport, wait: Callable[[float], bool]) -> Iterator[str]:
    """A line every thirty seconds, until `wait` says that the run is over."""
    started_at = time.monotonic()
    while not wait(_LINE_EVERY_SECONDS):
        now = time.monotonic()
        yield line(report, seconds=now - started_at, now=now)


def _waiting(report: RunReport, now: float) -> Iterator[str]:
    for provider, traffic in sorted(report.traffic.copy().items()):
        waiting = traffic.waiting
        if waiting is not None and waiting.until > now:
            yield f"{provider}: {waiting.why}, {math.ceil(waiting.until - now):,} s"
        elif traffic.open_jobs:
            yield f"{provider}: {traffic.open_jobs:,} job{'' if traffic.open_jobs == 1 else 's'}"


@contextlib.contextmanager
def _plain_lines(report: RunReport) -> Iterator[None]:
    over = threading.Event()

    def tell() -> None:
        for told in lines(report, over.wait):
            with contextlib.suppress(OSError):
                click.echo(told, err=True)

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _live_line(report: RunReport) -> Iterator[None]:
    from rich.console import Console  # noqa: PLC0415 -- takes time to import, and only a terminal needs it
    from rich.live import Live  # noqa: PLC0415 -- likewise
    from rich.text import Text  # noqa: PLC0415 -- likewise

    started_at = time.monotonic()

    def renderable() -> Text:
        now = time.monotonic()
        return Text(line(report, seconds=now - started_at, now=now))

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            Live(
                get_renderable=renderable,
                console=Console(stderr=True),
                refresh_per_second=_REFRESHES_PER_SECOND,
                transient=True,
                redirect_stdout=False,
            )
        )
        # Log lines written around the live line would tear it: let them go through it.
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                stack.callback(handler.setStream, handler.stream)
                handler.setStream(sys.stderr)
        yield
