"""Rows on their way: from the bytes of a worker's Arrow IPC stream to the batches Flight sends.

The thread of the call pulls: the next chunk is asked for while the batches of the last one are sent, and
a client that does not read stops it all, down to the worker. So a stream holds two chunks of at most
8 MiB, however large the answer is. Batches are slices of the chunks; nothing is copied but a message
that two chunks share.

Two traps. pyarrow's generator sends no dictionaries, so such columns are sent as their values. And Go's
clients refuse messages over 16 MiB, so large batches are cut; a slice of a view column would still carry
all of its bytes, so views are rewritten first.
"""

import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.flight as fl

from engine.arrow_types import map_leaves, viewless
from server.flight.answers import WaitingAnswer
from server.flight.calls import Calls

if TYPE_CHECKING:
    import io

_MESSAGE_BYTES_MAX = 8 * 1024 * 1024
_SMALL_BYTES = 64 * 1024
_TABLE_ROWS = 1024

Finish = Callable[[], Coroutine[Any, Any, None]]


def sent_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that a client gets: of the same names, without dictionaries."""
    return pa.schema(
        [field.with_type(map_leaves(field.type, _value_type)) for field in schema],
        metadata=cast("dict[bytes | str, bytes | str] | None", schema.metadata),
    )


def stream_answer(
    waiting: WaitingAnswer,
    calls: Calls,
    context: fl.ServerCallContext,
    finish: Finish,
) -> fl.FlightDataStream:
    """Make the stream of an answer.

    Args:
        waiting: the answer.
        calls: to reach the loop.
        context: of the call.
        finish: run on the loop at the end of the stream, however that comes.
    """
    batches = _sent(_batches(waiting, calls, context), waiting.schema)
    guarded = _guarded(batches, calls, context, finish)
    # A generator that has not begun would not see its own end.
    next(guarded)
    return fl.GeneratorStream(sent_schema(waiting.schema), guarded)


def stream_table(table: pa.Table) -> fl.FlightDataStream:
    """Make the stream of rows that are all here."""
    return fl.RecordBatchStream(table.combine_chunks().to_reader(_TABLE_ROWS))


class _Chunks:
    """The part of a binary file that Arrow's reader needs, over chunks that come when asked for."""

    closed = False

    def __init__(self, waiting: WaitingAnswer, calls: Calls, context: fl.ServerCallContext) -> None:
        self._view = memoryview(waiting.head)
        self._rest = waiting.rest
        self._calls = calls
        self._context = context
        self._coming = self._ask()

    def read(self, size: int) -> memoryview | bytes:
        """Return the next bytes: ``size`` of them, or fewer at the end."""
        if size <= len(self._view):
            found, self._view = self._view[:size], self._view[size:]
            return found
        parts: list[memoryview] = []
        missing = size
        while missing and (self._view or self._turn()):
            part, self._view = self._view[:missing], self._view[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Ask for no more."""
        if self._coming is not None:
            self._coming.cancel()

    def _turn(self) -> bool:
        """Go on to the next chunk; False when there is none."""
        if self._coming is None:
            return False
        chunk = self._calls.finish(self._coming, self._context)
        self._view = memoryview(chunk)
        self._coming = self._ask() if chunk else None
        return bool(chunk)

    def _ask(self) -> Any:  # noqa: ANN401 - a future of bytes, or None
        return None if self._rest is None else self._calls.start(_next_of(self._rest))


async def _next_of(rest: Any) -> bytes:  # noqa: ANN401 - an iterator of bytes
    chunk: bytes = await anext(rest, b"")
    return chunk


def _batches(
    waiting: WaitingAnswer, calls: Calls, context: fl.ServerCallContext
) -> Iterator[pa.RecordBatch]:
    if waiting.rest is None:
        yield from pa.ipc.open_stream(pa.py_buffer(waiting.head))
        return
    chunks = _Chunks(waiting, calls, context)
    try:
        source = pa.PythonFile(cast("io.RawIOBase", chunks), "r")
        yield from pa.ipc.open_stream(source)
    finally:
        chunks.close()


def _guarded(
    batches: Iterator[pa.RecordBatch],
    calls: Calls,
    context: fl.ServerCallContext,
    finish: Finish,
) -> Iterator[Any]:
    """Yield nothing once, then the batches; turn errors, and close everything at the end."""
    try:
        yield None
        yield from batches
    except GeneratorExit:
        raise
    except Exception as error:  # noqa: BLE001 - every error has a status
        raise calls.error_of(error, context) from None
    finally:
        with contextlib.suppress(Exception):
            batches.close()  # type: ignore[attr-defined]  # generators have it, iterators need not
        calls.finish_later(finish())


def _sent(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Bring batches to the schema that is sent, and cut the large ones."""
    sent = sent_schema(schema)
    is_same = sent.equals(schema)
    for batch in batches:
        whole = batch if is_same else _cast(batch, sent)
        if _size_of(whole) <= _MESSAGE_BYTES_MAX:
            yield whole
        else:
            yield from _cut(whole)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    plain = _cast(
        batch,
        pa.schema([field.with_type(viewless(field.type)) for field in batch.schema]),
    )
    pieces = min(batch.num_rows, -(-plain.nbytes // _MESSAGE_BYTES_MAX) * 2)
    rows = -(-batch.num_rows // max(1, pieces))
    has_views = not plain.schema.equals(batch.schema)
    for start in range(0, batch.num_rows, rows):
        piece = plain.slice(start, rows)
        # A view is made of the whole buffer that a slice is of, so it gets one of its own.
        yield _cast(_copied(piece), batch.schema) if has_views else piece


def _copied(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.take(pa.array(range(batch.num_rows), pa.int64()))


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _size_of(batch: pa.RecordBatch) -> int:
    size_bytes = batch.get_total_buffer_size()
    return size_bytes if size_bytes <= _SMALL_BYTES else batch.nbytes


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind
