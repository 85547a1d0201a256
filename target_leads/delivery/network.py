"""The way to a provider's host, and why there may be none."""

from __future__ import annotations

import dataclasses
import http.client
import re
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)

from target_leads.delivery.certificates import certificate_findings, certificate_variable, trusted
from target_leads.delivery.proxies import connections_through, proxy_for, proxy_variable
from target_leads.delivery.wire import Bounded
from target_leads.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from urllib3.connection import HTTPConnection

    class Connection(Bounded, HTTPConnection):  # type: ignore[misc] # what is made at run time, of one class or another
        """An open connection to a host."""


_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
_NO_TLS = "what answers there speaks no TLS"
_OLD_TLS = "it offers nothing newer than TLS 1.1"
_HANDSHAKES = {
    "HTTP_REQUEST": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
}
"""What OpenSSL's own names for a failure mean."""
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's numbers for a certificate that nobody who is trusted has signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """Why a host could not be reached. Nothing was sent to it."""

    reason: str
    may_pass: bool
    """Whether it may be otherwise in an hour, with nobody mending anything."""
    timed_out: bool = False
    """Whether it took too long."""
    see_to: str = ""
    """Environment variable that has to do with it; empty if it is a matter of the host alone."""


_UNUSABLE = Unreachable(reason="the base URL cannot be used", may_pass=False)
_REFUSED_BY_SOCKS = Unreachable(
    reason="the SOCKS proxy takes no connection, refuses its user or password, or does not reach the host",
    may_pass=True,
)


class Way:
    """How a host is reached."""

    def __init__(self, base_url: str) -> None:
        """Look up what the environment says of this host.

        Raises:
            SettingsError: a proxy or a file of certificates that it names cannot be used.
        """
        self._proxy = proxy_for(base_url)
        self._proxy_variable = proxy_variable(base_url)
        self._is_socks = self._proxy.lower().startswith("socks")
        trust = trusted() if base_url.startswith("https:") else None
        try:
            self._pool: Any = connections_through(self._proxy, trust).connection_from_url(base_url)
            self._pool.ConnectionCls = type("_Connection", (Bounded, self._pool.ConnectionCls), {})
        except LocationValueError:
            self._pool = None

    def connect(self, timeout_seconds: float) -> Connection | Unreachable:
        """A new connection, its handshakes done. The time-out is for the connection, and again for each handshake."""
        if self._pool is None:
            return _UNUSABLE
        # The pool's own steps before a request; it has no public way to stop there.
        connection: Connection = self._pool._new_conn()  # noqa: SLF001
        connection.timeout = timeout_seconds
        connection.ends_at = time.monotonic() + timeout_seconds
        try:
            if self._pool.proxy is None:
                connection.connect()
            else:
                self._pool._prepare_proxy(connection)  # noqa: SLF001
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            at_proxy = bool(self._proxy) and not connection.has_connected_to_proxy
            connection.close()
            if self._is_socks:  # of which urllib3 says nothing but this; the handshake is with the host
                at_proxy = isinstance(error, (NewConnectionError, ConnectTimeoutError))
            return self._why(error, at_proxy=at_proxy)
        return connection

    def _why(self, error: Exception, *, at_proxy: bool) -> Unreachable:
        """Why there is no connection, and what to see to."""
        unreachable = _why(error, "the proxy" if at_proxy else "the host")
        if self._is_socks and isinstance(error, NewConnectionError):
            unreachable = _REFUSED_BY_SOCKS
        see_to = self._proxy_variable
        if isinstance(error, (ssl.SSLError, SSLError)):
            is_trust = getattr(error, "verify_code", None) in _UNTRUSTED
            see_to = (certificate_variable() if is_trust else "") or (self._proxy_variable if at_proxy else "")
        return dataclasses.replace(unreachable, see_to=see_to)


def network_findings(base_urls: Iterable[str]) -> list[str]:
    """What in the environment would keep each request from its host."""
    findings = list(certificate_findings())
    for base_url in base_urls:
        try:
            proxy_for(base_url)
        except SettingsError as error:
            findings += error.findings
    return list(dict.fromkeys(findings))


def _why(error: Exception, who: str) -> Unreachable:
    """What an error in connecting means. No word of it is shown: it may be the proxy's own."""
    if isinstance(error, (ssl.SSLError, SSLError)):
        words = f"{who}'s TLS certificate or handshake is not valid: {_tls_words(error)}"
        return Unreachable(reason=words, may_pass=False)
    if isinstance(error, NameResolutionError):
        return Unreachable(reason=f"{who}'s name is not known", may_pass=True)
    if isinstance(error, NewConnectionError):
        return Unreachable(reason=f"{who} takes no connection", may_pass=True)
    if isinstance(error, (ConnectTimeoutError, TimeoutError)):
        return Unreachable(reason=f"no connection to {who} within the time-out", may_pass=True, timed_out=True)
    if refused := _REFUSED_TUNNEL.match(str(error)):
        # It wants other credentials, or has a rule against the host: 4xx. Or it cannot get there itself: 5xx.
        return Unreachable(
            reason=f"the proxy refuses with status {refused[1]}", may_pass=not refused[1].startswith("4")
        )
    if isinstance(error, (LocationValueError, UnicodeError)):
        return _UNUSABLE
    return Unreachable(reason=f"the connection to {who} broke", may_pass=True)


def _tls_words(error: ssl.SSLError | SSLError) -> str:
    """OpenSSL's words for what is wrong with a certificate; ours for what is wrong with a handshake."""
    verify_message: str = getattr(error, "verify_message", "")
    return verify_message.rstrip(".") or _HANDSHAKES.get(getattr(error, "reason", ""), "the handshake failed")
