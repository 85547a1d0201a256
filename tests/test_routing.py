"""Which provider a stream's records go to, or one record of it."""

from __future__ import annotations

from typing import Any

import pytest

from target_leads.exceptions import SettingsError
from target_leads.routing import named_providers, provider_of_record, provider_of_stream, unknown_providers
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


def test_no_provider_is_a_mistake_in_the_settings() -> None:
    """A stream with no provider ends the run with status 2 and a sentence that helps."""
    with pytest.raises(SettingsError) as raised:
        provider_of_stream("leads", Settings.from_config({}), KNOWN)
    assert raised.value.findings == (
        (
            "streams.leads.provider: no setting says which provider the stream leads goes to. "
            "Set it, or the setting provider, to one of bizmate, perch."
        ),
    )
    assert raised.value.exit_status == 2


def test_every_setting_that_names_a_provider_is_looked_at() -> None:
    """The names of all settings are told together, and those that name no provider get a sentence each."""
    settings = Settings.from_config(
        {
            "provider": "Perch",
            "streams": {"leads": {"provider": "porch"}, "other": {"provider": "perch"}, "third": {}},
            "providers": {"bizmate": {}, "crm": {}},
        }
    )
    assert named_providers(settings) == {
        "provider": "Perch",
        "streams.leads.provider": "porch",
        "streams.other.provider": "perch",
        "providers.bizmate": "bizmate",
        "providers.crm": "crm",
    }
    assert unknown_providers(settings, KNOWN) == [
        "provider: must be one of bizmate, perch, but was 'Perch'. Did you mean perch?",
        "streams.leads.provider: must be one of bizmate, perch, but was 'porch'. Did you mean perch?",
        "providers.crm: must be one of bizmate, perch, but was 'crm'.",
    ]


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
