"""Reads the files that a Singer BATCH message names: records as JSON lines, plain or gzipped."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import fsspec

from target_leads.exceptions import InputError
from target_leads.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def batch_records(
    message: Mapping[str, Any], parse: Callable[[bytes, str], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The records of every file in the message's manifest, in order.

    `parse` reads one line; it is also told which, as the subject of a sentence.

    Raises:
        InputError: the encoding is another, or a file cannot be read.
    """
    encoding = message["encoding"]
    compression = encoding.get("compression") or "none"
    if encoding.get("format") != "jsonl" or compression not in {"gzip", "none"}:
        what = f"{encoding.get('format')} with compression {compression}"
        text = f"A BATCH message names files of {what}. Have the tap write jsonl, plain or gzip."
        raise InputError(text)
    for url in message["manifest"]:
        name = without_secrets(url) if "://" in url else url  # else it is a path
        try:
            with fsspec.open(url, "rb", compression="gzip" if compression == "gzip" else None) as lines:
                for number, line in enumerate(lines, start=1):
                    if not line.isspace():
                        yield parse(line, f"Line {number} of the batch file {name}")
        except (EOFError, ImportError, OSError, ValueError, zlib.error) as error:
            text = f"The batch file {name} cannot be read: {_cause(error)}. What came before it is settled."
            raise InputError(text) from None


def _cause(error: Exception) -> str:
    """Why a file cannot be read, in words that show nothing of it."""
    if isinstance(error, ImportError):
        return str(error)  # names the library that reads such files
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged" if isinstance(error, (EOFError, OSError, zlib.error)) else "no program here knows such a URL"
