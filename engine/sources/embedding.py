"""Turns the texts of a file into chunk files of vectors, and says so after each chunk.

A chunk that was told of is complete and synced: whoever builds an index may keep it, and need not pay for
its vectors again. Memory is bounded by one chunk and one call of the embedder.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.embeddings.base import Embedder, VectorArray, Vectors
from engine.embeddings.opening import open_embedder
from engine.errors import EngineError
from engine.sources.tasks import EmbedTask
from engine.workers.channel import Channel
from engine.workers.frames import Kind

_CALL_BYTES_MAX = 4 << 20
_CHUNK_BYTES_MAX = 64 << 20


def embed_texts(task: EmbedTask, channel: Channel) -> dict[str, Any]:
    """Do a task.

    ``texts`` is an Arrow IPC file with a column ``text``. The chunk files have one column ``vector``, in
    the order of the texts, null where the text is null. A PROGRESS frame has ``rows`` so far, and after a
    chunk ``chunk``: its name, ``first_row`` and ``row_count``.

    Returns:
        rows, and dimensions.

    Raises:
        EngineError: what the embedder failed with.
    """
    with (
        pa.memory_map(task.texts) as source,
        open_embedder(task.embedder, Path(task.scratch)) as embedder,
    ):
        reader = pa.ipc.open_file(source)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        chunks = _Chunks(task, channel)
        try:
            for texts in _calls(batches, embedder):
                chunks.add(_embed(embedder, texts))
        except EngineError:
            chunks.finish()  # they may have been paid for
            raise
        if embedder.dimensions is None:
            embedder.embed([""])  # no text had to be asked for; now it knows
        return {"rows": chunks.finish(), "dimensions": embedder.dimensions}


class _Chunks:
    """Gathers vectors until there are enough for a file."""

    def __init__(self, task: EmbedTask, channel: Channel) -> None:
        self._task = task
        self._channel = channel
        self._waiting: list[VectorArray] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._written_rows = 0
        self._count = 0
        self._since = time.monotonic()

    def add(self, vectors: VectorArray) -> None:
        self._waiting.append(vectors)
        self._waiting_rows += len(vectors)
        self._waiting_bytes += vectors.nbytes
        is_full = (
            self._waiting_rows >= self._task.chunk_rows
            or self._waiting_bytes >= _CHUNK_BYTES_MAX
            or time.monotonic() - self._since >= self._task.chunk_s
        )
        if is_full:
            self._write()
        else:
            self._tell({})

    def finish(self) -> int:
        """Write what is left; return the rows of all chunks."""
        if self._waiting:
            self._write()
        return self._written_rows

    def _write(self) -> None:
        name = f"chunk-{self._count:06}.arrow"
        path = Path(self._task.output_folder) / name
        vectors = pa.concat_arrays(self._waiting)
        batch = pa.record_batch({"vector": vectors})
        with path.open("wb") as file:
            with pa.ipc.new_file(file, batch.schema) as writer:
                writer.write_batch(batch)
            file.flush()
            os.fsync(file.fileno())
        chunk = {"name": name, "first_row": self._written_rows, "row_count": len(vectors)}
        self._written_rows += len(vectors)
        self._count += 1
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        self._since = time.monotonic()
        self._tell({"chunk": chunk})

    def _tell(self, news: dict[str, Any]) -> None:
        rows = self._written_rows + self._waiting_rows
        self._channel.send_json(Kind.PROGRESS, {"rows": rows, **news})
        self._channel.flush()


def _calls(batches: Iterator[pa.RecordBatch], embedder: Embedder) -> "Iterator[pa.Array[Any]]":
    """Cut the texts into what one call of the embedder takes, bounded by bytes too."""
    for batch in batches:
        texts = batch.column("text")
        start = 0
        while start < len(texts):
            count = min(len(texts) - start, embedder.texts_at_once)
            while count > 1 and _text_bytes(texts, start, count) > _CALL_BYTES_MAX:
                count //= 2
            yield texts.slice(start, count)
            start += count


def _text_bytes(texts: "pa.Array[Any]", start: int, count: int) -> int:
    return texts.slice(start, count).nbytes


def _embed(embedder: Embedder, texts: "pa.Array[Any]") -> VectorArray:
    vectors = embedder.embed(["" if text is None else text for text in texts.to_pylist()])
    return _as_array(vectors, texts)


def _as_array(vectors: Vectors, texts: "pa.Array[Any]") -> VectorArray:
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    mask = texts.is_null() if texts.null_count else None
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=mask)
