"""Rows of cells joined into protocol messages: DataRow, and CopyData in the binary format.

Both are a tag, an int32 length, an int16 count and the fields: an int32 length, -1 for NULL, and the
bytes. They differ by their tag alone.

Invariant: the bytes of one join are the wire's; what lies side by side in all rows is one piece.
Trap: the length of a message counts itself, but not the tag.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.encode.pg.cells import DATA, Cells, Fixed, Mask, uniform, varying, without_nulls
from engine.encode.strings import Array, Ints, kernels, payload

_NULL_LENGTH = -1
_NULL_FIELD = b"\xff\xff\xff\xff"
_LENGTH_BYTES = 4
_COUNT_BYTES = 2


class _Pieces:
    """Collects a row's pieces in order; neighbours of fixed width become one."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.joined: list[Array] = []
        self._open: list[tuple[np.dtype[Any], npt.NDArray[Any] | int]] = []

    def add_fixed(self, values: npt.NDArray[Any] | int, dtype: np.dtype[Any]) -> None:
        """Add one item a row, or the same number to all."""
        self._open.append((dtype, values))

    def add_varying(self, values: Array) -> None:
        """Add large_binary; a null becomes a field that is NULL."""
        self.close()
        self.joined.append(values)

    def close(self) -> None:
        """Make one piece of the fixed neighbours so far."""
        if self._open:
            self.joined.append(uniform(self._packed()))
            self._open = []

    def bytes(self) -> memoryview:
        """Return all rows, one after another."""
        if not self.joined:
            packed = self._packed()
            return packed.view(np.uint8).data
        self.close()
        text = kernels.binary_join_element_wise(
            *self.joined,
            pa.scalar(b"", DATA),
            null_handling="replace",
            null_replacement=_NULL_FIELD,
        )
        return payload(text)[1].data

    def _packed(self) -> npt.NDArray[Any]:
        dtype = np.dtype([(f"f{index}", one) for index, (one, _) in enumerate(self._open)])
        packed = np.empty(self.rows, dtype)
        for index, (_, values) in enumerate(self._open):
            packed[f"f{index}"] = values
        return packed


_TAG = np.dtype("u1")
_LENGTH = np.dtype(">i4")
_COUNT = np.dtype(">i2")


def messages(tag: bytes, columns: Sequence[Cells], rows: int) -> memoryview:
    """Return one message a row.

    Args:
        tag: `D` for a DataRow, `d` for a row of COPY in the binary format.
        columns: the cells of each, (rows,); none is legal.
        rows: at least one.
    """
    prepared = [_Column(cells) for cells in columns]
    length: Ints | int = _LENGTH_BYTES + _COUNT_BYTES + _LENGTH_BYTES * len(columns)
    for column in prepared:
        length = length + column.lengths
    pieces = _Pieces(rows)
    pieces.add_fixed(tag[0], _TAG)
    pieces.add_fixed(length, _LENGTH)
    pieces.add_fixed(len(columns), _COUNT)
    for column in prepared:
        column.add_to(pieces)
    return pieces.bytes()


class _Column:
    """The fields of one column, and how long their values are."""

    def __init__(self, cells: Cells) -> None:
        self._values: Array | None = None
        self._fixed: Fixed | None = None
        self._valid: Mask | None
        self.lengths: Ints | int
        if isinstance(cells, Fixed):
            self._fixed, self._valid = cells, cells.valid
            width = cells.dtype.itemsize
            self.lengths = width if self._valid is None else self._valid * width
        else:
            self._values, self.lengths, self._valid = without_nulls(varying(cells))

    def add_to(self, pieces: _Pieces) -> None:
        """Add each field: its length and its bytes."""
        if self._fixed is None:
            lengths = self.lengths
            if self._valid is not None:
                lengths = np.where(self._valid, lengths, _NULL_LENGTH)
            pieces.add_fixed(lengths, _LENGTH)
            pieces.add_varying(self._values)
        elif self._valid is None:
            pieces.add_fixed(self._fixed.dtype.itemsize, _LENGTH)
            pieces.add_fixed(self._fixed.values, self._fixed.dtype)
        else:
            field = np.dtype([("length", _LENGTH), ("value", self._fixed.dtype)])
            rows = np.empty(pieces.rows, field)
            rows["length"], rows["value"] = self._fixed.dtype.itemsize, self._fixed.values
            pieces.add_varying(uniform(rows, self._valid))
