"""One request over a real connection, and what can go wrong on the way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from target_leads.delivery.http import Failure, HttpRequest, HttpResponse
from target_leads.delivery.request_builder import update_request

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from target_leads.delivery import Transport
    from target_leads.delivery.http import Answer
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Reply, Seen, Server, Time

REFUSED = Failure(reason="the host takes no connection", unsent=True)


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


AWAY = {
    "an absolute URL": "http://{host}/leads/L1",
    "the URL of a host alone": "http://{host}",
    "a URL of the same protocol": "//{host}/leads/L1",
    "a URL with a user": "http://tok-4711@{host}/leads/L1",
    "another path": "/elsewhere",
    "nothing": "",
}


@pytest.mark.parametrize("where", AWAY)
@pytest.mark.parametrize("status", [201, 300, 301, 302, 303, 307, 308])
def test_follows_no_redirect(
    status: int, where: str, serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply]
) -> None:
    """A redirect is the answer; the place to which it points hears nothing, least of all the credentials."""
    elsewhere = serve()
    location = AWAY[where].format(host=elsewhere.url.removeprefix("http://"))
    headers = {"location": location, "refresh": f"0; url={location}", "content-location": location}
    server = serve(lambda _: reply(status, headers))

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


NO_URL = Failure(reason="the base URL or a header cannot be used", unsent=True)


@pytest.mark.parametrize("value", ["line\r\nbreak", " leading", "✓"])
def test_a_header_that_cannot_be_used_is_a_failure(
    value: str, serve: Callable[..., Server], account: Callable[..., Account], transport: Callable[..., Transport]
) -> None:
    """A header that would break the request is not sent, and its value is not told."""
    server = serve()
    request = HttpRequest(method="PATCH", url=f"{server.url}/leads/1", headers={"x-key": value}, body=b"{}")

    answer = transport(account(server.url)).send(request)

    assert (answer, server.seen) == (NO_URL, [])


@pytest.mark.parametrize(
    "url", ["{}", "{}@{}/leads/1", "{}.example.com/leads/1", "https://partner.example.com/leads/1"]
)
def test_nothing_goes_to_another_host(
    url: str, serve: Callable[..., Server], account: Callable[..., Account], transport: Callable[..., Transport]
) -> None:
    """Only what is below the account's base URL gets a request, and with it the credentials."""
    server, other = serve(), serve()
    request = HttpRequest(method="PATCH", url=url.format(server.url, other.url), headers={"x-key": "a"}, body=b"{}")

    assert transport(account(server.url)).send(request) == Failure(
        reason="the URL is not below the base URL", unsent=True
    )
    assert (server.seen, other.seen) == ([], [])


def test_a_closed_transport_keeps_no_connection(
    serve: Callable[..., Server],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
) -> None:
    """Idle connections are closed at once, the one in use when its answer is there."""
    asked, go_on = threading.Event(), threading.Event()

    def answer(_: Seen) -> int:
        asked.set()
        go_on.wait(5)
        return 200

    server = serve(answer)
    target = account(server.url)
    closing = transport(target)
    with ThreadPoolExecutor(1) as thread:
        answered = thread.submit(closing.send, update_request(target, [update()]))
        asked.wait(5)
        closing.close()
        go_on.set()
        assert isinstance(answered.result(), HttpResponse)
    closing.send(update_request(target, [update()]))
    assert len({seen.connection for seen in server.seen}) == 2
