"""A sink opens its stream: the provider is settled, and what will not be sent is told once."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import SettingsError
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Iterator


def schema(*columns: str, stream: str = "leads") -> dict[str, Any]:
    """A SCHEMA message, as new as if it were read from a line."""
    properties = {name: {"type": "string"} for name in ("id", "first_name", *columns)}
    return {"type": "SCHEMA", "stream": stream, "key_properties": ["id"], "schema": {"properties": properties}}


@pytest.fixture
def target() -> Iterator[TargetLeads]:
    """A target whose stream leads goes to a provider that knows its fields."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    provider = "propexo_entrata"
    config = {"streams": {"leads": {"provider": provider}}, "providers": {provider: {"api_token": "token"}}}
    target = TargetLeads(config=config)
    yield target
    target.close(exit_status=0)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings that were logged."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_fields_that_are_not_sent_are_told_once(target: TargetLeads, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, when the SCHEMA arrives, names the columns that the provider does not know, and the remedy.

    The same SCHEMA may come again and again: that is no new stream.
    """
    for _ in range(3):
        target._process_schema_message(schema("shoe_size", "_sdc_batched_at", "hat", "_sdc_deleted_at"))
    (warning,) = warnings(caplog)
    assert warning == (
        "Stream leads: these fields are not sent, as the provider has none of their names: shoe_size, hat. "
        "Map them with streams.leads.fields."
    )


def test_a_stream_that_is_known_altogether_is_no_warning(target: TargetLeads, caplog: pytest.LogCaptureFixture) -> None:
    """A stream in the provider's own words has nothing to warn of."""
    target._process_schema_message(schema())
    assert warnings(caplog) == []


def test_a_stream_without_a_provider_is_refused(target: TargetLeads) -> None:
    """Where nothing says which provider a stream goes to, its SCHEMA is the place to say so."""
    with pytest.raises(SettingsError, match=r"^streams\.others\.provider: no setting says which provider"):
        target._process_schema_message(schema(stream="others"))
