"""Batches of about one size, whatever the driver gives."""

from collections.abc import Iterable, Iterator

import pyarrow as pa


def sized(batches: Iterable[pa.RecordBatch], size_bytes: int) -> Iterator[pa.RecordBatch]:
    """Join small batches and cut large ones; a row larger than the size is a batch of its own."""
    waiting: list[pa.RecordBatch] = []
    waiting_bytes = 0
    for batch in batches:
        for piece in _cut(batch, size_bytes):
            if waiting and waiting_bytes + piece.nbytes > size_bytes:
                yield _joined(waiting)
                waiting, waiting_bytes = [], 0
            waiting.append(piece)
            waiting_bytes += piece.nbytes
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    whole: pa.RecordBatch = pa.concat_batches(batches)  # type: ignore[attr-defined]  # not in stubs
    return whole


def _cut(batch: pa.RecordBatch, size_bytes: int) -> Iterator[pa.RecordBatch]:
    """Halve a batch until its pieces fit."""
    if batch.nbytes <= size_bytes or batch.num_rows <= 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _cut(batch.slice(0, half), size_bytes)
    yield from _cut(batch.slice(half), size_bytes)
