"""Remote sources for tests of the service: DuckDB files, and databases of a real Postgres."""

from pathlib import Path
from typing import Any

import duckdb
import orjson

from catalog.model import Connection, ReadMode
from engine.service import connections
from engine.service.connections import NewConnection
from engine.service.context import Caller, Engine
from engine.service.queries import QueryAnswer, QueryOptions, run_query


def write_duckdb(path: Path, *statements: str) -> None:
    """Run statements in a DuckDB file, made when missing."""
    connection = duckdb.connect(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()


async def connect_duckdb(
    engine: Engine, caller: Caller, path: Path, name: str = "duck", **fields: Any
) -> Connection:
    """Connect a DuckDB file, whose tables must be found."""
    asked = NewConnection(name, "duckdb", {"path": str(path)}, **fields)
    made, _ = await connections.create_connection(engine, caller, asked)
    assert made.discovery_error is None
    return made


def postgres_config(url: str) -> dict[str, Any]:
    """Options for a database of the test server, whose URL names a socket folder."""
    database = url.rpartition("?")[0].rpartition("/")[2]
    folder = url.rpartition("host=")[2]
    return {"host": folder, "port": 5432, "user": "postgres", "database": database}


async def connect_postgres(
    engine: Engine,
    caller: Caller,
    url: str,
    name: str = "pg",
    mode: ReadMode = ReadMode.CACHED,
) -> Connection:
    """Connect a database of the test server, whose tables must be found."""
    asked = NewConnection(name, "postgres", postgres_config(url), mode=mode)
    made, _ = await connections.create_connection(engine, caller, asked)
    assert made.discovery_error is None
    return made


async def rows_of(engine: Engine, caller: Caller, sql: str) -> list[list[Any]]:
    """Run a query and return its rows."""
    answer = await run_query(engine, caller, sql, QueryOptions())
    assert isinstance(answer, QueryAnswer)
    rows: list[list[Any]] = orjson.loads(b"[" + answer.body_bytes + b"]")
    return rows
