"""Bounded memory: how many rows are encoded at once, and how long one chunk of bytes may be.

Invariant: no chunk is longer than CHUNK_BYTES_MAX, whatever the data.
Trap: a chunk may end in the middle of a row, or of a character; only their concatenation means anything.
"""

from collections.abc import Iterator
from typing import TypeAlias

import pyarrow as pa

from engine.arrow_types import viewless

CHUNK_BYTES_MAX = 4 * 1024 * 1024
# Half a chunk leaves room for rows longer than the ones the estimate was made from.
TEXT_BYTES_TARGET = CHUNK_BYTES_MAX // 2
ROWS_MAX = 65_536
# Nothing is known before the first slice: field names alone may make a row long.
FIRST_ROWS_MAX = 1_024
CELL_BYTES_GUESS = 16

Chunk: TypeAlias = bytes | memoryview


def pieces(data: Chunk, start: int = 0) -> Iterator[memoryview]:
    """Yield `data` from byte `start` on, without copying, in chunks of at most 4 MiB."""
    view = memoryview(data).cast("B")
    for at in range(start, len(view), CHUNK_BYTES_MAX):
        yield view[at : at + CHUNK_BYTES_MAX]


class Pacer:
    """Cuts batches into slices whose text stays near 2 MiB; learns the row width as it goes."""

    def __init__(self) -> None:
        self._row_bytes = 0.0

    def slices(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Yield row slices of `batch` in order, none empty, each at most 65,536 rows."""
        batch = _viewless(batch)
        at = 0
        while at < batch.num_rows:
            part = _narrowed(batch.slice(at, self._rows_next(batch)))
            at += part.num_rows
            yield part

    def note(self, rows: int, size_bytes: int) -> None:
        """Remember that `rows` rows, at least one, became `size_bytes` bytes of text."""
        self._row_bytes = size_bytes / rows

    def _rows_next(self, batch: pa.RecordBatch) -> int:
        if self._row_bytes:
            return max(1, min(ROWS_MAX, int(TEXT_BYTES_TARGET / self._row_bytes)))
        guess = 1 + batch.num_columns * CELL_BYTES_GUESS + batch.nbytes / batch.num_rows
        return max(1, min(FIRST_ROWS_MAX, int(TEXT_BYTES_TARGET / guess)))


def _narrowed(part: pa.RecordBatch) -> pa.RecordBatch:
    """Halve a slice that holds unusually long rows until its Arrow bytes fit one chunk."""
    size_bytes = part.nbytes
    while part.num_rows > 1 and size_bytes > CHUNK_BYTES_MAX:
        half = part.slice(0, part.num_rows // 2)
        # Dictionaries and nested views are counted whole in every slice: halving stops paying.
        if half.nbytes > 0.9 * size_bytes:
            break
        part, size_bytes = half, half.nbytes
    return part


def _viewless(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Copy view columns to offsets layout, so that a slice's `nbytes` counts its own rows only."""
    kinds = [viewless(column.type) for column in batch.columns]
    if kinds == batch.schema.types:
        return batch
    columns = [
        column if column.type == kind else column.cast(kind)
        for column, kind in zip(batch.columns, kinds, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
