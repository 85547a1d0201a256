"""What tests need of the machine that they run on."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacks(message: str) -> NoReturn:
    """The machine lacks something: a developer's test is skipped, CI's fails."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
