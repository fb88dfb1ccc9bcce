"""An index of the vectors of one column: a folder of files, written once, then mapped into memory.

=====================  =====================================================================
``vectors.f32``        the vectors, one after another
``squares.f64``        the squared length of each
``rows.i64``           the row number of each; absent when no row is left out
``graph.usearch`` ...  where searching all vectors is slower; see ``graph``
``facts.json``         what the index is of, how many rows there are, how codes are made
=====================  =====================================================================

The invariant: every distance that is returned comes from ``distances`` over the float32 vectors. The
graph only proposes candidates. When looking at all rows that count costs less, or the graph would
mislead, the search is exact; and where that is so at every search there is no graph.

Rows whose vector is null, or has a null inside, are in no search.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidRequest
from engine.indexes.arrow_vectors import Array, Ints, Mask, Matrix
from engine.indexes.codes import STORAGES, Codec
from engine.indexes.distances import METRICS, Floats, as_matrix, squared_lengths
from engine.indexes.exact import VectorSet
from engine.indexes.graph import Graph, build_graph, remove_graph
from engine.indexes.graph_search import GraphSearch, exact_ms, measured_search
from engine.indexes.hits import Hits

GRAPH_FROM_EXACT_MS = 1.0
"""A graph is built when an exact search of all vectors would cost more than this."""
_FORMAT = 1
_SAMPLE_VALUES = 4 << 20
_WRITE_VALUES = 1 << 20
_VECTORS_FILE = "vectors.f32"
_SQUARES_FILE = "squares.f64"
_ROWS_FILE = "rows.i64"
_FACTS_FILE = "facts.json"

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """What an index is of.

    Attributes:
        column: name of the column of vectors.
        metric: one of ``METRICS``.
        dimensions: of every vector and query.
        storage: of the vectors in the graph, one of ``STORAGES``; searches are as good with each,
            and the memory they need is a quarter, a half, or all of that of the vectors.
    """

    column: str
    metric: str
    dimensions: int
    storage: str = "i8"

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise InvalidRequest(f"The metric is one of {', '.join(METRICS)}, not {self.metric!r}")
        if self.storage not in STORAGES:
            names = ", ".join(STORAGES)
            raise InvalidRequest(f"The storage is one of {names}, not {self.storage!r}")
        if self.dimensions < 1:
            raise InvalidRequest("A vector has at least one dimension")


class VectorBuilder:
    """Writes an index: rows are added in order, then ``finish``."""

    def __init__(self, spec: VectorSpec, folder: Path, *, threads: int) -> None:
        """Begin an index in an empty folder; ``threads`` build the graph."""
        self._spec = spec
        self._folder = folder
        self._threads = threads
        self._table_rows = 0
        self._rows: list[Ints] = []
        for name in (_VECTORS_FILE, _SQUARES_FILE):
            (folder / name).touch()

    def add(self, vectors: Array, first_row: int) -> None:
        """Take the vectors of the next rows of the table; nulls are left out.

        Args:
            vectors: an array or chunked array of lists of numbers; see ``arrow_vectors``.
            first_row: the number of the first of these rows; not below those added before.

        Raises:
            InvalidRequest: a vector has other dimensions, or a number that is NaN or infinite, or
                too large for float32.
        """
        assert first_row >= self._table_rows
        for chunk in vectors.chunks if isinstance(vectors, pa.ChunkedArray) else [vectors]:
            self._add_chunk(chunk, first_row)
            first_row += len(chunk)
        self._table_rows = first_row

    def finish(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Build the graph where it is worth it, and write what is left.

        Args:
            on_progress: told from time to time how many of the vectors are in the graph; at last
                that all are.
        """
        on_progress = on_progress or (lambda _: None)
        rows = np.concatenate([np.empty(0, np.int64), *self._rows])
        if len(rows) < self._table_rows:
            rows.tofile(self._folder / _ROWS_FILE)
        search = None
        if exact_ms(len(rows), len(rows), self._spec.dimensions) > GRAPH_FROM_EXACT_MS:
            search = self._build_graph(len(rows), on_progress)
        _Facts(self._spec, self._table_rows, len(rows)).write(self._folder, search)
        on_progress(len(rows))

    def _add_chunk(self, chunk: Array, first_row: int) -> None:
        matrix, valid = as_matrix(chunk, dimensions=self._spec.dimensions, first_row=first_row)
        matrix = matrix if valid.all() else matrix[valid]
        rows = first_row + np.flatnonzero(valid)
        finite = np.isfinite(matrix).all(axis=1)
        if not finite.all():
            row = rows[np.argmin(finite)]
            raise InvalidRequest(
                f"The vector in row {row} has a number that is not finite or too large for float32"
            )
        block = max(1, _WRITE_VALUES // self._spec.dimensions)
        with (
            (self._folder / _VECTORS_FILE).open("ab") as vectors_file,
            (self._folder / _SQUARES_FILE).open("ab") as squares_file,
        ):
            for start in range(0, len(matrix), block):
                part = np.ascontiguousarray(matrix[start : start + block])
                part.tofile(vectors_file)
                squared_lengths(part).tofile(squares_file)
        self._rows.append(rows)

    def _build_graph(self, count: int, on_progress: Callable[[int], None]) -> GraphSearch | None:
        vectors = _open_vectors(self._folder, self._spec, count)
        positions = np.arange(count)
        if self._spec.metric == "cosine":  # a graph of directions has no place for zero vectors
            positions = np.flatnonzero(vectors.squares)
        if not len(positions):
            return None
        step = -(-len(positions) * self._spec.dimensions // _SAMPLE_VALUES)
        sample = vectors.matrix[positions[::step]]
        codec = Codec.fitted(self._spec.storage, self._spec.metric, sample)
        build_graph(self._folder, codec, vectors.matrix, positions,
                    threads=self._threads, on_progress=on_progress)  # fmt: skip
        search = measured_search(vectors, codec, Graph(self._folder, codec))
        if search is None:
            remove_graph(self._folder)
        return search


class VectorIndex:
    """An open index. Searches must not run in several threads at once."""

    def __init__(
        self,
        facts: "_Facts",
        rows: Ints | None,
        vectors: VectorSet,
        graph_search: GraphSearch | None,
    ) -> None:
        self._facts = facts
        self._rows = rows
        self._all = vectors
        self._graph_search = graph_search

    @classmethod
    def open(cls, folder: Path, spec: VectorSpec) -> "VectorIndex":
        """Map the files of a finished index; nothing is read until a search needs it."""
        facts, graph = _Facts.read(folder)
        assert facts.spec == spec, "the index was built as something else"
        rows_file = folder / _ROWS_FILE
        rows = _mapped(rows_file, np.int64) if rows_file.exists() else None
        vectors = _open_vectors(folder, spec, facts.row_count)
        graph_search = None
        if graph is not None:
            centre = np.array(graph["centre"], np.float64)
            codec = Codec(spec.storage, spec.metric, centre, graph["reach"])
            graph_search = GraphSearch(vectors, codec, Graph(folder, codec), graph["base_depth"])
        return cls(facts, rows, vectors, graph_search)

    @property
    def row_count(self) -> int:
        """How many rows have a vector."""
        return self._facts.row_count

    @property
    def has_graph(self) -> bool:
        """Whether searches use a graph; without one all are exact."""
        return self._graph_search is not None

    @property
    def size_bytes(self) -> int:
        """What must be in memory for searches to be fast: the graph, or else the vectors."""
        if self._graph_search is None:
            return self._all.matrix.nbytes
        return self._graph_search.graph.size_bytes

    @property
    def vectors(self) -> Matrix:
        """The vectors, (row_count, dimensions), mapped from the file."""
        return self._all.matrix

    @property
    def rows(self) -> Ints:
        """The row number of each vector."""
        return np.arange(self.row_count) if self._rows is None else self._rows

    @property
    def vector_set(self) -> VectorSet:
        """The vectors, for exact searches."""
        return self._all

    def search(
        self,
        query: npt.NDArray[Any],
        limit: int,
        *,
        within: Mask | None = None,
        exact: bool = False,
    ) -> Hits:
        """Find the rows with the nearest vectors.

        Args:
            query: (dimensions,), any numbers; they become float32.
            limit: rows at most; as many are found if they exist.
            within: for each row of the table, whether it counts.
            exact: look at all rows that count.

        Returns:
            Distances and row numbers, by distance, then row number.

        Raises:
            InvalidRequest: the query has other dimensions than the index, or a number that is not
                finite or too large for float32.
        """
        query = check_query(query, self._facts.spec.dimensions)
        chosen = None
        if within is not None:
            assert len(within) == self._facts.table_rows, "one value for each row of the table"
            chosen = within if self._rows is None else within[self._rows]
        count = self.row_count if chosen is None else int(np.count_nonzero(chosen))
        limit = min(limit, count)
        if limit <= 0:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        found = None
        if self._graph_search is not None and not exact:
            found = self._graph_search.nearest(query, limit, chosen, count)
        if found is None:
            every = None if chosen is None else np.flatnonzero(chosen)
            found = self._all.nearest(query, limit, every)
        positions, values = found
        return Hits(positions if self._rows is None else self._rows[positions], values)


def check_query(query: npt.NDArray[Any], dimensions: int) -> Floats:
    """Return a query as 32-bit floats.

    Raises:
        InvalidRequest: it has other dimensions, or a number that is not finite or too large.
    """
    if query.shape != (dimensions,):
        raise InvalidRequest(f"The query has {query.size} dimensions, the index {dimensions}")
    with np.errstate(over="ignore"):
        floats = query.astype(np.float32)
    if not np.isfinite(floats).all():
        raise InvalidRequest("The query has a number that is not finite or too large for float32")
    return floats


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the JSON file tells, besides how the graph is searched."""

    spec: VectorSpec
    table_rows: int
    row_count: int

    def write(self, folder: Path, search: GraphSearch | None) -> None:
        facts = asdict(self) | {"format": _FORMAT, "graph": None}
        if search is not None:
            facts["graph"] = {
                "centre": search.codec.centre.tolist(),
                "reach": search.codec.reach,
                "base_depth": search.base_depth,
            }
        (folder / _FACTS_FILE).write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> tuple["_Facts", dict[str, Any] | None]:
        facts = json.loads((folder / _FACTS_FILE).read_text(encoding="utf-8"))
        assert facts["format"] == _FORMAT, "the index is of another release"
        spec = VectorSpec(**facts["spec"])
        return cls(spec, facts["table_rows"], facts["row_count"]), facts["graph"]


def _open_vectors(folder: Path, spec: VectorSpec, count: int) -> VectorSet:
    matrix = _mapped(folder / _VECTORS_FILE, np.float32).reshape(count, spec.dimensions)
    return VectorSet(spec.metric, matrix, _mapped(folder / _SQUARES_FILE, np.float64))


def _mapped(path: Path, dtype: type[_Scalar]) -> npt.NDArray[_Scalar]:
    if not path.stat().st_size:  # nothing cannot be mapped
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype, mode="r"))
