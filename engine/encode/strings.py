"""Building blocks: string arrays made from raw offsets and bytes, joined and escaped in bulk.

Invariant: every array here is `large_string`, so its values buffer, read in order, is the text itself.
Trap: an Arrow slice shares its parent's buffers; `payload` is the one place that applies the offset.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

TEXT = pa.large_string()

# The stubs type arrays by element, and lack many kernels and the access to nested arrays used here.
Array: TypeAlias = Any
Text: TypeAlias = Any  # an Array of TEXT
kernels: Any = pyarrow.compute

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


def literal(text: str) -> pa.LargeStringScalar:
    """Return `text` as a scalar that kernels need not cast."""
    return pa.scalar(text, TEXT)


def concat(*parts: Array | str, nulls_as: str | None = None) -> Text:
    """Join equally long arrays and literals row by row, in one pass.

    Args:
        parts: at least one array; literals are repeated on every row.
        nulls_as: what a null part is written as; by default it makes the whole row null.
    """
    values = [literal(part) if isinstance(part, str) else part for part in parts]
    handling = "emit_null" if nulls_as is None else "replace"
    return kernels.binary_join_element_wise(
        *values, literal(""), null_handling=handling, null_replacement=nulls_as or ""
    )


def validity(array: Array) -> pa.Buffer | None:
    """Return the bitmap of `array`'s non-null slots starting at bit 0; None if all are valid."""
    return array.is_valid().buffers()[1] if array.null_count else None


def from_parts(offsets: Ints, data: bytes | memoryview, nulls_of: Array) -> Text:
    """Make strings from len+1 byte offsets into `data`, null where `nulls_of` is null."""
    buffers = (pa.py_buffer(offsets.data), pa.py_buffer(data), validity(nulls_of))
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, *buffers)


def payload(array: Array) -> tuple[Ints, Bytes]:
    """Return (len+1 offsets starting at 0, bytes) of a large string or large binary array."""
    if not len(array):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    _, raw_offsets, raw_data = array.buffers()
    offsets = np.frombuffer(raw_offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(raw_data or b"", np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def nulled(text: Text, nulls_of: Array) -> Text:
    """Make the texts null exactly where `nulls_of` is null; the bytes are shared."""
    if not nulls_of.null_count:
        return text
    offsets, data = payload(text)
    return from_parts(offsets, data.data, nulls_of)


def taken(texts: list[str], index: Ints) -> Text:
    """Return `texts[i]` for each i of `index`."""
    return kernels.take(pa.array(texts, TEXT), pa.array(index))


def text_bytes(text: Text) -> memoryview:
    """Return the strings' bytes, one after another, without copying them."""
    return payload(text)[1].data


def matrix(array: Text, width: int) -> Bytes:
    """Return a writable (rows, width) copy of strings that are all `width` bytes and not null."""
    _, data = payload(array)
    return data.reshape(len(array), width).copy()


def offsets_of(lengths: npt.NDArray[Any]) -> Ints:
    """Return the len+1 running offsets of consecutive pieces of the given lengths."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))


@dataclass(frozen=True)
class Replacements:
    """What to write for some ASCII bytes; every other byte is copied.

    Attributes:
        table: byte -> its replacement, applied in this order: a byte that occurs in other
            replacements (the backslash) must come first.
        below: all bytes below this one are in the table: one comparison finds them.
    """

    table: dict[int, bytes]
    below: int = 0

    def find(self, data: Bytes) -> npt.NDArray[np.bool_]:
        """Return which bytes of `data` have to be replaced."""
        found = data < self.below
        for byte in self.table:
            if byte >= self.below:
                found |= data == byte
        return found

    def growth(self) -> Ints:
        """Return, for each of the 256 bytes, how many bytes its replacement adds."""
        added = np.zeros(256, np.int64)
        for byte, text in self.table.items():
            added[byte] = len(text) - 1
        return added


def replaced(values: Text, what: Replacements) -> Text:
    """Replace bytes in all strings at once; returns `values` itself when there is nothing to do."""
    offsets, data = payload(values)
    at = np.flatnonzero(what.find(data))
    if not len(at):
        return values
    text, present = data.tobytes(), set(np.unique(data[at]).tolist())
    for byte, replacement in what.table.items():
        if byte in present:
            text = text.replace(bytes((byte,)), replacement)
    grown = offsets_of(what.growth()[data[at]])
    return from_parts(offsets + grown[np.searchsorted(at, offsets)], text, values)


_SHORT = {0x08: rb"\b", 0x09: rb"\t", 0x0A: rb"\n", 0x0C: rb"\f", 0x0D: rb"\r"}
JSON_ESCAPES = Replacements(
    {0x5C: rb"\\", 0x22: rb"\""}
    | {byte: _SHORT.get(byte, b"\\u%04x" % byte) for byte in range(0x20)},
    below=0x20,
)
