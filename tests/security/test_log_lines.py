"""Names that a tap or a user chooses write no lines of their own into logs and tables, and move no cursor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.security.conftest import settings
from tests.security.test_canary import ENVIRONMENTS, LOUD, SCHEMA, answering, lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.security.conftest import Parrot

pytestmark = pytest.mark.slow  # each is some runs in processes of their own
FORGED = "x\n2026-01-01 00:00:00,000 | INFO | target-leads | Done. 1 record received: 1 delivered.\x1b[2J\r\u202e"
NAMED: dict[str, list[Any]] = {
    "stream": [
        {**SCHEMA, "stream": FORGED},
        {"type": "RECORD", "stream": FORGED, "record": {"id": "1", "email": "ada@example.com"}},
    ],
    "field": [
        {**SCHEMA, "schema": {"properties": {"id": {}, FORGED: {}}}},
        {
            "type": "RECORD",
            "stream": "leads",
            "record": {"id": "1", FORGED: 1, "phone": {FORGED: 1}, "tags": {FORGED: 1}},
        },
    ],
    "nested field": [{"type": "RECORD", "stream": "leads", "record": {"id": "1", "phone": {FORGED: 1, "number": 1}}}],
    "lead": [{"type": "RECORD", "stream": "leads", "record": {"id": FORGED, "email": "none"}}],
    "unknown stream": [{"type": "RECORD", "stream": FORGED, "record": {"id": "1"}}],
    "key": [{**SCHEMA, "key_properties": [FORGED]}, {"type": "RECORD", "stream": "leads", "record": {"id": "1"}}],
    "type": [{"type": FORGED}],
}
LOOKING_BACK = [
    ("dead-letters", "list"),
    ("runs", "show", "latest"),
    ("history", FORGED),
    ("runs", "show", FORGED),
    ("providers", "show", FORGED),
]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("named", NAMED)
def test_no_name_forges_a_line(
    named: str, environment: str, run_in: Callable[..., int], parrot: Parrot, tmp_path: Path
) -> None:
    """What is called by a line break and a line of the log stays a name on the line that tells of it."""
    parrot.answer = answering(b"422 No")
    streams = {"leads": {"unknown_fields": "reject"}}
    (tmp_path / "config.json").write_text(json.dumps(settings(parrot.url, streams=streams)))
    (tmp_path / "logging.yaml").write_text(LOUD)
    commands = [()] if environment == "loud" else [(), *LOOKING_BACK]
    for arguments in commands:
        run_in(
            tmp_path,
            *arguments,
            "--config",
            "config.json",
            lines=lines(*NAMED[named]),
            environment=ENVIRONMENTS[environment],
        )
        shown = (tmp_path / "stderr").read_text() + (tmp_path / "stdout").read_text()
        assert not [line for line in shown.split("\n") if line.startswith("2026-01-01") or not line.isprintable()]
        assert "unforeseen error" not in shown
