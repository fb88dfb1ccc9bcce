"""asyncpg against a running server: it asks for every type, and reads binary only."""

import asyncio
import datetime as dt
import io
import json
import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import asyncpg
import pytest

from tests.patience import PATIENCE_S
from tests.pgwire.all_types import ALL_TYPES, COLUMNS, agree
from tests.pgwire.running import PgServer

T = TypeVar("T")


def asked(server: PgServer, work: Callable[[Any], Awaitable[T]]) -> T:
    """Do something with a connection."""

    async def run() -> T:
        connection = await asyncpg.connect(server.url(), **OPTIONS)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


OPTIONS: dict[str, Any] = {"timeout": PATIENCE_S}


@pytest.mark.parametrize("name", ALL_TYPES)
def test_every_type_arrives_as_its_python_value(server: PgServer, name: str) -> None:
    _, _, expected = ALL_TYPES[name]
    query = f"SELECT {name} FROM all_types ORDER BY n"
    (value,), (absent,) = asked(server, lambda connection: connection.fetch(query))
    assert agree(json.loads(value) if isinstance(expected, dict) else value, expected)
    assert absent is None


_NOT_COMPARED = {"a_long_decimal", "a_struct", "a_map"}
COMPARED = [name for name in COLUMNS if name not in _NOT_COMPARED]


@pytest.mark.parametrize("name", COMPARED)
def test_a_parameter_of_each_type_finds_its_row(server: PgServer, name: str) -> None:
    _, _, value = COLUMNS[name]
    query = f"SELECT n FROM all_types WHERE {name} = $1"

    async def work(connection: Any) -> list[Any]:
        return [await connection.fetch(query, each) for each in (value, None)]

    assert asked(server, work) == [[(1,)], []]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", True),
        ("smallint", -7),
        ("integer", 70_000),
        ("bigint", -9_000_000_000_000_000_000),
        ("real", 0.25),
        ("double precision", 0.1),
        ("numeric(20, 3)", Decimal("-12345.678")),
        ("text", "a 'quoted' \\ text"),
        ("bytea", b"\x00\xff"),
        ("date", dt.date(2024, 2, 29)),
        ("bigint[]", [1, None, -3]),
        ("text[]", ["a", None, "NULL", ""]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_parameter_takes_the_type_it_is_cast_to(server: PgServer, kind: str, value: Any) -> None:
    found = asked(server, lambda connection: connection.fetchval(f"SELECT $1::{kind}", value))
    assert agree(found, value)


def test_json_is_decoded_when_the_client_says_how(server: PgServer) -> None:
    async def work(connection: Any) -> Any:
        await connection.set_type_codec(
            "json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        return await connection.fetchval("SELECT a_struct FROM all_types WHERE n = 1")

    assert asked(server, work) == {"x": 1, "y": "z"}


def test_a_parameter_takes_the_type_of_its_place(server: PgServer) -> None:
    query = "SELECT name FROM items WHERE id = $1 AND half = $2 AND name = $3"
    found = asked(server, lambda connection: connection.fetchval(query, 3, 1.5, "row 3"))
    assert found == "row 3"


def test_a_value_of_another_type_is_refused_by_the_client(server: PgServer) -> None:
    query = "SELECT name FROM items WHERE id = $1"
    with pytest.raises(asyncpg.DataError):
        asked(server, lambda connection: connection.fetchval(query, "three"))


def test_a_statement_is_prepared_and_described(server: PgServer) -> None:
    async def work(connection: Any) -> tuple[Any, ...]:
        statement = await connection.prepare("SELECT id, name FROM items WHERE id < $1 ORDER BY 1")
        rows = [await statement.fetchval(2, column=1), len(await statement.fetch(5))]
        types = [each.name for each in statement.get_parameters()]
        columns = [(each.name, each.type.name) for each in statement.get_attributes()]
        return rows, types, columns

    assert asked(server, work) == (
        ["row 1", 4],
        ["int8"],
        [("id", "int8"), ("name", "text")],
    )


def test_a_cursor_reads_in_portions(server: PgServer) -> None:
    async def work(connection: Any) -> tuple[list[int], int, list[int]]:
        async with connection.transaction():
            cursor = await connection.cursor("SELECT id FROM items WHERE id > $1 ORDER BY id", 10)
            first = [row[0] for row in await cursor.fetch(3)]
            skipped = await cursor.forward(7)
            then = [row[0] for row in await cursor.fetch(2)]
        return first, skipped, then

    assert asked(server, work) == ([11, 12, 13], 7, [21, 22])


def test_a_cursor_is_iterated(server: PgServer) -> None:
    async def work(connection: Any) -> list[int]:
        async with connection.transaction():
            query = "SELECT id FROM items ORDER BY id"
            return [row[0] async for row in connection.cursor(query, prefetch=700)]

    assert asked(server, work) == list(range(1, 5001))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, b"1\trow 1\n2\trow 2\n"),
        ({"format": "csv", "header": True}, b"id,name\n1,row 1\n2,row 2\n"),
    ],
    ids=["text", "csv"],
)
def test_a_query_is_copied(server: PgServer, options: dict[str, Any], expected: bytes) -> None:
    target = io.BytesIO()
    query = "SELECT id, name FROM items WHERE id < 3 ORDER BY id"
    tag = asked(
        server, lambda connection: connection.copy_from_query(query, output=target, **options)
    )
    assert tag == "COPY 2"
    assert target.getvalue() == expected


def test_savepoints_and_errors(server: PgServer) -> None:
    async def work(connection: Any) -> int:
        async with connection.transaction():
            with pytest.raises(asyncpg.UndefinedTableError):
                async with connection.transaction():
                    await connection.fetch("SELECT * FROM absent")
            return int(await connection.fetchval("SELECT 1"))

    assert asked(server, work) == 1


@pytest.mark.parametrize("isolation", ["read_committed", "repeatable_read", "serializable"])
def test_transactions_of_each_isolation(server: PgServer, isolation: Any) -> None:
    async def work(connection: Any) -> int:
        async with connection.transaction(isolation=isolation, readonly=True):
            return int(await connection.fetchval("SELECT 1"))

    assert asked(server, work) == 1


def test_a_pool_gives_connections_as_new(server: PgServer) -> None:
    async def run() -> tuple[str, str, list[int]]:
        async with asyncpg.create_pool(server.url(), min_size=1, max_size=1, **OPTIONS) as pool:
            async with pool.acquire() as connection:
                await connection.execute("SET timezone = 'Asia/Tokyo'")
                changed = await connection.fetchval("SHOW timezone")
            async with pool.acquire() as connection:
                after = await connection.fetchval("SHOW timezone")
            numbers = await asyncio.gather(*(pool.fetchval("SELECT 1 + 1") for _ in range(8)))
        return changed, after, numbers

    assert asyncio.run(run()) == ("Asia/Tokyo", "UTC", [2] * 8)


def test_a_query_that_takes_too_long_is_cancelled_by_the_client(server: PgServer) -> None:
    async def work(connection: Any) -> int:
        with pytest.raises(TimeoutError):
            await connection.fetchval(
                "SELECT count(*) FROM generate_series(1, 1000000000) a(x), "
                "generate_series(1, 1000) b(y)",
                timeout=0.3,
            )
        return int(await connection.fetchval("SELECT 1"))

    assert asked(server, work) == 1


def test_many_executions(server: PgServer) -> None:
    async def work(connection: Any) -> int:
        query = "SELECT name FROM items WHERE id = $1"
        await connection.executemany(query, [(n,) for n in range(10)])
        return int(await connection.fetchval("SELECT 1"))

    assert asked(server, work) == 1


def test_a_uuid_is_text(server: PgServer) -> None:
    value = str(uuid.UUID(int=7))
    assert asked(server, lambda connection: connection.fetchval("SELECT $1", value)) == value
