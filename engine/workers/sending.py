"""Sends the answer of a statement while it is computed, and keeps its rows.

Order of frames: SCHEMA, BODY…, DONE, then INLINE or KEPT, then END. DONE means the client has all
its rows; keeping them may take longer.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import pyarrow as pa

from engine.encode import Encoder, open_encoder
from engine.errors import ResourceExhausted
from engine.workers.channel import Channel
from engine.workers.frames import Kind
from engine.workers.keeper import Keeper
from engine.workers.tasks import QueryTask

_SMALL_BYTES = 64 * 1024


def send_answer(
    task: QueryTask,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    channel: Channel,
    started: float,
    scanned: Callable[[], dict[str, Any]],
) -> None:
    """Send the rows of a task.

    Args:
        task: says how they are encoded, where they are kept, and how many they may be.
        schema: what they are shown as; their physical types are their own.
        batches: the rows.
        channel: to the parent.
        started: when the task began, by ``time.perf_counter``.
        scanned: tells, once they are all there, what was read for them.

    Raises:
        ResourceExhausted: they are more than the task allows.
    """
    encoder = open_encoder(task.encoding, schema) if task.encoding != "none" else None
    channel.send_json(Kind.SCHEMA, _description(schema, encoder))
    keeping = Keeper(
        schema, task.persist_path, task.inline_bytes_max, is_patient=encoder is not None
    )
    with closing(keeping) as keeper:
        rows = _stream(task, batches, schema, encoder, keeper, channel)
        channel.send_json(
            Kind.DONE,
            {
                "row_count": rows,
                "nullable": _nullable(schema, encoder),
                "is_inline": keeper.is_small,
                "execution_time_ms": round((time.perf_counter() - started) * 1000),
                **scanned(),
            },
        )
        if not keeper.is_small:
            channel.flush()  # the client has its end before the file has one
        kept = keeper.finish()
        if isinstance(kept, bytes):
            channel.send(Kind.INLINE, kept)
        elif kept is not None:
            channel.send_json(Kind.KEPT, {"size_bytes": kept})


def _description(schema: pa.Schema, encoder: Encoder | None) -> dict[str, Any]:
    """Say what the columns are: their names, and for the wire of Postgres their types."""
    types = getattr(encoder, "types", None)
    if types is None:
        return {"columns": schema.names}
    facts = [(each.oid, each.size, each.modifier) for each in types]
    return {"columns": schema.names, "types": facts}


def _stream(
    task: QueryTask,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    encoder: Encoder | None,
    keeper: Keeper,
    channel: Channel,
) -> int:
    rows = total_bytes = 0
    if encoder is not None:
        channel.send(Kind.BODY, encoder.begin())
    for batch in batches:
        if batch.num_rows == 0:
            continue
        size_bytes = batch.get_total_buffer_size()
        if size_bytes > _SMALL_BYTES:  # a view or a slice may share most of its buffers
            size_bytes = batch.nbytes
        rows += batch.num_rows
        total_bytes += size_bytes
        _check_size(task, rows, total_bytes)
        shown = batch
        if not batch.schema.equals(schema):
            shown = pa.RecordBatch.from_arrays(batch.columns, schema=_with_types(schema, batch))
        keeper.add(shown, size_bytes)
        if encoder is not None:
            for chunk in encoder.encode(shown):
                channel.send(Kind.BODY, chunk)
    if encoder is not None:
        channel.send(Kind.BODY, encoder.finish())
    return rows


def _check_size(task: QueryTask, rows: int, size_bytes: int) -> None:
    if rows > task.rows_max:
        raise ResourceExhausted(f"The query returns more than {task.rows_max} rows. Add a LIMIT.")
    if size_bytes > task.result_bytes_max:
        raise ResourceExhausted(
            f"The query returns more than {task.result_bytes_max} bytes. Add a LIMIT."
        )


def _with_types(schema: pa.Schema, batch: pa.RecordBatch) -> pa.Schema:
    """The plan names the columns; the batches know their physical types (views, dictionaries)."""
    if schema.types == batch.schema.types:
        return schema
    return pa.schema(
        [field.with_type(kind) for field, kind in zip(schema, batch.schema.types, strict=True)]
    )


def _nullable(schema: pa.Schema, encoder: Encoder | None) -> list[bool]:
    """NaN and infinities are null in JSON, so such a column is nullable there."""
    widened = getattr(encoder, "nan_columns", None) or [False] * len(schema)
    return [field.nullable or wide for field, wide in zip(schema, widened, strict=True)]
