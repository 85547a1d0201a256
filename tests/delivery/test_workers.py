"""Threads that take tasks, and what their tasks report."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.delivery.workers import Stop, Workers, reports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.delivery.conftest import Time


@pytest.fixture
def workers() -> Iterator[Callable[[int], Workers]]:
    """Workers, closed with the test."""
    opened: list[Workers] = []

    def start(count: int) -> Workers:
        opened.append(Workers(count, name=f"test-{len(opened)}"))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def stop(time: Time) -> Stop:
    """A stop for which nobody wishes yet."""
    return Stop(wished=time.stopping, shutdown_seconds=0, clock=time.clock)


def reported(reports: Iterable[Any]) -> list[Any]:
    """What tasks reported, past all moments in which nothing came."""
    return [report for report in reports if report is not None]


def test_one_worker_keeps_the_order(workers: Callable[[int], Workers], stop: Stop) -> None:
    """Tasks are taken in the order in which they were given."""
    one = workers(1)
    tasks = [lambda report, number=number: report(number) for number in range(50)]
    assert reported(reports([(one, tasks)], stop)) == list(range(50))


def test_a_task_is_taken_when_it_is_about_to_be_done(workers: Callable[[int], Workers], stop: Stop) -> None:
    """What comes after a stop is never taken; before that, as many wait as are worked on."""
    taken: list[int] = []

    def tasks() -> Iterator[Callable[[Callable[[int], None]], None]]:
        for number in range(50):
            taken.append(number)
            yield lambda report, number=number: report(number)

    got = filter(lambda report: report is not None, reports([(workers(2), tasks())], stop))
    first = next(got)
    assert taken == [0, 1, 2, 3]
    stop.wished.set()
    assert sorted([first, *got]) == [0, 1, 2, 3]
    assert len(taken) == 4


def test_as_many_at_once_as_there_are_workers(workers: Callable[[int], Workers], stop: Stop) -> None:
    """Four tasks that wait for each other get through with four workers."""
    together = threading.Barrier(4, timeout=5)
    four = workers(4)
    waiting = reported(reports([(four, [lambda report: report(together.wait())] * 8)], stop))
    assert sorted(waiting) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_task_may_report_often_or_never(workers: Callable[[int], Workers], stop: Stop) -> None:
    """It is over when the task ends, not when it reports."""
    one = workers(1)
    tasks = [lambda _: None, lambda report: [report("a"), report("b")], lambda _: None]
    assert reported(reports([(one, tasks)], stop)) == ["a", "b"]


def test_an_error_comes_out_once_all_have_ended(workers: Callable[[int], Workers], stop: Stop) -> None:
    """What a task raises tells the others to stop, and reaches the caller after their reports."""
    one = workers(1)

    def fail(_: object) -> None:
        raise ZeroDivisionError

    got: list[bool] = []
    with pytest.raises(ZeroDivisionError):
        got.extend(reports([(one, [fail, lambda report: report(stop.wished.is_set())])], stop))
    assert stop.wished.is_set()


def test_an_error_costs_only_its_own_task(workers: Callable[[int], Workers], stop: Stop) -> None:
    """The worker lives on, and takes the next tasks."""
    one = workers(1)
    failing = filter(None, reports([(one, [lambda _: 1 / 0, lambda report: report("after")])], stop))
    assert next(failing) == "after"
    with pytest.raises(ZeroDivisionError):
        next(failing)


def test_a_task_that_does_not_end_is_left_after_a_stop(workers: Callable[[int], Workers], stop: Stop) -> None:
    """When the run is to stop, what hangs is given the time for that and no more; the rest comes out."""
    release = threading.Event()

    def quick(report: Callable[[str], None]) -> None:
        report("quick")
        stop.wished.set()

    got = reported(reports([(workers(1), [quick]), (workers(1), [lambda _: release.wait(5)])], stop))

    assert got == ["quick"]
    assert not release.is_set()
    release.set()


def test_without_a_stop_it_waits(workers: Callable[[int], Workers], stop: Stop) -> None:
    """A task may take longer than a stop would allow as long as nobody wishes to stop."""
    release = threading.Event()
    threading.Timer(0.25, release.set).start()
    assert reported(reports([(workers(1), [lambda report: report(release.wait(5))])], stop)) == [True]


def test_nothing_comes_when_nothing_is_reported_for_a_moment(workers: Callable[[int], Workers], stop: Stop) -> None:
    """While a task takes its time the reader gets his turn, to write down what came before."""
    release = threading.Event()

    def task(report: Callable[[str], None]) -> None:
        report("first")
        release.wait(5)
        report("second")

    got = reports([(workers(1), [task])], stop)
    assert [next(got), next(got)] == ["first", None]
    release.set()
    assert reported(got) == ["second"]


def test_closed_workers_end() -> None:
    """What was given before is still done, and then no thread stays behind."""
    done = threading.Semaphore(0)
    three = Workers(3, name="closing")
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("closing-")]
    assert len(threads) == 3
    for _ in range(10):
        three.submit(done.release)
    three.close()
    for thread in threads:
        thread.join(5)

    assert not any(thread.is_alive() for thread in threads)
    assert all(done.acquire(blocking=False) for _ in range(10))


def test_workers_do_not_hold_up_the_end_of_the_process() -> None:
    """They are daemons: a request that hangs is cut off when the process ends."""
    one = Workers(1, name="daemon-test")
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "daemon-test-0")
    assert thread.daemon
    one.close()
