"""All emulated providers as one ASGI application, under one URL."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import simplejson

from target_leads.redaction import place_of
from target_leads.sandbox.answers import Answer
from target_leads.sandbox.inspection import LARGEST_BODY
from target_leads.sandbox.provider import EmulatedProvider, Reply, Request
from target_leads.sandbox.scenarios import Arrival, Interference, Scenario, scenario

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from target_leads.providers import Definition

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_REMEMBERED_REQUESTS = 10_000
_BODILESS = frozenset({204, 304})

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """A request that a provider answered, for tests to look at."""

    provider: str
    call: str
    """``update``, ``read`` or ``job``; empty for a path that is none of them."""
    method: str
    path: str
    """As it was sent: with the provider's prefix, quoted, without the query."""
    status: int
    """Status of the answer, also of one that the scenario cut off."""
    lead_id: str
    """Empty where the request was not looked at closely enough to know it."""
    received_at: float
    """Seconds of the emulator's clock."""


class Emulator:
    """Serves every provider under ``/<name><path of its base URL>``; ``GET /`` lists them."""

    def __init__(
        self,
        definitions: Mapping[str, Definition],
        scenario_or_name: Scenario | str = "healthy",
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Compile the definitions. The scenario is one of `SCENARIOS`, by name, or one of the caller's own.

        Raises:
            SettingsError: there is no scenario of this name.
            DefinitionError: a recorded response breaks a rule.
        """
        self._scenario = scenario(scenario_or_name) if isinstance(scenario_or_name, str) else scenario_or_name
        self._now = now
        self._providers = {name: EmulatedProvider(definition) for name, definition in definitions.items()}
        self._requests: deque[ReceivedRequest] = deque(maxlen=_REMEMBERED_REQUESTS)
        self.request_count = 0
        """Requests to providers since the start, forgotten ones included."""
        self.leads: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
            name: provider.book.leads for name, provider in self._providers.items()
        }
        """The stored leads: by provider, then by lead id."""

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """The last requests to providers, in the order of their answers. Older ones are forgotten."""
        return tuple(self._requests)

    @property
    def prefixes(self) -> dict[str, str]:
        """Path that the calls of each provider begin with, by provider name."""
        return {name: provider.prefix for name, provider in self._providers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request as ASGI 3 has it."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            return
        try:
            answer, interference = await self._answer(scope, body)
        except Exception as error:  # noqa: BLE001 -- a mistake in here must not leave the client waiting
            _logger.error("The sandbox could not handle a request: %s", place_of(error))  # noqa: TRY400
            answer, interference = Answer(status=500), Interference()
        await _send(send, answer, interference)

    async def _answer(self, scope: Scope, body: bytes) -> tuple[Answer, Interference]:
        received_at = self._now()
        path = scope["raw_path"].decode("ascii", "surrogateescape")
        if path == "/":
            return self._index(scope), Interference()
        name = path.split("/", 2)[1]
        provider = self._providers.get(name)
        if provider is None:
            return Answer(status=404), Interference()
        query = scope["query_string"].decode("latin-1")
        method = scope["method"]
        interference = self._scenario(
            Arrival(provider=name, method=method, target=f"{path}?{query}", body=body, at=received_at)
        )
        if interference.delay_seconds:
            await asyncio.sleep(interference.delay_seconds)
        request = Request(
            method=method,
            path=path.removeprefix(provider.prefix) if path.startswith(f"{provider.prefix}/") else "",
            query=query,
            headers=dict(scope["headers"]),
            body=body,
        )
        reply = provider.reply(request, interference.occasion)
        self._remember(reply, name, method, path, received_at)
        return reply.answer, interference

    def _index(self, scope: Scope) -> Answer:
        if scope["method"] != "GET":
            return Answer(status=405)
        host, port = scope["server"]
        url = f"http://{host}:{port}"
        providers = [
            {"name": name, "title": provider.definition.title, "base_url": url + provider.prefix}
            for name, provider in self._providers.items()
        ]
        body = simplejson.dumps({"providers": providers}, indent=2).encode()
        return Answer(status=200, headers={"content-type": "application/json"}, body=body)

    def _remember(self, reply: Reply, provider: str, method: str, path: str, received_at: float) -> None:
        self.request_count += 1
        self._requests.append(
            ReceivedRequest(
                provider=provider,
                call=reply.call,
                method=method,
                path=path,
                status=reply.answer.status,
                lead_id=reply.lead_id,
                received_at=received_at,
            )
        )


async def _body(receive: Receive) -> bytes | None:
    """The body, or no more of it than it takes to see that it is too large; ``None`` if the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(body) <= LARGEST_BODY:
            body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _send(send: Send, answer: Answer, interference: Interference) -> None:
    """Send an answer. One to be cut off promises a byte more than it sends, and the server hangs up over that."""
    status, length, body = answer.status, len(answer.body), answer.body
    if interference.cut_off:
        status = 200 if status in _BODILESS else status
        length, body = length + 1, body[: length // 2]
    headers = {**answer.headers, **interference.headers, "content-length": str(length)}
    if answer.status in _BODILESS and not interference.cut_off:
        del headers["content-length"]
    raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw_headers})
    await send({"type": "http.response.body", "body": body, "more_body": interference.cut_off})
