"""A target on hotglue's SDK, its blanks filled in the plainest way. It runs in an environment of its own."""

from __future__ import annotations

from typing import Any

from hotglue_singer_sdk import typing as th
from hotglue_singer_sdk.target_sdk.client import HotglueSink
from hotglue_singer_sdk.target_sdk.target import TargetHotglue


class LeadSink(HotglueSink):
    """Sends each record."""

    name = "leads"
    endpoint = "/leads"
    unified_schema = None

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return str(self.config["base_url"])

    def preprocess_record(self, record: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 -- the SDK's
        """Nothing to change."""
        return record

    def upsert_record(self, record: dict[str, Any], context: dict[str, Any]) -> tuple[str, bool, dict[str, Any]]:  # noqa: ARG002 -- the SDK's
        """Send the record."""
        lead_id = record.pop("id")
        headers = {"authorization": f"Bearer {self.config['token']}"}
        response = self.request_api("PATCH", endpoint=f"/leads/{lead_id}", request_data=record, headers=headers)
        return lead_id, response.ok, {}


class HotglueTarget(TargetHotglue):
    """Sends leads."""

    name = "target-hotglue"
    SINK_TYPES = (LeadSink,)
    config_jsonschema = th.PropertiesList(
        th.Property("token", th.StringType, required=True),
        th.Property("base_url", th.StringType, required=True),
    ).to_dict()


if __name__ == "__main__":
    HotglueTarget.cli()
