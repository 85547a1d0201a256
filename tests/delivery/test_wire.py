"""Answers of a provider that is broken, or means harm: each ends in time, fills no memory, and is for its own lead."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import logging
import threading
import time as system_time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_leads.delivery.http import Failure, HttpRequest, HttpResponse
from target_leads.delivery.request_builder import update_request
from tests.delivery.conftest import read_request

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from target_leads.delivery import Transport
    from target_leads.delivery.http import Answer
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Reply, Server

_MEGABYTE = 1 << 20
OK = b"HTTP/1.1 200 OK\r\n"
NONE = Failure(reason="the connection broke, or what came is no answer", may_have_arrived=True)
TOO_LONG = Failure(reason="the answer is too long to be one", may_have_arrived=True)
TOO_LATE = Failure(reason="no answer within the time-out", may_have_arrived=True, timed_out=True)


@pytest.fixture
def send(
    account: Callable[..., Account], transport: Callable[..., Transport], update: Callable[..., LeadUpdate]
) -> Callable[..., Answer]:
    """Sends one update to a URL over a transport of its own."""

    def send_one(base_url: str, *, timeout_seconds: float = 5, **fields: str) -> Answer:
        target = account(base_url)
        return transport(target, timeout_seconds=timeout_seconds).send(update_request(target, [update(**fields)]))

    return send_one


@pytest.fixture
def keep(
    account: Callable[..., Account], transport: Callable[..., Transport], update: Callable[..., LeadUpdate]
) -> Callable[..., Callable[..., Answer]]:
    """Sends updates of leads to a URL, one after the other over the same transport."""

    def sender(base_url: str, *, timeout_seconds: float = 5) -> Callable[..., Answer]:
        target = account(base_url)
        kept = transport(target, timeout_seconds=timeout_seconds)
        return lambda lead_id="L1": kept.send(update_request(target, [update(lead_id)]))

    return sender


@pytest.fixture(params=["plain", "tls"])
def secure(
    request: pytest.FixtureRequest,
    tls: Callable[..., ssl.SSLContext],
    authority_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> ssl.SSLContext | None:
    """What a server's handshakes go by, if there are any."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    return tls() if request.param == "tls" else None


def test_reads_a_compressed_answer(
    serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply]
) -> None:
    """A body that comes compressed, though nobody asked for that, is unpacked."""
    body = b'{"id": "L1"}'
    bare = zlib.compressobj(wbits=-15)
    for name, packed in {
        "gzip": gzip.compress(body),
        "x-gzip": gzip.compress(body),
        "Deflate": zlib.compress(body),
        "deflate": bare.compress(body) + bare.flush(),
    }.items():
        server = serve(lambda _, name=name, packed=packed: reply(200, {"content-encoding": name}, packed))
        answer = send(server.url)
        assert isinstance(answer, HttpResponse)
        assert (answer.body, server.seen[0].headers["accept-encoding"]) == (body, "identity")


@pytest.mark.parametrize("length", [_MEGABYTE, _MEGABYTE + 1, 5 * _MEGABYTE])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_bounds_the_length_of_an_answer(
    length: int, encoding: str, serve: Callable[..., Server], send: Callable[..., Answer], reply: type[Reply]
) -> None:
    """An answer of a megabyte is read, a longer one is none, unpacked or not."""
    body = b"a" * length
    sent = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[encoding](body)
    answer = send(serve(lambda _: reply(200, {"content-encoding": encoding}, sent)).url)

    if length == _MEGABYTE:
        assert isinstance(answer, HttpResponse)
        assert len(answer.body) == length
    else:
        assert answer == TOO_LONG


def _packed(name: str, body: bytes) -> bytes:
    return OK + f"Content-Encoding: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


BROKEN = {
    "closes without an answer": b"",
    "speaks no HTTP": b"220 smtp.example.com ESMTP\r\n",
    "speaks HTTP 0.9": b'{"id": "L1"}',
    "speaks HTTP 2": b"HTTP/2 200\r\n\r\n",
    "stops in the status line": b"HTTP/1.1 20",
    "has no status": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "has a status of no kind": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "stops after the status line": OK,
    "stops in a header": OK + b"Content-Length: 0\r\nX-",
    "stops between two headers": OK + b"Content-Length: 0\r\n",
    "stops before the body": OK + b"Content-Length: 2\r\n\r\n",
    "cuts the body off": OK + b'Content-Length: 100\r\n\r\n{"id": "L1"}',
    "cuts the length of a chunk off": OK + b"Transfer-Encoding: chunked\r\n\r\n5",
    "cuts a chunk off": OK + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"id"',
    "leaves the last chunk out": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "has a chunk of no length": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "has a chunk of less than nothing": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
    "has an endless chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    "names two ways to send": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "packs garbage": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "packs what it does not say": OK + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nabcd",
    "packs twice": _packed("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
    "packs half": _packed("gzip", gzip.compress(b"{}")[:-4]),
    "packs more than it should": _packed("gzip", gzip.compress(b"{}") + b"more"),
    "sends too many headers": OK + b"x: y\r\n" * 200 + b"\r\n",
    "sends an endless header": OK + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
    "sends a line that is no header": OK + b"Ada Lovelace\r\nContent-Length: 2\r\n\r\n{}",
    "promises two lengths": OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nabcde",
    "promises one length twice in one": OK + b"Content-Length: 5, 5\r\n\r\nabcde",
    "promises two lengths in one": OK + b"Content-Length: 5, 7\r\n\r\nabcde",
    "promises less than nothing": OK + b"Content-Length: -5\r\n\r\nabcde",
    "promises no number": OK + b"Content-Length: 0x5\r\n\r\nabcde",
    "promises a number too long for one": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabcde",
    "goes on in another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\n" + OK + b"\r\n{}",
    "comes only in between": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100 + OK + b"\r\n",
}
"""What a server sends before it closes the connection."""


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_answer_is_none(words: str, serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """A connection that breaks anywhere, or an answer that is no HTTP, is a failure and no exception."""
    assert send(serve_raw(lambda connection: connection.sendall(BROKEN[words]))) == NONE


def _reset(connection: socket.socket) -> None:
    """Let the connection break instead of end."""
    import socket  # noqa: PLC0415 -- elsewhere a type alone
    import struct  # noqa: PLC0415 -- needed nowhere else

    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 2", OK + b"Content-Le", OK + b"Content-Length: 100\r\n\r\n{"])
def test_a_connection_that_breaks_is_a_failure(
    begin: bytes, serve_raw: Callable[..., str], send: Callable[..., Answer]
) -> None:
    """It is one that breaks, not one that ends, at every stage."""

    def treat(connection: socket.socket) -> None:
        connection.sendall(begin)
        _reset(connection)

    assert send(serve_raw(treat)) == NONE


def test_tells_nobody_what_it_cannot_read(
    serve_raw: Callable[..., str], send: Callable[..., Answer], caplog: pytest.LogCaptureFixture
) -> None:
    """What is no answer may echo a lead's fields, so nothing of it is logged at any level."""
    caplog.set_level(logging.DEBUG)
    for answer in (b"HTTP/1.1 200 Ada Lovelace\r\nAda Lovelace\r\n\r\n", b"Ada Lovelace\r\n\r\n", *BROKEN.values()):
        send(serve_raw(lambda connection, answer=answer: connection.sendall(answer)))

    assert "PATCH http://127.0.0.1:" in caplog.text
    assert "Ada" not in caplog.text
    assert {record.name for record in caplog.records} == {"target_leads.delivery.transport", "urllib3.connectionpool"}


def _bomb() -> bytes:
    """A fifth of a gigabyte, packed."""
    packing = zlib.compressobj(wbits=31)
    return b"".join([*(packing.compress(bytes(_MEGABYTE)) for _ in range(200)), packing.flush()])


ENDLESS = {
    "a body of a length": (OK + b"Content-Length: 1000000000000\r\n\r\n", bytes(65536), TOO_LONG),
    "a body": (OK + b"\r\n", bytes(65536), TOO_LONG),
    "a body behind an error": (b"HTTP/1.1 422 No\r\n\r\n", bytes(65536), TOO_LONG),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n", TOO_LONG),
    "small chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 10_000, TOO_LONG),
    "one chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", bytes(65536), TOO_LONG),
    "a chunk without end": (OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", bytes(65536), TOO_LONG),
    "the length of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 65536, NONE),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 10_000, TOO_LONG),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 65536, NONE),
    "a header": (OK + b"x: ", b"y" * 65536, NONE),
    "headers": (OK, b"x: y\r\n" * 10_000, NONE),
    "folded headers": (OK + b"x: y\r\n", b" y\r\n" * 10_000, NONE),
    "answers to go on": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, TOO_LONG),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 1000, NONE),
    "a bomb": (b"", b"", TOO_LONG),
}
"""How each begins, what comes then without end, and what is made of it."""


@pytest.mark.parametrize("what", ENDLESS)
def test_no_endless_answer_is_taken_in(what: str, serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """Whatever never ends is left soon, and fills no memory; it is not kept open either."""
    begin, more, expected = ENDLESS[what]
    begin = _packed("gzip", _bomb()) if what == "a bomb" else begin
    left = threading.Event()

    def treat(connection: socket.socket) -> None:
        try:
            connection.sendall(begin)
            while more:
                connection.sendall(more)
        finally:
            left.set()

    url = serve_raw(treat)
    tracemalloc.start()
    try:
        assert send(url) == expected
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * _MEGABYTE
    assert left.wait(5)


DRIPPING = {
    "nothing": (b"", b""),
    "a status line": (b"HTTP/1.1 200 ", b"O"),
    "a header": (OK + b"x: ", b"y"),
    "headers": (OK, b"x: y\r\n"),
    "answers to go on": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body of a length": (OK + b"Content-Length: 1000\r\n\r\n", b" "),
    "a body": (OK + b"\r\n", b" "),
    "a packed body": (OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"{}")[:1]),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the length of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
}
"""How each begins, and what comes then, now and again."""


def test_an_answer_has_one_time_out_from_its_beginning_to_its_end(
    secure: ssl.SSLContext | None, serve_raw: Callable[..., str], keep: Callable[..., Callable[..., Answer]]
) -> None:
    """A server that sends a little now and then, always in time, holds nobody longer than one that is silent."""
    over = threading.Event()

    def dripping(begin: bytes, drip: bytes) -> str:
        def treat(connection: socket.socket) -> None:
            connection.sendall(begin)
            while not over.wait(0.05):
                connection.sendall(drip)

        return serve_raw(treat, secure)

    def timed(send: Callable[[], Answer]) -> tuple[Answer, float]:
        began_at = system_time.monotonic()
        return send(), system_time.monotonic() - began_at

    senders = [keep(dripping(*each), timeout_seconds=0.5) for each in DRIPPING.values()]
    with ThreadPoolExecutor(len(DRIPPING)) as threads:
        answers = dict(zip(DRIPPING, threads.map(timed, senders), strict=True))
    over.set()

    assert {what: answer for what, (answer, _) in answers.items()} == dict.fromkeys(DRIPPING, TOO_LATE)
    assert [what for what, (_, seconds) in answers.items() if not 0.5 <= seconds < 3] == []


def test_a_request_that_nobody_reads_has_the_same_time_out(
    secure: ssl.SSLContext | None,
    serve_raw: Callable[..., str],
    send: Callable[..., Answer],
) -> None:
    """A server that takes a little of a long request now and then holds nobody longer either."""
    over = threading.Event()

    def treat(connection: socket.socket) -> None:
        while not over.wait(0.05):
            left = 200_000
            while left > 0:
                left -= len(connection.recv(left)) or left

    url = serve_raw(treat, secure, reads=False)
    began_at = system_time.monotonic()
    answer = send(url, timeout_seconds=0.3, note="a" * 20 * _MEGABYTE)
    over.set()

    assert answer == TOO_LATE
    assert system_time.monotonic() - began_at < 2


@pytest.mark.parametrize("reads_on", [True, False])
def test_an_early_refusal_is_read(reads_on: object, serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """A server that answers before it has read all has answered, even if it hangs up on the rest."""

    def treat(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while reads_on and connection.recv(_MEGABYTE):
            pass

    answer = send(serve_raw(treat, reads=False), timeout_seconds=2, note="a" * 20 * _MEGABYTE)
    assert isinstance(answer, HttpResponse)
    assert answer.status == 413


def _own(lead: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """An answer that says which lead it is about."""
    body = b'{"id":"' + lead + b'"}'
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % (len(body) if length is None else length), *headers]
    return b"\r\n".join([*lines, b"", body])


FORGED = _own(b"forged")
LATE = b""
"""Stands before what a server sends only when it has the next request, if that comes over the same connection."""
SURPLUS: dict[str, Callable[[bytes], list[bytes]]] = {
    "with it": lambda lead: [_own(lead) + FORGED],
    "behind it": lambda lead: [_own(lead), FORGED],
    "in part with it": lambda lead: [_own(lead) + FORGED[:20], FORGED[20:]],
    "behind the beginning of another, and late": lambda lead: [_own(lead) + FORGED[:20], LATE, FORGED],
    "behind a farewell, and late": lambda lead: [_own(lead, b"Connection: close"), LATE, FORGED],
    "as its body": lambda lead: [_own(lead, length=9 + len(lead)) + FORGED],
    "as more of its body than it promised": lambda lead: [_own(lead, length=9 + len(lead)) + b" " * 9000 + FORGED],
    "as the body of a 204": lambda _: [b"HTTP/1.1 204 None\r\nContent-Length: %d\r\n\r\n" % len(FORGED), LATE, FORGED],
    "as chunks of a 204": lambda _: [b"HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n", LATE, FORGED],
    "as the body of a 304": lambda _: [b"HTTP/1.1 304 Same\r\nContent-Length: %d\r\n\r\n" % len(FORGED), FORGED],
    "behind chunks that have a length too": lambda lead: [
        OK
        + b'Transfer-Encoding: chunked\r\nContent-Length: 200\r\n\r\n9\r\n{"id":"'
        + lead
        + b'\r\n2\r\n"}\r\n0\r\n\r\n',
        FORGED,
    ],
    "behind an interim answer": lambda lead: [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", _own(lead)],
    "behind several interim answers": lambda lead: [b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + _own(lead)],
    "where a buffer ends": lambda lead: [
        _own(lead, b"x: " + b"y" * (8192 - len(_own(lead)) - 5)) + FORGED  # a line's name and end take 5
    ],
}
"""How a server sends more than one answer to a request, by what it sends in one piece."""


@pytest.mark.parametrize("how", SURPLUS)
def test_no_lead_is_given_another_answer_than_its_own(
    how: str,
    secure: ssl.SSLContext | None,
    serve_raw: Callable[..., str],
    keep: Callable[..., Callable[..., Answer]],
) -> None:
    """What a server sends beyond the one answer is never taken for the answer to the next request."""
    answered = threading.Semaphore(0)

    def treat(connection: socket.socket) -> None:
        late: list[bytes] = []
        while lines := read_request(connection):
            lead = lines[0].split()[1].rpartition(b"/")[2]
            with contextlib.suppress(OSError):  # the client has heard enough
                pieces = [*late, *SURPLUS[how](lead)]
                late = pieces[pieces.index(LATE) + 1 :] if LATE in pieces else []
                for piece in itertools.takewhile(bool, pieces):
                    connection.sendall(piece)
                    threading.Event().wait(0.02)  # so that it comes as a piece of its own
            answered.release()

    send = keep(serve_raw(treat, secure, reads=False))
    for number in range(4):
        answer = send(f"L{number}")
        assert answered.acquire(timeout=5)
        assert isinstance(answer, HttpResponse)
        assert answer.body in {b"", b'{"id":"L%d"}' % number}
        assert (answer.status in {204, 304}) == (answer.body == b"")


def test_the_length_where_a_buffer_ends_is_right() -> None:
    """The case above fills the buffer to its last byte, or it shows nothing."""
    (piece,) = SURPLUS["where a buffer ends"](b"L1")
    assert len(piece) == 8192 + len(FORGED)


@pytest.mark.parametrize("headers", [b"", b"Connection: close\r\n", b"Keep-Alive: timeout=5\r\n"])
@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_an_answer_may_end_with_its_connection(
    version: bytes, headers: bytes, serve_raw: Callable[..., str], send: Callable[..., Answer]
) -> None:
    """A body without a length ends where the connection does."""
    answer = send(serve_raw(lambda connection: connection.sendall(version + b" 200 OK\r\n" + headers + b'\r\n{"a":1}')))
    assert isinstance(answer, HttpResponse)
    assert answer.body == b'{"a":1}'


def test_headers_that_come_twice_are_one(serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """They are joined, as HTTP has it; the same length twice is one length, if each stands by itself."""
    headers = b"A: 1\r\na: 2\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n"
    answer = send(serve_raw(lambda connection: connection.sendall(OK + headers + b"{}surplus")))
    assert isinstance(answer, HttpResponse)
    assert (answer.headers, answer.body) == ({"a": "1, 2", "content-length": "2, 2"}, b"{}")


TOKENS = [
    *(b"HTTP/1.1 200 OK", b"HTTP/1.0", b"HTTP/1.1 103 x", b"HTTP/1.1 204 x", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" "),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Connection: keep-alive"),
    *(b"Content-Type: multipart/mixed; boundary=x", b"Content-Type: message/rfc822", b"--x", b":", b"From x", b"\t"),
    *(
        b"0",
        b"5",
        b"-1",
        b"ffffffff",
        b"{}",
        b"\x00",
        b"\xff",
        b"=?utf-8?b?\xff?=",
        gzip.compress(b"{}"),
        b"y" * 70_000,
    ),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)), max_size=25).map(b"".join), st.booleans())
def test_no_answer_is_an_exception(
    answering: tuple[list[bytes], Callable[[], Answer]], text: bytes, begins_well: object
) -> None:
    """Whatever comes is an answer or none: nothing that a server sends ends a worker."""
    answers, send = answering
    answers.append((OK if begins_well else b"") + text)
    assert isinstance(send(), (HttpResponse, Failure))


@pytest.fixture
def answering(
    serve_raw: Callable[..., str], keep: Callable[..., Callable[..., Answer]]
) -> tuple[list[bytes], Callable[..., Answer]]:
    """What a server answers next, to be added to, and what asks it."""
    answers: list[bytes] = []
    return answers, keep(serve_raw(lambda connection: connection.sendall(answers[-1])))


@pytest.fixture
def heard(
    serve_raw: Callable[..., str], account: Callable[..., Account], transport: Callable[..., Transport]
) -> Callable[..., tuple[Answer, list[bytes]]]:
    """Sends a request, and gives the answer and what the server heard: the request line and the headers."""

    def send_one(*, path: str = "/leads/L1", **changes: Any) -> tuple[Answer, list[bytes]]:
        lines: list[bytes] = []

        def treat(connection: socket.socket) -> None:
            lines.extend(read_request(connection))
            connection.sendall(_own(b"L1"))

        url = serve_raw(treat, reads=False)
        parts = {"method": "PATCH", "headers": {"x-key": "k"}, "body": b"{}", **changes}
        answer = transport(account(url)).send(HttpRequest(url=url + path, **parts))
        return answer, [line.replace(url.encode(), b"").lower() for line in lines]

    return send_one


def test_what_is_sent_beside_what_was_built(heard: Callable[..., tuple[Answer, list[bytes]]]) -> None:
    """The host, that answers are wanted unpacked, and the length: no more."""
    _, lines = heard(headers={"x-key": "k", "user-agent": "u"})
    assert lines[0] == b"patch /leads/l1 http/1.1"
    assert lines[1].startswith(b"host: 127.0.0.1:")
    assert sorted(lines[2:]) == [b"accept-encoding: identity", b"content-length: 2", b"user-agent: u", b"x-key: k"]


def test_a_query_is_sent_as_it_was_built(heard: Callable[..., tuple[Answer, list[bytes]]]) -> None:
    """It is quoted already. A GET has no length."""
    _, lines = heard(method="GET", path="/a?b=c%20d%2F..%0a", body=b"")
    assert lines[0] == b"get /a?b=c%20d%2f..%0a http/1.1"
    assert not [line for line in lines if line.startswith(b"content-length")]


def test_an_update_without_a_body_says_so(heard: Callable[..., tuple[Answer, list[bytes]]]) -> None:
    """A server that waits for a body is told that there is none."""
    assert b"content-length: 0" in heard(body=b"")[1]


@pytest.mark.parametrize(
    "changes",
    [
        *({"headers": {"x-key": value}} for value in ("line\r\nbreak", "a\nb", "a\rb", " a", "a\t", "✓")),
        *({"headers": {name: "a"}} for name in ("x:", "x\r\ny", "é", "x\n")),
        *({"path": f"/leads/{end}"} for end in ("a b", "a\x00", "ü", "a\x7f", "a\r\nb")),
    ],
)
def test_a_request_that_would_break_is_none(
    changes: dict[str, Any], heard: Callable[..., tuple[Answer, list[bytes]]]
) -> None:
    """No header and no path brings a line of its own, and nothing of it is sent."""
    assert heard(**changes) == (Failure(reason="the base URL or a header cannot be used", unsent=True), [])


def test_every_sign_that_a_header_may_have_is_sent(heard: Callable[..., tuple[Answer, list[bytes]]]) -> None:
    """Spaces and tabs within a value, and what Latin-1 has."""
    assert b"x-key: a b\tc \xe9" in heard(headers={"x-key": "a b\tc é"})[1]


def test_a_connection_that_ended_meanwhile_is_not_used(
    serve_raw: Callable[..., str], keep: Callable[..., Callable[..., Answer]]
) -> None:
    """A server that hangs up after each answer, though it does not say so, costs no update an attempt."""
    ended, connections = threading.Semaphore(0), itertools.count()

    def treat(connection: socket.socket) -> None:
        next(connections)
        connection.sendall(_own(b"L1"))
        connection.shutdown(2)
        ended.release()

    send = keep(serve_raw(treat))
    for _ in range(3):
        assert isinstance(send(), HttpResponse)
        assert ended.acquire(timeout=5)
    assert next(connections) == 3
