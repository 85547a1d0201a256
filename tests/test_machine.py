"""What a machine lacks is no reason to skip a test in CI."""

from __future__ import annotations

import pytest

from tests.machine import lacks


@pytest.mark.parametrize(("ci", "ends"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_lack_is_an_error_in_ci(monkeypatch: pytest.MonkeyPatch, ci: str, ends: type[Exception]) -> None:
    """A developer's test is skipped, CI's fails, and both say what is missing."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ends, match="no PostgreSQL"):
        lacks("no PostgreSQL")
