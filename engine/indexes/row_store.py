"""The rows of a table version by number: what a search finds is taken from here.

One Arrow IPC file, in batches so small that a few rows cost a few batches, each column compressed on
its own, if at all: taking ten rows of two columns reads ten times two buffers. The number of a row is its place
in the files of the version, read in order; every index of the version counts the same way.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

BATCH_BYTES = 64 * 1024
BATCH_ROWS_MAX = 1024
BATCH_ROWS_MIN = 16
_SLICED_MAX = 4
"""Of a batch, so few rows are soonest cut out one by one."""
_BATCH_ROWS, _COMPRESSION = b"batch_rows", b"compression"
_UNCOMPRESSED = b"none"
_GENERATED = {b"generated": b"yes"}


def generated_field(name: str, dtype: pa.DataType) -> "pa.Field[Any]":
    """Make the field of a column that the table itself does not have."""
    return pa.field(name, dtype, metadata=_GENERATED)


def visible_names(schema: pa.Schema, generated: Collection[str]) -> list[str]:
    """Name the columns of a table, and of the generated ones those that still belong to it."""
    return [
        field.name for field in schema if field.metadata != _GENERATED or field.name in generated
    ]


def as_asked(taken: pa.Table, order: np.ndarray) -> pa.Table:
    """Put rows in the order they were asked for, that were taken in another one.

    Args:
        taken: one row for each that was asked for.
        order: their places among those asked for.
    """
    is_so = bool((order[1:] > order[:-1]).all())
    return taken if is_so else taken.take(np.argsort(order, kind="stable"))


def runs_of(numbers: np.ndarray) -> Iterable[tuple[int, int]]:
    """Say where each run of equal numbers begins and ends; there is at least one number.

    >>> list(runs_of(np.array([4, 4, 7])))
    [(0, 2), (2, 3)]
    """
    edges = np.flatnonzero(np.diff(numbers)) + 1
    return pairwise([0, *edges.tolist(), len(numbers)])


def plain_schema(path: str) -> pa.Schema:
    """Return the columns of a file of rows without what is noted with them."""
    with pa.memory_map(path) as source:
        schema = pa.ipc.open_file(source).schema
    return pa.schema([field.remove_metadata() for field in schema])


class RowWriter:
    """Writes the file. The size of a batch is chosen when the first rows come."""

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        *,
        compression: Literal["lz4"] | None = "lz4",
        batch_rows: int | None = None,
    ) -> None:
        """Begin a file.

        Args:
            path: of the new file.
            schema: of the rows.
            compression: without, a few rows are found in a third of the time.
            batch_rows: of a batch, when the first rows do not tell the size of the others.
        """
        self._path = path
        self._schema = schema
        self._compression = compression
        self._wanted_rows = batch_rows
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._batch_rows = BATCH_ROWS_MAX
        self._left: list[pa.RecordBatch] = []
        self._left_rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        if batch.num_rows == 0:
            return
        if self._writer is None:
            row_bytes = max(1, batch.nbytes // batch.num_rows)
            fitting = max(BATCH_ROWS_MIN, min(BATCH_BYTES // row_bytes, BATCH_ROWS_MAX))
            self._batch_rows = self._wanted_rows or fitting
        self._left.append(batch)
        self._left_rows += batch.num_rows
        whole = self._left_rows - self._left_rows % self._batch_rows
        if whole:
            rows = pa.Table.from_batches(self._left).combine_chunks()
            self._put(rows.slice(0, whole))
            self._left = rows.slice(whole).to_batches()
            self._left_rows -= whole

    def finish(self) -> None:
        """Write what is left; the file is whole."""
        self._put(pa.Table.from_batches(self._left, self._schema).combine_chunks())
        self._open().close()

    def _put(self, rows: pa.Table) -> None:
        self._open().write_table(rows.cast(self._schema), max_chunksize=self._batch_rows)

    def _open(self) -> pa.ipc.RecordBatchFileWriter:
        if self._writer is None:
            self._writer = pa.ipc.new_file(
                str(self._path),
                self._schema.with_metadata(
                    {
                        _BATCH_ROWS: str(self._batch_rows),
                        _COMPRESSION: self._compression or _UNCOMPRESSED,
                    }
                ),
                options=pa.ipc.IpcWriteOptions(compression=self._compression),
            )
        return self._writer


class RowStore:
    """An open file of rows, mapped into memory.

    Attributes:
        schema: of the rows.
        fields: name and type of each column.
    """

    def __init__(self, path: Path) -> None:
        self._source = pa.memory_map(str(path))
        self._reader = pa.ipc.open_file(self._source)
        metadata = self._reader.schema.metadata
        self._batch_rows = int(metadata[_BATCH_ROWS])
        self._is_mapped = metadata.get(_COMPRESSION) == _UNCOMPRESSED
        self._readers: dict[tuple[int, ...], pa.ipc.RecordBatchFileReader] = {}
        self.schema = self._reader.schema.remove_metadata()
        self.fields = frozenset((field.name, field.type) for field in self.schema)

    def visible(self, generated: Collection[str]) -> list[str]:
        """Name the columns of the table, and of the generated ones those that still belong to it."""
        return visible_names(self.schema, generated)

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """Return rows by number, in the order asked for.

        Args:
            rows: int64 numbers, each below the number of rows.
            columns: names of the columns wanted; None = all.
        """
        wanted = self.schema.names if columns is None else columns
        order = np.argsort(rows, kind="stable")
        return as_asked(self.gather(rows[order], wanted).combine_chunks(), order)

    def gather(self, rows: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Return rows by number, in about as many chunks as batches were read.

        Args:
            rows: as :meth:`take`, ascending.
            columns: names of the columns wanted.
        """
        places = [self.schema.get_field_index(name) for name in columns]
        if not len(rows) or not places:
            schema = pa.schema([self.schema.field(place) for place in places])
            return schema.empty_table() if places else pa.table({}).slice(0, 0)
        reader = self._reader_of(tuple(sorted(places)))
        numbers, places_in = np.divmod(rows, self._batch_rows)
        pieces = []
        for start, end in runs_of(numbers):
            batch = reader.get_batch(int(numbers[start]))
            if end - start <= _SLICED_MAX:
                pieces += [batch.slice(place, 1) for place in places_in[start:end].tolist()]
            else:
                pieces.append(batch.take(places_in[start:end]))
        return pa.Table.from_batches(pieces).select(list(columns))

    def batches(self, columns: Sequence[str]) -> Iterable[pa.RecordBatch]:
        """Yield some columns of all rows, in order."""
        places = tuple(sorted(self.schema.get_field_index(name) for name in columns))
        reader = self._reader_of(places)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number).select([self.schema.names[place] for place in places])

    def _reader_of(self, places: tuple[int, ...]) -> pa.ipc.RecordBatchFileReader:
        # What is not compressed is not read before it is looked at: leaving columns out costs more.
        if self._is_mapped or len(places) == len(self.schema):
            return self._reader
        reader = self._readers.get(places)
        if reader is None:
            options = pa.ipc.IpcReadOptions(included_fields=list(places))
            reader = self._readers[places] = pa.ipc.open_file(self._source, options=options)
        return reader
