"""Lists within sentences: however much there is to name, a line stays one that people can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_NAMED = 20


def listed(items: Collection[str], between: str = ", ") -> str:
    """The first of them, and how many more there are."""
    named = between.join(list(items)[:MOST_NAMED])
    more = len(items) - MOST_NAMED
    return f"{named} and {more:,} more" if more > 0 else named
