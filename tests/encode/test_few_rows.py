"""Few rows are the same JSON as many."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encode.few_rows import ROWS_MAX, few_rows_text
from engine.encode.rows import row_text
from engine.encode.strings import text_bytes

CELLS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"])),
    pa.large_string(): st.text(st.characters(exclude_categories=["Cs"])),
    pa.string_view(): st.text(st.characters(exclude_categories=["Cs"])),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("ms"): st.datetimes().map(
        lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
    ),
    pa.timestamp("s"): st.datetimes().map(lambda t: t.replace(microsecond=0)),
    pa.decimal128(20, 4): st.decimals(-(10**15), 10**15, places=4),
    pa.decimal128(38, 0): st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    pa.decimal256(60, 30): st.decimals(-(10**20), 10**20, places=10),
}


@pytest.mark.parametrize("kind", CELLS, ids=str)
@settings(max_examples=150)
@given(data=st.data())
def test_few_rows_say_what_many_say(kind: pa.DataType, data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.none() | CELLS[kind], min_size=1, max_size=ROWS_MAX))
    array = pa.array(cells, kind)
    part = pa.RecordBatch.from_arrays([array, array], names=["a", "b"])
    few = few_rows_text(part)
    if kind == pa.string_view():  # the columnar way is given no views
        array = array.cast(pa.large_string())
        part = pa.RecordBatch.from_arrays([array, array], names=["a", "b"])
    assert few == bytes(text_bytes(row_text(part)))


def test_a_whole_float_keeps_its_fraction() -> None:
    assert few_rows_text(pa.record_batch({"a": [1.0, float("nan"), float("inf")]})) == (
        b",[1.0],[null],[null]"
    )


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]),
        pa.array([2**40], pa.int64()).view(pa.timestamp("us")).cast(pa.timestamp("ns")),
        pa.array([2**60], pa.int64()).view(pa.timestamp("us")),
        pa.array([2**30], pa.int32()).view(pa.date32()),
        pa.array(range(ROWS_MAX + 1)),
        pa.array([1.5], pa.float32()),
        pa.array([], pa.int64()),
        pa.array(["x" * 2**20, "y"]),
    ],
    ids=["list", "struct", "zone", "ns", "year", "day", "many", "float32", "none", "long"],
)
def test_the_unusual_is_left_to_the_columnar_way(array: "pa.Array[Any]") -> None:
    assert few_rows_text(pa.RecordBatch.from_arrays([array], names=["a"])) is None
