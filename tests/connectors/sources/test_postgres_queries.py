"""Conditions of Postgres scans, and queries with the types of a plan."""

import datetime
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from connectors.base import After, Scan
from connectors.errors import (
    SourceFailed,
    TableGone,
)
from connectors.sources.postgres import PostgresConnector
from tests.connectors.contract import context_for, read
from tests.connectors.sources.postgres_server import (
    TlsServer,
    asked,
    connected,
    opened,
    running_server,
    tls_options,
)


@pytest.fixture(scope="module")
def tls_server() -> Iterator[TlsServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def database(postgres_database: str) -> Iterator[psycopg.Connection]:
    with connected(postgres_database) as connection:
        yield connection


@pytest.fixture
def connector(postgres_database: str, tmp_path: Path) -> Iterator[PostgresConnector]:
    with opened(postgres_database, tmp_path) as connector:
        yield connector


@pytest.mark.parametrize(
    ("sql_type", "values", "after", "expected"),
    [
        ("bigint", "('-5'), ('7'), (NULL)", "-5", ["7"]),
        ("numeric(12,2)", "('9.5'), ('10'), ('NaN')", "9.50", ["10.00"]),
        ("numeric", "('9.5'), ('10'), ('NaN')", "9.5", ["NaN"]),
        ("double precision", "('1e300'), ('Infinity'), ('0')", "1e+300", ["inf"]),
        ("boolean", "('f'), ('t')", "false", ["true"]),
        ("date", "('2024-01-01'), ('2024-01-02'), ('infinity')", "2024-01-01", ["2024-01-02"]),
        (
            "timestamp",
            "('2024-01-01'), ('2024-01-01 00:00:00.000001'), ('infinity')",
            "2024-01-01 00:00:00.000000",
            ["2024-01-01 00:00:00.000001"],
        ),
        (
            "timestamptz",
            "('2024-01-01 00:00+00'), ('2024-01-01 00:00+01'), ('2024-01-01 00:00-01')",
            "2024-01-01 00:00:00.000000Z",
            ["2024-01-01 01:00:00.000000Z"],
        ),
        (
            "time",
            "('12:00'), ('12:00:00.000001'), ('24:00')",
            "12:00:00.000000",
            ["12:00:00.000001"],
        ),
        ("text", "('a'), ('B'), ('b'), ('it''s \\')", "a", ["b", "it's \\"]),
        ('text COLLATE "en-x-icu"', "('a'), ('B'), ('b')", "a", ["b"]),
        ("char(3)", "('a'), ('a b'), ('Z')", "a", ["a b"]),
        (
            "uuid",
            f"('{'0' * 32}'), ('{'1' * 32}')",
            str(uuid.UUID(int=0)),
            [str(uuid.UUID("1" * 32))],
        ),
        ("inet", "('10.0.0.9'), ('10.0.0.10')", "10.0.0.10", ["10.0.0.9"]),
    ],
)
def test_rows_after_a_value_are_those_that_arrow_puts_after_it(
    tls_server: TlsServer,
    tmp_path: Path,
    sql_type: str,
    values: str,
    after: str,
    expected: list[str],
) -> None:
    with (
        psycopg.connect(tls_server.conninfo(), autocommit=True) as connection,
        PostgresConnector(tls_options(tls_server), context_for(tmp_path)) as connector,
    ):
        connection.execute("DROP TABLE IF EXISTS t")
        connection.execute(f"CREATE TABLE t (a {sql_type}); INSERT INTO t VALUES {values}")
        found = read(connector, "public", "t", Scan(after=After("a", after)))
        assert found["a"].cast(pa.string()).to_pylist() == expected


@pytest.mark.parametrize("sql_type", ["bytea", "integer[]"])
def test_a_type_without_an_order_cannot_be_gone_on_from(
    database: psycopg.Connection, connector: PostgresConnector, sql_type: str
) -> None:
    database.execute(f"CREATE TABLE t (a {sql_type})")
    with pytest.raises(SourceFailed, match="no order"):
        connector.plan_fetch(connector.describe("public", "t"), Scan(after=After("a", "x")))


@pytest.mark.parametrize(
    ("sql", "dtype", "expected"),
    [
        ("sum(g)", pa.int64(), 3),
        ("sum(g::bigint)", pa.int64(), 3),
        ("avg(g::numeric(4,2))", pa.decimal128(8, 4), Decimal("1.5000")),
        ("2.00005", pa.decimal128(8, 4), Decimal("2.0001")),
        ("count(*)", pa.int64(), 2),
        ("avg(g::float8)", pa.float64(), 1.5),
        ("avg(g)", pa.float64(), 1.5),
        ("max(g)", pa.decimal256(40, 0), Decimal(2)),
        ("date '2024-01-01'", pa.timestamp("us"), datetime.datetime.fromisoformat("2024-01-01")),
        ("timestamp '2024-01-01'", pa.date32(), datetime.date(2024, 1, 1)),
        ("extract(second FROM time '00:00:30')", pa.int32(), 30),
        ("'infinity'::timestamp", pa.timestamp("us"), None),
        ("'x'::char(3)", pa.large_string(), "x"),
        ("gen_random_uuid() IS NULL", pa.bool_(), False),
        ("'{1,2}'::numeric[]", pa.list_(pa.decimal128(4, 1)), [Decimal(1), Decimal(2)]),
        ("ARRAY['a']", pa.list_(pa.string()), ["a"]),
        ("ARRAY[1, NULL]", pa.list_(pa.int64()), [1, None]),
        ("ARRAY[date 'infinity']", pa.list_(pa.date32()), [None]),
        ("'1 day'::interval", pa.string(), "1 day"),
        ("NULL", pa.int16(), None),
    ],
)
def test_a_query_gives_what_the_plan_says(
    connector: PostgresConnector, sql: str, dtype: pa.DataType, expected: object
) -> None:
    found = asked(connector, f"SELECT {sql} AS x FROM generate_series(1, 2) g", x=dtype)
    assert found[:1] == [expected]


@pytest.mark.parametrize(
    ("sql", "dtype"),
    [
        ("avg(g)", pa.int64()),
        ("extract(second FROM time '00:00:30.5')", pa.int32()),
        ("99999999999::bigint * g", pa.int32()),
        ("timestamp '2024-01-01 12:00'", pa.date32()),
        ("1e30::numeric", pa.decimal128(8, 4)),
        ("'a'::text", pa.float64()),
        ("ARRAY[1.5]", pa.list_(pa.int64())),
        ("1, 2", pa.list_(pa.struct([("a", pa.int32())]))),
    ],
)
def test_a_query_that_gives_something_else_fails(
    connector: PostgresConnector, sql: str, dtype: pa.DataType
) -> None:
    with pytest.raises(SourceFailed):
        asked(connector, f"SELECT {sql} FROM generate_series(1, 2) g", x=dtype)


def test_a_query_that_is_none_fails(connector: PostgresConnector) -> None:
    with pytest.raises(SourceFailed, match="syntax error"):
        asked(connector, "SELEC", x=pa.int32())
    with pytest.raises(TableGone):
        asked(connector, "SELECT 1 FROM nothing", x=pa.int32())
