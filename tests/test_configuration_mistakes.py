"""What a person reads for each kind of mistake in the settings of a stream or a provider: the exact text."""

from __future__ import annotations

import io
import json
import logging
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_leads.exceptions import SettingsError
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BIZMATE = {"providers": {"bizmate": {"api_token": "token"}}}
PERCH = {"providers": {"perch": {"api_key": "key"}}}
PROVIDERS = "bizmate, connect2capital, perch, powerchord, propexo_entrata"
BIZMATE_FIELDS = (
    "brokerId, brokerRepId, callClientOrBroker, callOnBehalfOf, companyName, firstName, lastName, email, phone, "
    "secondaryEmail, secondaryPhone, dateOfBirth, citizenshipStatus, driversLicenseNumber, driverVersionNumber, "
    "homeOwner, soleDirector, residentialAddress, tradingName, abn, acn, crn, nzbn, uen, businessStartDate, "
    "industryCategory, industry, businessAddress, physicalAddress, tradingAddress, amountRequested, "
    "averageMonthlyTurnover, loanPurpose, suitableProducts, documentId, brokerContactName, brokerContactEmail, "
    "brokerContactNumber, partnerLeadReferenceId, notes, partnerNotes"
)

COLUMNS = {
    "id": {"type": ["null", "integer"]},
    "firstName": {"type": ["null", "string"]},
    "amount": {"type": ["null", "string"]},
    "updated_at": {"type": ["null", "string"], "format": "date-time"},
}
HAS = "id, firstName, amount, updated_at"


@pytest.fixture(autouse=True)
def own_signal_handlers() -> Iterator[None]:
    """Give pytest its signal handlers back: the SDK takes them whenever a target is made."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def open_stream(
    config: Mapping[str, Any], columns: Mapping[str, Any] = COLUMNS, keys: tuple[str, ...] = ("id",)
) -> None:
    """Read the settings and a SCHEMA, as a run does; nothing is sent."""
    message = {"type": "SCHEMA", "stream": "leads", "key_properties": keys, "schema": {"properties": columns}}
    target = TargetLeads(config={"dry_run": True, **config})
    try:
        target.run(io.BytesIO(json.dumps(message).encode() + b"\n"))
    finally:
        target.close(exit_status=1)


def leads(provider: str = "bizmate", **settings: Any) -> dict[str, Any]:
    """Settings of the stream."""
    return {"streams": {"leads": {"provider": provider, **settings}}}


@pytest.mark.parametrize(
    ("config", "findings"),
    [
        pytest.param(
            BIZMATE,
            [
                (
                    "streams.leads.provider: no setting says which provider the stream leads goes to. "
                    f"Set it, or the setting provider, to one of {PROVIDERS}."
                )
            ],
            id="no provider",
        ),
        pytest.param(
            leads("bizmat"),
            [f"streams.leads.provider: must be one of {PROVIDERS}, but was 'bizmat'. Did you mean bizmate?"],
        ),
        pytest.param(
            {"provider": "BIZMATE"}, [f"provider: must be one of {PROVIDERS}, but was 'BIZMATE'. Did you mean bizmate?"]
        ),
        pytest.param({"provider": "salesforce"}, [f"provider: must be one of {PROVIDERS}, but was 'salesforce'."]),
        pytest.param(
            {"providers": {"bizmat": {}}},
            [f"providers.bizmat: must be one of {PROVIDERS}, but was 'bizmat'. Did you mean bizmate?"],
        ),
        pytest.param(
            leads(),
            [
                (
                    "providers.bizmate.api_token: is required. Token of the Bizmate CRM Partner API. "
                    "It is shown in your account profile in the Bizmate CRM."
                )
            ],
            id="no credentials",
        ),
        pytest.param(
            {"providers": {"bizmate": {"api_token": "t", "tokn": "t"}}},
            [
                (
                    "providers.bizmate.tokn: is not one of api_token, account, base_url, concurrency, rate_limits. "
                    "Did you mean api_token?"
                )
            ],
        ),
        pytest.param(
            {"providers": {"perch": {"api_key": "k", "environment": "test"}}},
            ["providers.perch.environment: must be one of production, sandbox, but was 'test'."],
        ),
        pytest.param(
            {"providers": {"bizmate": {"api_token": "t", "concurrency": 0}}},
            ["providers.bizmate.concurrency: must be a whole number from 1 to 256, but was 0."],
        ),
        pytest.param(
            {"streams": {"leads": {"columns": {}}}},
            [
                (
                    "streams.leads.columns: is not one of provider, lead_id, fields, constants, nulls, unknown_fields, "
                    "version_field, coerce."
                )
            ],
        ),
        pytest.param(
            {"streams": {"leads": {"leadId": "id"}}},
            [
                (
                    "streams.leads.leadId: is not one of provider, lead_id, fields, constants, nulls, unknown_fields, "
                    "version_field, coerce. Did you mean lead_id?"
                )
            ],
        ),
        pytest.param(
            {"streams": {"leads": {"coerce": "maybe"}}},
            ["streams.leads.coerce: must be of type boolean, but was 'maybe'."],
        ),
        pytest.param(
            BIZMATE | leads(lead_id="lead"),
            [f"streams.leads.lead_id: lead is no field of the stream; it has {HAS}."],
        ),
        pytest.param(
            BIZMATE | leads(version_field="update_at"),
            [
                (
                    f"streams.leads.version_field: update_at is no field of the stream; it has {HAS}. "
                    "Did you mean updated_at?"
                )
            ],
        ),
        pytest.param(
            BIZMATE | leads(fields={"first_name": "firstName"}),
            [f"streams.leads.fields: first_name is no field of the stream; it has {HAS}. Did you mean firstName?"],
        ),
        pytest.param(
            BIZMATE | leads(fields={"amount": "amountRequired"}),
            [
                (
                    f"streams.leads.fields: amountRequired is no field of bizmate; it has {BIZMATE_FIELDS}. "
                    "Did you mean amountRequested?"
                )
            ],
        ),
        pytest.param(
            BIZMATE | leads(fields={"firstName": "residentialAddress.town"}),
            [f"streams.leads.fields: residentialAddress.town is no field of bizmate; it has {BIZMATE_FIELDS}."],
        ),
        pytest.param(
            BIZMATE | leads(fields={"firstName": "businessAddress__citty"}),
            [
                (
                    f"streams.leads.fields: businessAddress__citty is no field of bizmate; it has {BIZMATE_FIELDS}. "
                    "Did you mean businessAddress.city?"
                )
            ],
        ),
        pytest.param(
            BIZMATE | leads(fields={"firstName": "notes", "amount": "notes"}),
            ["streams.leads.fields: notes is given twice, and only one value can be sent."],
        ),
        pytest.param(
            BIZMATE | leads(fields={"_sdc_batched_at": "notes"}),
            [
                (
                    f"streams.leads.fields: _sdc_batched_at is no field of the stream; it has {HAS}. "
                    "Did you mean updated_at?"
                ),
                "streams.leads.fields: a column that names the provider or begins with _sdc_ is never sent.",
            ],
        ),
        pytest.param(
            BIZMATE | leads(constants={"source": "crm"}),
            [f"streams.leads.constants: source is no field of bizmate; it has {BIZMATE_FIELDS}."],
        ),
        pytest.param(
            PERCH | leads("perch", constants={"resourceType": "Company", "phone": {"number": 5}, "resourceId": None}),
            [
                (
                    "streams.leads.constants.resourceType: must be one of ClientProfile, Firm, FirmMember, "
                    "but was 'Company'."
                ),
                "streams.leads.constants.phone.number: must be of type string.",
                "streams.leads.constants.resourceId: must be of type string.",
            ],
        ),
        pytest.param(
            BIZMATE | leads(constants={"businessAddress.city": 5}),
            ["streams.leads.constants.businessAddress.city: must be of type string."],
        ),
        pytest.param(
            {"providers": {"connect2capital": {"api_key": "k", "service_partner": "p"}}}
            | leads("connect2capital", constants={"id": "x"}),
            ["streams.leads.constants: id is the lead's id; say which field holds it with lead_id."],
        ),
        pytest.param(
            BIZMATE | {"provider_field": "partner"},
            [f"provider_field: partner is no field of the stream leads; it has {HAS}."],
        ),
        pytest.param(
            BIZMATE | leads(lead_id="nr", version_field="at", constants={"firstName": 1}),
            [
                f"streams.leads.lead_id: nr is no field of the stream; it has {HAS}.",
                f"streams.leads.version_field: at is no field of the stream; it has {HAS}.",
                "streams.leads.constants.firstName: must be of type string.",
            ],
            id="all at once",
        ),
        pytest.param(
            BIZMATE
            | leads(
                constants={"abn": 5, "Notes": ""}, fields={"firstName": "first", "amount": "tel", "_sdc_table": "phone"}
            ),
            [
                f"streams.leads.fields: _sdc_table is no field of the stream; it has {HAS}.",
                f"streams.leads.constants: Notes is no field of bizmate; it has {BIZMATE_FIELDS}. Did you mean notes?",
                "streams.leads.constants.abn: must be of type string.",
                f"streams.leads.fields: first is no field of bizmate; it has {BIZMATE_FIELDS}. Did you mean firstName?",
                f"streams.leads.fields: tel is no field of bizmate; it has {BIZMATE_FIELDS}.",
                "streams.leads.fields: a column that names the provider or begins with _sdc_ is never sent.",
            ],
            id="constants and fields",
        ),
    ],
)
def test_mistakes(config: dict[str, Any], findings: list[str]) -> None:
    """Each ends the run with status 2 before a record is looked at, and says where it is and what is allowed."""
    with pytest.raises(SettingsError) as raised:
        open_stream(config)
    assert list(raised.value.findings) == findings
    assert raised.value.exit_status == 2


DROPPED = (
    "Stream leads: these fields are not sent, as the provider has none of their names: {}. "
    "Map them with streams.leads.fields."
)
INVALID = "Stream leads: records with a value in one of these fields are invalid, as"
NEVER = f"{INVALID} its type can never be what bizmate takes: "
COERCE = "Set streams.leads.coerce to true to convert {}."
CONVERT = "Convert {} in the tap's query or with stream_maps."


@pytest.mark.parametrize(
    ("config", "warnings"),
    [
        (leads(), [DROPPED.format("amount, updated_at")]),
        (
            leads(unknown_fields="reject"),
            [
                (
                    f"{INVALID} the provider has none of their names: amount, updated_at. "
                    "Map them with streams.leads.fields, or set streams.leads.unknown_fields to drop."
                )
            ],
        ),
        (
            leads(fields={"amount": "amountRequested"}),
            [f"{NEVER}amount is string, and amountRequested takes number. {COERCE.format('amount')}"],
        ),
        (leads(fields={"amount": "amountRequested"}, coerce=True), []),
        (
            leads(fields={"id": "homeOwner", "amount": "amountRequested", "updated_at": "abn"}),
            [
                (
                    f"{NEVER}id is integer, and homeOwner takes one of Yes, No; "
                    "amount is string, and amountRequested takes number. "
                    f"{COERCE.format('amount')} {CONVERT.format('id')}"
                )
            ],
        ),
        (
            leads(fields={"id": "abn"}, coerce=True),
            [f"{NEVER}id is integer, and abn takes string. {CONVERT.format('id')}"],
        ),
        (
            leads(fields={"updated_at": "brokerId"}),
            [f"{NEVER}updated_at is string (date-time), and brokerId takes uuid. {CONVERT.format('updated_at')}"],
        ),
        (
            {"streams": {"leads": {"provider": "perch", "fields": {"firstName": "firstName"}}}},
            [
                (
                    "Stream leads: perch requires email, lastName, resourceId, resourceType, which no field "
                    "and no constant gives: records will be invalid. "
                    "Map fields to them with streams.leads.fields, or set them in streams.leads.constants."
                )
            ],
        ),
        (
            {
                "streams": {
                    "leads": {
                        "provider": "perch",
                        "fields": {"firstName": "firstName", "amount": "lastName", "updated_at": "email"},
                        "constants": {"resourceType": "Firm", "resourceId": "f"},
                    }
                }
            },
            [f"{NEVER}updated_at is string (date-time), and email takes email. {CONVERT.format('updated_at')}"],
        ),
    ],
)
def test_what_is_warned_of(config: dict[str, Any], warnings: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """What a SCHEMA shows to go wrong with records is told once, when it comes, with what helps."""
    open_stream(BIZMATE | PERCH | {"providers": BIZMATE["providers"] | PERCH["providers"]} | config)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [
        warning.replace("bizmate takes", f"{config['streams']['leads']['provider']} takes") for warning in warnings
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": []},
        {"type": ["null", "string", "number"]},
        {"type": "integer"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"type": "string", "oneOf": [{}]},
        {"type": [1]},
    ],
)
def test_no_false_alarms(schema: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where the SCHEMA says nothing of a type, or leaves it open, there is nothing to warn of."""
    open_stream(BIZMATE | leads(fields={"amount": "amountRequested"}), {"id": {}, "amount": schema})
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_type_of_a_lead_id(caplog: pytest.LogCaptureFixture) -> None:
    """No record has a usable lead id if the field that holds it is of a type that none can be of."""
    open_stream(BIZMATE | leads(), {"id": {"type": "boolean"}, "notes": {"type": "string"}})
    assert f"{NEVER}id is boolean, and a lead id is text or a whole number. {CONVERT.format('id')}" in caplog.messages


@pytest.mark.parametrize("keys", [(), ("id", "firstName")], ids=["none", "two"])
def test_no_field_that_could_hold_the_lead_id(keys: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    """Where neither a setting nor the stream's key nor the provider's own name leads to a field, that is told."""
    open_stream(BIZMATE | leads(fields={"firstName": "firstName"}), keys=keys)
    assert (
        "Stream leads: no field holds the lead's id, so records will be invalid: it has neither one key property nor a "
        "field leadid, as bizmate calls it. Say which field does with streams.leads.lead_id."
    ) in caplog.messages
