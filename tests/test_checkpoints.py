"""STATE goes out when it is true, once, and as the tap wrote it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from target_leads.checkpoints import Checkpoints, print_line


@pytest.fixture
def written() -> list[str]:
    """What was written so far."""
    return []


@pytest.fixture
def checkpoints(written: list[str]) -> Checkpoints:
    """Checkpoints that write to a list."""
    return Checkpoints(written.append)


def test_nothing_goes_out_before_it_is_released(checkpoints: Checkpoints, written: list[str]) -> None:
    """A STATE waits until every record before it is settled."""
    checkpoints.receive({"at": 1})
    assert written == []
    checkpoints.release()
    assert written == ['{"at": 1}']


def test_only_the_newest_goes_out(checkpoints: Checkpoints, written: list[str]) -> None:
    """The newest STATE covers all that the older ones do."""
    checkpoints.receive({"at": 1})
    checkpoints.receive({"at": 2})
    checkpoints.release()
    assert written == ['{"at": 2}']


def test_the_same_does_not_go_out_twice_in_a_row(checkpoints: Checkpoints, written: list[str]) -> None:
    """A STATE that says what the last one said is not worth a line; one that went back and forth is."""
    for number in (1, 1, 2, 1):
        checkpoints.receive({"at": number})
        checkpoints.release()
        checkpoints.release()
    assert written == ['{"at": 1}', '{"at": 2}', '{"at": 1}']


@pytest.mark.parametrize("empty", [{}, None, [], "", 0])
def test_an_empty_one_never_goes_out(checkpoints: Checkpoints, written: list[str], empty: Any) -> None:
    """An empty STATE would clear the bookmark; it does not stand in the way of the one that waits, either."""
    checkpoints.receive(empty)
    checkpoints.release()
    assert written == []
    checkpoints.receive({"at": 1})
    checkpoints.receive(empty)
    checkpoints.release()
    assert written == ['{"at": 1}']


def test_it_goes_out_as_it_came(checkpoints: Checkpoints, written: list[str]) -> None:
    """A STATE belongs to the tap: order, decimals, and even what JSON does not know come out again, on one line."""
    checkpoints.receive({"b": Decimal("1.10"), "a": "ünï\ncode", "n": None, "x": float("nan")})
    checkpoints.release()
    assert written == ['{"b": 1.10, "a": "\\u00fcn\\u00ef\\ncode", "n": null, "x": NaN}']


def test_it_is_flushed_line_by_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever reads standard output has the line at once, not when a buffer is full."""
    print_line('{"at": 1}')
    assert capfd.readouterr().out == '{"at": 1}\n'
