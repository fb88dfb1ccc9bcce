"""What clients ask at their start, replayed over the wire against a connection to the very same database.

That the answers are right, ``tests/pg_catalog`` compares row by row with a real Postgres. Here they come through
everything in between: the login, the catalog of a workspace, discovery of the source, a worker, the protocol.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.pg_catalog.catalogs import (
    Shop,
    read_statements,
    real_oids,
    running_shop,
    with_numbers,
)
from tests.pg_catalog.exceptions import REFUSED
from tests.pgwire.running import made, pg_serving

# Indexes of a source are not those of Tidemill.
STATEMENTS = {name: sql for name, sql in read_statements().items() if "_idx}" not in sql}
_TABLES = {"public.cars", "public.orders", "sales.Odd Name"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running


@pytest.fixture(scope="module")
def door(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A session of ours whose database is the connection to the shop."""
    info = shop.connection.info
    config = {"host": info.host, "port": info.port, "user": "postgres", "database": "shop"}
    body = {"name": "shop", "source_type": "postgres", "config": config}
    folder = tmp_path_factory.mktemp("captured")
    with pg_serving(Path(folder) / "data", egress_allow_private=True) as server:
        with server.server.client() as client:
            made(client.post("/v1/connections", json=body))
        with server.connect(dbname="shop") as connection:
            yield connection


def test_the_tables_are_there(door: psycopg.Connection) -> None:
    assert real_oids(door).keys() >= _TABLES


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name not in REFUSED])
def test_it_is_answered_over_the_wire(name: str, door: psycopg.Connection, shop: Shop) -> None:
    ours = door.execute(with_numbers(STATEMENTS[name], real_oids(door)).encode())
    theirs = shop.connection.execute(with_numbers(STATEMENTS[name], shop.oids).encode())
    assert ours.description is not None
    assert theirs.description is not None
    # Of all columns of a catalog relation, a real Postgres 16 has a few others than 15.
    expected = [column.name for column in theirs.description]
    names = [column.name for column in ours.description]
    assert names == expected or (".*" in STATEMENTS[name] and len({*names} - {*expected}) == 0)
    ours.fetchall()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_an_error_of_postgres(name: str, door: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        door.execute(with_numbers(STATEMENTS[name], real_oids(door)).encode())
    assert raised.value.sqlstate in ("42P01", "42703", "42883", "42704")
