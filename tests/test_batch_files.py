"""The files of a BATCH message are read record by record; one that cannot be read is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.batch_files import batch_records
from target_leads.exceptions import InputError
from target_leads.reader import MessageReader

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES = b'{"id": "a", "amount": 1.50}\n\n{"id": "b"}'


def read(manifest: Sequence[str], **encoding: Any) -> list[dict[str, Any]]:
    """The records of all files in a manifest."""
    message = {"encoding": {"format": "jsonl", **encoding}, "manifest": manifest}
    return list(batch_records(message, MessageReader().parse_record))


@pytest.mark.parametrize("encoding", [{}, {"compression": None}, {"compression": "none"}, {"compression": "gzip"}])
def test_every_record_of_every_file_in_order(tmp_path: Path, encoding: dict[str, Any]) -> None:
    """Plain and gzipped lines are read alike, decimals keep their digits, blank lines are none."""
    packed = gzip.compress if encoding.get("compression") == "gzip" else bytes
    (tmp_path / "1").write_bytes(packed(LINES))
    (tmp_path / "2").write_bytes(packed(b'{"id": "c"}\n'))
    records = read([(tmp_path / "1").as_uri(), str(tmp_path / "2")], **encoding)
    assert [record["id"] for record in records] == ["a", "b", "c"]
    assert str(records[0]["amount"]) == "1.50"


@pytest.mark.parametrize(
    ("encoding", "what"),
    [
        ({"format": "parquet"}, "parquet with compression none"),
        ({"format": "jsonl", "compression": "zstd"}, "jsonl with compression zstd"),
        ({}, "None with compression none"),
    ],
)
def test_another_encoding_is_named(encoding: dict[str, Any], what: str) -> None:
    """Files that this target cannot read are told before one of them is opened, with what it can read."""
    with pytest.raises(InputError) as ended:
        list(batch_records({"encoding": encoding, "manifest": ["missing"]}, MessageReader().parse_record))
    assert str(ended.value) == f"A BATCH message names files of {what}. Have the tap write jsonl, plain or gzip."


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("missing.jsonl", "No such file or directory"),
        ("plain.gz", "it is damaged"),
        ("short.gz", "it is damaged"),
        ("garbled.gz", "it is damaged"),
        ("wandb://files/leads.jsonl", "Install wandbfs to access wandb"),
        ("leads://files/leads.jsonl", "no program here knows such a URL"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(url: str, why: str) -> None:
    """The error says which file, and why."""
    packed = gzip.compress(json.dumps({"id": "x" * 1000}).encode())
    Path("plain.gz").write_bytes(LINES)
    Path("short.gz").write_bytes(packed[:-9])
    Path("garbled.gz").write_bytes(packed[:10] + b"\xff" * 20)
    with pytest.raises(InputError) as ended:
        read([url], compression="gzip")
    assert str(ended.value) == f"The batch file {url} cannot be read: {why}. What came before it is settled."


def test_a_url_shows_no_credential() -> None:
    """A user, a password and a signature in the URL of a file stand in no message."""
    with pytest.raises(InputError) as ended:
        read(["leads://key:kept@files.example.com/leads.jsonl?signature=kept"])
    assert "leads://files.example.com/leads.jsonl" in str(ended.value)
    assert "kept" not in str(ended.value)


def test_a_line_that_is_no_record_is_named() -> None:
    """The error says which line of which file; what came before it was read."""
    Path("leads.jsonl").write_bytes(LINES + b"\nkept to myself\n")
    message = {"encoding": {"format": "jsonl"}, "manifest": ["leads.jsonl"]}
    records = batch_records(message, MessageReader().parse_record)
    assert [next(records)["id"], next(records)["id"]] == ["a", "b"]
    with pytest.raises(InputError, match=r"^Line 4 of the batch file leads\.jsonl is no JSON at column 1\. ") as ended:
        next(records)
    assert "kept" not in str(ended.value)
