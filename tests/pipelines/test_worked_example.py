"""The worked example of the README, followed word for word from an empty folder."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import textwrap
from pathlib import Path

import pytest
from meltano_project import PATIENCE_SECONDS, Project, cannot

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = "### With Meltano\n"


@pytest.fixture
def blocks() -> list[str]:
    """The example's commands: those before the emulator, the emulator, and those after it."""
    (_, _, section) = (ROOT / "README.md").read_text(encoding="utf-8").partition(EXAMPLE)
    (section, _, _) = section.partition("\n## ")
    return [textwrap.dedent(block) for block in re.findall(r"(?:^    .+\n)+", section, re.MULTILINE)]


@pytest.fixture
def programs() -> None:
    """What the example takes beside Meltano."""
    for program in ("bash", "curl", "psql"):
        if shutil.which(program) is None:
            cannot(f"the example of the README takes {program}, which is not installed")


@pytest.fixture
def port() -> int:
    """One that is free: what the README names may be in use here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


@pytest.mark.usefixtures("programs", "installed")
def test_from_a_table_to_the_sandbox(blocks: list[str], meltano: Path, tap_url: str, port: int, tmp_path: Path) -> None:
    """A person who does what stands there gets ten rows delivered, and then the one field that changed."""
    prepare, sandbox, deliver = blocks
    exports = [line for line in prepare.splitlines() if line.startswith("export ")]
    given = {"/path/to/target-leads": str(ROOT), "postgresql://user:password@127.0.0.1:5432/leads": tap_url}
    outside = Project(folder=tmp_path, command=meltano)
    inside = Project(folder=tmp_path / "leads", command=meltano)

    def script(block: str) -> list[str]:
        for word, own in given.items():
            block = block.replace(word, own)
        return ["bash", "-euc", block]

    def do(project: Project, *lines: str) -> str:
        done = subprocess.run(
            script("\n".join(lines)),
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    do(outside, prepare)
    given["8765"] = str(port)
    settings = inside.folder / "meltano.yml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("8765", str(port)), encoding="utf-8")
    with subprocess.Popen(
        script(f"exec {sandbox.strip()} --port 8765"),
        cwd=inside.folder,
        env=inside.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as emulator:
        try:
            assert emulator.stdout is not None
            assert emulator.stdout.readline() == f"http://127.0.0.1:{port}\n"
            told = do(inside, *exports, deliver)
        finally:
            emulator.terminate()
    assert "Nothing is wrong." in told
    assert '"amountRequested": 90000.00' in told

    runs = json.loads(do(inside, *exports, "meltano invoke target-leads:runs --format json"))
    assert [(run["received"], run["delivered"], run["unchanged"]) for run in runs] == [(6, 1, 5), (10, 10, 0)]
