"""Does one run and says how it ended: the report, the summary, the last line, the exit status."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from typing import IO, TYPE_CHECKING, Any, Protocol

import click

from target_leads.config_files import ENVIRONMENT, read_config
from target_leads.exceptions import Interrupted, SettingsError, TargetLeadsError
from target_leads.progress import progress
from target_leads.redaction import place_of, printable
from target_leads.report import RunReport
from target_leads.report_file import Ending, report_as_json, write_report
from target_leads.summary import last_line, sentence, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_leads.target import TargetLeads


class Mistakes(Protocol):
    """Finds all that is wrong with settings."""

    def __call__(self, config: Mapping[str, Any], *, variables_count: bool) -> Sequence[str]:
        """As findings, of these settings and of the environment's if they count."""


def do_run(
    target_class: type[TargetLeads],
    config_paths: tuple[str, ...],
    file_input: IO[bytes] | None,
    *,
    mistakes: Mistakes,
    prints_report: bool = False,
    **options: Any,  # noqa: ANN401 -- the target's own
) -> int:
    """Do one run with a target of this class; returns its exit status. The report goes to standard output, if asked.

    If what is wrong keeps it from its first record, all that `mistakes` finds besides is told as well.
    """
    run = _Run(target_class, config_paths, options, mistakes)
    ending = run.do(file_input)
    report = report_as_json(run.report, ending)
    complaints = _write_report(run.report_path, report)  # first: whoever reads standard error may be gone
    if any(line.startswith("report_path:") for line in ending.last_line.splitlines()):
        complaints = []  # it is told among the mistakes
    if prints_report:
        click.echo(json.dumps(report, indent=2))
    with contextlib.suppress(OSError):  # nobody reads it, which changes nothing of what was delivered
        for line in (*run.summary(ending), *complaints):
            click.echo(printable(line), err=True)
        click.echo(ending.last_line, err=True)
    return ending.exit_status


class _Run:
    """One run, and what there is to tell of it however far it came."""

    def __init__(
        self,
        target_class: type[TargetLeads],
        config_paths: tuple[str, ...],
        options: Mapping[str, Any],
        mistakes: Mistakes,
    ) -> None:
        self._target_class = target_class
        self._config_paths = config_paths
        self._options = options
        self._mistakes = mistakes
        self._started_at = time.time()
        self._began_at = time.monotonic()
        self._config: Mapping[str, Any] | None = None
        self._target: TargetLeads | None = None

    def do(self, file_input: IO[bytes] | None) -> Ending:
        """Do it, and close it."""
        try:
            exit_status, words = 0, self._to_its_end(file_input)
        except SettingsError as error:
            findings = tuple(dict.fromkeys((*error.findings, *self._other_mistakes())))
            exit_status, words = error.exit_status, words_of(SettingsError(findings))
        except TargetLeadsError as error:
            exit_status, words = exit_status_of(error), words_of(error)
        except Exception as error:  # noqa: BLE001 -- the last line of defence: its message may hold a value, so it is not shown
            exit_status = TargetLeadsError.exit_status
            words = f"An unforeseen error ended the run: {place_of(error)}. Nothing settled is lost. Please report it."
        lines = 0
        if self._target is not None:
            lines = self._target.input_lines
            with contextlib.suppress(TargetLeadsError):  # a store that fails now failed before, or tells less than that
                self._target.close(exit_status)
        finished_at = self._started_at + time.monotonic() - self._began_at  # whoever has set the clock meanwhile
        return Ending(exit_status=exit_status, last_line=words, finished_at=finished_at, input_lines=lines)

    def _to_its_end(self, file_input: IO[bytes] | None) -> str:
        self._config = read_config(self._config_paths)
        _set_up_logging(self._target_class)
        from_environment = ENVIRONMENT in self._config_paths
        self._target = self._target_class(config=self._config, parse_env_config=from_environment, **self._options)
        with progress(self._target.pipeline.report):
            self._target.run(file_input)
        return last_line(self._target.pipeline.report)

    def _other_mistakes(self) -> Sequence[str]:
        """What is wrong besides, where something kept the run from its first record. Files are not read again."""
        began = self._target is not None and self._target.report is not None
        if began or self._config is None:
            return ()
        try:
            return self._mistakes(self._config, variables_count=ENVIRONMENT in self._config_paths)
        except Exception:  # noqa: BLE001 -- what is known to be wrong is told, whatever becomes of the search for more
            return ()

    @property
    def report(self) -> RunReport:
        """What it has done; nothing, if it did not begin."""
        report = None if self._target is None else self._target.report
        return report or RunReport("", started_at=self._started_at)

    @property
    def report_path(self) -> str:
        """Where its report is to be written, also if the settings are wrong; empty for nowhere."""
        if self._target is not None:
            return self._target.settings.report_path
        given: object = (self._config or {}).get("report_path")
        if ENVIRONMENT in self._config_paths:
            from target_leads.environment import settings_from_environment  # noqa: PLC0415 -- the SDK takes half a second

            setting = {"properties": {"report_path": {"type": "string"}}}
            given = settings_from_environment(setting).get("report_path", given)
        return given if isinstance(given, str) else ""

    def summary(self, ending: Ending) -> Iterator[str]:
        """What a person reads before the last line."""
        if self._target is None or self._target.report is None:
            return
        seconds = ending.finished_at - self._started_at
        yield from summary(self.report, self._target.settings, seconds=seconds)
        if ending.exit_status and self.report.received:
            yield sentence(self.report)


def _write_report(path: str, content: dict[str, Any]) -> list[str]:
    """Write the run's report; returns what went wrong. It changes no status: what was delivered is delivered."""
    if path:
        try:
            write_report(path, content)
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else "it is no path"
            return [f"The report could not be written to {path}: {words}."]
    return []


def _set_up_logging(target_class: type[TargetLeads]) -> None:
    """Log as the SDK does, by environment variables.

    Raises:
        SettingsError: the log level is none, or the file of log settings is wrong.
    """
    try:
        _ = target_class.cli
    except ValueError as error:
        raise SettingsError([f"TARGET_LEADS_LOGLEVEL, LOGLEVEL or SINGER_SDK_LOG_CONFIG: {error}."]) from None
    for handler in logging.getLogger().handlers:
        handler.addFilter(_on_one_line)


def _on_one_line(entry: logging.LogRecord) -> bool:
    """Keep what a tap calls its streams and fields from writing lines of its own into the log."""
    message = entry.getMessage()
    if not (message.isprintable() and entry.name.isprintable()):
        entry.msg, entry.args, entry.name = printable(message), None, printable(entry.name)
    return True


def words_of(error: TargetLeadsError) -> str:
    """What a person reads of an error: each finding on a line, whatever names stand in it."""
    if isinstance(error, SettingsError):
        return "\n".join(map(printable, error.findings))
    return printable(str(error))


def exit_status_of(error: TargetLeadsError) -> int:
    """The exit status of a process that ends with this."""
    return error.run_exit_status if isinstance(error, Interrupted) else error.exit_status
