"""Whose certificates are trusted, as the environment says."""

from __future__ import annotations

import functools
import os
import re
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
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""What a file of a folder is called in which OpenSSL looks for a certificate."""
_REHASH = "Make them with openssl rehash, name a file with certificates in PEM form, or unset the variable."


def trusted() -> ssl.SSLContext:
    """What handshakes go by: TLS 1.2 at least, the host's name, and the certificates that are trusted.

    Without a variable they are those that requests comes with.

    Raises:
        SettingsError: what the environment names cannot be used.
    """
    variable = certificate_variable()
    return _trusting(variable, os.environ[variable] if variable else requests.utils.DEFAULT_CA_BUNDLE_PATH)


def certificate_findings() -> Iterator[str]:
    """What is wrong with the certificates that the environment names."""
    try:
        if certificate_variable():
            trusted()
    except SettingsError as error:
        yield from error.findings


def certificate_variable() -> str:
    """Name of the variable that says whose certificates are trusted; empty for none."""
    return next((name for name in _VARIABLES if os.environ.get(name)), "")


@functools.cache
def _trusting(variable: str, path: str) -> ssl.SSLContext:
    """The same for every account: to read a hundred certificates takes its time."""
    context = create_urllib3_context()
    shown = printable(path)
    try:
        is_folder = Path(path).is_dir()
        if is_folder and not any(_HASHED.fullmatch(file.name) for file in Path(path).iterdir()):
            raise SettingsError([f"{variable}: {shown} is a folder without certificates under their hashes. {_REHASH}"])
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
