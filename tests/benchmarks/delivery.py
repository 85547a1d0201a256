"""How fast updates are delivered within one process, side by side with bare pools of ``requests``.

A measurement and no test: a machine that is busy with something else must not fail the suite. All who are compared send
the same bodies to the same server, in one run and in turns, so what disturbs one disturbs the others; only ratios are
worth comparing between machines.

- ``delivery``: the package's own dispatcher, service and transport, from lead updates to settlements.
- ``sessions``: a thread pool, a ``requests.Session`` for each thread, as people write it.
- ``adapter``: a thread pool on one ``HTTPAdapter``: the least that ``requests`` can do.

The bare pools get their bodies ready-made and look at nothing but the status. Nobody gets beyond the ceiling, which is
the concurrency divided by the server's latency. Wanted is: 80 % of it at least, with 32 at once and 50 ms.
"""

from __future__ import annotations

import contextlib
import resource
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from target_leads.clock import Clock
from target_leads.delivery import Dispatcher, RetryPolicy, Service, Transport
from target_leads.delivery.request_builder import update_request
from target_leads.models import LeadUpdate, Outcome, Record, Settlement
from target_leads.providers import load_folder
from target_leads.providers.account import Account
from tests.benchmarks.leads import fields_of, lead_id
from tests.benchmarks.local_server import local_server
from tests.benchmarks.results import Table, main

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from target_leads.delivery.http import HttpRequest

_GENERIC = Path(__file__).parent.parent / "providers/generic"
_TIMEOUT_SECONDS = 30
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What everyone has to send."""

    account: Account
    updates: Sequence[LeadUpdate]
    requests: Sequence[HttpRequest]
    """The same updates, ready to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One contender's turn."""

    requests: int
    seconds: float
    cpu_seconds: float
    """Of all threads of this process, in the system's code too."""

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_milliseconds(self) -> float:
        """For one request."""
        return self.cpu_seconds / self.requests * 1000


@contextlib.contextmanager
def delivery(work: Work) -> Iterator[Callable[[], int]]:
    """The package's own."""
    stopping = threading.Event()
    clock = Clock(wait=stopping.wait)
    with contextlib.ExitStack() as stack:

        def open_service(_: str) -> Service:
            transport = Transport(work.account, timeout_seconds=_TIMEOUT_SECONDS, clock=clock)
            stack.callback(transport.close)
            policy = RetryPolicy(max_tries=5, max_wait_seconds=300)
            return Service(work.account, send=transport.send, policy=policy, clock=clock)

        dispatcher = Dispatcher(
            open_service=open_service, stopping=stopping, clock=clock, confirm_timeout_seconds=60, shutdown_seconds=5
        )
        stack.callback(dispatcher.close)
        yield lambda: sum(
            isinstance(entry, Settlement) and entry.outcome is Outcome.DELIVERED
            for entry in dispatcher.deliver(work.updates)
        )


@contextlib.contextmanager
def sessions(work: Work) -> Iterator[Callable[[], int]]:
    """A thread pool with a session for each thread."""
    own = threading.local()

    def send(request: HttpRequest) -> bool:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        response = own.session.request(
            request.method, request.url, data=request.body, headers=request.headers, timeout=_TIMEOUT_SECONDS
        )
        return bool(response.status_code == _OK)

    with ThreadPoolExecutor(work.account.concurrency) as pool:
        yield lambda: sum(pool.map(send, work.requests))


@contextlib.contextmanager
def adapter(work: Work) -> Iterator[Callable[[], int]]:
    """A thread pool on one adapter: no environment, no cookies, no redirects."""
    shared = HTTPAdapter(pool_connections=1, pool_maxsize=work.account.concurrency, max_retries=0)

    def send(request: HttpRequest) -> bool:
        prepared = requests.Request(request.method, request.url, dict(request.headers), data=request.body).prepare()
        response = shared.send(prepared, timeout=_TIMEOUT_SECONDS)
        return bool(response.content and response.status_code == _OK)

    with contextlib.closing(shared), ThreadPoolExecutor(work.account.concurrency) as pool:
        yield lambda: sum(pool.map(send, work.requests))


CONTENDERS = {"delivery": delivery, "sessions": sessions, "adapter": adapter}


def work_for(url: str, *, count: int, concurrency: int) -> Work:
    """Updates of so many leads of the tests' generic provider, one each, of the size that bundled providers take."""
    account = Account.open(load_folder(_GENERIC), {"token": "tok-4711", "base_url": url}, concurrency=concurrency)
    updates = [_update(number) for number in range(count)]
    return Work(account=account, updates=updates, requests=[update_request(account, [one]) for one in updates])


def _update(number: int) -> LeadUpdate:
    fields = fields_of(number)
    record = Record(stream="leads", fields=fields, original=fields)
    return LeadUpdate(record=record, provider="generic", account="default", lead_id=lead_id(number), fields=fields)


def measured(send_all: Callable[[], int], count: int) -> Measurement:
    """One turn.

    Raises:
        SystemExit: not every update was delivered: whatever was measured, it was not delivery.
    """
    cpu, begin = time.process_time(), time.perf_counter()
    delivered = send_all()
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    if delivered != count:
        raise SystemExit(f"Only {delivered} of {count} requests were answered with 200.")
    return Measurement(requests=count, seconds=seconds, cpu_seconds=cpu_seconds)


def compare(
    names: Sequence[str], *, latency_milliseconds: float, count: int, concurrency: int, rounds: int
) -> tuple[dict[str, list[Measurement]], float]:
    """Everyone's turns against a server of this latency, and the server's CPU seconds for one request."""
    before = _cpu_seconds_of_ended_children()
    turns: dict[str, list[Measurement]] = {name: [] for name in names}
    with local_server(latency_milliseconds) as server, contextlib.ExitStack() as stack:
        work = work_for(server.url, count=count, concurrency=concurrency)
        ready = {name: stack.enter_context(CONTENDERS[name](work)) for name in names}
        for send_all in ready.values():
            measured(send_all, count)  # opens the connections
        for number in range(rounds):
            first = number % len(names)
            for name in [*names[first:], *names[:first]]:
                turns[name].append(measured(ready[name], count))
    sent = count * len(names) * (rounds + 1)
    return turns, (_cpu_seconds_of_ended_children() - before) / sent


def _cpu_seconds_of_ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `measure` takes."""
    parser.add_argument("--latencies", type=float, nargs="+", default=[0, 20, 100], metavar="MS")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--requests", type=int, default=1280, help="in each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="for a profiler")


def measure(
    *, latencies: Sequence[float], concurrency: int, requests: int, rounds: int, only: Sequence[str]
) -> Iterator[Table]:
    """One table: a row for each contender at each latency."""
    rows = []
    for latency in latencies:
        turns, server_cpu = compare(
            only, latency_milliseconds=latency, count=requests, concurrency=concurrency, rounds=rounds
        )
        rows += list(_rows(latency, turns, concurrency / latency * 1000 if latency else None, server_cpu))
    yield Table(
        name="delivery",
        conditions=f"{concurrency} requests at once, medians of {rounds} rounds of {requests:,} requests",
        columns={
            "latency in ms": "g",
            "who": "",
            "requests a second": ",.1f",
            "from": ",.1f",
            "to": ",.1f",
            **{f"of {pool}": ".0%" for pool in only if pool != "delivery"},
            "of the ceiling": ".0%",
            "CPU ms a request": ".2f",
            "the server's": ".2f",
        },
        rows=rows,
    )


def _rows(
    latency: float, turns: dict[str, list[Measurement]], ceiling: float | None, server_cpu_seconds: float
) -> Iterator[dict[str, Any]]:
    """A row for each contender; medians. A ratio is taken within each round."""
    for name, own in turns.items():
        per_second = statistics.median(turn.per_second for turn in own)
        ratios = {
            f"of {other}": statistics.median(
                mine.per_second / its.per_second for mine, its in zip(own, theirs, strict=True)
            )
            for other, theirs in turns.items()
            if other != "delivery"
        }
        yield {
            "latency in ms": latency,
            "who": name,
            "requests a second": per_second,
            "from": min(turn.per_second for turn in own),
            "to": max(turn.per_second for turn in own),
            **ratios,
            "of the ceiling": None if ceiling is None else per_second / ceiling,
            "CPU ms a request": statistics.median(turn.cpu_milliseconds for turn in own),
            "the server's": server_cpu_seconds * 1000,
        }


if __name__ == "__main__":
    main("Delivery side by side with bare pools of requests.", add_arguments, measure)
