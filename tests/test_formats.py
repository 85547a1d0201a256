"""Format checks that really check."""

from __future__ import annotations

import time

import pytest

from target_leads.providers.formats import FORMATS

GOOD = {
    "email": [
        "ada@example.com",
        "Ada.Lovelace+leads@mail.example.co.uk",
        "o'hara@example.com",
        "a@b.co",
        '"with space"@example.com',
        f"{'a' * 64}@example.com",
        "zoë@example.com",
        "ada@exämple.com",
    ],
    "uuid": [
        "123e4567-e89b-12d3-a456-426614174000",
        "123E4567-E89B-12D3-A456-42661417400F",
        "00000000-0000-0000-0000-000000000000",
    ],
    "date": ["2024-02-29", "1900-01-01", "9999-12-31"],
    "date-time": [
        "2024-02-29T23:59:59Z",
        "2024-02-29t23:59:59z",
        "2024-02-29T00:00:00+05:30",
        "2024-02-29T00:00:00-11:00",
        "2024-02-29T00:00:00.123456789Z",
    ],
}
BAD = {
    "email": [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@example.com ",
        " ada@example.com",
        "ada@example.com\n",
        "ada lovelace@example.com",
        "ada@exam ple.com",
        "ada@example..com",
        "ada..lovelace@example.com",
        ".ada@example.com",
        "ada@-example.com",
        "ada@example.com.",
        "Ada <ada@example.com>",
        "ada@example.com, bob@example.com",
        "mailto:ada@example.com",
        f"{'a' * 65}@example.com",
        f"ada@{'a' * 64}.com",
        "ada@localhost",
        "\ud800@example.com",
        "ada@\udfffexample.com",
        "ada@exam\0ple.com",
    ],
    "uuid": [
        "",
        "123e4567e89b12d3a456426614174000",
        "{123e4567-e89b-12d3-a456-426614174000}",
        "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
        "123e4567-e89b-12d3-a456-42661417400",
        "123e4567-e89b-12d3-a456-42661417400g",
        "123e4567-e89b-12d3-a456-426614174000\n",
        "1२3e4567-e89b-12d3-a456-426614174000",
    ],
    "date": [
        "",
        "2024-02-30",
        "2023-02-29",
        "2024-13-01",
        "2024-00-10",
        "0000-01-01",
        "2024-2-3",
        "20240203",
        "2024-W05-6",
        "24-02-03",
        "2024/02/03",
        "2024-02-03Z",
        "2024-02-03\n",
        " 2024-02-03",
        "2024-02-03T00:00:00Z",
        "२०२४-02-03",
    ],
    "date-time": [
        "",
        "2024-02-03",
        "2024-02-03T00:00:00",
        "2024-02-03 00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-02-03T24:00:00Z",
        "2024-02-03T00:60:00Z",
        "2024-02-03T00:00:61Z",
        "2024-02-03T00:00Z",
        "2024-02-03T00:00:00.Z",
        "2024-02-03T00:00:00+0530",
        "2024-02-03T00:00:00+24:00",
        "2024-02-03T00:00:00Z\n",
        "२०२४-02-03T00:00:00Z",
    ],
}


def test_every_format_is_tested() -> None:
    """The tables below leave out none of the formats that a lead schema may use."""
    assert set(FORMATS.checkers) == GOOD.keys() == BAD.keys()


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_good_texts(name: str, text: str) -> None:
    """What has the format is taken."""
    assert FORMATS.conforms(text, name)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_bad_texts(name: str, text: str) -> None:
    """What does not have the format, down to a line break at its end, is not taken, and is no error of the program."""
    assert not FORMATS.conforms(text, name)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, 5, True, [], {}])
def test_only_text_has_a_format(name: str, value: object) -> None:
    """A format says nothing of what is no text: that is the rule of the type."""
    assert FORMATS.conforms(value, name)


def test_a_long_address_costs_no_time() -> None:
    """Nobody looks closer at what is too long to be an address: that is why email-validator is at least 2.4."""
    address = f'"{"a" * 200_000}"@example.com'
    started = time.process_time()
    assert not FORMATS.conforms(address, "email")
    assert time.process_time() - started < 1
