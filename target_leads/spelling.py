"""What a misspelt name was meant to be."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one, whatever their capitals; empty if none is much like it."""
    meant = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), meant, n=1)
    return meant[near[0]] if near else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The question whether another name was meant, to stand behind a sentence; empty if there is none to ask."""
    near = nearest(name, known)
    return f" Did you mean {near}?" if near else ""
