"""Turns a record of the tap into the fields of a provider."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from target_leads.coercion import conversion
from target_leads.exceptions import SettingsError
from target_leads.models import Violation
from target_leads.providers.fields import fields_of
from target_leads.redaction import broken_rules
from target_leads.spelling import did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_leads.coercion import Conversion
    from target_leads.providers import Definition, Place
    from target_leads.settings import StreamSettings

_METADATA_PREFIX = "_sdc_"
_DELETED_AT = "_sdc_deleted_at"
_MOST_COLUMNS = 10_000
"""Remembered; records may bring names that their SCHEMA never had, and memory stays flat whatever they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedRecord:
    """What a record says in the provider's terms."""

    lead_id: str
    """Empty if the record has no usable id; then there is a violation."""
    fields: Mapping[str, Any] = field(repr=False)
    violations: tuple[Violation, ...] = ()
    """What is wrong with the record before the provider's schema is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the values of a column go."""

    path: tuple[str, ...]
    """Of the provider's field."""
    convert: Conversion | None = None
    """What is done to each value on the way; nothing if there is none."""


class StreamMapping:
    """How the records of one stream become updates of one provider."""

    def __init__(
        self,
        *,
        stream: str,
        definition: Definition,
        settings: StreamSettings,
        key_properties: Sequence[str] = (),
        provider_field: str = "",
    ) -> None:
        """Decide once what each column becomes.

        Raises:
            SettingsError: a mapped or constant field is none of the provider's, is given twice, or may not be given;
                or the provider does not take the value of a constant. It lists all that is wrong.
        """
        self.definition = definition
        self.settings = settings
        only_key = key_properties[0] if len(key_properties) == 1 else ""
        self.lead_id_field = settings.lead_id or only_key or definition.lead_id.name
        self._not_sent = {self.lead_id_field, provider_field, definition.lead_id.body_field}
        findings: list[str] = []
        names = {name: name for name in settings.constants}
        constants = self._known_paths(f"streams.{stream}.constants", names, findings)
        self._constants = {path: self._constant(path, settings.constants[name]) for name, path in constants.items()}
        findings += (
            f"streams.{stream}.constants.{name}{finding}"
            for name, path in constants.items()
            for finding in _findings(definition.lead_schema.place(path), self._constants[path])
        )
        fields = settings.fields or {}
        self._mapped = self._known_paths(f"streams.{stream}.fields", fields, findings)
        if provider_field in fields or any(column.startswith(_METADATA_PREFIX) for column in fields):
            findings.append(
                f"streams.{stream}.fields: a column that names the provider or begins with _sdc_ is never sent."
            )
        if findings:
            raise SettingsError(findings)
        self.route = functools.lru_cache(_MOST_COLUMNS)(self._decide_route)
        self._conversion = functools.cache(self._decide_conversion)

    @property
    def constants(self) -> Iterable[tuple[str, ...]]:
        """Paths of the provider's fields that have a fixed value."""
        return self._constants.keys()

    def dropped(self, columns: Iterable[str]) -> list[str]:
        """Those of a stream's columns that no field of the provider stands for."""
        return [column for column in columns if self._is_unknown(column)]

    def lead_id(self, columns: Mapping[str, Any]) -> str:
        """The lead's id; empty if the record has no usable one."""
        return usable_lead_id(columns.get(self.lead_id_field))

    def map(self, columns: Mapping[str, Any]) -> MappedRecord:
        """Fields of the provider for one record, which is not changed.

        Values stay as they are, but that labels become what they stand for, and types what the stream lets be coerced.
        """
        lead_id = self.lead_id(columns)
        violations = [] if lead_id else [Violation(path=f"$.{self.lead_id_field}", rule=_LEAD_ID_RULE)]
        fields: dict[str, Any] = {}
        for column, value in columns.items():
            route = self.route(column)
            converted = value if route is None or route.convert is None else route.convert(value)
            sent = converted if self.settings.sends_nulls else _without_nulls(converted)
            if route is not None:
                if sent is not None or self.settings.sends_nulls:
                    _put(fields, route.path, sent)
            elif self.settings.rejects_unknown_fields and sent is not None and self._is_unknown(column):
                violations.append(Violation(path=f"$.{column}", rule=f"is no field of {self.definition.name}"))
        if fields:
            for path, value in self._constants.items():
                _put(fields, path, value, wins=True)
            if self.definition.lead_id.body_field:
                fields[self.definition.lead_id.body_field] = lead_id
        return MappedRecord(lead_id=lead_id, fields=fields, violations=tuple(violations))

    def _is_unknown(self, column: str) -> bool:
        """Whether a column would be sent if only the provider knew it."""
        return (
            self.settings.fields is None
            and column not in self._not_sent
            and column != self.settings.version_field
            and not column.startswith(_METADATA_PREFIX)
            and self.route(column) is None
        )

    def _decide_route(self, column: str) -> Route | None:
        if self.settings.fields is not None:
            path = self._mapped.get(column)
        elif column in self._not_sent or column.startswith(_METADATA_PREFIX):
            path = None
        else:
            path = self.definition.lead_schema.path_of(column)
        if path is None:
            return None
        return Route(path=path, convert=self._conversion(self.definition.lead_schema.place(path)))

    def _decide_conversion(self, place: Place | None) -> Conversion | None:
        return conversion(place, coerces=self.settings.coerces, omits_nulls=not self.settings.sends_nulls)

    def _constant(self, path: tuple[str, ...], value: Any) -> Any:  # noqa: ANN401 -- a constant is any JSON
        convert = conversion(self.definition.lead_schema.place(path), coerces=False, omits_nulls=False)
        return value if convert is None else convert(value)

    def _known_paths(self, setting: str, names: Mapping[str, str], findings: list[str]) -> dict[str, tuple[str, ...]]:
        """Where the provider's fields of these names belong, by the key under which the setting names them.

        Of names that are wrong `findings` tell.
        """
        paths: dict[str, tuple[str, ...]] = {}
        for key, name in names.items():
            path = self.definition.lead_schema.path_of(name)
            if path is None:
                known = ", ".join(self.definition.lead_schema.properties)
                hint = self._hint(name)
                findings.append(f"{setting}: {name} is no field of {self.definition.name}; it has {known}.{hint}")
            elif path == (self.definition.lead_id.body_field,):
                findings.append(f"{setting}: {name} is the lead's id; say which field holds it with lead_id.")
            elif path in paths.values():
                findings.append(f"{setting}: {name} is given twice, and only one value can be sent.")
            else:
                paths[key] = path
        return paths

    def _hint(self, name: str) -> str:
        """The question whether another field was meant; of one in an object, whether another one in there."""
        parent, _, last = name.replace("__", ".").rpartition(".")
        beside = {each.removeprefix(f"{parent}."): each for each in self._names if each.startswith(f"{parent}.")}
        if parent and beside:
            near = nearest(last, beside)
            return f" Did you mean {beside[near]}?" if near else ""
        return did_you_mean(name, [*self.definition.lead_schema.properties, *self._names])

    @functools.cached_property
    def _names(self) -> list[str]:
        """The provider's fields that a column can stand for, dotted."""
        return [each.name for each in fields_of(self.definition) if each.is_column]


def _findings(place: Place | None, value: object) -> Iterator[str]:
    """What is wrong with a constant by itself: what an object lacks, the record may bring."""
    if place is None:
        return
    if isinstance(value, dict) and "object" in place.types:
        for name, inner in value.items():
            yield from (f".{name}{finding}" for finding in _findings(place.child(name), inner))
        return
    was = f", but was {value!r}" if isinstance(value, str) else ""
    for error in place.broken(value):
        for violation in broken_rules(error):
            yield f"{violation.path.removeprefix('$')}: {violation.rule}{was}."


_LEAD_ID_RULE = "holds no usable lead id: it must be text or a whole number, and neither blank nor . nor .."
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""No URL and no database can hold half of a surrogate pair, and PostgreSQL no NUL."""
_LONGEST_LEAD_ID = 500
"""No provider's id comes near. A longer one fits neither into a URL nor into the store's indexes."""


def usable_lead_id(value: object) -> str:
    """The lead's id as text, or an empty text if the value cannot be one."""
    if isinstance(value, str):
        is_usable = value.strip() not in {"", ".", ".."} and len(value) <= _LONGEST_LEAD_ID
        return value if is_usable and not _UNSTORABLE.search(value) else ""
    if isinstance(value, float):
        value = Decimal(value)
    if isinstance(value, Decimal) and _is_whole(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_LONGEST_LEAD_ID:
        return str(value)
    return ""


def _is_whole(value: Decimal) -> bool:
    """Whether a decimal has no fraction, without writing out the digits of 1E+999999999."""
    return value.is_finite() and value.adjusted() < _LONGEST_LEAD_ID and value == value.to_integral_value()


def _without_nulls(value: object) -> object:
    """The value without the null fields in its objects, however deep; None if that leaves an object with no field.

    Items of a list keep their places.
    """
    if isinstance(value, list):
        return [{} if (kept := _without_nulls(item)) is None and item is not None else kept for item in value]
    if not isinstance(value, dict) or not value:
        return value
    kept = {name: inner for name, field in value.items() if (inner := _without_nulls(field)) is not None}
    return kept or None


def _put(fields: dict[str, Any], path: tuple[str, ...], value: object, *, wins: bool = False) -> None:
    """Set a nested field, on a copy of what the record itself holds on the way.

    Where two columns meet, the keys of objects come together, and an object is more than a null. What cannot come
    together stays for the provider's schema to refuse.
    """
    *parents, name = path
    for parent in reversed(parents):
        name, value = parent, {name: value}
    fields[name] = _merged(fields.get(name), value, wins=wins)


def _merged(there: object, value: object, *, wins: bool) -> object:
    if isinstance(there, dict) and isinstance(value, dict):
        return there | {key: _merged(there.get(key), inner, wins=wins) for key, inner in value.items()}
    if wins or there is None:
        return value
    return there if value is None or isinstance(value, dict) else value


def is_deletion(columns: Mapping[str, Any]) -> bool:
    """Whether the tap says that the row was deleted. A lead update never deletes."""
    return columns.get(_DELETED_AT) not in (None, "")
