"""What tests of delivery share: accounts of a provider as data, and servers on loopback that note what they see."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from target_leads.clock import Clock
from target_leads.delivery import Dispatcher, RetryPolicy, Service, Transport
from target_leads.models import LeadUpdate, Outcome, Record, Settlement
from target_leads.providers import load_folder
from target_leads.providers.account import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_leads.models import OpenJob

GENERIC = json.loads((Path(__file__).parent.parent / "providers/generic/provider.json").read_text(encoding="utf-8"))


class Seen(NamedTuple):
    """A request as a server saw it."""

    method: str
    path: str
    """Raw, as it stood on the wire."""
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes
    connection: int
    """The client's port: the same for requests over one connection."""


class Reply(NamedTuple):
    """What a server answers."""

    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 -- never changed
    body: bytes = b"{}"


@dataclass(slots=True)
class Server:
    """A real HTTP/1.1 server with keep-alive."""

    answer: Callable[[Seen], Reply | int]
    """What it answers to a request, or only the status; it may block."""
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    most_at_once: int = 0
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count_of(self) -> Counter[str]:
        """How many requests came for each path."""
        return Counter(seen.path for seen in self.seen)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, which end with the test."""
    with contextlib.ExitStack() as stack:

        def start(answer: Callable[[Seen], Reply | int] = lambda _: 200) -> Server:
            server = Server(answer=answer)
            httpd = _HttpServer(("127.0.0.1", 0), _handler_for(server))
            server.url = f"http://127.0.0.1:{httpd.server_port}"
            thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            stack.callback(httpd.server_close)
            stack.callback(thread.join)
            stack.callback(httpd.shutdown)
            return server

        yield start


class _HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that went away; anything else fails the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            raise  # noqa: PLE0704 -- within the handling of the exception


def _handler_for(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, body, self.client_address[1])
            with server.lock:
                server.seen.append(seen)
                server.in_flight += 1
                server.most_at_once = max(server.most_at_once, server.in_flight)
            try:
                answer = server.answer(seen)
            finally:
                with server.lock:
                    server.in_flight -= 1
            reply = Reply(answer) if isinstance(answer, int) else answer
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.status != 204:
                self.wfile.write(reply.body)

        do_GET = do_PATCH = do_POST = do_PUT = handle_any  # noqa: N815 -- the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def serve_raw() -> Iterator[Callable[[Callable[[socket.socket], object]], str]]:
    """Starts servers that read one request of each connection, treat the connection as told, and close it."""
    with contextlib.ExitStack() as stack:

        def start(treat: Callable[[socket.socket], object]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept() -> None:
                with contextlib.suppress(OSError):  # the listener or the peer is gone
                    while True:
                        with listener.accept()[0] as connection:
                            _read_request(connection)
                            treat(connection)

            threading.Thread(target=accept, daemon=True).start()
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def _read_request(connection: socket.socket) -> None:
    """Read it to its end: what is left unread would break the connection in a way of its own."""
    with connection.makefile("rb") as stream:
        headers = http.client.parse_headers(stream) if stream.readline() else {}
        stream.read(int(headers.get("content-length", 0)))


@pytest.fixture
def nobody() -> str:
    """The URL of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def account(tmp_path: Path) -> Callable[..., Account]:
    """Accounts of the generic provider, with parts of its definition replaced."""

    def open_account(
        base_url: str = "https://api.example.com/v1",
        *,
        concurrency: int = 1,
        config: dict[str, str] | None = None,
        schema: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Account:
        name = changes.get("name", "generic")
        folder = tmp_path / "folders" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "provider.json").write_text(json.dumps(GENERIC | changes), encoding="utf-8")
        (folder / "lead.schema.json").write_text(json.dumps(schema or {"type": "object", "properties": {}}), "utf-8")
        settings = {"token": "tok-4711", "base_url": base_url, **(config or {})}
        return Account.open(load_folder(folder), settings, concurrency=concurrency)

    return open_account


@pytest.fixture
def job() -> dict[str, Any]:
    """The definition's part about jobs, for a provider that writes later."""
    outcomes = [
        ("OPEN", "accepted", "the job has not ended"),
        ("DONE", "delivered", "the job wrote the update"),
        ("BROKEN", "rejected", "the job failed"),
    ]
    rules = [
        {
            "when": {"required": ["state"], "properties": {"state": {"const": state}}},
            "verdict": verdict,
            "reason": reason,
        }
        for state, verdict, reason in outcomes
    ]
    id_at = ["/meta/job_id", "/job_id"]
    return {"method": "GET", "path": "/jobs/{job_id}", "id_at": id_at, "responses": {"rules": rules}}


@pytest.fixture
def update() -> Callable[..., LeadUpdate]:
    """Updates of leads."""

    def make(lead_id: str = "L1", provider: str = "generic", **fields: Any) -> LeadUpdate:
        fields = fields or {"email": "ada@example.com"}
        record = Record(stream="leads", fields=fields, original=fields)
        return LeadUpdate(record=record, provider=provider, account="default", lead_id=lead_id, fields=fields)

    return make


class Time:
    """Time that passes only by waiting, and tells what was waited for."""

    def __init__(self) -> None:
        """Begin."""
        self.waits: list[float] = []
        self.seconds = 0.0
        self.stopping = threading.Event()
        self.clock = Clock(wait=self._wait, now=lambda: 784111777.0 + self.seconds, monotonic=self._monotonic)

    def _wait(self, seconds: float) -> bool:
        if self.stopping.is_set():
            return True
        if seconds:  # a wait of nothing only asks whether to stop
            self.waits.append(seconds)
        self.seconds += seconds
        return False

    def _monotonic(self) -> float:
        self.seconds += 1e-6  # no two moments are the same
        return self.seconds


@pytest.fixture
def time() -> Time:
    """Time of the test's own."""
    return Time()


@pytest.fixture
def transport(time: Time) -> Iterator[Callable[..., Transport]]:
    """Transports, closed with the test."""
    with contextlib.ExitStack() as stack:

        def open_transport(account: Account, *, timeout_seconds: float = 5) -> Transport:
            transport = Transport(account, timeout_seconds=timeout_seconds, clock=time.clock)
            stack.callback(transport.close)
            return transport

        yield open_transport


class Delivery(NamedTuple):
    """What delivering a batch came to."""

    settlements: list[Settlement]
    error: Exception | None
    """What was raised after the settlements, if anything."""
    seen: list[Seen]
    """What the server saw."""

    @property
    def outcomes(self) -> Counter[str]:
        """How many settlements of each outcome there are."""
        return Counter(settlement.outcome.value for settlement in self.settlements)

    @property
    def outcome_of(self) -> dict[str, str]:
        """Outcomes by lead, where each lead has one."""
        assert len({settlement.lead_id for settlement in self.settlements}) == len(self.settlements)
        return {settlement.lead_id: settlement.outcome.value for settlement in self.settlements}


def taken(settlements: Iterable[Settlement | OpenJob | None]) -> tuple[list[Settlement], Exception | None]:
    """All settlements, and what was raised after them."""
    got: list[Settlement] = []
    try:
        for settlement in settlements:
            if isinstance(settlement, Settlement) and settlement.outcome is not Outcome.UNSETTLED:
                got.append(settlement)  # noqa: PERF401 -- one at a time, to keep those before the error
    except Exception as error:  # noqa: BLE001 -- the test looks at it
        return got, error
    return got, None


@pytest.fixture
def dispatcher(time: Time, transport: Callable[..., Transport]) -> Iterator[Callable[..., Dispatcher]]:
    """Dispatchers over real connections, closed with the test."""
    with contextlib.ExitStack() as stack:

        def make(*accounts: Account, max_tries: int = 2, send: Any = None, **options: float) -> Dispatcher:
            by_name = {account.definition.name: account for account in accounts}
            policy = RetryPolicy(max_tries=max_tries, max_wait_seconds=300)

            def open_service(provider: str) -> Service:
                account = by_name[provider]
                return Service(account, send=send or transport(account).send, policy=policy, clock=time.clock)

            options = {"confirm_timeout_seconds": 60, "shutdown_seconds": 5, **options}
            dispatcher = Dispatcher(open_service=open_service, stopping=time.stopping, clock=time.clock, **options)
            stack.callback(dispatcher.close)
            return dispatcher

        yield make


def _whole_run(dispatcher: Dispatcher, updates: Iterable[LeadUpdate]) -> Iterator[Settlement | OpenJob | None]:
    yield from dispatcher.deliver(updates)
    dispatcher.conclude()


@pytest.fixture
def deliver(
    serve: Callable[..., Server], account: Callable[..., Account], dispatcher: Callable[..., Dispatcher]
) -> Callable[..., Delivery]:
    """Delivers the one batch of a run to a server that answers as told, with an account and a dispatcher as told."""

    def run(answer: Callable[[Seen], Reply | int], updates: Iterable[LeadUpdate], **options: Any) -> Delivery:
        own = {"max_tries", "send", "confirm_timeout_seconds", "shutdown_seconds"} & options.keys()
        dispatching = {name: options.pop(name) for name in own}
        server = serve(answer)
        delivering = dispatcher(account(server.url, **options), **dispatching)
        settlements, error = taken(_whole_run(delivering, updates))
        return Delivery(settlements, error, server.seen)

    return run


@pytest.fixture
def reply() -> type[Reply]:
    """What a server answers, to be made."""
    return Reply
