"""Finding the name that was meant: one rule, wherever a name is misspelt."""

from __future__ import annotations

import pytest

from target_leads.spelling import did_you_mean, nearest

KNOWN = ["dry_run", "provider", "provider_field", "providers", "streams"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dryrun", "dry_run"),
        ("DryRun", "dry_run"),
        ("DRY-RUN", "dry_run"),
        ("stream", "streams"),
        ("PROVIDERFIELD", "provider_field"),
        ("x", ""),
        ("", ""),
    ],
)
def test_the_name_that_was_meant(name: str, meant: str) -> None:
    """It is the one most like it, whatever their capitals; none is better than a wild guess."""
    assert nearest(name, KNOWN) == meant
    assert did_you_mean(name, KNOWN) == (f" Did you mean {meant}?" if meant else "")
