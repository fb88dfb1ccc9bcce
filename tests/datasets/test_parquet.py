"""Parquet files as input: the embedded schema wins, and hostile files end in an error."""

import contextlib
import gzip
import io
import random
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.datasets import parquet_input
from engine.datasets.load import LoadError
from tests.datasets.loading import load


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


SAMPLE = pa.table(
    {
        "i": pa.array([1, 2, None], pa.int32()),
        "d": pa.array([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(12, 2)),
        "w": pa.array([Decimal(10**37), None, Decimal(-1)], pa.decimal128(38, 0)),
        "s": pa.array(["a", "b", None]),
        "day": pa.array([date(2024, 1, 1), None, date(1969, 1, 1)]),
        "l": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
        "o": pa.array([{"x": 1, "y": ["z"]}, None, {"x": None, "y": None}]),
        "m": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "b": pa.array([b"\x00", None, b"\xff"]),
        "t": pa.array([1, None, 3], pa.timestamp("us", "UTC")),
    }
)


def test_every_value_of_every_type_survives() -> None:
    loaded = load(parquet(SAMPLE), "parquet")
    assert loaded.rows == SAMPLE.to_pylist()
    assert list(loaded.types) == SAMPLE.schema.names
    assert loaded.types["i"] == "int32"
    assert loaded.types["d"] == "decimal128(12, 2)"


def test_declared_columns_are_ignored() -> None:
    assert load(parquet(SAMPLE), "parquet", {"nonsense": "int"}).report.row_count == 3


def test_compressed_parquet_is_expanded() -> None:
    assert load(gzip.compress(parquet(SAMPLE)), "parquet").rows == SAMPLE.to_pylist()


def test_dictionaries_and_null_columns_become_plain_types() -> None:
    table = pa.table({"d": pa.array(["x", "y", "x"]).dictionary_encode(), "n": pa.nulls(3)})
    loaded = load(parquet(table), "parquet")
    assert loaded.types == {"d": "string", "n": "string"}
    assert loaded.rows == [{"d": value, "n": None} for value in ("x", "y", "x")]


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        (pa.large_string(), "string"),
        (pa.string_view(), "string"),
        (pa.binary_view(), "binary"),
        (pa.large_binary(), "binary"),
        (pa.binary(4), "fixed_size_binary[4]"),
        (pa.float16(), "float"),
        (pa.uint64(), "uint64"),
        (pa.decimal32(5, 2), "decimal128(5, 2)"),
        (pa.decimal64(12, 2), "decimal128(12, 2)"),
        (pa.decimal256(60, 2), "decimal256(60, 2)"),
        (pa.date64(), "date32[day]"),
        (pa.time32("s"), "time64[ns]"),
        (pa.time64("ns"), "time64[ns]"),
        (pa.timestamp("s"), "timestamp[ms]"),
        (pa.duration("us"), "duration[us]"),
        (pa.timestamp("ns", "Europe/Berlin"), "timestamp[ns, tz=Europe/Berlin]"),
        (pa.large_list(pa.int8()), "list<element: int8>"),
        (pa.list_(pa.float32(), 3), "fixed_size_list<element: float>[3]"),
        (
            pa.struct([("a", pa.string_view()), ("b", pa.uuid())]),
            "struct<a: string, b: fixed_size_binary[16]>",
        ),
        (pa.dictionary(pa.int8(), pa.large_string()), "string"),
        (pa.null(), "string"),
    ],
)
def test_every_type_is_stored_in_its_plain_form(dtype: Any, stored: str) -> None:
    loaded = load(parquet(pa.table({"x": pa.nulls(3, dtype)})), "parquet")
    assert loaded.types == {"x": stored}
    assert loaded.rows == [{"x": None}] * 3


def test_extension_types_become_their_storage() -> None:
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"x" * 16], pa.binary(16)))
    assert load(parquet(pa.table({"u": uuids})), "parquet").rows == [{"u": b"x" * 16}]


def test_repeated_names_are_made_unique() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert load(parquet(table), "parquet").rows == [{"a": 1, "a_1": 2}]


def test_metadata_of_the_writer_is_dropped() -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"pandas": "{}", "secret": "x"})
    assert not load(parquet(table), "parquet").table.schema.metadata


def test_many_row_groups_keep_their_order() -> None:
    table = pa.table({"i": range(50_000)})
    assert load(parquet(table, row_group_size=777), "parquet").table.equals(table)


def test_no_rows_are_an_empty_table() -> None:
    loaded = load(parquet(SAMPLE.slice(0, 0)), "parquet")
    assert (loaded.report.row_count, loaded.rows) == (0, [])
    assert loaded.table.schema.names == SAMPLE.schema.names


def test_no_columns_are_no_data() -> None:
    with pytest.raises(LoadError, match=r"^No data found in the input$"):
        load(parquet(pa.table({})), "parquet")


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"PAR1PAR1", b"hello", b"PAR1" + b"\x00" * 100 + b"PAR1", b"a,b\n1,2\n"],
)
def test_what_is_not_parquet_is_an_error(content: bytes) -> None:
    with pytest.raises(LoadError, match="not a Parquet file, or a damaged one"):
        load(content, "parquet")


def test_a_truncated_file_is_an_error() -> None:
    content = parquet(SAMPLE)
    for length in range(0, len(content), 97):
        with pytest.raises(LoadError):
            load(content[:length], "parquet")


@pytest.mark.parametrize("seed", range(60))
def test_damaged_bytes_end_in_rows_or_an_error(seed: int) -> None:
    """A flipped byte is either read or explained; a crash or another exception fails."""
    chance = random.Random(seed)
    content = bytearray(parquet(SAMPLE, compression="zstd" if seed % 2 else "none"))
    for _ in range(3):
        content[chance.randrange(4, len(content) - 8)] = chance.randrange(256)
    with contextlib.suppress(LoadError):
        load(bytes(content), "parquet")


def test_values_far_larger_than_the_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_input, "DECODED_FREE_BYTES", 1 << 20)
    bomb = pa.table({"s": pa.array(["x" * 10_000] * 5_000).dictionary_encode()})
    with pytest.raises(LoadError, match="expands beyond the allowed size"):
        load(parquet(bomb), "parquet")


def test_wide_values_are_read_in_small_batches() -> None:
    table = pa.table({"s": ["x" * 1_000_000] * 100})
    assert load(parquet(table, use_dictionary=False), "parquet").report.row_count == 100
