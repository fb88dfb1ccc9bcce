"""PostgreSQL over the contract, with a column of every type, on two servers."""

import random
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from pydantic import SecretStr
from typing_extensions import override

from connectors.sources.postgres import PostgresConnector, PostgresOptions
from tests.connectors.contract import ConnectorContract, Sample, Source
from tests.connectors.sources.postgres_samples import (
    CASES,
    CONTRIB_CASES,
    CONTRIB_TYPES,
    TYPES,
    VECTOR_CASES,
    VECTOR_TYPES,
    Case,
    expected_table,
    full_rows,
    full_warnings,
    make_table,
    random_rows,
)
from tests.connectors.sources.postgres_server import (
    TlsServer,
    connected,
    running_server,
    socket_options,
    tls_options,
)


@pytest.fixture(scope="module")
def tls_server() -> Iterator[TlsServer]:
    with running_server() as server:
        yield server


class PostgresSource(Source):
    connector = PostgresConnector
    schema = "public"

    def __init__(
        self, connection: psycopg.Connection, options: PostgresOptions, cases: dict[str, Case]
    ) -> None:
        self._connection = connection
        self._options = options
        self._cases = cases
        self._rows = full_rows(cases)
        connection.execute(TYPES)
        make_table(connection, "Full", cases, [[text for text, _ in row] for row in self._rows])
        make_table(connection, "empty", cases, [])

    @property
    @override
    def options(self) -> PostgresOptions:
        return self._options

    @property
    @override
    def full(self) -> Sample:
        return Sample(
            "Full", expected_table(self._cases, [[v for _, v in row] for row in self._rows])
        )

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
            "CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 3200) AS text"
            " FROM generate_series(1, 200) g"
        )
        return "wide"

    @override
    def unreachable(self) -> PostgresOptions:
        return self._options.model_copy(update={"port": 1})

    @override
    def warnings(self) -> list[str]:
        return full_warnings(self._cases)

    @override
    def where(self) -> str:
        return '"Full"."id" = 0 -- the first'

    @override
    def query(self) -> tuple[str, pa.Table]:
        names = list(self._cases)
        kept = {
            name: f"c{names.index(name)}"
            for name in (
                *("numeric(12,2)", "numeric", "timestamp", "timestamptz", "date", "time"),
                *("interval", "uuid", "integer[]", "numeric(12,2)[]", "char(5)", "bytea", "mood"),
            )
        }
        sql = f'SELECT id, {", ".join(kept.values())} FROM "Full" ORDER BY id'
        return sql, self.full.rows.select(["id", *kept.values()])


@pytest.fixture
def database(postgres_database: str) -> Iterator[psycopg.Connection]:
    with connected(postgres_database) as connection:
        yield connection


class TestPostgres(ConnectorContract):
    """The newest Postgres, over a Unix socket."""

    @pytest.fixture
    def source(self, database: psycopg.Connection, postgres_database: str) -> Source:
        database.execute(VECTOR_TYPES)
        return PostgresSource(database, socket_options(postgres_database), CASES | VECTOR_CASES)


class TlsSource(PostgresSource):
    @override
    def unreachable(self) -> PostgresOptions:
        return self._options.model_copy(update={"host": "no-such-host.invalid"})

    @override
    def refused(self) -> PostgresOptions:
        return self._options.model_copy(update={"password": SecretStr("not-the-password")})


class TestPostgresOverTls(ConnectorContract):
    """The Postgres of the system, over TCP with TLS and a password."""

    @pytest.fixture
    def source(self, tls_server: TlsServer) -> Iterator[Source]:
        with psycopg.connect(tls_server.conninfo(), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS contract WITH (FORCE)")
            connection.execute("CREATE DATABASE contract")
        with psycopg.connect(tls_server.conninfo("contract"), autocommit=True) as connection:
            connection.execute(CONTRIB_TYPES)
            options = tls_options(tls_server, database="contract")
            yield TlsSource(connection, options, CASES | CONTRIB_CASES)
