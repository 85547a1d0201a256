"""Which provider a stream's records go to, or one record of it."""

from __future__ import annotations

from typing import Any

import pytest

from target_leads.exceptions import SettingsError
from target_leads.routing import provider_of_record, provider_of_stream
from target_leads.settings import Settings

KNOWN = ("perch", "bizmate")


@pytest.mark.parametrize(
    ("config", "stream", "provider"),
    [
        ({"streams": {"leads": {"provider": "perch"}}, "provider": "bizmate"}, "leads", "perch"),
        ({"streams": {"bizmate": {"provider": "perch"}}}, "bizmate", "perch"),
        ({"provider": "perch"}, "bizmate", "bizmate"),
        ({"streams": {"bizmate": {"lead_id": "key"}}, "provider": "perch"}, "bizmate", "bizmate"),
        ({"provider": "perch"}, "leads", "perch"),
        ({"provider": "perch", "streams": {"other": {"provider": "bizmate"}}}, "leads", "perch"),
        ({"provider": "perch", "provider_field": "api"}, "leads", "perch"),
        ({"provider_field": "api"}, "bizmate", "bizmate"),
        ({"provider_field": "api"}, "leads", ""),
    ],
)
def test_the_most_particular_name_counts(config: dict[str, Any], stream: str, provider: str) -> None:
    """A stream's setting comes before its own name, that before the general one; else each record has to say."""
    assert provider_of_stream(stream, Settings.from_config(config), KNOWN) == provider


@pytest.mark.parametrize(
    ("config", "finding"),
    [
        (
            {},
            (
                "streams.leads.provider: no setting says which provider the stream leads goes to. "
                "Set it, or the setting provider, to one of bizmate, perch."
            ),
        ),
        ({"provider": "Perch"}, "provider: must be one of bizmate, perch, but was 'Perch'."),
        (
            {"provider": "perch", "streams": {"leads": {"provider": "porch"}}},
            "streams.leads.provider: must be one of bizmate, perch, but was 'porch'.",
        ),
    ],
)
def test_no_provider_is_a_mistake_in_the_settings(config: dict[str, Any], finding: str) -> None:
    """A stream with no provider, or an unknown one, ends the run with status 2 and a sentence that helps."""
    with pytest.raises(SettingsError) as raised:
        provider_of_stream("leads", Settings.from_config(config), KNOWN)
    assert raised.value.findings == (finding,)
    assert raised.value.exit_status == 2


@pytest.mark.parametrize(
    ("columns", "provider_field", "provider"),
    [
        ({"api": "bizmate"}, "api", "bizmate"),
        ({"api": None}, "api", "perch"),
        ({}, "api", "perch"),
        ({"api": "bizmate"}, "", "perch"),
        ({"": "bizmate"}, "", "perch"),
        ({"api": "no such"}, "api", "no such"),
        ({"api": ""}, "api", ""),
        ({"api": 5}, "api", "5"),
    ],
)
def test_a_record_names_its_provider(columns: dict[str, Any], provider_field: str, provider: str) -> None:
    """What the record says comes first, even if it is wrong; only null leaves it to the stream."""
    assert provider_of_record(columns, provider_field=provider_field, default="perch") == provider
