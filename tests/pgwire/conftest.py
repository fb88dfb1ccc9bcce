"""Fixtures of the Postgres suite: one server for all tests that do not stop it."""

import shutil
from collections.abc import Iterator

import psycopg
import pytest

from tests.pgwire.all_types import ALL_TYPES_SQL
from tests.pgwire.jvm import JAR, MODES, Java, Jdbc, Kept, compile_probe
from tests.pgwire.running import PgServer, pg_serving

ITEMS_SQL = """
SELECT x AS id, 'row ' || x AS name, x / 2.0 AS half
FROM generate_series(1, 5000) AS g(x)
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgServer]:
    """A server with the tables ``items`` (5,000 rows) and ``all_types`` (two)."""
    with pg_serving(tmp_path_factory.mktemp("pgwire") / "data") as running:
        running.load("items", ITEMS_SQL)
        running.load("all_types", ALL_TYPES_SQL)
        yield running


@pytest.fixture
def connection(server: PgServer) -> Iterator[psycopg.Connection]:
    with server.connect() as opened:
        yield opened


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Java]:
    """A Java process with the driver of Postgres."""
    if shutil.which("javac") is None:
        pytest.skip("there is no javac: install default-jdk-headless")
    if not JAR.exists():
        pytest.skip(f"there is no {JAR}: install libpostgresql-jdbc-java")
    folder = tmp_path_factory.mktemp("java")
    compile_probe(folder)
    running = Java(folder, folder / "log")
    yield running
    running.close()


@pytest.fixture
def jdbc(server: PgServer, java: Java) -> Iterator[Jdbc]:
    """Connects to the server by JDBC; what is left open is closed."""
    connecting = Jdbc(java, server.port)
    yield connecting
    connecting.close()


@pytest.fixture
def by_jdbc(jdbc: Jdbc) -> Kept:
    """A connection of JDBC as it comes."""
    return jdbc.connect()


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """A way in which JDBC asks; each in turn."""
    name: str = request.param
    return name


@pytest.fixture
def in_mode(jdbc: Jdbc, mode: str) -> Kept:
    """A connection of JDBC that asks in this way."""
    return jdbc.connect(**MODES[mode])
