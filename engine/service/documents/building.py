"""A segment is built by a worker, its files are stored, and it is ready to be written down.

The trap: the width of a dataset's vectors may change while an entry is made. One with vectors of
another width is built without them, so that it does not harm those it shares the segment with; it
never comes to count: see ``processed``.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from catalog.document_model import DocumentDataset, Segment, SegmentFile
from catalog.ids import IdKind, new_id
from catalog.store import document_datasets as dataset_store
from engine.arrow_files import read_table
from engine.service.context import Engine
from engine.service.documents.segments import LANGUAGE
from engine.workers.document_tasks import SegmentBinding, SegmentSource, SegmentTask
from engine.workers.execution import Limits


async def build_segment(
    engine: Engine,
    dataset: DocumentDataset,
    folder: Path,
    *,
    sources: tuple[SegmentSource, ...] = (),
    merged: tuple[SegmentBinding, ...] = (),
) -> Segment:
    """Build a segment of new entries, or of those that live in others; nobody reads it yet.

    Args:
        engine: open for serving.
        dataset: of the segment.
        folder: in staging, for what is made on the way.
        sources: new entries.
        merged: segments whose live entries it takes over.
    """
    settings = engine.settings
    output = folder / "segment"
    output.mkdir()
    width = await engine.db.read(_width_of, dataset)
    sources = await asyncio.to_thread(_fitting, sources, width)
    task = SegmentTask(sources, merged, str(output), settings.index_memory_bytes, LANGUAGE, width)
    limits = Limits(
        timeout_s=settings.index_timeout_s,
        memory_bytes=settings.index_memory_bytes,
        gives_way=bool(merged),
        wait_s=settings.index_timeout_s,
        subject="Registering the documents",
    )
    done = await engine.pool.run_task(dataset.workspace_id, task, limits=limits)
    segment_id = new_id(IdKind.DOCUMENT_SEGMENT)
    prefix = f"documents/{dataset.workspace_id}/{dataset.id}/segments/{segment_id}"
    files = []
    for name in done["files"]:
        key = f"{prefix}/{name}"
        files.append(SegmentFile(name, key, await engine.blobs.publish(output / name, key)))
    return Segment(
        id=segment_id,
        workspace_id=dataset.workspace_id,
        dataset_id=dataset.id,
        registrations=tuple(done["registrations"]),
        entry_count=done["entry_count"],
        chunk_count=done["chunk_count"],
        width=done["dimensions"],
        files=tuple(files),
        created_at=datetime.now(UTC),
    )


def vector_width(path: Path) -> int:
    """Return how many numbers the vectors in a file of an entry have."""
    width: int = read_table(path).schema.field("vector").type.list_size
    return width


def _fitting(sources: tuple[SegmentSource, ...], width: int | None) -> tuple[SegmentSource, ...]:
    return tuple(
        replace(each, vectors=())
        if each.vectors and vector_width(Path(each.vectors[0])) != width
        else each
        for each in sources
    )


def _width_of(conn: Connection, dataset: DocumentDataset) -> int | None:
    return dataset_store.get_dataset(conn, dataset.workspace_id, dataset.id).embedding_width
