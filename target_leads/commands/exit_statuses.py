"""What the exit status of a past run means, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStatus:
    """How a run ended, for people."""

    short: str
    """In a word or three."""
    meaning: str
    next_step: str


_STATUSES = {
    None: ExitStatus(
        short="not ended",
        meaning="It is still running, or was killed.",
        next_step="If it does not run any more, run again: what was not settled comes again.",
    ),
    0: ExitStatus(short="ok", meaning="Every record was settled.", next_step=""),
    1: ExitStatus(
        short="input or error",
        meaning="The input could not be read, the store or stdout not be written, or something unforeseen happened.",
        next_step="Mend what the last line of its log names, and run again.",
    ),
    2: ExitStatus(
        short="wrong settings",
        meaning="A setting, a config file or a provider folder was wrong.",
        next_step="target-leads check says all that is wrong.",
    ),
    3: ExitStatus(
        short="too much refused",
        meaning="More was refused than reject_limit allows, nothing but dead letters came of it, or it was a replay of "
        "which some were refused again.",
        next_step="Mend the commonest reason, or raise reject_limit, and run again: what no STATE covers comes again.",
    ),
    4: ExitStatus(
        short="credentials refused",
        meaning="A provider refused the credentials.",
        next_step="Set its credentials anew, look at them with target-leads check, and run again.",
    ),
    75: ExitStatus(
        short="provider down",
        meaning="A provider was down, or asked for a longer wait than max_wait_seconds.",
        next_step="Run again later: what was not settled comes again.",
    ),
    130: ExitStatus(short="stopped", meaning="It was stopped by SIGINT.", next_step="Run again to send the rest."),
    143: ExitStatus(short="stopped", meaning="It was stopped by SIGTERM.", next_step="Run again to send the rest."),
}


def exit_status_in_words(status: int | None) -> ExitStatus:
    """What an exit status means; None: there is none yet, or never will be."""
    return _STATUSES.get(status) or ExitStatus(
        short=f"status {status}", meaning=f"It ended with status {status}.", next_step="See its log."
    )
