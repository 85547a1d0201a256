"""What nobody would type on purpose, where a command wants a word, a number, a date or a file: a clear answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ended

BYTES = "x\udcff"
"""What Python makes of an argument that is no UTF-8."""


@pytest.fixture
def empty_store(command: Callable[..., Ended]) -> None:
    """A store without records: a run that had no input made it."""
    with open("input", "w", encoding="utf-8"):  # noqa: PTH123 -- the folder is the test's own
        pass
    assert command("--input", "input").status == 0


@pytest.mark.usefixtures("empty_store")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs", "show", BYTES), "'RUN': must be text in UTF-8."),
        (("history", BYTES), "'LEAD_ID': must be text in UTF-8."),
        (("history", "L-1", "--provider", BYTES), "'--provider': must be text in UTF-8."),
        *(
            (("dead-letters", "list", option, BYTES), f"'{option}': must be text in UTF-8.")
            for option in ("--provider", "--stream", "--reason")
        ),
        (("dead-letters", "discard", "--because", BYTES), "'--because': must be text in UTF-8."),
        (("dead-letters", "list", "--stream", " \t"), "'--stream': must not be blank."),
        (("runs", "list", "--limit", str(2**63)), "is not in the range 1<=x<=9223372036854775807."),
        (("runs", "list", "--limit", "9" * 4000), "'--limit'"),
        (("dead-letters", "list", "--id", str(2**63)), "is not in the range 1<=x<=9223372036854775807."),
        (("dead-letters", "list", "--since", "0001-01-01T00:00:00+14:00"), "is no date such as 2026-03-29 or"),
        (("dead-letters", "list", "--until", "9999-12-31T23:59:59-14:00"), "is no date such as 2026-03-29 or"),
        (("dead-letters", "list", "--since", BYTES), "is no date such as 2026-03-29 or"),
        (("--config", BYTES), "--config x\\udcff: cannot be read: No such file or directory.\n"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], words: str, command: Callable[..., Ended]) -> None:
    """Status 2, and which word is wrong: the database, which would fail at it, is not asked."""
    ended = command(*arguments)
    assert (ended.status, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert "unforeseen" not in ended.stderr


@pytest.mark.usefixtures("empty_store")
@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "list", "--limit", str(2**63 - 1)),
        ("dead-letters", "list", "--since", "0001-01-01"),
        ("dead-letters", "list", "--until", "9999-12-31T23:59:59"),
        ("dead-letters", "list", "--id", str(2**63 - 1)),
        ("dead-letters", "list", "--reason", "%_\\'"),
    ],
)
def test_the_furthest_is_taken(arguments: tuple[str, ...], command: Callable[..., Ended]) -> None:
    """The largest number and the first and last moments there are can be asked for."""
    assert command(*arguments).status == 0


def test_a_path_that_is_no_text_is_told_in_json(command: Callable[..., Ended]) -> None:
    """JSON takes half a surrogate pair as an escape, and no terminal takes it at all."""
    ended = command("check", "--offline", "--format", "json", "--config", BYTES)
    assert json.loads(ended.stdout)["findings"] == [f"--config {BYTES}: cannot be read: No such file or directory."]
    ended = command("providers", "check", BYTES)
    assert (ended.status, ended.stdout.splitlines()[0]) == (2, "x\\udcff: 1 finding")
