"""What may be sent, and what has its outcome already."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from target_leads.admission import Admission
from target_leads.changes import Fingerprints
from target_leads.exceptions import SettingsError
from target_leads.models import LeadUpdate, Outcome, Record, Settlement
from target_leads.providers import Definition, load_all
from target_leads.providers.account import Account
from target_leads.settings import Settings

FOLDERS = Path(__file__).parent / "providers"
SECRET = "s3cret-value"
"""Planted, to see that it is never shown."""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Definition]:
    """Two providers: `generic` takes any field, `narrow` an e-mail and an amount."""
    folder = tmp_path_factory.mktemp("narrow")
    provider = json.loads((FOLDERS / "generic" / "provider.json").read_text()) | {"name": "narrow"}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["email"],
        "properties": {"email": {"type": "string", "format": "email"}, "amount": {"type": "number"}},
    }
    (folder / "provider.json").write_text(json.dumps(provider))
    (folder / "lead.schema.json").write_text(json.dumps(schema))
    known = load_all([str(FOLDERS), str(folder)])
    return {name: known[name] for name in ("generic", "narrow")}


def admission_of(definitions: dict[str, Definition], **config: Any) -> Admission:
    """Admission for settings in which the account of `narrow` is named north."""
    config = {"providers": {"generic": {"token": "t"}, "narrow": {"token": "t", "account": "north"}}, **config}
    settings = Settings.from_config(config)

    def account_of(provider: str) -> Account:
        return Account.open(definitions[provider], settings.providers.get(provider, {}), concurrency=1)

    return Admission(settings, definitions, account_of, Fingerprints(b"key"))


def admit(admission: Admission, stream: str = "leads", /, **fields: Any) -> LeadUpdate | Settlement:
    """What becomes of a record of a stream that was just opened."""
    admission.open_stream(stream, columns=list(fields), key_properties=["id"])
    return admitted(admission, Record(stream=stream, fields=fields, original=fields))


def admitted(admission: Admission, record: Record) -> LeadUpdate | Settlement:
    """What becomes of a record."""
    addressed = admission.address(record)
    return addressed if isinstance(addressed, Settlement) else admission.admit(addressed)


def test_a_good_record_becomes_a_lead_update(definitions: dict[str, Definition]) -> None:
    """The update says for which provider, account and lead it is, and holds the fields and the record they are from."""
    update = admit(admission_of(definitions, provider="narrow"), id=7, email="ada@example.com", _sdc_x=1)
    fields = {"id": 7, "email": "ada@example.com", "_sdc_x": 1}
    assert isinstance(update, LeadUpdate)
    assert update == LeadUpdate(
        record=Record(stream="leads", fields=fields, original=fields),
        provider="narrow",
        account="north",
        base_url="https://api.example.com/v1",
        lead_id="7",
        fields={"email": "ada@example.com"},
        digest=update.digest,
    )


def test_a_record_that_breaks_the_schema_is_invalid(definitions: dict[str, Definition]) -> None:
    """It keeps its lead id, every violation as path and rule, and a reason made of them, without any value."""
    settlement = admit(admission_of(definitions, provider="narrow"), id="L-1", amount=SECRET)
    assert isinstance(settlement, Settlement)
    assert (settlement.outcome, settlement.provider, settlement.account) == (Outcome.INVALID, "narrow", "north")
    assert settlement.lead_id == "L-1"
    assert sorted(map(str, settlement.violations)) == ["$.amount must be of type number", "$.email is required"]
    assert sorted(settlement.reason.split("; ")) == ["$.amount must be of type number", "$.email is required"]
    assert SECRET not in settlement.reason


def test_a_record_without_a_lead_id_is_invalid_before_its_fields_matter(definitions: dict[str, Definition]) -> None:
    """The one reason is the id, so that such records count as one cause, also where nothing is to be sent."""
    for fields in ({"email": SECRET}, {"email": None}):
        settlement = admit(admission_of(definitions, provider="narrow"), id="", **fields)
        assert isinstance(settlement, Settlement)
        assert (settlement.outcome, settlement.lead_id) == (Outcome.INVALID, "")
        assert settlement.reason == (
            "$.id holds no usable lead id: it must be text or a whole number, and neither blank nor . nor .."
        )


@pytest.mark.parametrize(
    ("fields", "lead_id", "reason"),
    [
        ({"email": "no mail", "_sdc_deleted_at": "2024-01-01"}, "", "a deleted row: a lead update never deletes"),
        ({"id": None, "_sdc_deleted_at": "2024-01-01"}, "", "a deleted row: a lead update never deletes"),
        ({"email": None, "x": 1}, "L-1", "nothing to send"),
        ({}, "L-1", "nothing to send"),
    ],
)
def test_what_leaves_nothing_to_send_is_ignored(
    definitions: dict[str, Definition], fields: dict[str, Any], lead_id: str, reason: str
) -> None:
    """A deleted row and a record with nothing but nulls are ignored, and are no dead letters."""
    settlement = admit(admission_of(definitions, provider="narrow"), **{"id": "L-1", **fields})
    assert isinstance(settlement, Settlement)
    assert (settlement.outcome, settlement.lead_id, settlement.reason) == (Outcome.IGNORED, lead_id, reason)
    assert (settlement.provider, settlement.account) == ("narrow", "north")


def test_each_record_may_name_its_provider(definitions: dict[str, Definition]) -> None:
    """A record's own word comes before its stream's, and the field that holds it is not sent."""
    admission = admission_of(definitions, provider="narrow", provider_field="api")
    own = admit(admission, id="L-1", email="ada@example.com", api="generic", x=1)
    default = admit(admission, id="L-1", email="ada@example.com", api=None)
    assert isinstance(own, LeadUpdate)
    assert isinstance(default, LeadUpdate)
    assert (own.provider, own.fields) == ("generic", {"email": "ada@example.com", "x": 1})
    assert (default.provider, default.fields) == ("narrow", {"email": "ada@example.com"})


@pytest.mark.parametrize("name", [SECRET, None, "", 5, ["narrow"], {"a": SECRET}])
def test_a_record_that_names_no_provider_is_invalid(definitions: dict[str, Definition], name: object) -> None:
    """It costs only itself: the violation says which field, and which names there are, but not what it held."""
    admission = admission_of(definitions, provider_field="api")
    settlement = admit(admission, id="L-1", email="ada@example.com", api=name)
    assert isinstance(settlement, Settlement)
    assert (settlement.outcome, settlement.provider) == (Outcome.INVALID, "unknown")
    assert settlement.reason == "$.api names no provider: it must be one of generic, narrow"
    deleted = admit(admission, id="L-1", api=name, _sdc_deleted_at="2024-01-01")
    assert isinstance(deleted, Settlement)
    assert (deleted.outcome, deleted.provider) == (Outcome.IGNORED, "unknown")


def test_a_record_that_is_nested_too_deeply_costs_only_itself(definitions: dict[str, Definition]) -> None:
    """JSON can be read deeper than Python can walk it; such a record is invalid and the run goes on."""
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    settlement = admit(admission_of(definitions, provider="generic"), id="L-1", email=deep)
    assert isinstance(settlement, Settlement)
    assert (settlement.outcome, settlement.reason) == (Outcome.INVALID, "$ is nested too deeply")
    while deep:  # else Python takes it apart in one go, and may run out of stack itself
        deep = deep["a"]


def test_mistakes_in_the_settings_are_found_when_the_stream_is_opened(definitions: dict[str, Definition]) -> None:
    """No provider, missing credentials, and fields that do not exist end the run at the SCHEMA message."""
    for config, text in (
        ({}, "streams.leads.provider: no setting says which provider"),
        ({"provider": "narrow", "providers": {}}, "providers.narrow.token: is required."),
        ({"provider": "narrow", "streams": {"leads": {"fields": {"a": "b"}}}}, "streams.leads.fields: b is no field"),
    ):
        with pytest.raises(SettingsError, match=text):
            admission_of(definitions, **config).open_stream("leads", columns=["a"], key_properties=[])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"providers": {"generic": {"token": "t"}}},
            "providers.narrow.token: is required. The token that example.com gives you.",
        ),
        (
            {"streams": {"leads": {"constants": {"stage": "won"}}}},
            "streams.leads.constants: stage is no field of narrow; it has email, amount.",
        ),
    ],
)
def test_a_record_for_a_provider_where_its_stream_cannot_go_is_invalid(
    definitions: dict[str, Definition], config: dict[str, Any], reason: str
) -> None:
    """It costs only itself, and says which setting is in the way; a deleted row is ignored as ever."""
    admission = admission_of(definitions, provider_field="api", **config)
    good = admit(admission, id="L-1", email="ada@example.com", api="generic")
    assert isinstance(good, LeadUpdate)
    for _ in range(2):
        settlement = admit(admission, id="L-1", email="ada@example.com", api="narrow")
        assert isinstance(settlement, Settlement)
        assert (settlement.outcome, settlement.provider, settlement.account) == (Outcome.INVALID, "narrow", "")
        assert settlement.reason == f"$.api names narrow, where records of this stream cannot go: {reason}"
    deleted = admit(admission, id="L-1", api="narrow", _sdc_deleted_at="2024-01-01")
    assert isinstance(deleted, Settlement)
    assert (deleted.outcome, deleted.provider) == (Outcome.IGNORED, "narrow")


DROPPED = "these fields are not sent, as the provider has none of their names: {}. Map them with streams.leads.fields."
NARROW = {"providers": {"narrow": {"token": "t"}}}


@pytest.mark.parametrize(
    ("config", "warnings"),
    [
        ({"provider": "narrow"}, [DROPPED.format("x, api")]),
        ({"provider": "narrow", "provider_field": "api"}, [DROPPED.format("x")]),
        (
            {"provider": "narrow", "streams": {"leads": {"unknown_fields": "reject"}}},
            [
                (
                    "records with a value in one of these fields are invalid, as the provider has none of their names: "
                    "x, api. Map them with streams.leads.fields, or set streams.leads.unknown_fields to drop."
                )
            ],
        ),
        ({"provider": "generic"}, []),
        ({"provider": "narrow", "streams": {"leads": {"fields": {"x": "email"}}}}, []),
        # Each record says where it goes: only what no configured provider has is sure to be dropped.
        ({"provider_field": "api"}, []),
        ({"provider_field": "api", **NARROW}, [DROPPED.format("x")]),
        ({"provider_field": "api", "providers": {"narrow": {"token": "t"}, "none": {}}}, [DROPPED.format("x")]),
        ({"provider_field": "api", "providers": {}}, []),
        ({"provider_field": "api", **NARROW, "streams": {"leads": {"fields": {"x": "amount"}}}}, []),
        # Where one of them cannot be reached as the stream is mapped, the others are.
        (
            {"provider_field": "api", "streams": {"leads": {"constants": {"z": 1}}}},
            [
                (
                    "records for narrow will be invalid. "
                    "streams.leads.constants: z is no field of narrow; it has email, amount."
                )
            ],
        ),
    ],
)
def test_what_a_schema_gives_reason_to_warn_of(
    definitions: dict[str, Definition], config: dict[str, Any], warnings: list[str]
) -> None:
    """Opening a stream says what of it will not be sent, and where its records cannot go; so a user is warned once."""
    columns = ["id", "email", "x", "_sdc_x", "api"]
    opened = admission_of(definitions, **config).open_stream("leads", columns=columns, key_properties=["id"])
    assert opened == warnings


def test_a_stream_that_fits_no_provider_is_a_mistake(definitions: dict[str, Definition]) -> None:
    """Where each record says where it goes, and the stream's settings fit none of the providers, the run ends."""
    config = {"provider_field": "api", **NARROW, "streams": {"leads": {"constants": {"z": 1}}}}
    with pytest.raises(SettingsError) as raised:
        admission_of(definitions, **config).open_stream("leads", columns=["id", "api"], key_properties=["id"])
    assert raised.value.findings == ("streams.leads.constants: z is no field of narrow; it has email, amount.",)


def test_the_provider_of_a_stream(definitions: dict[str, Definition]) -> None:
    """It is known once the stream was opened, and empty before, or where each record has to say."""
    admission = admission_of(definitions, provider_field="api")
    assert admission.provider_of("narrow") == ""
    admission.open_stream("narrow", columns=[], key_properties=[])
    admission.open_stream("leads", columns=[], key_properties=[])
    assert (admission.provider_of("narrow"), admission.provider_of("leads")) == ("narrow", "")


def test_a_new_schema_opens_the_stream_anew(definitions: dict[str, Definition]) -> None:
    """A later SCHEMA message may change the key properties, and with them where the lead id is found."""
    admission = admission_of(definitions, provider="narrow")
    record = Record(stream="leads", fields={"id": "a", "key": "b", "email": "ada@example.com"}, original={})
    for key in ("id", "key"):
        admission.open_stream("leads", columns=[], key_properties=[key])
        assert admitted(admission, record).lead_id == record.fields[key]


def test_a_change_of_how_values_are_converted_is_another_record(definitions: dict[str, Definition]) -> None:
    """With `coerce` the same record may mean another update, so it is looked at again; without a change it is not."""
    record = {"id": "L-1", "email": "ada@example.com", "amount": "1.10"}
    digests = []
    for stream in ({"coerce": True}, {"coerce": True}, {}):
        update = admit(admission_of(definitions, provider="narrow", streams={"leads": stream}), **record)
        digests.append(update.digest if isinstance(update, LeadUpdate) else update.reason)
    assert digests[0] == digests[1]
    assert digests[2] == "$.amount must be of type number"
    record["amount"] = None
    changed = [
        admit(admission_of(definitions, provider="narrow", streams={"leads": stream}), **record)
        for stream in ({"coerce": True}, {})
    ]
    first, second = (each.digest for each in changed if isinstance(each, LeadUpdate))
    assert first != second


@pytest.mark.parametrize(
    ("nulls", "amount", "outcome"),
    [
        ("omit", "1.10", {"email": "ada@example.com", "amount": Decimal("1.10")}),
        ("omit", "", {"email": "ada@example.com"}),
        ("omit", "1,10", "$.amount must be of type number"),
        ("omit", "007", "$.amount must be of type number"),
        ("send", "", "$.amount must be of type number"),
    ],
)
def test_coercion_comes_before_the_schema(
    definitions: dict[str, Definition], nulls: str, amount: str, outcome: object
) -> None:
    """What can be converted is sent so; what cannot is invalid, with the words that it would have had without."""
    config = {"provider": "narrow", "streams": {"leads": {"coerce": True, "nulls": nulls}}}
    admitted = admit(admission_of(definitions, **config), id="L-1", email="ada@example.com", amount=amount)
    assert (admitted.fields if isinstance(admitted, LeadUpdate) else admitted.reason) == outcome


WIDE = [f"c{number}" for number in range(1, 100_001)]
NAMED = f"{', '.join(WIDE[:20])} and 99,980 more"


@pytest.mark.parametrize("unknown_fields", ["drop", "reject"])
def test_a_warning_of_a_wide_stream_is_short(definitions: dict[str, Definition], unknown_fields: str) -> None:
    """Of a hundred thousand columns that will not be sent twenty are named."""
    streams = {"leads": {"unknown_fields": unknown_fields}}
    admission = admission_of(definitions, provider="narrow", streams=streams)
    warnings = admission.open_stream("leads", columns=["id", *WIDE], key_properties=["id"])
    assert [warning for warning in warnings if f": {NAMED}. " in warning]
    assert max(map(len, warnings)) < 500


def _with_schema(folder: Path, schema: dict[str, Any]) -> dict[str, Definition]:
    """The providers, and one named `own` that takes what keeps to a schema."""
    provider = json.loads((FOLDERS / "generic" / "provider.json").read_text()) | {"name": "own"}
    (folder / "provider.json").write_text(json.dumps(provider))
    (folder / "lead.schema.json").write_text(json.dumps(schema))
    return load_all([str(FOLDERS), str(folder)])


def test_a_warning_of_the_types_of_a_wide_stream_is_short(tmp_path: Path) -> None:
    """Of a thousand columns whose types the provider does not take twenty are named, wherever it names any."""
    schema = {"type": "object", "additionalProperties": {"type": "integer"}, "properties": {}}
    known = _with_schema(tmp_path, schema)
    admission = admission_of(known, provider="own", providers={"own": {"token": "t"}})
    columns = WIDE[:1000]
    text, truth = {"type": "string"}, {"type": "boolean"}
    schemas = {column: text if number % 2 else truth for number, column in enumerate(columns)}
    (warning,) = admission.open_stream("leads", columns=["id", *columns], key_properties=["id"], schemas=schemas)
    assert "c20 is string, and c20 takes integer and 980 more. " in warning
    assert warning.count(" and 480 more") == 2
    assert "c21 is" not in warning


def test_a_finding_of_a_wide_stream_is_short(definitions: dict[str, Definition]) -> None:
    """What is no column of a stream is told with twenty of those that are."""
    streams = {"leads": {"fields": {"absent": "email"}}}
    admission = admission_of(definitions, provider="narrow", streams=streams)
    with pytest.raises(SettingsError) as raised:
        admission.open_stream("leads", columns=WIDE, key_properties=["c1"])
    (finding,) = raised.value.findings
    assert finding == f"streams.leads.fields: absent is no field of the stream; it has {NAMED}."


def test_a_reason_of_a_wide_record_is_short(definitions: dict[str, Definition]) -> None:
    """Of all that is wrong with a record its reason holds twenty; the dead letter has the rest as violations."""
    streams = {"leads": {"unknown_fields": "reject"}}
    admission = admission_of(definitions, provider="narrow", streams=streams)
    settlement = admit(admission, id=1, email="ada@example.com", **dict.fromkeys(WIDE[:30], "x"))
    assert isinstance(settlement, Settlement)
    assert settlement.reason.endswith("$.c20 is no field of narrow and 10 more")
    assert len(settlement.violations) == 30


def test_a_wide_object_is_looked_through_once(tmp_path: Path) -> None:
    """What tens of thousands of columns leave out of one object is found in a walk: a walk for each takes minutes."""
    at = {"type": "object", "required": ["city"], "properties": {"city": {}}}
    known = _with_schema(tmp_path, {"type": "object", "required": ["email"], "properties": {"at": at, "email": {}}})
    admission = admission_of(known, provider="own", providers={"own": {"token": "t"}})
    columns = [f"at__{name}" for name in WIDE[:30_000]]
    (warning,) = admission.open_stream("leads", columns=["id", *columns], key_properties=["id"])
    assert warning.startswith("own requires email, at.city, which no field and no constant gives: ")
