"""DataRow messages: what a Postgres client reads a result from.

Invariant: the chunks, joined, are whole messages, one a row; the door adds RowDescription before and
CommandComplete behind them.
Trap: a chunk may end in the middle of a message.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from engine.encode.chunks import Chunk, Pacer, pieces
from engine.encode.pg.binary import binary_cells
from engine.encode.pg.cells import Cells
from engine.encode.pg.few_rows import few_rows_messages
from engine.encode.pg.messages import messages
from engine.encode.pg.pg_types import PgType, pg_type_of
from engine.encode.pg.text import text_cells
from engine.encode.pg.zones import check_zone

TEXT_FORMAT, BINARY_FORMAT = 0, 1
# The count of fields is an int16; Postgres itself has at most 1,664.
COLUMNS_MAX = 2**15 - 1


def types_of(schema: pa.Schema) -> list[PgType]:
    """Return what each column is announced as."""
    return [pg_type_of(field.type, field.metadata) for field in schema]


def column_formats(formats: Sequence[int], columns: int) -> list[int]:
    """Return one format code a column, as Bind and Execute give them.

    Args:
        formats: none (all text), one for all, or one each; 0 is text, 1 is binary.
        columns: how many the result has.

    Raises:
        ValueError: another count, or another code.
    """
    if any(code not in {TEXT_FORMAT, BINARY_FORMAT} for code in formats):
        raise ValueError("unsupported format code")
    if len(formats) in {0, 1}:
        return [*formats, TEXT_FORMAT][:1] * columns
    if len(formats) != columns:
        raise ValueError(f"{len(formats)} result formats for {columns} columns")
    return list(formats)


class PgRowEncoder:
    """Encodes rows as DataRow messages.

    Attributes:
        types: what each column is announced as.
        formats: 0 or 1, what each column is sent as.
    """

    media_type = "application/octet-stream"

    def __init__(
        self, schema: pa.Schema, formats: Sequence[int] = (), *, time_zone: str = "UTC"
    ) -> None:
        """Prepare one response.

        Args:
            schema: of every batch to come.
            formats: none (all text), one for all columns, or one each.
            time_zone: the session's: an IANA name or an ISO offset.

        Raises:
            ValueError: the formats do not fit the schema, it has too many columns, or the time
                zone is unknown.
        """
        check_zone(time_zone)
        if len(schema) > COLUMNS_MAX:
            raise ValueError(f"a row has at most {COLUMNS_MAX:,} columns")
        self.types = types_of(schema)
        self.formats = column_formats(formats, len(schema))
        self._time_zone = time_zone
        self._pacer = Pacer()

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def encode(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """Yield a DataRow for each row.

        Raises:
            SqlInvalid: a value has no form as its Postgres type.
        """
        few = few_rows_messages(b"D", batch, self.types, self.formats, self._time_zone)
        if few is not None:
            yield from pieces(few)
            return
        for part in self._pacer.slices(batch):
            sent = messages(b"D", self._cells(part), part.num_rows)
            self._pacer.note(part.num_rows, len(sent))
            yield from pieces(sent)

    def finish(self) -> bytes:
        """Return nothing: CommandComplete is the door's."""
        return b""

    def _cells(self, part: pa.RecordBatch) -> list[Cells]:
        return [
            binary_cells(column, kind)
            if code == BINARY_FORMAT
            else text_cells(column, kind, self._time_zone)
            for column, kind, code in zip(part.columns, self.types, self.formats, strict=True)
        ]
