"""The command as its user meets it: a process, its exit status, STATE on stdout, the last line on stderr."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.models import Outcome
from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_leads.sandbox.emulator import Receive, Scope, Send

OWN_PROVIDERS = Path(__file__).parent / "providers"
PASSWORD = "not-for-your-eyes"
SECRET = "kept-to-myself-4711"

SCHEMA = {
    "type": "SCHEMA",
    "stream": "leads",
    "key_properties": ["id"],
    "schema": {"properties": {name: {"type": "string"} for name in ("id", "email", "note")}},
}


def record(lead_id: str, **fields: Any) -> dict[str, Any]:
    """A RECORD message."""
    return {"type": "RECORD", "stream": "leads", "record": {"id": lead_id, **fields}}


STATE = {"type": "STATE", "value": {"bookmarks": {"leads": "2026-03-01"}}}
STATE_LINE = '{"bookmarks": {"leads": "2026-03-01"}}\n'
BAD = record("bad", email=SECRET, note=SECRET)
LEADS = (SCHEMA, record("a", note=SECRET), record("b", note=SECRET), STATE)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of the command, to be done in a folder of its own."""

    arguments: tuple[str, ...] = ("--config", "config.json")
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Beside those that send everything to the emulator."""
    scenario: str = "healthy"
    token: str = PASSWORD
    messages: tuple[Any, ...] = LEADS
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    stdout: str = ""
    """Where stdout goes instead of to the test: a path, or ``closed`` for a pipe that nobody reads."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended."""

    status: int
    stdout: str
    stderr: str
    folder: Path
    requests: int
    """Those that reached the emulator."""

    @property
    def last_line(self) -> str:
        """What the user reads last."""
        return self.stderr.splitlines()[-1]

    @property
    def report(self) -> dict[str, Any]:
        """What the run's report says."""
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report

    @property
    def words(self) -> list[str]:
        """The lines on stderr that are no log."""
        return [line for line in self.stderr.splitlines() if " | " not in line]


RUNS = {
    "delivered": Run(arguments=("--config", "config.json", "--input", "leads.jsonl"), messages=(SECRET,)),
    "debug": Run(
        messages=(
            SCHEMA,
            record("a", note=SECRET),
            BAD,
            STATE,
            record("c", note=""),
        ),
        settings={
            "stream_maps": {"leads": {"__filter__": "note"}},
            "reject_limit": "100%",
            "batch_size_rows": 2,
            "bath_size_rows": PASSWORD,
        },
        environment={"TARGET_LEADS_LOGLEVEL": "DEBUG"},
    ),
    "unreadable": Run(messages=(*LEADS, f'"{SECRET}\udcff"')),  # a byte that is no UTF-8
    "wrong settings": Run(
        settings={
            "concurrency": 0,
            "batch_size_rows": "many",
            "reject_limit": "lots",
            "max_wait_seconds": -1,
            "sandbox": "perhaps",
            "load_method": "append-only",
            "stream_maps": "leads",
            "store_url": {"password": PASSWORD},
            "streams": {"leads": {"leadid": "id", "nulls": "keep"}},
            "providers": {"generic": PASSWORD},
        }
    ),
    "wrong providers": Run(
        settings={
            "provider": "generics",
            "streams": {"leads": {"provider": "perchh"}},
            "providers": {
                "perch": {"environment": "test"},
                "bizmate": {"api_token": PASSWORD, "apikey": PASSWORD, "base_url": "http://bizmate.example.com/api/v1"},
                "powerchord": {"access_token": f"{PASSWORD}\n"},
                "nobody": {"token": PASSWORD},
            },
        }
    ),
    "wrong files": Run(
        arguments=tuple(part for name in ("missing", "broken", "list") for part in ("--config", f"{name}.json")),
        files={"broken.json": f'{{\n  "token": "{PASSWORD}",,\n}}', "list.json": f'["{PASSWORD}"]'},
    ),
    "wrong variables": Run(
        arguments=("--config", "config.json", "--config", "ENV"),
        environment={
            "TARGET_LEADS_CONCURRENCY": "many",
            "TARGET_LEADS_PROVIDERS": PASSWORD,
            "TARGET_LEADS_DRY_RUN": "perhaps",
            "TARGET_LEADS_REPORT_PATH": "another.json",
        },
    ),
    "no folder": Run(settings={"report_path": "missing/report.json"}),
    "a device": Run(settings={"report_path": "/dev/null", "provider": "generics"}),
    "wrong level": Run(environment={"TARGET_LEADS_LOGLEVEL": "loud"}),
    "unforeseen": Run(environment={"SINGER_SDK_LOG_CONFIG": "log.yaml"}, files={"log.yaml": f"'{PASSWORD}"}),
    "no input": Run(messages=()),
    "wrong option": Run(arguments=("--conf", "config.json")),
    "no provider": Run(settings={"provider": ""}),
    "variables": Run(
        arguments=("--config=ENV", "--config=config.json"),
        settings={"batch_size_rows": 1000, "reject_limit": "0%"},
        messages=(SCHEMA, BAD, *LEADS[1:], record("c", note="x")),
        environment={"TARGET_LEADS_BATCH_SIZE_ROWS": "1", "TARGET_LEADS_REJECT_LIMIT": "99%"},
    ),
    "reject limit": Run(settings={"reject_limit": 1}, messages=(SCHEMA, BAD, BAD, *LEADS[1:])),
    "refusing": Run(scenario="refusing"),
    "down": Run(scenario="down", settings={"max_tries": 1}),
    "dry run": Run(
        arguments=("--config", "config.json", "--config", "ENV", "--dry-run"),
        messages=(*LEADS, BAD),
        environment={"TARGET_LEADS_DRY_RUN": "false"},
    ),
    "closed": Run(stdout="closed"),
    "full": Run(stdout="/dev/full"),
    "about": Run(arguments=("--about",)),
    "about json": Run(arguments=("--about", "--format=json")),
    "about meltano": Run(arguments=("--about", "--format=meltano")),
    "version": Run(arguments=("--version",)),
}


class Stage:
    """One server for all runs: the first step of the path says which run's emulator a request is for."""

    def __init__(self, emulators: Mapping[str, Emulator]) -> None:
        """Serve these, by a name that fits into a path."""
        self._emulators = emulators

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        _, name, rest = scope["raw_path"].split(b"/", 2)
        await self._emulators[name.decode()](scope | {"raw_path": b"/" + rest}, receive, send)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """How every run ended. They are done side by side, as a process takes a second to start."""
    definitions = load_all([str(OWN_PROVIDERS)])
    emulators = {name.replace(" ", "-"): Emulator(definitions, run.scenario) for name, run in RUNS.items()}
    with running(Stage(emulators)) as url, ThreadPoolExecutor(os.cpu_count()) as pool:

        def done(name: str, path: str) -> Ended:
            return finished(RUNS[name], emulators[path], f"{url}/{path}", tmp_path_factory.mktemp(path))

        yield dict(zip(RUNS, pool.map(done, RUNS, emulators), strict=True))


def lines(messages: Iterable[Any]) -> str:
    """Messages as a tap writes them; a text stands for a line as it is."""
    return "\n".join(message if isinstance(message, str) else json.dumps(message) for message in messages)


def finished(run: Run, emulator: Emulator, url: str, folder: Path) -> Ended:
    """Do a run."""
    settings = {
        "provider": "generic",
        "provider_paths": [str(OWN_PROVIDERS)],
        "providers": {"generic": {"token": run.token, "base_url": f"{url}/generic/v1"}},
        "report_path": "report.json",
        **run.settings,
    }
    for name, text in {"config.json": json.dumps(settings), "leads.jsonl": lines(LEADS), **run.files}.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "target_leads", *run.arguments]
    if not run.messages:
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]  # with standard input closed
    names = {name for name in os.environ if name.startswith(("TARGET_LEADS_", "LOGLEVEL", "PYTHONUNBUFFERED"))}
    environment = {name: text for name, text in os.environ.items() if name not in names}
    with ExitStack() as stack:
        stdout = subprocess.PIPE
        if run.stdout == "closed":
            reader, stdout = os.pipe()
            os.close(reader)
            stack.callback(os.close, stdout)
        elif run.stdout:
            stdout = os.open(run.stdout, os.O_WRONLY)
            stack.callback(os.close, stdout)
        process = subprocess.run(
            command,
            input=lines(run.messages).encode(errors="surrogateescape"),
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
            cwd=folder,
            env={**environment, **run.environment},
            timeout=60,
        )
    return Ended(
        status=process.returncode,
        stdout=(process.stdout or b"").decode(),
        stderr=process.stderr.decode(),
        folder=folder,
        requests=emulator.request_count,
    )


@pytest.mark.parametrize(
    ("name", "status", "stdout"),
    [
        ("delivered", 0, STATE_LINE),
        ("debug", 0, STATE_LINE),
        ("variables", 0, STATE_LINE),
        ("dry run", 0, ""),
        ("unreadable", 1, STATE_LINE),
        ("unforeseen", 1, ""),
        ("no input", 1, ""),
        ("closed", 1, ""),
        ("full", 1, ""),
        ("wrong settings", 2, ""),
        ("wrong providers", 2, ""),
        ("wrong files", 2, ""),
        ("wrong variables", 2, ""),
        ("wrong level", 2, ""),
        ("no folder", 2, ""),
        ("a device", 2, ""),
        ("wrong option", 2, ""),
        ("no provider", 2, ""),
        ("reject limit", 3, ""),
        ("refusing", 4, ""),
        ("down", 75, ""),
    ],
)
def test_exit_status_and_state(ended: Mapping[str, Ended], name: str, status: int, stdout: str) -> None:
    """The exit status says whose affair it is now; stdout holds the STATE of what is settled, and nothing else."""
    assert (ended[name].status, ended[name].stdout) == (status, stdout), ended[name].stderr


def test_no_run_shows_a_value_or_a_credential(ended: Mapping[str, Ended]) -> None:
    """Neither a field's value nor a credential stands in anything that any of the runs print."""
    for name, run in ended.items():
        assert not {word for word in (SECRET, PASSWORD, "Bearer") if word in run.stderr + run.stdout}, name


def test_debug_level_shows_what_is_done(ended: Mapping[str, Ended]) -> None:
    """At debug level there is more to read, and the SDK and its libraries had their say, still without a value."""
    assert re.search(
        r"DEBUG +\| target_leads.delivery.transport +\| PATCH .*/debug/generic/v1/leads/a: 200\n", ended["debug"].stderr
    )
    assert "1 × generic invalid: $.email must be a valid email (lead bad)" in ended["debug"].stderr


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_no_riddle(closed: int, tmp_path: Path) -> None:
    """Without standard output nothing is sent, as STATE could not be kept; without standard error all goes on."""
    command = f"{sys.executable} -m target_leads --config config.json {closed}>&-"
    (tmp_path / "config.json").write_text(json.dumps({"provider": "perch", "sandbox": True}), encoding="utf-8")
    ended = subprocess.run(
        ["/bin/sh", "-c", command], input="", cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == (1 if closed == 1 else 0)
    if closed == 1:
        assert ended.stderr == "Error: standard output is closed, but STATE and answers have to go somewhere.\n"


def test_last_line_of_a_good_run(ended: Mapping[str, Ended]) -> None:
    """A run that settled everything ends with its counts and its id; each provider has its column before.

    This one reads --input: what stands on standard input, which is no message, is not touched.
    """
    match = re.fullmatch(r"Done\. 2 records received: 2 delivered\. Run (\S+)\.", ended["delivered"].last_line)
    assert match is not None
    assert uuid.UUID(match[1])
    first, *table, last = ended["delivered"].words[:-1]
    assert re.fullmatch(r"2 records in \d+\.\d s\.", first)
    assert [line.split() for line in table] == [
        ["generic"],
        ["records", "2"],
        ["delivered", "2"],
        [],
        ["requests", "2"],
    ]
    assert re.fullmatch(r"p95 answer +[\d.]+ m?s", last)
    assert (ended["delivered"].folder / "target-leads.db").stat().st_mode & 0o777 == 0o600
    assert ended["delivered"].requests == 2


LAST_LINES = {
    "dry run": "Dry run: nothing was sent. 3 records received: 2 would be sent, 1 invalid.",
    "unreadable": "Line 5 of the input is not UTF-8 at byte 21. What came before it is settled. "
    "Mend the tap or the file, then run again.",
    "closed": "STATE cannot be written to standard output: Broken pipe. What was delivered is in the store. "
    "See to whatever reads the STATE, then run again.",
    "full": "STATE cannot be written to standard output: No space left on device. What was delivered is in the store. "
    "See to whatever reads the STATE, then run again.",
    "wrong level": "TARGET_LEADS_LOGLEVEL, LOGLEVEL or SINGER_SDK_LOG_CONFIG: Unknown level: 'LOUD'.",
    "no input": "Standard input is closed. Pipe the messages of a tap into it, or give --input.",
    "refusing": "generic refuses the credentials (401 Unauthorized: the credentials are refused). "
    "Check providers.generic.token and that they belong to http://127.0.0.1:*/refusing/generic/v1, then run again.",
    "down": "generic lets no update through (503 Service Unavailable, 1 attempt each). Nothing is lost: "
    "see that http://127.0.0.1:*/down/generic/v1 is right, or run again later, and the rest is sent then.",
}


@pytest.mark.parametrize("name", LAST_LINES)
def test_last_line_says_what_happened_and_what_to_do(ended: Mapping[str, Ended], name: str) -> None:
    """Whoever finds a run that did not end well reads in one line why, and what to do next."""
    assert re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:*", ended[name].last_line) == LAST_LINES[name]


def test_a_wrong_option_is_told(ended: Mapping[str, Ended]) -> None:
    """A mistake on the command line is told with how the command is used."""
    assert ended["wrong option"].words[0].startswith("Usage: target-leads ")
    assert ended["wrong option"].last_line.startswith("Error: No such option")


def test_an_unforeseen_error_is_told_by_its_place(ended: Mapping[str, Ended]) -> None:
    """What no code foresaw is told by its type and where it happened, without its message, which may hold a value."""
    beginning = "An unforeseen error ended the run: ScannerError at "
    assert ended["unforeseen"].last_line.startswith(beginning)
    assert ended["unforeseen"].last_line.endswith(" Nothing settled is lost. Please report it.")
    assert "Traceback" not in ended["unforeseen"].stderr


FINDINGS = {
    "wrong settings": [
        "concurrency: must be at least 1, but was 0.",
        "batch_size_rows: must be of type integer, but was 'many'.",
        "sandbox: must be of type boolean, but was 'perhaps'.",
        "load_method: must be one of update, but was 'append-only'.",
        "max_wait_seconds: must be at least 0, but was -1.",
        "stream_maps: must be of type object or null.",
        "store_url: must be of type string.",
        (
            "streams.leads.leadid: is not one of provider, lead_id, fields, constants, nulls, unknown_fields, "
            "version_field, coerce. Did you mean lead_id?"
        ),
        "streams.leads.nulls: must be one of omit, send, but was 'keep'.",
        "providers.generic: must be of type object.",
    ],
    "wrong providers": [
        "providers.perch.environment: must be one of production, sandbox, but was 'test'.",
        (
            "providers.bizmate.apikey: is not one of api_token, account, base_url, concurrency, rate_limits. "
            "Did you mean api_token?"
        ),
    ],
    "wrong files": [
        "--config missing.json: cannot be read: No such file or directory.",
        "--config broken.json: is no JSON at line 2, column 32.",
        "--config list.json: must be a JSON object of settings.",
    ],
    "wrong variables": [
        "TARGET_LEADS_PROVIDERS: must be an object as JSON.",
        "TARGET_LEADS_CONCURRENCY: must be a whole number.",
        "TARGET_LEADS_DRY_RUN: must be true or false.",
    ],
}
PARTS = {
    "wrong settings": ["reject_limit: must "],
    "wrong providers": [
        "provider: must be one of bizmate, ",
        "streams.leads.provider: must be one of bizmate, ",
        "providers.nobody: must be one of bizmate, ",
        "providers.perch.api_key: is required. ",
        "providers.bizmate.base_url: must be https, ",
        "providers.powerchord.access_token: must be printable ASCII text",
    ],
    "no provider": ["streams.leads.provider: no setting says which provider the stream leads goes to. Set it, "],
    "reject limit": ["2 of "],
}


@pytest.mark.parametrize("name", {**FINDINGS, **PARTS})
def test_every_mistake_is_told_at_once(ended: Mapping[str, Ended], name: str) -> None:
    """All that is wrong stands on stderr, a sentence for each, so that it can be mended in one go."""
    for finding in FINDINGS.get(name, []):
        assert finding in ended[name].words
    for part in PARTS.get(name, []):
        assert [line for line in ended[name].words if line.startswith(part)], part
    if name.startswith("wrong"):
        assert len(ended[name].words) == len(FINDINGS[name]) + len(PARTS.get(name, []))
        assert ended[name].requests == 0
        assert not (ended[name].folder / "target-leads.db").exists()


def test_a_run_that_received_nothing_says_no_more_than_why(ended: Mapping[str, Ended]) -> None:
    """What is found wrong when a SCHEMA comes is all there is to read: not that there was nothing to do."""
    assert len(ended["no provider"].words) == 1


def test_an_unknown_setting_is_a_warning(ended: Mapping[str, Ended]) -> None:
    """A setting that does not exist, beside the others, is told and does no harm."""
    assert re.search(r"WARNING .*There is no setting bath_size_rows; it has no effect\.", ended["debug"].stderr)


def test_variables_win_over_files(ended: Mapping[str, Ended]) -> None:
    """As in the SDK, variables win wherever ENV stands, and each is read as its setting's type."""
    assert ended["variables"].stderr.count('"metric":"batch_processing_time"') > 1
    assert "1 invalid" in ended["variables"].last_line


def test_a_dry_run_leaves_no_trace(ended: Mapping[str, Ended]) -> None:
    """--dry-run wins over any setting: no request, no STATE, no store, and what is wrong is told."""
    assert ended["dry run"].requests == 0
    left = sorted(path.name for path in ended["dry run"].folder.iterdir())
    assert left == ["config.json", "leads.jsonl", "report.json"]
    assert ended["dry run"].report["plans"]["generic"]["requests"] == 2
    assert "1 dead letter, not kept, as this is a dry run:" in ended["dry run"].words


def test_what_was_refused_is_told(ended: Mapping[str, Ended]) -> None:
    """Dead letters are counted, with their reasons and where they are kept, and without their values."""
    words = ended["reject limit"].words
    assert "2 dead letters, in sqlite:///target-leads.db:" in words
    assert "  2 × generic invalid: $.email must be a valid email (lead bad)" in words


REPORTED = {
    "delivered": {"received": 2, "delivered": 2, "input_lines": 4, "requests": 2},
    "debug": {"received": 3, "delivered": 1, "ignored": 1, "invalid": 1, "input_lines": 5, "requests": 1},
    "dry run": {"received": 3, "invalid": 1, "unsettled": 2, "input_lines": 5},
    "unreadable": {"received": 2, "delivered": 2, "input_lines": 5, "requests": 2},
    "reject limit": {"received": 4, "invalid": 2, "unsettled": 2, "input_lines": 6},
    "closed": {"received": 2, "delivered": 2, "input_lines": 4, "requests": 2},
    "wrong settings": {},
    "wrong providers": {},
    "wrong level": {},
    "unforeseen": {},
    "no input": {},
    "no provider": {"input_lines": 1},
}


@pytest.mark.parametrize("name", REPORTED)
def test_the_report_says_how_the_run_ended(ended: Mapping[str, Ended], name: str) -> None:
    """However it ended: its status and last line, and counts that add up."""
    report, run = ended[name].report, ended[name]
    outcomes = [outcome.value for outcome in Outcome]
    counts = {key: report[key] for key in ("received", *outcomes, "input_lines", "requests") if report[key]}
    assert counts == REPORTED[name]
    assert report["exit_status"] == run.status
    assert run.stderr.endswith(f"{report['last_line']}\n")
    assert report["started_at"] <= report["finished_at"]
    assert sum(report[outcome] for outcome in outcomes) == report["received"]
    for part in ("providers", "streams"):
        assert sum(counts["received"] for counts in report[part].values()) == report["received"]


@pytest.mark.parametrize("name", ["refusing", "down"])
def test_the_report_of_a_run_that_could_not_go_on(ended: Mapping[str, Ended], name: str) -> None:
    """Nothing was delivered and nothing refused; what was tried is counted."""
    report, run = ended[name].report, ended[name]
    assert (report["exit_status"], report["received"], report["unsettled"]) == (run.status, 2, 2)
    assert report["requests"] == report["providers"]["generic"]["requests"] == run.requests
    assert report["providers"]["generic"]["latency_p50_seconds"] > 0


def test_the_report_shows_no_value_and_is_its_owners_only(ended: Mapping[str, Ended]) -> None:
    """Whatever happened, neither a field's value nor a credential stands in it, and nobody else can read it."""
    reports = {name: path for name, run in ended.items() if (path := run.folder / "report.json").exists()}
    assert len(reports) > 12
    for name, path in reports.items():
        assert not {word for word in (SECRET, PASSWORD, "Bearer") if word in path.read_text()}, name
        assert path.stat().st_mode & 0o777 == 0o600, name


def test_the_report_goes_where_the_environment_says(ended: Mapping[str, Ended]) -> None:
    """Variables win here too, also in a run whose settings are wrong."""
    folder = ended["wrong variables"].folder
    assert json.loads((folder / "another.json").read_text())["exit_status"] == 2
    assert not (folder / "report.json").exists()


def test_a_report_that_cannot_be_written_is_a_mistake(ended: Mapping[str, Ended]) -> None:
    """It is told before anything is sent, together with all other mistakes; what is no file is not replaced."""
    assert ended["no folder"].words == ["report_path: there is no folder missing. Make it, or name another."]
    assert (ended["no folder"].requests, ended["a device"].requests) == (0, 0)
    first, second = ended["a device"].words
    assert first.startswith("provider: must be one of bizmate, ")
    assert second == "report_path: /dev/null is no file. Name one."
    assert Path("/dev/null").is_char_device()


def test_about(ended: Mapping[str, Ended]) -> None:
    """--about prints on stdout what the target can do; test_about.py looks at each setting, and at Markdown."""
    assert "\nSettings:\n  provider (string)\n" in ended["about"].stdout
    settings = json.loads(ended["about json"].stdout)["settings"]["properties"]
    assert settings["providers"]["properties"]["perch"]["properties"]["api_key"]["secret"] is True
    assert ended["about meltano"].stdout == (Path(__file__).parents[1] / "target_leads" / "target-leads.yml").read_text(
        encoding="utf-8"
    )
    assert {ended[name].status for name in ("about", "about json", "about meltano", "version")} == {0}


def test_version(ended: Mapping[str, Ended]) -> None:
    """--version names the release, and that of the SDK."""
    versions = [metadata.version(name) for name in ("target-leads", "singer-sdk")]
    assert ended["version"].stdout == "target-leads v{}, Meltano SDK v{}\n".format(*versions)


def test_a_store_that_fails_last_hides_no_reason(tmp_path: Path) -> None:
    """How the run ended is what its status and last line say, also when that cannot be entered into the store."""

    def breaks_the_store(_: Arrival) -> Interference:
        connection = sqlite3.connect(tmp_path / "target-leads.db")
        connection.execute("DROP TABLE IF EXISTS runs")
        connection.close()
        return Interference(occasion="unavailable")

    emulator = Emulator(load_all([str(OWN_PROVIDERS)]), breaks_the_store)
    with running(emulator) as url:
        run = finished(Run(settings={"max_tries": 1}), emulator, url, tmp_path)
    assert (run.status, run.stdout) == (75, "")
    assert run.last_line.startswith("generic lets no update through ")


def test_a_report_that_cannot_be_written_at_last_changes_no_status(tmp_path: Path) -> None:
    """What was delivered is delivered; that there is no report is told before the last line."""
    (tmp_path / "reports").mkdir()

    def removes_the_folder(_: Arrival) -> Interference:
        shutil.rmtree(tmp_path / "reports", ignore_errors=True)
        return Interference()

    emulator = Emulator(load_all([str(OWN_PROVIDERS)]), removes_the_folder)
    with running(emulator) as url:
        run = finished(Run(settings={"report_path": "reports/report.json"}), emulator, url, tmp_path)
    assert (run.status, run.stdout) == (0, STATE_LINE)
    assert run.words[-2:] == [
        "The report could not be written to reports/report.json: No such file or directory.",
        run.last_line,
    ]
    assert run.last_line.startswith("Done. 2 records received: 2 delivered.")
