"""Encoders turn Arrow record batches into the bytes a door sends.

Invariant: pure. pyarrow, numpy, orjson and the standard library only, because this code runs inside
a query worker that knows neither the catalog nor the query engine's context.
Trap: an encoder is stateful; open one per response and feed it batches of one schema, in order.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import pyarrow as pa

from engine.encode.chunks import Chunk
from engine.encode.delimited import CsvEncoder
from engine.encode.ipc import ArrowEncoder
from engine.encode.markdown import MarkdownEncoder
from engine.encode.pg import PG_PREFIX, open_pg_encoder
from engine.encode.rows import JsonRowsEncoder


class Encoder(Protocol):
    """Turns batches of one schema into chunks of bytes; stateful for one response."""

    media_type: str

    def begin(self) -> bytes:
        """Return what stands before the first row; may be empty."""
        ...

    def encode(self, batch: pa.RecordBatch) -> Iterable[Chunk]:
        """Yield the batch's bytes in order, at most 4 MiB a chunk; drain before the next call."""
        ...

    def finish(self) -> bytes:
        """Return what stands after the last row; may be empty."""
        ...


_OPENERS: dict[str, Callable[[pa.Schema], Encoder]] = {
    "json": JsonRowsEncoder,
    "arrow": ArrowEncoder,
    "csv": CsvEncoder,
    "md": MarkdownEncoder,
}


def open_encoder(format_name: str, schema: pa.Schema) -> Encoder:
    """Open an encoder for one response.

    Args:
        format_name: "json" (the inside of the `rows` array), "arrow", "csv", "md", or for the wire of
            Postgres "pg:" and the options of `open_pg_encoder`.
        schema: the schema of every batch to come; duplicate and zero columns are legal.

    Raises:
        ValueError: there is no such format.
    """
    if format_name.startswith(PG_PREFIX):
        return open_pg_encoder(format_name, schema)
    opener = _OPENERS.get(format_name)
    if opener is None:
        raise ValueError(f"unknown result format {format_name!r}; choose from {sorted(_OPENERS)}")
    return opener(schema)
