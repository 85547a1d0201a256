"""What a run does when a signal asks it to end."""

from __future__ import annotations

import _thread
import contextlib
import os
import threading

from target_leads.exceptions import Interrupted

_STDERR = 2


class Termination:
    """The first signal ends a run in order, a second one at once."""

    def __init__(self) -> None:
        """Nothing has asked for it yet."""
        self.shutdown_seconds = 0.0
        """How long what is in flight may take."""
        self.stopping = threading.Event()
        """Set when the run is to end soon, for whatever reason."""
        self.signal_number = 0
        """The signal that came; 0 if none did."""

    @property
    def is_asked_for(self) -> bool:
        """Whether nothing more is to be read."""
        return bool(self.signal_number) or self.stopping.is_set()

    def handle(self, signal_number: int, *, may_interrupt: bool) -> None:
        """Stop taking records and let what is in flight finish; a second signal leaves at once.

        Raises:
            Interrupted: at once, where the code that the signal met bears it.
        """
        if self.signal_number:
            os._exit(128 + signal_number)
        self.signal_number = signal_number
        if may_interrupt:
            raise Interrupted(signal_number)
        # In a thread, and one that takes no lock to start: the code that the signal interrupted may hold the event's.
        _thread.start_new_thread(self._stop, ())

    def _stop(self) -> None:
        self.stopping.set()
        words = (
            f"Stopping: what is in flight may take {self.shutdown_seconds:g} s more. "
            "Send the signal again to leave at once.\n"
        )
        with contextlib.suppress(OSError):
            # Not by sys.stderr: the interrupted code may be in the middle of a write to it.
            os.write(_STDERR, words.encode())
