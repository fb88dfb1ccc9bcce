"""A TPC-H SF0.1 spread over Postgres, MariaDB, DuckDB and a dataset: 22 answers equal DuckDB's.

From copies and live; and live from one Postgres and from one DuckDB file that have all eight tables,
where a query may be pushed whole. Text that is short and of fixed length is ``char``, with blanks in Postgres
and a collation without case in MariaDB: neither may matter.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psycopg
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from bench.tpch import Cells, compare, read_queries
from tests.connectors.sources.mariadb_server import mariadb_server
from tests.server.running import serving
from tests.service.remote import postgres_config

pytestmark = pytest.mark.system

SCALE_FACTOR = 0.1
QUERIES = read_queries(SCALE_FACTOR)
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
KEYS = {
    "customer": "c_custkey",
    "part": "p_partkey",
    "partsupp": "ps_partkey, ps_suppkey",
    "orders": "o_orderkey",
    "lineitem": "l_orderkey, l_linenumber",
}
CHARS = {
    "c_phone": 15,
    "c_mktsegment": 10,
    "p_mfgr": 25,
    "p_brand": 10,
    "p_container": 10,
    "o_orderstatus": 1,
    "o_orderpriority": 15,
    "l_returnflag": 1,
    "l_linestatus": 1,
    "l_shipinstruct": 25,
    "l_shipmode": 10,
    "n_name": 25,
    "r_name": 25,
    "s_name": 25,
}
SPREAD = {
    "lineitem": "pg.public.lineitem",
    "orders": "pg.public.orders",
    "customer": "maria.tidemill.customer",
    "part": "maria.tidemill.part",
    "partsupp": "maria.tidemill.partsupp",
    "supplier": "duck.main.supplier",
    "nation": "duck.main.nation",
    "region": "datasets.main.region",
}
WHOLE = {"q02", "q03", "q13", "q16", "q18", "q19", "q21"}
"""What is pushed as one statement; the others use a function, an average, or a number with a point."""


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one Parquet file for each table."""
    folder = tmp_path_factory.mktemp("tpch")
    generator = Path(sys.executable).with_name("tpchgen-cli")
    scale = f"{SCALE_FACTOR:g}"
    options = ["-s", scale, "--output-dir", str(folder), "--overwrite", "--quiet"]
    subprocess.run([str(generator), "parquet", *options], check=True)
    return folder


@pytest.fixture(scope="module")
def source(parquet: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables as views of their files."""
    with duckdb.connect() as connection:
        for table in TABLES:
            connection.execute(f"CREATE VIEW {table} AS FROM '{parquet}/{table}.parquet'")
        yield connection


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that may read local files and connect to this machine."""
    folder = tmp_path_factory.mktemp("tpch-server")
    settings = {"egress_allow_private": True, "local_files": tempfile.gettempdir()}
    with serving(folder / "data", **settings) as server, server.client() as client:
        yield client


@pytest.fixture(scope="module")
def expected(source: duckdb.DuckDBPyConnection) -> Mapping[str, Cells]:
    """DuckDB's answers."""
    return {name: source.execute(sql).fetchall() for name, sql in QUERIES.items()}


@pytest.fixture(scope="module")
def in_postgres(
    source: duckdb.DuckDBPyConnection, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Options of a database with all tables."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE tpch")
    url = postgres_url.replace("/postgres?", "/tpch?", 1)
    folder = tmp_path_factory.mktemp("csv")
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(create_table(source, table).encode())
            with cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv)".encode()) as copy:
                copy.write(csv_file(source, table, folder).read_bytes())
        cursor.execute("ANALYZE")
    return postgres_config(url)


@pytest.fixture(scope="module")
def in_duckdb(
    source: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Options of a file with all tables."""
    path = tmp_path_factory.mktemp("duckdb") / "tpch.duckdb"
    source.execute(f"ATTACH '{path}' AS file")
    for table in TABLES:
        source.execute(f"CREATE TABLE file.{table} AS FROM {table}")
    source.execute("DETACH file")
    return {"path": str(path)}


@pytest.fixture(scope="module")
def in_mariadb(
    source: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Options of a server with three of the tables."""
    folder = tmp_path_factory.mktemp("csv")
    with mariadb_server() as server:
        for table in ("customer", "part", "partsupp"):
            path = csv_file(source, table, folder)
            server.run(
                f"{create_table(source, table)} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
                f"LOAD DATA INFILE '{path}' INTO TABLE {table} FIELDS TERMINATED BY ','"
                " OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''",
            )
        yield {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "database": server.database,
            "password": server.password,
        }


def create_table(source: duckdb.DuckDBPyConnection, table: str) -> str:
    """SQL for Postgres and MariaDB."""
    columns = source.execute(f"DESCRIBE {table}").fetchall()
    lines = [f"{name} {type_of(name, kind)} NOT NULL" for name, kind, *_ in columns]
    lines.append(f"PRIMARY KEY ({KEYS.get(table, columns[0][0])})")
    return f"CREATE TABLE {table} ({', '.join(lines)})"


def type_of(name: str, kind: str) -> str:
    if kind != "VARCHAR":
        return kind
    return f"char({CHARS[name]})" if name in CHARS else "varchar(200)"


def csv_file(source: duckdb.DuckDBPyConnection, table: str, folder: Path) -> Path:
    path = folder / f"{table}.csv"
    source.execute(f"COPY {table} TO '{path}' (FORMAT csv, HEADER false)")
    return path


def connect(client: httpx.Client, name: str, kind: str, config: dict[str, Any], mode: str) -> str:
    """Make a connection; return its id."""
    asked = {"name": name, "source_type": kind, "config": config, "mode": mode}
    made = client.post("/v1/connections", json=asked)
    assert made.is_success, made.text
    assert made.json()["discovery_error"] is None
    return str(made.json()["id"])


def placed(sql: str, places: Mapping[str, str]) -> str:
    """Give tables their names here."""
    tree = sqlglot.parse_one(sql, read="postgres")
    for table in tree.find_all(exp.Table):
        if table.name in places:
            catalog, schema, name = places[table.name].split(".")
            table.set("catalog", exp.to_identifier(catalog))
            table.set("db", exp.to_identifier(schema))
            table.set("this", exp.to_identifier(name))
    return tree.sql(dialect="postgres")


def all_in(catalog: str, schema: str) -> dict[str, str]:
    return {table: f"{catalog}.{schema}.{table}" for table in TABLES}


def answer(client: httpx.Client, sql: str) -> Cells:
    accept = {"Accept": "application/vnd.apache.arrow.stream"}
    response = client.post("/v1/query", json={"sql": sql}, headers=accept)
    assert response.is_success, (sql, response.text)
    columns = [each.to_pylist() for each in pa.ipc.open_stream(response.content).read_all().columns]
    return list(zip(*columns, strict=True))


def check_answers(
    client: httpx.Client, places: Mapping[str, str], expected: Mapping[str, Cells]
) -> None:
    for name, sql in QUERIES.items():
        agreement = compare(answer(client, placed(sql, places)), expected[name])
        assert agreement.is_equal, (name, agreement.reason)


def pushed_whole(client: httpx.Client, places: Mapping[str, str]) -> set[str]:
    """The queries for which EXPLAIN shows one statement with every table in it."""
    whole = set()
    for name, sql in QUERIES.items():
        explained = client.post("/v1/query", json={"sql": f"EXPLAIN {placed(sql, places)}"}).json()
        asked = [plan for kind, plan in explained["rows"] if kind == "remote_sql"]
        if len(asked) == 1 and "(SELECT" in asked[0]:
            whole.add(name)
    return whole


def test_spread_over_four_sources(
    client: httpx.Client,
    expected: Mapping[str, Cells],
    parquet: Path,
    in_postgres: dict[str, Any],
    in_mariadb: dict[str, Any],
    in_duckdb: dict[str, Any],
) -> None:
    content = (parquet / "region.parquet").read_bytes()
    upload = client.post("/v1/files", content=content).json()["id"]
    made = {"upload_id": upload, "format": "parquet"}
    body = {"label": "region", "table_name": "region", "source": made}
    assert client.post("/v1/datasets", json=body).is_success
    ids = [
        connect(client, "pg", "postgres", in_postgres, "cached"),
        connect(client, "maria", "mariadb", in_mariadb, "cached"),
        connect(client, "duck", "duckdb", in_duckdb, "cached"),
    ]
    check_answers(client, SPREAD, expected)
    for each in ids:
        assert client.patch(f"/v1/connections/{each}", json={"mode": "live"}).is_success
    check_answers(client, SPREAD, expected)


def test_live_from_one_postgres(
    client: httpx.Client, expected: Mapping[str, Cells], in_postgres: dict[str, Any]
) -> None:
    connect(client, "one_pg", "postgres", in_postgres, "live")
    places = all_in("one_pg", "public")
    check_answers(client, places, expected)
    assert pushed_whole(client, places) == WHOLE


def test_live_from_one_duckdb_file(
    client: httpx.Client, expected: Mapping[str, Cells], in_duckdb: dict[str, Any]
) -> None:
    connect(client, "one_duck", "duckdb", in_duckdb, "live")
    places = all_in("one_duck", "main")
    check_answers(client, places, expected)
    assert pushed_whole(client, places) == WHOLE
