"""The store's tables. Their columns are documented for people who query them with SQL."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from target_leads.models import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect

VERSION = 3
"""Of the tables below. A store of a newer version is refused."""

FINGERPRINT_KEY = "fingerprints"
"""Name of the key with which fingerprints are made."""


class _Moment(TypeDecorator[datetime.datetime]):
    """A moment in UTC, with its zone also where the database knows none (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime.datetime | None,
        dialect: Dialect,  # noqa: ARG002 -- the signature is SQLAlchemy's
    ) -> datetime.datetime | None:
        """Write it in UTC: SQLite drops the zone."""
        return None if value is None else value.astimezone(datetime.timezone.utc)

    def process_result_value(
        self,
        value: datetime.datetime | None,
        dialect: Dialect,  # noqa: ARG002 -- the signature is SQLAlchemy's
    ) -> datetime.datetime | None:
        """Name the zone."""
        return value.replace(tzinfo=datetime.timezone.utc) if value is not None and value.tzinfo is None else value


def _settlement_columns() -> Iterator[Column[Any]]:
    """What `outcomes` and `dead_letters` both say of a record."""
    yield Column("stream", Text, nullable=False)
    yield Column("provider", Text, nullable=False)
    yield Column("account", Text, nullable=False)
    yield Column("lead_id", Text, nullable=False)
    yield Column("outcome", String(16), nullable=False)
    yield Column("reason", Text, nullable=False)
    yield Column("status", Integer, comment="HTTP status of the last answer")
    yield Column("error_code", Text, nullable=False, comment="the provider's own word for what is wrong")
    yield Column("request_id", Text, nullable=False, comment="the provider's own name for the last request")
    yield Column("attempts", Integer, nullable=False)
    yield Column("job_id", Text, nullable=False, comment="the provider's job, where it writes later")


_Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

versions = Table("versions", metadata, Column("version", Integer, primary_key=True))

keys = Table(
    "keys",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("key", LargeBinary, nullable=False, comment="random; without it fingerprints tell nothing of a value"),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(36), primary_key=True),
    Column("version", String(32), nullable=False, comment="release of target-leads"),
    Column("started_at", _Moment, nullable=False),
    Column("finished_at", _Moment, comment="null while it runs, and if it was killed"),
    Column("exit_status", Integer, comment="null while it runs, and if it was killed"),
    Column("received", Integer, nullable=False, default=0),
    *(Column(outcome.value, Integer, nullable=False, default=0) for outcome in Outcome),
    Column("requests", Integer, nullable=False, default=0),
    Column("providers", Text, nullable=False, default="{}", comment="the same counts for each provider, as JSON"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("run_id", String(36), nullable=False),
    Column("settled_at", _Moment, nullable=False),
    *_settlement_columns(),
    Column("fields", Text, nullable=False, default="[]", comment="JSON list: names of the fields that were sent"),
    Index("outcomes_by_lead", "provider", "account", "lead_id"),
    Index("outcomes_by_run", "run_id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("run_id", String(36), nullable=False),
    Column("created_at", _Moment, nullable=False),
    *_settlement_columns(),
    Column("violations", Text, nullable=False, comment="JSON list of {path, rule}"),
    Column("record", Text, nullable=False, comment="the record as the tap sent it, as JSON"),
    Column("tap_stream", Text, nullable=False, comment="the stream as the tap calls it, before stream maps"),
    Column("key_properties", Text, nullable=False, comment="JSON list, of the tap's stream"),
    Column("columns", Text, nullable=False, comment="JSON, likewise: what its SCHEMA said of each"),
    Column("digest", String(32), nullable=False, default="", comment="keyed hash: the same for the same record"),
    Column("closed_at", _Moment, comment="null while the dead letter is open"),
    Column("closed_because", Text, comment="the outcome that closed it, or the words with which it was discarded"),
    Index("dead_letters_by_lead", "provider", "account", "lead_id"),
    Index("dead_letters_by_digest", "digest"),
    sqlite_autoincrement=True,  # a number that was removed must not name another dead letter
)

leads = Table(
    "leads",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("base_url", Text, primary_key=True),
    Column("lead_id", Text, primary_key=True),
    Column("fields", Text, nullable=False, comment="JSON: a keyed hash for each field as last accepted"),
    Column("digest", String(32), nullable=False, comment="keyed hash of the record that was accepted last"),
    Column("version", Text, comment="its version, where the stream has such a field"),
    Column("accepted_at", _Moment, nullable=False),
    Column("as_of", _Moment, comment="how new its data is: older dead letters are not sent over it"),
    Column("run_id", String(36), nullable=False, default="", comment="the run that sent to it last; empty if two did"),
)

open_jobs = Table(
    "open_jobs",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("run_id", String(36), nullable=False),
    Column("created_at", _Moment, nullable=False),
    Column("stream", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("lead_id", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("fingerprint", String(32), nullable=False, comment="of the update; empty if it may not be the lead's last"),
    Column("accepted", Text, nullable=False, comment="what the row in leads becomes when the job has ended well"),
    Column("record", Text, nullable=False, comment="the record as the tap sent it, as JSON"),
    Column("tap_stream", Text, nullable=False),
    Column("key_properties", Text, nullable=False),
    Column("columns", Text, nullable=False),
    Index("open_jobs_by_lead", "provider", "account", "base_url", "lead_id"),
)

CHANGES: dict[int, tuple[tuple[str, str], ...]] = {
    2: (
        *(
            (table, f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
            for table in ("outcomes", "dead_letters")
            for column in ("error_code", "request_id")
        ),
        ("dead_letters", "ALTER TABLE dead_letters ADD COLUMN tap_stream TEXT NOT NULL DEFAULT ''"),
        ("dead_letters", "ALTER TABLE dead_letters ADD COLUMN key_properties TEXT NOT NULL DEFAULT '[]'"),
        ("dead_letters", "ALTER TABLE dead_letters ADD COLUMN columns TEXT NOT NULL DEFAULT '[]'"),
        ("dead_letters", "ALTER TABLE dead_letters ADD COLUMN closed_because TEXT"),
    ),
    3: (
        ("outcomes", "ALTER TABLE outcomes ADD COLUMN fields TEXT NOT NULL DEFAULT '[]'"),
        ("dead_letters", "ALTER TABLE dead_letters ADD COLUMN digest VARCHAR(32) NOT NULL DEFAULT ''"),
        ("dead_letters", "CREATE INDEX dead_letters_by_digest ON dead_letters (digest)"),
        ("leads", "ALTER TABLE leads ADD COLUMN as_of TIMESTAMP WITH TIME ZONE"),
        ("leads", "ALTER TABLE leads ADD COLUMN run_id VARCHAR(36) NOT NULL DEFAULT ''"),
    ),
}
"""What makes tables of the version before into those of this version. A table that is not there yet is made whole."""
