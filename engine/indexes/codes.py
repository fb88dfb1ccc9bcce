"""Vectors as the graph stores them: centred, scaled to the range of the storage type, and rounded.

What is nearest stays nearest: Euclidean distances do not change when all vectors move, dot products
change by the same amount for all rows, and angles are Euclidean distances of normalised vectors. Without
centring, vectors that share a direction (real embeddings do) all have about the same 8-bit code, and
a graph of dot products falls apart: recall 0.13 against 0.99 on vectors with a common offset.

The trap: usearch, given floats for an index of 8-bit integers, normalises each to length 1 and uses
few of the 256 values; it gets our integers instead.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.indexes.arrow_vectors import Matrix
from engine.indexes.distances import Doubles, Floats, squared_lengths

Codes = npt.NDArray[Any]

_COVERED = 0.9999
"""The share of numbers that are within the range; the few beyond are clipped to it."""
_CLIPPED_MAX = 0.1
"""Of its length: a query that clipping moves further is not answered by the graph."""


class _Storage(NamedTuple):
    dtype: npt.DTypeLike
    unit: float  # what the end of the covered range becomes
    limit: float  # beyond, numbers are clipped


_STORAGES: Final = {
    "i8": _Storage(np.int8, 127.0, 127.0),
    "f16": _Storage(np.float16, 1.0, 1e4),
    "f32": _Storage(np.float32, 1.0, 1e15),
}
STORAGES = tuple(_STORAGES)


@dataclass(frozen=True, slots=True)
class Codec:
    """How vectors become codes.

    Attributes:
        storage: one of ``STORAGES``.
        metric: of the vectors; see ``distances``.
        centre: subtracted from each vector, one number for each dimension.
        reach: how far from the centre most numbers are.
    """

    storage: str
    metric: str
    centre: Doubles
    reach: float

    @classmethod
    def fitted(cls, storage: str, metric: str, sample: Matrix) -> "Codec":
        """Choose centre and reach by some of the vectors, at least one."""
        vectors = _directions(sample) if metric == "cosine" else sample.astype(np.float64)
        centre = vectors.mean(axis=0)
        spread = np.abs(vectors - centre)
        reach = float(np.quantile(spread, _COVERED) or spread.max(initial=0.0) or 1.0)
        return cls(storage, metric, centre, reach)

    def encode(self, vectors: Matrix) -> Codes:
        """Return the codes of (n, d) vectors, none of them zero if the metric is cosine."""
        doubles = _directions(vectors) if self.metric == "cosine" else vectors.astype(np.float64)
        return self._rounded((doubles - self.centre) * (self._storage.unit / self.reach))

    def encode_query(self, query: Floats) -> Codes | None:
        """Return the code of a query, or None if it is so far off that its code would mislead."""
        doubles = query.astype(np.float64)
        if self.metric == "dot":  # rows are ordered alike by any multiple of the query
            farthest = float(np.abs(doubles).max())
            return self._rounded(doubles * (self._storage.unit / farthest)) if farthest else None
        if self.metric == "cosine":
            length = np.sqrt(np.vecdot(doubles, doubles))
            if not length:
                return None
            doubles = doubles / length
        scaled = (doubles - self.centre) * (self._storage.unit / self.reach)
        clipped = np.clip(scaled, -self._storage.limit, self._storage.limit)
        if np.linalg.norm(scaled - clipped) > _CLIPPED_MAX * np.linalg.norm(scaled):
            return None
        return self._rounded(clipped)

    @property
    def code_bytes(self) -> int:
        """The size of one code."""
        return len(self.centre) * np.dtype(_STORAGES[self.storage].dtype).itemsize

    @property
    def _storage(self) -> _Storage:
        return _STORAGES[self.storage]

    def _rounded(self, scaled: Doubles) -> Codes:
        dtype, _, limit = self._storage
        clipped = np.clip(scaled, -limit, limit)
        return (np.rint(clipped) if dtype is np.int8 else clipped).astype(dtype)


def _directions(vectors: Matrix) -> Doubles:
    """Return the vectors at length 1; those without a direction stay zero."""
    lengths = np.sqrt(squared_lengths(vectors))
    return vectors / np.where(lengths == 0, 1.0, lengths)[:, None]
