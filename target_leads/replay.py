"""Sends dead letters again, through the whole pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_leads.configuration import mistakes
from target_leads.exceptions import RefusedAgain, SettingsError
from target_leads.run import do_run
from target_leads.store import DeadLetterFilter, singer_messages
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_leads.store import DeadLetter, Store

_AT_ONCE = 500


def replay(config_paths: tuple[str, ...], which: DeadLetterFilter, *, prints_report: bool) -> int:
    """Send open dead letters again; returns the exit status: 0 if every one is closed, 3 if some were refused again."""
    return do_run(ReplayingTarget, config_paths, None, mistakes=mistakes, prints_report=prints_report, which=which)


class ReplayingTarget(TargetLeads):
    """A target whose records are the dead letters of its own store."""

    def __init__(self, *, which: DeadLetterFilter, config: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401 -- the target's
        """Send those again that the filter means. However many are refused again, the others are sent."""
        super().__init__(config={**(config or {}), "reject_limit": "100%"}, **options)
        self._which = which

    def run(self, file_input: object = None) -> None:  # noqa: ARG002 -- the target's signature
        """Do the whole run.

        Raises:
            SettingsError: it would close dead letters without sending them, or there is no store.
        """
        for name in ("sandbox", "dry_run"):
            if getattr(self.settings, name):
                raise SettingsError([f"{name}: dead letters are sent again for good or not at all. Leave {name} out."])
        super().run(None)

    def take_all(self, file_input: object = None) -> None:  # noqa: ARG002 -- the target's signature
        """Take the dead letters in place of any input."""
        store = self.pipeline.store
        for message in singer_messages(self._letters(store), store.identity) if store else ():
            if self.is_stopping():
                break
            if message["type"] == "SCHEMA":
                self._process_schema_message(message)
            else:
                self._process_record_message(message)
        self.process_endofpipe()

    def finish(self) -> None:
        """See whether every one is closed.

        Raises:
            RefusedAgain: some are not.
        """
        if refused := self.pipeline.report.dead_letters:
            raise RefusedAgain(
                f"{refused} of {self.pipeline.report.received} were refused again; they stay open with new reasons. "
                "Mend the mapping or the data, or put them aside: target-leads dead-letters discard."
            )

    def _letters(self, store: Store) -> Iterator[DeadLetter]:
        """The dead letters that are open now, oldest first, a few at a time: while they are sent the store is written.

        Those of accounts that the settings do not name are left as they are.
        """
        ids = [letter.dead_letter_id for letter in store.dead_letters(self._which) if self.pipeline.takes_again(letter)]
        for start in range(0, len(ids), _AT_ONCE):
            yield from list(store.dead_letters(DeadLetterFilter(ids=tuple(ids[start : start + _AT_ONCE]))))
