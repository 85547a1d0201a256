"""Virtual environments for what does not get along with target-leads' libraries. They are kept for the next time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

KEPT = Path(__file__).parents[2] / ".benchmarks"
"""What benchmarks keep: environments, and stores that took long to make."""


class NotInstallable(Exception):
    """A package could not be installed here; pip has said why."""


def environment(package: str, version: str) -> Path:
    """The folder of commands of an environment that holds this version of a package, made when it is first asked for.

    Raises:
        NotInstallable: it could not be made.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = KEPT / f"{package}-{version}-python{python}"
    ready = folder / "ready"
    if not ready.exists():
        install = [
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--quiet",
            "--disable-pip-version-check",
        ]
        for step in ([sys.executable, "-m", "venv", "--clear", folder], [*install, f"{package}=={version}"]):
            if subprocess.run(step, check=False, stdout=sys.stderr).returncode != 0:
                raise NotInstallable(package)
        ready.touch()
    return folder / "bin"
