"""Registration: what was made of entries becomes searchable, many entries in one segment.

Entries of one dataset that are ready at the same moment share a segment: while one is built, those that come
wait for the next. A segment is written down before any entry counts in it; an entry counts once a transaction
of its own names its registration. The trap: a merge meanwhile leaves out what does not count yet, so that
transaction sees that the segment is still there, and otherwise registers again.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection

from catalog.document_model import DocumentDataset, Entry, EntryFile, FileKind, Segment
from catalog.errors import Superseded
from catalog.store import document_datasets as dataset_store
from catalog.store import document_segments as segment_store
from engine import errors
from engine.service.context import Engine
from engine.service.documents.building import build_segment
from engine.service.documents.merging import queue_merge
from engine.service.scratch import scratch_folder
from engine.workers.document_tasks import SegmentSource

_AGAIN_MAX = 8
_REGISTRATION_MAX = 2**63 - 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ready:
    """An entry whose content is to be registered.

    ``chunks`` and ``vectors`` are blobs: Arrow IPC files of the chunks, and of their vectors in order.
    """

    entry: Entry
    text: str
    files: tuple[EntryFile, ...]
    chunks: str | None
    vectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """Where an entry was registered; it counts once its row says so."""

    registration: int
    segment_id: str

    def hold(self, conn: Connection) -> dict[str, Any]:
        """Return what makes it count in the row of the entry.

        Raises:
            Superseded: register it again.
        """
        segment_store.hold_segment(conn, self.segment_id)
        return {"registration": self.registration, "segment_id": self.segment_id}


async def registered(
    engine: Engine,
    dataset: DocumentDataset,
    ready: Ready,
    commit: Callable[[Registered], Awaitable[T]],
) -> T:
    """Register an entry and commit what makes it count, again while merges get in between.

    Args:
        engine: open for serving.
        dataset: of the entry.
        ready: what to register.
        commit: a coroutine function that writes the registration into the row of the entry.

    Raises:
        Unavailable: merges got in between too often.
    """
    for _ in range(_AGAIN_MAX):
        build = partial(_build_segment, engine, dataset)
        found: Registered = await engine.registrar.add(dataset.id, ready, build)
        try:
            return await commit(found)
        except Superseded:
            if await engine.db.read(segment_store.has_segment, found.segment_id):
                raise  # something else was superseded: the entry itself
    raise errors.Unavailable("The dataset was merged again and again. Try again")


async def _build_segment(
    engine: Engine, dataset: DocumentDataset, ready: Sequence[Ready]
) -> list[Registered]:
    async with scratch_folder(engine.blobs.stage()) as folder:
        numbers = [secrets.randbelow(_REGISTRATION_MAX) + 1 for _ in ready]
        sources = [
            await _stage(engine, folder, number, each)
            for number, each in zip(numbers, ready, strict=True)
        ]
        segment = await build_segment(engine, dataset, folder, sources=tuple(sources))
    await engine.db.write(_insert, segment, engine.settings.document_merge_segments)
    engine.jobs.wake()
    return [Registered(number, segment.id) for number in numbers]


async def _stage(engine: Engine, folder: Path, number: int, ready: Ready) -> SegmentSource:
    entry, files = folder / f"{number}-entry.json", folder / f"{number}-files.json"
    await asyncio.to_thread(entry.write_bytes, orjson.dumps(_row_of(ready)))
    await asyncio.to_thread(files.write_bytes, orjson.dumps(list(map(_file_row, ready.files))))
    keys = [*([] if ready.chunks is None else [ready.chunks]), *ready.vectors]
    paths = list(map(str, await engine.blobs.local_paths(keys)))
    chunks = None if ready.chunks is None else paths.pop(0)
    return SegmentSource(number, str(entry), str(files), chunks, tuple(paths))


def _row_of(ready: Ready) -> dict[str, Any]:
    entry = ready.entry
    tags = entry.metadata.get("tags")
    original = next(
        (file for file in reversed(ready.files) if file.kind is FileKind.ORIGINAL), None
    )
    return {
        "id": entry.id,
        "dataset_id": entry.dataset_id,
        "name": entry.name,
        "slug": entry.slug,
        "description": entry.description,
        "title": entry.facts.get("title"),
        "mime_type": entry.mime_type,
        "file_name": None if original is None else original.file_name,
        "size_bytes": None if original is None else original.size_bytes,
        "sha256": None if original is None else original.sha256,
        "page_count": entry.facts.get("page_count"),
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        "metadata": entry.metadata,
        "text": ready.text,
        "created_at": entry.created_at.isoformat(),
        "processed_at": (entry.processed_at or datetime.now(UTC)).isoformat(),
    }


def _file_row(file: EntryFile) -> dict[str, Any]:
    return {
        "key": file.key,
        "kind": str(file.kind),
        "file_name": file.file_name,
        "size_bytes": file.size_bytes,
        "mime_type": file.mime_type,
        "sha256": file.sha256,
        "created_at": file.created_at.isoformat(),
    }


def _insert(conn: Connection, segment: Segment, tier_max: int) -> None:
    dataset_store.get_dataset(conn, segment.workspace_id, segment.dataset_id)
    segment_store.insert_segment(conn, segment)
    queue_merge(conn, segment.workspace_id, segment.dataset_id, tier_max)
