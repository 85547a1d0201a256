"""What a provider asks of a request beside its path and method. Strict: what is not asked for is refused."""

from __future__ import annotations

import json
import re
import string
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.providers import Definition

LARGEST_BODY = 1024 * 1024
"""Bytes of the largest body that is looked at."""

_TURNED_AWAY = {"refused": "unauthorized", "forbidden": "forbidden"}
"""Credentials that are never let in, and the occasion each is answered with."""

_JSON_CONTENT_TYPE = re.compile(r'application/json\s*(;\s*charset="?utf-8"?\s*)?', re.ASCII | re.IGNORECASE)


class Inspection:
    """Looks at the requests to one provider."""

    def __init__(self, definition: Definition) -> None:
        """Prepare the patterns of the headers that prove who sends a request."""
        self._credentials = {
            name.lower().encode(): _credential_pattern(template) for name, template in definition.headers.items()
        }
        self._envelope = definition.update.envelope
        self._many = definition.update.many
        self._lead_schema = definition.lead_schema

    def refusal(self, headers: Mapping[bytes, bytes]) -> str:
        """Occasion for which credentials are turned away; empty if they are let in.

        Any credential is let in but the two words ``refused`` and ``forbidden``.
        """
        for name, pattern in self._credentials.items():
            fitting = pattern.fullmatch(headers.get(name, b"").decode("latin-1"))
            if fitting is None:
                return "unauthorized"
            for credential in fitting.groups():
                if credential in _TURNED_AWAY:
                    return _TURNED_AWAY[credential]
        return ""

    def updates(self, body: bytes) -> list[dict[str, Any] | None]:
        """The lead updates in a body, ``None`` for one that the provider would not take.

        Where a request carries one lead there is one. No lead at all is an update that it would not take, too.
        """
        try:
            content = json.loads(body, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_object)
        except (ValueError, RecursionError):
            return [None]
        if self._many is None:
            return [self._fields(content)]
        for token in self._many.items_at.split("/")[1:]:
            content = content.get(token.replace("~1", "/").replace("~0", "~")) if isinstance(content, dict) else None
        if not isinstance(content, list) or not 0 < len(content) <= self._many.max_items:
            return [None]
        return [self._fields(item) for item in content]

    def _fields(self, content: Any) -> dict[str, Any] | None:  # noqa: ANN401 -- any JSON
        if self._envelope:
            if not isinstance(content, dict) or content.keys() != {self._envelope}:
                return None
            content = content[self._envelope]
        if not isinstance(content, dict) or self._lead_schema.violations(content):
            return None
        return content


def is_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the content type says that the body is JSON in UTF-8."""
    return _JSON_CONTENT_TYPE.fullmatch(headers.get(b"content-type", b"").decode("latin-1").strip()) is not None


def _credential_pattern(template: str) -> re.Pattern[str]:
    parts = string.Formatter().parse(template)
    return re.compile("".join(re.escape(text) + (r"(\S(?:.*\S)?)" if name else "") for text, name, _, _ in parts))


def _no_number(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    message = f"{name} is no JSON."
    raise ValueError(message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a field twice: which of the values was meant cannot be known."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        message = "A field stands twice in one object."
        raise ValueError(message)
    return fields
