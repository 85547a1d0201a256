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

    success_body: Matcher | None = None
    """What the body of a 2xx keeps to, where the API promises one."""
    rules: tuple[ResponseRule, ...] = ()
    """Exceptions; the first that fits counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCall:
    """The call that writes one lead update."""

    method: str
    path: str
    responses: ResponseRules
    partial: bool
    """Whether the API keeps the fields that an update leaves out."""
    envelope: str = ""
    """Property that the fields are wrapped in; empty for none."""
    merged_objects: frozenset[str] = frozenset()
    """Object fields whose keys the API merges one by one."""


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
