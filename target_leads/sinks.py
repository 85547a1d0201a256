"""Hands the records of one stream to the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from msgspec import structs
from singer_sdk.sinks import Sink

from target_leads.stream_maps import schemas_as_sent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.target_base import Target

    from target_leads.models import Record
    from target_leads.pipeline import Pipeline


class _PipelineOwner(Protocol):
    """What a sink needs of its target."""

    pipeline: Pipeline
    original: Record
    """The record at hand, as the tap sent it."""

    def is_replacing(self, stream_name: str) -> bool:
        """Whether a stream had another sink before."""


class LeadSink(Sink):
    """One stream. It keeps no records itself: those of all streams share one batch, in the order in which they came."""

    def __init__(
        self, target: Target, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Open the stream: from here on it is settled which provider it goes to."""
        super().__init__(target, stream_name, schema, key_properties)
        self._owner = cast("_PipelineOwner", target)
        if self._owner.is_replacing(stream_name):
            self._owner.pipeline.flush()  # what waits came under the old SCHEMA, which named the lead's id for it
        warnings = self._owner.pipeline.admission.open_stream(
            stream_name,
            columns=list(schema.get("properties", {})),
            key_properties=self.key_properties,
            schemas=schemas_as_sent(target.mapper, stream_name, schema),
        )
        for warning in warnings:
            self.logger.warning("Stream %s: %s", stream_name, warning)

    def get_validator(self) -> None:
        """No validator: the provider's schema decides, not the tap's, and one bad record must not end the run."""

    @property
    def is_full(self) -> bool:
        """Whether the batch that all streams share is full."""
        return self._owner.pipeline.is_full

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002 -- the SDK logs a context at debug level, so no record may stand in it
        """Put a record into the batch."""
        original = self._owner.original
        if record is not original.fields or self.stream_name != original.stream:
            original = structs.replace(original, stream=self.stream_name, fields=record)
        self._owner.pipeline.receive(original)

    def process_batch(self, context: dict[str, Any]) -> None:  # noqa: ARG002 -- the batch is the pipeline's
        """Deliver and settle the batch."""
        self._owner.pipeline.flush()
