"""What a base URL must be. Credentials travel to it, so one rule holds for a definition's and for a user's own."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHAPE = re.compile(r"https?://([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~:@!$&'()*+,;=%/-]*)?")
_EXAMPLE = "https://api.example.com/v1"


def url_findings(url: object) -> Iterator[str]:
    """What is wrong with a base URL. The URL itself is not shown: a password may stand in it."""
    if not isinstance(url, str) or not re.match("https?://", url):
        yield f"must begin with https:// and a host, such as {_EXAMPLE}."
        return
    if any(mark in url for mark in "?#") or "@" in url.split("/")[2]:
        yield f"must hold no user, password, query or fragment; give one such as {_EXAMPLE}."
        return
    try:
        parts = urlsplit(url)
        fits = _SHAPE.fullmatch(url) is not None and parts.port != 0
    except ValueError:  # a port that is none, or a broken IPv6 address
        fits = False
    if not fits:
        yield f"is no URL that a request can go to; give one such as {_EXAMPLE}."
    elif parts.scheme == "http" and not is_loopback(url):
        yield f"must be https, as credentials travel to it. Plain http is for loopback only, not for {parts.hostname}."


def is_loopback(url: str) -> bool:
    """Whether a base URL stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
