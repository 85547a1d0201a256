"""A fixed number of threads that take tasks in the order in which they were given, and what their tasks report."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_leads.clock import Clock

_T = TypeVar("_T")
_LOOK_AT_THE_STOP_SECONDS = 0.1


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

    @property
    def most_handed_out(self) -> int:
        """Tasks to give them at once: as many again wait as are worked on, so that nobody is idle."""
        return 2 * self._count

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The wish to end the run, and how it is granted."""

    wished: threading.Event
    """Set by whoever wants the run to end."""
    shutdown_seconds: float
    """How long what is in flight may take from then on."""
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A task is done; `error` is what no code foresaw, if anything."""

    queue: int
    error: Exception | None = None


Task = Callable[[Callable[[_T], None]], None]
"""What a worker does. It gets the function by which it reports."""


def reports(queues: Iterable[tuple[Workers, Iterable[Task[_T]]]], stop: Stop) -> Iterator[_T | None]:
    """Have each task done by its workers; yields what they report, as it comes, until all have ended.

    A task is taken from its queue when it is about to be done, and none is taken any more if the run is to stop. None
    comes when nothing else has come for a moment: time to write down what has. If the run is to stop, tasks are
    expected to end soon; those that do not are left to themselves after `shutdown_seconds`.

    Raises:
        Exception: what a task raised. The run is told to stop, and it is raised once the other tasks have ended.
    """
    queued: queue.SimpleQueue[_T | _Ended] = queue.SimpleQueue()
    sources = [(workers, iter(tasks)) for workers, tasks in queues]

    def hand_out(number: int) -> int:
        workers, tasks = sources[number]
        task = None if stop.wished.is_set() else next(tasks, None)
        if task is None:
            return 0
        workers.submit(functools.partial(_do, task, number, queued.put, stop))
        return 1

    running = sum(
        hand_out(number) for number, (workers, _) in enumerate(sources) for _ in range(workers.most_handed_out)
    )
    error: Exception | None = None
    give_up_at: float | None = None
    while running:
        if give_up_at is None and stop.wished.is_set():
            give_up_at = stop.clock.monotonic() + stop.shutdown_seconds
        try:
            report = queued.get(timeout=_LOOK_AT_THE_STOP_SECONDS)
        except queue.Empty:
            if give_up_at is not None and stop.clock.monotonic() >= give_up_at:
                break
            yield None
            continue
        if not isinstance(report, _Ended):
            yield report
            continue
        error = error or report.error
        running += hand_out(report.queue) - 1
    if error is not None:
        raise error


def _do(task: Task[_T], number: int, put: Callable[[_T | _Ended], None], stop: Stop) -> None:
    try:
        task(put)
    except Exception as error:  # noqa: BLE001 -- handed to the thread that waits for the reports, which raises it
        stop.wished.set()
        put(_Ended(queue=number, error=error))
    else:
        put(_Ended(queue=number))
