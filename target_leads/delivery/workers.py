"""A fixed number of threads that take tasks in the order in which they were given."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Workers:
    """As many tasks at once as there are workers.

    Not a ``ThreadPoolExecutor``: the interpreter waits for its threads at exit, and a request that hangs would hold up
    a run that was told to stop.
    """

    def __init__(self, count: int, *, name: str) -> None:
        """Start the threads."""
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, task: Callable[[], None]) -> None:
        """Have a task done. It must not raise."""
        self._tasks.put(task)

    def close(self) -> None:
        """Let every worker end after the tasks given so far."""
        for _ in range(self._count):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
