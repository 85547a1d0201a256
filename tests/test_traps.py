"""What the Meltano SDK does that a target of lead updates must not. Each test is named by the trap it steps around."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
from decimal import Decimal
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import InputError, Interrupted, SettingsError
from target_leads.models import Outcome
from target_leads.providers import load_all
from target_leads.sandbox import Arrival, Emulator, Interference, running
from target_leads.store import Store
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from target_leads.report import RunReport
    from target_leads.sandbox.emulator import Receive, Scope, Send
    from target_leads.store.store import DeadLetter

Message = dict[str, Any]

SECRET = "kept-to-myself-4711"


class Stage:
    """An ASGI application that hands every request to the emulator of the test that is running."""

    emulator: Emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        await self.emulator(scope, receive, send)


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Stage, str]]:
    """One server for all tests: to stop one takes longer than most tests."""
    stage = Stage()
    with running(stage) as url:
        yield stage, url


@pytest.fixture
def sandbox_url(stage: tuple[Stage, str], emulator: Emulator) -> str:
    """Where the test's own emulator is served."""
    stage[0].emulator = emulator
    return stage[1]


@pytest.fixture(autouse=True)
def own_signal_handlers() -> Iterator[None]:
    """Give pytest its signal handlers back: the SDK takes them whenever a target is made."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def schema(stream: str = "leads", *, key: str = "id", **properties: Any) -> Message:
    """A SCHEMA message of a stream with one key."""
    columns = {key: {"type": "string"}, "note": {"type": "string"}, **properties}
    return {"type": "SCHEMA", "stream": stream, "key_properties": [key], "schema": {"properties": columns}}


def record(stream: str = "leads", **fields: Any) -> Message:
    """A RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": fields}


def state(value: Any) -> Message:
    """A STATE message."""
    return {"type": "STATE", "value": value}


def lines(messages: Iterable[Message | str]) -> Iterator[bytes]:
    """Messages as a tap writes them; a text stands for a line as it is."""
    for message in messages:
        yield (message if isinstance(message, str) else json.dumps(message)).encode() + b"\n"


def run(config: dict[str, Any], messages: Iterable[Message | str]) -> RunReport:
    """Do a whole run; returns what it counted. What ended it goes on to the caller."""
    target = TargetLeads(config=config)
    report = target.pipeline.report
    try:
        target.run(io.BytesIO(b"".join(lines(messages))))
    finally:
        target.close(exit_status=1)
    return report


class Tap(io.BytesIO):
    """Input that comes line by line, with something done before some of the lines."""

    def __init__(self, messages: Iterable[Message | Callable[[], object]]) -> None:
        """Give each message, or call what stands in its place."""
        super().__init__()
        self._messages = iter(messages)

    def readline(self, _size: int | None = -1, /) -> bytes:
        """The next message."""
        for message in self._messages:
            if isinstance(message, dict):
                return json.dumps(message).encode() + b"\n"
            message()
        return b""


def dead_letters() -> list[DeadLetter]:
    """What the default store keeps."""
    store = Store("sqlite:///target-leads.db", now=lambda: 0.0)
    letters = list(store.open_dead_letters())
    store.close()
    return letters


def test_1_backoff_is_the_distribution_that_the_sdk_requires() -> None:
    """python-backoff and backoff install one module: only the one is there, and only that one is asked for."""
    installed = {distribution.metadata["Name"] for distribution in metadata.distributions()}
    assert "python-backoff" in installed
    assert "backoff" not in installed
    required = {text.split(">")[0] for text in metadata.requires("target-leads") or ()}
    assert "python-backoff" in required
    assert "backoff" not in required


DATES = ("", "soon", "2026-02-30", "0000-00-00 00:00:00", "2026-03-01T9:00", "99999-01-01T00:00:00Z", "2026-03-01")


@pytest.mark.parametrize("kind", ["date", "time", "date-time"])
def test_2_dates_keep_their_spelling(generic_config: dict[str, Any], emulator: Emulator, kind: str) -> None:
    """A date reaches the provider as the tap spelled it, also one that is none: its schema may allow that."""
    records = [record(id=str(number), since=text) for number, text in enumerate(DATES)]
    run(generic_config, [schema(since={"type": ["string", "null"], "format": kind}), *records])
    delivered = emulator.leads["generic"]
    assert [delivered[str(number)]["since"] for number in range(len(DATES))] == list(DATES)


def test_2_a_date_that_the_provider_does_not_take_costs_one_record(
    generic_config: dict[str, Any], sandbox_url: str, emulator: Emulator
) -> None:
    """The provider's schema judges dates: those that are none become invalid, the others keep their spelling."""
    generic_config["providers"]["propexo_entrata"] = {
        "api_token": "sandbox",
        "base_url": f"{sandbox_url}{emulator.prefixes['propexo_entrata']}",
    }
    moments = ["2026-03-01T00:00:00+01:00", "", "2026-02-30T00:00:00Z", "soon"]
    base = {"first_name": "Ada", "last_name": "Example"}
    records = [
        record("propexo_entrata", lead_id=str(number), target_move_in_date=text, **base)
        for number, text in enumerate(moments)
    ]
    column = {"type": "string", "format": "date-time"}
    messages = [schema("propexo_entrata", key="lead_id", target_move_in_date=column), *records]
    report = run({**generic_config, "reject_limit": "100%"}, messages)
    assert emulator.leads["propexo_entrata"]["0"]["target_move_in_date"] == moments[0]
    assert report.count(Outcome.INVALID) == len(moments) - 1
    assert {letter.reason for letter in dead_letters()} == {"$.target_move_in_date must be a valid date-time"}
    assert [letter.record["target_move_in_date"] for letter in dead_letters()] == moments[1:]


@pytest.mark.parametrize("digits", ["1.10", "0.1000000000000000055511151231257827", "12345678901234567890.5", "1E+2"])
def test_2_decimals_keep_their_digits(generic_config: dict[str, Any], emulator: Emulator, digits: str) -> None:
    """A number is written as the tap wrote it, digit for digit, wherever it stands."""
    line = '{"type": "RECORD", "stream": "leads", "record": {"id": "a", "amount": %s, "deep": {"list": [%s]}}}'
    run(generic_config, [schema(amount={"type": "number"}), line % (digits, digits)])
    lead = emulator.leads["generic"]["a"]
    assert [str(number) for number in (lead["amount"], lead["deep"]["list"][0])] == [digits, digits]
    assert isinstance(lead["amount"], Decimal)


def test_3_the_schema_of_the_tap_judges_nothing(
    generic_config: dict[str, Any], emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that breaks the tap's own SCHEMA is the provider's to judge, and no log shows it."""
    caplog.set_level(logging.DEBUG)
    columns = {"amount": {"type": "integer"}, "since": {"type": "no type"}}
    run(generic_config, [schema(**columns), record(id="a", amount=SECRET), record(id="b", amount=2)])
    assert emulator.leads["generic"] == {"a": {"amount": SECRET}, "b": {"amount": 2}}
    assert SECRET not in caplog.text


def test_3_a_bad_record_costs_one_record(generic_config: dict[str, Any], emulator: Emulator) -> None:
    """A record that breaks the provider's schema becomes a dead letter, and those around it are delivered."""
    report = run(
        generic_config, [schema(), *(record(id=name, email=f"{name}@example.com") for name in ("a", "b c", "d"))]
    )
    assert sorted(emulator.leads["generic"]) == ["a", "d"]
    assert (report.count(Outcome.DELIVERED), report.count(Outcome.INVALID), report.unsettled) == (2, 1, 0)


MALFORMED = (
    f'{{"type": "RECORD", "stream": "leads", "record": {{"id": "b", "note": "{SECRET}"',
    f'{{"type": "RECORD", "stream": "leads", "record": "{SECRET}"}}',
    f'{{"type": "RECORD", "stream": "leads", "wreckord": "{SECRET}"}}',
    f'{{"type": "RECORD", "stream": ["{SECRET}"], "record": {{}}}}',
    f'{{"type": "SCHEMA", "stream": "other", "schema": "{SECRET}"}}',
    f'{{"type": "SCHEMA", "stream": "other", "schema": {{"properties": ["{SECRET}"]}}}}',
    f'{{"type": "SCHEMA", "stream": "other", "schema": {{"properties": {{}}}}, "key_properties": "{SECRET}"}}',
    f'{{"type": "STATE", "worth": "{SECRET}"}}',
    f'{{"type": "BATCH", "stream": "leads", "encoding": "{SECRET}", "manifest": []}}',
    f'{{"type": "{SECRET}"}}',
    f'["{SECRET}"]',
    f'"{SECRET}"',
    SECRET,
)


@pytest.mark.parametrize("line", MALFORMED)
def test_4_a_malformed_line_is_named_and_never_shown(
    generic_config: dict[str, Any],
    emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    line: str,
) -> None:
    """The error says which line, nothing at any log level says what stood in it, and what came before is settled."""
    caplog.set_level(logging.DEBUG)
    messages = [schema(), record(id="a", note="1"), state({"at": 1}), line, record(id="c", note="3"), state({"at": 2})]
    with pytest.raises(InputError, match=r"^Line 4 of the input ") as ended:
        run(generic_config, messages)
    assert "What came before it is settled." in str(ended.value)
    told = capsys.readouterr()
    assert told.out == '{"at": 1}\n'
    assert list(emulator.leads["generic"]) == ["a"]
    assert SECRET not in told.err + caplog.text + str(ended.value)


def test_4_a_record_before_its_schema_ends_the_run_after_what_came_before(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A RECORD whose stream has no SCHEMA yet is an unreadable input: the rest is settled, the stream is named."""
    messages = [schema(), record(id="a", note="1"), state({"at": 1}), record("unknown", id="b")]
    with pytest.raises(InputError, match="Line 4 of the input is a RECORD of the stream unknown"):
        run(generic_config, messages)
    assert capsys.readouterr().out == '{"at": 1}\n'


def test_5_state_goes_out_after_a_full_batch(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """STATE stands on stdout as soon as its batch is settled: the input is still open."""
    seen: list[str] = []
    messages: list[Message | Callable[[], object]] = [
        schema(),
        record(id="a", note="1"),
        state({"at": 1}),
        lambda: seen.append(capsys.readouterr().out),
        record(id="b", note="2"),
        lambda: seen.append(capsys.readouterr().out),
        record(id="c", note="3"),
        state({"at": 2}),
    ]
    target = TargetLeads(config={**generic_config, "batch_size_rows": 2})
    target.run(Tap(messages))  # type: ignore[arg-type] # one method of a file is all that is used
    assert seen == ["", '{"at": 1}\n']
    assert capsys.readouterr().out == '{"at": 2}\n'


def test_5_state_goes_out_when_filtered_records_fill_a_batch(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A stream of which nothing is sent does not hold up STATE until the end of the input."""
    seen: list[str] = []
    skipped = record(id="a", note="no")
    messages = [schema(), skipped, state({"at": 1}), skipped, lambda: seen.append(capsys.readouterr().out), skipped]
    config = {**generic_config, "batch_size_rows": 2, "stream_maps": {"leads": {"__filter__": "note != 'no'"}}}
    TargetLeads(config=config).run(Tap(messages))  # type: ignore[arg-type] # as above
    assert seen == ['{"at": 1}\n']


def test_5_state_goes_out_when_a_record_has_waited_long(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A slow tap that does not fill a batch in five minutes has its records delivered, and STATE, all the same."""
    seen: list[str] = []
    target = TargetLeads(config=generic_config)
    target._last_full_drain_at -= 301
    messages = [schema(), record(id="a", note="1"), state({"at": 1}), lambda: seen.append(capsys.readouterr().out)]
    target.run(Tap(messages))  # type: ignore[arg-type] # as above
    assert seen == ['{"at": 1}\n']


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_6_a_signal_prints_no_state_for_records_never_sent(
    generic_config: dict[str, Any], emulator: Emulator, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    """A run that is told to stop while it waits for input sends nothing more, and says so with the signal's status."""
    messages: list[Message | Callable[[], object]] = [
        schema(),
        record(id="a", note="1"),
        state({"at": 1}),
        lambda: os.kill(os.getpid(), number),
        record(id="b", note="2"),
        state({"at": 2}),
    ]
    target = TargetLeads(config=generic_config)
    with pytest.raises(Interrupted) as ended:
        target.run(Tap(messages))  # type: ignore[arg-type] # as above
    target.close(ended.value.run_exit_status)
    assert ended.value.run_exit_status == 128 + number
    assert capsys.readouterr().out == ""
    assert emulator.request_count == 0
    assert (target.pipeline.report.received, target.pipeline.report.unsettled) == (1, 1)


@pytest.mark.parametrize("empty", [{}, None, [], ""])
def test_7_an_empty_state_is_never_printed(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str], empty: Any
) -> None:
    """An empty STATE would clear the bookmark: it is no checkpoint, neither alone nor after another."""
    run(generic_config, [schema(), state(empty), record(id="a", note="1"), state({"at": 1}), state(empty)])
    assert capsys.readouterr().out == '{"at": 1}\n'


def test_8_a_new_schema_comes_while_another_stream_holds_records(
    generic_config: dict[str, Any], emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stream that changes its SCHEMA closes nothing that another one still needs."""
    messages = [schema("a"), schema("b"), record("b", id="b1", note="1"), record("a", id="a1", note="1")]
    messages += [schema("a", more={"type": "string"}), record("a", id="a2", note="2", more="x")]
    messages += [record("b", id="b2", note="2"), state({"at": 1})]
    assert TargetLeads(config=generic_config).max_parallelism == 1
    run(generic_config, messages)
    assert sorted(emulator.leads["generic"]) == ["a1", "a2", "b1", "b2"]
    assert capsys.readouterr().out == '{"at": 1}\n'


def test_8_a_record_is_read_by_the_schema_that_it_came_under(
    generic_config: dict[str, Any], emulator: Emulator
) -> None:
    """A SCHEMA with another key names the lead's id for the records that follow, and not for those that wait."""
    messages = [schema(), record(id="a", code="x", note="1"), schema(key="code"), record(id="b", code="y", note="2")]
    run(generic_config, messages)
    assert sorted(emulator.leads["generic"]) == ["a", "y"]


@pytest.mark.parametrize("fields", [{"note": "1"}, {"id": None, "note": "1"}])
def test_9_a_record_without_its_key_is_invalid(
    generic_config: dict[str, Any], emulator: Emulator, fields: dict[str, Any]
) -> None:
    """A key that is missing or null is no lead id: the record becomes a dead letter, and the run goes on."""
    report = run(generic_config, [schema(), record(**fields), record(id="b", note="2")])
    assert list(emulator.leads["generic"]) == ["b"]
    assert report.count(Outcome.INVALID) == 1
    (letter,) = dead_letters()
    assert letter.reason.startswith("$.id holds no usable lead id")
    assert letter.record == fields


def test_10_load_method_has_one_value(generic_config: dict[str, Any]) -> None:
    """Every record updates: the SDK's default, append-only, would be untrue, and is refused."""
    target = TargetLeads(config=generic_config)
    load_method = target.config_jsonschema["properties"]["load_method"]
    assert (load_method["enum"], load_method["default"]) == (["update"], "update")
    with pytest.raises(SettingsError, match="load_method: must be one of update, but was 'append-only'"):
        TargetLeads(config={**generic_config, "load_method": "append-only"})


def test_11_records_of_a_batch_pass_through_stream_maps(
    generic_config: dict[str, Any], emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A BATCH message delivers like records: mapped, filtered, judged and counted one by one."""
    file = tmp_path / "leads.jsonl"
    records = [{"id": "a", "note": "one"}, {"id": "b", "note": "no"}, {"id": None, "note": "three"}]
    file.write_bytes(b"".join(lines(records)))
    batch = {"type": "BATCH", "stream": "leads", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
    config = {**generic_config, "stream_maps": {"leads": {"note": "note.upper()", "__filter__": "note != 'no'"}}}
    report = run(config, [schema(), batch, state({"at": 1})])
    assert emulator.leads["generic"] == {"a": {"note": "ONE"}}
    assert [report.count(outcome) for outcome in (Outcome.DELIVERED, Outcome.IGNORED, Outcome.INVALID)] == [1, 1, 1]
    assert capsys.readouterr().out == '{"at": 1}\n'


def test_11_a_signal_ends_a_batch_file(
    generic_config: dict[str, Any], stage: tuple[Stage, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is told to stop in the middle of a long batch file does not read it to its end."""
    signals = iter([signal.SIGTERM])

    def scenario(_: Arrival) -> Interference:
        for number in signals:
            os.kill(os.getpid(), number)
        return Interference()

    stage[0].emulator = Emulator(load_all(generic_config["provider_paths"]), scenario)
    file = tmp_path / "leads.jsonl"
    file.write_bytes(b"".join(lines({"id": str(number), "note": "x"} for number in range(10_000))))
    batch = {"type": "BATCH", "stream": "leads", "encoding": {"format": "jsonl"}, "manifest": [str(file)]}
    target = TargetLeads(config={**generic_config, "batch_size_rows": 1})
    with pytest.raises(Interrupted):
        target.run(io.BytesIO(b"".join(lines([schema(), batch, state({"at": 1})]))))
    target.close(exit_status=143)
    assert 0 < target.pipeline.report.received < 10_000
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("int(note)", "stream_maps: an expression raises ValueError"),
        ("missing", "stream_maps: Failed to evaluate simpleeval expressions missing."),
    ],
)
def test_12_a_stream_map_that_fails_costs_one_record(
    generic_config: dict[str, Any],
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    expression: str,
    reason: str,
) -> None:
    """A record for which an expression fails is invalid, and no log or reason shows what the expression was given."""
    caplog.set_level(logging.DEBUG)
    config = {**generic_config, "stream_maps": {"leads": {"size": f"{expression} if note != 'fine' else 1"}}}
    run(config, [schema(), record(id="a", note=SECRET), record(id="b", note="fine")])
    assert list(emulator.leads["generic"]) == ["b"]
    (letter,) = dead_letters()
    assert letter.reason.startswith(reason.removesuffix("."))
    assert letter.record == {"id": "a", "note": SECRET}
    assert SECRET not in caplog.text + letter.reason


def test_12_a_dead_letter_is_the_record_before_stream_maps(generic_config: dict[str, Any]) -> None:
    """Whatever expressions do to a record, it is kept as the tap sent it, so that it can be sent again."""
    fields = {"id": "a", "email": "none", "note": "x"}
    config = {**generic_config, "reject_limit": "100%", "stream_maps": {"leads": {"email": "record.pop('note')"}}}
    run(config, [schema(), record(**fields)])
    (letter,) = dead_letters()
    assert letter.reason == "$.email must be a valid email"
    assert letter.record == fields


def test_12_a_filter_at_debug_level_shows_no_value(
    generic_config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK's mapper logs what a filter comes to, which may be a field of the record: that is not let out."""
    caplog.set_level(logging.DEBUG)
    run({**generic_config, "stream_maps": {"leads": {"__filter__": "note"}}}, [schema(), record(id="a", note=SECRET)])
    assert SECRET not in caplog.text


def test_12_a_stream_map_that_makes_two_streams_counts_two_records(
    generic_config: dict[str, Any], emulator: Emulator
) -> None:
    """Each record that stream maps make has an outcome of its own, so that received is the sum of all outcomes."""
    maps = {"leads": {}, "copies": {"__source__": "leads", "id": "'copy-' + id"}}
    report = run({**generic_config, "stream_maps": maps}, [schema(), record(id="a", note="1")])
    assert sorted(emulator.leads["generic"]) == ["a", "copy-a"]
    assert (report.received, report.count(Outcome.DELIVERED), report.unsettled) == (2, 2, 0)


def test_12_an_unforeseen_error_settles_what_came_before(
    generic_config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """An error that no code foresaw ends the run after its records are settled and their STATE is printed."""

    def fail() -> None:
        raise ZeroDivisionError

    target = TargetLeads(config=generic_config)
    with pytest.raises(ZeroDivisionError):
        target.run(Tap([schema(), record(id="a", note="1"), state({"at": 1}), fail]))  # type: ignore[arg-type] # as above
    target.close(exit_status=1)
    assert capsys.readouterr().out == '{"at": 1}\n'


@pytest.mark.parametrize(
    ("stream_maps", "what"),
    [
        ({"__else__": "all"}, "Undefined transform for '__else__'"),
        ({"__other__": {}}, "Option '__other__:{}' is not expected"),
        ({"leads": "all"}, "Option 'leads:all' is not expected"),
        ({"leads": {"__else__": "all"}}, "Option '__else__=all' is not supported"),
        ({"leads": {"note": 5}}, "Unexpected type 'int'"),
        ({"leads": {"note": "1 +"}}, "Failed to parse expression 1 +"),
        ({"leads": {"note": ""}}, "string index out of range"),
        ({"leads": {"id": None}}, "Removing key property 'id' is not permitted"),
    ],
)
def test_12_stream_maps_that_cannot_be_are_a_wrong_setting(
    generic_config: dict[str, Any], emulator: Emulator, stream_maps: Any, what: str
) -> None:
    """Whatever is wrong with stream maps is told as a setting, at the latest when the stream's SCHEMA arrives."""
    with pytest.raises(SettingsError, match=f"stream_maps: {re.escape(what)}"):
        run({**generic_config, "stream_maps": stream_maps}, [schema(), record(id="a", note="1")])
    assert emulator.request_count == 0


def test_12_no_stream_maps_is_none(generic_config: dict[str, Any], emulator: Emulator) -> None:
    """A setting that is null is not set: the SDK's schema allows stream_maps to be that, and its mapper does not."""
    run({**generic_config, "stream_maps": None, "provider_field": None}, [schema(), record(id="a", note="1")])
    assert list(emulator.leads["generic"]) == ["a"]
