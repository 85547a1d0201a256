"""The answer to a request that carries many leads, put together from the answers that each would get by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simplejson

from target_leads.sandbox.answers import Answer, placed, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.providers import ItemResults, RecordedResponse

_TAKEN = range(200, 300)
_JSON = {"content-type": "application/json"}


def takes_all_or_none(results: ItemResults | None) -> bool:
    """Whether one bad lead makes the provider refuse all of a request: there is no place for a status of its own."""
    return results is None or not results.status_at


def together(answers: Mapping[str, Answer], results: ItemResults | None, success: RecordedResponse | None) -> Answer:
    """The answer to a request whose leads would be answered so. `success` is the folder's answer to a good one."""
    if takes_all_or_none(results):
        refused = next((answer for answer in answers.values() if answer.status not in _TAKEN), None)
        if refused is not None:
            return refused
    status = 200 if success is None else success.status
    if results is None:
        return Answer(status=status) if success is None else recorded(success)
    content = success and success.content
    example = _first(_at(content, results.at))
    listed = []
    for lead_id, answer in answers.items():
        item = placed(example, results.id_at, lead_id)
        listed.append(placed(item, results.status_at, answer.status) if results.status_at else item)
    return Answer(status=status, headers=_JSON, body=simplejson.dumps(placed(content, results.at, listed)).encode())


def _at(content: Any, pointer: str) -> Any:  # noqa: ANN401 -- any JSON
    for token in pointer.split("/")[1:]:
        content = content.get(token.replace("~1", "/").replace("~0", "~")) if isinstance(content, dict) else None
    return content


def _first(listed: object) -> Any:  # noqa: ANN401 -- any JSON
    return listed[0] if isinstance(listed, list) and listed else None
