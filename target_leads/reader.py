"""Reads Singer messages. What cannot be read is named by its line number; its text is never shown."""

from __future__ import annotations

import json
import sys
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import IO, TYPE_CHECKING, Any

import msgspec
from jsonschema import Draft202012Validator
from singer_sdk.singerlib.encoding import GenericSingerReader

from target_leads.exceptions import InputError
from target_leads.redaction import broken_rules

if TYPE_CHECKING:
    from collections.abc import Callable


class MessageReader(GenericSingerReader[str]):
    """Reads lines until they end, or until it is told to stop."""

    def __init__(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Ask `should_stop` before each line."""
        super().__init__()
        self._should_stop = should_stop
        self.lines = 0
        """Read so far."""
        self.is_waiting = False
        """Whether it waits for the next line. Then a signal may interrupt it: nothing is lost."""

    @property
    def default_input(self) -> IO[str]:
        """Standard input, as it is when the run begins."""
        return sys.stdin

    def process_lines(
        self, file_input: IO[str] | IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Hand each message to the callback for its type; returns how many there were of each.

        Raises:
            InputError: a line is no Singer message. Everything before it was handed on.
        """
        # Bytes where they can be had: a line that is no UTF-8 is then found where it stands.
        source: Any = file_input or getattr(self.default_input, "buffer", self.default_input)
        if source is None:
            raise InputError("Standard input is closed. Pipe the messages of a tap into it, or give --input.")
        counts: Counter[str] = Counter()
        while True:
            self.is_waiting = True  # before it asks: a signal between asking and waiting would go unheard
            try:
                line = b"" if self._should_stop() else source.readline()
            except OSError as error:
                self.is_waiting = False
                place = f"The input after line {self.lines}"
                raise _unreadable(place, f"cannot be read: {error.strerror}") from None
            self.is_waiting = False
            if not line:
                break
            self.lines += 1
            if not line.isspace():
                message = self.deserialize_json(line)
                if message["type"] not in callbacks:
                    raise self.unreadable("has a type that is no Singer message type")
                callbacks[message["type"]](message)
                counts[message["type"]] += 1
        return counts

    def deserialize_json(self, line: str | bytes) -> dict[str, Any]:
        """One message. Decimals keep their digits.

        Raises:
            InputError: the line is no JSON object with a type, or not what its type asks for.
        """
        try:
            message = _parse(line)
        except _UnreadableError as malformed:
            raise self.unreadable(str(malformed)) from None
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str):
            raise self.unreadable("is no Singer message: it is no object with a type")
        if kind == "RECORD" and not ("record" in message and "stream" in message):
            self.assert_line_requires(message, {"record", "stream"})
        if not isinstance(message.get("record", {}), dict) or not isinstance(message.get("stream", ""), str):
            raise self.unreadable("is no Singer message: record must be an object and stream text")
        if kind == "STATE":
            self._check_numbers(line)
        if kind in _SHAPES:
            for error in _SHAPES[kind].iter_errors(message):
                raise self.unreadable(f"is no {kind} message: {next(broken_rules(error))}")
        return message  # type: ignore[no-any-return] # mypy does not see that it is an object

    def parse_record(self, line: bytes, place: str) -> dict[str, Any]:
        """One record of a batch file, which holds records and not messages. `place` says which, for people.

        Raises:
            InputError: the line is no JSON object.
        """
        try:
            record = _parse(line)
        except _UnreadableError as error:
            raise _unreadable(place, str(error)) from None
        if not isinstance(record, dict):
            raise _unreadable(place, "is no record: it is no object")
        return record

    def assert_line_requires(self, line_dict: dict[str, Any], requires: set[str]) -> None:  # type: ignore[override] # static upstream; this one knows the line
        """Check that a message has these keys.

        Raises:
            InputError: one is missing.
        """
        if missing := requires - line_dict.keys():
            raise self.unreadable(f"lacks {', '.join(sorted(missing))}")

    def _check_numbers(self, line: str | bytes) -> None:
        """Refuse a STATE with a number that cannot be kept: printed in another form, it would spoil the bookmark."""
        try:
            json.loads(line, parse_float=Decimal)
        except (InvalidOperation, ValueError):
            raise self.unreadable("is a STATE with a number beyond any range") from None

    def unreadable(self, what: str) -> InputError:
        """What is wrong with the line that was read last."""
        return _unreadable(self._place, what)

    @property
    def _place(self) -> str:
        return f"Line {self.lines} of the input"


_SHAPES = {
    "SCHEMA": Draft202012Validator(
        {
            "required": ["stream", "schema"],
            "properties": {
                "schema": {
                    "type": "object",
                    "required": ["properties"],
                    "properties": {"properties": {"type": "object", "additionalProperties": {"type": "object"}}},
                },
                "key_properties": {"type": ["array", "null"], "items": {"type": "string"}},
            },
        }
    ),
    "BATCH": Draft202012Validator(
        {
            "required": ["stream", "encoding", "manifest"],
            "properties": {
                "encoding": {"type": "object"},
                "manifest": {"type": "array", "items": {"type": "string"}},
            },
        }
    ),
}


class _UnreadableError(ValueError):
    """What is wrong with a line that is no JSON, in words that follow its place."""


def _parse(line: str | bytes) -> Any:  # noqa: ANN401 -- any JSON
    """Any JSON as Python reads it. msgspec reads the same four times as fast; what it does not read is read again."""
    try:
        return _QUICK_DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError, InvalidOperation):
        return _parse_all(line)


def _parse_all(line: str | bytes) -> Any:  # noqa: ANN401 -- any JSON
    """What msgspec does not read: half a surrogate pair, NaN, a number beyond its bounds; and what is wrong, where."""
    try:
        text = line if isinstance(line, str) else line.decode(errors="surrogatepass")
        try:
            return _DECODER.decode(text.removeprefix("\ufeff"))
        except json.JSONDecodeError:
            raise
        except ValueError:  # a whole number with more digits than Python reads
            return _DECODER_OF_ANY_NUMBER.decode(text.removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"is not UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise _UnreadableError(f"is no JSON at column {error.pos + 1}") from None
    except RecursionError:
        raise _UnreadableError("is nested too deeply to be read") from None


def _whole(text: str) -> int | Decimal:
    """A whole number; one with too many digits is no number, as below."""
    try:
        return int(text)
    except ValueError:
        return Decimal("NaN")


def _decimal(text: str) -> Decimal:
    """A decimal with its digits; one with an exponent beyond any decimal is no number, which costs its record only."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


_QUICK_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_DECODER = json.JSONDecoder(parse_float=_decimal, parse_constant=Decimal)
_DECODER_OF_ANY_NUMBER = json.JSONDecoder(parse_float=_decimal, parse_constant=Decimal, parse_int=_whole)


def _unreadable(place: str, what: str) -> InputError:
    return InputError(f"{place} {what}. What came before it is settled. Mend the tap or the file, then run again.")
