"""The graph in which near vectors are found: HNSW by usearch, one file that is mapped into memory.

Each node is a code that occurs, and stands for all vectors with this code. Vectors that occur many
times would otherwise have only their copies for neighbours, and the search could not leave them:
recall 0.76 at half the vectors alike. A second file tells the vectors of a node where any node
has more than one.

The traps of usearch 2.26: it finds as many neighbours as were asked for with a search as deep as
that, whatever its own setting; adding a key twice raises; and the table of keys that it makes
at each opening is of no use here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from usearch.index import Index

from engine.indexes.arrow_vectors import Ints, Matrix
from engine.indexes.codes import Codec, Codes

_GRAPH_FILE = "graph.usearch"
_MEMBERS_FILE = "members.u32"
_STARTS_FILE = "starts.u32"
_FILES = (_GRAPH_FILE, _MEMBERS_FILE, _STARTS_FILE)
_CONNECTIVITY: Final = 16
_EXPANSION_ADD: Final = 128
_BLOCK_VALUES = 8 << 20
"""Encoded and added together: as double precision 64 MiB."""

Numbers = npt.NDArray[np.uint32]


class Graph:
    """An open graph. Searches must not run in several threads at once."""

    def __init__(self, folder: Path, codec: Codec) -> None:
        self._index = _new_index(codec)
        self.size_bytes = sum(
            path.stat().st_size for path in folder.iterdir() if path.name in _FILES
        )
        self._index.view(str(folder / _GRAPH_FILE))
        self._starts: Numbers | None = None
        if (folder / _STARTS_FILE).exists():
            self._starts = _mapped(folder / _STARTS_FILE)
            self._members = _mapped(folder / _MEMBERS_FILE)

    def __len__(self) -> int:
        return len(self._index)

    def near(self, code: Codes, count: int) -> tuple[Ints, Ints]:
        """Return the vectors of the nearest nodes.

        Args:
            code: of the query.
            count: how many nodes, at least 1; there may be fewer.

        Returns:
            Positions of vectors, nearest first, and for each the place of its node in this order.
        """
        nodes = self._index.search(code, min(count, len(self)), threads=1).keys.astype(np.int64)
        if self._starts is None:
            return nodes, np.arange(len(nodes))
        begins = self._starts[nodes].astype(np.int64)
        sizes = self._starts[nodes + 1] - begins
        places = np.repeat(np.arange(len(nodes)), sizes)
        within_node = np.arange(len(places)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self._members[begins[places] + within_node].astype(np.int64), places


def build_graph(
    folder: Path,
    codec: Codec,
    vectors: Matrix,
    positions: Ints,
    *,
    threads: int,
    on_progress: Callable[[int], None],
) -> None:
    """Write the files of a graph.

    Args:
        folder: where.
        codec: how vectors become codes.
        vectors: (n, d), read twice, block by block.
        positions: which rows of it are in the graph, ascending.
        threads: how many add nodes at once.
        on_progress: told how many vectors are done, from time to time.
    """
    hashes = np.concatenate([_hashes(codes) for _, codes in _encoded(codec, vectors, positions)])
    _, firsts, nodes = np.unique(hashes, return_index=True, return_inverse=True)
    by_appearance = np.argsort(firsts)
    numbers = np.empty(len(firsts), np.int64)
    numbers[by_appearance] = np.arange(len(firsts))
    if len(firsts) < len(positions):
        _write_members(folder, positions, numbers[nodes])
        keys = np.arange(len(firsts))
    else:
        keys = positions
    representatives = positions[firsts[by_appearance]]
    index = _new_index(codec)
    done = 0
    for chosen, codes in _encoded(codec, vectors, representatives):
        index.add(keys[done : done + len(chosen)], codes, threads=threads)
        done += len(chosen)
        on_progress(int(np.searchsorted(positions, chosen[-1])) + 1)
    index.save(str(folder / _GRAPH_FILE))


def remove_graph(folder: Path) -> None:
    """Delete the files of a graph."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)


def _new_index(codec: Codec) -> Index:
    return Index(
        ndim=len(codec.centre),
        metric="ip" if codec.metric == "dot" else "l2sq",
        dtype=codec.storage,
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        expansion_search=1,
        enable_key_lookups=False,
    )


def _encoded(codec: Codec, vectors: Matrix, positions: Ints) -> Iterator[tuple[Ints, Codes]]:
    block = max(1, _BLOCK_VALUES // max(1, vectors.shape[1]))
    for start in range(0, len(positions), block):
        chosen = positions[start : start + block]
        yield chosen, codec.encode(vectors[chosen])


def _hashes(codes: Codes) -> Ints:
    width = codes.shape[1] * codes.itemsize
    rows = np.ascontiguousarray(codes).view(f"V{width}").ravel().tolist()
    return np.fromiter(map(hash, rows), np.int64, len(rows))


def _write_members(folder: Path, positions: Ints, nodes: Ints) -> None:
    sizes = np.bincount(nodes)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    starts.astype(np.uint32).tofile(folder / _STARTS_FILE)
    positions[np.argsort(nodes, kind="stable")].astype(np.uint32).tofile(folder / _MEMBERS_FILE)


def _mapped(path: Path) -> Numbers:
    return np.asarray(np.memmap(path, np.uint32, mode="r"))
