"""How many requests may be in flight: fewer for an overloaded provider, slowly more again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.delivery.pace import Pace


@pytest.mark.parametrize("most", [1, 2, 8, 256])
def test_begins_with_as_many_as_are_configured(most: int) -> None:
    """Until an answer says otherwise nothing is held back, and success allows no more than is configured."""
    pace = Pace(most)
    assert pace.in_flight == most
    pace.relax()
    assert pace.in_flight == most


def test_each_overload_halves_down_to_one() -> None:
    """Requests that began after the last cut halve again, rounded down, and one is always allowed."""
    pace = Pace(9)
    allowed = []
    for moment in range(6):
        pace.slow_down(began_at=moment, now=moment + 0.5)
        allowed.append(pace.in_flight)
    assert allowed == [4, 2, 1, 1, 1, 1]


@pytest.mark.parametrize("together", [1, 2, 16])
def test_requests_in_flight_together_halve_once(together: int) -> None:
    """What began before the cut met the same overload; it is no news."""
    pace = Pace(16)
    for number in range(together):
        pace.slow_down(began_at=number / 100, now=10 + number)
    assert pace.in_flight == 8


def test_a_request_that_began_after_the_cut_is_news() -> None:
    """The cut was made when the answer came, so what began at that moment or later knows of it."""
    pace = Pace(16)
    pace.slow_down(began_at=0, now=10)
    pace.slow_down(began_at=9.999, now=11)
    assert pace.in_flight == 8
    pace.slow_down(began_at=10, now=12)
    assert pace.in_flight == 4


@pytest.mark.parametrize("allowed", [1, 2, 5, 16])
def test_a_round_of_successes_allows_one_more(allowed: int) -> None:
    """From n on, it takes n successes or one more than that until n + 1 are allowed."""
    pace = Pace(2 * allowed)
    pace.slow_down(began_at=0, now=0)
    assert pace.in_flight == allowed

    successes = 0
    while pace.in_flight == allowed:
        pace.relax()
        successes += 1

    assert pace.in_flight == allowed + 1
    assert allowed <= successes <= allowed + 1


@given(most=st.integers(1, 256), overloads=st.lists(st.booleans(), max_size=300))
def test_stays_between_one_and_the_most(most: int, overloads: list[bool]) -> None:
    """Whatever the answers are: at least one, no more than configured, up by one at a time, down by half."""
    pace = Pace(most)
    for moment, overloaded in enumerate(overloads):
        before = pace.in_flight
        if overloaded:
            pace.slow_down(began_at=moment, now=moment)
            assert pace.in_flight == max(1, before // 2)
        else:
            pace.relax()
            assert before <= pace.in_flight <= before + 1
        assert 1 <= pace.in_flight <= most


@given(most=st.integers(1, 256), overloads=st.integers(1, 12))
def test_comes_back_to_the_most(most: int, overloads: int) -> None:
    """A provider that has recovered gets as much as before, after no more successes than the square of it."""
    pace = Pace(most)
    for moment in range(overloads):
        pace.slow_down(began_at=moment, now=moment)
    for _ in range(most * most):
        pace.relax()
    assert pace.in_flight == most
