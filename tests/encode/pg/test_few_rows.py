"""What is made value by value is what the columns make."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.encode.pg import PgRowEncoder, types_of
from engine.encode.pg.few_rows import ROWS_MAX, few_rows_messages
from engine.encode.pg.pg_types import TYPE_KEY
from tests.encode.pg.samples import KINDS, column
from tests.encode.pg.wire import batch_of, encoded

ROWS = 2_000
# The others, in part or wholly, are for the columns.
TAKEN = {
    0: {"bool", "int8", "int64", "uint64", "float64", "utf8", "date32", "timestamp[us]"}
    | {"timestamptz[us]", "decimal32", "decimal128", "decimal256", "decimal128 negative scale"},
    1: {"bool", "int8", "int64", "uint64", "float64", "float32", "utf8", "date32"}
    | {"timestamp[us]", "timestamptz[us]", "decimal32", "decimal128", "decimal128 negative scale"},
}


def few(batch: pa.RecordBatch, code: int, time_zone: str = "UTC") -> bytes | None:
    formats = [code] * batch.num_columns
    return few_rows_messages(b"D", batch, types_of(batch.schema), formats, time_zone)


def columnar(batch: pa.RecordBatch, code: int, time_zone: str = "UTC") -> bytes:
    """Encoded among more rows than are few; the last ones are cut off again."""
    filler: Any = pa.nulls(ROWS_MAX, batch.schema.field(0).type)
    many = pa.RecordBatch.from_arrays(
        [pa.concat_arrays([batch.column(0), filler])], schema=batch.schema
    )
    sent = encoded(PgRowEncoder(batch.schema, [code], time_zone=time_zone), [many])
    return sent.removesuffix(b"D\x00\x00\x00\x0a\x00\x01\xff\xff\xff\xff" * ROWS_MAX)


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("name", list(KINDS))
def test_few_rows_are_those_of_columns(name: str, code: int) -> None:
    values = column(name, ROWS)
    taken = 0
    for at in range(0, ROWS, ROWS_MAX * 5):
        batch = batch_of(values.slice(at, ROWS_MAX))
        found = few(batch, code)
        if found is not None:
            taken += 1
            assert found == columnar(batch, code)
    assert taken > 0 or name not in TAKEN[code]


@pytest.mark.parametrize("rows", [0, ROWS_MAX + 1])
def test_no_and_many_rows_are_left(rows: int) -> None:
    assert few(batch_of(pa.array([1] * rows, pa.int64())), 0) is None


UNUSUAL: dict[str, tuple[Any, int]] = {
    "exponent": (pa.array([1e15]), 0),
    "nan": (pa.array([np.nan]), 0),
    "far date": (pa.array([3_000_000], pa.int32()).view(pa.date32()), 0),
    "far date in binary": (pa.array([2**31 - 1], pa.int32()).view(pa.date32()), 1),
    "far timestamp": (pa.array([2**60], pa.int64()).view(pa.timestamp("us")), 1),
    "nanoseconds": (pa.array([1], pa.int64()).view(pa.timestamp("ns")), 1),
    "long text": (pa.array(["x" * 2**21]), 0),
    "list": (pa.array([[1]]), 0),
}


@pytest.mark.parametrize("name", list(UNUSUAL))
def test_the_unusual_is_left(name: str) -> None:
    values, code = UNUSUAL[name]
    assert few(batch_of(values), code) is None


def test_another_zone_is_left_in_text_only() -> None:
    batch = batch_of(pa.array([dt.datetime(2024, 1, 2, tzinfo=dt.UTC)], pa.timestamp("us", "UTC")))
    assert few(batch, 0, "Europe/Berlin") is None
    assert few(batch, 1, "Europe/Berlin") == columnar(batch, 1, "Europe/Berlin")


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize(
    ("named", "values"),
    [
        ("oid", pa.array([2**32 - 1], pa.uint32())),
        ("name", pa.array(["x"])),
        ("jsonb", pa.array(["{}"])),
    ],
    ids=["oid", "name", "jsonb"],
)
def test_a_named_type_is_written_as_itself(named: str, values: Any, code: int) -> None:
    field = pa.field("x", values.type, metadata={TYPE_KEY: named.encode()})
    batch = pa.RecordBatch.from_arrays([values], schema=pa.schema([field]))
    sent = encoded(PgRowEncoder(batch.schema, [code]), [batch])
    assert sent == columnar(batch, code)
