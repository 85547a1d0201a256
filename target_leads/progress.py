"""A live line on a terminal while a run goes on."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.report import RunReport

_REFRESHES_PER_SECOND = 4


@contextlib.contextmanager
def live_line(report: RunReport) -> Iterator[None]:
    """Show on stderr how far the run is, as long as the ``with`` block lasts; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 -- takes time to import, and only a terminal needs it
    from rich.live import Live  # noqa: PLC0415 -- likewise
    from rich.text import Text  # noqa: PLC0415 -- likewise

    started_at = time.monotonic()

    def line() -> Text:
        rate = report.settled / max(time.monotonic() - started_at, 1e-3)
        refused = f", {report.dead_letters:,} refused" if report.dead_letters else ""
        return Text(f"{report.received:,} records read, {report.settled:,} settled{refused}, {rate:,.0f} a second")

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            Live(
                get_renderable=line,
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
