"""The tables of the search benchmark: short documents, hard vectors, and numbers in no order.

The same sizes always make the same rows, kept as Parquet files; the questions are made of what the rows
were made of, and are never among them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DIMENSIONS = 384
PARTS = 100
_VOCABULARY = 200_000
_WORDS_MIN, _WORDS_MAX = 10, 30
_ASKED_RANKS = (50, 20_000)
_LATENT = 40
_NOISE = 0.02
_PART_ROWS = 1_000_000
_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]

Vectors = npt.NDArray[np.float32]
# The stubs type arrays by element, and know few functions that make them.
_Array = Any


@dataclass(frozen=True)
class VectorSet:
    """Vectors of length one, and others of the same kind to look for."""

    rows: Vectors
    queries: Vectors
    parts: npt.NDArray[np.int32]

    def nearest(self, query: Vectors, count: int, parts_below: int = PARTS) -> set[int]:
        """Return the rows that are the nearest, by looking at all that count."""
        products = np.where(self.parts < parts_below, self.rows @ query, -np.inf)
        return set(np.argpartition(-products, count)[:count].tolist())


def documents_file(out_folder: Path, rows: int) -> Path:
    """Return a Parquet file of so many documents: ``id`` and ``body``, some 20 words each."""
    path = out_folder / "cache" / f"documents-{rows}.parquet"
    vocabulary = _vocabulary()
    return _kept(path, rows, lambda first, count: _documents(vocabulary, first, count))


def text_queries(count: int) -> list[str]:
    """Return texts of three words each, neither of the commonest nor of the rarest."""
    low, high = _ASKED_RANKS
    ranks = _zipf(np.random.default_rng(1), 3 * count, low, high)
    words: list[str] = _vocabulary().take(ranks).to_pylist()
    return [" ".join(words[start : start + 3]) for start in range(0, len(words), 3)]


def numbers_file(out_folder: Path, rows: int) -> Path:
    """Return a Parquet file of ``id`` in order, and ``value``, ``price`` and ``name`` in none."""
    return _kept(out_folder / "cache" / f"numbers-{rows}.parquet", rows, _numbers)


def value_of(row: int) -> int:
    """Return the ``value`` of a row; all are different.

    >>> len({value_of(row) for row in range(1000)})
    1000
    """
    return row * 0x9E3779B1 % (1 << 32)


def value_range(row: int, count: int, rows: int) -> list[int]:
    """Return two values with about so many of the rows between them."""
    low = value_of(row)
    return [low, low + (1 << 32) * count // rows]


def make_vectors(rows: int, queries: int) -> VectorSet:
    """Make vectors of 40 hidden numbers each, with a little noise: hard to tell apart by regions."""
    rng = np.random.default_rng(2)
    spread = rng.normal(size=(_LATENT, DIMENSIONS)).astype(np.float32)
    made = np.empty((rows + queries, DIMENSIONS), np.float32)
    for start in range(0, len(made), 50_000):
        part = made[start : start + 50_000]
        part[:] = rng.normal(size=(len(part), _LATENT)).astype(np.float32) @ spread
        part += rng.normal(size=part.shape).astype(np.float32) * np.float32(
            _NOISE * np.sqrt(_LATENT)
        )
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    parts = rng.integers(0, PARTS, rows).astype(np.int32)
    return VectorSet(made[:rows], made[rows:], parts)


def vectors_table(vectors: VectorSet) -> pa.Table:
    """Return vectors as a table: ``id``, ``part`` from 0 to 99, and ``v``."""
    flat = pa.array(vectors.rows.reshape(-1))
    return pa.table(
        {
            "id": pa.array(np.arange(len(vectors.rows))),
            "part": pa.array(vectors.parts),
            "v": pa.FixedSizeListArray.from_arrays(flat, DIMENSIONS),
        }
    )


def _kept(path: Path, rows: int, make: Callable[[int, int], pa.Table]) -> Path:
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with pq.ParquetWriter(partial, make(0, 1).schema) as writer:
        for first in range(0, rows, _PART_ROWS):
            writer.write_table(make(first, min(_PART_ROWS, rows - first)))
    partial.rename(path)
    return path


def _documents(vocabulary: _Array, first_id: int, rows: int) -> pa.Table:
    rng = np.random.default_rng(first_id)
    lengths = rng.integers(_WORDS_MIN, _WORDS_MAX + 1, rows)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    words = vocabulary.take(_zipf(rng, int(offsets[-1]), 0, len(vocabulary)))
    lists: Any = pa.ListArray
    bodies = pc.binary_join(lists.from_arrays(offsets, words), " ")
    return pa.table({"id": pa.array(np.arange(first_id, first_id + rows)), "body": bodies})


def _numbers(first_id: int, rows: int) -> pa.Table:
    rng = np.random.default_rng(first_id)
    ids = np.arange(first_id, first_id + rows)
    names = pa.array([f"name{number} value" for number in range(1_000)])
    return pa.table(
        {
            "id": pa.array(ids),
            "value": pa.array(ids * 0x9E3779B1 % (1 << 32)),
            "price": pa.array(np.round(rng.normal(size=rows) * 1_000, 6)),
            "name": names.take(rng.integers(0, 1_000, rows)),
        }
    )


def _vocabulary() -> _Array:
    """Words of three syllables, all different, in no order."""
    syllables = pa.array(_SYLLABLES)
    many = len(_SYLLABLES)
    numbers = np.random.default_rng(3).permutation(many**3)[:_VOCABULARY]
    parts = [syllables.take(pa.array(numbers // many**place % many)) for place in range(3)]
    words: Any = pc.binary_join_element_wise
    return words(*parts, "")


def _zipf(rng: np.random.Generator, count: int, low: int, high: int) -> _Array:
    """Draw ranks from low up to high, the k-th as often as 1/k."""
    exponents = rng.random(count)
    ranks = (low + 1) * ((high + 1) / (low + 1)) ** exponents - 1
    return pa.array(ranks.astype(np.int64))
