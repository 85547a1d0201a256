"""Which of two updates of one lead is newer."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.versions import version_of

NINE_O_CLOCK = 1_700_557_200
"""2023-11-21 at 09:00 UTC."""


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (0, "0"),
        (-7, "-7"),
        (10**40 + 1, str(10**40 + 1)),
        (1.5, "1.5"),
        (0.1, "0.1"),
        (Decimal("1.10"), "1.1"),
        (Decimal("1E+3"), "1000"),
        ("42", "42"),
        (" 42 ", "42"),
        ("+42", "42"),
        ("-42", "-42"),
        ("007", "7"),
        ("9007199254740993", "9007199254740993"),
        ("1.25", "1.25"),
        ("20231121", "20231121"),
    ],
)
def test_a_number_counts_as_it_is(value: Any, version: str) -> None:
    """To its last digit, also as text."""
    assert version_of(value) == Decimal(version)


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-21T09:00:00Z",
        "2023-11-21t09:00:00z",
        "2023-11-21 09:00:00",
        "2023-11-21T09:00:00",
        "2023-11-21T09:00:00.000Z",
        "2023-11-21T09:00:00+00:00",
        "2023-11-21T09:00:00-00:00",
        "2023-11-21T10:00:00+01:00",
        "2023-11-21T10:00:00+0100",
        "2023-11-21 10:00:00 +01:00",
        "2023-11-21T14:30:00+05:30",
        "2023-11-20T23:00:00-10:00",
        " 2023-11-21T09:00:00Z ",
    ],
)
def test_a_timestamp_counts_as_an_instant(text: str) -> None:
    """However it is written and in whatever zone; without a zone it is UTC."""
    assert version_of(text) == NINE_O_CLOCK


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2023-11-21T09:00:00.5Z", "1700557200.5"),
        ("2023-11-21T09:00:00.123456789+00:00", "1700557200.123456789"),
        ("2023-11-21T10:00:00.000000001+01:00", "1700557200.000000001"),
        ("1970-01-01T00:00:00Z", "0"),
        ("1969-12-31T23:59:59.75Z", "-0.25"),
        ("1815-12-10T00:00:00Z", "-4861728000"),
    ],
)
def test_fractions_of_a_second_count(text: str, version: str) -> None:
    """All of their digits, before 1970 too."""
    assert version_of(text) == Decimal(version)


def test_the_last_digit_of_a_fraction_counts() -> None:
    """However many there are, two timestamps that differ are not the same."""
    one, other = (version_of(f"2023-11-21T09:00:00.{'0' * 30}{digit}Z") for digit in "12")
    assert one is not None
    assert other is not None
    assert one < other


def test_a_date_counts_as_its_first_moment() -> None:
    """It is older than anything that happens on that day, and newer than the day before."""
    assert version_of("2023-11-21") == version_of("2023-11-21T00:00:00Z") == NINE_O_CLOCK - 9 * 3600


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        "",
        "  ",
        "soon",
        "v2",
        "1e5",
        "1,000",
        "1.",
        ".5",
        "NaN",
        "Infinity",
        "٤٢",
        "1" * 101,
        "2023-13-01",
        "2023-02-29",
        "2023-11-21T25:00:00Z",
        "2023-11-21T09:00:00+25:00",
        "2023-11-21T09:00:00Z again",
        "0000-00-00",
        "21.11.2023",
        "09:00:00",
        [1],
        {"version": 1},
    ],
)
def test_anything_else_is_no_version(value: Any) -> None:
    """What is neither a number nor a timestamp orders nothing, and is no error either."""
    assert version_of(value) is None


_MOMENTS = st.datetimes(
    min_value=datetime.datetime(2, 1, 1),  # noqa: DTZ001 -- the zone is drawn
    max_value=datetime.datetime(9998, 12, 31),  # noqa: DTZ001 -- likewise
    timezones=st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes))),
)


@given(one=_MOMENTS, other=_MOMENTS)
def test_versions_are_ordered_as_their_instants(one: datetime.datetime, other: datetime.datetime) -> None:
    """Whatever zones two timestamps are written in, the newer one has the higher version."""
    versions = [version_of(moment.isoformat()) for moment in (one, other)]
    assert None not in versions
    assert (versions[0] < versions[1], versions[0] == versions[1]) == (one < other, one == other)


@given(one=st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=6), other=st.integers())
def test_versions_are_ordered_as_their_numbers(one: Decimal | int, other: int) -> None:
    """Numbers compare as numbers and not as text, whichever of them is given as text."""
    version = version_of(str(one))
    against = version_of(other)
    assert version is not None
    assert against is not None
    assert (version < against, version == against) == (one < other, one == other)


@given(text=st.text() | st.from_regex(r"[0-9:TtZz. +-]{1,40}", fullmatch=True))
def test_any_text_has_a_version_or_none(text: str) -> None:
    """No text is an error, and what comes out can be compared."""
    version = version_of(text)
    assert version is None or version.is_finite()
