"""Postgres' dialect as clients send it: with parameters of many types, and of a session."""

import uuid
from typing import Any

import asyncpg
import psycopg
import pytest

from tests.pgwire.running import PgServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def fetch(server: PgServer, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(server.url())
    try:
        return [tuple(record) for record in await connection.fetch(sql, *values)]
    finally:
        await connection.close()


async def test_an_array_of_the_type_of_its_column(server: PgServer) -> None:
    sql = "SELECT id FROM items WHERE id = ANY ($1) AND name = ANY ($2) ORDER BY id"
    assert await fetch(server, sql, [1, 2, 9], ["row 2", "row 9", "it's {}"]) == [(2,), (9,)]


async def test_a_member_by_a_parameter(server: PgServer) -> None:
    sql = """SELECT '{"a": {"b": "x"}}'::json -> $1 ->> $2 AS v"""
    assert await fetch(server, sql, "a", "b") == [("x",)]


async def test_a_parameter_by_cast(server: PgServer) -> None:
    given = uuid.uuid4()
    sql = "SELECT CAST($1 AS uuid) = $2::text AND CAST($3 AS int) > 1 AS same"
    assert await fetch(server, sql, given, str(given), 2) == [(True,)]


@pytest.mark.parametrize("binary", [False, True])
def test_lists_of_psycopg(connection: psycopg.Connection, binary: bool) -> None:
    cursor = connection.cursor(binary=binary)
    cursor.execute("SELECT id FROM items WHERE id = ANY (%s) ORDER BY id", ([3, 1],))
    assert cursor.fetchall() == [(1,), (3,)]
    cursor.execute("SELECT id FROM items WHERE name <> ALL (%s) AND id < 4", (["row 1", "row 2"],))
    assert cursor.fetchall() == [(3,)]


def test_a_session_beside_a_table(connection: psycopg.Connection) -> None:
    connection.execute("SET application_name = 'probe'")
    row = connection.execute(
        "SELECT current_user, current_schema(), current_setting('application_name'), "
        "pg_backend_pid() FROM items WHERE id = 1"
    ).fetchone()
    alone = connection.execute("SELECT current_user, current_schema()").fetchone()
    assert row is not None
    assert alone is not None
    assert row[:2] == alone
    assert row[2:] == ("probe", connection.info.backend_pid)


def test_names_of_columns_are_those_of_postgres(connection: psycopg.Connection) -> None:
    cursor = connection.execute(
        "SELECT doc ->> 'a', doc::jsonb, json_agg(x), (doc -> 'b')::text AS named "
        "FROM (SELECT '{\"a\": 1}' AS doc, 2 AS x) t GROUP BY doc FETCH FIRST ROW ONLY"
    )
    assert cursor.description is not None
    assert [column.name for column in cursor.description] == [
        *("?column?", "doc", "json_agg"),
        "named",
    ]
    assert cursor.fetchall() == [("1", '{"a": 1}', "[2]", None)]
