"""Collects what has to be embedded: the distinct texts of a column that have no vector yet."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.errors import InvalidRequest
from engine.workers.tasks import TextsTask

HASH = "hash"
VECTOR = "vector"
HASH_TYPE: pa.DataType = pa.binary(16)
TEXTS_SCHEMA = pa.schema([("text", pa.large_string()), (HASH, HASH_TYPE)])
_BATCH_ROWS = 16_384


def collect_texts(task: TextsTask, on_progress: Callable[[int], None]) -> dict[str, Any]:
    """Write the texts that are not known, each once, with their hashes, as an Arrow IPC file.

    An empty text has no vector, like NULL.

    Returns:
        ``text_count``.
    """
    seen = known_hashes(task.known)
    rows = count = 0
    with pa.ipc.new_file(task.output_path, TEXTS_SCHEMA) as writer:
        for column in read_column(task.files, task.column):
            rows += len(column)
            texts: list[Any] = column.unique().drop_null().to_pylist()
            fresh = {}
            for text in texts:
                key = hash_of(text)
                if text and key not in seen:
                    fresh[key] = text
            seen.update(fresh)
            count += len(fresh)
            if fresh:
                hashes = pa.array(fresh.keys(), HASH_TYPE)
                new = pa.record_batch(
                    [pa.array(fresh.values(), pa.large_string()), hashes], schema=TEXTS_SCHEMA
                )
                writer.write_batch(new)
            on_progress(rows)
    return {"text_count": count}


def hash_of(text: str) -> bytes:
    """Name a text by 16 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def known_hashes(files: Sequence[str]) -> set[bytes]:
    """Return the hashes of the texts whose vectors are in some files."""
    known: set[bytes] = set()
    for path in files:
        with pa.memory_map(path) as source:
            options = pa.ipc.IpcReadOptions(included_fields=[0])
            hashes: list[Any] = pa.ipc.open_file(source, options=options).read_all()[0].to_pylist()
            known.update(hashes)
    return known


def read_column(files: Sequence[str], column: str) -> Iterator[Any]:
    """Yield a column of text, in order.

    Raises:
        InvalidRequest: the table has no such column, or it holds no text.
    """
    for path in files:
        with pq.ParquetFile(path) as file:
            if column not in file.schema_arrow.names:
                raise InvalidRequest(f"The table has no column '{column}' any more")
            dtype = file.schema_arrow.field(column).type
            if not (pa.types.is_string(dtype) or pa.types.is_large_string(dtype)):
                raise InvalidRequest(f"Column '{column}' does not hold text, but {dtype}")
            for batch in file.iter_batches(_BATCH_ROWS, columns=[column]):
                yield pc.cast(batch.column(0), pa.large_string())
