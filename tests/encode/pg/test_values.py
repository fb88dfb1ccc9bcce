"""Chosen values: Postgres makes them from SQL, we from Arrow, and both send the same bytes."""

import datetime as dt
import math
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from psycopg import postgres
from psycopg.adapt import Transformer
from psycopg.pq import Format

from engine.encode.pg import PgRowEncoder, pg_type_of
from engine.encode.pg.pg_types import TYPE_KEY
from engine.errors import SqlInvalid
from tests.encode.pg.wire import rows_of, sent, values_of


def stored(kind: pa.DataType, *ticks: int) -> Any:
    """Dates and times from the integers they are."""
    integers: Any = pa.array(ticks, pa.int32() if kind.bit_width == 32 else pa.int64())
    return integers.view(kind)


def interval(months: int, days: int, nanos: int) -> Any:
    return pa.array([(months, days, nanos)], pa.month_day_nano_interval())


def decimal(text: str, precision: int, scale: int) -> Any:
    return pa.array([Decimal(text)], pa.decimal128(precision, scale))


SECOND = 10**9
NS = pa.timestamp("ns")
EXAMPLES: dict[str, Any] = {
    "true": pa.array([True]),
    "(-32768)::int2": pa.array([-32768], pa.int16()),
    "255::int2": pa.array([255], pa.uint8()),
    "65535::int4": pa.array([65535], pa.uint16()),
    "4294967295::int8": pa.array([4294967295], pa.uint32()),
    "18446744073709551615::numeric(20,0)": pa.array([2**64 - 1], pa.uint64()),
    "0::numeric(20,0)": pa.array([0], pa.uint64()),
    "(-9223372036854775808)::int8": pa.array([-(2**63)], pa.int64()),
    "0.1::float4": pa.array([0.1], pa.float32()),
    "1000000::float4": pa.array([1e6], pa.float32()),
    "'-0'::float8": pa.array([-0.0]),
    "1e15::float8": pa.array([1e15]),
    "1e14::float8": pa.array([1e14]),
    "0.0001::float8": pa.array([1e-4]),
    "0.00001::float8": pa.array([1e-5]),
    "1e23::float8": pa.array([1e23]),
    "1e-7::float8": pa.array([1e-7]),
    "'-Infinity'::float8": pa.array([-math.inf]),
    "0.5::float4": pa.array(np.array([0.5], np.float16)),
    "1.50::numeric(12,2)": decimal("1.50", 12, 2),
    "(-0.01)::numeric(12,2)": decimal("-0.01", 12, 2),
    "0::numeric(12,2)": decimal("0", 12, 2),
    "100000000::numeric(12,2)": decimal("100000000", 12, 2),
    "0.00012345::numeric(38,10)": decimal("0.00012345", 38, 10),
    "10000.0001::numeric(20,4)": decimal("10000.0001", 20, 4),
    "12300000::numeric(5,-5)": pa.Array.from_buffers(
        pa.decimal128(5, -5), 1, [None, pa.py_buffer((123).to_bytes(16, "little"))]
    ),
    "''::text": pa.array([""]),
    "'é😀'::text": pa.array(["é😀"]),
    "'\\x00ff5c'::bytea": pa.array([b"\x00\xff\x5c"]),
    "'2000-01-01'::date": stored(pa.date32(), 10_957),
    "'0044-03-15 BC'::date": stored(pa.date32(), -735_160),
    "'12024-01-02'::date": stored(pa.date32(), 3_672_149),
    "'4714-11-24 BC'::date": stored(pa.date32(), -2_440_588),
    "'5874897-12-31'::date": stored(pa.date32(), 2_145_042_905),
    "'03:04:05.000006'::time": stored(pa.time64("us"), 11_045_000_006),
    "'23:59:59.9999999'::time": stored(pa.time64("ns"), 86_400 * SECOND - 100),
    "'2024-01-02 03:04:05.12'::timestamp": stored(pa.timestamp("ms"), 1_704_164_645_120),
    "'0001-12-31 23:59:59 BC'::timestamp": stored(pa.timestamp("s"), -62_135_596_801),
    # Nanoseconds are rounded to the nearest microsecond, halves to even, as in Postgres's input.
    "'1970-01-01 00:00:00.0000005'::timestamp": stored(NS, 500),
    "'1970-01-01 00:00:00.0000015'::timestamp": stored(NS, 1_500),
    "'1970-01-01 00:00:00.000000501'::timestamp": stored(NS, 501),
    "'1969-12-31 23:59:59.9999996'::timestamp": stored(NS, -400),
    "'2024-01-02 03:04:05+00'::timestamptz": stored(pa.timestamp("s", "UTC"), 1_704_164_645),
    "'1 year 2 mons -3 days +04:05:06.789'::interval": interval(14, -3, 14_706_789 * 10**6),
    "'-1 years -1 mons +1 day'::interval": interval(-13, 1, 0),
    "'-1 mons +04:05:06'::interval": interval(-1, 0, 14_706 * SECOND),
    "'1 day -00:00:00.000001'::interval": interval(0, 1, -1_000),
    "'0'::interval": interval(0, 0, 0),
    "'100:00:00'::interval": stored(pa.duration("s"), 360_000),
    "'-00:00:01.5'::interval": stored(pa.duration("ms"), -1_500),
    "'{}'::int8[]": pa.array([[]], pa.list_(pa.int64())),
    "'{1,NULL,3}'::int8[]": pa.array([[1, None, 3]]),
    "ARRAY['', 'NULL', 'null', 'a b', 'q\"', 'b\\', '{', ',', 'x', NULL, chr(11)]::text[]": pa.array(
        [["", "NULL", "null", "a b", 'q"', "b\\", "{", ",", "x", None, "\v"]]
    ),
    "ARRAY[[1,2],[3,NULL]]::int8[]": pa.array([[[1, 2], [3, None]]]),
    "ARRAY[[['a'],['b']]]::text[]": pa.array([[[["a"], ["b"]]]]),
    "ARRAY[1.50,NULL]::numeric(12,2)[]": pa.array(
        [[Decimal("1.50"), None]], pa.list_(pa.decimal128(12, 2))
    ),
    "ARRAY['\\x00'::bytea]": pa.array([[b"\x00"]]),
    "ARRAY['{\"a\":1}'::json, NULL]": pa.array([[{"a": 1}, None]]),
    '\'{"a":1,"b":[true]}\'::json': pa.array([{"a": 1, "b": [True]}]),
    "'{\"k\":1}'::json": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
    "'12345678-1234-5678-1234-567812345678'::uuid": pa.array(
        [uuid.UUID("12345678-1234-5678-1234-567812345678").bytes], pa.uuid()
    ),
    "NULL::text": pa.nulls(1),
}


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True, prepare_threshold=None) as one:
        one.execute("SET TIME ZONE 'UTC'")
        yield one


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("expression", list(EXAMPLES))
def test_a_value_has_postgres_bytes(
    expression: str, code: Any, connection: psycopg.Connection[Any]
) -> None:
    assert [values_of(EXAMPLES[expression], code)] == sent(connection, f"SELECT {expression}", code)


@pytest.mark.parametrize("expression", list(EXAMPLES))
def test_a_type_is_announced_as_postgres_does(
    expression: str, connection: psycopg.Connection[Any]
) -> None:
    description = connection.execute(f"SELECT {expression}").description
    assert description is not None
    theirs = (description[0].type_code, description[0].internal_size)
    ours = pg_type_of(EXAMPLES[expression].type)
    assert (ours.oid, ours.size if ours.size > 0 else None) == theirs


@pytest.mark.parametrize(
    ("dtype", "precision", "scale"),
    [(pa.decimal128(12, 2), 12, 2), (pa.decimal256(76, 76), 76, 76), (pa.uint64(), 20, 0)],
    ids=["decimal128", "decimal256", "uint64"],
)
def test_a_numeric_says_its_precision(dtype: pa.DataType, precision: int, scale: int) -> None:
    assert pg_type_of(dtype).modifier == ((precision << 16) | scale) + 4
    assert pg_type_of(pa.list_(dtype)).modifier == pg_type_of(dtype).modifier


LOADED: dict[str, tuple[Any, list[Any]]] = {
    "bool": (pa.array([True, None]), [True, None]),
    "int2": (pa.array([-5], pa.int8()), [-5]),
    "numeric": (decimal("-1234567.8900", 20, 4), [Decimal("-1234567.8900")]),
    "float4": (pa.array([1.5], pa.float32()), [1.5]),
    "bytea": (pa.array([b"\x00a"]), [b"\x00a"]),
    "date": (pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)]), [dt.date.min, dt.date.max]),
    "time": (pa.array([dt.time(1, 2, 3, 4)]), [dt.time(1, 2, 3, 4)]),
    "timestamp": (pa.array([dt.datetime(1969, 1, 2, 3)]), [dt.datetime(1969, 1, 2, 3)]),  # noqa: DTZ001
    "timestamptz": (
        pa.array([dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)], pa.timestamp("us", "UTC")),
        [dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)],
    ),
    "interval": (interval(0, 5, -SECOND), [dt.timedelta(days=5, seconds=-1)]),
    "arrays": (pa.array([[["a", None], ["b", "c,"]]]), [[["a", None], ["b", "c,"]]]),
    "json": (pa.array([{"a": [1, None]}]), [{"a": [1, None]}]),
    "uuid": (pa.array([b"\x01" * 16], pa.uuid()), [uuid.UUID(bytes=b"\x01" * 16)]),
}


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("name", list(LOADED))
def test_psycopg_reads_ours(name: str, code: int) -> None:
    values, expected = LOADED[name]
    oid = pg_type_of(values.type).oid
    loader = Transformer().get_loader(oid, Format(code))
    found = [None if one is None else loader.load(one) for one in values_of(values, code)]
    assert found == expected
    assert name == "arrays" or postgres.types.get(oid) is not None


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", b"2024-07-01 12:00:00+00"),
        ("+05:30", b"2024-07-01 17:30:00+05:30"),
        ("-03:00", b"2024-07-01 09:00:00-03"),
        ("Europe/Berlin", b"2024-07-01 14:00:00+02"),
    ],
)
def test_the_zone_of_the_session_is_shown_and_not_the_columns(zone: str, shown: bytes) -> None:
    values = stored(pa.timestamp("s", "Asia/Tokyo"), 1_719_835_200)
    assert values_of(values, 0, zone) == [shown]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "5"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="unrecognized time zone"):
        PgRowEncoder(pa.schema([]), (), time_zone=zone)


RAGGED: dict[str, tuple[Any, bytes]] = {
    "different lengths": (pa.array([[[1], [2, 3]]]), b"{{1},{2,3}}"),
    "one empty": (pa.array([[[], [1]]]), b"{{},{1}}"),
    "a null list": (pa.array([[None, [1]]]), b"{NULL,{1}}"),
}


@pytest.mark.parametrize("name", list(RAGGED))
def test_lists_that_are_no_array_have_text_only(name: str) -> None:
    values, text = RAGGED[name]
    assert values_of(values, 0) == [text]
    with pytest.raises(SqlInvalid, match="no multidimensional array"):
        values_of(values, 1)


def test_null_rows_beside_ragged_free_ones_are_null() -> None:
    values = pa.array([None, [[1], [2]], [], [[], []]], pa.list_(pa.list_(pa.int64())))
    assert values_of(values, 0) == [None, b"{{1},{2}}", b"{}", b"{}"]
    assert values_of(values, 1)[0] is None


BEYOND: dict[str, Any] = {
    "date": stored(pa.date32(), -2_440_589),
    "date late": stored(pa.date32(), 2_145_042_906),
    "timestamp": stored(pa.timestamp("s"), -2_440_588 * 86_400 - 1),
    "timestamp of too many seconds": stored(pa.timestamp("s"), 2**62),
    "time": stored(pa.time64("us"), -1),
    "interval": stored(pa.duration("s"), 2**62),
}


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("name", list(BEYOND))
def test_what_postgres_cannot_hold_is_refused(name: str, code: int) -> None:
    with pytest.raises(SqlInvalid, match=f"{name.split(' ', maxsplit=1)[0]} out of range"):
        values_of(BEYOND[name], code)


@pytest.mark.parametrize(
    ("named", "values", "oid", "binary"),
    [
        ("oid", pa.array([16], pa.uint32()), 26, b"\x00\x00\x00\x10"),
        ("name", pa.array(["pg_class"]), 19, b"pg_class"),
        ("jsonb", pa.array(["{}"]), 3802, b"\x01{}"),
        ("oid", pa.array(["x"]), 25, b"x"),
        ("nonsense", pa.array(["x"]), 25, b"x"),
    ],
    ids=["oid", "name", "jsonb", "not an oid", "unknown"],
)
def test_a_field_may_name_its_type(named: str, values: Any, oid: int, binary: bytes) -> None:
    field = pa.field("x", values.type, metadata={TYPE_KEY: named.encode()})
    batch = pa.RecordBatch.from_arrays([values], schema=pa.schema([field]))
    assert PgRowEncoder(batch.schema).types[0].oid == oid
    assert rows_of(batch, 1) == [[binary]]


def test_an_extension_is_known_by_its_metadata_too() -> None:
    metadata = {b"ARROW:extension:name": b"arrow.uuid"}
    assert pg_type_of(pa.binary(16), metadata).name == "uuid"
    assert pg_type_of(pa.binary(15), metadata).name == "bytea"
    assert pg_type_of(pa.string(), {b"ARROW:extension:name": b"arrow.json"}).name == "json"
