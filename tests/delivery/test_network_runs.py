"""Whole runs, and checks, where certificate, proxy or provider are not as they should be."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time as system_time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.conftest import OWN_PROVIDERS, Ended
from tests.delivery.proxy import Proxy, tunnelling

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from tests.delivery.conftest import Seen, Server

pytestmark = pytest.mark.slow  # each is some runs in processes of their own
PARTNER = "https://partner.example.com/v1"
TOKEN, PASSWORD = "tok-4711", "pass-0815"
VALUES = ("Lovelace", TOKEN, PASSWORD)
NOT_VALID = "the host's TLS certificate or handshake is not valid"


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's own environment says of proxies and certificates is none of the tests' business."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def do() -> Callable[..., Ended]:
    """Does a command with the provider at a URL, and with three leads as its input if it is a run."""

    def with_settings(base_url: str, *arguments: str, **more: Any) -> Ended:
        provider = {"token": TOKEN, "base_url": base_url}
        config = {"provider": "generic", "provider_paths": [str(OWN_PROVIDERS)], "max_tries": 1, "concurrency": 1}
        Path("config.json").write_text(json.dumps({**config, "providers": {"generic": provider}, **more}), "utf-8")
        names = {name: {"type": "string"} for name in ("id", "lastName")}
        messages: list[dict[str, Any]] = [
            {"type": "SCHEMA", "stream": "leads", "schema": {"properties": names}, "key_properties": ["id"]}
        ]
        messages += [
            {"type": "RECORD", "stream": "leads", "record": {"id": each, "lastName": "Lovelace"}} for each in "abc"
        ]
        messages.append({"type": "STATE", "value": {"at": 3}})
        Path("leads.jsonl").write_text("".join(f"{json.dumps(message)}\n" for message in messages), "utf-8")
        command = [sys.executable, "-m", "target_leads", *(arguments or ("--input", "leads.jsonl"))]
        ended = subprocess.run(
            [*command, "--config", "config.json"], capture_output=True, text=True, check=False, timeout=60
        )
        assert not [value for value in VALUES if value in ended.stdout + ended.stderr]
        return Ended(status=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)

    return with_settings


def test_a_certificate_that_is_not_valid(
    *,
    do: Callable[..., Ended],
    serve: Callable[..., Server],
    tls: Callable[..., ssl.SSLContext],
    authority_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run ends with 75, as it may be renewed in an hour, and `check` with 2; nothing is sent and nothing is lost."""
    server = serve(tls=tls(signed_by=trustme.CA()))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    ended = do(server.url)
    assert (ended.status, ended.stdout) == (75, "")
    assert ended.stderr.splitlines()[-1] == (
        f"generic lets no update through ({NOT_VALID}: unable to get local issuer certificate, 1 attempt each). "
        "Nothing is lost: see that REQUESTS_CA_BUNDLE is right, or run again later, and the rest is sent then."
    )
    checked = do(server.url, "check", "--format", "json")
    assert checked.status == 2
    (finding,) = json.loads(checked.stdout)["findings"]
    assert finding == (
        f"generic: {server.url} is not reached: {NOT_VALID}: unable to get local issuer certificate. "
        "See that REQUESTS_CA_BUNDLE is right."
    )
    assert server.seen == []


def test_a_certificate_that_the_environment_trusts(
    *,
    do: Callable[..., Ended],
    serve: Callable[..., Server],
    tls: Callable[..., ssl.SSLContext],
    authority_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run goes as any other, and `check` has reached the host."""
    server = serve(tls=tls())
    monkeypatch.setenv("SSL_CERT_FILE", authority_file)
    checked = do(server.url, "check", "--format", "json")
    assert json.loads(checked.stdout)["providers"][0]["connection"] == "reached"
    assert server.seen == []
    ended = do(server.url)
    assert (ended.status, ended.stdout, len(server.seen)) == (0, '{"at": 3}\n', 3)


@pytest.mark.parametrize(
    ("variable", "value"), [("REQUESTS_CA_BUNDLE", "missing.pem"), ("HTTPS_PROXY", f"ftp://{PASSWORD}@")]
)
def test_an_environment_that_cannot_be_used(
    variable: str,
    value: str,
    do: Callable[..., Ended],
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the configuration's fault: status 2, with the variable's name, before anything is sent."""
    assert do(serve(lambda _: 422).url).status == 3
    monkeypatch.setenv(variable, value)
    for arguments in [(), ("--dry-run", "--input", "leads.jsonl"), ("dead-letters", "replay"), ("check",)]:
        ended = do(PARTNER, *arguments)
        assert ended.status == 2, arguments
        assert f"{variable}: " in ended.stdout + ended.stderr


def test_the_sandbox_needs_nothing_of_the_environment(
    do: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on this machine, and speaks plain HTTP."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "missing.pem")
    monkeypatch.setenv("ALL_PROXY", "http://")
    ended = do(PARTNER, sandbox=True)
    assert (ended.status, ended.stdout) == (0, '{"at": 3}\n')


@pytest.mark.parametrize("status", [200, 407])
def test_a_proxy_with_a_password(
    *,
    status: int,
    do: Callable[..., Ended],
    serve: Callable[..., Server],
    serve_raw: Callable[..., str],
    tls: Callable[..., ssl.SSLContext],
    authority_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It stands in no line, at debug level neither, whether the proxy takes it or not; a refusal is told."""
    server, proxy = serve(tls=tls("partner.example.com")), Proxy(url="")
    answer = f"HTTP/1.1 {status} Lovelace\r\n\r\n".encode()
    proxy.url = serve_raw(tunnelling(proxy, {"partner.example.com:443": server.url}, answer=answer), reads=False)
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", f"//ada:{PASSWORD}@"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    monkeypatch.setenv("TARGET_LEADS_LOGLEVEL", "DEBUG")
    checked = do(PARTNER, "check", "--format", "json")
    ended = do(PARTNER)
    assert "| DEBUG" in ended.stderr
    connection = json.loads(checked.stdout)["providers"][0]["connection"]
    if status == 200:
        assert (checked.status, connection) == (0, "reached")
        assert (ended.status, ended.stdout, len(server.seen)) == (0, '{"at": 3}\n', 3)
    else:
        assert (checked.status, connection) == (2, "the proxy refuses with status 407")
        assert (ended.status, ended.stdout, len(server.seen)) == (75, "", 0)
        assert ended.stderr.splitlines()[-1] == (
            "generic lets no update through (the proxy refuses with status 407, 1 attempt each). "
            "Nothing is lost: see that https_proxy is right, or run again later, and the rest is sent then."
        )
    assert not [line for lines in proxy.asked for line in lines if TOKEN.encode() in line]


def test_a_provider_that_drips_holds_no_run(do: Callable[..., Ended], serve_raw: Callable[..., str]) -> None:
    """Each attempt ends with its time-out, and the run with 75; no lead is blamed."""
    over = threading.Event()

    def treat(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.05):
            connection.sendall(b"x: y\r\n")

    began_at = system_time.monotonic()
    ended = do(serve_raw(treat), request_timeout_seconds=0.3)
    seconds = system_time.monotonic() - began_at
    over.set()
    assert (ended.status, ended.stdout) == (75, "")
    assert "(no answer within the time-out, 1 attempt each)" in ended.stderr.splitlines()[-1]
    assert seconds < 10


def test_a_lead_whose_answer_never_ends_costs_only_itself(
    do: Callable[..., Ended], serve: Callable[..., Server], reply: Callable[..., Any]
) -> None:
    """While the others are delivered it has failed, and is a dead letter; STATE covers it."""

    def answer(seen: Seen) -> Any:
        return reply(200, {}, bytes(3 << 20)) if seen.path.endswith("/a") else 200

    ended = do(serve(answer).url)
    assert (ended.status, ended.stdout) == (0, '{"at": 3}\n')
    assert "1 × generic failed: the answer is too long to be one (lead a)" in ended.stderr
