"""Who else searches: LanceDB, bm25s and hnswlib in this process; and whether DuckDB could.

Each is imported when it is used: one that is not installed is reported as missing.
"""

import importlib.util
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.search_data import DIMENSIONS, PARTS, Vectors

_K = 10
_M, _EF_CONSTRUCTION = 16, 128
_THREADS = 2
_DUCKDB_EXTENSIONS = ("fts", "vss")


def is_installed(peer: str) -> bool:
    """Tell whether a peer can be imported."""
    return importlib.util.find_spec(peer) is not None


class LanceTable:
    """A table of LanceDB in a folder."""

    def __init__(self, folder: Path, name: str, rows: pa.Table | Path) -> None:
        import lancedb  # noqa: PLC0415 - may be missing

        self._database: Any = lancedb.connect(folder / "lancedb")
        data = pq.read_table(rows) if isinstance(rows, Path) else rows
        self._table: Any = self._database.create_table(name, data, mode="overwrite")

    def index_words(self, column: str) -> float:
        """Build its full-text index with positions, as ours has them; return the seconds it took."""
        from lancedb.index import FTS  # noqa: PLC0415 - may be missing

        return self._index(column, FTS(with_position=True))

    def index_vectors(self, column: str, kind: str) -> float:
        """Build a vector index by the name of its class, with its defaults; return the seconds."""
        import lancedb.index  # noqa: PLC0415 - may be missing

        return self._index(column, getattr(lancedb.index, kind)(distance_type="cosine"))

    def find_words(self, text: str) -> pa.Table:
        """Search for words; what comes back is what our statement selects."""
        found = self._table.search(text, query_type="fts").limit(_K)
        rows: pa.Table = found.select(["id", "body", "_score"]).to_arrow()
        return rows

    def find_near(self, query: Vectors, parts_below: int) -> list[int]:
        """Return the ids of near vectors; a filter comes first."""
        return self._found(self._search(query), parts_below)

    def find_exactly(self, query: Vectors, parts_below: int) -> list[int]:
        """Return the ids of the nearest vectors, without an index."""
        return self._found(self._search(query).bypass_vector_index(), parts_below)

    def _search(self, query: Vectors) -> Any:  # noqa: ANN401 - of no typed package
        return self._table.search(query, vector_column_name="v").distance_type("cosine")

    def _found(self, search: Any, parts_below: int) -> list[int]:  # noqa: ANN401 - as above
        if parts_below < PARTS:
            search = search.where(f"part < {parts_below}", prefilter=True)
        found = search.limit(_K).select(["id", "_distance"]).to_arrow()
        ids: list[int] = found.column("id").to_pylist()
        return ids

    def _index(self, column: str, config: object) -> float:
        started_s = time.perf_counter()
        self._table.create_index(column, config=config, replace=True)
        return time.perf_counter() - started_s


class Bm25s:
    """The index of bm25s, in memory."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        import bm25s  # noqa: PLC0415 - may be missing

        self._module: Any = bm25s
        self._index: Any = bm25s.BM25()
        started_s = time.perf_counter()
        self._index.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
        self.build_s = time.perf_counter() - started_s

    def find_words(self, text: str) -> list[int]:
        """Return the numbers of the best documents."""
        words = self._module.tokenize([text], show_progress=False)
        rows: list[int] = self._index.retrieve(words, k=_K, show_progress=False)[0][0].tolist()
        return rows


class Hnswlib:
    """The graph of hnswlib, in memory, over vectors of length one."""

    def __init__(self, vectors: Vectors, *, depth: int) -> None:
        import hnswlib  # noqa: PLC0415 - may be missing

        self._index: Any = hnswlib.Index("cosine", DIMENSIONS)
        started_s = time.perf_counter()
        self._index.init_index(len(vectors), M=_M, ef_construction=_EF_CONSTRUCTION)
        self._index.add_items(vectors, num_threads=_THREADS)
        self.build_s = time.perf_counter() - started_s
        self._index.set_ef(depth)

    def find_near(self, query: Vectors, parts_below: int) -> list[int]:
        """Return the numbers of near vectors; it filters by calls of Python, so it does not here."""
        assert parts_below == PARTS
        found: list[int] = self._index.knn_query(query, k=_K, num_threads=1)[0][0].tolist()
        return found


def missing_extensions() -> Iterable[str]:
    """Say why DuckDB's searches are not measured: its extensions must be downloaded."""
    for name in _DUCKDB_EXTENSIONS:
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
            try:
                connection.execute(f"LOAD {name}")
            except duckdb.Error:
                yield f"DuckDB's extension {name} would have to be downloaded: not measured"
            else:
                yield f"DuckDB's extension {name} is there, but is not measured"


def recall(found: Sequence[list[int]], true: Sequence[set[int]]) -> float:
    """Return the share of what is nearest that was found."""
    return float(
        np.mean([len(b.intersection(a)) / len(b) for a, b in zip(found, true, strict=True)])
    )
