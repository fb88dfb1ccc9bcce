"""Columns of every type through a sorted copy and through the rows by number: nothing changes."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from engine.service.context import Caller, Engine
from tests.service.searching import make_dataset, make_index, plan_of, rows_of
from tests.service.steps import new_caller

pytestmark = pytest.mark.anyio

COUNT = 300
NUMBERS = range(COUNT)
AWKWARD = 'Od d"n.ame'
ROWS = pa.table(
    {
        "id": list(NUMBERS),
        "body": [f"red {n % 7} shoes" for n in NUMBERS],
        "flag": [None if n % 11 == 0 else n % 2 == 0 for n in NUMBERS],
        "amount": pa.array([Decimal(n) / 4 for n in NUMBERS], pa.decimal128(12, 2)),
        "large": pa.array([Decimal(n) * 10**25 for n in NUMBERS], pa.decimal128(38, 2)),
        "day": [date(2020, 1, 1) + timedelta(n % 40) for n in NUMBERS],
        "hour": [time(n % 24, 1, 2) for n in NUMBERS],
        "moment": [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in NUMBERS],
        "data": [bytes([n % 256]) for n in NUMBERS],
        "ratio": pa.array([float("nan") if n % 50 == 0 else n / 3 for n in NUMBERS], pa.float32()),
        "huge": pa.array([2**63 + n for n in NUMBERS], pa.uint64()),
        "tiny": pa.array([n % 100 - 50 for n in NUMBERS], pa.int8()),
        "nothing": pa.nulls(COUNT, pa.int32()),
        "pair": [{"x": n, "y": [n, None]} for n in NUMBERS],
        "list": [[str(n)] if n % 3 else None for n in NUMBERS],
        AWKWARD: [f"w{n % 5}" for n in NUMBERS],
    }
)
LITERALS = {
    "flag": "TRUE",
    "amount": "1.25",
    "large": "CAST('30000000000000000000000000' AS DECIMAL(38, 2))",
    "day": "DATE '2020-01-03'",
    "hour": "TIME '03:01:02'",
    "moment": "TIMESTAMP '2020-01-03 04:00:00Z'",
    "data": "X'05'",
    "ratio": "4",
    "huge": "9223372036854775810",
    "tiny": "-3",
    "nothing": "1",
    AWKWARD: "'w3'",
}
OTHERS = ["flag", "amount", "hour", "data", "day", "moment", "nothing", "huge", "ratio"]


@pytest.fixture(scope="module")
async def twins(shared_engine: Engine) -> Caller:
    """A workspace with a table ``docs`` that is indexed, and ``plain`` that is not."""
    caller = await new_caller(shared_engine)
    await make_dataset(shared_engine, caller, ROWS, "plain")
    dataset = await make_dataset(shared_engine, caller, ROWS, "docs")
    for number, column in enumerate(LITERALS):
        columns = [column, *(other for other in OTHERS if other != column)]
        await make_index(shared_engine, caller, dataset.id, f"s{number}", columns)
    columns = ["body", AWKWARD]
    await make_index(shared_engine, caller, dataset.id, "w", columns, index_type="bm25")
    return caller


async def test_rows_by_number_are_the_rows(shared_engine: Engine, twins: Caller) -> None:
    rows = await rows_of(shared_engine, twins, "SELECT * FROM plain ORDER BY id")
    search = "SELECT * FROM bm25_search('docs', 'body', 'red') ORDER BY id"
    assert [row[:-1] for row in await rows_of(shared_engine, twins, search)] == rows


@pytest.mark.parametrize("column", LITERALS)
async def test_a_sorted_copy_answers_as_the_table(
    shared_engine: Engine, twins: Caller, column: str
) -> None:
    name = '"' + column.replace('"', '""') + '"'
    for operator in ("=", "<>", "<", "<=", ">", ">="):
        sql = f"SELECT * FROM %s WHERE {name} {operator} {LITERALS[column]} ORDER BY id"
        expected = await rows_of(shared_engine, twins, sql % "plain")
        assert await rows_of(shared_engine, twins, sql % "docs") == expected
    for order in ("", "DESC", "NULLS FIRST", "DESC NULLS LAST"):
        sql = f"SELECT id FROM %s ORDER BY {name} {order}, id LIMIT 50 OFFSET 7"
        expected = await rows_of(shared_engine, twins, sql % "plain")
        assert await rows_of(shared_engine, twins, sql % "docs") == expected
    equal = f"SELECT id FROM docs WHERE {name} = {LITERALS[column]}"
    assert "by sorted index" in await plan_of(shared_engine, twins, equal)
