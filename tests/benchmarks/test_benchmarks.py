"""The benchmarks work: everyone delivers the same, a known store is what a run leaves, and each prints its tables."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks import known_store, page
from tests.benchmarks.contenders import CONTENDERS, Task, target_leads
from tests.benchmarks.environments import NotInstallable
from tests.benchmarks.leads import fields_of, lead_id
from tests.benchmarks.local_server import local_server
from tests.benchmarks.processes import PYTHONPATH, turn
from tests.benchmarks.results import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEADS = 40
BENCHMARKS = {
    "delivery": (["--latencies", "0", "1", "--requests", "40", "--rounds", "1", "--concurrency", "4"], {"delivery"}),
    "growth": (
        ["--leads", "2000", "--delivered", "40", "--streams", "1", "3", "--streamed", "60"],
        {"growth"},
    ),
    "memory": (["--leads", "200", "--delivered", "40"], {"memory"}),
    "startup": (["--rounds", "1"], {"startup", "imports"}),
    "targets": (
        [
            *("--latencies", "1", "--rounds", "1", "--seconds", "0.02", "--concurrency", "4"),
            *("--only", "target-leads", "requests pool", "SDK target"),
        ],
        {"targets"},
    ),
    "unchanged": (["--leads", "200", "--rounds", "1"], {"unchanged", "store"}),
}
"""By name: arguments for a small measurement, and the tables that come of it."""


class Recording(ThreadingHTTPServer):
    """Answers every PATCH with 200 and keeps it."""

    request_queue_size = 64

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert isinstance(self.server, Recording)
        self.server.received.append((self.path, self.headers["authorization"], body))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def recording() -> Iterator[Recording]:
    """A server that keeps what it gets."""
    with Recording() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENDERS)
def test_everyone_delivers_the_same(name: str, recording: Recording, tmp_path: Path) -> None:
    """Each lead once, with the same fields and credentials; and by the id in the URL, where a contender can do that."""
    try:
        run = CONTENDERS[name].prepare(Task(folder=tmp_path, url=recording.url, count=LEADS, concurrency=4))
    except NotInstallable as error:
        message = f"{error} could not be installed from the package index: see what pip said"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    turn(run.command, folder=run.folder, stdin=run.stdin, variables=run.variables)
    fixed_url = name.startswith("drt")
    expected = [
        ("/v1/leads", {"id": lead_id(number), **fields_of(number)})
        if fixed_url
        else (f"/v1/leads/{lead_id(number)}", fields_of(number))
        for number in range(LEADS)
    ]
    assert {token for _, token, _ in recording.received} == {"Bearer token"}
    received = [(path, body) for path, _, body in recording.received]
    assert sorted(received, key=repr) == sorted(expected, key=repr)


@pytest.mark.slow
def test_a_known_store_is_what_a_run_leaves(tmp_path: Path) -> None:
    """What is known of each lead is the same to the byte, under the same key; a second run on either sends nothing."""
    made, real = tmp_path / "made", tmp_path / "real"
    made.mkdir()
    with local_server(0) as server:
        known_store.make(made, server.url, 0)
        shutil.copytree(made, real)
        known = known_store.make(made, server.url, LEADS)
        run = target_leads(Task(folder=real, url=server.url, count=LEADS, concurrency=4, provider="bizmate"))
        turn(run.command, folder=real, stdin=run.stdin, variables=run.variables)
        assert server.answered() == LEADS
        assert knowledge(known.store) == knowledge(real / "store.db")
        assert len(knowledge(known.store)) == LEADS
        for folder in (made, real):
            turn([*run.command[:-1], str(folder / "config.json")], folder=folder, stdin=run.stdin)
        assert server.answered() == LEADS


def knowledge(store: Path) -> list[tuple[str, ...]]:
    """All that a store knows of leads, but when it came."""
    with closing(sqlite3.connect(store)) as database:
        return database.execute(
            "SELECT provider, account, base_url, lead_id, fields, digest, version FROM leads ORDER BY lead_id"
        ).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_prints_its_tables(name: str) -> None:
    """As JSON, with a value in every place that is not said to be empty; and the page has a place for them."""
    arguments, tables = BENCHMARKS[name]
    found = printed(f"tests.benchmarks.{name}", *arguments)
    assert {table["name"] for table in found["tables"]} == tables
    assert found["machine"]["Python"]
    for table in found["tables"]:
        assert table["rows"]
        for row in table["rows"]:
            assert row.keys() == table["columns"].keys()
            assert [value for value in row.values() if value is None] in ([], [None])
    written = page.with_results(page.PAGE.read_text(encoding="utf-8"), found)
    for table in found["tables"]:
        assert "\n".join(Table(**table).markdown()) in written


@pytest.mark.slow
def test_some_are_run_together() -> None:
    """As `make bench` does it: the benchmarks that are named, and no others."""
    found = printed("tests.benchmarks", "unchanged", "memory", "--leads", "100")
    assert [table["name"] for table in found["tables"]] == ["unchanged", "store", "memory"]


def printed(module: str, *arguments: str) -> dict[str, Any]:
    """What a benchmark prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--format", "json"],
        cwd=PYTHONPATH,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


TABLE = Table(
    name="memory",
    conditions="two runs",
    columns={"run": "", "leads": ",", "of it": ".0%"},
    rows=[{"run": "small", "leads": 1000, "of it": 0.5}, {"run": "large", "leads": 1000000, "of it": None}],
)


def test_a_table_for_a_terminal() -> None:
    """Text to the left, numbers to the right, a dash for what was not measured."""
    assert list(TABLE.lines()) == [
        "memory: two runs",
        "run        leads  of it",
        "small      1,000    50%",
        "large  1,000,000      -",
    ]


def test_a_table_for_the_page() -> None:
    """It takes the place of what stood there; the rest of the page stays, and so do tables that were not measured."""
    text = (
        "# Page\n<!-- results: memory -->\nold\n<!-- end of results -->\nwords\n"
        "<!-- results: growth -->\nkept\n<!-- end of results -->\n"
    )
    results = {"machine": {}, "tables": [asdict(TABLE)]}
    assert page.with_results(text, results).splitlines() == [
        "# Page",
        "<!-- results: memory -->",
        "Two runs.",
        "",
        "| run | leads | of it |",
        "| --- | ---: | ---: |",
        "| small | 1,000 | 50% |",
        "| large | 1,000,000 | - |",
        "<!-- end of results -->",
        "words",
        "<!-- results: growth -->",
        "kept",
        "<!-- end of results -->",
    ]


def test_a_table_without_a_place() -> None:
    """Is said, and not lost."""
    with pytest.raises(ValueError, match="no place for memory"):
        page.with_results("# Page\n", {"machine": {}, "tables": [asdict(TABLE)]})


def test_a_command_that_fails(tmp_path: Path) -> None:
    """Is no measurement."""
    script = "import sys; sys.stderr.write('what was wrong'); sys.exit(3)"
    with pytest.raises(SystemExit, match="ended with 3:\nwhat was wrong"):
        turn([sys.executable, "-c", script], folder=tmp_path)
