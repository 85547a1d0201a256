"""A real proxy on loopback, which makes tunnels and notes what it was asked for."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.delivery.conftest import read_request

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Proxy:
    """What a proxy was asked for."""

    url: str
    asked: list[list[bytes]] = field(default_factory=list)
    """Request line and headers of each request."""
    passed: bytearray = field(default_factory=bytearray)
    """What clients sent through it."""
    is_over: threading.Event = field(default_factory=threading.Event)
    """It has no time to lose any more."""


def tunnelling(
    proxy: Proxy,
    ends: dict[str, str],
    *,
    answer: bytes = b"HTTP/1.1 200 Made\r\n\r\n",
    drips: threading.Event | None = None,
) -> Callable[[socket.socket], None]:
    """Treats a connection as a proxy does: a tunnel to the place at which the named host really is.

    Once `drips` is set, it passes to the client a byte now and then.
    """

    def treat(connection: socket.socket) -> None:
        proxy.asked.append(read_request(connection))
        connection.sendall(answer)
        if b" 200 " not in answer:
            return
        _pass_on(proxy, connection, ends[proxy.asked[-1][0].split()[1].decode()], drips or threading.Event())

    return treat


def socks5(
    proxy: Proxy, ends: dict[str, str], *, credentials: bytes = b"", status: int = 0
) -> Callable[[socket.socket], None]:
    """Treats a connection as a SOCKS 5 proxy does (RFC 1928), which looks up the name itself.

    With credentials, quoted as they stand on the wire (RFC 1929), it takes no others. A status other than 0 refuses.
    """

    def treat(connection: socket.socket) -> None:
        proxy.asked.append([])
        methods = _exactly(connection, _exactly(connection, 2)[1])
        method = 2 if credentials else 0
        connection.sendall(bytes([5, method if method in methods else 255]))
        if credentials:
            user = _exactly(connection, _exactly(connection, 2)[1])
            password = _exactly(connection, _exactly(connection, 1)[0])
            is_known = user + b":" + password == credentials
            connection.sendall(bytes([1, 0 if is_known else 1]))
            if not is_known:
                return
        _exactly(connection, 4)
        host = _exactly(connection, _exactly(connection, 1)[0]).decode()
        port = int.from_bytes(_exactly(connection, 2), "big")
        proxy.asked[-1].append(f"{host}:{port}".encode())
        connection.sendall(bytes([5, status, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not status:
            _pass_on(proxy, connection, ends[f"{host}:{port}"], threading.Event())

    return treat


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := connection.recv(count - len(data))):
            raise ConnectionError
        data += more
    return data


def _pass_on(proxy: Proxy, connection: socket.socket, url: str, drips: threading.Event) -> None:
    """Pass everything on, both ways, until one side has ended."""
    host, _, port = url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as end, contextlib.suppress(OSError):
        sides = {connection: end, end: connection}
        while True:
            for side in select.select(list(sides), [], [], 5)[0]:
                if not (data := side.recv(65536)):
                    return
                if side is connection:
                    proxy.passed += data
                if side is end and drips.is_set():
                    for sign in data:
                        connection.sendall(bytes([sign]))
                        proxy.is_over.wait(0.02)
                else:
                    sides[side].sendall(data)
