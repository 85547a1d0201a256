"""A real proxy on loopback, which makes tunnels and notes what it was asked for."""

from __future__ import annotations

import contextlib
import select
import socket
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


def tunnelling(
    proxy: Proxy, ends: dict[str, str], *, answer: bytes = b"HTTP/1.1 200 Made\r\n\r\n"
) -> Callable[[socket.socket], None]:
    """Treats a connection as a proxy does: a tunnel to the place at which the named host really is."""

    def treat(connection: socket.socket) -> None:
        proxy.asked.append(read_request(connection))
        connection.sendall(answer)
        if b" 200 " not in answer:
            return
        host, _, port = ends[proxy.asked[-1][0].split()[1].decode()].rpartition("/")[2].partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as end, contextlib.suppress(OSError):
            sides = {connection: end, end: connection}
            while True:
                for side in select.select(list(sides), [], [], 5)[0]:
                    if not (data := side.recv(65536)):
                        return
                    if side is connection:
                        proxy.passed += data
                    sides[side].sendall(data)

    return treat
