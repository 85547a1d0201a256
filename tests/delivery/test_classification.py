"""What an answer means: a pure function of the definition and the answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.delivery.classification import Verdict, classify_items, classify_job, classify_update
from target_leads.delivery.http import Failure, HttpResponse
from target_leads.models import VerdictKind
from target_leads.providers import RateLimits, bundled, load_responses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.providers.account import Account

PATCH = {"method": "PATCH", "path": "/leads/{lead_id}", "fields": "partial"}
RETRY, REJECTED, FATAL = VerdictKind.RETRY, VerdictKind.REJECTED, VerdictKind.FATAL
DELIVERED, ACCEPTED = VerdictKind.DELIVERED, VerdictKind.ACCEPTED
SECRET_WORDS = "Lovelace ada@example.com"


def _answer(status: int = 200, body: Any = None, *, text: str | bytes = b"", **headers: str) -> HttpResponse:
    content = json.dumps(body) if body is not None else text
    return HttpResponse(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=content.encode() if isinstance(content, str) else content,
        received_at=784111777.0,  # Sun, 06 Nov 1994 08:49:37 GMT
    )


@pytest.fixture
def verdict(account: Callable[..., Account]) -> Callable[..., Verdict]:
    """The verdict on an answer to an update, with these rules for responses, and these about jobs."""

    def classify(answer: HttpResponse | Failure, job: Any = None, **responses: Any) -> Verdict:
        parts = {"update": PATCH | {"responses": responses}} | ({"job": job} if job else {})
        definition = account(**parts).definition
        return classify_update(answer, definition)

    return classify


@pytest.mark.parametrize(
    ("statuses", "kind", "reason"),
    [
        ((101, 103), RETRY, ": the answer is none yet"),
        ((200, 201, 202, 203, 204, 299), DELIVERED, ""),
        ((300, 301, 302, 303, 304, 307, 308, 399), REJECTED, ": a redirect, which is never followed"),
        ((400, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 415, 418, 422, 423, 424, 451, 499), REJECTED, ""),
        ((401,), FATAL, ": the credentials are refused"),
        ((408, 425, 429, 500, 501, 502, 503, 504, 529, 599, 999), RETRY, ""),
    ],
)
def test_the_status_decides(
    statuses: tuple[int, ...], kind: VerdictKind, reason: str, verdict: Callable[..., Verdict]
) -> None:
    """Without rules of the provider's own each status means what it means in HTTP."""
    for status in statuses:
        result = verdict(_answer(status))
        assert (result.kind, result.status) == (kind, status)
        number, _, words = result.reason.partition(": ")
        assert number.split(" ")[0] == str(status)
        assert f"{': ' if words else ''}{words}" == reason


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "404 Not Found"), (429, "429 Too Many Requests"), (503, "503 Service Unavailable"), (599, "599")],
)
def test_a_status_is_said_in_words(status: int, words: str, verdict: Callable[..., Verdict]) -> None:
    """The reason names the status with the phrase that everybody knows, not with the server's."""
    assert verdict(_answer(status)).reason == words


def test_no_answer_is_tried_again(verdict: Callable[..., Verdict]) -> None:
    """A failure to get an answer is worth another attempt, and is the reason."""
    result = verdict(Failure(reason="no answer within the time-out"))
    assert result == Verdict(kind=RETRY, reason="no answer within the time-out")


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("promise", [{}, {"success_body": {"required": ["id"]}}])
def test_no_word_of_the_provider_comes_out(status: int, promise: Any, verdict: Callable[..., Verdict]) -> None:
    """A body or a header may echo the lead's fields, so nothing of them is in a verdict."""
    texts = {"message": SECRET_WORDS, "error": {"value": SECRET_WORDS}}
    result = verdict(_answer(status, texts, location=f"/{SECRET_WORDS}", retry_after=SECRET_WORDS), **promise)
    assert not any(word in repr(result) for word in SECRET_WORDS.split())


@pytest.mark.parametrize(
    ("status", "kind"), [(403, REJECTED), (401, FATAL), (404, REJECTED), (503, RETRY), (200, DELIVERED)]
)
def test_only_a_403_puts_credentials_in_doubt(status: int, kind: VerdictKind, verdict: Callable[..., Verdict]) -> None:
    """A 403 may mean the lead or the credentials, also where the definition has words for it; a 401 leaves no doubt."""
    in_doubt = status == 403
    assert (verdict(_answer(status)).kind, verdict(_answer(status)).credentials_in_doubt) == (kind, in_doubt)
    rule = {"status": [403], "verdict": "rejected", "reason": "the lead is outside its firm"}
    assert verdict(_answer(status), rules=[rule]).credentials_in_doubt is in_doubt


ERROR_BODY = {"type": "object", "required": ["error"]}


@pytest.mark.parametrize(
    ("answer", "expected", "reason"),
    [
        (_answer(200, {"error": "x"}), REJECTED, "200 OK: the answer holds an error"),
        (_answer(200, {"id": "1"}), DELIVERED, "200 OK"),
        (_answer(200, text="no json"), DELIVERED, "200 OK"),
        (_answer(409, {"id": "1"}), DELIVERED, "409 Conflict: it is so already"),
        (_answer(409, {"error": "x"}), REJECTED, "409 Conflict: the answer holds an error"),
        (_answer(500, {"error": "x"}), REJECTED, "500 Internal Server Error: the answer holds an error"),
        (_answer(404, text="x"), RETRY, "404 Not Found: not yet visible"),
        (_answer(420, text="x"), FATAL, "420: the key is blocked"),
    ],
)
def test_the_first_rule_that_fits_counts(
    answer: HttpResponse, expected: VerdictKind, reason: str, verdict: Callable[..., Verdict]
) -> None:
    """A rule fits by status, by body or by both; it goes before what the status means, and its reason is told."""
    rules = [
        {"when": ERROR_BODY, "verdict": "rejected", "reason": "the answer holds an error"},
        {"status": [409], "verdict": "delivered", "reason": "it is so already"},
        {"status": [409], "verdict": "retry", "reason": "never reached"},
        {"status": [404, 410], "verdict": "retry", "reason": "not yet visible"},
        {"status": [420], "verdict": "fatal", "reason": "the key is blocked"},
        {"status": [200], "when": {"type": "array"}, "verdict": "retry", "reason": "never reached"},
    ]
    result = verdict(answer, rules=rules)
    assert (result.kind, result.reason) == (expected, reason)


CODES = {"at": ["/error", "/fields/*/*/code"], "codes": ["TAKEN", "INVALID", "BUSY"]}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (409, {"error": "TAKEN"}, "TAKEN"),
        (
            422,
            {"fields": {"email": [{"code": "TAKEN"}, {"code": "INVALID"}], "phone": [{"code": "INVALID"}]}},
            "INVALID, TAKEN",
        ),
        (422, {"fields": [[{"code": "INVALID"}]]}, "INVALID"),
        (503, {"error": "BUSY"}, "BUSY"),
        (409, {"error": "ada@example.com"}, ""),
        (409, {"error": ["TAKEN"], "fields": {"email": {"code": "TAKEN"}}}, ""),
        (409, {"other": "TAKEN"}, ""),
        (409, [], ""),
        (200, {"error": "TAKEN"}, ""),
    ],
)
def test_the_providers_own_word_is_told_if_it_is_a_documented_one(
    status: int, body: Any, code: str, verdict: Callable[..., Verdict]
) -> None:
    """Only a word that the definition lists gets out, from where it says; any other might be a value of the record."""
    result = verdict(_answer(status, body), error_codes=CODES)
    assert result.error_code == code
    assert result.reason.endswith(f" ({code})") is bool(code)


def test_a_rule_about_a_body_needs_one(verdict: Callable[..., Verdict]) -> None:
    """A body that is no JSON fits no rule about bodies, not even one that takes anything."""
    rules = [{"when": True, "verdict": "rejected", "reason": "any JSON"}]
    assert verdict(_answer(200, text="cut {"), rules=rules).kind is DELIVERED
    assert verdict(_answer(200, text="null"), rules=rules).kind is REJECTED


PROMISE = {"type": "object", "required": ["data"], "properties": {"data": {"type": "object", "required": ["id"]}}}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"data": {"id": "1"}',
        b'{"data": {}}',
        b"[]",
        b"null",
        b"<html></html>",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b"1" * 5000,
        b'{"data": 1e99999999999999999999}',
        b'{"data": {"id": NaN}} x',
    ],
)
def test_a_promised_body_that_is_not_there_is_no_success(text: bytes, verdict: Callable[..., Verdict]) -> None:
    """Empty, cut short, of another shape or hostile: the update's fate is unknown, so it is tried again."""
    result = verdict(_answer(200, text=text), success_body=PROMISE)
    assert (result.kind, result.reason) == (RETRY, "200 OK: the answer is not what the provider promises")


@pytest.mark.parametrize(
    "text", [b'{"data": {"id": "1"}}', b'\xef\xbb\xbf{"data": {"id": "1"}}', b' {"data": {"id": 1e400}}\n']
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html; charset=utf-8"])
def test_a_promised_body_is_a_success(text: bytes, content_type: str, verdict: Callable[..., Verdict]) -> None:
    """A body that keeps the promise is the success, however the server labels it."""
    result = verdict(_answer(200, text=text, content_type=content_type), success_body=PROMISE)
    assert result.kind is DELIVERED


@pytest.mark.parametrize(
    ("text", "content_type", "kind"),
    [
        (b"<!doctype html><p>Log in</p>", "text/html", RETRY),
        (b"<html/>", "Text/HTML; charset=utf-8", RETRY),
        (b"<html/>", "application/xhtml+xml", RETRY),
        (b"", "text/html", DELIVERED),
        (b" \n", "text/html", DELIVERED),
        (b"OK", "text/plain", DELIVERED),
        (b"{}", "text/html", DELIVERED),
    ],
)
def test_a_web_page_is_no_success(
    text: bytes, content_type: str, kind: VerdictKind, verdict: Callable[..., Verdict]
) -> None:
    """Where no body is promised any will do, but for a web page: some other server has answered."""
    result = verdict(_answer(200, text=text, content_type=content_type))
    assert result.kind is kind
    assert result.reason == ("200 OK: the answer is a web page" if kind is RETRY else "200 OK")


@pytest.mark.parametrize("content_type", ["application/json", "Application/problem+JSON; charset=utf-8"])
def test_a_body_that_calls_itself_json_and_is_none_is_no_success(
    content_type: str, verdict: Callable[..., Verdict]
) -> None:
    """Also where no body is promised, one that is cut short shows that the answer did not arrive."""
    result = verdict(_answer(200, text=b'{"id": "6f1c', content_type=content_type))
    assert (result.kind, result.reason) == (RETRY, "200 OK: the answer is no JSON")


@pytest.fixture
def _far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is not UTC."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "EST+5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_from_greenwich")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sun, 06 Nov 1994 08:50:37 -0000", 60.0),
        ("Sun, 06 Nov 1994 09:50:37 +0100", 60.0),
        ("9" * 400, 366 * 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 366 * 86_400.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sat, 05 Nov 1994 08:49:37 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("", None),
        ("1.5", 1.5),
        ("-1", None),
        ("1,5", None),
        ("٣", None),
        ("soon", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +9999", None),
    ],
)
def test_reads_when_the_provider_wants_to_be_asked_again(
    text: str, seconds: float | None, verdict: Callable[..., Verdict]
) -> None:
    """Retry-After is seconds or a date in any form, a year at most; the past and anything else is no wish."""
    assert verdict(_answer(429, retry_after=text)).retry_after == seconds


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 409, 422, 500, 503])
def test_every_answer_may_wish_for_a_pause(status: int, verdict: Callable[..., Verdict]) -> None:
    """Retry-After is about the requests to come, whatever became of this one."""
    assert verdict(_answer(status, retry_after="7")).retry_after == 7.0
    assert verdict(_answer(status)).retry_after is None


def test_an_accepted_update_may_wish_for_a_pause(verdict: Callable[..., Verdict], job: dict[str, Any]) -> None:
    """A provider that writes later can ask for patience with the very answer that names the job."""
    result = verdict(_answer(202, {"job_id": "J1"}, retry_after="7"), job=job)
    assert (result.kind, result.job_id, result.retry_after) == (ACCEPTED, "J1", 7.0)


def test_an_unreadable_answer_may_say_when_to_try_again(verdict: Callable[..., Verdict]) -> None:
    """Retry-After is obeyed with every answer that leads to another attempt."""
    assert verdict(_answer(202, text="{", retry_after="7"), success_body=PROMISE).retry_after == 7.0


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        ({"meta": {"job_id": "J1"}, "job_id": "J2"}, "J1"),
        ({"job_id": "J2"}, "J2"),
        ({"meta": {"job_id": ""}, "job_id": "J2"}, "J2"),
        ({"meta": {"job_id": None}, "job_id": "J2"}, "J2"),
        ({"meta": "text", "job_id": "J2"}, "J2"),
        ({"job_id": 4711}, "4711"),
    ],
)
def test_finds_the_job(body: Any, job_id: str, verdict: Callable[..., Verdict], job: dict[str, Any]) -> None:
    """The job's id is the first that is text or a whole number, in the order of the definition's pointers."""
    assert verdict(_answer(202, body), job=job) == Verdict(
        kind=ACCEPTED, reason="202 Accepted", status=202, job_id=job_id
    )


def test_a_pointer_may_hold_escapes(verdict: Callable[..., Verdict], job: dict[str, Any]) -> None:
    """In a JSON Pointer ~1 is a slash and ~0 a tilde."""
    assert verdict(_answer(200, {"a/b": {"~1": "J1"}}), job=job | {"id_at": ["/a~1b/~01"]}).job_id == "J1"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '"J1"', "{}", '{"job_id": "  "}', '{"job_id": true}', '{"job_id": 1.5}', '{"job_id": ["J1"]}'),
        *(r'{"job_id": "\ud800"}', r'{"job_id": "J\u0000"}', r'{"job_id": "J\n1"}', f'{{"job_id": {"1" * 5000}}}'),
    ],
)
def test_an_accepted_update_without_a_job_is_tried_again(
    text: str, verdict: Callable[..., Verdict], job: dict[str, Any]
) -> None:
    """Where a job is promised an answer that names none is no delivery."""
    result = verdict(_answer(200, text=text), job=job)
    assert (result.kind, result.reason) == (RETRY, "200 OK: the answer names no job")


@pytest.mark.parametrize(("status", "kind"), [(400, REJECTED), (401, FATAL), (429, RETRY), (302, REJECTED)])
def test_an_asynchronous_provider_refuses_as_others_do(
    status: int, kind: VerdictKind, verdict: Callable[..., Verdict], job: dict[str, Any]
) -> None:
    """Only a success is a matter of jobs."""
    assert verdict(_answer(status, {"job_id": "J1"}), job=job).kind is kind
    assert verdict(Failure(reason="broken"), job=job).kind is RETRY


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_answer(200, {"state": "OPEN"}), ACCEPTED),
        (_answer(200, {"state": "DONE"}), DELIVERED),
        (_answer(200, {"state": "BROKEN"}), REJECTED),
        (_answer(200, {"state": "NEW-FANGLED"}), RETRY),
        (_answer(200, text="{"), RETRY),
        (_answer(302), RETRY),
        (_answer(400), RETRY),
        (_answer(403), RETRY),
        (_answer(404), RETRY),
        (_answer(500), RETRY),
        (_answer(401), FATAL),
        (Failure(reason="broken"), RETRY),
    ],
)
def test_only_a_rule_says_how_a_job_ended(
    answer: HttpResponse | Failure, kind: VerdictKind, account: Callable[..., Account], job: dict[str, Any]
) -> None:
    """An answer that no rule explains is about the question; it must not turn an accepted update into a dead letter."""
    job_call = account(job=job).definition.job
    assert job_call is not None
    result = classify_job(answer, job_call, RateLimits())
    assert (result.kind, result.credentials_in_doubt) == (kind, False)


RECORDED = [(definition, response) for definition in bundled().values() for response in load_responses(definition)]


@pytest.mark.parametrize(("definition", "response"), RECORDED, ids=lambda value: value.name)
def test_every_recorded_response_means_what_it_says(definition: Any, response: Any) -> None:
    """Each answer in the folder of a bundled provider becomes the outcome that is written beside it."""
    answer = HttpResponse(
        status=response.status,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=response.body,
    )
    if response.call == "update":
        result = classify_update(answer, definition).kind.last_outcome
    elif response.call == "job":
        kind = classify_job(answer, definition.job, definition.rate_limits).kind
        result = kind.last_outcome if kind is not RETRY else ACCEPTED.last_outcome
    else:
        return
    assert result.value == response.outcome


@pytest.mark.parametrize("status", [10**25, 600, 99, 0, -1, True, "200", 200.0, None])
def test_a_status_of_a_lead_that_is_none_in_http_says_nothing(status: Any, account: Callable[..., Account]) -> None:
    """It is no delivery and no refusal, and the number does not get out: the answer's own status stands."""
    results = {"at": "/results", "id_at": "/id", "status_at": "/status"}
    many = {"max_items": 10, "items_at": "/leads", "results": results}
    update = {**PATCH, "path": "/leads/batch", "many": many}
    definition = account(update=update, lead_id={"name": "id", "body_field": "id"}).definition
    answer = _answer(207, {"results": [{"id": "L1", "status": status}, {"id": "L2", "status": 204}]})

    _, named = classify_items(answer, definition, {"L1", "L2"})

    assert named is not None
    assert (named["L1"].kind, named["L1"].status) == (RETRY, 207)
    assert named["L1"].reason == "207 Multi-Status: the answer gives the lead no status"
    assert (named["L2"].kind, named["L2"].status) == (DELIVERED, 204)
