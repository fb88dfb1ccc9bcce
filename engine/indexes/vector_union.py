"""Several vector indexes searched as one, in the order of their rows.

The invariant: what is found is what one index over all rows would find: each part gives its nearest, by
exact distances, and the nearest of these are the answer. Small parts are copied together when they are
opened, and searched as one part: a search costs more than looking at a hundred vectors.

The trap: a part that leaves rows out may have a graph, so they are masked before the search and not
after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.indexes.arrow_vectors import Ints, Mask
from engine.indexes.exact import VectorSet
from engine.indexes.hits import Hits
from engine.indexes.vector import VectorIndex, check_query

_GATHERED_VALUES = 1 << 20
"""Numbers of a part that is copied: 4 MiB."""
_GATHERED_VALUES_MAX = 16 << 20
"""Of all parts that are."""


@dataclass(frozen=True, slots=True)
class VectorPart:
    """An index over rows from 0, how many those are, and which of them count (None = all).

    ``index`` is None when no row has a vector.
    """

    index: VectorIndex | None
    row_count: int
    alive: Mask | None = None


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Vectors of several parts, with their rows, which ascend."""

    vectors: VectorSet
    rows: Ints


class VectorUnion:
    """Open indexes of one width and metric. Searches must not run in several threads at once."""

    def __init__(self, parts: Sequence[VectorPart], *, dimensions: int) -> None:
        bases = np.cumsum([0, *(part.row_count for part in parts)], dtype=np.int64)
        placed = [(part, int(base)) for part, base in zip(parts, bases, strict=False) if part.index]
        self._dimensions = dimensions
        small, self._large = _split(placed)
        self._gathered = _gather(small) if small else None

    def search(
        self, query: npt.NDArray[np.floating], limit: int, *, within: Mask | None = None
    ) -> Hits:
        """Find the rows with the nearest vectors.

        Args:
            query: (dimensions,), any numbers; they become float32.
            limit: rows at most; as many are found if they exist.
            within: for each row of all parts, whether it counts.

        Returns:
            Distances and row numbers, by distance, then row number.

        Raises:
            InvalidRequest: as from an index.
        """
        query = check_query(query, self._dimensions)
        found = [_of_part(part, base, query, limit, within) for part, base in self._large]
        if self._gathered is not None:
            found.append(_of_gathered(self._gathered, query, limit, within))
        if len(found) == 1:
            return found[0]
        rows = np.concatenate([np.empty(0, np.int64), *(hits.rows for hits in found)])
        values = np.concatenate([np.empty(0, np.float32), *(hits.values for hits in found)])
        best = np.lexsort((rows, values))[:limit]
        return Hits(rows[best], values[best])


def _split(
    placed: Sequence[tuple[VectorPart, int]],
) -> tuple[list[tuple[VectorPart, int]], list[tuple[VectorPart, int]]]:
    """Choose the parts that are copied together."""
    small, large = [], []
    values = 0
    for part, base in placed:
        assert part.index is not None
        size = part.index.vectors.size
        is_small = size <= _GATHERED_VALUES and values + size <= _GATHERED_VALUES_MAX
        if is_small and not part.index.has_graph:
            values += size
            small.append((part, base))
        else:
            large.append((part, base))
    return small, large


def _gather(placed: Sequence[tuple[VectorPart, int]]) -> _Gathered:
    matrices, squares, rows = [], [], []
    for part, base in placed:
        assert part.index is not None
        kept = slice(None) if part.alive is None else part.alive[part.index.rows]
        vectors = part.index.vector_set
        matrices.append(vectors.matrix[kept])
        squares.append(vectors.squares[kept])
        rows.append(part.index.rows[kept] + base)
    together = VectorSet(vectors.metric, np.concatenate(matrices), np.concatenate(squares))
    return _Gathered(together, np.concatenate(rows))


def _of_part(
    part: VectorPart, base: int, query: np.ndarray, limit: int, within: Mask | None
) -> Hits:
    mask = part.alive
    if within is not None:
        here = within[base : base + part.row_count]
        mask = here if mask is None else here & mask
    assert part.index is not None
    hits = part.index.search(query, limit, within=mask)
    return Hits(hits.rows + base, hits.values)


def _of_gathered(part: _Gathered, query: np.ndarray, limit: int, within: Mask | None) -> Hits:
    chosen = None if within is None else np.flatnonzero(within[part.rows])
    count = len(part.rows) if chosen is None else len(chosen)
    if not min(limit, count):
        return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
    positions, values = part.vectors.nearest(query, min(limit, count), chosen)
    return Hits(part.rows[positions], values)
