"""Answers as they come over the wire, read within bounds of time and length, and by the letter of HTTP.

http.client reads them. Whatever comes in passes `_Arriving`, so nothing that a provider sends, or does not send, takes
longer or fills more memory than that lets through, whichever part of an answer it stands in.
"""

from __future__ import annotations

import functools
import http.client
import io
import re
import ssl
import time
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

MOST_BYTES = 1 << 20
"""Longest body that is read, unpacked. No documented answer comes near."""
_MOST_BYTES_ARRIVING = 2 * MOST_BYTES
"""Of a whole answer: status lines, headers, lengths of chunks and body."""
_MOST_INTERIM_ANSWERS = 20

_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_WITHOUT_BODY = frozenset({http.client.NO_CONTENT, http.client.NOT_MODIFIED})


class UnreadableError(http.client.HTTPException):
    """What came is no answer by the rules of HTTP."""


class TooLongError(http.client.HTTPException):
    """What came is longer than any answer."""


class Bounded:
    """What makes a connection of urllib3 keep to a time. Stands before its class."""

    sock: socket.socket
    ends_at = 0.0
    """Moment of ``time.monotonic`` until which a request is sent and its answer read, whole."""

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            TimeoutError: the moment has come.
        """
        self.sock.settimeout(_seconds_until(self.ends_at))
        self.sock.sendall(data)  # whose time-out is for all of it, over TLS too

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        """TLS with a proxy, within which urllib3 speaks TLS with the host: by pieces, which are kept to the time.

        A step of urllib3's own; it has no public way to do this.
        """
        outer: ssl.SSLSocket = super()._connect_tls_proxy(hostname, sock)  # type: ignore[misc] # it is there
        outer.recv = functools.partial(self._in_time, outer, outer.recv)  # type: ignore[method-assign]
        outer.sendall = functools.partial(self._in_time, outer, outer.sendall)  # type: ignore[method-assign]
        return outer

    def _in_time(self, outer: ssl.SSLSocket, do: Callable[[Any], Any], what: Any) -> Any:  # noqa: ANN401 -- recv's, or sendall's
        if outer.gettimeout() != 0:  # else nobody wants to wait
            outer.settimeout(_seconds_until(self.ends_at))
        return do(what)

    def response_class(
        self,
        connection: socket.socket,
        *_: object,
        method: str | None = None,
        **__: object,
    ) -> http.client.HTTPResponse:
        """What http.client reads an answer with, the provider's or a proxy's."""
        return _Answer(connection, method, ends_at=self.ends_at)


class _Answer(http.client.HTTPResponse):
    """An answer behind any interim ones, of which http.client itself knows 100 alone.

    Its connection is not used again if something is left in it, or may still come: no lead is given another's answer.
    """

    fp: _Incoming

    def __init__(self, connection: socket.socket, method: str | None, *, ends_at: float) -> None:
        self._connection_itself = connection
        incoming = _Incoming(_Arriving(connection, ends_at))
        super().__init__(incoming, method=method)  # type: ignore[arg-type] # all it asks of a socket is `makefile`

    def begin(self) -> None:
        """Read up to the body of the first answer that is more than interim.

        Raises:
            UnreadableError: there are too many interim ones, one would go on in another protocol, or the headers are
                none, or do not say where the body ends.
        """
        for _ in range(_MOST_INTERIM_ANSWERS):
            super().begin()
            if self.status >= http.client.OK:
                break
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise UnreadableError("it would go on in another protocol")
            self.headers = self.msg = None  # type: ignore[assignment] # else nothing more is read
        else:
            raise UnreadableError("no answer but interim ones")
        if self.fp.raw.has_ended:  # http.client takes that for the end of the headers
            raise UnreadableError("the headers are cut short")
        self._check_headers()

    def _check_headers(self) -> None:
        if self.headers.get_payload():  # where a line is no header, the parser takes it for the body of an e-mail
            raise UnreadableError("a line is no header")
        lengths = self.headers.get_all("content-length", [])
        if len(set(lengths)) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise UnreadableError("the length is none")
        form = self.headers.get("transfer-encoding")
        if form is not None and form.lower() != "chunked":
            raise UnreadableError("the body comes in an unknown form")
        promises_body = form is not None or any(length != "0" for length in lengths)
        has_body = self.status not in _WITHOUT_BODY
        if (promises_body and not has_body) or (form is not None and lengths):
            self.will_close = True  # it contradicts itself: some of it may still be on its way
        if not has_body:
            self.chunked, self.length = False, 0

    def _close_conn(self) -> None:
        if self.fp.holds_more():
            self._connection_itself.close()
        super()._close_conn()  # type: ignore[misc] # it is there


class _Arriving(io.RawIOBase):
    """What comes in on a connection, until a moment and up to a length."""

    def __init__(self, connection: socket.socket, ends_at: float) -> None:
        self._connection = connection
        self._file = connection.makefile("rb", buffering=0)
        self._ends_at = ends_at
        self._left = _MOST_BYTES_ARRIVING
        self.has_ended = False
        """Whether the provider has sent all that it wants to."""

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for more of it; gives how much came, and 0 at its end.

        Raises:
            TimeoutError: the moment has come.
            TooLongError: it is longer than any answer.
        """
        if self.has_ended:
            return 0
        if self._left <= 0:
            raise TooLongError
        self._connection.settimeout(_seconds_until(self._ends_at))
        count = self._file.readinto(buffer) or 0  # none only where it would not wait
        self._left -= count
        self.has_ended = not count
        return count

    def close(self) -> None:
        """Let go of the connection; that closes it if nothing else holds it."""
        self._file.close()
        super().close()


class _Incoming(io.BufferedReader):
    """The same with a buffer."""

    raw: _Arriving

    def makefile(self, _: str) -> _Incoming:
        """What http.client reads from."""
        return self

    def holds_more(self) -> bool:
        """Whether more has come than was read. Waits for nothing."""
        self.raw.has_ended = True
        return bool(self.peek(1))


def is_quiet(connection: socket.socket) -> bool:
    """Whether an idle connection is open, and nothing came on it that nobody asked for, in the TLS layer either."""
    try:
        connection.settimeout(0)
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def _seconds_until(moment: float) -> float:
    seconds = moment - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def unpacked(body: bytes, encoding: str) -> bytes:
    """A body that comes packed, though nobody asked for that.

    Raises:
        UnreadableError: it cannot be unpacked.
        TooLongError: it is longer than any answer.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"} or not body:
        return body
    if name not in {"gzip", "x-gzip", "deflate"}:
        raise UnreadableError("the body is packed in an unknown form")
    # Servers differ in what they take "deflate" for: zlib's form, or the bare one.
    bare = name == "deflate" and (body[0] & 0x0F != zlib.DEFLATED or int.from_bytes(body[:2], "big") % 31 != 0)
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
    try:
        whole = unpacking.decompress(body, MOST_BYTES + 1)
    except zlib.error:
        raise UnreadableError("the body is not packed as it says") from None
    if len(whole) > MOST_BYTES:
        raise TooLongError
    if not unpacking.eof or unpacking.unused_data:
        raise UnreadableError("the body is cut short")
    return whole
