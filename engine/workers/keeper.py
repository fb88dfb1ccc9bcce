"""Keeps the rows of an answer while they pass: a few as Arrow IPC, many as a Parquet file.

The Parquet is written by one thread of low priority, after the response or beside it: what a client
waits for comes first, as long as the rows that wait fit into ``held_bytes_max``. Past that a slow
disk slows the query. The file is complete and synced when :meth:`Keeper.finish` returns.
"""

import contextlib
import io
import os
import threading
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from engine.arrow_types import map_leaves, viewless
from engine.datasets.parquet_statistics import paths_with_statistics
from engine.encode.text import decoded, plain_text

_ROW_GROUP_ROWS = 128 * 1024
_ROW_GROUP_BYTES = 64 * 1024 * 1024
_HELD_BYTES_MAX = 96 * 1024 * 1024
_NICENESS = 10
_DECIMAL_DIGITS_MAX = 38


class Keeper:
    """Takes the batches of one answer.

    Args:
        schema: of the batches; repeated names are made distinct.
        path: where the Parquet file goes; None keeps nothing.
        inline_bytes_max: answers up to this size are kept as Arrow IPC; negative = none.
        is_patient: the file is begun at the end, or when ``held_bytes_max`` wait; else at once.
        held_bytes_max: how much may wait, beside the row group that is being gathered.
    """

    def __init__(
        self,
        schema: pa.Schema,
        path: str | None,
        inline_bytes_max: int,
        *,
        is_patient: bool = True,
        held_bytes_max: int = _HELD_BYTES_MAX,
    ) -> None:
        self._schema = _unique_names(schema)
        self._path = path
        self._inline_bytes_max = inline_bytes_max
        self._is_patient = is_patient
        self._held_bytes_max = held_bytes_max
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._rows = 0
        self._writer: _Writer | None = None

    def add(self, batch: pa.RecordBatch, size_bytes: int) -> None:
        """Take the next batch, of so many bytes of Arrow data."""
        if self._path is None:
            return
        self._batches.append(batch)
        self._bytes += size_bytes
        self._rows += batch.num_rows
        if self._writer is None and self._bytes > self._inline_bytes_max:
            self._writer = self._open_writer(self._path)
        if self._writer is not None and (
            self._rows >= _ROW_GROUP_ROWS or self._bytes >= _ROW_GROUP_BYTES
        ):
            self._hand_over(self._writer)

    @property
    def is_small(self) -> bool:
        """Whether the answer, as far as it is known, is kept as Arrow IPC."""
        return self._path is not None and self._writer is None and self._inline_bytes_max >= 0

    @property
    def held_bytes(self) -> int:
        """Arrow data that is neither written nor handed back yet."""
        return self._bytes + (self._writer.held_bytes if self._writer is not None else 0)

    def finish(self) -> bytes | int | None:
        """End the answer.

        Returns:
            An Arrow IPC stream of a small answer, the size in bytes of the Parquet file of another,
            None when nothing is kept.
        """
        if self._path is None:
            return None
        if self.is_small:
            return self._inline()
        if self._writer is None:
            self._writer = self._open_writer(self._path)
        if self._batches:
            self._hand_over(self._writer)
        return self._writer.finish()

    def close(self) -> None:
        """Give up what is not finished: when this returns, nothing is written any more."""
        if self._writer is not None:
            self._writer.abandon()

    def _hand_over(self, writer: "_Writer") -> None:
        writer.put(self._batches, self._bytes)
        self._batches, self._bytes, self._rows = [], 0, 0

    def _open_writer(self, path: str) -> "_Writer":
        starts_at_bytes = self._held_bytes_max if self._is_patient else 0
        return _Writer(self._schema, path, starts_at_bytes, self._held_bytes_max)

    def _inline(self) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema) as stream:
            for batch in self._batches:
                stream.write_batch(_with_schema(batch, self._schema))
        return sink.getvalue().to_pybytes()


class _Writer:
    """A thread that writes one Parquet file.

    It starts when more than ``starts_at_bytes`` wait, or at the end. Whoever hands over rows is held
    back while more than ``held_bytes_max`` wait.
    """

    def __init__(
        self, schema: pa.Schema, path: str, starts_at_bytes: int, held_bytes_max: int
    ) -> None:
        self._schema = schema
        self._path = Path(path)
        self._starts_at_bytes = starts_at_bytes
        self._held_bytes_max = held_bytes_max
        self.held_bytes = 0
        self._groups: deque[tuple[list[pa.RecordBatch], int]] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._is_complete = False
        self._is_abandoned = False
        self._thread: threading.Thread | None = None

    def put(self, batches: list[pa.RecordBatch], size_bytes: int) -> None:
        with self._changed:
            self._groups.append((batches, size_bytes))
            self.held_bytes += size_bytes
            self._changed.notify_all()
            if self.held_bytes > self._starts_at_bytes:
                self._start()
                self._changed.wait_for(self._has_room)
            if self._error is not None:
                raise self._error

    def finish(self) -> int:
        self._end()
        if self._error is not None:
            raise self._error
        return self._path.stat().st_size

    def abandon(self) -> None:
        self._is_abandoned = True
        if self._thread is not None:
            self._end()

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="keep-result", daemon=True)
            thread.start()
            self._thread = thread

    def _end(self) -> None:
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()
            self._start()
        assert self._thread is not None
        self._thread.join()

    def _has_room(self) -> bool:
        return self.held_bytes <= self._held_bytes_max or self._error is not None

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # a priority is a wish
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write(self) -> None:
        with self._path.open("wb") as file:
            write_parquet(file, self._schema, self._taken())
            if not self._is_abandoned:
                file.flush()
                os.fsync(file.fileno())

    def _taken(self) -> Iterator[list[pa.RecordBatch]]:
        """What is handed over, up to the end; a group counts as held until it is written."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._groups or self._is_complete)
                if not self._groups or self._is_abandoned:
                    return
                batches, size_bytes = self._groups.popleft()
            yield batches
            with self._changed:
                self.held_bytes -= size_bytes
                self._changed.notify_all()


def write_parquet(
    sink: BinaryIO, schema: pa.Schema, groups: Iterator[list[pa.RecordBatch]]
) -> None:
    """Write batches as Parquet, each group as a row group.

    Args:
        sink: where the file goes.
        schema: of every batch; names must be distinct.
        groups: runs of batches; their physical types may differ from batch to batch in views only.
    """
    stored = pa.schema([_stored_field(field) for field in schema])
    # Without a dictionary Parquet is written three times faster, and a result is read rarely.
    statistics: Any = paths_with_statistics(stored)
    with pq.ParquetWriter(
        sink,
        stored,
        compression="lz4",
        use_dictionary=False,
        write_statistics=statistics,
        store_decimal_as_integer=True,
    ) as writer:
        for batches in groups:
            columns = [
                pa.chunked_array(
                    [_stored_array(b.column(i), field.type) for b in batches], field.type
                )
                for i, field in enumerate(stored)
            ]
            writer.write_table(pa.table(columns, schema=stored))


def _with_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _unique_names(schema: pa.Schema) -> pa.Schema:
    """Rename repeated columns (``a``, ``a_1``): a kept answer can be a table in later SQL."""
    if len(set(schema.names)) == len(schema):
        return schema
    taken: set[str] = set()
    fields = []
    for field in schema:
        name, number = field.name, 0
        while name in taken:
            number += 1
            name = f"{field.name}_{number}"
        taken.add(name)
        fields.append(field.with_name(name))
    return pa.schema(fields)


def _stored_field(field: "pa.Field[Any]") -> "pa.Field[Any]":
    return field.with_type(_stored_type(field.type))


@lru_cache(maxsize=256)
def _stored_type(data_type: pa.DataType) -> pa.DataType:
    """The type a column is stored with: its own, the nearest Parquet can hold, or text."""
    if pa.types.is_run_end_encoded(data_type):
        return _stored_type(data_type.value_type)
    if pa.types.is_dictionary(data_type) and viewless(data_type.value_type) != data_type.value_type:
        return _stored_type(data_type.value_type)
    stored = map_leaves(data_type, _nearest)
    if pa.types.is_nested(stored):
        stored = viewless(stored, pa.string(), pa.binary())
    return stored if _is_storable(stored) else pa.string()


def _nearest(leaf: pa.DataType) -> pa.DataType:
    if pa.types.is_date64(leaf):  # Parquet's dates are days
        return pa.timestamp("ms")
    if isinstance(leaf, pa.Decimal128Type) and leaf.scale < 0:  # and its decimals have a point
        return pa.decimal128(min(_DECIMAL_DIGITS_MAX, leaf.precision - leaf.scale), 0)
    return leaf


def _is_storable(data_type: pa.DataType) -> bool:
    try:
        pq.write_table(pa.schema([pa.field("x", data_type)]).empty_table(), io.BytesIO())
    except (pa.ArrowException, OSError):
        return False
    return True


def _stored_array(array: "pa.Array[Any]", data_type: pa.DataType) -> "pa.Array[Any]":
    """Types Parquet cannot hold (intervals, unions) are kept as the text a client sees."""
    if array.type == data_type:
        return array
    if not pa.types.is_dictionary(data_type):
        array = decoded(array)
    if pa.types.is_string(data_type) and not pa.types.is_string_view(array.type):
        array = plain_text(array)
    cast: pa.Array[Any] = array.cast(data_type)
    return cast
