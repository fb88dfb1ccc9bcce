"""The indexes a worker has open: opening one costs milliseconds, a search in it less than one."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from engine.documents.segments.set import Segment, SegmentSet
from engine.indexes.arrow_vectors import Mask
from engine.indexes.bm25 import Bm25Index, Bm25Spec
from engine.indexes.hits import Hits
from engine.indexes.row_store import RowStore
from engine.indexes.row_union import RowUnion
from engine.indexes.vector import VectorIndex, VectorSpec
from engine.workers.document_tasks import DocumentPart, SegmentBinding
from engine.workers.tasks import IndexBinding, TableBinding

_OPEN_MAX = 48
_SEGMENTS_MAX = 256
"""Each holds up to two files open."""

T = TypeVar("T")


class OpenIndexes:
    """Opened files by path; they are immutable, so what is open never goes stale."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._opened = _Kept(_OPEN_MAX)
        self._segments = _Kept(_SEGMENTS_MAX)

    def rows(self, path: str) -> RowStore:
        """Open the rows of a table version."""
        return self._opened.get(path, lambda: RowStore(Path(path)))

    def rows_of(self, table: TableBinding) -> RowStore | RowUnion:
        """Open the rows of a table by number."""
        documents = table.documents
        if documents is None:
            assert table.rows is not None
            return self.rows(table.rows)
        opened = self.segments(documents.segments)
        if documents.part is DocumentPart.ENTRIES:
            return opened.entry_rows
        return opened.chunk_rows(documents.dimensions)

    def visible(self, table: TableBinding) -> list[str]:
        """Name the columns that a table has by number, in order."""
        return self.rows_of(table).visible(table.generated)

    def segments(self, bindings: tuple[SegmentBinding, ...]) -> SegmentSet:
        """Open segments of documents."""
        return self._opened.get(
            bindings, lambda: SegmentSet(bindings, self._segment, self._scratch)
        )

    def find_words(
        self,
        table: TableBinding,
        index: IndexBinding,
        text: str,
        columns: Sequence[str],
        limit: int,
    ) -> Hits:
        """Search a BM25 index of a table: see :meth:`Bm25Index.search`."""
        opened = self._words(table, index)
        if opened is None:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        return opened.search(text, columns=columns, limit=limit)

    def find_nearest(
        self,
        table: TableBinding,
        index: IndexBinding,
        vector: np.ndarray,
        limit: int,
        within: Mask | None = None,
    ) -> Hits:
        """Search a vector index of a table: see :meth:`VectorIndex.search`."""
        assert index.dimensions is not None
        if table.documents is not None:
            union = self.segments(table.documents.segments).vectors(index.dimensions)
            return union.search(vector, limit, within=within)
        return self._vector(index, index.dimensions).search(vector, limit, within=within)

    def _words(self, table: TableBinding, index: IndexBinding) -> Bm25Index | None:
        if table.documents is not None:
            opened = self.segments(table.documents.segments)
            if table.documents.part is DocumentPart.ENTRIES:
                return opened.entry_words
            return opened.chunk_words
        assert index.folder is not None
        assert index.language is not None
        folder, spec = Path(index.folder), Bm25Spec(index.columns, index.language)

        def open_index() -> Bm25Index:
            self._scratch.mkdir(parents=True, exist_ok=True)
            return Bm25Index.open(folder, spec, self._scratch)

        return self._opened.get(index.folder, open_index)

    def _vector(self, index: IndexBinding, dimensions: int) -> VectorIndex:
        assert index.folder is not None
        assert index.metric is not None
        assert index.storage is not None
        folder = Path(index.folder)
        spec = VectorSpec(index.columns[0], index.metric.value, dimensions, index.storage.value)
        return self._opened.get(index.folder, lambda: VectorIndex.open(folder, spec))

    def _segment(self, folder: str) -> Segment:
        return self._segments.get(folder, lambda: Segment(Path(folder)))


class _Kept:
    """What was used last, so many of it."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._opened: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key, made when it is new."""
        opened: T = self._opened.get(key) or make()
        self._opened[key] = opened
        self._opened.move_to_end(key)
        if len(self._opened) > self._count_max:
            self._opened.popitem(last=False)
        return opened
