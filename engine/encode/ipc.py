"""The Arrow IPC stream: schema first, record batches as they come, an end marker.

Invariant: batches keep their schema and their rows; nothing is compressed, so that a reader may map
the bytes as they are. Trap: a slice of a view column still carries all of its parent's bytes, so
batches are never sliced here; the bytes of large ones are cut instead.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from engine.encode.chunks import CHUNK_BYTES_MAX, Chunk, pieces

if TYPE_CHECKING:
    import io


class ArrowEncoder:
    """Encodes batches as IPC messages; dictionaries included."""

    media_type = "application/vnd.apache.arrow.stream"

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        # Arrow calls three methods of a sink; RawIOBase would add twenty.
        sink = pa.PythonFile(cast("io.RawIOBase", self._sink), "w")
        self._writer = pa.ipc.new_stream(sink, schema)

    def begin(self) -> bytes:
        """Return nothing: the writer sends the schema together with the first message."""
        return b""

    def encode(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """Yield the batch's message; large buffers are passed on without a copy."""
        self._writer.write_batch(batch)
        yield from _gathered(self._sink.taken())

    def finish(self) -> bytes:
        """Return the end marker, after the schema if there was no batch."""
        self._writer.close()
        return b"".join(self._sink.taken())


class _Sink:
    """The part of a binary file that Arrow's writer needs; keeps what is written until taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[Chunk] = []

    def write(self, data: bytes | pa.Buffer) -> int:
        self._parts.append(memoryview(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: every write is already in memory."""

    def taken(self) -> list[Chunk]:
        parts, self._parts = self._parts, []
        return parts


def _gathered(parts: Iterable[Chunk]) -> Iterator[Chunk]:
    """Join small parts, a message has dozens, into chunks of at most 4 MiB; cut the large ones."""
    waiting: list[Chunk] = []
    waiting_bytes = 0
    for part in parts:
        if waiting and waiting_bytes + len(part) > CHUNK_BYTES_MAX:
            yield b"".join(waiting)
            waiting, waiting_bytes = [], 0
        if len(part) > CHUNK_BYTES_MAX:
            yield from pieces(part)
        else:
            waiting.append(part)
            waiting_bytes += len(part)
    if waiting:
        yield b"".join(waiting)
