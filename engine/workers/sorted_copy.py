"""Writes the copy of a table that is a sorted index: the same rows, ordered by some columns.

The order is declared in the file (``sorting_columns``), so sorts by it are dropped; statistics and the page
index prune a range to its pages, and Bloom filters spare an equality on a later column the rest. Sorting
spills to disk. NULLs come last, as in ``ORDER BY``, and NaN before them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import DataFrame, col, lit
from datafusion import functions as f

from engine.datasets.parquet_output import (
    COMPRESSION,
    PAGE_ROWS,
    ROW_GROUP_BYTES_MAX,
    ROW_GROUP_ROWS,
)
from engine.datasets.parquet_statistics import paths_with_statistics
from engine.query.sql_text import quoted_name
from engine.workers.session import Sessions
from engine.workers.tasks import IndexOrder, IndexTask, ScanMode

_FILE_NAME = "part-0.parquet"


def write_sorted_copy(
    task: IndexTask, order: IndexOrder, sessions: Sessions, report: Callable[[int], None]
) -> None:
    """Write all rows of a table version, ordered, into the folder of the order."""
    sessions.open(
        (),
        default_catalog="datasets",
        default_schema="main",
        memory_bytes=task.memory_bytes,
        scan=ScanMode.PARALLEL,
    )
    metadata = pq.read_metadata(task.files[0])
    schema = metadata.schema.to_arrow_schema().remove_metadata()
    folder = str(Path(task.files[0]).parent)
    rows = sessions.name_files("rows", folder)
    path = Path(order.folder) / _FILE_NAME
    with _open_writer(path, schema, order, rows, _dictionary_columns(metadata)) as writer:
        done = 0
        for group in _row_groups(_sorted(rows, order.columns), schema):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            done += group.num_rows
            report(done)
        if not done:
            writer.write_table(schema.empty_table())


def _sorted(rows: DataFrame, columns: Sequence[str]) -> DataFrame:
    # By quoted names: a bare one would be folded to small letters.
    keys = [col(quoted_name(name)) for name in columns]
    return rows.sort(*(key.sort(ascending=True, nulls_first=False) for key in keys))


def _row_groups(rows: DataFrame, schema: pa.Schema) -> Any:  # noqa: ANN401 - a generator of tables
    waiting: list[pa.RecordBatch] = []
    count = size_bytes = 0
    for item in rows.execute_stream():
        batch = item.to_pyarrow()
        if not batch.num_rows:
            continue
        waiting.append(pa.RecordBatch.from_arrays(batch.columns, names=schema.names).cast(schema))
        count += batch.num_rows
        size_bytes += waiting[-1].nbytes
        if count >= ROW_GROUP_ROWS or size_bytes >= ROW_GROUP_BYTES_MAX:
            yield pa.Table.from_batches(waiting)
            waiting, count, size_bytes = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _dictionary_columns(metadata: pq.FileMetaData) -> list[str]:
    """Name the columns that have a dictionary in the table: where values repeat.

    A lookup would decode a dictionary of distinct values for the sake of one of them.
    """
    if not metadata.num_row_groups:
        return []
    group = metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    return [column.path_in_schema for column in columns if column.has_dictionary_page]


def _open_writer(
    path: Path, schema: pa.Schema, order: IndexOrder, rows: DataFrame, dictionaries: list[str]
) -> pq.ParquetWriter:
    floats = [name for name in order.columns if pa.types.is_floating(schema.field(name).type)]
    exact = [name for name in floats if not _has_nan(rows, name)]
    statistics: Any = [*paths_with_statistics(schema), *exact]
    later = [name for name in order.columns[1:] if _has_bloom_filter(schema.field(name).type)]
    places = [schema.get_field_index(name) for name in _kept_order(order.columns, schema)]
    return pq.ParquetWriter(
        path,
        schema,
        compression=COMPRESSION,
        use_dictionary=dictionaries,  # type: ignore[arg-type]  # the stubs know no list
        write_statistics=statistics,
        write_page_index=True,
        max_rows_per_page=PAGE_ROWS,
        store_decimal_as_integer=True,
        sorting_columns=[pq.SortingColumn(place, nulls_first=False) for place in places],
        bloom_filter_options={name: {"ndv": ROW_GROUP_ROWS} for name in later} or None,
    )


def _kept_order(columns: Sequence[str], schema: pa.Schema) -> list[str]:
    """Name the columns whose order is declared: up to a float, which is equal to itself in two ways.

    Zeros of both signs, and NaNs, are sorted apart; a reader that takes them for one value would believe
    the columns after them to be in order.
    """
    kept: list[str] = []
    for name in columns:
        kept.append(name)
        if pa.types.is_floating(schema.field(name).type):
            break
    return kept


def _has_bloom_filter(dtype: pa.DataType) -> bool:
    """Tell whether equality is worth a filter: two values need none, and NaN equals itself in SQL."""
    return not (
        pa.types.is_boolean(dtype) or pa.types.is_null(dtype) or pa.types.is_floating(dtype)
    )


def _has_nan(rows: DataFrame, name: str) -> bool:
    """Tell whether a column has a NaN, which statistics would leave out."""
    column = col(quoted_name(name))
    found = rows.filter(f.isnan(column)).aggregate([], [f.count(lit(1)).alias("count")])
    return any(batch.column(0)[0].as_py() for batch in found.collect())
