"""The indexes a worker has open: opening one costs milliseconds, a search in it less than one."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from engine.indexes.bm25 import Bm25Index, Bm25Spec
from engine.indexes.row_store import RowStore
from engine.indexes.vector import VectorIndex, VectorSpec
from engine.workers.tasks import IndexBinding, TableBinding

_OPEN_MAX = 48

T = TypeVar("T")


class OpenIndexes:
    """Opened files by path; they are immutable, so what is open never goes stale."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._opened: OrderedDict[str, Any] = OrderedDict()

    def rows(self, path: str) -> RowStore:
        """Open the rows of a table version."""
        return self._open(path, lambda: RowStore(Path(path)))

    def visible(self, binding: TableBinding) -> list[str]:
        """Name the columns that a table has by number, in order."""
        assert binding.rows is not None
        return self.rows(binding.rows).visible(binding.generated)

    def bm25(self, index: IndexBinding) -> Bm25Index:
        """Open a built BM25 index."""
        assert index.folder is not None
        assert index.language is not None
        folder, spec = Path(index.folder), Bm25Spec(index.columns, index.language)

        def open_index() -> Bm25Index:
            self._scratch.mkdir(parents=True, exist_ok=True)
            return Bm25Index.open(folder, spec, self._scratch)

        return self._open(index.folder, open_index)

    def vector(self, index: IndexBinding) -> VectorIndex:
        """Open a built vector index."""
        assert index.folder is not None
        assert index.metric is not None
        assert index.storage is not None
        assert index.dimensions is not None
        folder = Path(index.folder)
        spec = VectorSpec(
            index.columns[0], index.metric.value, index.dimensions, index.storage.value
        )
        return self._open(index.folder, lambda: VectorIndex.open(folder, spec))

    def _open(self, path: str, make: Callable[[], T]) -> T:
        opened: T = self._opened.get(path) or make()
        self._opened[path] = opened
        self._opened.move_to_end(path)
        if len(self._opened) > _OPEN_MAX:
            self._opened.popitem(last=False)
        return opened
