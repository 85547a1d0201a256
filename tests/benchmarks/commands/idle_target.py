"""The least that a target on the Meltano SDK can do: it reads, does nothing with its records, and checks none."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th
from singer_sdk.sinks import RecordSink
from singer_sdk.target_base import Target


class IdleSink(RecordSink):
    """Does nothing."""

    def get_validator(self) -> None:
        """No validation."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Nothing to do."""


class IdleTarget(Target):
    """Does nothing."""

    name = "target-idle"
    config_jsonschema = th.PropertiesList().to_dict()
    default_sink_class = IdleSink


if __name__ == "__main__":
    IdleTarget.cli()
