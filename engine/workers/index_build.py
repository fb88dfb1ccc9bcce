"""Builds indexes of one table version inside a worker: files in, folders of files out.

The rows are read once, in order; their numbers are their places. Searches need the rows by number too
(``engine.indexes.row_store``), which are written along the way unless the version has them. The trap: a
generated column is made of vectors that are looked up by the hash of a text, so the files of vectors must
have them all.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.index_model import IndexType
from engine.errors import InvalidRequest
from engine.indexes.analyzers import DEFAULT_LANGUAGE
from engine.indexes.bm25 import Bm25Builder, Bm25Spec
from engine.indexes.columns import check_columns
from engine.indexes.distances import as_matrix
from engine.indexes.row_store import RowStore, RowWriter, generated_field
from engine.indexes.vector import VectorBuilder, VectorSpec
from engine.workers.session import Sessions
from engine.workers.sorted_copy import write_sorted_copy
from engine.workers.tasks import IndexOrder, IndexTask
from engine.workers.texts import HASH, VECTOR, hash_of

_BATCH_ROWS = 16_384
_THREADS = 2

Report = Callable[[int], None]


def build_indexes(task: IndexTask, sessions: Sessions, report: Report) -> dict[str, Any]:
    """Build what a task orders.

    Args:
        task: what to build.
        sessions: of the worker.
        report: told of the rows done, over all indexes.

    Returns:
        ``row_count``; ``built``: for each order the names of its ``files`` and its ``dimensions``, null
        but for vectors.

    Raises:
        InvalidRequest: a column is gone, or does not hold what the index is for.
    """
    progress = _Progress(report)
    source = _Source(task)
    for order in task.orders:
        check_columns(order.index_type, order.columns, source.schema)
    dimensions: dict[str, int] = {}
    if task.writes_rows:
        source.write_rows(Path(task.rows_output), progress)
    for order in task.searched:
        Path(order.folder).mkdir()
        if order.index_type is IndexType.BM25:
            _build_bm25(order, source, task.memory_bytes, progress)
        else:
            dimensions[order.folder] = _build_vector(order, source, progress)
    for order in task.orders:
        if order.index_type is IndexType.SORTED:
            Path(order.folder).mkdir()
            write_sorted_copy(task, order, sessions, progress.step())
    return {
        "row_count": source.row_count,
        "built": [
            {
                "files": sorted(path.name for path in Path(order.folder).iterdir()),
                "dimensions": dimensions.get(order.folder),
            }
            for order in task.orders
        ],
    }


class _Progress:
    """Adds up the rows of one index after the other."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._done = 0

    def step(self) -> Report:
        """Return what the next index reports its rows to."""
        before = self._done

        def report(rows: int) -> None:
            self._done = before + rows
            self._report(self._done)

        return report


class _Source:
    """The rows of a table version, with the generated columns."""

    def __init__(self, task: IndexTask) -> None:
        self._files = task.files
        self._generated = task.generated
        self._rows = task.rows
        self.row_count = sum(pq.read_metadata(path).num_rows for path in task.files)
        self._vectors = {
            column.name: _Vectors(column.known, column.width) for column in task.generated
        }
        self.schema = self._schema(task.kept)

    def _schema(self, kept: Sequence[str]) -> pa.Schema:
        if self._rows is None:
            schema = pq.read_schema(self._files[0]).remove_metadata()
        else:
            store = RowStore(Path(self._rows))
            schema = pa.schema([store.schema.field(name) for name in store.visible(kept)])
        for column in self._generated:
            vector = pa.list_(pa.float32(), column.width)
            schema = schema.append(generated_field(column.name, vector))
        return schema

    def write_rows(self, path: Path, progress: _Progress) -> None:
        """Lay the rows out by number."""
        report = progress.step()
        writer = RowWriter(path, self.schema)
        done = 0
        for batch in self._read():
            writer.write(batch)
            done += batch.num_rows
            report(done)
        writer.finish()
        self._rows = str(path)

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield some columns of all rows, with the number of the first row of each batch."""
        assert self._rows is not None
        first = 0
        for batch in RowStore(Path(self._rows)).batches(columns):
            yield first, batch
            first += batch.num_rows

    def _read(self) -> Iterator[pa.RecordBatch]:
        new = {column.name for column in self._generated}
        if self._rows is not None:
            there = [name for name in self.schema.names if name not in new]
            yield from map(self._complete, RowStore(Path(self._rows)).batches(there))
            return
        for path in self._files:
            with pq.ParquetFile(path) as file:
                yield from map(self._complete, file.iter_batches(_BATCH_ROWS))

    def _complete(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        for column in self._generated:
            vectors = self._vectors[column.name]
            arrays[column.name] = vectors.of(arrays[column.source_column])
        ordered = [arrays[name] for name in self.schema.names]
        return pa.RecordBatch.from_arrays(ordered, schema=self.schema)


class _Vectors:
    """Vectors by the hash of their text, left where they lie: in mapped files."""

    def __init__(self, files: Sequence[str], width: int) -> None:
        self._places: dict[bytes, tuple[int, int]] = {}
        self._parts: list[np.ndarray] = []
        self._width = width
        for path in files:
            reader = pa.ipc.open_file(pa.memory_map(path))
            for number in range(reader.num_record_batches):
                self._add(reader.get_batch(number))

    def _add(self, batch: pa.RecordBatch) -> None:
        part = len(self._parts)
        vectors: Any = batch.column(VECTOR)
        matrix, _ = as_matrix(vectors)
        self._parts.append(matrix)
        hashes: list[Any] = batch.column(HASH).to_pylist()
        self._places.update((key, (part, row)) for row, key in enumerate(hashes))

    def of(self, texts: Any) -> Any:  # noqa: ANN401 - an array of text, and one of vectors
        """Return the vector of each text; NULL for NULL and for an empty text."""
        coded: Any = pc.dictionary_encode(pc.cast(texts, pa.large_string()))
        nowhere = (-1, 0)
        found = [self._places.get(hash_of(text), nowhere) for text in coded.dictionary.to_pylist()]
        places = np.array([*found, nowhere], dtype=np.int64)
        codes = coded.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
        parts, rows = places[codes, 0], places[codes, 1]
        vectors = np.zeros((len(codes), self._width), np.float32)
        for number in np.unique(parts[parts >= 0]):
            here = parts == number
            vectors[here] = self._parts[number][rows[here]]
        flat = pa.array(vectors.reshape(-1), pa.float32())
        return pa.FixedSizeListArray.from_arrays(flat, self._width, mask=pa.array(parts < 0))


def _build_bm25(order: IndexOrder, source: _Source, memory_bytes: int, progress: _Progress) -> None:
    report = progress.step()
    spec = Bm25Spec(order.columns, order.language or DEFAULT_LANGUAGE)
    builder = Bm25Builder(spec, Path(order.folder), memory_bytes=memory_bytes)
    for first, batch in source.batches(order.columns):
        builder.add(batch, first)
        report(first + batch.num_rows)
    builder.finish()


def _build_vector(order: IndexOrder, source: _Source, progress: _Progress) -> int:
    assert order.metric is not None
    assert order.storage is not None
    (column,) = order.columns
    width = _width_of(column, source)
    spec = VectorSpec(column, order.metric.value, width, order.storage.value)
    builder = VectorBuilder(spec, Path(order.folder), threads=_THREADS)
    for first, batch in source.batches([column]):
        builder.add(batch.column(column), first)
    builder.finish(progress.step())
    return width


def _width_of(column: str, source: _Source) -> int:
    """Say how many numbers the vectors of a column have: what the type says, or the first of them."""
    dtype = source.schema.field(column).type
    if pa.types.is_fixed_size_list(dtype):
        return int(dtype.list_size)
    for _, batch in source.batches([column]):
        lengths = pc.list_value_length(batch.column(column)).drop_null()
        if len(lengths):
            return int(lengths[0].as_py())
    raise InvalidRequest(f"could not detect dimension for '{column}': it holds no vector")
