"""How far two vectors are apart; the lower, the nearer.

============  =========================================================================
``l2``        the squared Euclidean distance
``cosine``    1 - cos of the angle, 0 to 2; 1 where either vector is zero: it has no direction
``dot``       the dot product, negated
============  =========================================================================

The invariant: the distance of two vectors depends on nothing but their numbers. Index, exact search
and SQL get it here, the same to the last bit. It is summed in double precision, so it does not overflow
on the way and a vector is at distance 0 of itself, and rounded once, to float32: the precision of
the vectors. SQL sees that value as a double. What is beyond the range of float32 is infinite.

The trap: a product of matrices (BLAS gemv and gemm) sums a row in an order that depends on how many
rows there are. ``np.vecdot`` takes the rows one by one. Rows are padded to whole cache lines, because
the kernels of old processors also depend on the alignment of a row.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidRequest
from engine.indexes.arrow_vectors import (
    Array,
    Ints,
    Mask,
    Matrix,
    Vectors,
    one_vector,
    read_vectors,
)

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_BLOCK_VALUES = 32_768
"""Converted and summed together: as double precision a quarter of a MiB, which stays in the cache."""
_LINE_VALUES = 8


def _sums(left: Doubles, right: Doubles) -> Doubles:
    return np.asarray(np.vecdot(left, right))


def _l2(left: Doubles, right: Doubles) -> Doubles:
    left -= right
    return _sums(left, left)


def _cosine(left: Doubles, right: Doubles) -> Doubles:
    lengths = np.sqrt(_sums(left, left) * _sums(right, right))
    cosines = _sums(left, right) / lengths
    return np.where(lengths == 0, 1.0, np.clip(1.0 - cosines, 0.0, 2.0))


def _dot(left: Doubles, right: Doubles) -> Doubles:
    return 0.0 - _sums(left, right)  # subtracted: negated, a 0 would be a -0


_KERNELS: Final[dict[str, Callable[[Doubles, Doubles], Doubles]]] = {
    "l2": _l2,
    "cosine": _cosine,
    "dot": _dot,
}
METRICS = tuple(_KERNELS)


def distances(metric: str, matrix: Matrix, query: Floats, rows: Ints | None = None) -> Floats:
    """Return the distances of vectors to one vector, or of pairs of vectors.

    Args:
        metric: one of ``METRICS``.
        matrix: (n, d), read block by block: it may be a mapped file.
        query: (d,), or (n, d) for the n pairs of rows.
        rows: which rows of the matrix to measure, in this order; by default all of them.

    Returns:
        One value for each row. NaN and infinite numbers give NaN and infinite distances.
    """
    count = len(matrix) if rows is None else len(rows)
    block = max(1, _BLOCK_VALUES // max(1, matrix.shape[1]))
    left = _padded(min(block, count), matrix.shape[1])
    right = _padded(len(left) if query.ndim > 1 else 1, matrix.shape[1])
    if query.ndim == 1:
        right[0] = query
    found = np.empty(count, np.float32)
    with np.errstate(all="ignore"):
        for start in range(0, count, block):
            part = slice(start, min(start + block, count))
            size = part.stop - start
            left[:size] = matrix[part] if rows is None else matrix[rows[part]]
            if query.ndim > 1:
                right[:size] = query[part]
            found[part] = _KERNELS[metric](left[:size], right[:size])
    return found


def squared_lengths(matrix: Matrix) -> Doubles:
    """Return the squared Euclidean length of each row of an (n, d) matrix."""
    doubles = matrix.astype(np.float64)
    return _sums(doubles, doubles)


def distance_array(
    metric: str, left: Array | npt.NDArray[Any], right: Array | npt.NDArray[Any]
) -> Array:
    """Return the distance of each row on the left to its row on the right.

    Args:
        metric: one of ``METRICS``.
        left: lists of numbers (see ``read_vectors``), or one vector for all rows: a scalar, a
            one-dimensional numpy array, or an array of length 1.
        right: the same.

    Returns:
        float64, the float32 distances; null where either side is null or has a null inside.

    Raises:
        InvalidRequest: the two vectors of a row differ in width, or a side is not of vectors.
    """
    firsts, seconds = _operand(left), _operand(right)
    valid = firsts.valid & seconds.valid
    widths = np.broadcast_to(firsts.widths, valid.shape)
    different = np.flatnonzero(valid & (widths != seconds.widths))
    if len(different):
        row = different[0]
        other = np.broadcast_to(seconds.widths, valid.shape)[row]
        raise InvalidRequest(f"The vectors have different dimensions: {widths[row]} and {other}")
    found = np.empty(len(valid), np.float32)
    for width in np.unique(widths[valid]).tolist():
        rows = valid & (widths == width)
        found[rows] = _pairs(metric, firsts, seconds, rows, width)
    result: Array = pa.array(found.astype(np.float64), mask=~valid)
    return result


def as_matrix(
    array: Array, *, dimensions: int | None = None, first_row: int = 0
) -> tuple[Matrix, Mask]:
    """Return the vectors of an array as a matrix, without a copy where Arrow has them as float32.

    Args:
        array: as for ``read_vectors``.
        dimensions: the width all must have; by default that of the first vector.
        first_row: the number of the first row, for what an error says.

    Returns:
        (n, dimensions) for the n rows of the array, and which of these are vectors; the others are
        zero in the matrix.

    Raises:
        InvalidRequest: a vector has another width, or it is no array of lists of numbers.
    """
    vectors = read_vectors(array)
    widths = vectors.widths[vectors.valid]
    if dimensions is None:
        dimensions = int(widths[0]) if len(widths) else 0
    if (widths != dimensions).any():
        wrong = np.flatnonzero(vectors.valid & (vectors.widths != dimensions))[0]
        raise InvalidRequest(
            f"The vector in row {first_row + wrong} has {vectors.widths[wrong]} dimensions, "
            f"not {dimensions}"
        )
    matrix = vectors.matrix(vectors.valid, dimensions)
    if len(matrix) < len(vectors):
        present = matrix
        matrix = np.zeros((len(vectors), dimensions), np.float32)
        matrix[vectors.valid] = present
    return matrix, vectors.valid


def _operand(operand: Array | npt.NDArray[Any]) -> Vectors:
    if isinstance(operand, np.ndarray):
        return one_vector(operand)
    if isinstance(operand, pa.Scalar):
        operand = pa.array([operand.as_py()], operand.type)
    return read_vectors(operand)


def _pairs(metric: str, firsts: Vectors, seconds: Vectors, rows: Mask,
           width: int) -> Floats:  # fmt: skip
    if len(firsts) < len(rows):  # the one vector of all rows; each metric is symmetric
        firsts, seconds = seconds, firsts
    left = firsts.matrix(rows, width)
    if len(seconds) < len(rows):
        return distances(metric, left, seconds.matrix(seconds.valid, width)[0])
    return distances(metric, left, seconds.matrix(rows, width))


def _padded(rows: int, width: int) -> Doubles:
    stride = -(-width // _LINE_VALUES) * _LINE_VALUES
    return np.empty((rows, stride))[:, :width]
