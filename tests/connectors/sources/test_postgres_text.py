"""CockroachDB and Redshift, with Postgres in their place: their own servers cannot be had here."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pydantic import SecretStr
from typing_extensions import override

from connectors.base import After, Connector, Scan
from connectors.errors import EgressRefused, SourceFailed, TableGone
from connectors.sources.postgres import (
    CockroachConnector,
    PostgresOptions,
    RedshiftConnector,
)
from connectors.sources.postgres.text_values import values_of_text
from tests.connectors.contract import ConnectorContract, Sample, Source, context_for, read
from tests.connectors.sources.postgres_samples import (
    SCALARS,
    TEXT_ARRAY_CASES,
    TYPES,
    Case,
    expected_table,
    full_rows,
    full_warnings,
    make_table,
    random_rows,
    readable_cases,
)
from tests.connectors.sources.postgres_server import (
    TlsServer,
    all_rows,
    asked,
    connected,
    running_server,
    socket_options,
    tls_options,
)

COCKROACH_CASES = readable_cases(SCALARS) | TEXT_ARRAY_CASES
REDSHIFT_CASES = {
    name: case
    for name, case in readable_cases(SCALARS).items()
    if name
    in {
        *("boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric(12,2)"),
        *("numeric(38,2)", "text", "varchar(9)", "char(5)", "bytea", "date", "time", "timestamp"),
        *("timestamptz", "time with time zone", "interval", "jsonb"),
    }
}
REDSHIFT_VIEWS = """
CREATE VIEW svv_columns AS SELECT table_schema, table_name, column_name, ordinal_position,
  is_nullable, CASE data_type WHEN 'bytea' THEN 'binary varying' WHEN 'jsonb' THEN 'super'
  ELSE data_type END AS data_type, character_maximum_length, numeric_precision, numeric_scale
  FROM information_schema.columns;
CREATE VIEW svv_tables AS SELECT table_schema, table_name,
  CASE table_name WHEN 'far' THEN 'EXTERNAL TABLE' ELSE table_type END AS table_type,
  'of ' || table_name AS remarks FROM information_schema.tables;
CREATE FUNCTION from_varbyte(bytea, text) RETURNS text LANGUAGE sql AS 'SELECT encode($1, $2)';
"""


class TextSource(Source):
    schema = "public"

    def __init__(
        self,
        connector: type[Connector[Any, Any]],
        connection: psycopg.Connection,
        options: PostgresOptions,
        cases: dict[str, Case],
    ) -> None:
        self.connector = connector
        self._connection = connection
        self._options = options
        self._cases = cases
        self._rows = full_rows(cases)
        make_table(connection, "Full", cases, [[text for text, _ in row] for row in self._rows])
        make_table(connection, "empty", cases, [])

    @property
    @override
    def options(self) -> PostgresOptions:
        return self._options

    @property
    @override
    def full(self) -> Sample:
        values = [[value for _, value in row] for row in self._rows]
        rows = expected_table(self._cases, values)
        return Sample("Full", rows)

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        cases = self._cases
        made = random_rows(rng, cases, rows)
        make_table(self._connection, "random", cases, [[text for text, _ in row] for row in made])
        return Sample("random", expected_table(cases, [[v for _, v in row] for row in made]))

    @override
    def wide(self) -> str:
        self._connection.execute(
            "CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 3200)::text AS text"
            " FROM generate_series(1, 200) g"
        )
        return "wide"

    @override
    def unreachable(self) -> PostgresOptions:
        return self._options.model_copy(update={"port": 1})

    @override
    def refused(self) -> PostgresOptions | None:
        if self._options.is_socket:
            return None
        return self._options.model_copy(update={"password": SecretStr("not-the-password")})

    @override
    def warnings(self) -> list[str]:
        return full_warnings(self._cases)

    @override
    def where(self) -> str:
        return '"Full"."id" = 0'

    @override
    def query(self) -> tuple[str, pa.Table]:
        # Blanks at the end of a char(n) are cut where the type is known, which a query's is not.
        blank = f"c{list(self._cases).index('char(5)')}"
        rows = self.full.rows.drop_columns([blank])
        return f'SELECT {", ".join(rows.column_names)} FROM "Full" ORDER BY id', rows


@pytest.fixture(scope="module")
def tls_server() -> Iterator[TlsServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def database(postgres_database: str) -> Iterator[psycopg.Connection]:
    with connected(postgres_database) as connection:
        connection.execute(REDSHIFT_VIEWS)
        yield connection


@pytest.fixture(params=[CockroachConnector, RedshiftConnector])
def connector(
    request: pytest.FixtureRequest,
    database: psycopg.Connection,
    postgres_database: str,
    tmp_path: Path,
) -> Iterator[CockroachConnector | RedshiftConnector]:
    with request.param(socket_options(postgres_database), context_for(tmp_path)) as opened:
        yield opened


class TestCockroach(ConnectorContract):
    @pytest.fixture
    def source(self, tls_server: TlsServer) -> Iterator[Source]:
        with psycopg.connect(tls_server.conninfo(), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS contract WITH (FORCE)")
            connection.execute("CREATE DATABASE contract")
        with psycopg.connect(tls_server.conninfo("contract"), autocommit=True) as connection:
            connection.execute(TYPES)
            options = tls_options(tls_server, database="contract")
            yield TextSource(CockroachConnector, connection, options, COCKROACH_CASES)


class TestRedshift(ConnectorContract):
    @pytest.fixture
    def source(self, database: psycopg.Connection, postgres_database: str) -> Source:
        options = socket_options(postgres_database)
        return TextSource(RedshiftConnector, database, options, REDSHIFT_CASES)


def test_redshift_tables_are_described_by_its_own_views(
    database: psycopg.Connection, postgres_database: str, tmp_path: Path
) -> None:
    database.execute(
        """
        CREATE TABLE near (a integer NOT NULL PRIMARY KEY, b numeric(12,2), c varchar(9), d jsonb);
        CREATE TABLE far (a integer NOT NULL);
        CREATE VIEW seen AS SELECT a FROM near;
        """
    )
    with RedshiftConnector(socket_options(postgres_database), context_for(tmp_path)) as connector:
        found = {table.name: table for table in connector.discover() if "svv" not in table.name}
    assert {name: table.kind for name, table in found.items()} == {
        "near": "table",
        "far": "table",
        "seen": "view",
    }
    assert [c.native_type for c in found["near"].columns] == [
        "integer",
        "numeric(12,2)",
        "character varying(9)",
        "super",
    ]
    assert [c.nullable for c in found["near"].columns] == [False, True, True, True]
    assert found["far"].columns[0].nullable
    assert found["near"].primary_key == ()
    assert found["near"].comment == "of near"


def test_many_rows_come_in_many_fetches(
    database: psycopg.Connection, connector: CockroachConnector
) -> None:
    database.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 5000) g")
    (part,) = connector.plan_fetch(connector.describe("public", "t"), Scan())
    batches = list(connector.open(part))
    assert len(batches) > 2
    assert [row["id"] for batch in batches for row in batch.to_pylist()] == list(range(1, 5001))


def test_no_column_at_all_still_counts(
    database: psycopg.Connection, connector: CockroachConnector
) -> None:
    database.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 7) g")
    (part,) = connector.plan_fetch(connector.describe("public", "t"), Scan(columns=()))
    batches = list(connector.open(part))
    assert [batch.num_columns for batch in batches] == [0]
    assert sum(batch.num_rows for batch in batches) == 7


def test_rows_after_a_text_are_told_by_its_bytes(
    database: psycopg.Connection, connector: CockroachConnector
) -> None:
    database.execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('a'), ('B'), ('it''s \\')")
    found = read(connector, "public", "t", Scan(after=After("a", "a")))
    assert found["a"].to_pylist() == ["it's \\"]


def test_a_table_that_changed_is_never_misread(
    database: psycopg.Connection, connector: CockroachConnector
) -> None:
    database.execute("CREATE TABLE t (id integer, name text); INSERT INTO t VALUES (1, 'a')")
    table = connector.describe("public", "t")
    (part,) = connector.plan_fetch(table, Scan())
    database.execute("ALTER TABLE t RENAME name TO x; ALTER TABLE t RENAME id TO name")
    database.execute("ALTER TABLE t RENAME x TO id")
    with pytest.raises(SourceFailed, match="has changed"):
        connector.plan_fetch(table, Scan())
    with pytest.raises(SourceFailed, match="no int32"):
        list(connector.open(part))
    database.execute("DROP TABLE t")
    with pytest.raises(TableGone):
        list(connector.open(part))


def test_a_session_only_reads(database: psycopg.Connection, connector: CockroachConnector) -> None:
    database.execute("CREATE SEQUENCE s")
    with pytest.raises(SourceFailed, match="read-only"):
        asked(connector, "SELECT nextval('s')", n=pa.int64())
    assert asked(connector, "SELECT current_setting('TimeZone')", n=pa.string()) == ["UTC"]


def test_an_error_in_the_middle_of_the_rows_is_one_of_the_source(
    database: psycopg.Connection, connector: CockroachConnector
) -> None:
    database.execute("CREATE VIEW v AS SELECT 1 / (900 - g) AS n FROM generate_series(1, 999) g")
    with pytest.raises(SourceFailed, match="division by zero"):
        all_rows(connector, "v")


def test_a_statement_that_takes_too_long_is_ended(
    database: psycopg.Connection, postgres_database: str, tmp_path: Path
) -> None:
    context = context_for(tmp_path, statement_timeout_s=0.2)
    with (
        CockroachConnector(socket_options(postgres_database), context) as connector,
        pytest.raises(SourceFailed, match="statement timeout"),
    ):
        asked(connector, "SELECT pg_sleep(30)::text", text=pa.string())


def test_private_addresses_are_refused_where_they_are_not_allowed(
    connector: CockroachConnector, tmp_path: Path
) -> None:
    options = connector.options.model_copy(update={"host": "127.0.0.1"})
    context = context_for(tmp_path, allow_private=False)
    with type(connector)(options, context) as refused, pytest.raises(EgressRefused):
        refused.check()


def test_a_query_has_no_columns_of_lists(connector: CockroachConnector) -> None:
    with pytest.raises(SourceFailed, match="no columns of list"):
        asked(connector, "SELECT ARRAY[1]", a=pa.list_(pa.int32()))


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        (b"yes", pa.bool_()),
        (b"2.5", pa.int64()),
        (b"99999999999", pa.int32()),
        (b"\xff", pa.string()),
        (b"xyz", pa.binary()),
        (b"12024-01-01", pa.date32()),
        (b"0044-03-15 BC", pa.date32()),
        (b"0044-03-15 00:00:00 BC", pa.timestamp("us")),
        (b"25:00:00", pa.time64("us")),
    ],
)
def test_a_text_that_is_no_value_is_refused(text: bytes, dtype: pa.DataType) -> None:
    with pytest.raises(SourceFailed, match="Column"):
        values_of_text(pa.array([text]), dtype, "c")
