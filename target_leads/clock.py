"""Time as a value that is passed in, so that tests never wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The time, and a way to let it pass. All in seconds."""

    wait: Callable[[float], bool]
    """Waits; returns early and true if the run is to stop, like ``threading.Event.wait``."""
    now: Callable[[], float] = time.time
    """Seconds since 1970-01-01 UTC."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment; never goes back."""
