"""Sends one request and reads its answer, over connections that are kept."""

from __future__ import annotations

import collections
import contextlib
import http.client
import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.exceptions import TimeoutError as TimedOut

from target_leads.delivery.http import Failure, HttpResponse
from target_leads.delivery.network import Unreachable, Way
from target_leads.delivery.wire import MOST_BYTES, TooLongError, UnreadableError, is_quiet, unpacked
from target_leads.redaction import keep_quiet

if TYPE_CHECKING:
    from target_leads.clock import Clock
    from target_leads.delivery.http import Answer, HttpRequest
    from target_leads.delivery.network import Connection
    from target_leads.providers.account import Account

# It quotes what it cannot read of an answer, in which a lead's fields may stand.
keep_quiet("urllib3.connection", up_to=logging.ERROR)

_logger = logging.getLogger(__name__)


class _UnsendableError(Exception):
    """A request that would break on its way: a line break in a header, say."""


class Transport:
    """Connections to one account's host, as many as requests are in flight.

    It knows no redirects, no cookies and no ``.netrc``: what is sent is what was built, to the account's host alone.
    """

    def __init__(self, account: Account, *, timeout_seconds: float, clock: Clock) -> None:
        """Look up the way to the host; nothing is sent yet. The time-out is for connecting, and then for an answer.

        Raises:
            SettingsError: the environment names a proxy or certificates that cannot be used.
        """
        self._base_url = account.base_url
        place = urlsplit(account.base_url)
        self._origin = f"{place.scheme}://{place.netloc}"
        self._timeout = timeout_seconds
        self._clock = clock
        self._way = Way(account.base_url)
        self._idle: collections.deque[Connection] = collections.deque()
        self._is_closed = False

    def send(self, request: HttpRequest) -> Answer:
        """One attempt: the answer, or why there is none. Never raises for what the network or the provider does."""
        answer = self._answer(request)
        if _logger.isEnabledFor(logging.DEBUG):
            came = answer.status if isinstance(answer, HttpResponse) else answer.reason
            _logger.debug("%s %s: %s", request.method, request.url.partition("?")[0], came)
        return answer

    def reach(self) -> Unreachable | None:
        """Connect as a request would, through the proxy and with the TLS handshake, and send none; None if it works."""
        connection = self._way.connect(self._timeout)
        if isinstance(connection, Unreachable):
            return connection
        connection.close()
        return None

    def close(self) -> None:
        """Close every connection; one that is in use, when its answer is there."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _answer(self, request: HttpRequest) -> Answer:
        if not request.url.startswith(f"{self._base_url}/"):
            return Failure(reason="the URL is not below the base URL", unsent=True)
        connection = self._connection()
        if isinstance(connection, Unreachable):
            return Failure(
                reason=connection.reason, timed_out=connection.timed_out, unsent=True, see_to=connection.see_to
            )
        answer: Answer = Failure(reason="the connection broke, or what came is no answer", may_have_arrived=True)
        try:
            answer = self._exchange(connection, request)
        except _UnsendableError:
            answer = Failure(reason="the base URL or a header cannot be used", unsent=True)
        except (TimeoutError, TimedOut):
            answer = Failure(reason="no answer within the time-out", may_have_arrived=True, timed_out=True)
        except (TooLongError, ProtocolError) as error:
            if isinstance(error, TooLongError) or isinstance(error.args[-1], TooLongError):
                answer = Failure(reason="the answer is too long to be one", may_have_arrived=True)
        except (http.client.HTTPException, HTTPError, OSError, ValueError):
            pass
        finally:
            if isinstance(answer, HttpResponse) and connection.sock is not None and not self._is_closed:
                self._idle.append(connection)
            else:
                connection.close()
        return answer

    def _exchange(self, connection: Connection, request: HttpRequest) -> HttpResponse:
        if any(value != value.strip() for value in request.headers.values()):
            raise _UnsendableError
        connection.ends_at = time.monotonic() + self._timeout
        target = request.url.removeprefix(self._origin)
        with contextlib.suppress(ConnectionError):  # a provider that refuses may hang up before it has read all
            try:
                connection.request(
                    request.method,
                    target,
                    request.body or None,
                    request.headers,
                    preload_content=False,
                    decode_content=False,
                )
            except (ValueError, http.client.InvalidURL):
                raise _UnsendableError from None
        response = connection.getresponse()
        packed = response.read(MOST_BYTES + 1)
        if len(packed) > MOST_BYTES:
            raise TooLongError
        if response.length_remaining:
            raise UnreadableError("the body is cut short")
        headers = {name.lower(): value for name, value in response.headers.itermerged()}
        body = unpacked(packed, headers.get("content-encoding", ""))
        return HttpResponse(status=response.status, headers=headers, body=body, received_at=self._clock.now())

    def _connection(self) -> Connection | Unreachable:
        """The connection that was used last and is still fit for use, or a new one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._way.connect(self._timeout)
            if is_quiet(connection.sock):
                return connection
            connection.close()
