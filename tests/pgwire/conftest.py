"""Fixtures of the Postgres suite: one server for all tests that do not stop it."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.pgwire.all_types import ALL_TYPES_SQL
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
