"""The Singer target: what the Meltano SDK wants to know of it, and where it leaves the SDK's ways."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING, Any, ClassVar

from msgspec import structs
from singer_sdk.exceptions import MapExpressionError, RecordsWithoutSchemaException
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.plugin_base import PluginBase
from singer_sdk.target_base import Target

from target_leads import about
from target_leads.batch_files import batch_records
from target_leads.bootstrap import open_pipeline
from target_leads.checkpoints import print_line
from target_leads.environment import settings_from_environment, unknown_variables
from target_leads.exceptions import InputError, Interrupted, SettingsError, TargetLeadsError
from target_leads.models import Outcome, Record
from target_leads.reader import MessageReader
from target_leads.settings import Settings
from target_leads.settings_reference import complete_schema, findings_beyond_our_own, unknown_settings
from target_leads.sinks import LeadSink
from target_leads.stream_maps import StreamMaps, columns_for
from target_leads.termination import Termination

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap

    from target_leads.pipeline import Pipeline
    from target_leads.report import RunReport


class TargetLeads(Target):
    """Delivers lead updates to partner APIs: validated, in order, and settled before STATE says so."""

    name = "target-leads"
    package_name = "target-leads"
    default_sink_class = LeadSink
    config_jsonschema: ClassVar[dict[str, Any]] = complete_schema()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        parse_env_config: bool = False,
        dry_run: bool = False,
        **options: Any,  # noqa: ANN401 -- the SDK's
    ) -> None:
        """Read the settings. Nothing is opened before the first message, or `pipeline`.

        As in the SDK, environment variables win over `config`. `dry_run` wins over both.

        Raises:
            SettingsError: a setting is wrong; it lists all that are.
        """
        self._termination = Termination()
        self._resources = contextlib.ExitStack()
        self._pipeline: Pipeline | None = None
        self.original = Record(stream="", fields={}, original={})
        self._columns: dict[str, Mapping[str, Any]] = {}
        """What the SCHEMA of each of the tap's streams says of its columns."""
        self._reader = MessageReader(should_stop=self.is_stopping)
        options.setdefault("message_reader", self._reader)
        self.append_builtin_config(self.config_jsonschema)
        self._variables_count = parse_env_config
        settings = {
            **(config or {}),
            **(settings_from_environment(self.config_jsonschema) if parse_env_config else {}),
            **({"dry_run": True} if dry_run else {}),
        }
        super().__init__(config={name: value for name, value in settings.items() if value is not None}, **options)
        self._termination.shutdown_seconds = self.settings.shutdown_seconds
        self.max_parallelism = 1  # parallelism belongs to the dispatcher

    @property
    def pipeline(self) -> Pipeline:
        """The run's pipeline, opened when it is first asked for.

        Raises:
            SettingsError, StoreError: see `open_pipeline`.
        """
        if self._pipeline is None:
            self._pipeline = self._resources.enter_context(
                open_pipeline(self.settings, write_state=print_line, stopping=self._termination.stopping)
            )
        return self._pipeline

    def run(self, file_input: IO[bytes] | None) -> None:
        """Do the whole run: everything that can be wrong is told before the first line is read.

        Raises:
            TargetLeadsError: why the run ended before the end of its input.
        """
        self.pipeline.begin()
        try:
            self.take_all(file_input)
        except RecordsWithoutSchemaException as error:
            self.pipeline.flush()
            raise InputError(str(error)) from None
        except Interrupted:
            with contextlib.suppress(
                TargetLeadsError
            ):  # nothing is sent any more, but what needs no sending is settled
                self.pipeline.flush()
            raise
        except InputError:
            self.pipeline.flush()
            raise
        except TargetLeadsError:
            raise
        except Exception:
            self.pipeline.flush()
            raise

    def take_all(self, file_input: IO[bytes] | None) -> None:
        """Take every record, to the end of the input."""
        self.listen(file_input)  # type: ignore[arg-type] # the SDK says text; bytes let the reader find a bad line

    def close(self, exit_status: int) -> None:
        """Enter how the run ended, and give everything back."""
        if self._pipeline is not None:
            self._pipeline.close(exit_status)
        self._resources.close()
        self._termination.end()

    @property
    def report(self) -> RunReport | None:
        """What the run has done; none if it did not begin."""
        return None if self._pipeline is None else self._pipeline.report

    @property
    def input_lines(self) -> int:
        """Lines of the input that were read."""
        return self._reader.lines

    def is_stopping(self) -> bool:
        """Whether nothing more is to be read."""
        return self._termination.is_asked_for

    # Where the SDK's ways are left

    def process_endofpipe(self) -> None:
        """Settle the rest. The pipeline is closed here and not with a sink: others may still hold records."""
        super().process_endofpipe()
        if self._termination.signal_number:
            raise Interrupted(self._termination.signal_number)
        self.pipeline.finish()
        self.finish()
        self.close(exit_status=0)

    def finish(self) -> None:
        """Tell of settings that had no effect."""
        for stream in sorted(self.settings.streams.keys() - self.pipeline.admission.streams):
            self.logger.warning("streams.%s has no effect: no stream of this name came.", stream)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings for stream maps and flattening; its other ones would have no effect here."""
        PluginBase.append_builtin_config.__func__(cls, config_jsonschema)  # type: ignore[attr-defined] # past Target's own

    @classmethod
    def print_about(cls, output_format: str | None = None) -> None:
        """Print every setting, also those inside others, and which are secret."""
        if output_format == "json":
            super().print_about(output_format)
        else:
            print(about.render(cls._get_about_info(), markdown=output_format == "markdown"))  # noqa: T201 -- asked for

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check settings without the SDK's messages, which quote values, secret ones too."""
        findings = list(findings_beyond_our_own(self.config_jsonschema, self._config))
        try:
            self.settings = Settings.from_config(self._config)
        except SettingsError as error:
            findings += error.findings
        unknown = [
            *unknown_settings(self.config_jsonschema, self._config),
            *unknown_variables(self.config_jsonschema, self._config, count=self._variables_count),
        ]
        for sentence in unknown:
            self.logger.warning("%s", sentence)
        if findings and raise_errors:
            raise SettingsError(findings)
        return findings

    def setup_mapper(self) -> None:
        """Prepare the stream maps."""
        self._mapper = StreamMaps(plugin_config=dict(self.config), logger=self.logger)

    def is_replacing(self, stream_name: str) -> bool:
        """Whether a stream had another sink before: its SCHEMA has changed."""
        return any(sink.stream_name == stream_name for sink in self._sinks_to_clear)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        """Open a stream."""
        super()._process_schema_message(message_dict)
        self._columns[message_dict["stream"]] = message_dict["schema"]["properties"]

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Take a record through its stream maps to the sink.

        Not by the SDK's own way, which parses dates, wants every key property and checks the tap's schema on it: each
        ends the run at the first bad record. Here the provider's schema decides, and a bad record costs only itself.
        """
        stream, record = message_dict["stream"], message_dict["record"]
        if stream not in self.mapper.stream_maps:
            what = f"is a RECORD of the stream {stream}, whose SCHEMA did not come before it"
            raise RecordsWithoutSchemaException(self._reader.unreadable(what))
        stream_maps = self.mapper.stream_maps[stream]
        self.original = Record(
            stream=stream,
            fields=record,
            original=record,
            tap_stream=stream,
            key_properties=tuple(stream_maps[0].raw_key_properties or ()) if stream_maps else (),
            columns=self._columns[stream],
            received_at=self.pipeline.moment(),
        )
        if (letter_mark := message_dict.get("dead_letter")) is not None and self._is_of_our_store(letter_mark):
            stream_maps = self._maps_of_letter(letter_mark, stream_maps)
            if not stream_maps:
                return
        taken = [self._take(stream_map) for stream_map in stream_maps]
        if not any(taken):
            alias = stream_maps[0].stream_alias if stream_maps else stream
            self._take_settled(alias, Outcome.IGNORED, "filtered by stream_maps")
        self._handle_max_record_age()

    def _is_of_our_store(self, letter_mark: object) -> bool:
        """Whether a record is a dead letter of the store that this run writes. The sandbox takes any as a record."""
        store = self.pipeline.store
        return store is not None and not self.settings.sandbox and store.is_own(letter_mark)

    def _maps_of_letter(self, letter_mark: Any, stream_maps: Sequence[StreamMap]) -> list[StreamMap]:  # noqa: ANN401 -- a part of a message
        """Let the current record stand for its dead letter; returns the stream maps that it still has to take.

        None if there is nothing to take: then the record is settled.
        """
        store, tap_stream = self.pipeline.store, self.original.stream
        letter = store.marked(letter_mark) if store is not None else None
        if letter is None:
            self._take_settled(tap_stream, Outcome.IGNORED, "the dead letter was closed before")
            return []
        if not self.pipeline.takes_again(letter):
            reason = "the dead letter is of an account that the settings do not name, and stays open"
            self._take_settled(letter.stream, Outcome.IGNORED, reason)
            return []
        self.original = structs.replace(
            self.original, dead_letter_id=letter.dead_letter_id, received_at=letter.created_at
        )
        # The other streams that the tap's is mapped to have had it.
        own = [each for each in stream_maps if each.stream_alias == letter.stream]
        if not own:
            reason = f"stream_maps: no stream is mapped to {letter.stream} any more"
            self._take_settled(letter.stream, Outcome.INVALID, reason)
        return own

    def _take(self, stream_map: StreamMap) -> bool:
        """Take the current record by one stream map; returns false if the map filters it out."""
        try:
            fields = stream_map.transform(columns_for(stream_map, self.original.original))
        except MapExpressionError as error:
            self._take_settled(stream_map.stream_alias, Outcome.INVALID, f"stream_maps: {error}")
            return True
        except Exception as error:  # noqa: BLE001 -- an expression can raise anything; its words may hold a value
            self._take_settled(
                stream_map.stream_alias, Outcome.INVALID, f"stream_maps: an expression raises {type(error).__name__}"
            )
            return True
        if fields is None:
            return False
        sink = self.get_sink(stream_map.stream_alias)
        sink.tally_record_read()
        sink.process_record(fields, {})
        sink.record_counter_metric.increment()
        if self.pipeline.is_full:
            self.drain_one(sink)
        return True

    def _take_settled(self, stream: str, outcome: Outcome, reason: str) -> None:
        self.pipeline.receive_settled(structs.replace(self.original, stream=stream), outcome, reason)
        if self.pipeline.is_full:
            self.pipeline.flush()

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Treat the records in batch files like any others; the SDK would pass them by stream maps and hooks."""
        for record in batch_records(message_dict, self._reader.parse_record):
            if self.is_stopping():
                break
            self._process_record_message({"type": "RECORD", "stream": message_dict["stream"], "record": record})

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Nothing to do: a lead update never deletes."""

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Let the pipeline hold the STATE until it is true; the SDK would print it at the end, true or not."""
        self._assert_line_requires(message_dict, requires={"value"})
        self.pipeline.checkpoint(message_dict["value"])

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the SDK's signature
        """Stop taking records and let what is in flight finish; the same signal again leaves at once."""
        self._termination.handle(signum, may_interrupt=self._reader.is_waiting)
