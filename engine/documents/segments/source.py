"""Reads what a segment is made of: entries as they were staged, and live rows of older segments.

Each gives its rows in the columns of ``segment_columns``: entries, their chunks in the same order, files.
The invariant: a row of an older segment is copied as it is, but for a vector of another width than is
wanted, which becomes NULL.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.documents.segments.columns import (
    CHUNK_COLUMNS,
    EMBEDDING,
    ENTRY_SCHEMA,
    FILE_SCHEMA,
    REGISTRATION,
    chunk_schema,
)
from engine.documents.segments.files import Mask, parquet_path, read_facts, rows_path
from engine.errors import InvalidRequest
from engine.indexes.row_store import RowStore
from engine.workers.document_tasks import DocumentPart, SegmentBinding, SegmentSource

_VECTOR = "vector"
_BATCH_ROWS = 4096


class NewEntry:
    """An entry that was staged for a segment."""

    def __init__(self, source: SegmentSource, dimensions: int | None) -> None:
        self._source = source
        self._dimensions = dimensions
        self._entry: dict[str, Any] = orjson.loads(Path(source.entry).read_bytes())
        self._chunks = None if source.chunks is None else _open_file(source.chunks)

    def entries(self) -> Iterator[pa.RecordBatch]:
        """Yield one row."""
        known = self._entry
        metadata = known.get("metadata")
        row = known | {
            "tags": known.get("tags") or [],
            "metadata": None if metadata is None else orjson.dumps(metadata).decode(),
            "chunk_count": 0 if self._chunks is None else _row_count(self._chunks),
            REGISTRATION: self._source.registration,
        }
        yield _batch_of([row], ENTRY_SCHEMA)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Yield the chunks.

        Raises:
            InvalidRequest: the vectors are of another width, or not as many as the chunks.
        """
        if self._chunks is None:
            return
        vectors = self._vectors(_row_count(self._chunks))
        at = 0
        for number in range(self._chunks.num_record_batches):
            batch = self._chunks.get_batch(number)
            yield self._complete(batch, vectors.slice(at, batch.num_rows))
            at += batch.num_rows

    def files(self) -> Iterator[pa.RecordBatch]:
        """Yield its files."""
        if self._source.files is None:
            return
        given = {"entry_id": self._entry["id"], REGISTRATION: self._source.registration}
        rows = orjson.loads(Path(self._source.files).read_bytes())
        yield _batch_of([row | given for row in rows], FILE_SCHEMA)

    def _vectors(self, count: int) -> Any:  # noqa: ANN401 - a chunked array of lists
        if self._dimensions is None:
            return pa.nulls(count)
        dtype = pa.list_(pa.float32(), self._dimensions)
        if not self._source.vectors:
            return pa.chunked_array([pa.nulls(count, dtype)])
        parts = [_open_file(path).read_all().column(_VECTOR) for path in self._source.vectors]
        chunks = [chunk for part in parts for chunk in part.chunks]
        if any(chunk.type != dtype for chunk in chunks):
            raise InvalidRequest(
                f"The vectors are not those of a model of {self._dimensions} numbers."
            )
        vectors: pa.ChunkedArray[Any] = pa.chunked_array(chunks, dtype)  # type: ignore[call-overload]  # the stubs lack lists of a size
        if len(vectors) != count:
            raise InvalidRequest(f"There are {len(vectors)} vectors for {count} chunks.")
        return vectors

    def _complete(self, batch: pa.RecordBatch, vectors: Any) -> pa.RecordBatch:  # noqa: ANN401 - a column
        rows = batch.num_rows
        columns = {
            field.name: batch.column(field.name).cast(field.type)
            if field.name in batch.schema.names
            else pa.nulls(rows, field.type)
            for field in CHUNK_COLUMNS
        }
        paths = columns["heading_path"].to_pylist()
        columns["heading"] = pa.array([path[-1] if path else None for path in paths], pa.string())
        columns["text"] = columns.pop("chunk_text")
        columns[EMBEDDING] = _one_array(vectors)
        ids = {
            "entry_id": self._entry["id"],
            "dataset_id": self._entry["dataset_id"],
            REGISTRATION: self._source.registration,
        }
        columns |= {name: pa.array(np.full(rows, value, np.int64)) for name, value in ids.items()}
        schema = chunk_schema(self._dimensions)
        return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


class OldSegment:
    """The live rows of a built segment."""

    def __init__(self, binding: SegmentBinding, dimensions: int | None) -> None:
        self._folder = Path(binding.folder)
        self._dimensions = dimensions
        facts = read_facts(self._folder)
        dead = facts.dead_entries(binding.dead)
        self._entries_alive = None if dead is None else ~dead
        self._chunks_alive = None if dead is None else facts.of_chunks(~dead)
        self._dead = pa.array(binding.dead, pa.int64())

    def entries(self) -> Iterator[pa.RecordBatch]:
        """Yield the entries."""
        store = RowStore(rows_path(self._folder, DocumentPart.ENTRIES))
        yield from _alive(store.batches(ENTRY_SCHEMA.names), self._entries_alive)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Yield the chunks."""
        store = RowStore(rows_path(self._folder, DocumentPart.CHUNKS))
        schema = chunk_schema(self._dimensions)
        there = [field.name for field in schema if (field.name, field.type) in store.fields]
        for batch in _alive(store.batches(there), self._chunks_alive):
            columns = [
                batch.column(field.name)
                if field.name in there
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def files(self) -> Iterator[pa.RecordBatch]:
        """Yield the files."""
        with pq.ParquetFile(parquet_path(self._folder, DocumentPart.FILES)) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                dead = pc.is_in(batch.column(REGISTRATION), value_set=self._dead)
                yield batch.cast(FILE_SCHEMA).filter(pc.invert(dead))


def _alive(batches: Any, alive: Mask | None) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 - of Parquet or of Arrow
    """Yield what is alive of consecutive batches."""
    at = 0
    for batch in batches:
        here = None if alive is None else alive[at : at + batch.num_rows]
        at += batch.num_rows
        if here is None or here.all():
            yield batch
        elif here.any():
            yield batch.filter(pa.array(here))


def _open_file(path: str) -> pa.ipc.RecordBatchFileReader:
    return pa.ipc.open_file(pa.memory_map(path))


def _row_count(reader: pa.ipc.RecordBatchFileReader) -> int:
    return sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))


def _one_array(chunked: Any) -> Any:  # noqa: ANN401 - an array of whichever type
    if isinstance(chunked, pa.Array):
        return chunked
    return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()


def _batch_of(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Make rows of JSON objects; what a column lacks is NULL."""
    arrays = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_timestamp(field.type):
            values = [None if value is None else datetime.fromisoformat(value) for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
