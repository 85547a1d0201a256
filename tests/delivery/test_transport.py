"""One request over a real connection, and what can go wrong on the way."""

from __future__ import annotations

import gzip
import http.server
import logging
import select
import socket
import ssl
import subprocess
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from target_leads.delivery.http import Failure, HttpRequest, HttpResponse
from target_leads.delivery.request_builder import update_request
from target_leads.delivery.transport import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_leads.delivery import Transport
    from target_leads.delivery.http import Answer
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Reply, Seen, Server, Time

_MEGABYTE = 1 << 20
BROKEN = Failure(reason="the connection failed or broke", may_have_arrived=True)
REFUSED = Failure(reason="the connection failed or broke")


@pytest.fixture
def send(
    account: Callable[..., Account], transport: Callable[..., Transport], update: Callable[..., LeadUpdate]
) -> Callable[..., Answer]:
    """Sends one update to a URL over a transport of its own."""

    def send_one(base_url: str, *, timeout_seconds: float = 5) -> Answer:
        target = account(base_url)
        return transport(target, timeout_seconds=timeout_seconds).send(update_request(target, [update()]))

    return send_one


def test_sends_the_request_as_built(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
) -> None:
    """Method, path, headers and body reach the server unaltered."""
    server = serve()
    target = account(server.url)
    request = update_request(target, [update(note="Zoë")])
    transport(target).send(request)

    (seen,) = server.seen
    assert (seen.method, seen.path, seen.body) == ("PATCH", "/leads/L1", request.body)
    assert request.headers.items() <= seen.headers.items()
    assert "cookie" not in seen.headers


def test_gives_the_whole_answer(
    serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply], time: Time
) -> None:
    """Status, headers by lower-case name, body and the time of the answer come back."""
    answer = send(serve(lambda _: reply(418, {"X-Kind": "Teapot"}, b'{"a": 1}')).url)

    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.headers["x-kind"], answer.body) == (418, "Teapot", b'{"a": 1}')
    assert answer.received_at == time.clock.now()


@pytest.mark.parametrize("status", [200, 204, 404, 500])
def test_keeps_the_connection(
    status: int,
    serve: Callable[..., Server],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
) -> None:
    """Requests one after the other share one connection, whatever they are answered."""
    server = serve(lambda _: status)
    target = account(server.url, concurrency=4)
    with_pool = transport(target)
    for number in range(5):
        with_pool.send(update_request(target, [update(f"L{number}")]))

    assert len(server.seen) == 5
    assert len({seen.connection for seen in server.seen}) == 1


def test_keeps_as_many_connections_as_requests_in_flight(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
) -> None:
    """With four requests at once there are four connections, and a second round opens no further one."""
    together = threading.Barrier(4, timeout=5)

    def answer(_: Seen) -> int:
        together.wait()
        return 200

    server = serve(answer)
    target = account(server.url, concurrency=4)
    pooled = transport(target)
    requests = [update_request(target, [update(f"L{number}")]) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            assert all(isinstance(each, HttpResponse) for each in threads.map(pooled.send, requests))

    assert len(server.seen) == 12
    assert len({seen.connection for seen in server.seen}) == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_follows_no_redirect(
    status: int, serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply]
) -> None:
    """A redirect is the answer; the place to which it points hears nothing."""
    elsewhere = serve()
    server = serve(lambda _: reply(status, {"location": f"{elsewhere.url}/leads/L1"}))

    answer = send(server.url)

    assert isinstance(answer, HttpResponse)
    assert (answer.status, len(server.seen), elsewhere.seen) == (status, 1, [])


def test_sends_no_cookie_back(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
    reply: type[Reply],
) -> None:
    """What a server sets for one lead does not come with the next."""
    server = serve(lambda _: reply(headers={"set-cookie": "session=1; path=/"}))
    target = account(server.url)
    kept = transport(target)
    for _ in range(2):
        kept.send(update_request(target, [update()]))

    assert ["cookie" in seen.headers for seen in server.seen] == [False, False]


def test_netrc_does_not_replace_the_credentials(
    serve: Callable[..., Server], send: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry for the host in the machine's .netrc leaves the Authorization header as it is."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\ndefault login some password one\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve()

    send(server.url)

    assert server.seen[0].headers["authorization"] == "Bearer tok-4711"


def test_honours_a_proxy_of_the_environment(
    serve: Callable[..., Server], send: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    """A proxy that the environment names gets the request, with the credentials of the provider as they are."""
    proxy = serve()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)

    assert isinstance(send(nobody), HttpResponse)

    (seen,) = proxy.seen
    assert (seen.path, seen.headers["authorization"]) == (f"{nobody}/leads/L1", "Bearer tok-4711")


def test_honours_what_the_environment_excepts_from_the_proxy(
    serve: Callable[..., Server], send: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host in NO_PROXY is asked directly."""
    proxy, server = serve(), serve()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    send(server.url)

    assert (len(proxy.seen), len(server.seen)) == (0, 1)


def test_reads_a_compressed_answer(
    serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply]
) -> None:
    """A body that comes compressed, though nobody asked for that, is unpacked."""
    body = b'{"id": "L1"}'
    answer = send(serve(lambda _: reply(200, {"content-encoding": "gzip"}, gzip.compress(body))).url)

    assert isinstance(answer, HttpResponse)
    assert answer.body == body


@pytest.mark.parametrize("length", [_MEGABYTE, _MEGABYTE + 1, 5 * _MEGABYTE])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_bounds_the_length_of_an_answer(
    length: int, encoding: str, serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply]
) -> None:
    """An answer of a megabyte is read, a longer one is none, unpacked or not."""
    body = b"a" * length
    sent = gzip.compress(body) if encoding == "gzip" else body
    answer = send(serve(lambda _: reply(200, {"content-encoding": encoding}, sent)).url)

    if length == _MEGABYTE:
        assert isinstance(answer, HttpResponse)
        assert len(answer.body) == length
    else:
        assert answer == Failure(reason="the answer is too long to be one", may_have_arrived=True)


def test_unpacks_no_more_than_it_reads(
    serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply]
) -> None:
    """A small answer that unpacks to 100 megabytes does not fill the memory: that is why urllib3 is at least 2.7."""
    sent = gzip.compress(bytes(100 * _MEGABYTE))
    server = serve(lambda _: reply(200, {"content-encoding": "gzip"}, sent))
    tracemalloc.start()
    try:
        answer = send(server.url)
        (_, most) = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer == Failure(reason="the answer is too long to be one", may_have_arrived=True)
    assert most < 10 * _MEGABYTE


RAW = {
    "closes without an answer": b"",
    "speaks no HTTP": b"220 smtp.example.com ESMTP\r\n",
    "stops in the status line": b"HTTP/1.1 20",
    "cuts the body off": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": "L1"}',
    "cuts a chunked body off": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"',
    "packs garbage": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "sends too many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    "sends an endless header": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    "promises a wrong length": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 7\r\n\r\nabcde",
}


@pytest.mark.parametrize("words", RAW)
def test_a_broken_answer_is_none(words: str, serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """A connection that breaks anywhere, or an answer that is no HTTP, is a failure and no exception."""
    assert send(serve_raw(lambda connection: connection.sendall(RAW[words]))) == BROKEN


def test_tells_nobody_what_it_cannot_read(
    serve_raw: Callable[..., str], send: Callable[..., Answer], caplog: pytest.LogCaptureFixture
) -> None:
    """Headers that are no headers may echo a lead's fields, so the HTTP library logs nothing of them."""
    caplog.set_level(logging.WARNING)
    url = serve_raw(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nAda Lovelace\r\n\r\n"))

    send(url)

    assert caplog.records == []


def test_a_refused_connection_is_a_failure(nobody: str, send: Callable[..., Answer]) -> None:
    """Nobody listens at the port: the connection failed."""
    assert send(nobody) == REFUSED


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
def test_gives_up_after_the_time_out(begin: bytes, serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """A server that stays silent, before or within its answer, is left after the time-out."""
    over = threading.Event()

    def treat(connection: socket.socket) -> None:
        connection.sendall(begin)
        over.wait(5)

    answer = send(serve_raw(treat), timeout_seconds=0.1)
    over.set()

    assert answer == Failure(reason="no answer within the time-out", may_have_arrived=True, timed_out=True)


NO_URL = Failure(reason="the base URL or a header cannot be used")
NO_WAY = Failure(reason="the base URL or the proxy's URL cannot be used")


@pytest.mark.parametrize(
    ("base_url", "failure"),
    [
        ("https://*.example.com", NO_URL),
        ("https://", NO_URL),
        ("ftp://example.com", NO_WAY),
        ("https://a..b", NO_WAY),
        (f"https://{'a' * 64}.example.com", NO_WAY),
    ],
)
def test_a_url_that_cannot_be_used_is_a_failure(
    base_url: str, failure: Failure, account: Callable[..., Account], transport: Callable[..., Transport]
) -> None:
    """No URL makes a worker raise."""
    request = HttpRequest(method="PATCH", url=f"{base_url}/leads/1", headers={}, body=b"{}")
    assert transport(account()).send(request) == failure


@pytest.mark.parametrize("proxy", ["http://", "quic://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_a_failure(
    proxy: str, send: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    """No proxy setting of the machine makes a worker raise."""
    monkeypatch.setenv("http_proxy", proxy)
    assert send(nobody) == NO_WAY


@pytest.mark.parametrize("value", ["line\r\nbreak", " leading"])
def test_a_header_that_cannot_be_used_is_a_failure(
    value: str, serve: Callable[..., Server], account: Callable[..., Account], transport: Callable[..., Transport]
) -> None:
    """A header that would break the request is not sent, and its value is not told."""
    server = serve()
    request = HttpRequest(method="PATCH", url=f"{server.url}/leads/1", headers={"x-key": value}, body=b"{}")

    answer = transport(account(server.url)).send(request)

    assert (answer, server.seen) == (NO_URL, [])


@pytest.fixture
def tls_url(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server on loopback with a certificate that nobody has signed, and the file of that certificate."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    wanted = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *wanted.split(), *names], check=True, capture_output=True)  # noqa: S607 -- wherever it is installed
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.HTTPServer(("127.0.0.1", 0), _Silent) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}", certificate
        server.shutdown()
        thread.join()


class _Silent(http.server.BaseHTTPRequestHandler):
    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_trusts_no_unknown_certificate(tls_url: tuple[str, Path], send: Callable[..., Answer]) -> None:
    """A certificate that nobody known has signed gets no request."""
    assert send(tls_url[0]) == Failure(reason="the TLS certificate or handshake is not valid")


def test_trusts_the_certificates_of_the_environment(
    tls_url: tuple[str, Path], send: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates that the environment names are trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_url[1]))
    answer = send(tls_url[0])

    assert isinstance(answer, HttpResponse)
    assert answer.status == 204


@pytest.fixture
def reach(account: Callable[..., Account], transport: Callable[..., Transport]) -> Callable[[str], Unreachable | None]:
    """Connects to a URL, and says why that did not work."""
    return lambda base_url: transport(account(base_url), timeout_seconds=1).reach()


def test_reaches_a_host_without_a_request(
    serve: Callable[..., Server], reach: Callable[[str], Unreachable | None]
) -> None:
    """A connection that works is all there is to know; the host hears nothing on it."""
    server = serve()
    assert reach(server.url) is None
    assert server.seen == []


def test_reaches_a_host_only_by_a_valid_handshake(
    tls_url: tuple[str, Path], reach: Callable[[str], Unreachable | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with the certificate is said, and no waiting mends it."""
    unreachable = reach(tls_url[0])
    assert unreachable is not None
    assert unreachable.reason.startswith("the TLS certificate or handshake is not valid: self")
    assert not unreachable.may_pass
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_url[1]))
    assert reach(tls_url[0]) is None
    wrong_host = reach(tls_url[0].replace("127.0.0.1", "localhost"))
    assert wrong_host is not None
    assert "Hostname mismatch" in wrong_host.reason


@pytest.fixture
def proxy(serve_raw: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes something the environment's proxy for https: it gets a connection once a tunnel was asked for on it."""

    def begin(treat: Callable[[socket.socket], None]) -> None:
        monkeypatch.setenv("https_proxy", serve_raw(treat))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)

    return begin


def test_reaches_a_host_through_the_proxy(
    tls_url: tuple[str, Path],
    proxy: Callable[..., None],
    reach: Callable[[str], Unreachable | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proxy is asked for a tunnel, and the handshake is with the host at its end."""
    host, _, port = tls_url[0].removeprefix("https://").partition(":")
    tunnels = []

    def tunnel(connection: socket.socket) -> None:
        tunnels.append(connection)
        with socket.create_connection((host, int(port)), timeout=5) as end:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            sides = {connection: end, end: connection}
            while sides:
                for side in select.select(list(sides), [], [], 5)[0]:
                    if not (data := side.recv(65536)):
                        return
                    sides[side].sendall(data)

    proxy(tunnel)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_url[1]))
    assert reach(tls_url[0]) is None
    assert len(tunnels) == 1


def test_a_proxy_that_refuses(proxy: Callable[..., None], reach: Callable[[str], Unreachable | None]) -> None:
    """Its own words are told, as they say whom to ask."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    proxy(lambda connection: connection.sendall(refusal))
    refused = Unreachable(reason="the proxy refuses: 407 Proxy Authentication Required", may_pass=True)
    assert reach("https://partner.example.com/v1") == refused


@pytest.mark.parametrize(
    ("base_url", "reason", "may_pass"),
    [
        ("", "the connection failed or broke", True),
        ("https://nobody.invalid", "the host's name is not known", True),
        ("https://a..b", "the base URL or the proxy's URL cannot be used", False),
    ],
)
def test_why_a_host_is_not_reached(
    base_url: str, reason: str, may_pass: object, reach: Callable[[str], Unreachable | None], nobody: str
) -> None:
    """What may be otherwise in an hour is told from what somebody has to mend."""
    assert reach(base_url or nobody) == Unreachable(reason=reason, may_pass=bool(may_pass))


def test_a_host_that_says_nothing_is_not_reached(
    serve_raw: Callable[..., str], reach: Callable[[str], Unreachable | None]
) -> None:
    """A handshake that nobody answers ends with the time-out."""
    over = threading.Event()
    url = serve_raw(lambda _: over.wait(5)).replace("http:", "https:")
    unreachable = reach(url)
    over.set()
    assert unreachable == Unreachable(reason="no connection within the time-out", may_pass=True)
