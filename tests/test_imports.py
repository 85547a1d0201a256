"""A command imports what it uses: nobody waits for libraries that do nothing for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = """
import sys
from target_leads.cli import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    status = left.code
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""
OF_A_RUN = {"jsonschema", "requests", "singer_sdk", "sqlalchemy", "target_leads.target"}
"""What every run uses, and `--version` does not."""
OF_NEITHER = {
    "httptools",  # the sandbox's, in a process of its own
    "psycopg",  # for a store on PostgreSQL
    "pyrate_limiter",  # for an account with a rate limit
    "rich",  # for a terminal
    "sqlalchemy.orm",
    "target_leads.commands",
    "target_leads.sandbox",
    "uvicorn",
}


def imported(*arguments: str, lines: str = "") -> set[str]:
    """Names of the modules that a command has imported when it ends well."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    ended = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return set(ended.stderr.splitlines()[-1].split())


def test_the_version_needs_no_library() -> None:
    """It is there before a person could wonder."""
    modules = imported("--version")
    assert "target_leads.cli" in modules
    assert modules & (OF_A_RUN | OF_NEITHER) == set()


def test_a_run_needs_no_library_of_other_commands(generic_config: dict[str, Any]) -> None:
    """Nor those that its own settings leave out. It delivers something, so what that needs is there."""
    Path("config.json").write_text(json.dumps(generic_config))
    messages = [
        {"type": "SCHEMA", "stream": "leads", "key_properties": ["id"], "schema": {"properties": {}}},
        {"type": "RECORD", "stream": "leads", "record": {"id": "L-1", "email": "ada@example.com"}},
    ]
    modules = imported("--config", "config.json", lines="".join(f"{json.dumps(each)}\n" for each in messages))
    assert modules >= OF_A_RUN
    assert modules & OF_NEITHER == set()
