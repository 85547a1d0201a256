"""Sends one request and reads its answer. The only module that knows requests."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
import urllib3
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from target_leads.delivery.http import Failure, HttpResponse
from target_leads.redaction import keep_quiet

if TYPE_CHECKING:
    from target_leads.clock import Clock
    from target_leads.delivery.http import Answer, HttpRequest
    from target_leads.providers.account import Account

# It quotes what it cannot read of an answer, in which a lead's fields may stand.
keep_quiet("urllib3.connection", up_to=logging.ERROR)

_MOST_BYTES = 1 << 20
"""Longest answer that is read. No documented answer comes near; an endless one must not fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """Why a host could not be reached."""

    reason: str
    may_pass: bool
    """Whether it may be otherwise in an hour, with nobody mending anything."""


class Transport:
    """Connections to one account's host, as many as requests may be in flight.

    Requests go through the adapter itself, not through ``Session.send``: that would follow redirects, keep cookies
    from one lead to the next, and let a ``.netrc`` entry replace the credentials. Proxies and certificates that the
    environment names are honoured; they are looked up once.
    """

    def __init__(self, account: Account, *, timeout_seconds: float, clock: Clock) -> None:
        """Prepare the connection pool; nothing is sent yet."""
        self._base_url = account.base_url
        self._timeout = timeout_seconds
        self._clock = clock
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=account.concurrency, max_retries=0)
        with requests.Session() as session:
            self._environment: dict[str, Any] = dict(
                session.merge_environment_settings(account.base_url, {}, stream=True, verify=None, cert=None)
            )
        if not account.uses_proxy:
            self._environment["proxies"] = {}

    def send(self, request: HttpRequest) -> Answer:
        """One attempt: the answer, or why there is none. Never raises for what the network or the settings do."""
        try:
            prepared = requests.Request(
                request.method, request.url, dict(request.headers), data=request.body or None
            ).prepare()
        except requests.exceptions.RequestException:
            return Failure(reason="the base URL or a header cannot be used")
        try:
            response = self._adapter.send(prepared, timeout=self._timeout, **self._environment)
            try:
                body = response.raw.read(_MOST_BYTES + 1, decode_content=True)
            finally:
                response.close()
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            urllib3.exceptions.LocationValueError,
        ):
            return Failure(reason="the base URL or the proxy's URL cannot be used")
        except requests.exceptions.SSLError:
            return Failure(reason="the TLS certificate or handshake is not valid")
        except requests.exceptions.ConnectTimeout:
            return Failure(reason="no connection within the time-out", timed_out=True)
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            return Failure(reason="no answer within the time-out", may_have_arrived=True, timed_out=True)
        except requests.exceptions.ConnectionError as error:
            cause = getattr(error.args[0], "reason", None) if error.args else None
            unknown = isinstance(cause, urllib3.exceptions.NameResolutionError)
            if unknown:
                return Failure(reason="the host's name is not known")
            refused = isinstance(cause, urllib3.exceptions.NewConnectionError)
            return Failure(reason="the connection failed or broke", may_have_arrived=not refused)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError):
            return Failure(reason="the connection failed or broke", may_have_arrived=True)
        if len(body) > _MOST_BYTES:
            return Failure(reason="the answer is too long to be one", may_have_arrived=True)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(status=response.status_code, headers=headers, body=body, received_at=self._clock.now())

    def reach(self) -> Unreachable | None:
        """Connect as a request would, through the proxy and with the TLS handshake, and send none; None if it works."""
        target = requests.Request("GET", self._base_url).prepare()
        chosen = {name: self._environment[name] for name in ("verify", "proxies", "cert")}
        try:
            pool: Any = self._adapter.get_connection_with_tls_context(target, **chosen)
            pool.timeout = urllib3.Timeout(self._timeout)
            # The pool's own steps before a request; it has no public way to stop there.
            connection = pool._new_conn()  # noqa: SLF001
            try:
                if pool.proxy is not None and pool.scheme == "https":
                    pool._prepare_proxy(connection)  # noqa: SLF001
                else:
                    connection.connect()
            finally:
                connection.close()
        except (ssl.SSLError, urllib3.exceptions.SSLError, requests.exceptions.SSLError) as error:
            words = getattr(error, "verify_message", "") or "the handshake failed"
            return Unreachable(reason=f"the TLS certificate or handshake is not valid: {words}", may_pass=False)
        except (requests.exceptions.RequestException, urllib3.exceptions.LocationValueError):
            return Unreachable(reason="the base URL or the proxy's URL cannot be used", may_pass=False)
        except urllib3.exceptions.NameResolutionError:
            return Unreachable(reason="the host's name is not known", may_pass=True)
        except urllib3.exceptions.NewConnectionError:
            return Unreachable(reason="the connection failed or broke", may_pass=True)
        except (urllib3.exceptions.TimeoutError, TimeoutError):
            return Unreachable(reason="no connection within the time-out", may_pass=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            _, by_proxy, words = str(error).partition("Tunnel connection failed: ")
            reason = f"the proxy refuses: {words}" if by_proxy else "the connection failed or broke"
            return Unreachable(reason=reason, may_pass=True)
        return None

    def close(self) -> None:
        """Close every connection."""
        self._adapter.close()
