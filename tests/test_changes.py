"""What of an update differs from what its provider last accepted."""

from __future__ import annotations

import copy
import dataclasses
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_leads.changes import Accepted, Fingerprints, after, reduced
from target_leads.coalescing import merged_fields
from target_leads.models import LeadUpdate, Record
from target_leads.providers import load_all, load_folder

if TYPE_CHECKING:
    from target_leads.providers import Definition

GENERIC = json.loads((Path(__file__).parent / "providers" / "generic" / "provider.json").read_text(encoding="utf-8"))
PRINTS = Fingerprints(b"a key of the test's own")
SECRET = "s3cret-value"
"""Planted, to see that it is never kept."""


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Definition]:
    """Providers whose updates are partial, whole, partial with an object of merged keys, or must have a field."""
    demanding = {"required": ["a"], "dependentRequired": {"b": ["c"]}}
    merging = {"update": GENERIC["update"] | {"merged_objects": ["a"]}}
    whole = {"update": GENERIC["update"] | {"fields": "whole"}}
    in_body = {"update": GENERIC["update"] | {"path": "/leads"}, "lead_id": {"name": "id", "body_field": "a"}}
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "partial": ({}, {}),
        "whole": (whole, {}),
        "merging": (merging, {}),
        "demanding": ({}, demanding),
        "demanding merging": (merging, demanding),
        "id in body": (in_body, {}),
    }
    found = {}
    for name, (provider, schema) in kinds.items():
        folder = tmp_path_factory.mktemp("provider")
        (folder / "provider.json").write_text(json.dumps(GENERIC | provider), encoding="utf-8")
        any_fields = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}}
        (folder / "lead.schema.json").write_text(json.dumps(any_fields | schema), encoding="utf-8")
        found[name] = load_folder(folder)
    return found


def update_of(lead_id: str = "L-1", /, **fields: Any) -> LeadUpdate:
    """An update of a lead."""
    record = Record(stream="leads", fields=fields, original=fields)
    return LeadUpdate(record=record, provider="generic", account="default", lead_id=lead_id, fields=fields)


def after_all(definition: Definition, *updates: LeadUpdate) -> Accepted | None:
    """What a provider has accepted once it has accepted these."""
    accepted = None
    for update in updates:
        accepted = after(accepted, update, PRINTS, definition)
    return accepted


def sent(definition: Definition, old: dict[str, Any], new: dict[str, Any]) -> Any:
    """The body that is sent after an old update was accepted; none if nothing is."""
    update = reduced(update_of(**new), after_all(definition, update_of(**old)), PRINTS, definition)
    return None if update is None else update.body


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "0", "x", "ë"]),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.sampled_from("xyz"), values, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def applied(definition: Definition, lead: dict[str, Any], body: Any) -> dict[str, Any]:
    """A lead after a provider has written a body to it, by the rules that its definition tells."""
    if body is None:
        return lead
    if not definition.update.partial:
        return dict(body)
    return merged_fields(lead, body, definition.update.merged_objects)


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same text: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("kind", ["partial", "merging", "whole"])
@given(updates=st.lists(FIELDS.filter(bool), min_size=1, max_size=4))
def test_the_lead_ends_as_if_everything_had_been_sent(
    kind: str, updates: list[dict[str, Any]], providers: dict[str, Definition]
) -> None:
    """Whatever was accepted before, what is sent of each update leaves the same lead behind as all of it would."""
    definition = providers[kind]
    accepted = None
    lead: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for fields in updates:
        before = copy.deepcopy(fields)
        update = update_of(**fields)
        to_send = reduced(update, accepted, PRINTS, definition)
        lead = applied(definition, lead, None if to_send is None else to_send.body)
        expected = applied(definition, expected, fields)
        accepted = after(accepted, update, PRINTS, definition)
        assert alike(lead, expected)
        assert fields == before
        assert reduced(update, accepted, PRINTS, definition) is None


@given(old=FIELDS, new=FIELDS.filter(bool))
def test_no_more_is_sent_than_differs(
    old: dict[str, Any], new: dict[str, Any], providers: dict[str, Definition]
) -> None:
    """Where updates are partial the body has the fields that differ, each as the update has it, and no other."""
    expected = {name: value for name, value in new.items() if name not in old or not alike(old[name], value)}
    assert alike(sent(providers["partial"], old, new), expected or None)


@given(old=VALUES, new=VALUES)
def test_no_more_keys_are_sent_than_differ(old: Any, new: Any, providers: dict[str, Definition]) -> None:
    """Of an object whose keys the provider merges, those that differ; all of it where it was no object before."""
    body = sent(providers["merging"], {"a": old}, {"a": new})
    if isinstance(old, dict) and isinstance(new, dict):
        keys = {key: value for key, value in new.items() if key not in old or not alike(old[key], value)}
        assert alike(body, {"a": keys} if keys else None)
    else:
        assert alike(body, None if alike(old, new) else {"a": new})


@pytest.mark.parametrize("kind", ["demanding", "demanding merging"])
@given(
    old=st.fixed_dictionaries({"a": st.dictionaries(st.sampled_from("xyz"), VALUES)}, optional={"c": VALUES}),
    new=st.fixed_dictionaries(
        {"a": st.dictionaries(st.sampled_from("xyz"), VALUES), "c": VALUES}, optional={"b": VALUES, "d": VALUES}
    ),
)
def test_what_the_schema_demands_is_always_in_it(
    kind: str, old: dict[str, Any], new: dict[str, Any], providers: dict[str, Definition]
) -> None:
    """No update that keeps to the schema becomes one that does not, for what has been left out of it."""
    definition = providers[kind]
    assert not definition.lead_schema.violations(new)
    body = sent(definition, old, new)
    if body is not None:
        assert "a" in body
        assert not definition.lead_schema.violations(body)
        assert body.keys() <= new.keys()


def test_a_rule_across_fields_brings_the_whole_update(providers: dict[str, Definition]) -> None:
    """Where changed and required fields alone would break the schema, everything is sent."""
    old, new = {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "c": 1}
    assert sent(providers["demanding"], old, new) == new
    assert sent(providers["partial"], old, new) == {"b": 2}


def test_a_required_field_alone_is_no_reason_to_send(providers: dict[str, Definition]) -> None:
    """What is always in the body does not differ for that."""
    assert sent(providers["demanding"], {"a": 1, "c": 1}, {"a": 1}) is None


def test_perch_gets_its_five() -> None:
    """One field changed: it is sent, and the five that Perch always demands."""
    perch = load_all([])["perch"]
    example = json.loads((perch.folder / "example.json").read_text(encoding="utf-8"))
    example = {name: value for name, value in example.items() if name in perch.lead_schema.properties}
    changed = {**example, "phone": {**example.get("phone", {}), "extension": "42"}}
    assert sent(perch, example, changed).keys() == {*perch.lead_schema.required, "phone"}


@pytest.mark.parametrize(
    ("old", "new"),
    [({"b": 1, "c": 1}, {"b": 1, "c": 2}), ({"b": 1}, {"b": 1, "c": 1}), ({"b": 1, "c": 1}, {"b": 1})],
    ids=["changed", "more", "fewer"],
)
def test_whole_updates_are_sent_whole(
    old: dict[str, int], new: dict[str, int], providers: dict[str, Definition]
) -> None:
    """Where the provider does not keep what an update leaves out, everything is sent as soon as anything differs."""
    assert sent(providers["whole"], old, new) == new
    assert sent(providers["whole"], new, new) is None


@pytest.mark.parametrize(
    ("name", "new", "differing"),
    [
        ("partial", {"a": {"x": 1, "y": 3}, "b": 1}, ("a",)),
        ("partial", {"a": {"x": 1, "y": 2}, "b": 2, "c": None}, ("b", "c")),
        ("whole", {"a": {"x": 1, "y": 2}, "b": 2}, ("b",)),
        ("whole", {"b": 1}, ()),
    ],
)
def test_what_differs_is_named(
    name: str, new: dict[str, Any], differing: tuple[str, ...], providers: dict[str, Definition]
) -> None:
    """The fields that differ are told, whether all or only those are sent; of an object by the names in it."""
    accepted = after_all(providers[name], update_of(a={"x": 1, "y": 2}, b=1))
    to_send = reduced(update_of(**new), accepted, PRINTS, providers[name])
    assert to_send is not None
    assert to_send.differing == differing


def test_the_id_in_the_body_is_no_change(providers: dict[str, Definition]) -> None:
    """It says whose update it is: always in the body, and never the reason for one."""
    definition = providers["id in body"]
    assert sent(definition, {"b": 1}, {"a": "L-1", "b": 1}) is None
    assert sent(definition, {"a": "L-1", "b": 1}, {"a": "L-1", "b": 2}) == {"a": "L-1", "b": 2}


def test_of_a_lead_that_is_not_known_everything_is_sent(providers: dict[str, Definition]) -> None:
    """The very update, whatever the provider; also where all of it was forgotten."""
    update = update_of(a={"x": 1}, b=2)
    for definition in providers.values():
        assert reduced(update, None, PRINTS, definition) is update
        forgotten = reduced(update, Accepted(fields={}), PRINTS, definition)
        assert forgotten is not None
        assert forgotten.body == update.fields


def test_only_the_body_is_reduced(providers: dict[str, Definition]) -> None:
    """The update keeps its record and all of its fields, by which it is remembered, and names those that differ."""
    accepted = after_all(providers["partial"], update_of(a=1, b=1))
    update = update_of(a=1, b=2)
    to_send = reduced(update, accepted, PRINTS, providers["partial"])
    assert to_send == dataclasses.replace(update, changes={"b": 2}, differing=("b",))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (1, "1"), (1, True), (0, False), (None, "null"), ("", None), ([], {}), ([1, 2], [2, 1]), ({"x": None}, {}),
        ("a", "A"), ("é", "e\u0301"), ("x", "x "), ("\ud800", "\udfff"), (Decimal("1.1"), "1.1"), ([[1], 2], [1, [2]]),
    ],
)  # fmt: skip
def test_what_is_not_the_same_text_differs(old: Any, new: Any, providers: dict[str, Definition]) -> None:
    """No value is taken for another that a provider could tell from it."""
    assert sent(providers["partial"], {"b": old}, {"b": new}) == {"b": new}
    assert sent(providers["partial"], {"b": new}, {"b": old}) == {"b": old}


@given(fields=FIELDS)
def test_the_order_of_keys_does_not_matter(fields: dict[str, Any], providers: dict[str, Definition]) -> None:
    """The same object, however deep, is the same in whatever order its keys come."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(each) for each in value] if isinstance(value, list) else value

    assert PRINTS.of(turned(fields)) == PRINTS.of(fields)
    for kind in ("partial", "merging", "whole"):
        accepted = after_all(providers[kind], update_of(**fields))
        assert reduced(update_of(**turned(fields)), accepted, PRINTS, providers[kind]) is None


# Hashes


def test_no_hash_holds_a_value(providers: dict[str, Definition]) -> None:
    """What is kept of an update are its fields' names and text as long for a word as for a book."""
    for kind in ("partial", "merging"):
        long = after_all(providers[kind], update_of(a={"x": SECRET * 100}, b=SECRET, c=[SECRET]))
        assert SECRET not in repr(long)
        short = after_all(providers[kind], update_of(a={"x": ""}, b=1, c=[]))
        assert len(repr(long)) == len(repr(short))


def test_no_hash_can_be_made_without_the_key(providers: dict[str, Definition]) -> None:
    """A hash of a phone number is soon found by trying them all; without the key that does not work."""
    other = Fingerprints(b"another key")
    assert other.of("+1 555 0100") != PRINTS.of("+1 555 0100")
    update = update_of(b="+1 555 0100")
    kept = after(None, update, other, providers["partial"])
    assert reduced(update, kept, PRINTS, providers["partial"]) is not None


def test_values_are_not_run_together() -> None:
    """A hash of two values is none of one, nor of two others of the same letters."""
    prints = [PRINTS.of("a", "b"), PRINTS.of("ab"), PRINTS.of(["a", "b"]), PRINTS.of("b", "a"), PRINTS.of('a","b')]
    assert len(set(prints)) == 5


ALIKE = [1, "1", True, "true", Decimal("1.0"), "1.0", Decimal("1.10"), None, "null", "", [], {}, [1], "[1]", {"a": 1}]
ALIKE += ["\ud800", "\\ud800", "?", Decimal("NaN"), Decimal("Infinity"), "NaN"]


@pytest.mark.parametrize("kind", ["as read", "mapped"])
def test_records_that_differ_look_different(kind: str) -> None:
    """A record that looks like the one before is not sent, so no value may pass for another. What maps make neither."""
    is_as_read = kind == "as read"
    values = ALIKE if is_as_read else [*ALIKE, float("nan"), float("inf"), 1.1, {1: 2}, {"1": 2}]
    records = [{"a": value} for value in values] + [{"b": 1}, {"a": 1, "b": 1}, {"b": 1, "a": 1}]
    looks = [PRINTS.of_record("context", record, is_as_read=is_as_read) for record in records]
    assert len(set(looks)) == len(looks)
    assert PRINTS.of_record("another", records[0], is_as_read=is_as_read) not in looks
    again = [PRINTS.of_record("context", copy.deepcopy(record), is_as_read=is_as_read) for record in records]
    assert again == looks


def test_the_same_value_of_another_lead_looks_different(providers: dict[str, Definition]) -> None:
    """Who reads the table cannot see which leads share a phone number, nor which fields of one hold the same."""
    one, other = (after_all(providers["partial"], update_of(lead, b=SECRET, c=SECRET)) for lead in ("L-1", "L-2"))
    assert one is not None
    assert other is not None
    assert len({*one.fields.values(), *other.fields.values()}) == 4


# What was accepted


def test_what_was_accepted_is_added_to(providers: dict[str, Definition]) -> None:
    """Where updates are partial other fields stay known, and of an object whose keys are merged its other keys."""
    first, second = update_of(a={"x": 1, "y": 1}, b=1), update_of(a={"y": 2}, c=3)
    both = update_of(a={"x": 1, "y": 2}, b=1, c=3)
    definition = providers["merging"]
    assert after_all(definition, first, second) == after_all(definition, both)


def test_an_object_that_is_replaced_is_known_anew(providers: dict[str, Definition]) -> None:
    """Where its keys are not merged, and where it was null in between."""
    first, second = update_of(a={"x": 1, "y": 1}), update_of(a={"y": 2})
    assert after_all(providers["partial"], first, second) == after_all(providers["partial"], second)
    null = update_of(a=None)
    assert after_all(providers["merging"], first, null, second) == after_all(providers["merging"], second)


def test_where_updates_are_whole_only_the_last_is_known(providers: dict[str, Definition]) -> None:
    """Of what it left out the provider keeps nothing."""
    first, second = update_of(a=1, b=1), update_of(b=2)
    assert after_all(providers["whole"], first, second) == after_all(providers["whole"], second)


def test_digest_and_version_are_those_of_the_last(providers: dict[str, Definition]) -> None:
    """But for an update without a version, which does not say that it is older than any."""
    first = dataclasses.replace(update_of(a=1), digest="first", version=Decimal(7))
    second = dataclasses.replace(update_of(a=2), digest="second")
    third = dataclasses.replace(update_of(a=3), digest="third", version=Decimal(9))
    for kind in ("partial", "whole"):
        found = [after_all(providers[kind], *these) for these in ((first,), (first, second), (first, second, third))]
        assert [(each.digest, each.version) for each in found if each] == [
            ("first", Decimal(7)),
            ("second", Decimal(7)),
            ("third", Decimal(9)),
        ]


def test_a_reduced_update_is_remembered_whole(providers: dict[str, Definition]) -> None:
    """What was left out of the body was accepted before, so all of its fields are what the provider has."""
    definition = providers["partial"]
    accepted = after_all(definition, update_of(a=1, b=1))
    to_send = reduced(update_of(a=1, b=2), accepted, PRINTS, definition)
    assert to_send is not None
    assert after(accepted, to_send, PRINTS, definition) == after_all(definition, update_of(a=1, b=2))
