"""Stream maps: the SDK's own, which change records before anything else does."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import CustomStreamMap, PluginMapper, SameRecordTransform

from target_leads.exceptions import InputError, SettingsError
from target_leads.redaction import keep_quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from singer_sdk.mapper import StreamMap

# It tells what a filter comes to, which may be a field's value.
keep_quiet(PluginMapper.__module__, up_to=logging.DEBUG)


class StreamMaps(PluginMapper):
    """The SDK's stream maps. What is wrong with them is a setting that is wrong."""

    def __init__(self, plugin_config: Mapping[str, Any], logger: logging.Logger) -> None:
        """Prepare what is the same for every stream.

        Raises:
            SettingsError: it cannot be.
        """
        with _stream_map_findings():
            super().__init__(plugin_config=dict(plugin_config), logger=logger)

    def register_raw_stream_schema(
        self, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Prepare the maps of one stream.

        Raises:
            SettingsError: one of them cannot be.
            InputError: the schema is nested too deeply.
        """
        try:
            with _stream_map_findings():
                super().register_raw_stream_schema(stream_name, schema, key_properties)
        except RecursionError:
            text = f"The SCHEMA of the stream {stream_name} is nested too deeply. Mend the tap, then run again."
            raise InputError(text) from None


def schemas_as_sent(mapper: PluginMapper, stream: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schemas of a stream's columns, after stream maps; an empty one where the SDK can only guess it.

    It guesses the type of whatever an expression computes, and says text where it does not know. Its maps do not tell
    their expressions, so a column is left open that any map computes.
    """
    maps = (each for mapped in mapper.stream_maps.values() for each in mapped if each.stream_alias == stream)
    stream_map = next(maps, None)
    schemas = dict(schema.get("properties", {}))
    if isinstance(stream_map, CustomStreamMap):
        definitions = [definition for definition in mapper.stream_maps_dict.values() if isinstance(definition, dict)]
        raw = stream_map.raw_schema.get("properties", {})
        for column, expression in (pair for definition in definitions for pair in definition.items()):
            if column in schemas:
                schemas[column] = raw.get(expression, {}) if isinstance(expression, str) else {}
    return schemas


def columns_for(stream_map: StreamMap, record: Mapping[str, Any]) -> dict[str, Any]:
    """What a stream map is given of a record: a copy, as it may change that; most maps change nothing."""
    return record if isinstance(stream_map, SameRecordTransform) and isinstance(record, dict) else dict(record)


@contextlib.contextmanager
def _stream_map_findings() -> Iterator[None]:
    """Turn whatever the SDK's mapper raises into a finding. It has seen settings and schemas then, and no record."""
    try:
        yield
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 -- beside its own errors it raises what its libraries do
        raise SettingsError([f"stream_maps: {error}"]) from None
