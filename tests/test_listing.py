"""Lists within sentences."""

from __future__ import annotations

import pytest

from target_leads.listing import listed

NAMES = [f"c{number}" for number in range(1, 100_001)]
TWENTY = ", ".join(NAMES[:20])


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, ""),
        (1, "c1"),
        (2, "c1, c2"),
        (20, TWENTY),
        (21, f"{TWENTY} and 1 more"),
        (100_000, f"{TWENTY} and 99,980 more"),
    ],
)
def test_names_twenty_and_counts_the_rest(count: int, words: str) -> None:
    """Whatever there is to name, a line stays short."""
    assert listed(NAMES[:count]) == words


def test_between_may_stand_something_else() -> None:
    """Parts that hold commas themselves are kept apart by something else."""
    assert listed(["a, b", "c"], "; ") == "a, b; c"
