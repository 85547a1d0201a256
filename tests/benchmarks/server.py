"""A server that answers every PATCH with 200 after so many milliseconds, and does as little else as it can.

A process of its own, so that it takes no time from the client's threads. It says its port on stdout and ends with its
stdin. A GET tells how many PATCHes it has answered.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import httptools

_BODY = b'{"id":"lead","updated_at":"2026-03-01T12:00:00Z"}'
_OK = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: 6f1c2d3e4f5a6b7c\r\n"
    b"content-length: %d\r\n\r\n%s"
) % (len(_BODY), _BODY)
_NOT_ALLOWED = b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n"


class _Count:
    """How many PATCHes were answered."""

    answered = 0


class _Connection(asyncio.Protocol):
    """One client's connection, kept alive."""

    def __init__(self, latency_seconds: float, count: _Count) -> None:
        self._latency_seconds = latency_seconds
        self._count = count
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        method = self._parser.get_method()
        if method == b"GET":
            told = str(self._count.answered).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(told), told))
        elif method != b"PATCH":
            self._transport.write(_NOT_ALLOWED)
        elif self._latency_seconds:
            asyncio.get_running_loop().call_later(self._latency_seconds, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self._count.answered += 1
        self._transport.write(_OK)


async def _serve(latency_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    count = _Count()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    server = await loop.create_server(lambda: _Connection(latency_seconds, count), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 -- the line that the parent process waits for
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) / 1000))
