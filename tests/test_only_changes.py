"""Only what changed goes to a provider: whole runs, one after the other, on one store."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import ProviderUnavailable
from target_leads.models import Outcome
from target_leads.providers import bundled, load_all, load_example
from target_leads.sandbox import Arrival, Emulator, Interference, running
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_leads.report import RunReport

CREDENTIALS = {"api_key": "s", "api_token": "s", "access_token": "s", "service_partner": "my-finances"}


class Provider:
    """An emulated provider, and the bodies of the updates that it got."""

    def __init__(self, name: str, provider_paths: list[str]) -> None:
        """Begin with no leads."""
        self.name = name
        self.bodies: list[Any] = []
        self.interfere: Callable[[Arrival], Interference] = lambda _: Interference()
        self.definition = load_all(provider_paths)[name]
        self.emulator = Emulator({name: self.definition}, self._note)
        credentials = {
            key: CREDENTIALS.get(key, "s") for key in self.definition.settings if key in {*CREDENTIALS, "token"}
        }
        self.config: dict[str, Any] = {
            "provider": name,
            "provider_paths": provider_paths,
            "providers": {name: credentials},
        }

    def _note(self, arrival: Arrival) -> Interference:
        if arrival.method != "GET":
            self.bodies.append(json.loads(arrival.body, parse_float=Decimal))
        return self.interfere(arrival)

    def run(self, *records: dict[str, Any], **settings: Any) -> RunReport:
        """Do a whole run; whatever ends it early goes on to the caller."""
        id_name = self.definition.lead_id.name
        schema = {"type": "SCHEMA", "stream": "leads", "key_properties": [id_name], "schema": {"properties": {}}}
        messages = [schema, *({"type": "RECORD", "stream": "leads", "record": record} for record in records)]
        self.bodies.clear()
        target = TargetLeads(config=self.config | settings)
        try:
            target.run(io.BytesIO(b"\n".join(json.dumps(message).encode() for message in messages)))
        finally:
            target.close(exit_status=1)
        assert target.report is not None
        return target.report


@contextlib.contextmanager
def serving(name: str, provider_paths: list[str] | None = None) -> Iterator[Provider]:
    """A provider, served."""
    provider = Provider(name, provider_paths or [])
    with running(provider.emulator) as url:
        provider.config["providers"][name]["base_url"] = url + provider.emulator.prefixes[name]
        yield provider


@pytest.fixture
def generic(generic_config: dict[str, Any]) -> Iterator[Provider]:
    """A provider that takes any field and keeps what an update leaves out."""
    with serving("generic", generic_config["provider_paths"]) as provider:
        yield provider


@pytest.mark.parametrize("name", sorted(bundled()))
def test_a_second_run_over_the_same_input_sends_nothing(name: str) -> None:
    """What the provider has accepted is unchanged, and no request is made for it."""
    with serving(name) as provider:
        example = load_example(provider.definition)
        assert provider.run(example).count(Outcome.DELIVERED) == 1
        report = provider.run(example)
        assert (report.count(Outcome.UNCHANGED), report.requests, provider.bodies) == (1, 0, [])


PERCH_DEMANDS = {name: load_example(bundled()["perch"])[name] for name in bundled()["perch"].lead_schema.required}


@pytest.mark.parametrize(
    ("name", "change", "body"),
    [
        ("perch", {"lastName": "Roy"}, PERCH_DEMANDS | {"lastName": "Roy"}),
        (
            "perch",
            {"phone": {"number": "+12025550199", "extension": "204"}},
            PERCH_DEMANDS | {"phone": {"number": "+12025550199", "extension": "204"}},
        ),
        ("bizmate", {"amountRequested": 90000}, {"fields": {"amountRequested": 90000}}),
        ("bizmate", {"suitableProducts": ["LOC"], "phone": None}, {"fields": {"suitableProducts": ["LOC"]}}),
        ("powerchord", {"Status": "closedWon"}, {"Status": "closedWon"}),
        (
            "powerchord",
            {"Content": {"comments": "Bought it.", "budget": 500}},
            {"Content": {"comments": "Bought it.", "budget": 500}},
        ),
    ],
)
def test_one_change_is_one_request_with_that_change(name: str, change: dict[str, Any], body: dict[str, Any]) -> None:
    """Of an API that keeps what an update leaves out only that is asked which changed, and what it always demands."""
    with serving(name) as provider:
        example = load_example(provider.definition)
        provider.run(example)
        before = copy.deepcopy(provider.emulator.leads[name])
        changed = copy.deepcopy(example)
        for field, value in change.items():
            changed[field] = {**changed[field], **value} if isinstance(value, dict) else value
        report = provider.run(changed)
        assert (provider.bodies, report.count(Outcome.DELIVERED)) == ([body], 1)
        (lead,) = provider.emulator.leads[name].values()
        for field, value in change.items():
            assert value is None or lead[field] == changed[field]
        assert lead.keys() == next(iter(before.values())).keys()


@pytest.mark.parametrize("name", ["propexo_entrata", "connect2capital"])
def test_an_api_that_may_not_keep_the_rest_gets_everything(name: str) -> None:
    """One changed field sends the whole update where it is not known what becomes of the others."""
    with serving(name) as provider:
        example = load_example(provider.definition)
        provider.run(example)
        whole = dict(provider.emulator.leads[name][str(example[provider.definition.lead_id.name])])
        field = "notes" if name == "propexo_entrata" else "additionalInfo"
        provider.run({**example, field: "changed"})
        assert provider.bodies == [whole | {field: "changed"}]


def test_back_and_forth_over_runs_ends_where_it_should(generic: Provider) -> None:
    """A, B, A in three runs are three updates; A again is none."""
    for note, requests in (("A", 1), ("B", 1), ("A", 1), ("A", 0)):
        assert generic.run({"id": "L", "note": note}).requests == requests
    assert generic.emulator.leads["generic"]["L"] == {"note": "A"}


def test_back_and_forth_in_one_batch_that_changes_nothing_sends_nothing(generic: Provider) -> None:
    """B and then A where the provider has A: the one is superseded, the other unchanged."""
    generic.run({"id": "L", "note": "A"})
    report = generic.run({"id": "L", "note": "B"}, {"id": "L", "note": "A"})
    assert (report.count(Outcome.SUPERSEDED), report.count(Outcome.UNCHANGED), report.requests) == (1, 1, 0)


def test_resend_all_sends_all(generic: Provider) -> None:
    """A user who does not trust the memory can do without it; it is kept up all the same."""
    generic.run({"id": "L", "note": "A", "email": "ada@example.com"})
    generic.run({"id": "L", "note": "A", "email": "ada@example.com"}, resend="all")
    assert generic.bodies == [{"note": "A", "email": "ada@example.com"}]
    assert generic.run({"id": "L", "note": "A"}).requests == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"streams": {"leads": {"fields": {"note": "comment"}}}},
        {"streams": {"leads": {"constants": {"kind": "firm"}}}},
    ],
)
def test_another_mapping_is_another_update(settings: dict[str, Any], generic: Provider) -> None:
    """The record is the same, and yet the provider lacks something of it."""
    generic.run({"id": "L", "note": "A"})
    assert generic.run({"id": "L", "note": "A"}, **settings).requests == 1
    assert generic.run({"id": "L", "note": "A"}, **settings).requests == 0


def test_another_account_or_place_knows_nothing(generic: Provider) -> None:
    """What one account or one base URL has accepted says nothing of another."""
    generic.run({"id": "L", "note": "A"})
    generic.config["providers"]["generic"]["account"] = "other"
    assert generic.run({"id": "L", "note": "A"}).requests == 1
    with serving("generic", generic.config["provider_paths"]) as elsewhere:
        assert elsewhere.run({"id": "L", "note": "A"}).requests == 1


def test_a_version_that_is_older_than_the_accepted_one_is_superseded(generic: Provider) -> None:
    """Also in a later run; and what an older record of a batch says is not merged over it."""
    versioned = {"streams": {"leads": {"version_field": "at", "fields": {"note": "note", "email": "email"}}}}
    generic.run({"id": "L", "note": "new", "at": 5}, **versioned)
    report = generic.run(
        {"id": "L", "note": "old", "at": 3}, {"id": "L", "email": "ada@example.com", "at": 6}, **versioned
    )
    assert (report.count(Outcome.SUPERSEDED), report.count(Outcome.DELIVERED)) == (1, 1)
    assert generic.emulator.leads["generic"]["L"] == {"note": "new", "email": "ada@example.com"}
    assert generic.run({"id": "L", "note": "old", "at": 3}, resend="all", **versioned).count(Outcome.SUPERSEDED) == 1


def test_a_newer_version_that_changes_nothing_counts_all_the_same(generic: Provider) -> None:
    """After 5 and 7, which said the same, 6 is old."""
    versioned = {"streams": {"leads": {"version_field": "at", "fields": {"note": "note"}}}}
    generic.run({"id": "L", "note": "A", "at": 5}, **versioned)
    assert generic.run({"id": "L", "note": "A", "at": 7}, **versioned).count(Outcome.UNCHANGED) == 1
    assert generic.run({"id": "L", "note": "B", "at": 6}, **versioned).count(Outcome.SUPERSEDED) == 1


def test_a_lead_is_forgotten_while_an_update_of_it_is_on_its_way() -> None:
    """Also if a step before it in the batch was unchanged: that is written down first."""
    known: list[tuple[str, int]] = []

    def look(_: Arrival) -> Interference:
        with contextlib.closing(sqlite3.connect("target-leads.db")) as connection:
            known.extend(connection.execute("SELECT fields, (SELECT sum(unchanged) FROM runs) FROM leads"))
        return Interference()

    with serving("connect2capital") as provider:
        example = load_example(provider.definition)
        provider.run(example)
        provider.interfere = look
        report = provider.run({**example, "not_sent": 1}, {**example, "additionalInfo": "more"})
        assert (report.count(Outcome.UNCHANGED), report.count(Outcome.DELIVERED)) == (1, 1)
    assert known == [("{}", 1)]


def test_an_update_of_unknown_fate_is_forgotten(generic: Provider) -> None:
    """A is at the provider, B was written but its answer was lost, then the source is back at A: A is sent again."""
    generic.run({"id": "L", "note": "A", "email": "ada@example.com"})
    generic.interfere = lambda _: Interference(cut_off=True)
    with pytest.raises(ProviderUnavailable):
        generic.run({"id": "L", "note": "B", "email": "ada@example.com"}, max_tries=1)
    assert generic.emulator.leads["generic"]["L"]["note"] == "B"

    generic.interfere = lambda _: Interference()
    assert generic.run({"id": "L", "note": "A", "email": "ada@example.com"}).count(Outcome.DELIVERED) == 1
    assert generic.bodies == [{"note": "A", "email": "ada@example.com"}]
    assert generic.emulator.leads["generic"]["L"]["note"] == "A"


def test_a_refusal_changes_nothing_of_what_is_known(generic: Provider) -> None:
    """The provider has refused B, so it still has A, and A is not sent again."""
    generic.run({"id": "L", "note": "A"})
    generic.interfere = lambda _: Interference(occasion="invalid")
    assert generic.run({"id": "L", "note": "B"}, reject_limit="100%").count(Outcome.REJECTED) == 1
    assert generic.run({"id": "L", "note": "A"}).requests == 0


def test_the_memory_holds_no_value(generic: Provider) -> None:
    """Who reads the store's file finds neither a field of a lead nor the same hash for the same value elsewhere."""
    generic.run({"id": "L", "email": "ada@example.com"}, {"id": "M", "email": "ada@example.com"})
    with contextlib.closing(sqlite3.connect("target-leads.db")) as connection:
        dump = "\n".join(connection.iterdump())
        hashes = [json.loads(fields)["email"] for (fields,) in connection.execute("SELECT fields FROM leads")]
    assert "ada@example.com" not in dump
    assert len(set(hashes)) == 2


def test_a_whole_table_that_did_not_change_costs_no_request(generic: Provider) -> None:
    """Records that are the same as last time are unchanged, batch after batch."""
    report = generic.run(*({"id": f"L{number}", "note": "x"} for number in range(3000)), batch_size_rows=1000)
    assert report.count(Outcome.DELIVERED) == 3000
    report = generic.run(*({"id": f"L{number}", "note": "x"} for number in range(3000)), batch_size_rows=1000)
    assert (report.count(Outcome.UNCHANGED), report.requests) == (3000, 0)
