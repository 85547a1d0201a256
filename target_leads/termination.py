"""What a run does when a signal asks it to end."""

from __future__ import annotations

import _thread
import contextlib
import os
import threading

from target_leads.exceptions import Interrupted

_STDERR = 2
_LAST_COMMIT_SECONDS = 2.0
"""How much longer than `shutdown_seconds` it may take to write down what became of what was in flight."""
_GIVEN_UP = (
    b"Stopped by a signal, in the middle: the store did not answer in time. No STATE was printed for what it does not "
    b"hold. Run again to send the rest.\n"
)


class Termination:
    """A signal ends a run in order, the same signal again at once.

    Another signal is not another wish: Ctrl+C at a terminal reaches the run, and Meltano, which sends SIGTERM after it.
    """

    def __init__(self) -> None:
        """Nothing has asked for it yet."""
        self.shutdown_seconds = 0.0
        """How long what is in flight may take."""
        self.stopping = threading.Event()
        """Set when the run is to end soon, for whatever reason."""
        self._is_over = threading.Event()
        self.signal_number = 0
        """The signal that came; 0 if none did."""

    @property
    def is_asked_for(self) -> bool:
        """Whether nothing more is to be read."""
        return bool(self.signal_number) or self.stopping.is_set()

    def handle(self, signal_number: int, *, may_interrupt: bool) -> None:
        """Stop taking records and let what is in flight finish; the same signal again leaves at once.

        Raises:
            Interrupted: at once, where the code that the signal met bears it.
        """
        if self.signal_number:
            if signal_number == self.signal_number:
                os._exit(128 + signal_number)
            return
        self.signal_number = signal_number
        if may_interrupt:
            self.stopping.set()
            _thread.start_new_thread(self._leave_in_time, ())
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
        self._leave_in_time()

    def _leave_in_time(self) -> None:
        """Leave without a word from anybody else, if the run takes too long to end."""
        if not self._is_over.wait(self.shutdown_seconds + _LAST_COMMIT_SECONDS):
            with contextlib.suppress(OSError):
                os.write(_STDERR, _GIVEN_UP)
            os._exit(128 + self.signal_number)

    def end(self) -> None:
        """The run has ended in order."""
        self._is_over.set()
