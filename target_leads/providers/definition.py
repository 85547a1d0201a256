"""The types of a provider definition. Everything in which two providers differ is a value in here."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from target_leads.models import VerdictKind
    from target_leads.providers.validation import LeadSchema, Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDefinition:
    """A setting that a user gives under ``providers.<name>``. Its value is text."""

    title: str
    description: str
    secret: bool = False
    choices: tuple[str, ...] = ()
    """Allowed values; empty if any text will do."""
    default: str | None = None
    """Value of a setting that is not given; without one the setting must be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseUrl:
    """What comes before the path of every call: one URL, or one for each value of a setting."""

    setting: str = ""
    """Name of the setting that picks the URL; empty where there is only one."""
    urls: Mapping[str, str]

    def pick(self, settings: Mapping[str, str]) -> str:
        """URL for these provider settings, without a slash at its end."""
        return self.urls[settings[self.setting] if self.setting else ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadId:
    """How the API names a lead, and where an update says which one it is for."""

    name: str
    body_field: str = ""
    """Property of the body that carries the id; empty where the path carries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRule:
    """An exception from what a status means by the rule of HTTP."""

    verdict: VerdictKind
    reason: str
    statuses: frozenset[int] = frozenset()
    """Statuses that the rule fits; empty: all."""
    when: Matcher | None = None
    """What the body must keep to for the rule to fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRules:
    """What the answers to one call mean."""

    error_codes: tuple[str, ...] = ()
    """The provider's own words for what is wrong, all that it documents."""
    error_codes_at: tuple[str, ...] = ()
    """JSON Pointers of such words in the body; a step ``*`` stands for every key or item."""

    success_body: Matcher | None = None
    """What the body of a 2xx keeps to, where the API promises one."""
    rules: tuple[ResponseRule, ...] = ()
    """Exceptions; the first that fits counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResults:
    """What the answer to many leads says of each."""

    at: str
    """JSON Pointer of the list."""
    id_at: str
    """JSON Pointer of the lead's id in an item of the list."""
    status_at: str
    """JSON Pointer of the item's own HTTP status; empty if it has none, then it has that of the answer."""
    responses: ResponseRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyLeads:
    """How one request carries the updates of many leads."""

    max_items: int
    max_bytes: int | None
    """Longest body; none if any length will do."""
    items_at: str
    """JSON Pointer of the list of leads in the body of the request."""
    results: ItemResults | None
    """None where the API takes or refuses all leads of a request together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCall:
    """The call that writes one lead update, or those of many leads."""

    method: str
    path: str
    responses: ResponseRules
    partial: bool
    """Whether the API keeps the fields that an update leaves out."""
    envelope: str = ""
    """Property that the fields are wrapped in; empty for none."""
    merged_objects: frozenset[str] = frozenset()
    """Object fields whose keys the API merges one by one."""
    coalesce: bool = True
    """Whether updates of one lead may be merged into one; if not, each is a step that matters."""
    repeatable: bool = True
    """Whether a request whose fate is unknown may be sent again."""
    read_back_on: frozenset[int] = frozenset()
    """Statuses that a repeated request may get because the first one was written after all."""
    many: ManyLeads | None = None
    """None where each request carries one lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """So many requests in any so many seconds."""

    requests: int
    per_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """How many requests an API takes, all limits at once."""

    windows: tuple[RateLimit, ...] = ()
    slow_down_from: float = 1.0
    """Share of a window from which on its requests are spread evenly."""
    limit_header: str = ""
    """Header of an answer that says how many requests the window takes, in lower case."""
    remaining_header: str = ""
    """Header of an answer that says how many of them are left, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCall:
    """The call that reads one lead back."""

    method: str
    path: str
    lead_at: str
    """JSON Pointer of the lead in the answer."""
    query: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    """The only fields that the answer shows; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCall:
    """How an API that writes later says how the writing ended."""

    method: str
    path: str
    id_at: tuple[str, ...]
    """JSON Pointers of the job's id in the answer to an update, in the order in which to look."""
    responses: ResponseRules


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedResponse:
    """An answer of the API and what it means: material for tests and for the sandbox."""

    name: str
    """File name without its ending."""
    call: str
    """``update``, ``read`` or ``job``."""
    status: int
    headers: Mapping[str, str]
    body: bytes
    outcome: str
    """What a record ends as when this is the last answer to its update."""
    content: Any = None
    """The body as JSON, if it was given as such."""
    occasion: str = ""
    """When the sandbox gives this answer, such as ``success`` or ``throttled``."""
    lead_ids: tuple[str, ...] = ()
    """Leads that the sandbox always answers so."""
    lead_at: str | None = None
    """JSON Pointer of the place in the body where the sandbox puts the stored lead."""
    id_field: str = ""
    """Key of the stored lead under which the sandbox puts its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A provider, as its folder describes it."""

    name: str
    title: str
    documentation: tuple[str, ...]
    settings: Mapping[str, SettingDefinition]
    base_url: BaseUrl
    headers: Mapping[str, str]
    """Templates of the headers that prove who sends the request."""
    lead_id: LeadId
    update: UpdateCall
    lead_schema: LeadSchema
    rate_limits: RateLimits = field(default_factory=RateLimits)
    read: ReadCall | None = None
    job: JobCall | None = None
    folder: Traversable = field(repr=False)

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the settings whose values must never be shown."""
        return frozenset(name for name, setting in self.settings.items() if setting.secret)

    @property
    def sandbox_path(self) -> str:
        """What the sandbox puts before this provider's paths: its name, and the path of its own base URL."""
        return f"/{self.name}{urlsplit(next(iter(self.base_url.urls.values()))).path.rstrip('/')}"


def placeholders(template: str) -> Iterator[str]:
    """Names in braces in a template, such as ``lead_id`` in ``/leads/{lead_id}``.

    Raises:
        ValueError: the braces of the template do not match.
    """
    for _, name, specification, conversion in string.Formatter().parse(template):
        if name is not None:
            yield name + (f"!{conversion}" if conversion else "") + (f":{specification}" if specification else "")
