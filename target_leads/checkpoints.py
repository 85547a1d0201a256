"""STATE lines wait here until every record before them is settled."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import simplejson

from target_leads.exceptions import TargetLeadsError

if TYPE_CHECKING:
    from collections.abc import Callable


class Checkpoints:
    """Holds the newest STATE. Only the newest counts: it covers all that the older ones do."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Write a released STATE with this, one line without its end at a time."""
        self._write = write
        self._waiting = ""
        self._written = ""

    def receive(self, state: Any) -> None:  # noqa: ANN401 -- a STATE's value is the tap's own affair
        """Keep a STATE of the tap. An empty one is no checkpoint: printed, it would clear the bookmark."""
        if state:
            self._waiting = simplejson.dumps(state, use_decimal=True, allow_nan=True)

    def release(self) -> None:
        """Write the newest STATE, unless it is the one written last. Every record received so far is settled."""
        if self._waiting and self._waiting != self._written:
            self._write(self._waiting)
            self._written = self._waiting
        self._waiting = ""


def print_line(line: str) -> None:
    """Write a STATE to standard output, where whoever keeps it reads it at once.

    Raises:
        TargetLeadsError: nobody reads it any more, or it cannot be kept.
    """
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError as error:
        # Python would complain again when it flushes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message = (
            f"STATE cannot be written to standard output: {error.strerror}. "
            "What was delivered is in the store. See to whatever reads the STATE, then run again."
        )
        raise TargetLeadsError(message) from None
