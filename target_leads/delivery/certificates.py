"""Whose certificates are trusted, as the environment says."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import requests.utils
from urllib3.util.ssl_ import create_urllib3_context

from target_leads.exceptions import SettingsError
from target_leads.redaction import printable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The first that is set counts."""


def trusted() -> ssl.SSLContext:
    """What handshakes go by: TLS 1.2 at least, the host's name, and the certificates that are trusted.

    Without a variable they are those that requests comes with.

    Raises:
        SettingsError: what the environment names cannot be used.
    """
    variable = _variable()
    return _trusting(variable, os.environ[variable] if variable else requests.utils.DEFAULT_CA_BUNDLE_PATH)


def certificate_findings() -> Iterator[str]:
    """What is wrong with the certificates that the environment names."""
    try:
        if _variable():
            trusted()
    except SettingsError as error:
        yield from error.findings


def _variable() -> str:
    return next((name for name in _VARIABLES if os.environ.get(name)), "")


@functools.cache
def _trusting(variable: str, path: str) -> ssl.SSLContext:
    """The same for every account: to read a hundred certificates takes its time."""
    context = create_urllib3_context()
    shown = printable(path)
    try:
        is_folder = Path(path).is_dir()
        context.load_verify_locations(cafile=None if is_folder else path, capath=path if is_folder else None)
    except FileNotFoundError:
        finding = f"there is no file {shown}. Name one with certificates in PEM form, or unset the variable."
    except PermissionError:
        finding = f"{shown} may not be read. Name a file that may, or unset the variable."
    except OSError:
        finding = f"{shown} holds no certificates in PEM form. Name a file that does, or unset the variable."
    else:
        return context
    raise SettingsError([f"{variable or 'certificates'}: {finding}"])
