"""Runs the sandbox beside a run, in a process of its own, so that it takes no time from the run's threads."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from target_leads.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_leads.providers import Definition


@contextlib.contextmanager
def sandbox_process(definitions: Mapping[str, Definition], provider_paths: Sequence[str]) -> Iterator[dict[str, str]]:
    """A running sandbox; yields the base URL of each provider, by name.

    The process has a session of its own, so that Ctrl-C reaches the run first, and ends when its standard input does:
    it cannot outlive the run, however that ends.

    Raises:
        SettingsError: the sandbox did not start; it holds what the sandbox said.
    """
    command = [sys.executable, "-m", "target_leads", "sandbox", "--port", "0", "--until-stdin-closes"]
    for path in provider_paths:
        command += ["--provider-path", path]
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(  # noqa: S603 -- the command is our own
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True, start_new_session=True
        )
        with process:
            try:
                url = process.stdout.readline().strip() if process.stdout else ""
                if not url:
                    words.seek(0)
                    raise SettingsError([f"The sandbox did not start. {words.read().decode(errors='replace').strip()}"])
                yield {name: url + definition.sandbox_path for name, definition in definitions.items()}
            finally:
                if process.stdin:
                    process.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=5)
                process.kill()
