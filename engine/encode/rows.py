"""JSON rows: the inside of the `rows` array, `[1,"a"],[2,null]`, across batches.

Invariant: one string join a slice, whose values buffer goes to the wire without another copy.
Trap: the outer brackets belong to the door, which writes the envelope around them.
"""

from collections.abc import Iterator

import pyarrow as pa

from engine.encode.chunks import Chunk, Pacer, pieces
from engine.encode.few_rows import few_rows_text
from engine.encode.strings import TEXT, Array, Text, concat, text_bytes
from engine.encode.text import has_nonfinite, json_text


class JsonRowsEncoder:
    """Encodes rows as positional JSON arrays separated by commas.

    Attributes:
        nan_columns: for each column, whether NaN or an infinity was written as null so far.
    """

    media_type = "application/json"

    def __init__(self, schema: pa.Schema) -> None:
        self.nan_columns = [False] * len(schema)
        self._pacer = Pacer()
        self._is_first = True

    def begin(self) -> bytes:
        """Return nothing: the envelope is the door's."""
        return b""

    def encode(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """Yield `[cell,cell]` for each row, with a comma before all but the very first."""
        few = few_rows_text(batch)
        if few is not None:
            if b"null" in few:
                self._note_nonfinite(batch)
            yield from self._pieces(few)
            return
        for part in self._pacer.slices(batch):
            self._note_nonfinite(part)
            text = text_bytes(row_text(part))
            self._pacer.note(part.num_rows, len(text))
            yield from self._pieces(text)

    def finish(self) -> bytes:
        """Return nothing."""
        return b""

    def _pieces(self, text: Chunk) -> Iterator[Chunk]:
        """Every row begins with a comma; the very first row of the response loses it."""
        yield from pieces(text, start=int(self._is_first))
        self._is_first = False

    def _note_nonfinite(self, part: pa.RecordBatch) -> None:
        for index, column in enumerate(part.columns):
            self.nan_columns[index] = self.nan_columns[index] or has_nonfinite(column)


def row_text(part: pa.RecordBatch) -> Text:
    """Return `,[cell,cell]` for each row; `part` has at least one row."""
    if not part.num_columns:
        return pa.array([",[]"] * part.num_rows, TEXT)
    pieces_of_row: list[Array | str] = []
    before = ",["
    for column in part.columns:
        text = json_text(column)
        values, quote = text.values, '"' if text.quoted else ""
        # Quotes stand in the separators, unless there are nulls, which replace the quotes too.
        if quote and values.null_count:
            values, quote = concat(quote, values, quote), ""
        pieces_of_row += [before + quote, values]
        before = quote + ","
    return concat(*pieces_of_row, before[:-1] + "]", nulls_as="null")
