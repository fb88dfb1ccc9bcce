"""Values of every Arrow type that a client may bind, and what the engine makes of them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi

from engine.errors import InvalidRequest
from engine.query.parameters import count_placeholders
from server.flight.parameters import bind, number_placeholders

MOMENT = datetime.fromisoformat("1969-12-31T23:59:59.999999")
TYPED: list[tuple[pa.DataType, Any]] = [
    (pa.int64(), -5),
    (pa.int64(), 2**63 - 1),
    (pa.float64(), -2.5),
    (pa.float64(), float("inf")),
    (pa.string(), "it's \\ $1 ? \n é"),
    (pa.bool_(), True),
    (pa.date32(), date(2024, 2, 29)),
    (pa.date32(), date(1, 1, 1)),
    (pa.date64(), date(9999, 12, 31)),
    (pa.time32("s"), time(23, 59, 59)),
    (pa.time32("ms"), time(0, 0, 0, 1000)),
    (pa.time64("us"), time(1, 2, 3, 4)),
    (pa.time64("ns"), time(1, 2, 3, 4)),
    (pa.timestamp("s"), datetime.fromisoformat("2024-01-02T03:04:05")),
    (pa.timestamp("ms"), datetime.fromisoformat("2024-01-02T03:04:05.006")),
    (pa.timestamp("us"), MOMENT),
    (pa.timestamp("ns"), MOMENT),
    (pa.timestamp("us", "UTC"), datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    (pa.timestamp("us", "+05:30"), datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    (pa.duration("us"), timedelta(days=-1, microseconds=3)),
    (pa.decimal128(38, 10), Decimal("-12345678901234567890.0123456789")),
    (pa.decimal128(5, 2), Decimal("0.10")),
    (pa.binary(), b"\x00\xff'"),
    (pa.list_(pa.int64()), [1, None, 3]),
    (pa.list_(pa.string()), ["a", None]),
    (pa.list_(pa.float64()), [1.5, -2.0]),
    (pa.list_(pa.int64()), []),
]
LIKE: list[tuple[pa.DataType, Any, pa.DataType]] = [
    (pa.int8(), -1, pa.int64()),
    (pa.uint32(), 7, pa.int64()),
    (pa.float32(), 0.5, pa.float64()),
    (pa.large_string(), "x", pa.string()),
    (pa.string_view(), "x", pa.string()),
    (pa.large_binary(), b"x", pa.binary()),
    (pa.binary(2), b"xy", pa.binary()),
    (pa.large_list(pa.int64()), [1], pa.list_(pa.int64())),
    (pa.list_(pa.int64(), 2), [1, 2], pa.list_(pa.int64())),
    (pa.dictionary(pa.int8(), pa.string()), "x", pa.string()),
]


def echoed(connection: dbapi.Connection, value: Any) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.execute("SELECT $1 AS v", pa.record_batch([value], names=["$1"]))
        return cursor.fetch_arrow_table()


def name_of(value: object) -> str:
    return str(value).replace(" ", "")[:40] if isinstance(value, pa.DataType) else ""


@pytest.mark.parametrize(("kind", "value"), TYPED, ids=name_of)
def test_a_value_comes_back_as_it_was_bound(
    connection: dbapi.Connection, kind: pa.DataType, value: Any
) -> None:
    bound: Any = pa.array([value], kind)
    found = echoed(connection, bound)["v"]
    assert found.type == kind
    assert found.to_pylist() == bound.to_pylist()


@pytest.mark.parametrize(("kind", "value", "seen"), LIKE, ids=name_of)
def test_a_value_of_a_narrow_type_comes_back_in_the_type_of_its_literal(
    connection: dbapi.Connection, kind: pa.DataType, value: Any, seen: pa.DataType
) -> None:
    bound: Any = pa.array([value], kind)
    found = echoed(connection, bound)["v"]
    assert found.type == seen
    assert found.to_pylist() == [value]


@pytest.mark.parametrize("kind", list(dict.fromkeys(kind for kind, _ in TYPED)), ids=name_of)
def test_null_of_every_type_is_null(connection: dbapi.Connection, kind: pa.DataType) -> None:
    found = echoed(connection, pa.array([None], kind))["v"]
    assert found.to_pylist() == [None]


def test_an_interval_is_bound(connection: dbapi.Connection) -> None:
    value: Any = pa.array([(1, -2, 3_000_000_004)], pa.month_day_nano_interval())
    found = echoed(connection, value)["v"]
    assert found.type == pa.month_day_nano_interval()
    assert found.to_pylist() == value.to_pylist()


@pytest.mark.parametrize(
    "kind",
    [
        pa.struct([("a", pa.int64())]),
        pa.map_(pa.string(), pa.int64()),
        pa.list_(pa.list_(pa.int64())),
        pa.list_(pa.date32()),
    ],
    ids=name_of,
)
def test_what_has_no_literal_is_refused(connection: dbapi.Connection, kind: pa.DataType) -> None:
    empty: Any = {"a": 1} if isinstance(kind, pa.StructType) else []
    value = pa.array([empty], kind)
    with pytest.raises(adbc_driver_manager.Error, match="cannot be bound"):
        echoed(connection, value)


def test_a_date_is_compared_as_a_date(connection: dbapi.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d FROM (VALUES (DATE '2024-01-01'), (DATE '2024-06-01')) AS t (d) "
            "WHERE d > ? AND d < ? + INTERVAL '1 year'",
            (date(2024, 3, 1), datetime.fromisoformat("2024-01-01")),
        )
        assert cursor.fetchall() == [(date(2024, 6, 1),)]


@pytest.mark.parametrize(
    ("sql", "numbered", "count"),
    [
        ("SELECT ?, ?", "SELECT $1, $2", 2),
        ("SELECT '?', \"?\", ? -- ?\n/* ? */", "SELECT '?', \"?\", $1 -- ?\n/* ? */", 1),
        ("SELECT $2, ?", "SELECT $2, ?", 2),
        ("SELECT $$?$$, $a$ ? $a$, E'\\'?'", "SELECT $$?$$, $a$ ? $a$, E'\\'?'", 0),
        ("SELECT 1", "SELECT 1", 0),
        ("SELECT $99999999999999999999", "SELECT $99999999999999999999", 65_535),
    ],
    ids=["marks", "quotes", "numbers", "dollars", "none", "huge"],
)
def test_placeholders_are_found_outside_quotes(sql: str, numbered: str, count: int) -> None:
    assert number_placeholders(sql) == numbered
    assert count_placeholders(numbered) == count


def test_one_value_may_stand_in_many_places() -> None:
    row = pa.record_batch({"a": pa.array([date(1970, 1, 2)]), "b": [5]})
    bound = bind("SELECT $1, $2, $1", row)
    cast = "arrow_cast(arrow_cast($1, 'Int32'), 'Date32')"
    assert bound.sql == f"SELECT {cast}, $2, {cast}"
    assert bound.values == (1, 5)


def test_more_values_than_placeholders_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="has 1 parameters, but 2"):
        bind("SELECT $1", pa.record_batch({"a": [1], "b": [2]}))
