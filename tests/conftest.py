"""What tests share: real servers on loopback, and settings that point to them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from target_leads.cli import main
from target_leads.providers import load_all
from target_leads.sandbox import Emulator, running
from tests.machine import lacks
from tests.requirements import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

TESTS = Path(__file__).parent
os.environ["PYTHONWARNINGS"] = "ignore:Python 3.10 reached its end of life"  # for processes that tests start
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)  # pytest-xdist's processes have them, terminal or not
OWN_PROVIDERS = TESTS / "providers"
_POSTGRESQL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in a folder of its own: the default store is made in the current one."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def emulator() -> Emulator:
    """An emulator of every provider, the tests' own ones too."""
    return Emulator(load_all([str(OWN_PROVIDERS)]), "healthy")


@pytest.fixture
def sandbox_url(emulator: Emulator) -> Iterator[str]:
    """Where the emulator is served."""
    with running(emulator) as url:
        yield url


@pytest.fixture
def generic_config(sandbox_url: str) -> dict[str, Any]:
    """Settings that send every stream to the emulator's generic provider."""
    return {
        "provider": "generic",
        "provider_paths": [str(OWN_PROVIDERS)],
        "providers": {"generic": {"token": "sandbox", "base_url": f"{sandbox_url}/generic/v1"}},
    }


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Engine]:
    """A PostgreSQL server to test with. Without one the test is skipped, but not in CI."""
    try:
        engine = create_engine(_POSTGRESQL, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
        engine.connect().close()
    except (DBAPIError, ModuleNotFoundError) as error:
        lacks(f"no PostgreSQL to test with: {error}")
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_url(postgresql_server: Engine) -> Iterator[str]:
    """URL of a new and empty schema, dropped after the test."""
    schema = f"target_leads_{uuid.uuid4().hex}"
    with postgresql_server.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield f"{_POSTGRESQL}?options=-csearch_path%3D{schema}"
    with postgresql_server.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


@pytest.fixture(scope="session")
def folder_of_all(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that every process of this session finds, for what is to be made once."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this checkout, built once."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """The wheel of this checkout."""
    (found,) = distributions.glob("*.whl")
    return found


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Does the command in this process; with `columns`, on a screen that is so wide, else into a pipe."""

    def do(*arguments: str, columns: int | None = None) -> Ended:
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        handlers = logging.getLogger().handlers[:]
        with pytest.raises(SystemExit) as left:
            main(arguments)
        logging.getLogger().handlers[:] = handlers  # a run's own write to what is this test's standard error
        captured = capsys.readouterr()
        assert isinstance(left.value.code, (int, type(None)))
        return Ended(status=left.value.code or 0, stdout=captured.out, stderr=captured.err)

    return do
