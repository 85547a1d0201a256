"""A target as the Meltano SDK's template makes it, its blanks filled in the plainest way: a PATCH for each record."""

from __future__ import annotations

from typing import Any

import requests
from singer_sdk import typing as th
from singer_sdk.sinks import RecordSink
from singer_sdk.target_base import Target


class LeadSink(RecordSink):
    """Sends each record."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """Open a session."""
        super().__init__(*given, **named)
        self.session = requests.Session()
        self.session.headers["authorization"] = f"Bearer {self.config['token']}"

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002 -- the SDK's
        """Send the record."""
        lead_id = record.pop("id")
        url = f"{self.config['base_url']}/leads/{lead_id}"
        self.session.patch(url, json=record, timeout=30).raise_for_status()


class SdkTarget(Target):
    """Sends leads."""

    name = "target-sdk"
    config_jsonschema = th.PropertiesList(
        th.Property("token", th.StringType, required=True, secret=True),
        th.Property("base_url", th.StringType, required=True),
    ).to_dict()
    default_sink_class = LeadSink


if __name__ == "__main__":
    SdkTarget.cli()
