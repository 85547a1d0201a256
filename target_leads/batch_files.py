"""Reads the files that a Singer BATCH message names: records as JSON lines, plain or gzipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec

from target_leads.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def batch_records(message: Mapping[str, Any], parse: Callable[[bytes], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records of every file in the message's manifest, in order; `parse` reads one line.

    Raises:
        InputError: the encoding is another, or a file cannot be read.
    """
    encoding = message["encoding"]
    if encoding.get("format") != "jsonl" or encoding.get("compression", "none") not in {"gzip", "none"}:
        what = f"{encoding.get('format')} with compression {encoding.get('compression')}"
        text = f"A BATCH message names files of {what}. Have the tap write jsonl, plain or gzip."
        raise InputError(text)
    for url in message["manifest"]:
        try:
            with fsspec.open(url, "rb", compression="gzip" if encoding.get("compression") == "gzip" else None) as lines:
                for line in lines:
                    yield parse(line)
        except (OSError, EOFError) as error:
            text = f"The batch file {url} cannot be read: {type(error).__name__}. What came before it is settled."
            raise InputError(text) from None
