"""Who delivers leads beside target-leads: each as a command, with the best settings that it has for this work."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.environments import environment
from tests.benchmarks.leads import columns, stream_names, write_messages, write_table
from tests.benchmarks.processes import PYTHONPATH, beside_python

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

COMMANDS = Path(__file__).parent / "commands"
PROVIDERS = Path(PYTHONPATH) / "tests" / "providers"
_TOKEN = "token"
_PROVIDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "generic": ("token", {}),
    "bizmate": (
        "api_token",
        {
            "fields": {name: name for name in ("email", "firstName", "lastName", "phone", "amountRequested")}
            | {"note": "notes"}
        },
    ),
}
"""By name: the setting that holds the credential, and a stream's settings."""
_HOTGLUE = ("hotglue-singer-sdk", "1.0.51")
_DRT = ("drt-core", "1.2.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What has to be delivered."""

    folder: Path
    """Empty, and the contender's own."""
    url: str
    count: int
    concurrency: int
    streams: int = 1
    provider: str = "generic"
    """Of target-leads: the tests' own, or one that comes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A command that does a task."""

    command: Sequence[str]
    folder: Path
    stdin: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to deliver leads."""

    prepare: Callable[[Task], Run]
    one_by_one: bool
    """Whether it sends a request when the one before is answered. Such a one gets fewer leads."""
    version: str


def target_leads(task: Task) -> Run:
    """The installed command, with its store; the first run on it."""
    config = leads_config(task.url, store=task.folder / "store.db", streams=task.streams, provider=task.provider)
    config["concurrency"] = task.concurrency
    (task.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return Run(
        command=[beside_python("target-leads"), "--config", "config.json"],
        folder=task.folder,
        stdin=_messages(task),
        variables={"PYTHONPATH": PYTHONPATH},
    )


def leads_config(url: str, *, store: Path, streams: int = 1, provider: str = "generic") -> dict[str, Any]:
    """Settings of target-leads for the tests' generic provider, or for one that comes with it."""
    account, fields = _PROVIDERS[provider]
    return {
        "provider": provider,
        "provider_paths": [str(PROVIDERS)],
        "providers": {provider: {account: _TOKEN, "base_url": url}},
        "streams": {name: {"lead_id": "id", **fields} for name in stream_names(streams)},
        "store_url": f"sqlite:///{store}",
    }


def requests_pool(task: Task) -> Run:
    """A script with a pool of threads: the ceiling."""
    command = [sys.executable, str(COMMANDS / "requests_pool.py"), task.url, str(task.concurrency)]
    return Run(command=command, folder=task.folder, stdin=_messages(task))


def sdk_target(task: Task) -> Run:
    """A plain target on the Meltano SDK, of the version that target-leads uses."""
    return _singer([sys.executable, str(COMMANDS / "sdk_target.py")], task)


def hotglue_target(task: Task) -> Run:
    """A plain target on hotglue's SDK. It looks for its state in a folder beside the one it works in."""
    (task.folder / ".secrets").mkdir()
    (task.folder / "work").mkdir()
    run = _singer([str(environment(*_HOTGLUE) / "python"), str(COMMANDS / "hotglue_target.py")], task)
    return Run(command=run.command, folder=task.folder / "work", stdin=run.stdin)


def drt(task: Task) -> Run:
    """One sync of drt, which sends one record after the other."""
    return _drt(task, syncs=1)


def drt_shared_out(task: Task) -> Run:
    """The table shared out by hand among as many syncs of drt as there may be requests at once."""
    return _drt(task, syncs=task.concurrency)


def _messages(task: Task) -> Path:
    path = task.folder / "leads.singer.jsonl"
    write_messages(path, task.count, streams=task.streams)
    return path


def _singer(command: list[str], task: Task) -> Run:
    path = task.folder / "config.json"
    path.write_text(json.dumps({"token": _TOKEN, "base_url": task.url}), encoding="utf-8")
    return Run(command=[*command, "--config", str(path)], folder=task.folder, stdin=_messages(task))


def _drt(task: Task, *, syncs: int) -> Run:
    """A project of drt: no limit of its own, one batch, which is one HTTP client; its settings are YAML, so JSON too.

    The URL of a sync is the same for all records, so the id goes into the body, and no template makes that anew.
    """
    write_table(task.folder / "leads.sqlite", task.count)
    (task.folder / "syncs").mkdir()
    (task.folder / ".drt").mkdir()
    project = {"name": "leads", "version": "0.1", "profile": "local"}
    profiles = {"local": {"type": "sqlite", "database": str(task.folder / "leads.sqlite")}}
    files: dict[str, Any] = {"drt_project.yml": project, ".drt/profiles.yml": profiles}
    for number in range(syncs):
        files[f"syncs/leads_{number}.yml"] = {
            "name": f"leads_{number}",
            "model": f"SELECT {', '.join(columns())} FROM leads WHERE number % {syncs} = {number}",  # noqa: S608 -- numbers
            "destination": {
                "type": "rest_api",
                "url": f"{task.url}/leads",
                "method": "PATCH",
                "auth": {"type": "bearer", "token": _TOKEN},
            },
            "sync": {
                "mode": "full",
                "batch_size": max(task.count, 1),
                "rate_limit": {"requests_per_second": 0},
                "on_error": "fail",
            },
        }
    for name, content in files.items():
        (task.folder / name).write_text(json.dumps(content), encoding="utf-8")
    variables = {"HOME": str(task.folder), "DO_NOT_TRACK": "1", "PATH": os.environ["PATH"]}
    command = [str(environment(*_DRT) / "drt"), "run", "--threads", str(syncs)]
    return Run(command=command, folder=task.folder, variables=variables)


CONTENDERS = {
    "target-leads": Contender(prepare=target_leads, one_by_one=False, version=""),
    "requests pool": Contender(prepare=requests_pool, one_by_one=False, version=""),
    "SDK target": Contender(prepare=sdk_target, one_by_one=True, version=""),
    "hotglue target": Contender(prepare=hotglue_target, one_by_one=True, version=" ".join(_HOTGLUE)),
    "drt": Contender(prepare=drt, one_by_one=True, version=" ".join(_DRT)),
    "drt, shared out": Contender(prepare=drt_shared_out, one_by_one=False, version=" ".join(_DRT)),
}
