"""Reads back a page of a kept result and encodes it like the first answer."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from engine.encode import open_encoder
from engine.workers.channel import Channel
from engine.workers.frames import Kind
from engine.workers.tasks import ReadTask

_BATCH_ROWS = 16_384


def read_rows(task: ReadTask, channel: Channel) -> None:
    """Send SCHEMA, BODY… and DONE for one page of a result."""
    schema, row_count, batches = _open(task)
    shown = pa.schema(
        [
            field.with_name(name).with_nullable(nullable)
            for field, name, nullable in zip(schema, task.columns, task.nullable, strict=True)
        ]
    )
    encoder = open_encoder(task.encoding, shown)
    channel.send_json(Kind.SCHEMA, {"columns": list(task.columns)})
    channel.send(Kind.BODY, encoder.begin())
    rows = 0
    for batch in _page(batches, task.limit_rows):
        rows += batch.num_rows
        for chunk in encoder.encode(pa.RecordBatch.from_arrays(batch.columns, schema=shown)):
            channel.send(Kind.BODY, chunk)
    channel.send(Kind.BODY, encoder.finish())
    channel.send_json(
        Kind.DONE,
        {"row_count": rows, "total_row_count": row_count, "nullable": list(task.nullable)},
    )


def _open(task: ReadTask) -> tuple[pa.Schema, int, Iterator[pa.RecordBatch]]:
    if task.ipc is not None:
        table = pa.ipc.open_stream(task.ipc).read_all()
        return table.schema, table.num_rows, iter(table.slice(task.offset_rows).to_batches())
    assert task.file is not None
    file = pq.ParquetFile(task.file, memory_map=True)
    return (
        file.schema_arrow,
        file.metadata.num_rows,
        _file_batches(file, task.offset_rows),
    )


def _file_batches(file: pq.ParquetFile, offset_rows: int) -> Iterator[pa.RecordBatch]:
    """Skip whole row groups, then the rest of the offset inside the first one read."""
    metadata = file.metadata
    first = 0
    while first < metadata.num_row_groups and offset_rows >= metadata.row_group(first).num_rows:
        offset_rows -= metadata.row_group(first).num_rows
        first += 1
    groups = range(first, metadata.num_row_groups)
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=list(groups)):
        if offset_rows >= batch.num_rows:
            offset_rows -= batch.num_rows
            continue
        yield batch.slice(offset_rows)
        offset_rows = 0


def _page(batches: Iterator[pa.RecordBatch], limit_rows: int | None) -> Iterator[pa.RecordBatch]:
    if limit_rows is None:
        yield from batches
        return
    left = limit_rows
    for batch in batches if left > 0 else ():
        yield batch.slice(0, left)
        left -= batch.num_rows
        if left <= 0:
            return
