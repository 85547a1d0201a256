"""The Singer target: what the Meltano SDK wants to know of it, and where it leaves the SDK's ways."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import MapExpressionError, RecordsWithoutSchemaException, StreamMapConfigError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.plugin_base import PluginBase
from singer_sdk.target_base import Target

from target_leads import about
from target_leads.batch_files import batch_records
from target_leads.bootstrap import open_pipeline
from target_leads.exceptions import InputError, Interrupted, SettingsError, TargetLeadsError
from target_leads.models import Outcome, Record
from target_leads.reader import MessageReader
from target_leads.redaction import without_secrets
from target_leads.settings import Settings
from target_leads.settings_reference import complete_schema
from target_leads.sinks import LeadSink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from target_leads.pipeline import Pipeline


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
        self, *, config: Mapping[str, Any] | None = None, parse_env_config: bool = False, **options: Any
    ) -> None:
        """Read the settings. Nothing is opened before the first message, or `pipeline`.

        Raises:
            SettingsError: a setting is wrong; it lists all that are.
        """
        self._stopping = threading.Event()
        self._signal_number = 0
        self._resources = contextlib.ExitStack()
        self._pipeline: Pipeline | None = None
        self.original_record: Mapping[str, Any] = {}
        self._reader = MessageReader(should_stop=self._stopping.is_set)
        options.setdefault("message_reader", self._reader)
        try:
            super().__init__(config=dict(config or {}), parse_env_config=parse_env_config, **options)
        except StreamMapConfigError as error:
            raise SettingsError([f"stream_maps: {error}"]) from None
        except ValueError:
            raise SettingsError(list(_unreadable_variables(self.config_jsonschema))) from None
        self.max_parallelism = 1  # parallelism belongs to the dispatcher

    @property
    def pipeline(self) -> Pipeline:
        """The run's pipeline, opened when it is first asked for.

        Raises:
            SettingsError, StoreError: see `open_pipeline`.
        """
        if self._pipeline is None:
            self._pipeline = self._resources.enter_context(
                open_pipeline(self.settings, write_state=_print_state, stopping=self._stopping)
            )
        return self._pipeline

    def run(self, file_input: IO[bytes] | None) -> None:
        """Do the whole run: everything that can be wrong is told before the first line is read.

        Raises:
            TargetLeadsError: why the run ended before the end of its input.
        """
        _ = self.pipeline
        try:
            self.listen(file_input)  # type: ignore[arg-type] # the SDK says text; bytes let the reader find a bad line
        except RecordsWithoutSchemaException as error:
            self.pipeline.flush()
            raise InputError(str(error)) from None
        except TargetLeadsError as error:
            if isinstance(error, InputError):
                self.pipeline.flush()
            raise
        except Exception:
            self.pipeline.flush()
            raise

    def close(self, exit_status: int) -> None:
        """Enter how the run ended, and give everything back."""
        if self._pipeline is not None:
            self._pipeline.close(exit_status)
        self._resources.close()

    def summary(self) -> list[str]:
        """What the run did, a line for each provider, and what was refused and where that is kept."""
        if self._pipeline is None:
            return []
        report = self._pipeline.report
        lines = list(report.lines())
        if report.dead_letters:
            kept = (
                "not kept, as this is a dry run"
                if self.settings.dry_run
                else f"in {without_secrets(self.settings.store_url)}"
            )
            lines += [f"{report.dead_letters} dead letters, {kept}:"]
            lines += [f"  {reason}" for reason in report.commonest_reasons()]
        return lines

    def success_line(self) -> str:
        """The last line of a run that settled everything."""
        sentence = self.pipeline.report.sentence()
        if self.settings.dry_run:
            return f"Dry run: nothing was sent. {sentence}"
        return f"Done. {sentence} Run {self.pipeline.report.run_id}."

    # Where the SDK's ways are left

    def process_endofpipe(self) -> None:
        """Settle the rest. The pipeline is closed here and not with a sink: others may still hold records."""
        if self._signal_number:
            raise Interrupted(self._signal_number)
        super().process_endofpipe()
        self.pipeline.finish()
        self.close(exit_status=0)

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
        self.append_builtin_config(self.config_jsonschema)
        try:
            self.settings = Settings.from_config(self._config)
        except SettingsError as error:
            if raise_errors:
                raise
            return list(error.findings)
        for name in sorted(self._config.keys() - self.config_jsonschema["properties"].keys()):
            self.logger.warning("There is no setting %s; it has no effect.", name)
        return []

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        try:
            super()._process_schema_message(message_dict)
        except (StreamMapConfigError, MapExpressionError) as error:
            raise SettingsError([f"stream_maps: {error}"]) from None

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Remember the record as the tap sent it, and count the one that stream maps filter out."""
        self._assert_line_requires(message_dict, requires={"stream", "record"})
        self.original_record = message_dict["record"]
        received = self.pipeline.report.received
        outcome, reason = Outcome.IGNORED, "filtered by stream_maps"
        try:
            super()._process_record_message(message_dict)
        except MapExpressionError as error:
            outcome, reason = Outcome.INVALID, f"stream_maps: {error}"
        if outcome is Outcome.INVALID or self.pipeline.report.received == received:
            record = Record(stream=message_dict["stream"], fields={}, original=self.original_record)
            self.pipeline.receive_settled(record, outcome, reason)
            if self.pipeline.is_full:
                self.pipeline.flush()

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Treat the records in batch files like any others; the SDK would pass them by stream maps and hooks."""
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        for record in batch_records(message_dict, self._reader.parse_record):
            self._process_record_message({"type": "RECORD", "stream": message_dict["stream"], "record": record})

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Nothing to do: a lead update never deletes."""

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Let the pipeline hold the STATE until it is true; the SDK would print it at the end, true or not."""
        self._assert_line_requires(message_dict, requires={"value"})
        self.pipeline.checkpoint(message_dict["value"])

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the SDK's signature
        """Stop taking records and let what is in flight finish; a second signal leaves at once."""
        if self._signal_number:
            os._exit(128 + signum)
        self._signal_number = signum
        self._stopping.set()
        if self._reader.is_waiting:
            raise Interrupted(signum)


def _print_state(line: str) -> None:
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain again when it flushes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message = (
            "Standard output was closed, so nobody reads the STATE. What was delivered is in the store; run again."
        )
        raise TargetLeadsError(message) from None


def _unreadable_variables(schema: Mapping[str, Any]) -> list[str]:
    """Which environment variables hold no value of their setting's type."""
    findings = []
    for name, setting in schema["properties"].items():
        try:
            parse_environment_config({"properties": {name: setting}}, "TARGET_LEADS_")
        except ValueError:
            kind = "an object or list as JSON" if setting["type"] in {"object", "array"} else "a whole number"
            findings.append(f"TARGET_LEADS_{name.upper()}: must be {kind}.")
    return findings
