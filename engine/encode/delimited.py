"""CSV as RFC 4180 has it: one header row, CRLF, UTF-8.

Invariant: an empty field is null and `""` is the empty string, so a reader can tell them apart.
Trap: a null in a file of one column is an empty line, which some readers skip.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from engine.encode.chunks import Chunk, Pacer, pieces
from engine.encode.strings import (
    TEXT,
    Array,
    Replacements,
    Text,
    concat,
    kernels,
    literal,
    payload,
    replaced,
    text_bytes,
)
from engine.encode.text import plain_text

_DOUBLED = Replacements({ord('"'): b'""'})
_SPECIAL = Replacements({ord(character): b"" for character in '",\r\n'})


class CsvEncoder:
    """Encodes rows as CSV; numbers and times are plain text, nested values JSON, bytes hex."""

    media_type = "text/csv; charset=utf-8"

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._pacer = Pacer()

    def begin(self) -> bytes:
        """Return the header row."""
        if not self._names:
            return b""
        header = _fields(pa.array(self._names, TEXT)).to_pylist()
        return (",".join(header) + "\r\n").encode()

    def encode(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """Yield one line a row, longer when a cell has line breaks."""
        # Without columns there is no text a row could have.
        for part in self._pacer.slices(batch) if batch.num_columns else ():
            cells: list[Array | str] = []
            for column in part.columns:
                cells += [",", _fields(plain_text(column)).fill_null("")]
            text = text_bytes(concat(*cells[1:], "\r\n"))
            self._pacer.note(part.num_rows, len(text))
            yield from pieces(text)

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


def _fields(values: Text) -> Text:
    """Quote the strings that need it: empty ones and those with a quote, comma or line break."""
    offsets, data = payload(values)
    special = np.flatnonzero(_SPECIAL.find(data))
    below = np.searchsorted(special, offsets)
    needs = (below[1:] > below[:-1]) | (offsets[1:] == offsets[:-1])
    if not needs.any():
        return values
    quote = kernels.if_else(pa.array(needs), literal('"'), literal(""))
    return concat(quote, replaced(values, _DOUBLED), quote)
