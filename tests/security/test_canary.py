"""No value of a record and no credential gets out, whichever way a run goes.

Every way is a real process with a real server, which repeats what it hears wherever an answer has room. It logs all
that Python, the Singer SDK, the HTTP library and the database can be made to log.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.security.canaries import CANARIES, PERSON, SUBJECTS, found_in
from tests.security.conftest import Parrot, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.conftest import Ended

Seen = Literal["wire", "dead letters", "jobs", "nowhere"]

LOUD = """
version: 1
disable_existing_loggers: false
formatters:
  all: {"()": singer_sdk.logging.StructuredFormatter}
handlers:
  all: {class: logging.StreamHandler, formatter: all, level: NOTSET}
root: {level: DEBUG, handlers: [all]}
loggers:
  sqlalchemy: {level: DEBUG}
  sqlalchemy.engine: {level: DEBUG}
  sqlalchemy.pool: {level: DEBUG}
  urllib3: {level: DEBUG}
  urllib3.connectionpool: {level: DEBUG}
  requests: {level: DEBUG}
  backoff: {level: DEBUG}
  psycopg: {level: DEBUG}
  fsspec: {level: DEBUG}
  py.warnings: {level: DEBUG}
  singer_sdk: {level: DEBUG}
  singer_sdk.metrics: {level: DEBUG}
  target-leads: {level: DEBUG}
"""
ENVIRONMENTS = {
    "by default": {},
    "loud": {
        "SINGER_SDK_LOG_CONFIG": "logging.yaml",
        "TARGET_LEADS_LOGLEVEL": "DEBUG",
        "LOGLEVEL": "DEBUG",
        "PYTHONWARNINGS": "always",
    },
}
SCHEMA: dict[str, Any] = {
    "type": "SCHEMA",
    "stream": "leads",
    "key_properties": ["id"],
    "schema": {
        "properties": {
            "id": {"type": "string"},
            "email": {"type": "string"},
            "phone": {"type": "object"},
            "sin": {"type": "string"},
            "birth_date": {"type": "string", "format": "date"},
            "note": {"type": ["string", "null"]},
            "stage": {},
            "score": {},
            "tags": {},
            "extra": {},
        }
    },
}
STATE = {"type": "STATE", "value": {"bookmark": 1}}


def person(lead_id: object = "L-1", **more: Any) -> dict[str, Any]:
    """The RECORD that holds the canaries."""
    return {"type": "RECORD", "stream": "leads", "record": {"id": lead_id, **PERSON, **more}}


def lines(*messages: Any) -> bytes:
    """Messages as lines; bytes are lines already."""
    written = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in (SCHEMA, *messages))
    return b"".join(line + b"\n" for line in written)


def echo(request: bytes) -> bytes:
    """All that came, as JSON."""
    return json.dumps(
        {"code": "BAD_LEAD", "message": request.decode(), "lead": PERSON, "errors": [{**PERSON}]}
    ).encode()


def on_one_line(request: bytes) -> bytes:
    """All that came, where there is room for a line."""
    return b" ".join((request + repr(PERSON).encode()).split())


def answering(
    status: bytes = b"200 OK", body: Callable[[bytes], bytes] = echo, headers: bytes = b""
) -> Callable[[bytes], bytes]:
    """A provider that answers so."""

    def answer(request: bytes) -> bytes:
        content = body(request)
        length = (
            b"" if b"ontent-length" in headers or b"chunked" in headers else b"content-length: %d\r\n" % len(content)
        )
        kind = b"" if b"content-type" in headers else b"content-type: application/json\r\n"
        return (
            b"HTTP/1.1 " + status + b"\r\n" + kind + headers.replace(b"<echo>", on_one_line(request)) + length + b"\r\n"
        ) + content

    return answer


def in_headers(request: bytes) -> bytes:
    """A refusal with what came in every header that says something of the answer."""
    names = (
        *("x-request-id", "request-id", "retry-after", "set-cookie", "www-authenticate", "location", "server", "date"),
        *("content-location", "etag", "warning", "via", "link", "x-ratelimit-remaining", "content-language"),
    )
    headers = b"".join(b"%s: %s\r\n" % (name.encode(), on_one_line(request)) for name in names)
    return answering(b"422 Unprocessable", headers=headers)(request)


def job(state: str) -> Callable[[bytes], bytes]:
    """A provider that begins a job, and says of it that it is in such a state."""

    def answer(request: bytes) -> bytes:
        content = {"job": "J-1", "state": state, "lead": PERSON, "heard": request.decode()}
        return answering(body=lambda _: json.dumps(content).encode())(request)

    return answer


def crash(point: str, kind: str = "RuntimeError") -> dict[str, str]:
    """A mistake of the program at one point; what is said of it holds all the canaries."""
    return {"point": point, "kind": kind, "words": json.dumps([canary.value for canary in CANARIES.values()])}


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way that a run can go."""

    status: int
    lines: bytes = field(default_factory=lambda: lines(person(), STATE), repr=False)
    batch: bytes = field(default=b"", repr=False)
    """What stands in the batch file."""
    answer: Callable[[bytes], bytes | None] | None = None
    """None: the provider hears and never answers."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    crash: dict[str, str] | None = None
    seen: tuple[Seen, ...] = ("wire",)
    """Where the record's values have to turn up, as a proof that they were there to be shown."""
    then: tuple[str, ...] = ()
    """A second command, in the same folder."""
    provider: str = "canary"


REFUSED: dict[str, Any] = {"status": 0, "seen": ("wire", "dead letters")}
UNANSWERED: dict[str, Any] = {"status": 75}
UNREADABLE: dict[str, Any] = {"status": 1, "seen": ("nowhere",), "answer": answering()}
INVALID: dict[str, Any] = {"status": 0, "seen": ("dead letters",), "answer": answering()}
EXPRESSIONS = {
    "conversion": {"score": "int(email)"},
    "arithmetic": {"score": "email + 1"},
    "unknown name": {"score": "record['email'] + nothing"},
    "attribute": {"score": "email.nothing"},
    "unknown key": {"score": "record[email]"},
    "json": {"score": "json.loads(note)"},
    "date": {"score": "datetime.date.fromisoformat(email)"},
    "filter": {"__filter__": "int(sin) / 0"},
}
CRASHES = {
    "reader": ("target_leads.reader:MessageReader.deserialize_json", 1),
    "schema": ("target_leads.sinks:schemas_as_sent", 1),
    "mapping": ("target_leads.mapping:StreamMapping.map", 1),
    "validation": ("target_leads.providers.validation:LeadSchema.violations", 1),
    "selection": ("target_leads.changes:Fingerprints.of", 1),
    "request": ("target_leads.delivery.service:update_request", 1),
    "sending": ("target_leads.delivery.transport:Transport.send", 1),
    "connection": ("urllib3.connection:HTTPConnection.request", 1),
    "verdict": ("target_leads.delivery.service:classify_items", 1),
    "announcement": ("target_leads.store.store:Store.announce", 1),
    "commit": ("target_leads.store.store:Store.settle", 1),
    "end of run": ("target_leads.store.store:Store.end_run", 1),
    "report": ("target_leads.run:report_as_json", 1),
    "STATE": ("target_leads.target:print_line", 1),
}
WAYS: dict[str, Way] = {
    "delivered": Way(status=0, answer=answering()),
    "dry run": Way(status=0, arguments=("--dry-run",), seen=("nowhere",), answer=answering()),
    "unchanged": Way(
        status=0, lines=lines(person(), person(), STATE), settings={"batch_size_rows": 1}, answer=answering()
    ),
    "merged": Way(status=0, lines=lines(person(), person(note=None), person(stage="new")), answer=answering()),
    "rejected, with what came in the body": Way(**REFUSED, answer=answering(b"422 No")),
    "rejected, with what came in the headers": Way(**REFUSED, answer=in_headers),
    "rejected, with what came in the reason": Way(
        **REFUSED, answer=lambda request: answering(b"400 " + on_one_line(request))(request)
    ),
    "rejected, with what came as keys and words": Way(
        **REFUSED, answer=answering(b"409 No", lambda request: json.dumps({on_one_line(request).decode(): 1}).encode())
    ),
    "redirected": Way(**REFUSED, answer=answering(b"307 Moved", headers=b"location: /elsewhere?<echo>\r\n")),
    "forbidden": Way(status=4, answer=answering(b"403 No")),
    "credentials refused": Way(status=4, answer=answering(b"401 No", headers=b"www-authenticate: <echo>\r\n")),
    "server error": Way(**UNANSWERED, answer=answering(b"500 Oh")),
    "throttled": Way(**UNANSWERED, answer=answering(b"429 Later", headers=b"retry-after: <echo>\r\n")),
    "web page": Way(
        **UNANSWERED,
        answer=answering(
            body=lambda request: b"<html>" + echo(request), headers=b"content-type: text/html; <echo>\r\n"
        ),
    ),
    "no answer": Way(**UNANSWERED, settings={"request_timeout_seconds": 0.2}),
    "hung up": Way(**UNANSWERED, answer=lambda _: None),
    "cut short": Way(**UNANSWERED, answer=answering(headers=b"content-length: 90000\r\nconnection: close\r\n")),
    "no HTTP": Way(**UNANSWERED, answer=lambda request: on_one_line(request) + b"\r\n\r\n"),
    "status that is none": Way(
        **UNANSWERED,
        answer=lambda request: b"HTTP/1.1 " + on_one_line(request)[:900] + b"\r\nconnection: close\r\n\r\n",
    ),
    "header that is none": Way(**UNANSWERED, answer=answering(headers=b"<echo>\r\n: <echo>\r\nconnection: close\r\n")),
    "header that folds": Way(status=0, answer=answering(headers=b"x-a: 1\r\n <echo>\r\n\t<echo>\r\n")),
    "header too long": Way(
        **UNANSWERED, answer=answering(headers=b"x-a: " + b"<echo>" * 200 + b"\r\nconnection: close\r\n")
    ),
    "two lengths": Way(
        **UNANSWERED,
        answer=answering(headers=b"content-length: 046454286\r\ncontent-length: 14165550137\r\nconnection: close\r\n"),
    ),
    "chunks that are none": Way(
        **UNANSWERED, answer=answering(headers=b"transfer-encoding: chunked\r\nconnection: close\r\n", body=on_one_line)
    ),
    "gzip that is none": Way(**UNANSWERED, answer=answering(headers=b"content-encoding: gzip\r\n")),
    "gzip that breaks off": Way(
        **UNANSWERED,
        answer=answering(
            headers=b"content-encoding: gzip\r\n", body=lambda request: gzip.compress(echo(request))[:-12]
        ),
    ),
    "encoding that is none": Way(**UNANSWERED, answer=answering(headers=b"content-encoding: <echo>\r\n")),
    "charset that is none": Way(
        status=0, answer=answering(headers=b"content-type: application/json; charset=<echo>\r\n")
    ),
    "job failed": Way(**REFUSED, provider="canary_jobs", answer=job("failed")),
    "job open": Way(
        status=0,
        provider="canary_jobs",
        answer=job("open"),
        seen=("wire", "jobs"),
        settings={"confirm_timeout_seconds": 0},
        then=("--config", "config.json"),
    ),
    "job unknown": Way(
        **UNANSWERED, provider="canary_jobs", answer=answering(), settings={"confirm_timeout_seconds": 0}
    ),
    "invalid, each field": Way(
        **INVALID,
        lines=lines(
            person("L-1", email=f"{PERSON['email']}@@"),
            person("L-2", phone={"number": f"{PERSON['phone']['number']} "}),
            person("L-3", sin=f"{PERSON['sin']}x", birth_date=f"{PERSON['birth_date']}T"),
            person("L-4", note=PERSON, stage=PERSON["email"], score=PERSON["sin"], tags=[PERSON["note"]] * 4),
            person("L-5", stage=PERSON["email"], score=-46454286, phone=[PERSON["phone"]["number"]]),
            person("L-6", phone={PERSON["phone"]["number"]: 1, "number": [PERSON]}),
        ),
    ),
    "invalid, coerced": Way(
        **INVALID,
        lines=lines(person("L-1", score=f"{PERSON['sin']}.5", stage=PERSON["note"], tags=PERSON["note"])),
        settings={"streams": {"leads": {"coerce": True}}},
    ),
    "no lead id": Way(**INVALID, lines=lines(person(PERSON), person([PERSON["email"]]), person(None))),
    "no version": Way(**INVALID, settings={"streams": {"leads": {"version_field": "email"}}}),
    "no provider": Way(**INVALID, settings={"provider_field": "email"}),
    "field of no provider": Way(
        **INVALID,
        lines=lines(person(extra=PERSON)),
        settings={"streams": {"leads": {"unknown_fields": "reject"}}},
    ),
    "nested too deeply": Way(
        **INVALID,
        lines=lines(
            json.dumps(person()).encode().replace(b'"L-1"', b'"L-1", "tags": ' + b"[" * 900 + b"]" * 900),
        ),
    ),
    "number that is none": Way(
        **INVALID, lines=lines(json.dumps(person(score="?")).encode().replace(b'"?"', b"1e99999999999999999999"))
    ),
    "deleted": Way(
        status=0, lines=lines(person(_sdc_deleted_at=PERSON["birth_date"])), seen=("nowhere",), answer=answering()
    ),
    **{
        f"stream maps: {name}": Way(
            **INVALID, settings={"stream_maps": {"leads": {**expression, "__else__": None, "id": "id"}}}
        )
        for name, expression in EXPRESSIONS.items()
    },
    "malformed line": Way(**UNREADABLE, lines=lines(json.dumps(person()).encode()[:-9])),
    "line of text": Way(**UNREADABLE, lines=lines(json.dumps(json.dumps(PERSON)).encode())),
    "line not UTF-8": Way(**UNREADABLE, lines=lines(json.dumps(person()).encode() + b"\xff")),
    "line of another type": Way(**UNREADABLE, lines=lines({**person(), "type": PERSON["email"]})),
    "RECORD that is a list": Way(**UNREADABLE, lines=lines({**person(), "record": [PERSON]})),
    "RECORD that is text": Way(**UNREADABLE, lines=lines({**person(), "record": json.dumps(PERSON)})),
    "RECORD without a stream": Way(**UNREADABLE, lines=lines({"type": "RECORD", "record": PERSON})),
    "RECORD before SCHEMA": Way(**UNREADABLE, lines=lines({**person(), "stream": "others"})),
    "RECORD in a STATE": Way(**UNREADABLE, lines=lines({"type": "STATE", "record": PERSON})),
    "SCHEMA with a record in it": Way(**UNREADABLE, lines=lines({**SCHEMA, "schema": PERSON})),
    "SCHEMA of values": Way(**UNREADABLE, lines=lines({**SCHEMA, "schema": {"properties": PERSON}})),
    "SCHEMA with keys that are none": Way(**UNREADABLE, lines=lines({**SCHEMA, "key_properties": [PERSON]})),
    "BATCH of values": Way(**UNREADABLE, lines=lines({"type": "BATCH", "stream": "leads", "encoding": PERSON})),
    "BATCH with a malformed line": Way(
        **UNREADABLE,
        lines=lines({"type": "BATCH", "stream": "leads", "encoding": {"format": "jsonl"}, "manifest": ["batch.jsonl"]}),
        batch=json.dumps(PERSON).encode()[:-1],
    ),
    "after a malformed line": Way(
        status=1, lines=lines(person(), json.dumps(person()).encode()[:-9]), answer=answering()
    ),
    **{
        f"crash: {name}": Way(status=status, answer=answering(b"422 No"), seen=(), crash=crash(point))
        for name, (point, status) in CRASHES.items()
    },
    "crash: stream map": Way(**INVALID, crash=crash("singer_sdk.mapper:SameRecordTransform.transform")),
    "crash: KeyError": Way(status=1, answer=answering(), seen=(), crash=crash(CRASHES["verdict"][0], "KeyError")),
    "crash: MemoryError": Way(status=1, answer=answering(), seen=(), crash=crash(CRASHES["mapping"][0], "MemoryError")),
    "crash: RecursionError": Way(
        status=1, answer=answering(), seen=(), crash=crash(CRASHES["commit"][0], "RecursionError")
    ),
    "crash: abort": Way(status=-6, answer=answering(), seen=(), crash=crash(CRASHES["commit"][0], "abort")),
    "replayed": Way(**REFUSED, answer=answering(b"422 No"), then=("dead-letters", "replay", "--config", "config.json")),
    "replayed, for a program": Way(
        **REFUSED,
        answer=answering(b"422 No"),
        then=("dead-letters", "replay", "--config", "config.json", "--format", "json"),
    ),
    "replayed into a crash": Way(
        **REFUSED,
        answer=answering(b"422 No"),
        then=("dead-letters", "replay", "--config", "config.json", "crash"),
    ),
    "checked": Way(status=0, answer=answering(), then=("check", "--config", "config.json")),
}
LOOKING_BACK = [
    ("dead-letters", "list"),
    ("dead-letters", "list", "--format", "json"),
    ("runs", "list"),
    ("runs", "list", "--format", "json"),
    ("runs", "show", "latest"),
    ("runs", "show", "latest", "--format", "json"),
    ("history", "L-1"),
    ("history", "L-1", "--format", "json"),
]
HOLDS_RECORDS = {("dead_letters", "record"), ("open_jobs", "record")}


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What a way has left behind."""

    status: int
    shown: Mapping[str, str] = field(repr=False)
    """What it has shown to anybody, by where."""
    wire: str = field(repr=False)
    dead_letters: str = field(repr=False)
    jobs: str = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    """What lies in its folder, settings and input aside."""


@pytest.fixture(scope="session")
def gone_ways() -> dict[tuple[str, str], Gone]:
    """The ways that were gone already: each is looked at for every canary."""
    return {}


@pytest.fixture
def go(
    tmp_path: Path,
    parrot: Parrot,
    run_in: Callable[..., int],
    command: Callable[..., Ended],
    gone_ways: dict[tuple[str, str], Gone],
) -> Callable[[str, str], Gone]:
    """Goes one of the ways, or has gone it."""

    def once(name: str, environment: str) -> Gone:
        if (name, environment) not in gone_ways:
            gone_ways[name, environment] = _go(
                WAYS[name], ENVIRONMENTS[environment], folder=tmp_path, parrot=parrot, run_in=run_in, command=command
            )
        return gone_ways[name, environment]

    return once


def _go(
    way: Way,
    environment: Mapping[str, str],
    *,
    folder: Path,
    parrot: Parrot,
    run_in: Callable[..., int],
    command: Callable[..., Ended],
) -> Gone:
    parrot.answer = way.answer or parrot.wait
    temporary = folder / "tmp"
    temporary.mkdir()
    config = settings(parrot.url, way.provider, **way.settings)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "logging.yaml").write_text(LOUD)
    (folder / "batch.jsonl").write_bytes(way.batch)
    given = {path.name for path in folder.iterdir()} | {"stdin", "stdout", "stderr"}
    variables = {**environment, "TMPDIR": str(temporary)}
    status = run_in(
        folder, *way.arguments, "--config", "config.json", lines=way.lines, environment=variables, crash=way.crash
    )
    shown = {name: (folder / name).read_text() for name in ("stdout", "stderr")}
    if way.then:
        crashes = way.then[-1] == "crash"
        arguments = way.then[:-1] if crashes else way.then
        run_in(folder, *arguments, environment=variables, crash=crash(CRASHES["commit"][0]) if crashes else None)
        shown |= {f"second {name}": (folder / name).read_text() for name in ("stdout", "stderr")}
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in given
    }
    shown["report"] = files.get("report.json", b"").decode()
    kept: dict[str, str] = {"dead_letters": "", "open_jobs": ""}
    if "target-leads.db" in files:
        for arguments in LOOKING_BACK:
            ended = command(*arguments, "--config", "config.json")
            shown[" ".join(arguments)] = ended.stdout + ended.stderr
        with contextlib.closing(sqlite3.connect(folder / "target-leads.db")) as connection:
            for table, column, value in cells(connection):
                if (table, column) in HOLDS_RECORDS:
                    kept[table] += value
                else:
                    shown[f"{table}.{column}"] = shown.get(f"{table}.{column}", "") + "\n" + value
    return Gone(
        status=status,
        shown=shown,
        wire=parrot.heard.decode(),
        dead_letters=kept["dead_letters"],
        jobs=kept["open_jobs"],
        files=files,
    )


def cells(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Every value in the database as text, with its table and column."""
    found = []
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        rows = connection.execute(f"SELECT * FROM {table}")  # noqa: S608 -- the name is the database's own
        names = [column[0] for column in rows.description]
        found += [(table, name, str(value)) for row in rows for name, value in zip(names, row, strict=True)]
    return found


TABLE = pytest.mark.parametrize(
    ("way", "environment"),
    [
        pytest.param(way, environment, marks=() if (number % 5, environment) == (0, "loud") else pytest.mark.slow)
        for number, way in enumerate(WAYS)
        for environment in ENVIRONMENTS
    ],
)
"""Every fifth way, where all is logged, is the fast suite's; each takes a run of its own."""


@pytest.mark.parametrize("canary", CANARIES)
@TABLE
def test_nothing_gets_out(way: str, environment: str, canary: str, go: Callable[[str, str], Gone]) -> None:
    """Whichever way a run goes, and however much it logs, it shows nobody a value of a record, or a credential."""
    gone = go(way, environment)
    assert [where for where, words in gone.shown.items() if CANARIES[canary].is_in(words)] == []
    assert "Traceback" not in gone.shown["stderr"]


@TABLE
def test_the_canaries_were_there(way: str, environment: str, go: Callable[[str, str], Gone]) -> None:
    """They went the way that it is named after, so they could have got out; and what they are kept in, they are in."""
    planned, gone = WAYS[way], go(way, environment)
    assert gone.status == planned.status, gone.shown["stderr"][-2000:]
    if planned.crash and planned.status == 1:
        assert "unforeseen error" in gone.shown["stderr"]
    assert found_in(planned.lines + planned.batch) >= set(SUBJECTS)
    if "wire" in planned.seen:
        assert found_in(gone.wire) == CANARIES.keys()
    elif planned.seen:
        assert found_in(gone.wire) == set()
    if planned.seen:
        assert (found_in(gone.dead_letters) >= set(SUBJECTS)) == ("dead letters" in planned.seen)
        assert (found_in(gone.jobs) >= set(SUBJECTS)) == ("jobs" in planned.seen)
    if planned.seen and not gone.dead_letters and not gone.jobs:
        # Not in free pages of the database either, its log, or temporary files.
        assert {file: found_in(content) for file, content in gone.files.items() if found_in(content)} == {}


@pytest.mark.parametrize("canary", CANARIES)
def test_a_canary_is_found_in_every_form(canary: str) -> None:
    """Whatever writes a value down, in JSON, a URL, Python's words, base64 or with signs between its digits."""
    value = CANARIES[canary].value
    forms = [
        value,
        value.upper(),
        json.dumps({"a": [value]}),
        json.dumps(json.dumps(value)),
        quote(value, safe=""),
        quote_plus(value),
        repr(value),
        repr(value.encode()),
        ascii(value),
        value.encode("unicode_escape").decode(),
        value.encode().hex(),
        *(base64.b64encode(f"{user}:{value}".encode()).decode() for user in ("", "u", "us", "use")),
        *(base64.b64encode(f"{value}{more}".encode()).decode() for more in (":", ":p", ":pw")),
        json.dumps({"records": [{"value": value}]}, indent=2),
    ]
    forms += {
        "phone": ["+1 (416) 555-0137", "1.416.555.0137"],
        "SIN": ["046 454 286", "046-454-286"],
        "birth date": ["datetime.date(1937, 11, 23)", "19371123"],
    }.get(canary, [])
    assert [form for form in forms if canary not in found_in(f"words before {form} and after")] == []
    assert found_in(json.dumps({"id": "L-1", "name": "Ada", "at": "2026-03-29T07:00:00Z", "count": 46454})) == set()


@pytest.mark.parametrize("table", ["dead_letters", "open_jobs"])
def test_nothing_gets_out_of_postgresql(
    table: str, postgresql_url: str, parrot: Parrot, run_in: Callable[..., int], tmp_path: Path
) -> None:
    """What the store on a server says and logs of the rows that it writes and reads shows no value of a record."""
    parrot.answer = job("open") if table == "open_jobs" else answering(b"422 No")
    provider = "canary_jobs" if table == "open_jobs" else "canary"
    more = {"store_url": postgresql_url, "confirm_timeout_seconds": 0}
    (tmp_path / "config.json").write_text(json.dumps(settings(parrot.url, provider, **more)))
    (tmp_path / "logging.yaml").write_text(LOUD)
    replay = ("dead-letters", "replay") if table == "dead_letters" else ()
    for arguments, content in (((), lines(person())), ((), lines()), (replay, lines())):
        run_in(tmp_path, *arguments, "--config", "config.json", lines=content, environment=ENVIRONMENTS["loud"])
        words = (tmp_path / "stderr").read_text() + (tmp_path / "stdout").read_text()
        assert f"FROM {table}" in words
        assert found_in(words) == set()
    assert found_in(parrot.heard) == CANARIES.keys()
    engine = create_engine(postgresql_url)
    with engine.connect() as connection:
        (record,) = connection.scalars(text(f"SELECT record FROM {table}"))  # noqa: S608 -- one of two words above
    engine.dispose()
    assert found_in(record) == set(SUBJECTS)


def test_what_a_database_refuses_is_not_quoted(
    postgresql_url: str, parrot: Parrot, run_in: Callable[..., int], tmp_path: Path
) -> None:
    """PostgreSQL quotes the whole row that breaks a rule of its own; the run says that there is an error, and which."""
    parrot.answer = answering(b"422 No")
    (tmp_path / "config.json").write_text(json.dumps(settings(parrot.url, store_url=postgresql_url)))
    (tmp_path / "logging.yaml").write_text(LOUD)
    assert run_in(tmp_path, "--config", "config.json", lines=lines()) == 0
    engine = create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE dead_letters ADD CONSTRAINT none CHECK (record = '')"))
        with pytest.raises(DBAPIError, match="quillfeather"), connection.begin_nested():
            connection.execute(
                text(
                    "INSERT INTO outcomes SELECT 1, '', now(), '', '', '', '', '', :words, NULL, '', '', NULL, '', ''"
                ),
                {"words": PERSON["email"]},
            )
    engine.dispose()
    status = run_in(tmp_path, "--config", "config.json", lines=lines(person()), environment=ENVIRONMENTS["loud"])
    words = (
        (tmp_path / "stderr").read_text() + (tmp_path / "stdout").read_text() + (tmp_path / "report.json").read_text()
    )
    assert status == 1
    assert "CheckViolation" in words
    assert found_in(words) == set()
