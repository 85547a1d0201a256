"""What can end a run, and with which exit status.

A record that goes wrong is never an exception: it has an outcome. These end the run::

    TargetLeadsError                1   anything unforeseen
    ├── InputError                  1   the Singer input cannot be read
    ├── StoreError                  1   the store is locked, full or damaged
    ├── SettingsError               2   a setting is wrong or missing
    │   └── DefinitionError         2   a provider folder is wrong
    ├── RejectLimitReached          3   too many dead letters
    ├── RefusedAgain                3   dead letters that were sent again are dead letters still
    ├── CredentialsRefused          4   the provider refuses the credentials
    ├── ProviderUnavailable        75   the provider is down, or wants to be left alone
    └── Interrupted           130/143   SIGINT or SIGTERM
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class TargetLeadsError(Exception):
    """Ends the run. Its text is the last line that the user reads: it names the cause and the next step."""

    exit_status: ClassVar[int] = 1


class InputError(TargetLeadsError):
    """A line of the Singer input is no Singer message."""


class StoreError(TargetLeadsError):
    """The store cannot be read or written."""


class SettingsError(TargetLeadsError):
    """Settings are wrong; `findings` holds one sentence for each mistake."""

    exit_status = 2

    def __init__(self, findings: Sequence[str]) -> None:
        """Keep every finding, so that a user can mend them all at once."""
        super().__init__("\n".join(findings))
        self.findings = tuple(findings)


class DefinitionError(SettingsError):
    """A provider folder breaks the rules for provider folders."""


class RejectLimitReached(TargetLeadsError):
    """More records were refused than `reject_limit` allows."""

    exit_status = 3


class RefusedAgain(TargetLeadsError):
    """Dead letters that were sent again are dead letters still."""

    exit_status = 3


class CredentialsRefused(TargetLeadsError):
    """A provider does not accept the credentials it was given."""

    exit_status = 4


class ProviderUnavailable(TargetLeadsError):
    """A provider lets no lead through any more; a later run may succeed."""

    exit_status = 75


class Interrupted(TargetLeadsError):
    """The run was asked to stop by a signal."""

    def __init__(self, signal_number: int) -> None:
        """Remember the signal, which decides the exit status."""
        super().__init__(
            f"Stopped by {signal.Signals(signal_number).name}. What was in flight is settled if it was answered. "
            "Run again to send the rest."
        )
        self.signal_number = signal_number

    @property
    def run_exit_status(self) -> int:
        """The shell's convention for a process ended by a signal: 128 plus its number."""
        return 128 + self.signal_number
