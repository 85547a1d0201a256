"""Whatever comes in, from a tap, a provider's folder, a provider or a file of settings: a clear outcome."""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import io
import json
import os
import random
import re
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_leads.delivery.classification import classify_update
from target_leads.delivery.http import HttpResponse
from target_leads.exceptions import InputError
from target_leads.models import VerdictKind
from target_leads.providers import bundled
from target_leads.providers.formats import FORMATS
from target_leads.reader import MessageReader
from target_leads.target import TargetLeads
from tests.fuzzing import hostile
from tests.fuzzing.targets import TARGETS, record, seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.report import RunReport

REPOSITORY = Path(__file__).parents[2]
BOUNDED = settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False)
    | st.just(Decimal("NaN"))  # the one that the reader makes
    | st.text(st.characters(codec=None, exclude_categories=()))
    | st.sampled_from(hostile.TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
COLUMNS = st.sampled_from(
    sorted({*hostile.NAMES, *(name for each in bundled().values() for name in each.lead_schema.properties)})
)


@BOUNDED
@given(st.dictionaries(COLUMNS | st.text(max_size=5), VALUES, max_size=6), VALUES)
def test_any_record_has_an_outcome(fields: dict[str, Any], lead_id: Any) -> None:
    """It is an update whose request is the one that was meant, or has an outcome that every store can hold."""
    record({**fields, "id": lead_id})


@pytest.mark.parametrize("target", TARGETS)
@BOUNDED
@given(seed=st.integers(0, 2**32), many=st.integers(1, 4))
def test_what_was_good_and_is_spoiled_is_told(target: str, seed: int, many: int) -> None:
    """What works, with hostile values in places of its own, works or is refused in words."""
    of = random.Random(seed)  # noqa: S311 -- so that a finding can be had again
    parts = re.split(rb"(\0|\n)", of.choice(seeds(target)))
    places = [index for index, part in enumerate(parts) if part.startswith((b"{", b"["))]
    place = of.choice(places) if places else 0
    with contextlib.suppress(ValueError):  # some answers are recorded broken
        root = json.loads(parts[place])
        for _ in range(many):
            with contextlib.suppress(RecursionError):  # it is deep enough
                root = hostile.mutated(root, of)
        parts[place] = hostile.written(root)
    TARGETS[target](b"".join(parts))


@pytest.mark.parametrize("target", TARGETS)
@BOUNDED
@given(data=st.binary(max_size=200))
def test_any_bytes_are_told(target: str, data: bytes) -> None:
    """Bytes that are nothing at all are refused in words."""
    TARGETS[target](data)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_a_fuzzer_that_sees_the_lines_it_reaches_finds_nothing(target: str, tmp_path: Path) -> None:
    """A while of fuzzing, led by coverage. It needs a library that is there for Linux on x86-64 only."""
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("CI"):
            pytest.fail("atheris is not installed")
        pytest.skip("atheris is not installed")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzzing",
            target,
            "-max_total_time=12",
            "-seed=1",
            f"-artifact_prefix={tmp_path}/",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"DONE +cov: [1-9][0-9]+", done.stderr)


# What was found, or thought of, by name


@pytest.mark.parametrize("job_id", [".", ".."])
def test_a_job_is_no_step_in_a_path(job_id: str) -> None:
    """Found by the fuzzer: a job of such a name would have been asked after at another address. It is no job's name."""
    body = json.dumps({"job_id": job_id, "data": {}}).encode()
    TARGETS["answer"](b"200\n\n" + body)
    answer = HttpResponse(status=200, headers={}, body=body)
    verdict = classify_update(answer, bundled()["propexo_entrata"])
    assert (verdict.kind, verdict.reason) == (VerdictKind.RETRY, "200 OK: the answer names no job")


def run(*messages: bytes, **more: Any) -> RunReport:
    """A run that sends nothing, over these lines."""
    config = {"provider": "perch", "providers": {"perch": {"api_key": "sandbox"}}, "dry_run": True, **more}
    target = TargetLeads(config={"reject_limit": "100%", **config})
    try:
        target.run(io.BytesIO(b"\n".join(messages)))
    finally:
        target.close(exit_status=1)
    assert target.report is not None
    return target.report


def schema(**properties: Any) -> bytes:
    """A SCHEMA message with these columns beside the id."""
    columns = {"id": {}, "email": {}, **properties}
    return json.dumps(
        {"type": "SCHEMA", "stream": "leads", "key_properties": ["id"], "schema": {"properties": columns}}
    ).encode()


def line(fields: bytes) -> bytes:
    """A RECORD message with these fields beside the id, as they stand."""
    return b'{"type": "RECORD", "stream": "leads", "record": {"id": "1"' + (b", " if fields else b"") + fields + b"}}"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b'"email": ' + b"7" * 5000, id="a number with 5,000 digits"),
        pytest.param(b'"email": 1e999999', id="1e999999"),
        pytest.param(b'"email": 1e99999999999999999999', id="an exponent beyond any decimal"),
        pytest.param(b'"email": NaN', id="NaN"),
        pytest.param(b'"email": "\\ud800"', id="half of a surrogate pair"),
        pytest.param(b'"email": "\\u0000"', id="NUL"),
        pytest.param(b'"email": ' + b"[" * 400 + b"]" * 400, id="400 lists"),
        pytest.param(b'"email": "' + b"x" * 10_000_000 + b'"', id="a text of 10 MB"),
        pytest.param(b'"email": "' + b"x@" * 100_000 + b'"', id="an e-mail address that never ends"),
        pytest.param(b'"id": ' + b"7" * 4000, id="an id with 4,000 digits"),
    ],
)
def test_one_bad_value_costs_its_record_alone(fields: bytes) -> None:
    """It is invalid; the record after it is taken, and nothing takes long."""
    report = run(schema(), line(fields), line(b'"_sdc_deleted_at": "2026-03-29"'))
    counts = report.counts()
    assert (counts["received"], counts["invalid"], counts["ignored"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b'{"type": "STATE", "value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is nested too deeply to be read"),
        (line(b'"email": ' + b"[" * 100_000), "is nested too deeply to be read"),
        (b'{"type": "STATE", "value": ' + b"7" * 5000 + b"}", "is a STATE with a number beyond any range"),
        (line(b'"a": ' + b"7" * 5000 + b', "email": ' + b"[" * 100_000), "is nested too deeply to be read"),
        (line(b'"a": ' + b"7" * 5000 + b', "email": ]'), "is no JSON at column 5077"),
        (b"\0", "is no JSON at column 1"),
    ],
)
def test_what_cannot_be_read_ends_the_run_in_words(text: bytes, what: str) -> None:
    """It says which line, and what is wrong with it."""
    with pytest.raises(InputError, match=f"^Line 2 of the input {what}\\. "):
        run(schema(), text)


def test_a_schema_that_is_nested_too_deeply_is_the_taps_mistake() -> None:
    """It is no mistake in the settings, whatever library gives up on it."""
    deep = (
        b'{"type": "SCHEMA", "stream": "leads", "schema": {"properties": {"id": ' + b'{"a":' * 900 + b"1" + b"}" * 903
    )
    with pytest.raises(InputError, match=r"^The SCHEMA of the stream leads is nested too deeply\."):
        run(deep)


@pytest.fixture
def fetched() -> Iterator[tuple[str, list[str]]]:
    """A web server, and what was fetched from it."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "string"}')

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/schema.json", paths
        server.shutdown()


@pytest.mark.parametrize("more", [{}, {"flattening_enabled": True, "flattening_max_depth": 3}])
def test_nothing_that_a_schema_names_is_fetched(
    more: dict[str, Any], fetched: tuple[str, list[str]], tmp_path: Path
) -> None:
    """A $ref to a server or a file is left alone, and one that leads in a circle leads nowhere."""
    url, paths = fetched
    (tmp_path / "schema.json").write_text('{"type": "integer"}')
    references = {
        "a": {"$ref": url},
        "b": {"$ref": (tmp_path / "schema.json").as_uri()},
        "c": {"$ref": "#/properties/c"},
        "d": {"type": "object", "properties": {"e": {"$ref": "#"}}},
        "f": {"$dynamicRef": url, "$id": url, "$schema": url},
    }
    report = run(schema(**references), line(b'"email": "ada@example.com", "a": 1, "d": {"e": {}}'), **more)
    assert (report.counts()["received"], paths) == (1, [])


def test_patterns_of_a_tap_are_not_matched() -> None:
    """A pattern that takes longer than the world lasts costs nothing: the provider's schema decides."""
    bomb = {"type": "string", "pattern": "^(a+)+$"}
    report = run(schema(bomb=bomb, broken={"pattern": "("}), line(b'"bomb": "' + b"a" * 100 + b'!", "broken": "x"'))
    assert report.counts()["received"] == 1


def _patterns(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == "pattern" and isinstance(value, str))
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _patterns(inner)


@pytest.mark.parametrize("provider", bundled())
def test_no_pattern_of_a_bundled_provider_takes_long(provider: str) -> None:
    """None repeats what repeats or chooses within a repetition, so a text of any length is looked at in one go."""
    parts = [bundled()[provider].lead_schema.schema]
    parts.append(json.loads((bundled()[provider].folder / "provider.json").read_text(encoding="utf-8")))
    for pattern in {each for part in parts for each in _patterns(part)}:
        assert not re.search(r"[+*}][^()]*\)(?:[+*]|\{\d*,)", pattern), pattern
        assert not re.search(r"\|[^()]*\)(?:[+*]|\{\d*,)", pattern), pattern


@pytest.mark.parametrize("name", sorted(FORMATS.checkers))
@pytest.mark.parametrize("unit", ["a", "1", "a.", "a@", "@", '"', "2026-03-29T", "1-", "é", "\0", " "])
def test_no_format_takes_long(name: str, unit: str) -> None:
    """However long a text is, that it is no date, id or address is known at once."""
    assert not FORMATS.conforms(unit * 1_000_000, name)


def test_a_number_keeps_its_digits_beside_one_that_has_too_many() -> None:
    """Only the number that cannot be read is none."""
    read = MessageReader().deserialize_json(line(b'"a": ' + b"7" * 5000 + b', "b": 12345678901234567890, "c": 0.10'))
    assert [str(read["record"][name]) for name in "abc"] == ["NaN", "12345678901234567890", "0.10"]
