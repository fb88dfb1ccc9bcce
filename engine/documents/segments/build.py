"""Builds a segment of a document dataset inside a worker: staged entries and live rows in, files out.

Everything is read once, in order, and written along the way to all files at once; so memory does not grow
with the rows. The invariant: ``facts.json`` is written last. A folder without it is no segment, and a
segment is never written again.

The trap: what is merged is indexed again, because the numbers of its rows change and dead rows are
left out: a merge costs what a build costs.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from engine.documents.search.entry_words import EntryWordsBuilder, IndexedEntry
from engine.documents.segments.columns import (
    CHUNK_TEXTS,
    EMBEDDING,
    ENTRY_SCHEMA,
    REGISTRATION,
    chunk_schema,
    document_schema,
)
from engine.documents.segments.files import (
    CHUNK_WORDS,
    ENTRY_WORDS,
    VECTORS,
    SegmentFacts,
    parquet_path,
    rows_path,
    write_facts,
)
from engine.documents.segments.parquet import ParquetRows
from engine.documents.segments.source import NewEntry, OldSegment
from engine.errors import InvalidRequest
from engine.indexes.bm25 import Bm25Builder, Bm25Spec
from engine.indexes.row_store import RowWriter
from engine.indexes.vector import VectorBuilder, VectorSpec
from engine.workers.document_tasks import DocumentPart, SegmentTask

"""The columns of chunks that are searched by words."""
_ENTRY_TEXTS = ("name", "title", "description", "text")
_BATCH_ENTRIES = 4
"""The text of one may be a line, and that of the next a book."""
_THREADS = 2

Report = Callable[[int], None]


def build_segment(task: SegmentTask, report: Report) -> dict[str, Any]:
    """Build what a task says.

    Args:
        task: its sources, its older segments, and an empty folder.
        report: told of the rows done, over all tables.

    Returns:
        ``files``, named from the folder, and their ``size_bytes``; ``registrations`` in the order of the
        entries; ``entry_count``, ``chunk_count``, ``vector_count``, ``dimensions``.

    Raises:
        InvalidRequest: vectors do not belong to the chunks, or a registration comes twice.
    """
    folder = Path(task.output_folder)
    writer = _Writer(task, report)
    parts: list[NewEntry | OldSegment] = [
        *(OldSegment(each, task.dimensions) for each in task.merged),
        *(NewEntry(each, task.dimensions) for each in task.sources),
    ]
    for part in parts:
        writer.add_entries(part.entries())
        writer.add_chunks(part.chunks())
        writer.add_files(part.files())
    facts = writer.finish()
    write_facts(facts, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "files": [path.relative_to(folder).as_posix() for path in files],
        "size_bytes": sum(path.stat().st_size for path in files),
        "registrations": facts.registrations.tolist(),
        "entry_count": facts.entry_count,
        "chunk_count": facts.chunk_count,
        "vector_count": writer.vector_count,
        "dimensions": task.dimensions,
    }


def chunk_spec(language: str) -> Bm25Spec:
    """Say what the full-text index of chunks is of."""
    return Bm25Spec(CHUNK_TEXTS, language)


def vector_spec(dimensions: int, metric: str, storage: str) -> VectorSpec:
    """Say what the vector index of chunks is of."""
    return VectorSpec(EMBEDDING, metric, dimensions, storage)


class _Writer:
    """The files of a segment, while they are written."""

    def __init__(self, task: SegmentTask, report: Report) -> None:
        self._task = task
        self._report = report
        self._done = 0
        self._chunk_rows = 0
        self._ids: list[np.ndarray] = []
        self.vector_count = 0
        folder = Path(task.output_folder)
        self._parquet = {
            part: ParquetRows(parquet_path(folder, part), document_schema(part))
            for part in DocumentPart
        }
        entries, chunks = DocumentPart.ENTRIES, DocumentPart.CHUNKS
        self._rows = {
            entries: RowWriter(
                rows_path(folder, entries),
                ENTRY_SCHEMA,
                compression=None,
                batch_rows=_BATCH_ENTRIES,
            ),
            chunks: RowWriter(
                rows_path(folder, chunks), chunk_schema(task.dimensions), compression=None
            ),
        }
        share_bytes = task.memory_bytes // 4
        self._chunk_words = Bm25Builder(
            chunk_spec(task.language), _made(folder / CHUNK_WORDS), memory_bytes=share_bytes
        )
        self._entry_words = EntryWordsBuilder(
            task.language, _made(folder / ENTRY_WORDS), memory_bytes=share_bytes
        )
        self._vectors: VectorBuilder | None = None
        if task.dimensions is not None:
            spec = vector_spec(task.dimensions, task.metric.value, task.storage.value)
            self._vectors = VectorBuilder(spec, _made(folder / VECTORS), threads=_THREADS)

    def add_entries(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take the next entries."""
        for batch in batches:
            ids = [batch.column(name) for name in (REGISTRATION, "id", "chunk_count")]
            self._ids.append(np.stack([column.to_numpy() for column in ids]).astype(np.int64))
            self._rows[DocumentPart.ENTRIES].write(batch)
            self._parquet[DocumentPart.ENTRIES].write(batch)
            for row in batch.to_pylist():
                self._entry_words.add(_indexed(row))
            self._tell(batch.num_rows)

    def add_chunks(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take the next chunks, of the entries that came last."""
        for batch in batches:
            self._rows[DocumentPart.CHUNKS].write(batch)
            self._parquet[DocumentPart.CHUNKS].write(batch.select(self._parquet_columns))
            self._chunk_words.add(batch, self._chunk_rows)
            if self._vectors is not None:
                vectors = batch.column(EMBEDDING)
                self._vectors.add(vectors, self._chunk_rows)
                self.vector_count += batch.num_rows - vectors.null_count
            self._chunk_rows += batch.num_rows
            self._tell(batch.num_rows)

    def add_files(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take the next files."""
        for batch in batches:
            self._parquet[DocumentPart.FILES].write(batch)

    def finish(self) -> SegmentFacts:
        """Write what is left of all files."""
        registrations, entry_ids, chunk_counts = np.concatenate(
            [np.zeros((3, 0), np.int64), *self._ids], axis=1
        )
        if len(np.unique(registrations)) < len(registrations):
            raise InvalidRequest("A registration can be in a segment only once.")
        assert chunk_counts.sum() == self._chunk_rows, "entries know their chunks"
        outputs: list[RowWriter | ParquetRows] = [*self._rows.values(), *self._parquet.values()]
        for output in outputs:
            output.finish()
        # tantivy waits for the disk, most of the time that a small segment takes.
        with ThreadPoolExecutor(2, thread_name_prefix="words") as threads:
            words = [
                threads.submit(index.finish) for index in (self._chunk_words, self._entry_words)
            ]
            if self._vectors is not None:
                self._vectors.finish(lambda rows: self._report(self._done + rows))
            for each in words:
                each.result()
        task = self._task
        return SegmentFacts(
            language=task.language,
            dimensions=task.dimensions,
            metric=task.metric,
            storage=task.storage,
            registrations=registrations,
            entry_ids=entry_ids,
            chunk_counts=chunk_counts,
            field_values=self._entry_words.field_values,
        )

    @property
    def _parquet_columns(self) -> Sequence[str]:
        return document_schema(DocumentPart.CHUNKS).names

    def _tell(self, rows: int) -> None:
        self._done += rows
        self._report(self._done)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _indexed(row: dict[str, Any]) -> IndexedEntry:
    return IndexedEntry(
        registration=row[REGISTRATION],
        dataset_id=row["dataset_id"],
        texts=tuple(row[column] for column in _ENTRY_TEXTS),
        mime_type=row["mime_type"],
        tags=tuple(tag for tag in row["tags"] or () if tag is not None),
        metadata=orjson.loads(row["metadata"]) if row["metadata"] else {},
    )
