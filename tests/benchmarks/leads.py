"""The invented leads that every benchmark sends, in the forms in which contenders read them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COLUMNS = {
    "id": "string",
    "email": "string",
    "firstName": "string",
    "lastName": "string",
    "phone": "string",
    "status": "string",
    "amountRequested": "integer",
    "note": "string",
}


def fields_of(number: int) -> dict[str, Any]:
    """One lead's update, of the size that the bundled providers take; 200 bytes as JSON."""
    return {
        "email": f"ada.{number}@example.com",
        "firstName": "Ada",
        "lastName": "Example",
        "phone": "+1 202 555 0100",
        "status": "contacted",
        "amountRequested": 25000 + number,
        "note": "Calls back on Monday; wants to see the second offer in writing first.",
    }


def lead_id(number: int) -> str:
    """Its id."""
    return f"lead-{number}"


def write_messages(path: Path, count: int, *, streams: int = 1) -> None:
    """Write so many leads as Singer messages, spread over so many streams; with one STATE, at the end."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(message)}\n" for message in _messages(count, stream_names(streams)))


def stream_names(streams: int) -> list[str]:
    """Names of so many streams."""
    return ["leads", *(f"leads_{number}" for number in range(1, streams))]


def write_table(path: Path, count: int) -> None:
    """Write so many leads as the table ``leads`` of a SQLite database, for who reads no Singer messages."""
    with closing(sqlite3.connect(path)) as database, database:
        kinds = ", ".join(f"{name} {'INTEGER' if kind == 'integer' else 'TEXT'}" for name, kind in _COLUMNS.items())
        database.execute(f"CREATE TABLE leads (number INTEGER PRIMARY KEY, {kinds})")
        places = ", ".join("?" * (len(_COLUMNS) + 1))
        rows = ((number, lead_id(number), *fields_of(number).values()) for number in range(count))
        database.executemany(f"INSERT INTO leads VALUES ({places})", rows)  # noqa: S608 -- question marks


def columns() -> list[str]:
    """Names of what a lead has, its id first."""
    return list(_COLUMNS)


def _messages(count: int, streams: list[str]) -> Iterator[dict[str, Any]]:
    schema = {"properties": {name: {"type": [kind, "null"]} for name, kind in _COLUMNS.items()}}
    for stream in streams:
        yield {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["id"]}
    for number in range(count):
        record = {"id": lead_id(number), **fields_of(number)}
        yield {"type": "RECORD", "stream": streams[number % len(streams)], "record": record}
    yield {"type": "STATE", "value": {"bookmarks": {"leads": {"number": count}}}}
