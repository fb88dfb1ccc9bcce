"""What the written Parquet promises its readers."""

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.datasets.parquet_output import ROW_GROUP_ROWS, ParquetOutput
from tests.datasets.loading import load


def write(
    folder: Path, table: pa.Table, batch_rows: int = 1_000, group_bytes: int = 1 << 30
) -> ParquetOutput:
    output = ParquetOutput(folder, table.schema, row_group_bytes_max=group_bytes)
    for batch in table.to_batches(max_chunksize=batch_rows):
        output.write(batch)
    output.finish()
    return output


def sorting(path: Path) -> list[int]:
    return [
        column.column_index for column in pq.ParquetFile(path).metadata.row_group(0).sorting_columns
    ]


def test_statistics_and_page_index_are_there_and_decimals_are_integers(tmp_path: Path) -> None:
    table = pa.table(
        {"i": range(100), "d": pa.array([Decimal("1.25")] * 100, pa.decimal128(12, 2))}
    )
    write(tmp_path, table)
    group = pq.ParquetFile(tmp_path / "part-0.parquet").metadata.row_group(0)
    statistics = group.column(0).statistics
    assert statistics is not None
    assert statistics.max == 99
    assert group.column(0).has_offset_index
    assert group.column(0).has_column_index
    assert group.column(1).physical_type == "INT64"


def test_dictionaries_are_for_values_that_repeat(tmp_path: Path) -> None:
    rows = 20_000
    table = pa.table(
        {
            "key": range(rows),
            "kind": ["a", "b"] * (rows // 2),
            "tags": [["x"]] * rows,
            "text": [f"text {i}" for i in range(rows)],
        }
    )
    write(tmp_path, table)
    group = pq.ParquetFile(tmp_path / "part-0.parquet").metadata.row_group(0)
    assert [group.column(i).has_dictionary_page for i in range(4)] == [False, True, True, False]


def test_row_groups_are_bounded_in_rows_and_bytes(tmp_path: Path) -> None:
    rows = pa.table({"i": range(ROW_GROUP_ROWS * 2 + 5)})
    for batch_rows in (ROW_GROUP_ROWS // 3, ROW_GROUP_ROWS + 7, len(rows)):
        write(tmp_path, rows, batch_rows=batch_rows)
        metadata = pq.ParquetFile(tmp_path / "part-0.parquet").metadata
        groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        assert groups == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 5]
        assert pq.read_table(tmp_path / "part-0.parquet").equals(rows)
    small = tmp_path / "small"
    small.mkdir()
    output = ParquetOutput(small, pa.schema({"s": pa.string()}), row_group_bytes_max=10_000)
    for _ in range(10):
        output.write(pa.record_batch({"s": ["x" * 6_000]}))
    output.finish()
    assert pq.ParquetFile(small / "part-0.parquet").metadata.num_row_groups == 5


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"a": [1, 2, 2, 3]}, ["a"]),
        ({"a": ["a", "b", "é"]}, ["a"]),
        ({"a": [2, 1], "b": [1, 2]}, ["b"]),
        ({"a": [2, 1], "b": [2, 1]}, []),
        ({"a": [1, None]}, []),
        ({"a": [None, 1]}, []),
        ({"a": [1.0, 2.0]}, []),
        ({"a": [True, True]}, []),
        ({"a": [[1], [2]]}, []),
        ({"a": [7]}, ["a"]),
    ],
)
def test_an_order_is_declared_when_the_rows_keep_it(
    tmp_path: Path, columns: dict[str, list[object]], expected: list[str]
) -> None:
    table = pa.table(columns)
    assert write(tmp_path, table).sort_columns == expected
    positions = [table.schema.names.index(name) for name in expected]
    assert sorting(tmp_path / "part-0.parquet") == positions


def test_a_late_row_out_of_order_goes_to_a_file_that_declares_none(tmp_path: Path) -> None:
    table = pa.table({"i": [*range(5_000), 3], "v": range(5_001, 0, -1)})
    assert write(tmp_path, table, group_bytes=20_000).sort_columns == []
    first, second = (tmp_path / f"part-{i}.parquet" for i in range(2))
    assert pa.concat_tables([pq.read_table(first), pq.read_table(second)]).equals(table)
    assert sorting(first) == [0]
    assert sorting(second) == []


def test_an_order_broken_before_anything_was_written_costs_no_second_file(tmp_path: Path) -> None:
    write(tmp_path, pa.table({"i": [*range(5_000), 3]}))
    assert [file.name for file in tmp_path.iterdir()] == ["part-0.parquet"]
    assert sorting(tmp_path / "part-0.parquet") == []


def test_an_order_broken_only_between_batches_is_noticed(tmp_path: Path) -> None:
    table = pa.table({"i": [1, 2, 3, 1, 2, 3]})
    assert write(tmp_path, table, batch_rows=3).sort_columns == []


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 5) | st.none(), min_size=1, max_size=30),
    st.integers(1, 7),
    st.sampled_from([1, 50, 10_000]),
    st.booleans(),
)
def test_a_file_never_declares_an_order_its_rows_break(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[Any],
    batch_rows: int,
    group_bytes: int,
    in_order: bool,
) -> None:
    if in_order:
        values = [*sorted(value for value in values if value is not None)] or [1]
    folder = tmp_path_factory.mktemp("order")
    table = pa.table({"i": pa.array(values, pa.int64())})
    output = write(folder, table, batch_rows, group_bytes)
    files = sorted(folder.iterdir())
    assert pa.concat_tables([pq.read_table(file) for file in files]).equals(table)
    for file in files:
        rows: list[Any] = pq.read_table(file)["i"].to_pylist()
        if sorting(file):
            assert rows == sorted(rows)
    assert output.sort_columns == (["i"] if None not in values and values == sorted(values) else [])


def test_datafusion_drops_the_sort_of_a_file_in_order(tmp_path: Path) -> None:
    write(tmp_path, pa.table({"i": range(10_000), "v": range(10_000, 0, -1)}))
    context = SessionContext()
    context.register_parquet("t", str(tmp_path))
    for column, sorts in (("i", False), ("v", True)):
        plan = context.sql(f"SELECT * FROM t ORDER BY {column}").execution_plan().display_indent()
        assert ("SortExec" in plan) is sorts


def test_datafusion_reads_what_was_loaded() -> None:
    """Totals over a loaded CSV equal those of the values that were written to it."""
    values = list(range(70_000))
    loaded = load("i,x\n" + "".join(f"{i},{i / 2}\n" for i in values), "csv")
    sink = io.BytesIO()
    pq.write_table(loaded.table, sink)
    assert pc.sum(loaded.table["i"]).as_py() == sum(values)
    assert pc.sum(loaded.table["x"]).as_py() == sum(values) / 2


def test_discarding_leaves_an_empty_folder(tmp_path: Path) -> None:
    output = ParquetOutput(tmp_path, pa.schema({"i": pa.int64()}), row_group_bytes_max=1)
    for value in range(3):
        output.write(pa.record_batch({"i": [value]}))
    output.discard()
    assert not list(tmp_path.iterdir())


NAN = float("nan")
WITH_NAN = {
    "k": pa.array([1, 2]),
    "b": pa.array([NAN, 2.0]),
    "half": pa.array([NAN, 2.0], pa.float16()),
    "single": pa.array([2.0, NAN], pa.float32()),
    "s": pa.array([{"f": NAN, "i": 1}, {"f": 2.0, "i": 1}]),
    "l": pa.array([[NAN, 2.0], [2.0]]),
    "s.f": pa.array([1, 1]),
    "all": pa.array([NAN, NAN]),
}
NAN_ANSWERS = [
    ("SELECT k, b FROM t", [(1, NAN), (2, 2.0)]),
    ("SELECT max(b), min(b), max(half), max(single), count(b) FROM t", [(NAN, 2.0, NAN, NAN, 2)]),
    ("SELECT k FROM t WHERE b = 2", [(2,)]),
    ("SELECT k FROM t WHERE b > 5", [(1,)]),
    ("SELECT k FROM t WHERE isnan(b)", [(1,)]),
    ("SELECT k FROM t WHERE NOT isnan(single)", [(1,)]),
    ('SELECT k FROM t WHERE isnan("all") ORDER BY k', [(1,), (2,)]),
    ("SELECT b, count(*) FROM t GROUP BY b ORDER BY b", [(2.0, 1), (NAN, 1)]),
    ("SELECT k, s['f'] FROM t WHERE s['f'] > 5", [(1, NAN)]),
    ("SELECT max(s['f']), max(l[1]) FROM t", [(NAN, NAN)]),
    ('SELECT k FROM t WHERE "s.f" = 1 ORDER BY k', [(1,), (2,)]),
]


@pytest.mark.parametrize(("sql", "expected"), NAN_ANSWERS)
def test_datafusion_finds_every_nan(
    tmp_path: Path, sql: str, expected: list[tuple[object, ...]]
) -> None:
    write(tmp_path, pa.table(WITH_NAN))
    context = SessionContext()
    context.register_parquet("t", str(tmp_path))
    answer = [tuple(row.values()) for row in context.sql(sql).to_arrow_table().to_pylist()]
    assert repr(answer) == repr(expected)


def test_only_columns_without_floats_have_statistics_and_a_page_index(tmp_path: Path) -> None:
    write(tmp_path, pa.table(WITH_NAN))
    group = pq.ParquetFile(tmp_path / "part-0.parquet").metadata.row_group(0)
    leaves = [group.column(position) for position in range(group.num_columns)]
    assert [leaf.path_in_schema for leaf in leaves if leaf.is_stats_set] == ["k", "s.i"]
    assert [leaf.path_in_schema for leaf in leaves if leaf.has_column_index] == ["k", "s.i"]


def test_a_table_of_floats_alone_has_no_statistics(tmp_path: Path) -> None:
    write(tmp_path, pa.table({"b": [NAN, 2.0]}))
    column = pq.ParquetFile(tmp_path / "part-0.parquet").metadata.row_group(0).column(0)
    assert not column.is_stats_set


@settings(max_examples=40)
@given(st.lists(st.floats(width=64) | st.none(), min_size=1, max_size=8))
def test_datafusion_sees_the_floats_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None]
) -> None:
    folder = tmp_path_factory.mktemp("floats")
    write(folder, pa.table({"b": pa.array(values, pa.float64())}), batch_rows=3, group_bytes=1)
    context = SessionContext()
    context.register_parquet("t", str(folder))
    answer = context.sql("SELECT b FROM t").to_arrow_table()["b"].to_pylist()
    assert sorted(map(repr, answer)) == sorted(map(repr, values))


def test_a_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    output = write(tmp_path, pa.table({"i": pa.array([], pa.int64()), "b": pa.array([], "double")}))
    assert output.row_count == 0
    context = SessionContext()
    context.register_parquet("t", str(tmp_path))
    counted = context.sql("SELECT count(*) AS n, max(b) AS b, sum(i) AS i FROM t")
    assert counted.to_arrow_table().to_pylist() == [{"n": 0, "b": None, "i": None}]
