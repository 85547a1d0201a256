"""What goes over the wire, in numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.traffic import Traffic


def test_without_a_request_there_is_no_latency() -> None:
    """Nothing was measured, which is not the same as nothing."""
    assert Traffic().latency(0.5) is None


@pytest.mark.parametrize(("share", "seconds"), [(0.01, 0.01), (0.5, 0.5), (0.95, 0.95), (1.0, 1.0)])
def test_latency(share: float, seconds: float) -> None:
    """Of a hundred answers in 0.01 s to 1 s, that share came within so many seconds."""
    traffic = Traffic()
    for hundredth in range(100, 0, -1):
        traffic.answered(hundredth / 100)
    assert traffic.latency(share) == pytest.approx(seconds, rel=0.02)


@given(st.lists(st.floats(0.0001, 3600), min_size=1), st.floats(0.01, 1))
def test_any_latency_is_right_to_two_percent(latencies: list[float], share: float) -> None:
    """Whatever was measured: the answer that comes at that share of all of them, quickest first."""
    traffic = Traffic()
    for seconds in latencies:
        traffic.answered(seconds)
    exact = next(
        seconds for number, seconds in enumerate(sorted(latencies), 1) if number >= share * len(latencies) - 1e-9
    )
    assert traffic.latency(share) == pytest.approx(exact, rel=0.02)


def test_an_answer_in_no_time_counts() -> None:
    """A clock may stand still between two looks."""
    traffic = Traffic()
    traffic.answered(0.0)
    assert traffic.latency(0.5) == pytest.approx(0, abs=1e-5)


def test_memory_stays_flat() -> None:
    """However many answers there are, only so many latencies are kept apart as differ by two percent."""
    traffic = Traffic()
    for number in range(1, 100_001):
        traffic.answered(number / 1000)
    assert len(traffic._latencies) < 1000
