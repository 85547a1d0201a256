"""A flat table with names and types of its own reaches every documented field of each provider."""

from __future__ import annotations

import datetime
import io
import json
import signal
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import simplejson
from sqlalchemy import create_engine, text

from target_leads.models import Outcome
from target_leads.providers import bundled
from target_leads.sandbox import Arrival, Emulator, Interference, running
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Row


class Column(NamedTuple):
    """A column of the table and what becomes of it."""

    name: str
    kind: str
    """PostgreSQL's."""
    value: str
    """As PostgreSQL reads it."""
    field: str
    """Of the provider, dotted where it is nested."""
    sent: Any
    """What the provider receives."""


class Table(NamedTuple):
    """A table for one provider, and what its mapping says beside the columns."""

    lead: Column
    columns: list[Column]
    constants: Mapping[str, Any]


def words(*pairs: tuple[str, str, str]) -> list[Column]:
    """Columns of text, which is sent as it is."""
    return [Column(name, "text", value, field, value) for name, field, value in pairs]


LEAD = "6f1c2b7e-58d4-4c0a-9b3e-2d7a914f0c55"
UUID = "b2a7d9e0-1c64-4f8b-8a35-70e5c1f9d2a4"


def address(prefix: str, field: str) -> list[Column]:
    """The columns of an address."""
    return words(
        (f"{prefix}_street", f"{field}.addressLine1", "12 Example Street"),
        (f"{prefix}_street_2", f"{field}.addressLine2", "Unit 3"),
        (f"{prefix}_city", f"{field}.city", "Darwin"),
        (f"{prefix}_state", f"{field}.state", "NT"),
        (f"{prefix}_zip", f"{field}.zipCode", "0800"),
    )


TABLES = {
    "perch": Table(
        Column("crm_lead", "text", "g4XWxPqY", "", "g4XWxPqY"),
        [
            *words(
                ("mail", "email", "avery.tremblay@example.com"),
                ("fname", "firstName", "Avery"),
                ("lname", "lastName", "Tremblay"),
                ("phone_no", "phone.number", "+12025550143"),
                ("salutation", "clientData.prefix", "Ms."),
                ("citizen", "clientData.citizenship", "Canadian Citizen"),
                ("marital", "clientData.maritalStatus", "Married"),
                ("remarks", "clientData.notes", "Calls in the evening."),
            ),
            Column("owner_no", "bigint", "88213", "resourceId", "88213"),
            Column("phone_ext", "text", "0204", "phone.extension", "0204"),
            Column("sin_no", "char(9)", "046454286", "clientData.sin", "046454286"),
            Column("born", "date", "1988-04-17", "clientData.dateOfBirth", "1988-04-17"),
            Column("score", "integer", "720", "clientData.creditScoreEstimation", "720"),
            Column("first_home", "smallint", "1", "clientData.isFirstTimeHomeBuyer", True),  # noqa: FBT003 -- JSON
            Column("plans", "jsonb", '[{"type": "Buying"}]', "clientData.Plans", [{"type": "Buying"}]),
            Column("adviser", "bigint", "9", "clientData.advisorProfileId", 9),
            Column(
                "assets", "text", '[{"type": "Home", "value": 350000.50}]', "clientData.Assets",
                [{"type": "Home", "value": Decimal("350000.50")}],
            ),
            Column("incomes", "jsonb", '[{"type": "Job"}]', "clientData.Incomes", [{"type": "Job"}]),
            Column("referral", "uuid", UUID, "referredByReferralCodeId", UUID),
        ],
        {"resourceType": "Firm"},
    ),
    "bizmate": Table(
        Column("bizmate_id", "uuid", LEAD, "", LEAD),
        [
            Column("partner", "uuid", UUID, "brokerId", UUID),
            Column("contact", "uuid", UUID, "brokerRepId", UUID),
            *words(
                ("on_behalf", "callOnBehalfOf", "Banksia Brokers"),
                ("company", "companyName", "Banksia Joinery Pty Ltd"),
                ("given", "firstName", "Riley"),
                ("family", "lastName", "Okafor"),
                ("mail", "email", "riley.okafor@example.com"),
                ("mobile", "phone", "+12025550117"),
                ("mail_2", "secondaryEmail", "riley@example.com"),
                ("mobile_2", "secondaryPhone", "+12025550118"),
                ("citizen", "citizenshipStatus", "Citizen"),
                ("licence", "driversLicenseNumber", "01234567"),
                ("licence_version", "driverVersionNumber", "001"),
                ("owner", "homeOwner", "Yes"),
                ("director", "soleDirector", "No"),
                ("trade_name", "tradingName", "Banksia"),
                ("abn", "abn", "51824753556"),
                ("acn", "acn", "004028077"),
                ("uk_number", "crn", "01234567"),
                ("nz_number", "nzbn", "9429000000000"),
                ("sg_number", "uen", "00000000A"),
                ("category", "industryCategory", "Manufacturing"),
                ("trade", "industry", "Joinery"),
                ("purpose", "loanPurpose", "Equipment Purchase"),
                ("contact_name", "brokerContactName", "Sam Example"),
                ("contact_mail", "brokerContactEmail", "sam@example.com"),
                ("contact_phone", "brokerContactNumber", "+12025550119"),
                ("remarks", "notes", "Wants a new saw."),
                ("own_remarks", "partnerNotes", "Before the end of the quarter."),
            ),
            *address("home", "residentialAddress"),
            *address("shop", "businessAddress"),
            *address("site", "physicalAddress"),
            *address("store", "tradingAddress"),
            Column("born", "date", "1979-11-03", "dateOfBirth", "1979-11-03"),
            Column("since", "timestamptz", "2016-07-01 00:00:00+00", "businessStartDate", "2016-07-01T00:00:00+00:00"),
            Column("amount", "text", "85000.50", "amountRequested", Decimal("85000.50")),
            Column("turnover", "numeric(12,2)", "42150.50", "averageMonthlyTurnover", Decimal("42150.50")),
            Column("products", "text[]", "{LOC,Business Loan}", "suitableProducts", ["LOC", "Business Loan"]),
            Column("statement", "bigint", "20417", "documentId", "20417"),
            Column("deal", "bigint", "9007199254740993", "partnerLeadReferenceId", "9007199254740993"),
        ],
        {
            "callClientOrBroker": "Call Client",
            **{f"{kind}Address.country": "Australia" for kind in ("residential", "business", "physical", "trading")},
        },
    ),
    "powerchord": Table(
        Column("lead_uuid", "uuid", LEAD, "", LEAD),
        [
            Column("stage", "text", "Contact attempted", "Status", "contacted"),
            Column("crm_no", "bigint", "88213", "ExternalID", "88213"),
            *words(("given", "Content.firstName", "Jordan"), ("remarks", "Content.comments", "Asked for a quote.")),
            Column("mowers", "smallint", "2", "Content.mowers", 2),
            Column("extras", "jsonb", '{"colour": "red"}', "Content.extras", {"colour": "red"}),
        ],
        {"Content.source": "warehouse"},
    ),
    "propexo_entrata": Table(
        Column("propexo_id", "text", "clq7n4v2k000108l4e9sd5h3b", "", "clq7n4v2k000108l4e9sd5h3b"),
        [
            *words(
                ("unit", "unit_id", "u1"),
                ("period", "lease_period_id", "p1"),
                ("employee", "employee_id", "e1"),
                ("given", "first_name", "Morgan"),
                ("family", "last_name", "Castellano"),
                ("middle", "middle_name", "Q."),
                ("mobile", "phone_1", "+12025550178"),
                ("mobile_kind", "phone_1_type", "MOBILE"),
                ("landline", "phone_2", "+12025550179"),
                ("mail", "email_1", "morgan.castellano@example.com"),
                ("street", "address_1", "18 Example Street"),
                ("street_2", "address_2", "Apt 4B"),
                ("town", "city", "Springfield"),
                ("region", "state", "MA"),
                ("postcode", "zip", "01101"),
                ("remarks", "notes", "Ground floor."),
            ),
            Column("source_no", "integer", "17", "lead_source_id", "17"),
            Column("moves_in", "date", "2025-09-01", "target_move_in_date", "2025-09-01T00:00:00Z"),
            Column("bedrooms", "smallint", "2", "desired_num_bedrooms", 2),
            Column("bathrooms", "double precision", "1.5", "desired_num_bathrooms", Decimal("1.5")),
            Column("max_rent", "text", "215000", "desired_max_rent_in_cents", 215000),
            Column("min_rent", "bigint", "160000", "desired_min_rent_in_cents", 160000),
            Column("people", "integer", "2", "number_of_occupants", 2),
            Column("visits", "jsonb", '[{"kind": "tour"}]', "events", [{"kind": "tour"}]),
        ],
        {"phone_2_type": "HOME"},
    ),
    "connect2capital": Table(
        Column("crf_lead", "uuid", LEAD, "", LEAD),
        [
            Column("funded_on", "date", "2025-06-30", "fundedDate", "2025-06-30T00:00:00Z"),
            Column("funded", "numeric(12,2)", "125000.50", "fundedAmount", Decimal("125000.50")),
            Column("rate", "numeric(5,2)", "7.25", "fundedInterestRate", Decimal("7.25")),
            Column("apr", "text", "7.90", "fundedAPR", Decimal("7.90")),
            Column("term", "integer", "60", "fundedTermMonths", 60),
            Column("amortized", "text", "84", "fundedAmortizationMonths", 84),
            *words(
                ("stage", "status", "Funded"),
                ("disqualified", "disqualifiedReason", "Other"),
                ("withdrawn", "withdrawnReason", "Other"),
                ("abandoned", "abandonedReason", "Duplicate"),
            ),
            Column("ticket", "bigint", "4711", "additionalInfo", "4711"),
            Column("assisted", "text", "true", "willReceiveTechnicalAssistance", True),  # noqa: FBT003 -- JSON
            Column("subjects", "jsonb", '["Accounting"]', "technicalAssistanceOptions", ["Accounting"]),
        ],
        {},
    ),
}  # fmt: skip
SETTINGS = {
    "perch": {"api_key": "k"},
    "bizmate": {"api_token": "t"},
    "powerchord": {"access_token": "t"},
    "propexo_entrata": {"api_token": "t"},
    "connect2capital": {"api_key": "k", "service_partner": "my-finances"},
}


def in_json_schema(kind: str) -> dict[str, Any]:
    """What meltanolabs-tap-postgres says of a column of a type in its SCHEMA."""
    if kind.endswith("[]"):
        return {"type": ["array", "null"], "items": in_json_schema(kind.removesuffix("[]"))}
    if kind == "jsonb":
        return {"type": ["string", "number", "integer", "array", "object", "boolean", "null"]}
    formats = {"date": "date", "timestamptz": "date-time", "uuid": "uuid"}
    if kind in formats:
        return {"type": ["string", "null"], "format": formats[kind]}
    if kind in {"smallint", "integer", "bigint"}:
        return {"type": ["integer", "null"]}
    numeric = kind.startswith("numeric") or kind == "double precision"
    return {"type": ["number" if numeric else "string", "null"]}


def as_sent_by_a_tap(value: object) -> str:
    """How a tap writes the values that JSON does not have."""
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    assert isinstance(value, uuid.UUID)
    return str(value)


def messages(table: Table, row: Row[Any]) -> bytes:
    """A SCHEMA and a RECORD message for a row, as a tap writes them; numbers keep their digits."""
    columns = [table.lead, *table.columns]
    properties = {column.name: in_json_schema(column.kind) for column in columns}
    schema = {"properties": {**properties, "_sdc_extracted_at": {"type": "string"}}}
    record = {**row._mapping, "_sdc_extracted_at": "2026-01-02T03:04:05Z"}
    lines = [
        {"type": "SCHEMA", "stream": "crm-leads", "key_properties": [table.lead.name], "schema": schema},
        {"type": "RECORD", "stream": "crm-leads", "record": record},
    ]
    return "".join(simplejson.dumps(line, use_decimal=True, default=as_sent_by_a_tap) + "\n" for line in lines).encode()


def row_of(table: Table, url: str) -> Row[Any]:
    """The row, read from a table that is made for it."""
    columns = [table.lead, *table.columns]
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE leads ({', '.join(f'{each.name} {each.kind}' for each in columns)})"))
        values = ", ".join(f"CAST(CAST(:{each.name} AS text) AS {each.kind})" for each in columns)
        connection.execute(text(f"INSERT INTO leads VALUES ({values})"), {each.name: each.value for each in columns})  # noqa: S608 -- names of our own
        row = connection.execute(text("SELECT * FROM leads")).one()
    engine.dispose()
    return row


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted fields as objects in objects."""
    whole: dict[str, Any] = {}
    for path, value in fields.items():
        *parents, name = path.split(".")
        inner = whole
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
    return whole


def documented(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Every field that a lead schema describes, dotted where it is nested."""
    for name, inner in schema.get("properties", {}).items():
        if "properties" in inner:
            yield from documented(inner, f"{path}{name}.")
        else:
            yield path + name


@pytest.fixture(autouse=True)
def own_signal_handlers() -> Iterator[None]:
    """Give pytest its signal handlers back: the SDK takes them whenever a target is made."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("provider", TABLES)
def test_every_documented_field_is_mapped(provider: str) -> None:
    """The tables leave no field out, so that what they show holds for all."""
    table = TABLES[provider]
    given = {*(column.field for column in table.columns), *table.constants}
    body_field = bundled()[provider].lead_id.body_field
    reached = {field if not field.startswith("Content.") else "Content" for field in given} | {body_field} - {""}
    assert reached == set(documented(bundled()[provider].lead_schema.schema))


@pytest.mark.parametrize("provider", TABLES)
def test_a_row_reaches_the_provider(provider: str, postgresql_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every field arrives in the documented shape: names, nesting, types and digits; and nothing is warned of."""
    table, definition = TABLES[provider], bundled()[provider]
    bodies: list[bytes] = []

    def keeps_bodies(arrival: Arrival) -> Interference:
        bodies.append(arrival.body)
        return Interference()

    emulator = Emulator(bundled(), keeps_bodies)
    with running(emulator) as url:
        config = {
            "providers": {provider: {**SETTINGS[provider], "base_url": url + emulator.prefixes[provider]}},
            "streams": {
                "crm-leads": {
                    "provider": provider,
                    "fields": {column.name: column.field for column in table.columns},
                    "constants": table.constants,
                    "coerce": True,
                }
            },
        }
        target = TargetLeads(config=config)
        target.run(io.BytesIO(messages(table, row_of(table, postgresql_url))))
    assert target.report is not None
    assert (target.report.received, target.report.count(Outcome.DELIVERED)) == (1, 1)
    assert [message for message in caplog.messages if message.startswith("Stream ")] == []
    fields = nested({**{column.field: column.sent for column in table.columns}, **table.constants})
    if definition.lead_id.body_field:
        fields[definition.lead_id.body_field] = table.lead.sent
    expected = {definition.update.envelope: fields} if definition.update.envelope else fields
    sent = json.loads(bodies[0], parse_float=Decimal)
    assert sent == expected
    assert json.dumps(sent, default=repr, sort_keys=True) == json.dumps(expected, default=repr, sort_keys=True)
    assert emulator.requests[0].path.endswith(table.lead.sent) or definition.lead_id.body_field
