"""Write record batches as the Parquet files of a dataset version.

What the reader gains: statistics and a page index for pruning (not of floats), decimals as
integers, row groups small enough that a medium table is scanned by several cores, dictionaries only
where values repeat, and ``sorting_columns`` when the rows really are in ascending order, so that
DataFusion drops sorts.

The invariant: a file declares an order only if every row in it keeps it. Which column is tried is
known before the first row group is written; when a later row breaks the order, the file ends
there and the rest goes to a second file that declares none.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.datasets.arrow_values import Column
from engine.datasets.parquet_statistics import leaf_paths, paths_with_statistics
from engine.datasets.widening import settled

ROW_GROUP_ROWS = 262_144
PAGE_ROWS = 4_096
"""The page index lets a lookup read one page of each column: small ones are decoded fast. A scan
does not notice, and the index of a billion cells still fits into the engine's cache of metadata."""
ROW_GROUP_BYTES_MAX = 64 << 20
"""A row group is written when it has this many bytes in memory, even with fewer rows."""
COMPRESSION: Literal["lz4"] = "lz4"
DICTIONARY_SAMPLE_ROWS = 50_000
DICTIONARY_DISTINCT_MAX = 0.3
"""A column with more distinct values than this share is written plain: hashing it is wasted."""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """One Parquet file; ``name`` is inside the output folder."""

    name: str
    size_bytes: int
    row_count: int


class ParquetOutput:
    """Collects batches into row groups and writes them in a second thread, at most one behind.

    Either ``finish`` or ``discard`` ends it.
    """

    def __init__(self, folder: Path, schema: pa.Schema, *, row_group_bytes_max: int) -> None:
        self.schema = settled(schema)
        self.row_count = 0
        self._folder = folder
        self._row_group_bytes_max = min(row_group_bytes_max, ROW_GROUP_BYTES_MAX)
        self._buffer: list[pa.RecordBatch] = []
        self._buffer_rows = 0
        self._buffer_bytes = 0
        self._files: list[LoadedFile] = []
        self._writer: pq.ParquetWriter | None = None
        self._writer_rows = 0
        self._order = _Order()
        self._order_declared = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parquet-output")
        self._writing: Future[None] | None = None

    @property
    def sort_columns(self) -> list[str]:
        """The column by which all rows ascend, or nothing."""
        return [self._order.column] if self._order.column else []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch whose columns have the given schema, before nulls were settled."""
        batch = batch if batch.schema.equals(self.schema) else batch.cast(self.schema)
        ordered = self._order.column
        self._order.follow(batch)
        if ordered and not self._order.column and self._order_declared:
            self._flush()
            self._join(self._thread.submit(self._close_file))
        self.row_count += batch.num_rows
        while batch.num_rows:  # cut to fill row groups: a small one costs a scan like a large one
            piece = batch.slice(0, ROW_GROUP_ROWS - self._buffer_rows)
            batch = batch.slice(piece.num_rows)
            self._collect(piece)

    def finish(self) -> list[LoadedFile]:
        """Write what is left and return all files, each on disk for good; at least one."""
        self._flush()
        if not self.row_count:
            self._join(self._thread.submit(self._write_group, self.schema.empty_table(), None))
        self._join(self._thread.submit(self._close_file))
        self._thread.shutdown()
        _sync(self._folder)
        return self._files

    def discard(self) -> None:
        """Stop and delete everything written."""
        self._thread.shutdown()
        if self._writer is not None:
            self._writer.close()
        for file in self._folder.glob("part-*.parquet"):
            file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Discard what was written when the block failed."""
        if kind is not None:
            self.discard()

    def _collect(self, piece: pa.RecordBatch) -> None:
        self._buffer.append(piece)
        self._buffer_rows += piece.num_rows
        self._buffer_bytes += piece.nbytes
        if self._buffer_rows >= ROW_GROUP_ROWS or self._buffer_bytes >= self._row_group_bytes_max:
            self._flush()

    def _flush(self) -> None:
        if self._buffer_rows:
            table = pa.Table.from_batches(self._buffer)
            self._buffer, self._buffer_rows, self._buffer_bytes = [], 0, 0
            previous, self._writing = self._writing, None
            if previous is not None:
                previous.result()
            self._writing = self._thread.submit(self._write_group, table, self._order.column)
            self._order_declared = self._order.column is not None

    def _join(self, closing: Future[None]) -> None:
        """Wait for the writing thread; its error is ours."""
        previous, self._writing = self._writing, None
        if previous is not None:
            previous.result()
        closing.result()

    def _write_group(self, table: pa.Table, order: str | None) -> None:
        if self._writer is None:
            self._writer = _open_writer(self._folder / self._file_name(), table, order)
            self._writer_rows = 0
        self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._writer_rows += table.num_rows

    def _close_file(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        path = self._folder / self._file_name()
        _sync(path)
        self._files.append(LoadedFile(path.name, path.stat().st_size, self._writer_rows))

    def _file_name(self) -> str:
        return f"part-{len(self._files)}.parquet"


def _open_writer(path: Path, table: pa.Table, order: str | None) -> pq.ParquetWriter:
    position = table.schema.get_field_index(order) if order else -1
    dictionary: Any = _dictionary_columns(table)
    statistics: Any = paths_with_statistics(table.schema)
    return pq.ParquetWriter(
        path,
        table.schema,
        compression=COMPRESSION,
        use_dictionary=dictionary,
        write_statistics=statistics,
        write_page_index=True,
        max_rows_per_page=PAGE_ROWS,
        store_decimal_as_integer=True,
        sorting_columns=[pq.SortingColumn(position)] if order else None,
    )


def _dictionary_columns(table: pa.Table) -> list[str]:
    """Paths of the leaf columns whose values repeat; those inside structs and lists count."""
    sample = table.slice(0, DICTIONARY_SAMPLE_ROWS)
    plain = {
        name
        for name in table.schema.names
        if not pa.types.is_nested(table.schema.field(name).type) and _is_distinct(sample[name])
    }
    return [path for path in leaf_paths(table.schema) if path not in plain]


def _is_distinct(values: Column) -> bool:
    if pa.types.is_boolean(values.type):
        return True
    return bool(pc.count_distinct(values).as_py() > DICTIONARY_DISTINCT_MAX * len(values))


class _Order:
    """Finds the first column that ascends through all rows; one with nulls does not count."""

    def __init__(self) -> None:
        self.column: str | None = None
        self._last: Any = None
        self._started = False

    def follow(self, batch: pa.RecordBatch) -> None:
        """Take the next rows; ``column`` becomes None for good once they break its order."""
        if not batch.num_rows:
            return
        if not self._started:
            self._started = True
            names = (f.name for f in batch.schema if _can_be_ordered(f.type))
            self.column = next((name for name in names if _ascends(batch.column(name))), None)
        elif self.column is not None:
            values = batch.column(self.column)
            if not (_ascends(values) and pc.less_equal(self._last, values[0]).as_py()):
                self.column = None
        if self.column is not None:
            self._last = batch.column(self.column)[-1]


def _can_be_ordered(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(dtype)
        or pa.types.is_temporal(dtype)
        or pa.types.is_string(dtype)
        or pa.types.is_decimal(dtype)
    ) and not pa.types.is_interval(dtype)


def _ascends(values: Column) -> bool:
    if values.null_count:
        return False
    return bool(pc.all(pc.less_equal(values[:-1], values[1:]), min_count=0).as_py())


def _sync(path: Path) -> None:
    """Make a file or folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
