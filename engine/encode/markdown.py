"""A GitHub-flavoured Markdown pipe table.

Invariant: one line a row, whatever the cells hold: pipes and backslashes are escaped, line breaks
are `<br>`. Trap: null and the empty string look the same here; CSV tells them apart.
"""

from collections.abc import Iterator

import pyarrow as pa

from engine.encode.chunks import Chunk, Pacer, pieces
from engine.encode.strings import TEXT, Array, Replacements, concat, replaced, text_bytes
from engine.encode.text import plain_text

_CELL_ESCAPES = Replacements(
    {ord("\\"): rb"\\", ord("|"): rb"\|", ord("\n"): b"<br>", ord("\r"): b""}
)


class MarkdownEncoder:
    """Encodes rows as lines of a pipe table; no columns make no table at all."""

    media_type = "text/markdown; charset=utf-8"

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._pacer = Pacer()

    def begin(self) -> bytes:
        """Return the header row and the rule below it."""
        if not self._names:
            return b""
        names = replaced(pa.array(self._names, TEXT), _CELL_ESCAPES).to_pylist()
        rule = "| --- " * len(names) + "|\n"
        return (f"| {' | '.join(names)} |\n{rule}").encode()

    def encode(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """Yield one line a row."""
        for part in self._pacer.slices(batch) if batch.num_columns else ():
            cells: list[Array | str] = []
            for column in part.columns:
                cells += [" | ", replaced(plain_text(column), _CELL_ESCAPES).fill_null("")]
            text = text_bytes(concat("| ", *cells[1:], " |\n"))
            self._pacer.note(part.num_rows, len(text))
            yield from pieces(text)

    def finish(self) -> bytes:
        """Return nothing."""
        return b""
