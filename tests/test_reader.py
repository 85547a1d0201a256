"""The reader hands on what is a Singer message, and says which line is none."""

from __future__ import annotations

import errno
import io
import json
import os
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.exceptions import InputError
from target_leads.reader import MessageReader

RECORD = b'{"type": "RECORD", "stream": "leads", "record": {"id": "a"}}\n'
STATE = b'{"type": "STATE", "value": {"at": 1}}\n'


def read(text: bytes, reader: MessageReader | None = None) -> list[dict[str, Any]]:
    """The messages in a text, as they are handed on."""
    messages: list[dict[str, Any]] = []
    callbacks = dict.fromkeys(("BATCH", "RECORD", "SCHEMA", "STATE"), messages.append)
    (reader or MessageReader()).process_lines(io.BytesIO(text), callbacks)
    return messages


def test_messages_are_handed_on_in_order() -> None:
    """Each message reaches the callback for its type, in the order of the lines, and the types are counted."""
    messages: list[dict[str, Any]] = []
    callbacks = {"RECORD": messages.append, "STATE": messages.append}
    counts = MessageReader().process_lines(io.BytesIO(RECORD + STATE + RECORD), callbacks)
    assert messages == [json.loads(line) for line in (RECORD, STATE, RECORD)]
    assert counts == {"RECORD": 2, "STATE": 1}


def test_text_is_read_like_bytes() -> None:
    """The SDK's own tests give text; a line of it is a message as well."""
    messages: list[dict[str, Any]] = []
    MessageReader().process_lines(io.StringIO(RECORD.decode()), {"RECORD": messages.append})
    assert messages == [json.loads(RECORD)]


def test_the_last_line_needs_no_end() -> None:
    """A file that does not end with a line break is read to its end."""
    assert read(RECORD + STATE.rstrip()) == [json.loads(RECORD), json.loads(STATE)]


@pytest.mark.parametrize("digits", ["1.10", "-0.0", "1e2", "0.1000000000000000055511151231257827021181583404541015625"])
def test_decimals_keep_their_digits(digits: str) -> None:
    """A number with a point or an exponent is a decimal with all of its digits."""
    (message,) = read(b'{"type": "STATE", "value": %s}\n' % digits.encode())
    assert message["value"] == Decimal(digits)
    assert isinstance(message["value"], Decimal)


def test_whole_numbers_are_no_decimals() -> None:
    """An id that is a whole number stays one, however long."""
    (message,) = read(b'{"type": "STATE", "value": 12345678901234567890}\n')
    assert type(message["value"]) is int


_WRONG_SHAPE = "is no Singer message: record must be an object and stream text"
UNREADABLE = [
    (b'{"type": "STATE", "value": }', "is no JSON at column 28"),
    (b'{"type": "STATE", "value": {"at": 1', "is no JSON at column 37"),
    (b'{"type": "STATE", "value": "\xff"}', "is not UTF-8 at byte 29"),
    (b'{"type": "STATE", "value": ' + b"[" * 100_000, "is nested too deeply to be read"),
    (b'{"type": "STATE", "value": ' + b"1" * 5_000 + b"}", "is a STATE with a number beyond any range"),
    (b"null", "is no Singer message: it is no object with a type"),
    (b'{"type": 1}', "is no Singer message: it is no object with a type"),
    (
        b'{"type": "RECORD", "stream": 1, "record": {}}',
        "is no Singer message: record must be an object and stream text",
    ),
    (
        b'{"type": "RECORD", "stream": "a", "record": []}',
        "is no Singer message: record must be an object and stream text",
    ),
    (b'{"type": "LEAD"}', "has a type that is no Singer message type"),
    (b'{"type": "SCHEMA", "stream": "a"}', "is no SCHEMA message: $.schema is required"),
    (b'{"type": "SCHEMA", "schema": {"properties": {}}}', "is no SCHEMA message: $.stream is required"),
    (b'{"type": "SCHEMA", "stream": "a", "schema": {}}', "is no SCHEMA message: $.schema.properties is required"),
    (
        b'{"type": "SCHEMA", "stream": "a", "schema": {"properties": {"id": 1}}}',
        "is no SCHEMA message: $.schema.properties.id must be of type object",
    ),
    (
        b'{"type": "SCHEMA", "stream": "a", "schema": {"properties": {}}, "key_properties": "id"}',
        "is no SCHEMA message: $.key_properties must be of type array or null",
    ),
    (
        b'{"type": "BATCH", "stream": "a", "encoding": {}, "manifest": "f"}',
        "is no BATCH message: $.manifest must be of type array",
    ),
]


@pytest.mark.parametrize(("line", "what"), UNREADABLE)
def test_a_line_that_is_no_message_is_named(line: bytes, what: str) -> None:
    """The error says which line it is and what is wrong with it, and what to do; blank lines count."""
    messages: list[dict[str, Any]] = []
    text = RECORD + b"\n  \r\n" + line + b"\n" + STATE
    with pytest.raises(InputError) as ended:
        MessageReader().process_lines(io.BytesIO(text), dict.fromkeys(("BATCH", "RECORD", "SCHEMA"), messages.append))
    advice = "What came before it is settled. Mend the tap or the file, then run again."
    assert str(ended.value) == f"Line 4 of the input {what}. {advice}"
    assert messages == [json.loads(RECORD)]


def test_a_missing_key_is_named() -> None:
    """A message that lacks what its type asks for is named by its line, with the names of what is missing."""
    reader = MessageReader()
    read(STATE * 3, reader)
    with pytest.raises(InputError, match=r"^Line 3 of the input lacks record, stream\. "):
        reader.assert_line_requires({"type": "RECORD"}, requires={"stream", "record", "type"})


def test_it_stops_when_told() -> None:
    """Once it is told to stop it takes no further line: that stays where it is."""
    stops = iter([False, False, True])
    source = io.BytesIO(RECORD + STATE + RECORD)
    messages: list[dict[str, Any]] = []
    reader = MessageReader(should_stop=lambda: next(stops))
    reader.process_lines(source, {"RECORD": messages.append, "STATE": messages.append})
    assert len(messages) == 2
    assert source.read() == RECORD


def test_it_waits_only_while_a_line_is_read() -> None:
    """A signal may interrupt the question whether to stop and the reading of a line, not the handling of a message."""
    waiting: list[bool] = []

    def should_stop() -> bool:
        waiting.append(reader.is_waiting)
        return False

    reader = MessageReader(should_stop=should_stop)

    class Source(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            waiting.append(reader.is_waiting)
            return super().readline(size)

    assert not reader.is_waiting
    reader.process_lines(Source(RECORD), {"RECORD": lambda _: waiting.append(reader.is_waiting)})
    assert waiting == [True, True, False, True, True]
    assert not reader.is_waiting


def test_a_record_of_a_batch_file_is_an_object() -> None:
    """A line of a batch file is named by the place that the caller gives it, as it stands in no message."""
    reader = MessageReader()
    assert reader.parse_record(b'{"id": 1.50}', "Line 1") == {"id": Decimal("1.50")}
    for line, what in ((b"[1]", "is no record: it is no object"), (b"{", "is no JSON at column 2")):
        with pytest.raises(InputError) as ended:
            reader.parse_record(line, "Line 7 of the batch file f.jsonl")
        assert str(ended.value).startswith(f"Line 7 of the batch file f.jsonl {what}. ")


def test_an_input_that_breaks_off_is_told() -> None:
    """A disk or a pipe that fails in the middle is an input that cannot be read: the error says where, and why."""

    class Source(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            if not line:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return line

    with pytest.raises(
        InputError, match=r"^The input after line 2 cannot be read: Input/output error\. What came before"
    ):
        MessageReader().process_lines(Source(STATE * 2), {"STATE": lambda _: None})


_NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(min_value=2**63 - 2).map(lambda number: f"-{number}"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    st.sampled_from(["-0", "-0.0", "1E400", "-1e-400", "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1"]),
)
_ESCAPES = st.sampled_from(
    ["\\ud83d\\ude00", "\\ud83d", "\\ude00\\ud83d", "\\u0000", "\\/", "\\x", "\\", "\0", "\t", "\n"]
)
_SIGNS = st.one_of(_ESCAPES, st.characters(exclude_characters='"\\'))
_TEXTS = st.lists(_SIGNS, max_size=5).map(lambda signs: f'"{"".join(signs)}"')
_SPACES = st.sampled_from(["", " ", "\t", "\r", "\f", "\ufeff", "\u00a0"])
_VALUES = st.recursive(
    st.one_of(_NUMBERS, _TEXTS, st.sampled_from(["true", "false", "null", "nul", "True", ""])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(_TEXTS, _SPACES, inner), max_size=4).map(
            lambda items: f"{{{','.join(f'{name}{space}:{value}' for name, space, value in items)}}}"
        ),
    ),
    max_leaves=8,
)


@given(_SPACES, _TEXTS, _VALUES, _SPACES)
def test_a_record_is_what_python_reads(before: str, name: str, value: str, after: str) -> None:
    """Msgspec reads most lines and the standard library the others: what is read is what that alone would read."""
    text = f"{before}{{{name}:{value}}}{after}"
    try:
        expected = json.loads(text.removeprefix("\ufeff"), parse_float=Decimal, parse_constant=Decimal)
    except json.JSONDecodeError:
        with pytest.raises(InputError, match="is no JSON at column"):
            MessageReader().parse_record(text.encode(errors="surrogatepass"), "Line 1")
    else:
        read = MessageReader().parse_record(text.encode(errors="surrogatepass"), "Line 1")
        assert repr(read) == repr(expected)
