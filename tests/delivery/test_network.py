"""The way to a host: its certificate, those that are trusted, the proxy between, and why there may be none."""

from __future__ import annotations

import base64
import datetime
import ssl
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from target_leads.delivery.http import Failure, HttpResponse
from target_leads.delivery.network import Unreachable, network_findings
from target_leads.delivery.request_builder import update_request
from target_leads.exceptions import SettingsError
from tests.delivery.proxy import Proxy, socks5, tunnelling

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from target_leads.delivery import Transport
    from target_leads.delivery.http import Answer
    from target_leads.models import LeadUpdate
    from target_leads.providers.account import Account
    from tests.delivery.conftest import Server

PARTNER = "https://partner.example.com/v1"
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
NOT_VALID = "the host's TLS certificate or handshake is not valid: "


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's own environment says of proxies and certificates is none of the tests' business."""
    for name in (*CERTIFICATES, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch, authority_file: str) -> None:
    """The tests' own authority is trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)


@pytest.fixture
def send(
    account: Callable[..., Account], transport: Callable[..., Transport], update: Callable[..., LeadUpdate]
) -> Callable[..., Answer]:
    """Sends one update to a URL over a transport of its own."""

    def send_one(base_url: str, *, timeout_seconds: float = 5) -> Answer:
        target = account(base_url)
        return transport(target, timeout_seconds=timeout_seconds).send(update_request(target, [update()]))

    return send_one


@pytest.fixture
def reach(account: Callable[..., Account], transport: Callable[..., Transport]) -> Callable[..., Unreachable | None]:
    """Connects to a URL, and says why that did not work."""

    def reach_one(base_url: str, *, timeout_seconds: float = 5) -> Unreachable | None:
        return transport(account(base_url), timeout_seconds=timeout_seconds).reach()

    return reach_one


@pytest.mark.parametrize("variable", CERTIFICATES)
def test_trusts_the_certificates_of_the_environment(
    *,
    variable: str,
    serve: Callable[..., Server],
    send: Callable[..., Answer],
    tls: Callable[..., ssl.SSLContext],
    authority_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An authority that the environment names is trusted, and no other: its certificate alone makes the difference."""
    server = serve(tls=tls())
    assert isinstance(send(server.url), Failure)
    assert server.seen == []
    monkeypatch.setenv(variable, authority_file)
    assert isinstance(send(server.url), HttpResponse)
    assert len(server.seen) == 1


def test_the_first_variable_counts(authority_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REQUESTS_CA_BUNDLE goes before CURL_CA_BUNDLE, and that before SSL_CERT_FILE; an empty one is none."""
    for name in CERTIFICATES:
        monkeypatch.setenv(name, str(tmp_path / name))
        assert network_findings([])[0].startswith(CERTIFICATES[0])
    monkeypatch.setenv(CERTIFICATES[0], "")
    assert network_findings([])[0].startswith(CERTIFICATES[1])
    monkeypatch.setenv(CERTIFICATES[1], authority_file)
    assert network_findings([]) == []


def test_trusts_a_folder_of_certificates(
    *,
    serve: Callable[..., Server],
    send: Callable[..., Answer],
    tls: Callable[..., ssl.SSLContext],
    authority_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where each file has the name by which OpenSSL looks for it; any other file counts for nothing."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "authority.pem").write_text(Path(authority_file).read_text("utf-8"), "utf-8")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))
    server = serve(tls=tls())
    finding = (
        f"REQUESTS_CA_BUNDLE: {folder} is a folder without certificates under their hashes. Make them with "
        "openssl rehash, name a file with certificates in PEM form, or unset the variable."
    )
    assert network_findings([]) == [finding]
    with pytest.raises(SettingsError, match=r"^REQUESTS_CA_BUNDLE: .* is a folder without certificates"):
        send(server.url)
    subprocess.run(["openssl", "rehash", str(folder)], check=True)  # noqa: S607 -- wherever it is installed
    assert isinstance(send(server.url), HttpResponse)
    assert network_findings([]) == []


MISSING = "there is no file {}. Name one with certificates in PEM form, or unset the variable."
NONE_IN_IT = "{} holds no certificates in PEM form. Name a file that does, or unset the variable."


@pytest.mark.parametrize("variable", CERTIFICATES)
@pytest.mark.parametrize(("content", "finding"), [(None, MISSING), ("", NONE_IN_IT), ("garbage", NONE_IN_IT)])
def test_certificates_that_cannot_be_used(
    *,
    variable: str,
    content: str | None,
    finding: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    account: Callable[..., Account],
    transport: Callable[..., Transport],
) -> None:
    """They are the configuration's fault: told with the variable's name, and no transport is opened."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content, "utf-8")
    monkeypatch.setenv(variable, str(path))
    expected = f"{variable}: {finding.format(path)}"
    assert network_findings([]) == [expected]
    with pytest.raises(SettingsError) as raised:
        transport(account(PARTNER))
    assert raised.value.findings == (expected,)


def test_a_file_that_is_part_garbage_cannot_be_used(
    authority_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is broken in the middle is not left out in silence."""
    path, good = tmp_path / "bundle.pem", Path(authority_file).read_text("utf-8")
    path.write_text(good + good.replace("\n", "\n-", 1), "utf-8")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    assert network_findings([]) == [f"REQUESTS_CA_BUNDLE: {NONE_IN_IT.format(path)}"]


@pytest.fixture
def old_tls(tls: Callable[..., ssl.SSLContext]) -> ssl.SSLContext:
    """What a server's handshakes go by that knows nothing newer than TLS 1.1."""
    context = tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def _yesterday() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)


def _certificate(tls: Callable[..., ssl.SSLContext], what: str) -> ssl.SSLContext:
    if what == "of nobody":
        return tls(signed_by=trustme.CA())
    if what == "of another host":
        return tls("partner.example.com")
    return tls(not_after=_yesterday())


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("of nobody", "unable to get local issuer certificate"),
        ("of another host", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("expired", "certificate has expired"),
    ],
)
@pytest.mark.usefixtures("trusting")
def test_a_certificate_that_is_not_valid_gets_no_request(
    *,
    what: str,
    words: str,
    serve: Callable[..., Server],
    send: Callable[..., Answer],
    reach: Callable[..., Unreachable | None],
    tls: Callable[..., ssl.SSLContext],
) -> None:
    """Somebody unknown has signed it, or it is for another host, or its time is over: no byte goes there."""
    server = serve(tls=_certificate(tls, what))
    see_to = "REQUESTS_CA_BUNDLE" if what == "of nobody" else ""
    assert send(server.url) == Failure(reason=NOT_VALID + words, see_to=see_to, unsent=True)
    assert reach(server.url) == Unreachable(reason=NOT_VALID + words, may_pass=False, see_to=see_to)
    assert server.seen == []


@pytest.mark.usefixtures("trusting")
def test_a_certificate_that_signed_itself_gets_no_request(
    serve: Callable[..., Server], send: Callable[..., Answer], authority: trustme.CA, tmp_path: Path
) -> None:
    """Even that of an authority that is trusted is no certificate of this host."""
    own = trustme.CA()
    (tmp_path / "own.pem").write_bytes(own.cert_pem.bytes() + own.private_key_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    server = serve(tls=context)
    answer = send(server.url)
    assert isinstance(answer, Failure)
    assert answer.reason.startswith(f"{NOT_VALID}self")
    assert (server.seen, own is authority) == ([], False)


@pytest.mark.usefixtures("trusting")
def test_a_host_with_nothing_newer_than_tls_1_1(
    serve: Callable[..., Server], send: Callable[..., Answer], old_tls: ssl.SSLContext
) -> None:
    """Nobody speaks with it, and its certificate is not to blame."""
    server = serve(tls=old_tls)
    assert send(server.url) == Failure(reason=f"{NOT_VALID}it offers nothing newer than TLS 1.1", unsent=True)
    assert server.seen == []


def test_a_host_that_speaks_no_tls(serve: Callable[..., Server], send: Callable[..., Answer]) -> None:
    """A server of plain HTTP behind an https URL gets no request."""
    server = serve()
    assert send(server.url.replace("http:", "https:")) == Failure(
        reason=f"{NOT_VALID}what answers there speaks no TLS", unsent=True
    )
    assert server.seen == []


def test_a_host_that_hangs_up_in_the_handshake(serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """Nothing was sent, so nothing may have arrived."""
    answer = send(serve_raw(lambda _: None, reads=False).replace("http:", "https:"))
    assert isinstance(answer, Failure)
    assert not answer.may_have_arrived


@pytest.mark.parametrize("drip", [b"", b"\x16\x03\x03\x40\x00"[:1]])
def test_a_handshake_has_one_time_out(drip: bytes, serve_raw: Callable[..., str], send: Callable[..., Answer]) -> None:
    """A server that says nothing, or a byte now and then, holds nobody. Nothing was sent, so nothing has arrived."""
    over = threading.Event()

    def treat(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16,384 bytes
        while not over.wait(0.05):
            connection.sendall(drip)

    answer = send(serve_raw(treat, reads=False).replace("http:", "https:"), timeout_seconds=0.3)
    over.set()
    assert answer == Failure(reason="no connection to the host within the time-out", timed_out=True, unsent=True)


@pytest.mark.parametrize(
    ("base_url", "reason", "may_pass"),
    [
        ("", "the host takes no connection", True),
        ("https://nobody.invalid", "the host's name is not known", True),
        ("https://a..b", "the base URL cannot be used", False),
        (f"https://{'a' * 64}.example.com", "the base URL cannot be used", False),
    ],
)
def test_why_a_host_is_not_reached(
    *,
    base_url: str,
    reason: str,
    may_pass: object,
    reach: Callable[..., Unreachable | None],
    send: Callable[..., Answer],
    nobody: str,
) -> None:
    """What may be otherwise in an hour is told from what somebody has to mend. No base URL makes a worker raise."""
    assert reach(base_url or nobody) == Unreachable(reason=reason, may_pass=bool(may_pass))
    assert send(base_url or nobody) == Failure(reason=reason, unsent=True)


def test_reaches_a_host_without_a_request(
    serve: Callable[..., Server], reach: Callable[..., Unreachable | None]
) -> None:
    """A connection that works is all there is to know; the host hears nothing on it."""
    server = serve()
    assert reach(server.url) is None
    assert server.seen == []


@pytest.fixture
def partner(serve: Callable[..., Server], tls: Callable[..., ssl.SSLContext]) -> Server:
    """A provider behind a proxy, which alone knows where it is."""
    return serve(tls=tls("partner.example.com"))


@pytest.fixture
def proxy(serve_raw: Callable[..., str], partner: Server) -> Callable[..., Proxy]:
    """Starts proxies that lead to the provider."""

    def start(tls: ssl.SSLContext | None = None, **options: Any) -> Proxy:
        started = Proxy(url="")
        started.url = serve_raw(
            tunnelling(started, {"partner.example.com:443": partner.url}, **options), tls, reads=False
        )
        return started

    return start


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.usefixtures("trusting")
def test_goes_through_the_proxy_of_the_environment(
    *,
    variable: str,
    proxy: Callable[..., Proxy],
    partner: Server,
    send: Callable[..., Answer],
    reach: Callable[..., Unreachable | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked for a tunnel, and sees nothing of what goes through; the handshake is with the host at its end."""
    started = proxy()
    monkeypatch.setenv(variable, started.url.removeprefix("http://") if variable.isupper() else started.url)
    assert reach(PARTNER) is None
    assert partner.seen == []
    assert isinstance(send(PARTNER), HttpResponse)

    (seen,) = partner.seen
    assert (seen.path, seen.headers["host"]) == ("/v1/leads/L1", "partner.example.com")
    assert seen.headers["authorization"] == "Bearer tok-4711"
    assert [lines[0].split()[:2] for lines in started.asked] == [[b"CONNECT", b"partner.example.com:443"]] * 2
    assert b"tok-4711" not in started.passed + b"".join(b"".join(lines) for lines in started.asked)


@pytest.mark.usefixtures("trusting")
def test_requests_share_a_tunnel(
    proxy: Callable[..., Proxy],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tunnel is kept as any connection is."""
    started = proxy()
    monkeypatch.setenv("https_proxy", started.url)
    target = account(PARTNER)
    kept = transport(target)
    for _ in range(3):
        assert isinstance(kept.send(update_request(target, [update()])), HttpResponse)
    assert len(started.asked) == 1


@pytest.mark.usefixtures("trusting")
def test_a_proxy_may_have_a_certificate_too(
    *,
    proxy: Callable[..., Proxy],
    tls: Callable[..., ssl.SSLContext],
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    update: Callable[..., LeadUpdate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy at an https URL has to show one that is trusted; one handshake goes through the other."""
    started = proxy(tls("127.0.0.1"))
    monkeypatch.setenv("https_proxy", started.url)
    target = account(PARTNER)
    kept = transport(target)
    for _ in range(2):
        assert isinstance(kept.send(update_request(target, [update()])), HttpResponse)
    assert len(started.asked) == 1

    monkeypatch.setenv("https_proxy", proxy(tls("elsewhere.example.com")).url)
    answer = transport(target).send(update_request(target, [update()]))
    assert isinstance(answer, Failure)
    assert answer.reason.startswith("the proxy's TLS certificate or handshake is not valid: IP address mismatch")


@pytest.mark.parametrize("what", ["handshake", "answer"])
@pytest.mark.usefixtures("trusting")
def test_a_proxy_with_a_certificate_that_stalls(
    *,
    what: str,
    proxy: Callable[..., Proxy],
    partner: Server,
    send: Callable[..., Answer],
    tls: Callable[..., ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A byte now and then within TLS within TLS holds nobody either: not in the host's handshake, nor in its answer."""
    drips = threading.Event()
    started = proxy(tls("127.0.0.1"), drips=drips)
    monkeypatch.setenv("https_proxy", started.url)
    if what == "handshake":
        drips.set()
        reason = "no connection to the host within the time-out"
        expected = Failure(reason=reason, timed_out=True, see_to="https_proxy", unsent=True)
    else:
        partner.answer = lambda _: drips.set() or 200
        expected = Failure(reason="no answer within the time-out", may_have_arrived=True, timed_out=True)
    answer = send(PARTNER, timeout_seconds=0.6)
    started.is_over.set()
    assert answer == expected
    assert len(partner.seen) == (what == "answer")


@pytest.fixture
def socks_proxy(serve_raw: Callable[..., str], partner: Server) -> Callable[..., Proxy]:
    """Starts SOCKS proxies that lead to the provider, or to another end."""
    pytest.importorskip("socks", reason="the extra `socks` is not installed")

    def start(end: Server = partner, **options: Any) -> Proxy:
        started = Proxy(url="")
        treat = socks5(started, {"partner.example.com:443": end.url}, **options)
        started.url = serve_raw(treat, reads=False).replace("http:", "socks5h:")
        return started

    return start


@pytest.mark.usefixtures("trusting")
def test_goes_through_a_socks_proxy(
    socks_proxy: Callable[..., Proxy],
    partner: Server,
    send: Callable[..., Answer],
    reach: Callable[..., Unreachable | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It gets its credentials, looks up the name, and sees nothing of what goes through."""
    started = socks_proxy(credentials="ad@:wörd-4711".encode())
    monkeypatch.setenv("https_proxy", started.url.replace("//", "//ad%40:w%C3%B6rd-4711@"))
    assert reach(PARTNER) is None
    assert partner.seen == []
    assert isinstance(send(PARTNER), HttpResponse)
    assert [seen.path for seen in partner.seen] == ["/v1/leads/L1"]
    assert started.asked == [[b"partner.example.com:443"]] * 2
    assert b"tok-4711" not in started.passed


SOCKS_REFUSES = "the SOCKS proxy takes no connection, refuses its user or password, or does not reach the host"


@pytest.mark.parametrize("why", ["credentials", "rule", "no host", "nobody", "no SOCKS"])
@pytest.mark.usefixtures("trusting")
def test_a_socks_proxy_that_refuses(
    *,
    why: str,
    socks_proxy: Callable[..., Proxy],
    partner: Server,
    serve_raw: Callable[..., str],
    send: Callable[..., Answer],
    reach: Callable[..., Unreachable | None],
    nobody: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it refuses does not go another way: nothing was sent, and a password is not told."""
    url = {
        "credentials": lambda: socks_proxy(credentials=b"ada:right").url.replace("//", "//ada:wrong-4711@"),
        "rule": lambda: socks_proxy(status=2).url,
        "no host": lambda: socks_proxy(status=4).url,
        "nobody": lambda: nobody.replace("http:", "socks5h:"),
        "no SOCKS": lambda: serve_raw(
            lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), reads=False
        ).replace("http:", "socks5h:"),
    }[why]()
    monkeypatch.setenv("https_proxy", url)
    assert reach(PARTNER) == Unreachable(reason=SOCKS_REFUSES, may_pass=True, see_to="https_proxy")
    assert send(PARTNER) == Failure(reason=SOCKS_REFUSES, see_to="https_proxy", unsent=True)
    assert partner.seen == []


@pytest.mark.usefixtures("trusting")
def test_whose_fault_it_is_behind_a_socks_proxy(
    *,
    socks_proxy: Callable[..., Proxy],
    serve: Callable[..., Server],
    serve_raw: Callable[..., str],
    send: Callable[..., Answer],
    tls: Callable[..., ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handshake is with the host; silence before it is the proxy's."""
    monkeypatch.setenv("https_proxy", socks_proxy(serve(tls=tls("other.example.com"))).url)
    answer = send(PARTNER)
    assert isinstance(answer, Failure)
    assert answer.reason.startswith(f"{NOT_VALID}Hostname mismatch")
    over = threading.Event()
    silent = serve_raw(lambda _: over.wait(10), reads=False)
    monkeypatch.setenv("https_proxy", silent.replace("http:", "socks5h:"))
    answer = send(PARTNER, timeout_seconds=0.3)
    over.set()
    reason = "no connection to the proxy within the time-out"
    assert answer == Failure(reason=reason, timed_out=True, see_to="https_proxy", unsent=True)


@pytest.mark.usefixtures("trusting")
def test_the_proxys_credentials_are_for_the_proxy(
    proxy: Callable[..., Proxy],
    partner: Server,
    send: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What stands in its URL goes to it, unquoted, and neither to the provider nor into a log at any level."""
    caplog.set_level(0)
    started = proxy()
    monkeypatch.setenv("https_proxy", started.url.replace("//", "//ad%40:pass%2Fw%C3%B6rd-4711@"))
    assert isinstance(send(PARTNER), HttpResponse)

    credentials = base64.b64encode("ad@:pass/wörd-4711".encode())
    assert b"proxy-authorization: Basic " + credentials in started.asked[0]
    (seen,) = partner.seen
    assert "proxy-authorization" not in seen.headers
    shown = f"{seen} {caplog.text}"
    assert not [word for word in ("4711@", "rd-4711", credentials.decode()) if word in shown]


@pytest.mark.parametrize(("status", "may_pass"), [(407, False), (403, False), (502, True), (503, True)])
def test_a_proxy_that_refuses(
    *,
    status: int,
    may_pass: object,
    proxy: Callable[..., Proxy],
    reach: Callable[..., Unreachable | None],
    send: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its status is told, and no word of its own; nothing went to the provider."""
    words = f"HTTP/1.1 {status} Ada Lovelace\r\nx-ada: lovelace\r\ncontent-length: 3\r\n\r\nAda"
    monkeypatch.setenv("https_proxy", proxy(answer=words.encode()).url)
    reason = f"the proxy refuses with status {status}"
    assert reach(PARTNER) == Unreachable(reason=reason, may_pass=bool(may_pass), see_to="https_proxy")
    assert send(PARTNER) == Failure(reason=reason, see_to="https_proxy", unsent=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 smtp.example.com ESMTP\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_a_proxy_that_answers_nonsense(
    answer: bytes, serve_raw: Callable[..., str], send: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It made no tunnel, so nothing has arrived."""
    monkeypatch.setenv("https_proxy", serve_raw(lambda connection: connection.sendall(answer)))
    assert send(PARTNER) == Failure(reason="the connection to the host broke", see_to="https_proxy", unsent=True)


@pytest.mark.parametrize(
    ("begin", "drip", "reason"),
    [
        (b"", b"", "no connection to the host within the time-out"),
        (b"HTTP/1.1 200 ", b"O", "no connection to the host within the time-out"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", "no connection to the host within the time-out"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 10_000, "the connection to the host broke"),
    ],
)
def test_a_proxy_that_does_not_come_to_an_end(
    *,
    begin: bytes,
    drip: bytes,
    reason: str,
    serve_raw: Callable[..., str],
    send: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its answer has one time-out as well, and one length."""
    over = threading.Event()

    def treat(connection: socket.socket) -> None:
        connection.sendall(begin)
        while not over.wait(0.02):
            connection.sendall(drip)

    monkeypatch.setenv("https_proxy", serve_raw(treat))
    timed_out = "time-out" in reason
    answer = send(PARTNER, timeout_seconds=0.4 if timed_out else 10)
    over.set()
    assert answer == Failure(reason=reason, timed_out=timed_out, see_to="https_proxy", unsent=True)


def test_a_proxy_that_is_not_there(nobody: str, send: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is named, not the host behind it, and the variable that says so."""
    monkeypatch.setenv("https_proxy", nobody)
    assert send(PARTNER) == Failure(reason="the proxy takes no connection", see_to="https_proxy", unsent=True)
    monkeypatch.delenv("https_proxy")
    monkeypatch.setenv("ALL_PROXY", "http://nobody.invalid:3128")
    assert send(PARTNER) == Failure(reason="the proxy's name is not known", see_to="ALL_PROXY", unsent=True)


@pytest.mark.parametrize("excepted", ["partner.example.com", ".example.com", "example.com", "*", "a, example.com"])
def test_honours_what_the_environment_excepts_from_the_proxy(
    excepted: str,
    proxy: Callable[..., Proxy],
    reach: Callable[..., Unreachable | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host in NO_PROXY is asked directly, here in vain."""
    started = proxy()
    monkeypatch.setenv("https_proxy", started.url)
    monkeypatch.setenv("no_proxy", excepted)
    reach(PARTNER)
    assert started.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.usefixtures("trusting")
def test_a_host_on_loopback_is_reached_past_any_proxy(
    *,
    host: str,
    secure: object,
    proxy: Callable[..., Proxy],
    serve: Callable[..., Server],
    send: Callable[..., Answer],
    tls: Callable[..., ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is this machine, and to the proxy it would be another."""
    started, server = proxy(), serve(tls=tls("127.0.0.1", "localhost") if secure else None)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, started.url)
    assert isinstance(send(server.url.replace("127.0.0.1", host)), HttpResponse)
    assert (len(server.seen), started.asked) == (1, [])


NO_PROXY_URL = "is no URL of a proxy. Give one such as http://proxy.example.com:3128, or unset the variable."
SOCKS = (
    "a SOCKS proxy takes the extra `socks` of target-leads. Install it, or give one such as "
    "http://proxy.example.com:3128."
)


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ("http://", NO_PROXY_URL),
        ("quic://secret-4711@127.0.0.1:1", NO_PROXY_URL),
        ("http://secret-4711@[::1:1", NO_PROXY_URL),
        ("http://proxy.example.com:port", NO_PROXY_URL),
        ("socks5://secret-4711@127.0.0.1:1080", SOCKS),
    ],
)
def test_a_proxy_that_cannot_be_used(
    *,
    variable: str,
    value: str,
    finding: str,
    account: Callable[..., Account],
    transport: Callable[..., Transport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the configuration's fault, told with the variable's name and without what stands in it."""
    monkeypatch.setitem(sys.modules, "socks", None)  # as if the extra were not installed
    monkeypatch.setenv(variable, value)
    assert network_findings([PARTNER, PARTNER]) == [f"{variable}: {finding}"]
    assert network_findings(["http://127.0.0.1/v1"]) == []
    with pytest.raises(SettingsError) as raised:
        transport(account(PARTNER))
    assert raised.value.findings == (f"{variable}: {finding}",)
    monkeypatch.setenv("no_proxy", "example.com")
    assert network_findings([PARTNER]) == []
