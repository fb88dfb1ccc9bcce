"""Vectors in Arrow arrays, whatever the layout of the lists, as rows of a float32 matrix.

A vector with a null among its numbers counts as null. The numbers become float32: of integers beyond
2^24 and of doubles the rest is rounded away, and doubles beyond its range become infinite.

The trap: a sliced array shares the numbers of its parent, and a list view may have them in any order,
so only the offsets say where a row is.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidRequest

# The stubs type arrays by element and lack the access to nested arrays used here.
Array: TypeAlias = Any

Matrix = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list,
          pa.types.is_list_view, pa.types.is_large_list_view)  # fmt: skip
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Rows of numbers, not necessarily of one width.

    Attributes:
        numbers: those of all rows.
        starts: for each row, where it begins in the numbers.
        widths: for each row, how many numbers it has; 0 for a null.
        valid: for each row, whether it is a vector: neither null nor with a null inside.
    """

    numbers: Matrix
    starts: Ints
    widths: Ints
    valid: Mask

    def __len__(self) -> int:
        return len(self.starts)

    def matrix(self, rows: Mask, width: int) -> Matrix:
        """Return the chosen rows, all of this width; a view where they follow one another."""
        starts = self.starts[rows]
        if not (len(starts) and width):
            return np.empty((len(starts), width), np.float32)
        if np.array_equal(starts, starts[0] + width * np.arange(len(starts))):
            return self.numbers[starts[0] : starts[-1] + width].reshape(-1, width)
        return np.lib.stride_tricks.sliding_window_view(self.numbers, width)[starts]


def read_vectors(array: Array) -> Vectors:
    """Find the vectors of an array of lists; the numbers are copied only to convert them.

    Args:
        array: lists of integers, floats or decimals: list, list view (small and large) or fixed size.

    Raises:
        InvalidRequest: it is an array of something else.
    """
    kind = array.type
    if pa.types.is_null(kind):
        return read_vectors(array.cast(pa.list_(pa.float32())))
    if not (_is_any(_LISTS, kind) and _is_any(_NUMBERS, kind.value_type)):
        raise InvalidRequest(f"A vector is a list of numbers, not {kind}")
    starts, widths = _extents(array)
    valid = _validity(array)
    widths = np.where(valid, widths, 0)
    low = int(starts[valid].min(initial=len(array.values)))
    high = max(low, int((starts + widths)[valid].max(initial=0)))
    numbers = array.values.slice(low, high - low)
    starts = np.where(valid, starts - low, 0)
    if numbers.null_count:
        nulls_before = np.concatenate(([0], np.cumsum(~_validity(numbers))))
        valid &= nulls_before[starts + widths] == nulls_before[starts]
    return Vectors(_float32(numbers), starts, widths, valid)


def one_vector(vector: npt.NDArray[Any]) -> Vectors:
    """Make a single row of a one-dimensional array of numbers."""
    with np.errstate(over="ignore"):
        numbers = np.asarray(vector, np.float32)
    return Vectors(numbers, np.zeros(1, np.int64), np.array([len(numbers)]), np.ones(1, np.bool_))


def _is_any(tests: tuple[Any, ...], kind: pa.DataType) -> bool:
    return any(test(kind) for test in tests)


def _extents(array: Array) -> tuple[Ints, Ints]:
    """Return where each row begins in ``array.values``, and its width."""
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        places = np.arange(array.offset, array.offset + len(array))
        return places * kind.list_size, np.full(len(array), kind.list_size)
    offsets = array.offsets.to_numpy().astype(np.int64)
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return offsets, array.sizes.to_numpy().astype(np.int64)
    return offsets[:-1], np.diff(offsets)


def _validity(array: Array) -> Mask:
    if not array.null_count:
        return np.ones(len(array), np.bool_)
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def _float32(numbers: Array) -> Matrix:
    converted = numbers.cast(pa.float32(), safe=False)
    return np.asarray(converted.to_numpy(zero_copy_only=False), np.float32)
