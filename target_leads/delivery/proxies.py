"""The proxy on the way to a host, as the environment says."""

from __future__ import annotations

import base64
import importlib.util
import os
from typing import TYPE_CHECKING
from urllib.parse import unquote

import requests.utils
import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from target_leads.exceptions import SettingsError
from target_leads.providers.base_url import is_loopback

if TYPE_CHECKING:
    import ssl

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_EXAMPLE = "http://proxy.example.com:3128"


def proxy_for(base_url: str) -> str:
    """URL of the proxy that the environment names for a host; empty for none.

    There is none for loopback: nobody means a host on this machine to be reached by way of another one.

    Raises:
        SettingsError: it is no URL of a proxy. The URL is not shown: a password may stand in it.
    """
    if is_loopback(base_url):
        return ""
    named = _named(base_url)
    proxy = named if not named or "://" in named else f"http://{named}"
    try:
        connections_through(proxy, None)
    except (ValueError, HTTPError):
        finding = f"is no URL of a proxy. Give one such as {_EXAMPLE}, or unset the variable."
    except ModuleNotFoundError:
        finding = f"a SOCKS proxy takes the extra `socks` of target-leads. Install it, or give one such as {_EXAMPLE}."
    else:
        return proxy
    raise SettingsError([f"{_variable(named)}: {finding}"])


def proxy_variable(base_url: str) -> str:
    """Name of the variable that says which proxy a host is reached through; empty if it is reached without one."""
    named = "" if is_loopback(base_url) else _named(base_url)
    return _variable(named) if named else ""


def _named(base_url: str) -> str:
    return requests.utils.select_proxy(base_url, requests.utils.get_environ_proxies(base_url, no_proxy=None)) or ""


def _variable(value: str) -> str:
    return next((name for name in _VARIABLES if os.environ.get(name) == value), _VARIABLES[0])


def connections_through(proxy: str, trust: ssl.SSLContext | None) -> urllib3.PoolManager:
    """What makes connections through a proxy, or without one. The proxy alone gets the credentials in its URL.

    Raises:
        ValueError, urllib3.exceptions.HTTPError: the proxy's URL cannot be used.
        ModuleNotFoundError: the package for SOCKS proxies is not installed.
    """
    if not proxy:
        return urllib3.PoolManager(ssl_context=trust)
    url = urllib3.util.parse_url(proxy)
    if not url.host:
        raise LocationValueError("no host")
    user, _, password = map(unquote, (url.auth or "").partition(":"))
    if (url.scheme or "").startswith("socks"):
        package = importlib.util.find_spec("socks")
        if package is None or package.origin is None:  # or it is a mere folder of that name
            raise ModuleNotFoundError("socks")
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 -- it needs what may not be installed

        return SOCKSProxyManager(proxy, username=user or None, password=password or None, ssl_context=trust)
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"proxy-authorization": f"Basic {credentials}"} if user else {}
    return urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=trust, ssl_context=trust)
