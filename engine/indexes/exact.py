"""The nearest vectors by looking at all of them: exact, at the speed of one product of a matrix.

The invariant: rows and distances are those of ``distances`` over all rows, sorted by distance and then
row. A product in single precision only rules out vectors that cannot be among the nearest, whatever
its rounding did: an n-term dot product is off by at most n * u / (1 - n * u) times the lengths of the
vectors, in any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
"""

from dataclasses import dataclass

import numpy as np

from engine.indexes.arrow_vectors import Ints, Matrix
from engine.indexes.distances import Doubles, Floats, distances

ALL_FROM_SHARE = 0.3
"""From this share on, multiplying all rows costs less than copying the chosen ones together."""
_GATHER_VALUES = 1 << 20
"""Copied together from the rows of a choice: 4 MiB."""
_OUTRIGHT_ROWS = 256
"""Below, ruling out costs more than it saves."""
_UNIT = 2.0**-24
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_FLOAT32_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class VectorSet:
    """Vectors that can be searched exactly.

    Attributes:
        metric: one of ``METRICS``.
        matrix: (n, d), finite.
        squares: the squared length of each.
    """

    metric: str
    matrix: Matrix
    squares: Doubles

    def nearest(
        self, query: Floats, limit: int, positions: Ints | None = None
    ) -> tuple[Ints, Floats]:
        """Return the nearest vectors: their positions in the matrix, and their distances.

        Args:
            query: (d,), finite.
            limit: at most so many, at least 1.
            positions: the only rows that count, ascending; by default all.

        Returns:
            By ascending distance, then position; all when they are fewer than the limit.
        """
        count = len(self.matrix) if positions is None else len(positions)
        if count > max(_OUTRIGHT_ROWS, limit):
            positions = self._contenders(query, limit, positions)
        elif positions is None:
            positions = np.arange(count)
        found = distances(self.metric, self.matrix, query, positions)
        best = np.lexsort((positions, found))[:limit]
        return positions[best], found[best]

    def _contenders(self, query: Floats, limit: int, positions: Ints | None) -> Ints:
        """Rule out what cannot be among the nearest."""
        squares = self.squares if positions is None else self.squares[positions]
        with np.errstate(all="ignore"):
            products = _products(self.matrix, query, positions)
        if not np.isfinite(products).all():  # too large for single precision
            return np.arange(len(products)) if positions is None else positions
        least, most = _brackets(self.metric, products.astype(np.float64), squares, query)
        bound = np.partition(most, limit - 1)[limit - 1]
        kept = np.flatnonzero(least <= bound)
        return kept if positions is None else positions[kept]


def _products(matrix: Matrix, query: Floats, positions: Ints | None) -> Floats:
    """Return rough dot products; NaN or infinite where they are too large."""
    if positions is None:
        return np.asarray(matrix @ query)
    if len(positions) >= ALL_FROM_SHARE * len(matrix):
        return np.asarray((matrix @ query)[positions])
    products = np.empty(len(positions), np.float32)
    block = max(1, _GATHER_VALUES // matrix.shape[1])
    for start in range(0, len(positions), block):
        part = slice(start, start + block)
        products[part] = matrix[positions[part]] @ query
    return products


def _brackets(
    metric: str, products: Doubles, squares: Doubles, query: Floats
) -> tuple[Doubles, Doubles]:
    """Return the least and most that each distance can be, given the rough dot products."""
    square = float(np.vecdot(query.astype(np.float64), query.astype(np.float64)))
    lengths = np.sqrt(squares * square)
    terms = len(query) + 8
    errors = lengths * (terms * _UNIT / (1 - terms * _UNIT)) + terms * _FLOAT32_TINY
    if metric == "l2":
        values = squares + square - 2 * products
        errors = 2 * errors + (squares + square) * terms * _UNIT**2
    elif metric == "cosine":
        lengths[lengths == 0] = np.inf  # what has no direction is at distance 1
        values = 1 - products / lengths
        errors = errors / lengths + terms * _UNIT**2
    else:
        values = -products
    errors += np.abs(values) * (2 * _UNIT) + _FLOAT32_TINY  # the distance itself is rounded
    # Distances beyond float32 are all infinite: equally far.
    return np.minimum(values - errors, _FLOAT32_MAX), np.minimum(values + errors, _FLOAT32_MAX)
