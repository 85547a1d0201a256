"""What the headers of an answer say."""

from __future__ import annotations

import datetime
import email.utils
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.delivery.headers import remaining_share, request_id, retry_after
from target_leads.delivery.http import HttpResponse
from target_leads.providers import RateLimit, RateLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

RECEIVED_AT = 784111767.0
"""Ten seconds before the date that stands as an example in RFC 9110."""
YEAR = 366 * 86_400
NO_LIMITS = RateLimits()
DOCUMENTED = RateLimits(
    windows=(RateLimit(requests=1000, per_seconds=3600), RateLimit(requests=150, per_seconds=60)),
    limit_header="x-ratelimit-limit",
    remaining_header="x-ratelimit-remaining",
)


def answer(status: int = 429, **headers: str) -> HttpResponse:
    """An answer with these headers, hyphens written as underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=named, body=b"", received_at=RECEIVED_AT)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1),
        ("120", 120),
        (" 7 ", 7),
        ("007", 7),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 10),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 10),
        ("Sun Nov  6 08:49:37 1994", 10),
        ("Sun, 06 Nov 1994 09:49:37 +0100", 10),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 10),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 202])
def test_the_wish_is_seconds_or_a_date(text: str, seconds: float, status: int) -> None:
    """Whatever the status, and in each of the three forms of a date that RFC 9110 knows."""
    assert retry_after(answer(status, retry_after=text), NO_LIMITS) == seconds


@pytest.fixture
def in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the test on a machine whose time is not UTC."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_kolkata")
@pytest.mark.parametrize("text", ["Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_a_date_is_utc_wherever_the_machine_stands(text: str) -> None:
    """The zone of the machine has no say in it, though one of the three forms names none."""
    assert retry_after(answer(retry_after=text), NO_LIMITS) == 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-5",
        "1,5",
        ".5",
        "1.",
        "soon",
        "1e3",
        "٣",  # a digit, though none of HTTP's
        "NaN",
        "Sun, 06 Nov 1994 08:49:27 GMT",
        "Sun, 06 Nov 1984 08:49:37 GMT",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +9999",
    ],
)
def test_what_is_past_or_makes_no_sense_is_no_wish(text: str) -> None:
    """Nothing, the past, and what is neither a number nor a date: the provider did not say when to come back."""
    assert retry_after(answer(retry_after=text), NO_LIMITS) is None


@pytest.mark.parametrize(("text", "seconds"), [("1.5", 1.5), (" 0.25 ", 0.25), ("7.0", 7.0)])
def test_a_fraction_of_a_second_is_understood(text: str, seconds: float) -> None:
    """HTTP knows whole seconds only, but what such a provider wants is clear."""
    assert retry_after(answer(retry_after=text), NO_LIMITS) == seconds


def test_without_the_header_there_is_no_wish() -> None:
    """An answer that says nothing wishes for nothing."""
    assert retry_after(answer(), NO_LIMITS) is None


@pytest.mark.parametrize("text", [str(YEAR + 1), "9" * 400, "9" * 5000, "Sun, 06 Nov 9994 08:49:37 GMT"])
def test_an_absurd_wish_is_bounded(text: str) -> None:
    """Beyond a year it is a mistake; it still ends the run with "try later", as any wait that is too long."""
    assert retry_after(answer(retry_after=text), NO_LIMITS) == YEAR


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 99999999999999 08:49:37 GMT",
        "Sun, 99999999999999 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 99999999999999999999:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +99999999999999999999",
    ],
)
def test_a_date_that_no_calendar_holds_is_no_wish(text: str) -> None:
    """A provider's mistake in a header must not end the run with an error of ours."""
    assert retry_after(answer(retry_after=text), NO_LIMITS) is None


@given(seconds=st.integers(1, YEAR))
def test_seconds_and_the_date_of_that_moment_say_the_same(seconds: int) -> None:
    """A date counts from when the answer came."""
    moment = datetime.datetime.fromtimestamp(RECEIVED_AT + seconds, tz=datetime.timezone.utc)
    date = email.utils.format_datetime(moment, usegmt=True)
    assert retry_after(answer(retry_after=date), NO_LIMITS) == seconds
    assert retry_after(answer(retry_after=str(seconds)), NO_LIMITS) == seconds


_TOKENS = st.sampled_from(
    ["Sun", "Nov", "06", "1994", "08:49:37", "GMT", "+0000", "-", ":", ",", " ", "EST", "1", "+-1"]
)


@given(
    text=st.text(st.characters(max_codepoint=255)) | st.lists(_TOKENS).map(" ".join) | st.lists(_TOKENS).map("".join)
)
def test_any_text_is_a_wish_within_bounds_or_none(text: str) -> None:
    """Whatever stands in the header: more than nothing, at most a year, or no wish at all."""
    wish = retry_after(answer(retry_after=text), DOCUMENTED)
    assert wish is None or 0 < wish <= YEAR


def test_a_used_up_limit_is_a_wish_for_its_shortest_window() -> None:
    """Where the provider documents the header and says that nothing is left, but not when to come back."""
    assert retry_after(answer(x_ratelimit_remaining="0"), DOCUMENTED) == 60


def test_the_word_of_the_provider_comes_before_its_window() -> None:
    """A Retry-After that can be read counts, and the window only without one."""
    assert retry_after(answer(x_ratelimit_remaining="0", retry_after="7"), DOCUMENTED) == 7
    assert retry_after(answer(x_ratelimit_remaining="0", retry_after="soon"), DOCUMENTED) == 60


@pytest.mark.parametrize(
    ("response", "limits"),
    [
        (answer(x_ratelimit_remaining="1"), DOCUMENTED),
        (answer(x_ratelimit_remaining="none"), DOCUMENTED),
        (answer(), DOCUMENTED),
        (answer(503, x_ratelimit_remaining="0"), DOCUMENTED),
        (answer(x_ratelimit_remaining="0"), RateLimits(windows=DOCUMENTED.windows)),
        (answer(x_ratelimit_remaining="0"), RateLimits(remaining_header="x-ratelimit-remaining")),
    ],
    ids=["some left", "no number", "not said", "no 429", "not documented", "no window known"],
)
def test_anything_else_about_the_limit_is_no_wish(response: HttpResponse, limits: RateLimits) -> None:
    """Only a 429 that says that nothing is left, in a header that is documented, of a limit that is known."""
    assert retry_after(response, limits) is None


@pytest.mark.parametrize(
    ("limit", "remaining", "share"),
    [
        ("150", "150", 1.0),
        ("150", "30", 0.2),
        ("150", "0", 0.0),
        ("100", "250", 1.0),
        ("0", "0", None),
        ("0", "5", None),
        ("", "5", None),
        ("150", "", None),
        ("many", "5", None),
        ("150", "-1", None),
        ("150", "1.5", None),
        ("9" * 5000, "5", None),
        ("150", "9" * 5000, None),
    ],
)
def test_the_share_that_is_left(limit: str, remaining: str, share: float | None) -> None:
    """From nothing to all; none where the headers are missing or make no sense."""
    headers = {"x_ratelimit_limit": limit, "x_ratelimit_remaining": remaining}
    assert remaining_share(answer(200, **headers), DOCUMENTED) == share


def test_the_share_needs_documented_headers() -> None:
    """Headers that the definition does not name mean nothing."""
    response = answer(200, x_ratelimit_limit="100", x_ratelimit_remaining="5")
    assert remaining_share(response, DOCUMENTED) == 0.05
    assert remaining_share(response, NO_LIMITS) is None
    assert remaining_share(response, RateLimits(limit_header="x-ratelimit-limit")) is None
    assert remaining_share(response, RateLimits(remaining_header="x-ratelimit-remaining")) is None


REQUEST_ID = "7f3a2b10-5c1d-4e9a-8f00-1234567890ab"


@pytest.mark.parametrize("header", ["x_request_id", "request_id", "x_correlation_id", "x_amzn_requestid"])
def test_the_request_has_a_name(header: str) -> None:
    """In any of the headers that are in use for it."""
    assert request_id(answer(**{header: f" {REQUEST_ID} "})) == REQUEST_ID


@pytest.mark.parametrize("text", [REQUEST_ID, REQUEST_ID.upper(), REQUEST_ID.replace("-", "")])
def test_a_uuid_is_a_name_in_any_spelling(text: str) -> None:
    """With its dashes or without, in small letters or large, as the provider spells it."""
    assert request_id(answer(x_request_id=text)) == text


def test_the_first_usable_name_counts() -> None:
    """A header that holds something else does not hide the next."""
    assert request_id(answer(x_request_id="none", x_correlation_id=REQUEST_ID)) == REQUEST_ID
    assert request_id(answer(x_request_id=REQUEST_ID, x_correlation_id="other-" + REQUEST_ID)) == REQUEST_ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ada Lovelace",
        "ada.lovelace.1815@example.com",
        "+1 555 0100 4711 0815",
        "15550100471108150",
        "adalovelaceofexample",
        "1815-12-10",
        "abc123",
        f"{REQUEST_ID} Ada",
        "ada-lovelace-1815-12-10",
        "AdaLovelaceOfLondon1815",
        "lead=ada/1815:12:10+0000",
        f"Root={REQUEST_ID}",
        REQUEST_ID[:-1],
        REQUEST_ID.replace("-", "")[:-1],
        REQUEST_ID.replace("-", "_"),
        "é1" * 10,
        "a1" * 65,
    ],
)
def test_what_may_be_a_value_of_a_record_is_no_name(text: str) -> None:
    """A name, an address, a number or a date in that header is not written down: only a UUID is."""
    assert request_id(answer(x_request_id=text)) == ""
