"""What was made of an entry becomes its content: kept, searchable, and the entry ``processed``.

The content of an entry is in its processed files: ``content.json``, the figures, ``chunks.arrow`` and
``vectors-….arrow``. They are enough to register it again, when its name changes say. The trap: what clients may
change of an entry is registered with it, so the transaction that makes it count sees that it is still so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import orjson
from sqlalchemy import Connection

from catalog.document_model import DocumentDataset, Entry, EntryFile, EntryStatus, FileKind
from catalog.errors import Superseded
from catalog.store import document_datasets as dataset_store
from catalog.store import document_entries as entry_store
from catalog.store import document_segments as segment_store
from engine import errors
from engine.documents.content import CONTENT_FILE
from engine.documents.stage_files import CHUNKS_FILE, vector_files
from engine.service.context import Engine
from engine.service.documents.artifacts import Artifacts
from engine.service.documents.building import vector_width
from engine.service.documents.registration import Ready, Registered, registered
from engine.service.documents.stored import new_file, stored_of

_AGAIN_MAX = 8

Commit: TypeAlias = Callable[[Callable[[Connection], Entry]], Awaitable[Entry]]
"""Makes an effect durable and returns its value."""


async def register_processed(
    engine: Engine,
    dataset: DocumentDataset,
    entry: Entry,
    made: Mapping[str, Artifacts],
    *,
    commit: Commit,
    run: int,
) -> Entry:
    """Make what the steps of a pipeline have left the content of an entry.

    Args:
        engine: open for serving.
        dataset: of the entry.
        entry: with the steps and facts that it will have.
        made: the artifacts ``content``, ``chunks`` and ``vectors``.
        commit: writes.
        run: which the entry must be in.

    Raises:
        Superseded: it is in another run.
        DocumentInvalid: a file that a step has left is gone.
    """
    blobs: dict[str, str] = {}
    for artifacts in made.values():
        blobs |= artifacts
    for _ in range(_AGAIN_MAX):
        base, files = await engine.db.read(_present, entry)
        if base.run != run:
            raise Superseded(f"Entry {entry.id} is being processed anew")
        moved = _moved(base, files, list(blobs.values()))
        originals = tuple(file for file in files if file.kind is FileKind.ORIGINAL)
        done = replace(base, steps=entry.steps, facts=entry.facts)
        with suppress(Superseded):
            return await register_files(
                engine, dataset, done, (*originals, *moved), base=base, commit=commit
            )
    raise errors.Unavailable(f"Entry {entry.id} was changed again and again. Try again")


async def register_files(
    engine: Engine,
    dataset: DocumentDataset,
    entry: Entry,
    files: tuple[EntryFile, ...],
    *,
    base: Entry,
    commit: Commit,
) -> Entry:
    """Make processed files the content of an entry, all at once.

    Args:
        engine: open for serving.
        dataset: of the entry.
        entry: as it will be; its name, metadata, steps and facts are written.
        files: its originals, and all its processed files; other processed ones are dropped.
        base: the entry as it was read together with the files.
        commit: writes.

    Raises:
        Superseded: the entry has changed since.
        NotFound: it is gone.
        InvalidRequest: the vectors of its dataset have come to have another width than its own.
    """
    content = [file for file in files if file.kind is FileKind.PROCESSED]
    blobs = {file.file_name: file.blob_key for file in content}
    text = await _text_of(engine, blobs[CONTENT_FILE])
    entry = replace(entry, processed_at=datetime.now(UTC))
    ready = Ready(
        entry=entry,
        text=text,
        files=files,
        chunks=blobs.get(CHUNKS_FILE),
        vectors=tuple(blobs[name] for name in vector_files(blobs)),
    )

    width = await _width_of(engine, ready.vectors)

    async def write(found: Registered) -> Entry:
        return await commit(partial(_write, entry, content, found, base, width=width))

    return await registered(engine, dataset, ready, write)


def _write(
    entry: Entry,
    content: list[EntryFile],
    found: Registered,
    base: Entry,
    conn: Connection,
    *,
    width: int | None,
) -> Entry:
    if width is not None:
        _hold_width(conn, entry, found, width)
    now = entry_store.lock_entry(conn, entry.workspace_id, entry.id)
    if _basis(now) != _basis(base):
        raise Superseded(f"Entry {entry.id} was changed meanwhile")
    changes: dict[str, Any] = {
        "name": entry.name,
        "slug": entry.slug,
        "description": entry.description,
        "metadata": entry.metadata,
        "status": EntryStatus.PROCESSED,
        "steps": entry.steps,
        "facts": entry.facts,
        "error": None,
        **found.hold(conn),
        "processed_at": entry.processed_at,
    }
    after = entry_store.change_entry(conn, entry.workspace_id, entry.id, changes)
    keep = [file.key for file in content]
    entry_store.drop_files(conn, entry.id, [FileKind.PROCESSED], keep=keep)
    entry_store.put_files(conn, content)
    return after


def _hold_width(conn: Connection, entry: Entry, found: Registered, width: int) -> None:
    """See that vectors have the width of their dataset, and keep it until the transaction ends."""
    dataset = dataset_store.lock_dataset(conn, entry.workspace_id, entry.dataset_id)
    if dataset.embedding_width != width:
        raise errors.InvalidRequest(
            f"The vectors have {width} numbers, and those of the dataset have "
            f"{dataset.embedding_width} by now"
        )
    if segment_store.width_of(conn, found.segment_id) != width:
        raise Superseded("The segment was built for vectors of another width")


def _basis(entry: Entry) -> tuple[Any, ...]:
    """Return what a registration is made of besides the files, and which one it replaces."""
    return (
        entry.run,
        entry.registration,
        entry.name,
        entry.slug,
        entry.description,
        entry.metadata,
    )


def _present(conn: Connection, entry: Entry) -> tuple[Entry, tuple[EntryFile, ...]]:
    found = entry_store.get_entry(conn, entry.workspace_id, entry.id)
    files = entry_store.list_files(conn, entry.workspace_id, [entry.id])
    return found, files.get(entry.id, ())


def _moved(
    entry: Entry, files: Sequence[EntryFile], blob_keys: Sequence[str]
) -> tuple[EntryFile, ...]:
    """Return what was made on the way as files of the outcome."""
    by_blob = {file.blob_key: file for file in files}
    if not by_blob.keys() >= set(blob_keys):
        raise errors.DocumentInvalid(
            "What an earlier step made is gone; trigger the pipeline again"
        )
    return tuple(new_file(entry, FileKind.PROCESSED, stored_of(by_blob[key])) for key in blob_keys)


async def _width_of(engine: Engine, vectors: Sequence[str]) -> int | None:
    """Return how many numbers vectors have that are in blobs; None of none."""
    if not vectors:
        return None
    return await asyncio.to_thread(vector_width, await engine.blobs.local_path(vectors[0]))


async def _text_of(engine: Engine, blob_key: str) -> str:
    path = await engine.blobs.local_path(blob_key)
    content = orjson.loads(await asyncio.to_thread(path.read_bytes))
    return str(content["text"])
