"""How the updates of one lead in a batch are ordered and merged."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from target_leads.coalescing import coalesced, merged_fields
from target_leads.models import LeadUpdate, Record
from target_leads.providers import load_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_leads.providers import Definition

GENERIC = json.loads((Path(__file__).parent / "providers" / "generic" / "provider.json").read_text(encoding="utf-8"))
STAGE_AND_REASON = {
    "type": "object",
    "properties": {"stage": {"type": "string"}, "lost_because": {"type": "string"}},
    "if": {"properties": {"stage": {"const": "won"}}, "required": ["stage"]},
    "then": {"properties": {"lost_because": False}},
}
"""A lead that was won may not have been lost for a reason."""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Definition]:
    """Providers: one that takes anything, one whose every step matters, one with a rule across two fields."""
    any_fields: dict[str, Any] = {"type": "object", "properties": {}}
    return {
        "free": _definition(tmp_path_factory.mktemp("provider"), any_fields),
        "steps": _definition(tmp_path_factory.mktemp("provider"), any_fields, coalesce=False),
        "strict": _definition(tmp_path_factory.mktemp("provider"), STAGE_AND_REASON),
        "by_key": _definition(
            tmp_path_factory.mktemp("provider"),
            {"type": "object", "properties": {"address": {"type": "object"}}},
            merged_objects=["address"],
        ),
    }


def _definition(folder: Path, schema: dict[str, Any], **update: Any) -> Definition:
    provider = GENERIC | {"update": GENERIC["update"] | update}
    (folder / "provider.json").write_text(json.dumps(provider), encoding="utf-8")
    (folder / "lead.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    return load_folder(folder)


def update_of(
    lead_id: str = "L1", *, provider: str = "free", account: str = "default", version: int | None = None, **fields: Any
) -> LeadUpdate:
    """An update of a lead, with a record of its own."""
    record = Record(stream="leads", fields=fields, original=fields)
    return LeadUpdate(
        record=record,
        provider=provider,
        account=account,
        lead_id=lead_id,
        fields=fields,
        version=None if version is None else Decimal(version),
    )


def steps(*updates: LeadUpdate) -> tuple[LeadUpdate, ...]:
    """The updates of one lead in a batch, of which only the last is the latest."""
    return (*(dataclasses.replace(update, is_latest=False) for update in updates[:-1]), updates[-1])


def test_a_lead_s_updates_become_one(definitions: Mapping[str, Definition]) -> None:
    """It has the fields of all, the record of the last, and the updates that it was made of, oldest first."""
    parts = update_of(stage="open", city="Oslo"), update_of(stage="won"), update_of(phone="+1 555 0100")
    (update,) = coalesced(parts, definitions)

    assert update.fields == {"stage": "won", "city": "Oslo", "phone": "+1 555 0100"}
    assert update.record is parts[2].record
    assert update.parts == steps(*parts)


def test_back_and_forth_ends_where_it_began(definitions: Mapping[str, Definition]) -> None:
    """A, then B, then A is A, and it is sent: what the provider has may be anything."""
    parts = tuple(update_of(stage=stage) for stage in "ABA")
    (update,) = coalesced(parts, definitions)
    assert (update.fields, update.parts) == ({"stage": "A"}, steps(*parts))


def test_a_lead_that_comes_once_stays_as_it_is(definitions: Mapping[str, Definition]) -> None:
    """Nothing was merged into it, so it has no parts."""
    updates = [update_of("L1", stage="A"), update_of("L2", stage="B")]
    assert all(got is given for got, given in zip(coalesced(updates, definitions), updates, strict=True))


def test_leads_keep_the_order_in_which_they_came_first(definitions: Mapping[str, Definition]) -> None:
    """A later update of a lead does not send it to the end."""
    updates = [update_of(lead_id, step=step) for step, lead_id in enumerate("BACBA")]
    assert [(update.lead_id, update.fields["step"]) for update in coalesced(updates, definitions)] == [
        ("B", 3),
        ("A", 4),
        ("C", 2),
    ]


def test_the_same_id_elsewhere_is_another_lead(definitions: Mapping[str, Definition]) -> None:
    """Provider and account belong to a lead's name."""
    updates = [update_of(stage="A"), update_of(stage="B", account="north"), update_of(stage="C", provider="strict")]
    assert list(coalesced(updates, definitions)) == updates


def test_streams_of_one_lead_meet(definitions: Mapping[str, Definition]) -> None:
    """Two streams that update the same lead send it once."""
    fields = {"city": "Oslo"}
    other = LeadUpdate(
        record=Record(stream="cities", fields=fields, original=fields),
        provider="free",
        account="default",
        lead_id="L1",
        fields=fields,
    )
    (update,) = coalesced([update_of(stage="A"), other], definitions)
    assert update.fields == {"stage": "A", "city": "Oslo"}


@pytest.mark.parametrize(
    ("older", "newer", "merged"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({"a": None}, {"b": 1}, {"a": None, "b": 1}),
        ({"a": None}, {"a": 1}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "d": 4}}, {"a": {"c": 3, "d": 4}}),
        ({"by_key": {"b": 1, "c": 2}}, {"by_key": {"c": 3, "d": 4}}, {"by_key": {"b": 1, "c": 3, "d": 4}}),
        ({"by_key": {"b": {"c": 1}}}, {"by_key": {"b": {"d": None}}}, {"by_key": {"b": {"d": None}}}),
        ({"by_key": {"b": 1}}, {"by_key": {}}, {"by_key": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": [{"b": 1}]}, {"a": [{"c": 2}]}, {"a": [{"c": 2}]}),
    ],
)
def test_absent_is_not_null(older: Any, newer: Any, merged: Any) -> None:
    """A newer field wins, null too; one that is absent stays, in objects that are merged by key as well."""
    before = copy.deepcopy((older, newer))
    assert merged_fields(older, newer, {"by_key"}) == merged
    assert (older, newer) == before


FIELDS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.sampled_from("abc"), values, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), FIELDS, max_size=3)


def has(fields: Any, part: Any) -> bool:
    """Whether all that an update says is there, however deep."""
    if isinstance(part, dict) and isinstance(fields, dict):
        return all(name in fields and has(fields[name], value) for name, value in part.items())
    return bool(fields == part)


@given(older=OBJECTS, newer=OBJECTS)
def test_all_that_the_newer_update_says_holds(older: dict[str, Any], newer: dict[str, Any]) -> None:
    """Nothing of it is lost, nothing is made up, and saying the same again changes nothing."""
    merged = merged_fields(older, newer, {"a"})
    assert merged.keys() == older.keys() | newer.keys()
    assert merged_fields(merged, newer, {"a"}) == merged
    assert merged_fields({}, newer, {"a"}) == merged_fields(newer, {}, {"a"}) == newer
    for name in older.keys() | newer.keys():
        by_key = name == "a" and isinstance(older.get(name), dict) and isinstance(newer.get(name), dict)
        only = newer[name] if name in newer else older[name]
        assert merged[name] == ({**older[name], **newer[name]} if by_key else only)


@pytest.mark.parametrize(
    ("provider", "older", "newer", "requests"),
    [
        ("free", {"unit": "7", "street": "Level St", "city": "Sydney"}, {"street": "New St", "city": "Perth"}, 2),
        ("free", {"street": "Level St"}, {"unit": "7", "street": "New St"}, 1),
        ("free", {"geo": {"lat": 1, "lon": 2}}, {"geo": {"lat": 3}}, 2),
        ("free", {"geo": None}, {"geo": {"lat": 3}}, 2),
        ("by_key", {"unit": "7", "street": "Level St"}, {"street": "New St"}, 1),
    ],
)
def test_an_object_that_loses_keys_is_sent_in_steps(
    provider: str, older: Any, newer: Any, requests: int, definitions: Mapping[str, Definition]
) -> None:
    """Half an old address and half a new one is neither, and whether a provider keeps the old keys is unknown."""
    updates = [update_of(provider=provider, address=older), update_of(provider=provider, address=newer)]
    assert len(list(coalesced(updates, definitions))) == requests


def test_versions_decide_which_update_is_newer(definitions: Mapping[str, Definition]) -> None:
    """If all have one, whatever the order in which they came; the newest gives record and version."""
    third = update_of(version=3, stage="won")
    first, second = update_of(version=1, stage="open", city="Oslo"), update_of(version=2, stage="called", city="Rome")
    (update,) = coalesced([third, first, second], definitions)

    assert update.fields == {"stage": "won", "city": "Rome"}
    assert (update.parts, update.record, update.version) == (steps(first, second, third), third.record, 3)


def test_the_same_version_keeps_the_order(definitions: Mapping[str, Definition]) -> None:
    """Between equals the later record counts as newer, and a version of nought is a version."""
    parts = tuple(update_of(version=version, stage=stage) for version, stage in [(0, "A"), (0, "B"), (-1, "C")])
    (update,) = coalesced(parts, definitions)
    assert (update.fields, update.parts) == ({"stage": "B"}, steps(parts[2], parts[0], parts[1]))


def test_without_a_version_for_each_the_order_counts(definitions: Mapping[str, Definition]) -> None:
    """Where one update has none, versions cannot say which is newer."""
    parts = update_of(version=2, stage="A"), update_of(stage="B"), update_of(version=1, stage="C")
    (update,) = coalesced(parts, definitions)
    assert (update.fields, update.parts) == ({"stage": "C"}, steps(*parts))


def test_steps_that_matter_are_kept(definitions: Mapping[str, Definition]) -> None:
    """Where the definition says so each update is sent by itself, in the order of arrival or of the versions."""
    arrived = [update_of(provider="steps", stage=stage) for stage in "ABA"]
    assert list(coalesced(arrived, definitions)) == [*steps(*arrived)]

    versioned = [update_of("L2", provider="steps", version=version, step=version) for version in (3, 1, 2)]
    assert [update.fields["step"] for update in coalesced(versioned, definitions)] == [1, 2, 3]


def test_a_field_that_was_cleared_and_filled_again_stays_apart(definitions: Mapping[str, Definition]) -> None:
    """One update cannot say that the old keys of an object are to go and new ones to come."""
    updates = [update_of(phone={"number": "1", "ext": "2"}), update_of(phone=None), update_of(phone={"number": "3"})]
    assert tuple(coalesced(updates, definitions)) == steps(*updates)


def test_a_merge_that_the_schema_refuses_stays_apart(definitions: Mapping[str, Definition]) -> None:
    """Two updates that are valid each but not together are sent one after the other, as they came."""
    updates = [update_of(provider="strict", lost_because="price"), update_of(provider="strict", stage="won")]
    assert tuple(coalesced(updates, definitions)) == steps(*updates)

    valid = [update_of(provider="strict", stage="open"), update_of(provider="strict", stage="won")]
    (update,) = coalesced(valid, definitions)
    assert update.fields == {"stage": "won"}


def test_a_dead_letter_keeps_its_place_among_newer_records(definitions: Mapping[str, Definition]) -> None:
    """It came before them, wherever it stands in the input, and so its values give way to theirs."""
    noon = datetime.datetime(2026, 3, 29, 12, 0, tzinfo=datetime.timezone.utc)
    newer, letter = (
        dataclasses.replace(
            update, record=structs.replace(update.record, received_at=noon.replace(hour=hour), dead_letter_id=again)
        )
        for update, hour, again in ((update_of(stage="won"), 11, None), (update_of(stage="open", note="x"), 9, 17))
    )
    (update,) = coalesced([newer, letter], definitions)
    assert (update.fields, update.record) == ({"stage": "won", "note": "x"}, newer.record)


@given(
    given_updates=st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from(["free", "steps"]), st.none() | st.integers(0, 3)), max_size=12
    )
)
def test_every_record_is_in_one_update(
    given_updates: list[tuple[str, str, int | None]], definitions: Mapping[str, Definition]
) -> None:
    """Nothing is lost or doubled, a lead's versions never go back, and only a provider of steps gets a lead twice."""
    updates = [
        update_of(lead_id, provider=provider, version=version, step=step)
        for step, (lead_id, provider, version) in enumerate(given_updates)
    ]
    got = list(coalesced(updates, definitions))

    parts = [part for update in got for part in update.parts or (update,)]
    assert sorted(part.fields["step"] for part in parts) == list(range(len(updates)))
    merged = [update.lead_id for update in got if update.provider == "free"]
    assert len(set(merged)) == len(merged)
    for lead in {(update.provider, update.lead_id) for update in updates}:
        own = [part for part in parts if (part.provider, part.lead_id) == lead]
        versions = [part.version for part in own]
        order = [part.fields["step"] for part in own] if None in versions else versions
        assert order == sorted(order)
