"""What a column is turned into before rows are made of it: one piece of bytes a row.

Invariant: a cell is the value alone, without its length; whoever joins cells writes lengths.
Trap: under a null, a fixed cell holds any bytes; a varying one may too.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.encode.strings import Array, Ints, Text, payload
from engine.errors import SqlInvalid

DATA = pa.large_binary()
Mask = npt.NDArray[np.bool_]
_STORED = {32: pa.int32(), 64: pa.int64()}


@dataclass(frozen=True, slots=True)
class Fixed:
    """Cells that are all of one width.

    Attributes:
        values: one item a row, (rows,).
        dtype: the bytes an item is sent as: big-endian numbers, or `V` for bytes as they are.
        valid: which rows are not null; None when all are.
    """

    values: npt.NDArray[Any]
    dtype: np.dtype[Any]
    valid: Mask | None = None


# A varying column is a large_binary or large_string array whose nulls are the column's.
Cells: TypeAlias = Fixed | Array


def mask_of(array: Array) -> Mask | None:
    """Return which slots of an Arrow array are not null; None when all are."""
    if not array.null_count:
        return None
    found: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return found


def fixed(values: npt.NDArray[Any], dtype: str, nulls_of: Array) -> Fixed:
    """Make cells of numbers that are sent as `dtype`, null where `nulls_of` is."""
    return Fixed(values, np.dtype(dtype), mask_of(nulls_of))


def fixed_text(rows: npt.NDArray[np.uint8], nulls_of: Array) -> Fixed:
    """Make cells of a contiguous (rows, width) matrix of bytes, null where `nulls_of` is."""
    dtype = np.dtype(f"V{rows.shape[1]}")
    return Fixed(rows.reshape(-1).view(dtype), dtype, mask_of(nulls_of))


def stored(array: Array) -> Ints:
    """Return the integers that dates, times, timestamps and durations are, zero where null."""
    ticks: Ints = array.view(_STORED[array.type.bit_width]).fill_null(0).to_numpy()
    return ticks


def data_of(array: Array) -> Array:
    """Share a large string's bytes as large_binary; anything else binary is cast."""
    if array.type == DATA:
        return array
    if pa.types.is_large_string(array.type):
        return pa.Array.from_buffers(DATA, len(array), array.buffers(), offset=array.offset)
    return array.cast(DATA)


def uniform(rows: npt.NDArray[Any], valid: Mask | None = None) -> Array:
    """Return items of one width as a large_binary array sharing their bytes."""
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.dtype.itemsize
    bitmap = None if valid is None else pa.array(valid).buffers()[1]
    data = pa.py_buffer(rows.view(np.uint8).data) if len(rows) else pa.py_buffer(b"")
    return pa.Array.from_buffers(DATA, len(rows), [bitmap, pa.py_buffer(offsets.data), data])


def varying(cells: Cells) -> Array:
    """Return any cells as a large_binary array with its nulls."""
    if not isinstance(cells, Fixed):
        return data_of(cells)
    return uniform(cells.values.astype(cells.dtype, copy=False), cells.valid)


def text_of(cells: Cells) -> Text:
    """Return cells that are text as large strings."""
    array = varying(cells)
    return pa.Array.from_buffers(
        pa.large_string(), len(array), array.buffers(), offset=array.offset
    )


def without_nulls(array: Array) -> tuple[Array, Ints, Mask | None]:
    """Return (cells whose nulls are empty and no longer null, their lengths, which are valid)."""
    array, valid = data_of(array), mask_of(array)
    offsets, data = payload(array)
    lengths = np.diff(offsets)
    if valid is None:
        return array, lengths, None
    if lengths[~valid].any():
        array = array.fill_null(b"")
        lengths = np.diff(payload(array)[0])
    else:
        buffers = [None, pa.py_buffer(offsets.data), pa.py_buffer(data.data)]
        array = pa.Array.from_buffers(DATA, len(array), buffers)
    return array, lengths, valid


def check_range(values: Ints, lowest: int, highest: int, name: str) -> None:
    """Refuse values that Postgres's type cannot hold.

    Raises:
        SqlInvalid: one of `values` is below `lowest` or above `highest`.
    """
    if len(values) and (values.min() < lowest or values.max() > highest):
        raise SqlInvalid(f"{name} out of range: Postgres clients have no such value")
