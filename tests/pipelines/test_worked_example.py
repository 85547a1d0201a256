"""The worked example of the README, followed word for word from an empty folder."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from meltano_project import Project, checkout_at

from tests.machine import lacks
from tests.markdown import blocks_to_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def programs() -> None:
    """What the example takes beside Meltano."""
    for program in ("bash", "curl", "psql"):
        if shutil.which(program) is None:
            lacks(f"the example of the README takes {program}, which is not installed")


@pytest.fixture
def port() -> str:
    """One that is free: what the README names may be in use here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@pytest.mark.usefixtures("programs", "installed")
def test_from_a_table_to_the_sandbox(meltano: Path, tap_url: str, port: str, tmp_path: Path) -> None:
    """A person who does what stands there gets ten rows delivered, and then the one field that changed.

    Folders may have spaces in their names.
    """
    prepare, sandbox, deliver = (block.text for block in blocks_to_run("README.md", "With Meltano", by=__file__))
    checkout = checkout_at(tmp_path / "a checkout")
    prepare = prepare.replace("/path/to/target-leads", shlex.quote(str(checkout)))
    prepare = prepare.replace("postgresql://user:password@127.0.0.1:5432/leads", tap_url)
    terminal = Project(folder=tmp_path / "my projects", command=meltano)
    terminal.folder.mkdir()
    # The variables and the folder of the first terminal stay as they are for what is typed there later.
    prepared = terminal.shell(f"{prepare}\nexport -p > ../variables")
    prepared.must_have_installed()
    first = Project(folder=terminal.folder / "leads", command=meltano)
    back = f". {shlex.quote(str(terminal.folder / 'variables'))}\n"

    settings = first.folder / "meltano.yml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("8765", port), encoding="utf-8")
    command = ["bash", "-euc", f"exec {sandbox.strip()} --port {port}"]
    with subprocess.Popen(
        command,
        cwd=first.folder,
        env=first.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as emulator:
        try:
            assert emulator.stdout is not None
            assert emulator.stdout.readline() == f"http://127.0.0.1:{port}\n"
            told = first.shell(back + deliver.replace("8765", port))
        finally:
            emulator.terminate()
    assert told.status == 0, told.log
    assert "Nothing is wrong." in told.stdout
    assert '"amountRequested": 90000.00' in told.stdout

    runs = json.loads(first.shell(f"{back}meltano invoke target-leads:runs --format json").stdout)
    assert [(run["received"], run["delivered"], run["unchanged"]) for run in runs] == [(6, 1, 5), (10, 10, 0)]
