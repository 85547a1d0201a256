"""What goes wrong in each scenario, and when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import requests

from target_leads.exceptions import SettingsError
from target_leads.sandbox import SCENARIOS, Arrival, Emulator, Interference, running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.providers import Definition


def _update(session: requests.Session, url: str, lead_id: str = "L1") -> requests.Response:
    return session.patch(
        f"{url}/acme/v1/leads/{lead_id}", json={"email": "ada@example.com"}, headers={"x-api-key": "key"}, timeout=5
    )


def _arrival(number: int = 0, provider: str = "acme", at: float = 0) -> Arrival:
    return Arrival(provider=provider, method="PATCH", target=f"/{number}", body=b"", at=at)


def test_names() -> None:
    """The scenarios that the documentation promises are there, each with a line that says what it does."""
    assert list(SCENARIOS) == ["healthy", "flaky", "throttled", "refusing", "slow", "down"]
    assert all(kind.description.endswith(".") for kind in SCENARIOS.values())


def test_unknown_scenario_is_a_setting_to_mend(definitions: Mapping[str, Definition]) -> None:
    """A name that is none says which there are."""
    with pytest.raises(SettingsError, match=r"no scenario sunny\. Choose one of healthy, flaky, throttled"):
        Emulator(definitions, "sunny")


def test_healthy(definitions: Mapping[str, Definition], session: requests.Session) -> None:
    """Nothing goes wrong."""
    with running(Emulator(definitions, "healthy")) as url:
        assert [_update(session, url).status_code for _ in range(50)] == [200] * 50


def test_flaky(definitions: Mapping[str, Definition], session: requests.Session) -> None:
    """Of five requests the second is not handled, and the fourth is handled though its answer never arrives whole."""
    emulator = Emulator(definitions, "flaky")
    with running(emulator) as url:
        assert _update(session, url, "1").status_code == 200
        assert _update(session, url, "2").status_code == 503
        assert _update(session, url, "3").status_code == 200
        with pytest.raises(requests.exceptions.RequestException):
            _update(session, url, "4")
        assert _update(session, url, "5").status_code == 200

    assert list(emulator.leads["acme"]) == ["1", "3", "4", "5"]


def test_flaky_cuts_off_answers_without_a_body(
    definitions: Mapping[str, Definition], session: requests.Session
) -> None:
    """An answer that has no body is lost as well."""
    with (
        running(Emulator(definitions, lambda _: Interference(cut_off=True))) as url,
        pytest.raises(requests.exceptions.RequestException),
    ):
        session.get(f"{url}/acme/v1/leads/L1", headers={"x-api-key": "key"}, timeout=5)


def test_flaky_lets_repetitions_through() -> None:
    """A request that suffered is left in peace when it comes again, wherever in the five it falls."""
    scenario = SCENARIOS["flaky"].begin()

    suffered = [number for number in range(500) if scenario(_arrival(number)) != Interference()]

    assert len(suffered) == 200
    assert [scenario(_arrival(number)) for number in suffered] == [Interference()] * 200


def test_throttled_takes_twenty_a_second() -> None:
    """No window of one second lets more than twenty requests to one provider through; the refused do not count."""
    scenario = SCENARIOS["throttled"].begin()

    def taken(count: int, at: float, provider: str = "acme") -> int:
        arrivals = [_arrival(provider=provider, at=at) for _ in range(count)]
        return sum(scenario(arrival) == Interference() for arrival in arrivals)

    assert taken(15, at=0) == 15
    assert taken(15, at=0.75) == 5
    assert taken(15, at=0.75, provider="globex") == 15
    assert taken(50, at=1) == 15
    assert taken(50, at=1.5) == 0
    assert taken(50, at=1.75) == 5
    assert taken(50, at=9) == 20


def test_throttled_says_when_to_come_back(definitions: Mapping[str, Definition], session: requests.Session) -> None:
    """The twenty-first request is too much, and told to wait one second."""
    emulator = Emulator(definitions, "throttled", now=lambda: 0)
    with running(emulator) as url:
        responses = [_update(session, url) for _ in range(21)]

    assert [response.status_code for response in responses] == [200] * 20 + [429]
    assert responses[-1].headers["retry-after"] == "1"


def test_refusing(definitions: Mapping[str, Definition], session: requests.Session) -> None:
    """No credential is good enough."""
    with running(Emulator(definitions, "refusing")) as url:
        response = _update(session, url)

    assert (response.status_code, response.text) == (401, "Who are you?")


def test_slow(definitions: Mapping[str, Definition], session: requests.Session) -> None:
    """An answer takes a quarter of a second, and many wait at the same time."""
    with running(Emulator(definitions, "slow")) as url:
        started = time.monotonic()
        assert _update(session, url).status_code == 200
        assert time.monotonic() - started >= 0.25


def test_down(definitions: Mapping[str, Definition], session: requests.Session) -> None:
    """Nothing works, on any path of any provider, and nothing is kept."""
    emulator = Emulator(definitions, "down")
    with running(emulator) as url:
        assert _update(session, url).status_code == 503
        assert session.get(f"{url}/globex/jobs/1", timeout=5).status_code == 503
        assert session.get(f"{url}/globex/elsewhere", timeout=5).status_code == 503

    assert emulator.leads["acme"] == {}
