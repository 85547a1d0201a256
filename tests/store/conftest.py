"""Stores to test: a SQLite file, and a schema of its own on a PostgreSQL server."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POSTGRESQL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """URL of a new and empty schema, dropped after the test. Without a server the test is skipped, but not in CI."""
    schema = f"target_leads_{uuid.uuid4().hex}"
    try:
        engine = create_engine(_POSTGRESQL, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
        with engine.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except (DBAPIError, ModuleNotFoundError) as error:
        message = f"no PostgreSQL to test with: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    yield f"{_POSTGRESQL}?options=-csearch_path%3D{schema}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a store that does not exist yet, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url
