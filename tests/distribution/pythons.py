"""The versions of Python that the package says it runs on, and where this machine has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.requirements import project

_CLASSIFIER = "Programming Language :: Python :: 3."


def supported() -> list[str]:
    """Such as 3.10: one for each classifier, the oldest first."""
    minors = sorted(
        int(each.removeprefix(_CLASSIFIER)) for each in project()["classifiers"] if each.startswith(_CLASSIFIER)
    )
    return [f"3.{minor}" for minor in minors]


def found(version: str) -> str | None:
    """Its interpreter, on the path or where pyenv puts it."""
    on_the_path = shutil.which(f"python{version}")
    candidates = [on_the_path] if on_the_path else []
    candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")), reverse=True)
    for candidate in candidates:  # pyenv puts commands on the path that only say that they are not there
        asked = subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    return None
