"""What tests of delivery share: accounts of a provider as data, and servers on loopback that note what they see."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import ssl
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme

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

        def start(answer: Callable[[Seen], Reply | int] = lambda _: 200, tls: ssl.SSLContext | None = None) -> Server:
            server = Server(answer=answer)
            httpd = _HttpServer(("127.0.0.1", 0), _handler_for(server))
            if tls is not None:
                httpd.socket = tls.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
            server.url = f"{'https' if tls else 'http'}://127.0.0.1:{httpd.server_port}"
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
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
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
            reply = Reply(answer, body=b"" if answer == 204 else b"{}") if isinstance(answer, int) else answer
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_PATCH = do_POST = do_PUT = handle_any  # noqa: N815 -- the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def serve_raw() -> Iterator[Callable[..., str]]:
    """Starts servers that treat each connection as told, in a thread of its own, and close it; gives their URL.

    The first request has been read by then, unless the server is told to leave that to the treatment.
    """
    with contextlib.ExitStack() as stack:

        def start(
            treat: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None, *, reads: bool = True
        ) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve_one(accepted: socket.socket) -> None:
                with accepted, contextlib.suppress(OSError):  # the peer is gone
                    # A handshake, or an answer that nobody takes, ends with the test at the latest.
                    accepted.settimeout(10)
                    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent goes out at once
                    with tls.wrap_socket(accepted, server_side=True) if tls else accepted as connection:
                        if reads:
                            read_request(connection)
                        treat(connection)

            def accept() -> None:
                with contextlib.suppress(OSError):  # the listener is gone
                    while True:
                        threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def read_request(connection: socket.socket) -> list[bytes]:
    """Read one to its end, and no further: what is left unread would break the connection in a way of its own.

    Gives its request line and headers; nothing if there is none any more.
    """
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (sign := connection.recv(1)):
            return []
        head += sign
    lines = head.split(b"\r\n")[:-2]
    left = sum(int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:"))
    while left:
        left -= len(connection.recv(left)) or left
    return lines


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """An authority of the tests' own, which nobody trusts unless told to."""
    return trustme.CA()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> str:
    """The file to name in the environment for that."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """What a server's handshakes go by, with a certificate for these names."""

    def context(*names: str, signed_by: trustme.CA = authority, **options: Any) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        signed_by.issue_cert(*(names or ("127.0.0.1",)), **options).configure_cert(made)
        return made

    return context


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # so that no server of another test gets it
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


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
