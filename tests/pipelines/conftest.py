"""Real Meltano, real taps, a real warehouse. They come from the package index; Meltano is kept in .pipelines."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from meltano_project import PATIENCE_SECONDS, Project
from sqlalchemy import create_engine, text

from target_leads.providers import load_all
from target_leads.sandbox import SCENARIOS, Emulator
from tests.machine import lacks
from tests.sharing import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Engine

    from target_leads.sandbox import Arrival, Interference

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "target_leads" / "target-leads.yml"
WAREHOUSE = ROOT / "sample_data" / "warehouse"
OWN_PROVIDERS = str(ROOT / "tests" / "providers")
SANDBOX_URL = "http://127.0.0.1:8765"
"""Where the sample's settings look for the sandbox."""
_KEPT = ROOT / ".pipelines"
_MELTANO = "meltano[postgres]>=4,<5"


class Weather:
    """A scenario that changes while the emulator is served."""

    def __init__(self) -> None:
        """All is well."""
        self._arrivals = 0
        self._arrived = threading.Condition()
        self.becomes("healthy")

    def becomes(self, kind: str) -> None:
        """From now on the providers behave so."""
        self._scenario = SCENARIOS[kind].begin()

    def wait_for(self, arrivals: int) -> None:
        """Wait until so many requests have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._arrivals >= arrivals, timeout=PATIENCE_SECONDS)

    def __call__(self, arrival: Arrival, /) -> Interference:
        """As the scenario of the moment has it."""
        with self._arrived:
            self._arrivals += 1
            self._arrived.notify_all()
        return self._scenario(arrival)


@pytest.fixture(scope="session")
def meltano() -> Path:
    """Meltano's command, in an environment of its own that the next session finds again."""
    venv = _KEPT / f"meltano-{sys.version_info.major}.{sys.version_info.minor}"
    command = venv / "bin" / "meltano"
    with one_at_a_time(_KEPT / f"{venv.name}.lock"):
        if not command.exists():
            install = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", _MELTANO]
            for step in ([sys.executable, "-m", "venv", "--clear", venv], install):
                if subprocess.run(step, check=False).returncode != 0:
                    lacks("Meltano could not be installed from the package index: see what pip said")
    return command


@pytest.fixture(scope="session")
def installed(meltano: Path, folder_of_all: Path) -> Project:
    """The sample's project, with the loader added from its definition and every plugin installed, once for all."""
    folder, ready = folder_of_all / "installed" / "leads", folder_of_all / "installed" / "ready"
    variables = {"TARGET_LEADS_SOURCE": str(ROOT)}
    project = Project(folder=folder, command=meltano, variables=variables)
    with one_at_a_time(folder_of_all / "installed.lock"):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what another process did not finish
            shutil.copytree(WAREHOUSE, folder)
            for step in (("add", "target-leads", "--from-ref", str(DEFINITION)), ("install",)):
                project.meltano(*step).must_have_installed()
            ready.touch()
    return project


@pytest.fixture
def weather() -> Weather:
    """How the providers behave."""
    return Weather()


@pytest.fixture
def emulator(weather: Weather) -> Emulator:
    """The bundled providers, and one of a user's own."""
    return Emulator(load_all([OWN_PROVIDERS]), weather)


@pytest.fixture
def database(postgresql_server: Engine) -> Iterator[URL]:
    """A new and empty database."""
    name = f"target_leads_{uuid.uuid4().hex}"
    with postgresql_server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgresql_server.url.set(drivername="postgresql", database=name)
    with postgresql_server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def tap_url(database: URL) -> str:
    """Its URL as tap-postgres wants it: with a user and a password, whether or not the server asks for them."""
    user, password = database.username or "postgres", database.password or "any"
    return database.set(username=user, password=password).render_as_string(hide_password=False)


@pytest.fixture
def warehouse(database: URL) -> Iterator[Callable[[str], None]]:
    """The sample's tables. Call it with SQL to change them."""
    engine = create_engine(database.set(drivername="postgresql+psycopg"))

    def do(sql: str) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(sql)

    do((WAREHOUSE / "leads.sql").read_text(encoding="utf-8"))
    yield do
    engine.dispose()


@pytest.fixture
def make_project(installed: Project, tap_url: str, sandbox_url: str, tmp_path: Path) -> Callable[[str], Project]:
    """Makes projects with the sample's settings, on the warehouse and the emulator, with plugins installed already."""

    def make(name: str) -> Project:
        folder = tmp_path / name
        (folder / ".meltano").mkdir(parents=True)
        settings = (installed.folder / "meltano.yml").read_text(encoding="utf-8")
        (folder / "meltano.yml").write_text(settings.replace(SANDBOX_URL, sandbox_url), encoding="utf-8")
        for kind in ("extractors", "loaders"):
            (folder / ".meltano" / kind).symlink_to(installed.folder / ".meltano" / kind)
        return replace(installed, folder=folder).with_variables(TAP_POSTGRES_SQLALCHEMY_URL=tap_url)

    return make


@pytest.fixture
def project(make_project: Callable[[str], Project], warehouse: Callable[[str], None]) -> Project:  # noqa: ARG001 -- it is read
    """A project of its own for each test."""
    return make_project("leads")
