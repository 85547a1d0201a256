"""Tables fit the screen, and into a pipe each row is one line."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.commands.tables import cell_text, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [
    {"id": 1, "lead_id": "L-1", "place": "Vancouver", "reason": "the e-mail is not valid, and nobody knows why"},
    {"id": 22, "lead_id": "Zoë", "place": None, "reason": "no"},
]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The lines of a table on a screen that is so wide, or in a pipe."""

    def lines(columns: int | None, rows: list[dict[str, Any]] = ROWS, **options: Any) -> list[str]:
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
        print_table(rows, ["id", "lead_id", "place", "reason"], **options)
        return capsys.readouterr().out.splitlines()

    return lines


WIDE = [
    "id  lead id  place      reason",
    " 1  L-1      Vancouver  the e-mail is not valid, and nobody knows why",
    "22  Zoë                 no",
]


@pytest.mark.parametrize("columns", [None, 200, len(WIDE[1])])
def test_what_fits_stands_side_by_side(columns: int | None, printed: Callable[..., list[str]]) -> None:
    """Numbers to the right, nothing at the end of a line; so does everything in a pipe, for grep."""
    assert printed(columns) == WIDE


def test_prose_is_wrapped(printed: Callable[..., list[str]]) -> None:
    """In words, where the rest leaves it room."""
    assert printed(len(WIDE[1]) - 1) == [
        "id  lead id  place      reason",
        " 1  L-1      Vancouver  the e-mail is not valid, and nobody knows",
        "                        why",
        "22  Zoë                 no",
    ]


def test_prose_stands_beneath_where_there_is_no_room(printed: Callable[..., list[str]]) -> None:
    """A column of three words is hard to read."""
    assert printed(40) == [
        "id  lead id  place",
        " 1  L-1      Vancouver",
        "    the e-mail is not valid, and nobody",
        "    knows why",
        "22  Zoë",
        "    no",
    ]


def test_the_last_optional_column_is_left_out_first(printed: Callable[..., list[str]]) -> None:
    """If that lets prose stand beside the rest."""
    assert printed(51, optional=["lead_id", "place"])[:2] == [
        "id  lead id  reason",
        " 1  L-1      the e-mail is not valid, and nobody",
    ]
    assert printed(40, optional=["lead_id", "place"])[0] == "id  reason"
    assert printed(None, optional=["lead_id", "place"]) == WIDE


def test_nothing_is_cut_off(printed: Callable[..., list[str]]) -> None:
    """On the narrowest screen everything folds."""
    text = "".join("".join(printed(17)).split())
    assert len(max(printed(17), key=len)) <= 17
    assert sorted(text) == sorted("".join("".join(WIDE).split()))


@pytest.mark.parametrize("columns", [None, 17, 40, 200])
def test_no_row_makes_no_table_of_its_own(columns: int | None, printed: Callable[..., list[str]]) -> None:
    """The heading is all there is, on any screen; without it there is nothing."""
    assert sorted("".join("".join(printed(columns, [])).split())) == sorted("idleadidplacereason")
    assert "".join(printed(columns, [], heading=False)) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb\x1b[2J\u202e", "a\\nb\\x1b[2J\\u202e"),
        ("Zoë [bold]", "Zoë [bold]"),
        (("a", "b\t"), "a, b\\t"),
        (None, ""),
        (True, "yes"),
        (False, ""),
        (0, "0"),
    ],
)
def test_a_cell_breaks_no_line_and_moves_no_cursor(value: object, text: str) -> None:
    """Lead ids and reasons may hold anything; letters of any language and what looks like markup stay as they are."""
    assert cell_text(value) == text


@pytest.mark.parametrize(("columns", "lines"), [(80, 7), (120, 6)])
def test_a_terminal_says_how_wide_it_is(columns: int, lines: int) -> None:
    """There headings are bold; no line is longer than the screen."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    command = [sys.executable, "-m", "target_leads", "providers", "list"]
    subprocess.run(command, stdout=follower, env={**environment, "TERM": "xterm"}, check=True)
    os.close(follower)
    text = os.read(leader, 65536).decode().replace("\r\n", "\n")
    os.close(leader)
    assert "\x1b[1m" in text
    plain = text.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert len(plain) == lines
    assert max(map(len, plain)) <= columns


@pytest.mark.parametrize("arguments", [("providers", "show", "bizmate"), ("--about",)])
def test_a_reader_that_goes_away_is_no_traceback(arguments: tuple[str, ...]) -> None:
    """As head does after it has seen enough."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "target_leads", *arguments]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")
