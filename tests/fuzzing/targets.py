"""What is fuzzed: each takes any bytes, and raises only where the program does what it must not.

An error that the program raises to say what is wrong is a clear outcome. Any other is a finding, and so is a request
that is not the one that was meant.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from target_leads.admission import Addressed, Admission
from target_leads.changes import Accepted, Fingerprints, after, reduced
from target_leads.delivery.classification import classify_items, classify_job, classify_read
from target_leads.delivery.http import HttpResponse
from target_leads.delivery.request_builder import job_request, update_request
from target_leads.exceptions import DefinitionError, SettingsError, TargetLeadsError
from target_leads.models import LeadUpdate, Outcome, Record, Settlement
from target_leads.providers import bundled, load_example, load_folder, load_responses
from target_leads.providers.account import Account, sandbox_config
from target_leads.reader import MessageReader
from target_leads.settings import Settings
from target_leads.store.rows import dead_letter_row, outcome_row, record_of
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_leads.providers import Definition

URL = "http://127.0.0.1:9/base"
STREAMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "coerced": {"coerce": True, "nulls": "send", "version_field": "version"},
    "strict": {"unknown_fields": "reject", "coerce": True},
}


def message(data: bytes) -> None:
    """A line of the input. What can be read as a record is mapped, checked and built into a request."""
    try:
        read = MessageReader().deserialize_json(data)
    except TargetLeadsError:
        return
    if isinstance(read.get("record"), dict):
        record(read["record"])


def record(fields: dict[str, Any]) -> None:
    """A record, for every provider, by every kind of stream."""
    for provider in bundled():
        for stream in STREAMS:
            _admit(provider, stream, fields)


def answer(data: bytes) -> None:
    """An answer of a provider: the status in three digits, headers in lines, an empty line, and the body."""
    head, _, body = data.partition(b"\n\n")
    first, *others = head.decode("latin-1").split("\n")
    status = int(first[:3]) if first[:3].isascii() and first[:3].isdigit() else 200
    headers = {name.lower(): value for name, separator, value in (line.partition(":") for line in others) if separator}
    got = HttpResponse(status=status, headers=headers, body=body, received_at=1_700_000_000.0)
    for provider, definition in bundled().items():
        update = _example_update(provider)
        whole, named = classify_items(got, definition, [update.lead_id])
        verdicts = [whole, *(named or {}).values(), classify_read(got, definition, update)]
        if definition.job is not None:
            verdicts.append(classify_job(got, definition.job, definition.rate_limits))
            if whole.job_id:
                _check_url(job_request(_account(provider), definition.job, whole.job_id).url)
        for verdict in verdicts:
            assert verdict.retry_after is None or 0 < verdict.retry_after < 1e9
            assert verdict.remaining_share is None or 0 <= verdict.remaining_share <= 1
            assert len(verdict.reason) < 300


def folder(data: bytes) -> None:
    """A provider folder: ``provider.json``, ``lead.schema.json``, a record and an answer, with NUL bytes between."""
    parts = [*data.split(b"\0"), b"", b"", b""][:4]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place)
        (path / "responses").mkdir()
        for name, content in zip(
            ("provider.json", "lead.schema.json", "example.json", "responses/one.json"), parts, strict=True
        ):
            (path / name).write_bytes(content)
        try:
            definition = load_folder(path)
        except DefinitionError as error:
            told = error.findings
        else:
            told = ()
            _use(definition)
        assert all(finding.startswith(str(path)) for finding in told)


def _use(definition: Definition) -> None:
    """Load the rest of a provider's folder, and send its example."""
    with contextlib.suppress(DefinitionError):
        load_responses(definition)
    try:
        example = load_example(definition)
    except DefinitionError:
        return
    account = Account.open(definition, sandbox_config(definition, {}, url=URL), concurrency=1)
    _admit(definition.name, "coerced", example, definitions={definition.name: definition}, account=account)


def run(data: bytes) -> None:
    """A whole input, in a run that sends nothing."""
    with tempfile.TemporaryDirectory() as place:
        config = {
            "provider": "perch",
            "providers": {"perch": {"api_key": "sandbox"}},
            "store_url": f"sqlite:///{place}/none.db",
            "streams": STREAMS,
            "reject_limit": "100%",
            "batch_size_rows": 2,
            "dry_run": True,
        }
        target = TargetLeads(config=config)
        try:
            target.run(io.BytesIO(data))
        except TargetLeadsError:
            pass
        finally:
            target.close(exit_status=1)
        report = target.report
        assert report is None or report.counts()["received"] == sum(report.counts()[each.value] for each in Outcome)


def configuration(data: bytes) -> None:
    """A file of settings."""
    with tempfile.TemporaryDirectory() as place:
        from target_leads.checkup import checkup  # noqa: PLC0415 -- imports half of the program

        path = Path(place) / "config.json"
        path.write_bytes(data)
        found = checkup([str(path)], connects=False)
        assert all(isinstance(finding, str) and finding for finding in found.findings)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "answer": answer,
    "folder": folder,
    "run": run,
    "configuration": configuration,
}


def seeds(target: str) -> list[bytes]:
    """What to begin with: the bundled providers' own files, and hostile values in their places."""
    records = [json.dumps(load_example(definition)).encode() for definition in bundled().values()]
    if target == "message":
        return [b'{"type": "RECORD", "stream": "plain", "record": ' + each + b"}" for each in records]
    if target == "answer":
        return [
            str(each.status).encode()
            + b"".join(f"\n{name}: {value}".encode() for name, value in each.headers.items())
            + b"\n\n"
            + each.body
            for definition in bundled().values()
            for each in load_responses(definition)
        ]
    if target == "run":
        schema = (
            b'{"type": "SCHEMA", "stream": "plain", "key_properties": ["id"], "schema": {"properties": {"id": {}}}}\n'
        )
        state = b'\n{"type": "STATE", "value": {"a": 1}}\n'
        return [schema + b'{"type": "RECORD", "stream": "plain", "record": ' + each + b"}" + state for each in records]
    if target == "configuration":
        accounts = {name: dict.fromkeys(definition.settings, "sandbox") for name, definition in bundled().items()}
        return [json.dumps({"provider": "perch", "providers": accounts, "streams": STREAMS}).encode()]
    return [
        b"\0".join(
            [
                json.dumps(json.loads(file.read_text(encoding="utf-8"))).encode()
                for file in (
                    *map(definition.folder.joinpath, ("provider.json", "lead.schema.json", "example.json")),
                    next(iter(definition.folder.joinpath("responses").iterdir())),
                )
            ]
        )
        for definition in bundled().values()
    ]


@functools.cache
def _account(provider: str) -> Account:
    definition = bundled()[provider]
    return Account.open(definition, sandbox_config(definition, {}, url=URL), concurrency=1)


@functools.cache
def _fingerprints() -> Fingerprints:
    return Fingerprints(secrets.token_bytes(32))


@functools.cache
def _admission(provider: str) -> Admission:
    admission = Admission(_settings(provider), bundled(), _account, _fingerprints())
    for stream in STREAMS:
        admission.open_stream(stream, columns=[], key_properties=[])
    return admission


def _settings(provider: str) -> Settings:
    return Settings.from_config({"provider": provider, "streams": STREAMS})


@functools.cache
def _example_update(provider: str) -> LeadUpdate:
    example = load_example(bundled()[provider])
    admission = _admission(provider)
    addressed = admission.address(Record(stream="plain", fields=example, original=example))
    assert isinstance(addressed, Addressed)
    update = admission.admit(addressed)
    assert isinstance(update, LeadUpdate)
    return update


def _admit(
    provider: str,
    stream: str,
    fields: dict[str, Any],
    definitions: dict[str, Any] | None = None,
    account: Account | None = None,
) -> None:
    if definitions is None or account is None:
        account, definition, admission = _account(provider), bundled()[provider], _admission(provider)
    else:
        opened = account
        definition = definitions[provider]
        admission = Admission(_settings(provider), definitions, lambda _: opened, _fingerprints())
        try:
            admission.open_stream(stream, columns=list(fields), key_properties=[])
        except SettingsError:
            return
    columns = {name: {} for name in fields}
    taken = Record(stream=stream, fields=fields, original=fields, tap_stream=stream, columns=columns)
    outcome: Addressed | LeadUpdate | Settlement = admission.address(taken)
    if isinstance(outcome, Addressed):
        outcome = admission.admit(outcome)
    if isinstance(outcome, Settlement):
        assert outcome.reason
        for value in (*outcome_row(outcome).values(), *dead_letter_row(outcome).values()):
            assert not isinstance(value, str) or (value.encode() is not None and "\0" not in value)
        record_of(dead_letter_row(outcome)["record"])
        return
    accepted = after(None, outcome, _fingerprints(), definition)
    assert reduced(outcome, accepted, _fingerprints(), definition) is None
    reduced(outcome, Accepted(fields={}), _fingerprints(), definition)
    request = update_request(account, [outcome])
    _check_url(request.url)
    if not definition.lead_id.body_field:
        segments = urlsplit(request.url).path.split("/")
        assert outcome.lead_id in map(unquote, segments)
    assert all(value.isprintable() for value in request.headers.values())
    json.loads(request.body, parse_constant=_no_constant, parse_float=str)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    assert url.startswith(f"{URL}/")
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert not parts.fragment
    assert not {".", ".."} & set(parts.path.split("/"))
    assert parts.hostname == "127.0.0.1"


def _no_constant(name: str) -> None:
    raise AssertionError(name)
