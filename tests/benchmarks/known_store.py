"""Stores that know many leads already. They are kept until the package changes: a large one takes minutes to make."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.contenders import COMMANDS, leads_config
from tests.benchmarks.environments import KEPT
from tests.benchmarks.leads import write_messages
from tests.benchmarks.processes import PYTHONPATH, turn

NOWHERE = "http://127.0.0.1:9/v1"
"""Where the leads are said to be delivered. Nobody listens there: a run that sends anything fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStore:
    """A store, with the leads that it knows."""

    config: Path
    messages: Path
    store: Path


def known_store(count: int, *, streams: int = 1) -> KnownStore:
    """A store that knows so many leads, from so many streams."""
    name = f"known-{_version()}"
    for other in KEPT.glob("known-*"):
        if other.name != name:
            shutil.rmtree(other)
    folder = KEPT / name / f"{count}-leads-{streams}-streams"
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder, NOWHERE, count, streams=streams)
        ready.touch()
    return _in(folder)


def make(folder: Path, url: str, count: int, *, streams: int = 1, provider: str = "bizmate") -> KnownStore:
    """Make one in a folder; its leads are at this URL, for a provider that comes with target-leads."""
    known = _in(folder)
    config = {**leads_config(url, store=known.store, streams=streams, provider=provider), "retention_days": 36500}
    known.config.write_text(json.dumps(config), encoding="utf-8")
    write_messages(known.messages, count, streams=streams)
    command = [sys.executable, str(COMMANDS / "known_store.py"), str(known.config), str(known.messages)]
    turn(command, folder=folder, variables={"PYTHONPATH": PYTHONPATH})
    return known


def seconds_for_one_lead(known: KnownStore) -> float:
    """What it takes to look up one lead, among many others at once."""
    command = [sys.executable, str(COMMANDS / "look_ups.py"), str(known.store)]
    done = subprocess.run(command, env={"PYTHONPATH": PYTHONPATH}, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _in(folder: Path) -> KnownStore:
    return KnownStore(config=folder / "config.json", messages=folder / "leads.singer.jsonl", store=folder / "store.db")


@functools.cache
def _version() -> str:
    """Changes with the package, and with what is written to make a store."""
    own = [Path(__file__), Path(__file__).with_name("leads.py"), COMMANDS / "known_store.py"]
    package = sorted(Path(PYTHONPATH, "target_leads").rglob("*"))
    digest = hashlib.sha256()
    for file in (*package, *own):
        if file.is_file() and file.suffix in {".py", ".json"}:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
