"""What of a batch has to be sent, and what has its outcome without a request."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from target_leads.admission import Admission
from target_leads.changes import Fingerprints
from target_leads.models import LeadUpdate, OpenJob, Outcome, Record, Repeated, Settlement
from target_leads.providers import load_all
from target_leads.providers.account import Account
from target_leads.report import RunReport
from target_leads.selection import Selection
from target_leads.settings import Settings
from target_leads.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_leads.changes import Accepted, LastSent
    from target_leads.models import Lead
    from target_leads.providers import Definition

MOMENT = datetime.datetime(2026, 3, 29, 7, 0, tzinfo=datetime.timezone.utc)
FOLDERS = Path(__file__).parent / "providers"


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Definition]:
    """Providers that take any field: `generic` in part, `steps` one step after the other, `jobs` whole and later."""
    generic = json.loads((FOLDERS / "generic" / "provider.json").read_text(encoding="utf-8"))
    job = {
        "method": "GET",
        "path": "/jobs/{job_id}",
        "id_at": ["/job_id"],
        "responses": {"rules": [{"when": True, "verdict": "accepted", "reason": "open"}]},
    }
    parts: dict[str, dict[str, Any]] = {
        "steps": {"update": generic["update"] | {"coalesce": False}},
        "jobs": {"update": generic["update"] | {"fields": "whole"}, "job": job},
    }
    folder = tmp_path_factory.mktemp("providers")
    for name, part in parts.items():
        (folder / name).mkdir()
        (folder / name / "provider.json").write_text(json.dumps(generic | part | {"name": name}), encoding="utf-8")
        schema = (FOLDERS / "generic" / "lead.schema.json").read_text(encoding="utf-8")
        (folder / name / "lead.schema.json").write_text(schema, encoding="utf-8")
    return load_all([str(FOLDERS), str(folder)])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run selects and settles, on a store that the next one uses too."""

    store: Store
    selection: Selection

    def select(self, *records: Record | Settlement) -> list[Repeated | Settlement | LeadUpdate]:
        """What becomes of a batch."""
        return list(self.selection.of(records))

    def deliver(self, *records: Record) -> list[Mapping[str, Any]]:
        """Select a batch and have all of it delivered; returns the bodies that were sent."""
        selected = self.select(*records)
        updates = [entry for entry in selected if isinstance(entry, LeadUpdate)]
        self.store.announce("run", updates)
        self.settle(*(settled(update) for update in updates))
        return [update.body for update in updates]

    def settle(self, *group: Settlement | OpenJob) -> None:
        """Commit a group."""
        self.store.settle("run", group, RunReport("run").counts())


def settled(update: LeadUpdate) -> Settlement:
    """An update that was delivered."""
    return Settlement(record=update.record, outcome=Outcome.DELIVERED, lead_id=update.lead_id, update=update)


@pytest.fixture
def run(tmp_path: Path, definitions: Mapping[str, Definition]) -> Iterator[Callable[..., Run]]:
    """Begins runs with settings of their own, on one store; ``stream`` has those of the stream ``leads``."""
    store = Store(f"sqlite:///{tmp_path / 'store.db'}", now=lambda: 1_700_000_000.5, definitions=definitions)
    store.begin_run("run", version="1.2.3")

    def begin(provider: str = "generic", *, memory: Any = store, **config: Any) -> Run:
        accounts = {name: {"token": "t", **config.pop(name, {})} for name in ("generic", "steps", "jobs")}
        stream = config.pop("stream", {})
        settings = Settings.from_config(
            {"provider": provider, "providers": accounts, "streams": {"leads": stream}, **config}
        )

        def account_of(name: str) -> Account:
            return Account.open(definitions[name], settings.providers[name], concurrency=1)

        admission = Admission(settings, definitions, account_of, store.fingerprints)
        for name in ("leads", "deals"):
            admission.open_stream(name, columns=[], key_properties=["id"])
        resends_all = settings.resend == "all"
        return Run(store=store, selection=Selection(admission, definitions, memory, resends_all=resends_all))

    yield begin
    store.close()


def record(lead_id: Any = "L-1", stream: str = "leads", **fields: Any) -> Record:
    """A record of a stream."""
    fields = {"id": lead_id, **fields}
    return Record(stream=stream, fields=fields, original=fields)


def bodies(selected: Iterable[Repeated | Settlement | LeadUpdate]) -> list[Mapping[str, Any]]:
    """What of it would be sent."""
    return [entry.body for entry in selected if isinstance(entry, LeadUpdate)]


def outcomes(selected: Iterable[Repeated | Settlement | LeadUpdate]) -> list[str]:
    """What has its outcome already."""
    of_each = ([entry.outcome.value] for entry in selected if isinstance(entry, Settlement))
    repeated = (["unchanged"] * sum(entry.counts.values()) for entry in selected if isinstance(entry, Repeated))
    return [outcome for outcomes in (*repeated, *of_each) for outcome in outcomes]


def test_the_same_batch_again_is_unchanged(run: Callable[..., Run]) -> None:
    """The second run over the same input sends nothing, and says of each record which lead it is."""
    batch = [record("L-1", a=1), record("L-2", a=2)]
    assert run().deliver(*batch) == [{"a": 1}, {"a": 2}]
    (again,) = run().select(*batch)
    assert isinstance(again, Repeated)
    assert again.counts == {("generic", "leads"): 2}
    assert [(provider, account, lead_id) for provider, account, _, lead_id in again.leads] == [
        ("generic", "default", "L-1"),
        ("generic", "default", "L-2"),
    ]
    assert list(again.leads.values()) == [entry.received_at for entry in batch]


def test_one_changed_field_is_sent_alone(run: Callable[..., Run]) -> None:
    """Where updates are partial; where they are whole, everything is."""
    for provider, body in (("generic", {"b": 3}), ("jobs", {"a": 1, "b": 3})):
        run(provider).deliver(record(a=1, b=2))
        assert run(provider).deliver(record(a=1, b=3)) == [body]


def test_another_record_that_says_the_same_is_unchanged(run: Callable[..., Run]) -> None:
    """A column that is not sent may differ: what the provider would get is what it has."""
    run().deliver(record(a=1, _sdc_sequence=1))
    assert outcomes(run().select(record(a=1, _sdc_sequence=2))) == ["unchanged"]
    assert outcomes(run().select(record(a=1, stream="deals"))) == ["unchanged"]


def test_the_skip_comes_before_validation(run: Callable[..., Run], definitions: Mapping[str, Definition]) -> None:
    """A record that is the same as last time is not looked at any closer, so unchanged tables are cheap."""
    asked: list[Mapping[str, Any]] = []

    class Schema:
        """The provider's schema, which notes what it is asked about."""

        def __init__(self) -> None:
            self._schema = definitions["generic"].lead_schema

        def __getattr__(self, name: str) -> Any:
            return getattr(self._schema, name)

        def violations(self, fields: Mapping[str, Any]) -> Any:
            """Note it."""
            asked.append(fields)
            return self._schema.violations(fields)

    watched = run()
    watched.deliver(record(a=1))
    counting = dataclasses.replace(definitions["generic"], lead_schema=Schema())  # type: ignore[arg-type] # it does what the schema does
    destination = watched.selection._admission._streams["leads"].destination("generic")
    assert destination is not None
    destination.mapping.definition = counting
    assert outcomes(watched.select(record(a=1))) == ["unchanged"]
    assert asked == []
    watched.select(record(a=2))
    assert asked[0] == {"a": 2}


@pytest.mark.parametrize(
    "other",
    [
        {"generic": {"account": "south"}},
        {"generic": {"base_url": "https://eu.example.com"}},
        {"resend": "all"},
    ],
    ids=["account", "base_url", "resend"],
)
def test_everything_is_sent_again(other: dict[str, Any], run: Callable[..., Run]) -> None:
    """To an account or an environment that does not have it, and where the user wishes it."""
    run().deliver(record(a=1, b=1))
    assert run(**other).deliver(record(a=1, b=1)) == [{"a": 1, "b": 1}]


def test_a_change_of_mapping_hides_no_change(run: Callable[..., Run]) -> None:
    """The same record that now means something else is sent, and only what differs of it."""
    run().deliver(record(a=1, b=2))
    constants = {"stream": {"constants": {"kind": "Firm"}}}
    assert run(**constants).deliver(record(a=1, b=2)) == [{"kind": "Firm"}]
    assert run(stream={"fields": {"a": "x", "b": "b"}}).deliver(record(a=1, b=2)) == [{"x": 1}]
    assert outcomes(run().select(record(a=1, b=2))) == ["unchanged"]


def test_without_a_memory_everything_is_sent(run: Callable[..., Run]) -> None:
    """The sandbox begins without leads, whatever an earlier run has sent."""
    run().deliver(record(a=1))
    selected = run(memory=None).select(record(a=1), record("L-2", a=2))
    assert (bodies(selected), outcomes(selected)) == ([{"a": 1}, {"a": 2}], [])


def test_a_lead_that_was_forgotten_is_sent_whole(run: Callable[..., Run]) -> None:
    """A run that was killed while it sent leaves it open what the provider has."""
    run().deliver(record(a=1, b=1))
    killed = run()
    (update,) = killed.select(record(a=2, b=1))
    assert isinstance(update, LeadUpdate)
    killed.store.announce("run", [update])
    assert bodies(run().select(record(a=1, b=1))) == [{"a": 1, "b": 1}]


# Several records of one lead in a batch


def test_there_and_back_again_within_a_batch(run: Callable[..., Run]) -> None:
    """A is known, then come B and A: merged they are A, which the provider has, so nothing is sent."""
    run().deliver(record(a="A"))
    selected = run().select(record(a="B"), record(a="A"))
    assert (bodies(selected), outcomes(selected)) == ([], ["superseded", "unchanged"])


def test_there_and_back_again_in_steps(run: Callable[..., Run]) -> None:
    """Where each step matters, after A comes A, B, A: B and A are sent, as each is compared with the step before it."""
    run("steps").deliver(record(a="A"))
    selected = run("steps").select(record(a="A"), record(a="B"), record(a="A"))
    assert (bodies(selected), outcomes(selected)) == ([{"a": "B"}, {"a": "A"}], ["unchanged"])


@pytest.mark.parametrize("outcome", ["rejected", "failed"])
def test_a_step_does_not_rely_on_the_one_before_it(outcome: str, run: Callable[..., Run]) -> None:
    """The first step may be refused: what it would have changed is in the second, or is sent when it comes again."""
    run("steps").deliver(record(a=1, b=1))
    now = run("steps")
    first, second = now.select(record(a=2, b=1), record(a=2, b=2))
    assert isinstance(first, LeadUpdate)
    assert isinstance(second, LeadUpdate)
    now.store.announce("run", [first, second])
    now.settle(dataclasses.replace(settled(first), outcome=Outcome(outcome)), settled(second))
    later = bodies(run("steps").select(record(a=2, b=2)))
    assert any("a" in body for body in (second.body, *later))


def test_there_and_back_again_across_batches(run: Callable[..., Run]) -> None:
    """A, then B, then A, each a batch: all three are sent."""
    assert [run().deliver(record(a=a)) for a in "ABA"] == [[{"a": "A"}], [{"a": "B"}], [{"a": "A"}]]


def test_a_merged_update_carries_what_differs(run: Callable[..., Run]) -> None:
    """Its body has the changed fields of all of its records; its records are its parts."""
    run().deliver(record(a=1, b=1, c=1))
    (update,) = run().select(record(a=2, b=1), record(c=3, b=1))
    assert isinstance(update, LeadUpdate)
    assert (update.body, len(update.parts)) == ({"a": 2, "c": 3}, 2)


def test_steps_of_a_lead_that_is_not_known_are_all_sent(run: Callable[..., Run]) -> None:
    """Whole, in order, as nothing tells what the provider has."""
    assert bodies(run("steps").select(record(a=1), record(a=1), record(b=2))) == [{"a": 1}, {"a": 1}, {"b": 2}]


# Versions


def test_an_older_version_is_superseded(run: Callable[..., Run]) -> None:
    """Than what was last accepted; the same version may bring something new."""
    versioned = {"stream": {"version_field": "at"}}
    run(**versioned).deliver(record(a="new", at=5))
    (older,) = run(**versioned).select(record(a="old", at=4))
    assert isinstance(older, Settlement)
    assert (older.outcome, older.reason) == (Outcome.SUPERSEDED, "something newer of the lead was accepted before")
    assert (older.lead_id, older.provider) == ("L-1", "generic")
    assert bodies(run(**versioned).select(record(a="mended", at=5))) == [{"a": "mended"}]
    assert bodies(run(**versioned).select(record(a="newer", at=6))) == [{"a": "newer", "at": 6}]


def test_versions_order_a_batch(run: Callable[..., Run]) -> None:
    """The newest decides, wherever it stands in the batch."""
    (update,) = run(stream={"version_field": "at"}).select(record(a="new", at=5), record(a="old", at=4))
    assert isinstance(update, LeadUpdate)
    assert (update.body, update.version) == ({"a": "new", "at": 5}, Decimal(5))


def test_an_older_version_is_superseded_though_its_lead_was_forgotten(run: Callable[..., Run]) -> None:
    """A run that was killed leaves the version, so nothing older is sent over what may be newer."""
    versioned = {"stream": {"version_field": "at"}}
    run(**versioned).deliver(record(a="new", at=5))
    killed = run(**versioned)
    killed.store.announce(
        "run", [entry for entry in killed.select(record(a="x", at=6)) if isinstance(entry, LeadUpdate)]
    )
    assert outcomes(run(**versioned).select(record(a="old", at=4))) == ["superseded"]


# Records that are settled before they are compared


def test_everything_received_has_one_fate(run: Callable[..., Run]) -> None:
    """Each record of a batch is settled or in an update, once: refused, ignored, unchanged, or to be sent."""
    run().deliver(record("L-1", a=1), record("L-2", a=1))
    done = Settlement(record=record("L-9"), outcome=Outcome.IGNORED)
    batch = [
        record("L-1", a=1),
        record("L-2", a=2),
        done,
        record("", a=1),
        record("L-3", email="no e-mail"),
        record("L-4", a=None),
        record("L-5", a=1, _sdc_deleted_at="2024-01-01"),
        record("L-2", a=3),
        record("L-6", a=1),
    ]
    selected = run().select(*batch)
    repeated, *others = selected
    assert isinstance(repeated, Repeated)
    assert [lead_id for *_, lead_id in repeated.leads] == ["L-1"]
    fates = [
        part.record
        for entry in others
        if not isinstance(entry, Repeated)
        for part in ((entry,) if isinstance(entry, Settlement) else entry.parts or (entry,))
    ]
    assert Counter(map(id, fates)) == Counter(id(entry.record if entry is done else entry) for entry in batch[1:])
    assert sorted(outcomes(selected)) == ["ignored", "ignored", "ignored", "invalid", "invalid", "unchanged"]
    assert bodies(selected) == [{"a": 3}, {"a": 1}]


def test_a_refused_record_does_not_stand_in_the_way(run: Callable[..., Run]) -> None:
    """A record that is invalid leaves the lead as it is, so the next one that says what it has is unchanged."""
    run().deliver(record(email="ada@example.com"))
    selected = run().select(record(email="no e-mail"), record(email="ada@example.com"))
    assert outcomes(selected) == ["invalid", "unchanged"]


# Open jobs


def with_open_job(run: Callable[..., Run], **fields: Any) -> None:
    """A run whose provider has taken an update and not written it yet."""
    first = run("jobs")
    (update,) = first.select(record(**fields))
    assert isinstance(update, LeadUpdate)
    first.store.announce("run", [update])
    first.settle(OpenJob(update=update, job_id="J-1"))


@pytest.mark.parametrize("resend", ["changed", "all"])
def test_the_same_update_is_not_sent_while_its_job_is_open(resend: str, run: Callable[..., Run]) -> None:
    """It is unconfirmed, with the name of the job, whatever the user wishes to be sent again."""
    with_open_job(run, a=1)
    (entry,) = run("jobs", resend=resend).select(record(a=1))
    assert isinstance(entry, Settlement)
    assert (entry.outcome, entry.job_id, entry.update) == (Outcome.UNCONFIRMED, "J-1", None)


def test_another_update_is_sent_though_a_job_is_open(run: Callable[..., Run]) -> None:
    """Only the very update that is being written need not be sent."""
    with_open_job(run, a=1)
    selected = run("jobs").select(record(a=2), record("L-2", a=1))
    assert (bodies(selected), outcomes(selected)) == ([{"a": 2}, {"a": 1}], [])


def test_all_records_of_a_merged_update_share_its_open_job(run: Callable[..., Run]) -> None:
    """Together they say what is being written."""
    with_open_job(run, a=1, b=2)
    selected = run("jobs").select(record(a=1), record(b=2))
    assert [(entry.outcome, entry.job_id) for entry in selected if isinstance(entry, Settlement)] == [
        (Outcome.UNCONFIRMED, "J-1")
    ] * 2


# Dead letters that are sent again


NOON = datetime.datetime(2026, 3, 29, 12, 0, tzinfo=datetime.timezone.utc)


def at(hour: int, entry: Record, *, again: bool = False) -> Record:
    """The record as it came at this hour, or as the dead letter of then."""
    moment = NOON.replace(hour=hour)
    return structs.replace(entry, received_at=moment, dead_letter_id=1 if again else None)


@pytest.mark.parametrize(
    ("hour", "email", "expected"),
    [
        (9, "a@example.com", ["superseded"]),
        (11, "a@example.com", []),
        (9, "none", ["superseded"]),
        (11, "none", ["invalid"]),
    ],
    ids=["older", "newer", "older and invalid", "newer and invalid"],
)
def test_a_dead_letter_is_not_sent_over_newer_data(
    hour: int, email: str, expected: list[str], run: Callable[..., Run]
) -> None:
    """When it came decides, and not when it is sent again; nor does it matter whose it was taken for then."""
    run().deliver(at(10, record(a=2)))
    assert outcomes(run().select(at(hour, record(email=email), again=True))) == expected


def test_a_record_that_is_no_dead_letter_is_never_too_old(run: Callable[..., Run]) -> None:
    """The clocks of two machines may differ; what a tap sends now is sent."""
    run().deliver(at(10, record(a=1)))
    assert bodies(run().select(at(9, record(a=2)))) == [{"a": 2}]


def test_dead_letters_of_a_lead_are_as_old_as_they_are(run: Callable[..., Run]) -> None:
    """Sent again, the first does not overtake the second, but the second would the first."""
    run().deliver(at(8, record(a=1), again=True))
    run().deliver(at(9, record(a=2), again=True))
    assert outcomes(run().select(at(8, record(a=1), again=True))) == ["superseded"]


@pytest.mark.parametrize(
    ("version", "expected"), [(1, ["superseded"]), (2, ["superseded"]), (3, [])], ids=["older", "the same", "newer"]
)
def test_versions_say_more_than_age(version: int, expected: list[str], run: Callable[..., Run]) -> None:
    """A dead letter that came earlier is sent all the same if its version is newer; between equals age decides."""
    versioned = {"stream": {"version_field": "v"}}
    run(**versioned).deliver(at(10, record(a=1, v=2)))
    assert outcomes(run(**versioned).select(at(9, record(a=2, v=version), again=True))) == expected


@pytest.mark.parametrize(("hour", "expected"), [(9, ["superseded"]), (11, [])], ids=["older", "newer"])
def test_a_dead_letter_is_not_sent_over_what_is_being_written(
    hour: int, expected: list[str], run: Callable[..., Run]
) -> None:
    """A job that has not ended is on its way to be the newest there is."""
    first = run("jobs")
    (update,) = first.select(at(10, record(a=1)))
    assert isinstance(update, LeadUpdate)
    first.store.announce("run", [update])
    first.settle(OpenJob(update=update, job_id="J-1"))
    assert outcomes(run("jobs").select(at(hour, record(a=2), again=True))) == expected


@pytest.mark.parametrize(("version", "expected"), [(1, ["superseded"]), (3, [])], ids=["older", "newer"])
def test_an_older_version_is_not_sent_over_what_is_being_written(
    version: int, expected: list[str], run: Callable[..., Run]
) -> None:
    """A job that has not ended is the newest there is, and no older version may come after it."""
    versioned = {"stream": {"version_field": "v"}}
    first = run("jobs", **versioned)
    (update,) = first.select(record(a=1, v=2))
    assert isinstance(update, LeadUpdate)
    first.store.announce("run", [update])
    first.settle(OpenJob(update=update, job_id="J-1"))
    assert outcomes(run("jobs", **versioned).select(record(a=2, v=version))) == expected


def test_jobs_are_looked_for_only_where_a_provider_has_them(
    run: Callable[..., Run], definitions: Mapping[str, Definition]
) -> None:
    """Most providers write at once, so nothing is asked for them; and all leads of a batch are asked for together."""
    questions: list[list[str]] = []

    class Memory:
        """Of a store that is new, and notes what it is asked."""

        fingerprints = Fingerprints(b"key")

        def digests(self, leads: Iterable[Lead]) -> dict[Lead, str]:
            """None is known."""
            questions.append(["digests", *sorted(lead[-1] for lead in leads)])
            return {}

        def recall(self, leads: Iterable[Lead]) -> dict[Lead, Accepted]:
            """Nothing is known."""
            questions.append(["recall", *sorted(lead[-1] for lead in leads)])
            return {}

        def open_jobs_of(self, leads: Iterable[Lead]) -> dict[Lead, LastSent]:
            """No job is open."""
            questions.append(["jobs", *sorted(lead[-1] for lead in leads)])
            return {}

    assert definitions["generic"].job is None
    for provider in ("generic", "jobs"):
        run(provider, memory=Memory()).select(record("L-1", a=1), record("L-2", a=1), record("", a=1))
    recalled = [["digests", "L-1", "L-2"], ["recall", "L-1", "L-2"]]
    assert questions == [*recalled, *recalled, ["jobs", "L-1", "L-2"]]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_comes_with_a_dead_letter_is_looked_at(order: tuple[int, int], run: Callable[..., Run]) -> None:
    """A dead letter may be older than what the lead has: a record that the provider has already is no old news then."""
    run().deliver(structs.replace(record(a="now"), received_at=MOMENT))
    old = structs.replace(record(a="old"), dead_letter_id=1, received_at=MOMENT - datetime.timedelta(hours=1))
    again = structs.replace(record(a="now"), received_at=MOMENT + datetime.timedelta(hours=1))
    selected = run().select(*((old, again)[index] for index in order))
    assert bodies(selected) == []
    assert sorted(outcomes(selected)) == ["superseded", "unchanged"]


_CONTEXTS = """
from target_leads.admission import Admission
from target_leads.changes import Fingerprints
from target_leads.providers import load_all
from target_leads.providers.account import Account, sandbox_config
from target_leads.settings import Settings
from target_leads.stream import Stream

definitions = load_all([])
for name in sorted(definitions):
    definition = definitions[name]
    account = Account.open(definition, sandbox_config(definition, {}, url="https://example.com"), concurrency=1)
    settings, fingerprints = Settings.from_config({}), Fingerprints(b"key")
    stream = Stream(name, settings, definitions, lambda _: account, fingerprints, key_properties=("id",))
    print(stream.destination(name).context)
"""


def test_a_record_is_the_same_in_another_process() -> None:
    """Else no run would know what the one before has delivered, whatever provider it is for."""
    said = [
        subprocess.run(
            [sys.executable, "-c", _CONTEXTS],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert len(set(said[0])) == 5
    assert said[0] == said[1]
