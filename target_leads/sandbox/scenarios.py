"""How the emulated providers behave, beside answering: what goes wrong, and when.

A scenario counts requests and asks the clock that it was given, nothing else: the same requests at the same times fare
the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from target_leads.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REQUESTS_PER_SECOND = 20
"""How many requests `throttled` takes from each provider's clients in any second."""

_MOST_OWED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request to a provider that no one has looked at yet."""

    provider: str
    method: str
    target: str
    """Path and query."""
    body: bytes
    at: float
    """When it came, in seconds of a clock that only goes forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interference:
    """What a scenario does to one request."""

    occasion: str = ""
    """The request is answered so, such as ``unavailable``, and not looked at; empty: it is handled as usual."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that the answer gets as well."""
    delay_seconds: float = 0
    """How long the request waits before it is handled."""
    cut_off: bool = False
    """The request is handled, but the connection breaks before the answer is through."""


class Scenario(Protocol):
    """Decides what happens to a request before it is handled."""

    def __call__(self, arrival: Arrival, /) -> Interference:
        """What this request suffers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioKind:
    """A scenario that a user can choose."""

    description: str
    """What it does, in one line for people."""
    begin: Callable[[], Scenario]
    """Makes one that has seen no request."""


_NONE = Interference()
_UNAVAILABLE = Interference(occasion="unavailable")
_UNAUTHORIZED = Interference(occasion="unauthorized")
_SLOW = Interference(delay_seconds=0.25)
_LOST = Interference(cut_off=True)
_FLAKY_TURNS = {2: _UNAVAILABLE, 4: _LOST}
_THROTTLED = Interference(occasion="throttled", headers={"retry-after": "1"})


class _Flaky:
    """The second of every five requests to a provider is not handled, the answer to the fourth is lost.

    A request that suffered is left in peace when it comes again, so a client that repeats it succeeds, however the
    repetitions of many requests fall.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._owed: dict[int, None] = {}

    def __call__(self, arrival: Arrival, /) -> Interference:
        self._counts[arrival.provider] += 1
        interference = _FLAKY_TURNS.get(self._counts[arrival.provider] % 5, _NONE)
        same = hash((arrival.provider, arrival.method, arrival.target, arrival.body))
        if same in self._owed:
            del self._owed[same]
            return _NONE
        if interference is not _NONE:
            self._owed[same] = None
            if len(self._owed) > _MOST_OWED:
                del self._owed[next(iter(self._owed))]
        return interference


class _Throttled:
    """Takes so many requests in any window of one second; those it turns away do not count."""

    def __init__(self) -> None:
        self._taken: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REQUESTS_PER_SECOND))

    def __call__(self, arrival: Arrival, /) -> Interference:
        taken = self._taken[arrival.provider]
        if len(taken) == REQUESTS_PER_SECOND and arrival.at - taken[0] < 1:
            return _THROTTLED
        taken.append(arrival.at)
        return _NONE


SCENARIOS: Mapping[str, ScenarioKind] = {
    "healthy": ScenarioKind(description="Everything works.", begin=lambda: lambda _: _NONE),
    "flaky": ScenarioKind(
        description="Of five requests one finds the service unavailable, and one is handled but its answer is lost.",
        begin=_Flaky,
    ),
    "throttled": ScenarioKind(
        description=f"Each provider takes {REQUESTS_PER_SECOND} requests a second and turns away the others.",
        begin=_Throttled,
    ),
    "refusing": ScenarioKind(description="No credential is accepted.", begin=lambda: lambda _: _UNAUTHORIZED),
    "slow": ScenarioKind(description="Every answer takes 250 milliseconds.", begin=lambda: lambda _: _SLOW),
    "down": ScenarioKind(
        description="Every request finds the service unavailable.", begin=lambda: lambda _: _UNAVAILABLE
    ),
}
"""The scenarios that a user can choose from, by name."""


def scenario(name: str) -> Scenario:
    """A fresh scenario.

    Raises:
        SettingsError: there is none of this name.
    """
    if name not in SCENARIOS:
        raise SettingsError([f"--scenario: there is no scenario {name}. Choose one of {', '.join(SCENARIOS)}."])
    return SCENARIOS[name].begin()
