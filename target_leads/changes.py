"""What of an update differs from what its provider last accepted. Of that it knows hashes only, and no values."""

from __future__ import annotations

import binascii
import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import simplejson

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from target_leads.models import LeadUpdate, Record
    from target_leads.providers import Definition

_DIGEST_BYTES = 12
"""96 bits: two values of a field that look alike by chance are not to be feared in any table."""

_ENCODER = simplejson.JSONEncoder(use_decimal=True, sort_keys=True, separators=(",", ":"), allow_nan=True, default=str)
_RECORD_ENCODER = msgspec.json.Encoder(decimal_format="number")

FieldHashes = dict[str, Any]
"""A hash for each field; for an object whose keys the provider merges, one for each of its keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a provider last accepted of a lead, as hashes."""

    fields: FieldHashes
    digest: str = ""
    """Of the record that brought it there; empty if that is not known."""
    version: Decimal | None = None
    as_of: datetime.datetime | None = None
    """How new its data is; none if that is not known."""
    run_id: str = field(default="", compare=False)
    """The run that sent to the lead last."""

    def is_newer_than(self, record: Record, version: Decimal | None) -> bool:
        """Whether a record must not be sent over it: versions decide if both have one, else age.

        By age that is so for dead letters alone. Any other record has just come, and what another run has sent may be
        older, whatever the clock says on the machine where that was; or it may have other fields.
        """
        if version is not None and self.version is not None and version != self.version:
            return self.version > version
        if record.dead_letter_id is None or record.received_at is None or self.as_of is None:
            return False
        return self.as_of > record.received_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSent:
    """What was sent of a lead last, where its job is open."""

    fingerprint: str
    """Of the update; empty if another one may be the last."""
    job_id: str
    accepted: Accepted
    """What its provider will have accepted when the job ends well."""


class Fingerprints:
    """Hashes values with a key of the store's, so that nobody can try out which value a hash stands for."""

    def __init__(self, key: bytes) -> None:
        """Hash with this key, 64 bytes at most."""
        self._keyed = hashlib.blake2b(key=key, digest_size=_DIGEST_BYTES)

    def of(self, *values: object) -> str:
        """Hash of JSON values: the same for the same values, whatever the order of an object's keys."""
        return self._hash(_ENCODER.encode(values).encode(errors="surrogatepass"))

    def of_record(self, context: str, columns: Mapping[str, Any], *, is_as_read: bool) -> str:
        """Hash of a whole record in its context: another one if its columns come in another order.

        Most records of a run are the same as before, and for those this is all that is looked at; whatever looks
        different is compared field by field. So it is made of what is written soonest: JSON where the record is as the
        reader made it. What stream maps have made may be anything, for which JSON has no words of its own.
        """
        try:
            written = _RECORD_ENCODER.encode(columns) if is_as_read else _in_pythons_words(columns)
        except UnicodeEncodeError:  # half of a surrogate pair
            written = _in_pythons_words(columns)
        return self._hash(context.encode() + written)

    def _hash(self, written: bytes) -> str:
        keyed = self._keyed.copy()
        keyed.update(written)
        return binascii.b2a_base64(keyed.digest(), newline=False).decode()

    def of_fields(self, update: LeadUpdate, definition: Definition) -> FieldHashes:
        """Hash of each field, as finely as the provider writes them; another one for the same value of another lead."""
        merged = definition.update.merged_objects
        return {
            name: {key: self.of(update.lead_id, name, key, inner) for key, inner in value.items()}
            if name in merged and isinstance(value, dict)
            else self.of(update.lead_id, name, value)
            for name, value in update.fields.items()
        }


def reduced(
    update: LeadUpdate, accepted: Accepted | None, fingerprints: Fingerprints, definition: Definition
) -> LeadUpdate | None:
    """The update with no more in it than has to be sent; none if its provider has accepted all of it already.

    Where the provider keeps what an update leaves out, that is what differs and what its schema always demands.
    Elsewhere, and where that alone would break the schema, it is everything.
    """
    if accepted is None:
        return update
    hashes = fingerprints.of_fields(update, definition)
    id_field = definition.lead_id.body_field
    changes = {
        name: _changed_keys(value, accepted.fields.get(name), hashes[name])
        for name, value in update.fields.items()
        if name != id_field and not _is_accepted(accepted.fields.get(name), hashes[name])
    }
    by_key = {name: value for name, value in changes.items() if isinstance(hashes[name], dict)}
    differing = [*field_names(by_key), *(changes.keys() - by_key)]  # what differs inside of others is not known
    update = dataclasses.replace(update, differing=tuple(sorted(differing)))
    if not definition.update.partial:
        return update if changes or hashes.keys() != accepted.fields.keys() else None
    if not changes:
        return None
    demanded = {id_field, *definition.lead_schema.required}
    body = {
        name: changes.get(name, value) for name, value in update.fields.items() if name in changes or name in demanded
    }
    return update if definition.lead_schema.violations(body) else dataclasses.replace(update, changes=body)


def after(
    accepted: Accepted | None, update: LeadUpdate, fingerprints: Fingerprints, definition: Definition
) -> Accepted:
    """What its provider has accepted of a lead once it has accepted an update, on top of what it had before."""
    before = accepted or Accepted(fields={})
    hashes = fingerprints.of_fields(update, definition)
    if definition.update.partial:
        hashes = {**before.fields, **{name: _merged(before.fields.get(name), new) for name, new in hashes.items()}}
    return dataclasses.replace(
        before,
        fields=hashes,
        digest=update.digest,
        version=before.version if update.version is None else update.version,
        as_of=max(filter(None, (before.as_of, update.record.received_at)), default=None),
    )


def field_names(fields: Mapping[str, Any]) -> list[str]:
    """Names of fields; of those in an object with a dot: ``phone.extension``."""
    return [
        name if inner is None else f"{name}.{inner}"
        for name, value in fields.items()
        for inner in (value if isinstance(value, dict) and value else (None,))
    ]


def without(accepted: Accepted, fields: Iterable[str]) -> Accepted:
    """The same with nothing known of some fields."""
    kept = {name: value for name, value in accepted.fields.items() if name not in set(fields)}
    return dataclasses.replace(accepted, fields=kept, digest="")


def without_all(accepted: Accepted) -> Accepted:
    """The same with nothing known of any field."""
    return dataclasses.replace(accepted, fields={}, digest="")


def _in_pythons_words(columns: Mapping[str, Any]) -> bytes:
    return repr(columns).encode(errors="surrogatepass")


def _is_accepted(old: object, new: object) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return all(old.get(key) == value for key, value in new.items())
    return old == new


def _changed_keys(value: Any, old: object, new: object) -> Any:  # noqa: ANN401 -- a field holds any JSON
    """Of an object whose keys are merged, those that differ; any other value as it is."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: inner for key, inner in value.items() if old.get(key) != new[key]}
    return value


def _merged(old: object, new: object) -> object:
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
