"""Content that a client brings itself: text, and chunks with or without vectors; no pipeline runs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from catalog.document_model import Entry, EntryFile, EntryStatus, FileKind
from catalog.store import document_datasets as dataset_store
from engine import errors
from engine.arrow_files import read_table, write_table
from engine.documents.chunks.parameters import SCHEMA
from engine.documents.content import CONTENT_FILE, TEXT_CHARS_MAX, Content, write_content
from engine.documents.stage_files import CHUNKS_FILE, VECTORS_FILE, vector_files
from engine.service.context import Caller, Engine
from engine.service.documents.artifacts import keep_folder
from engine.service.documents.entries import EntryDetail, get_entry
from engine.service.documents.processed import register_files
from engine.service.documents.stored import new_file
from engine.service.embedding import embed_query, find_provider
from engine.service.keyed_locks import KeyedLocks
from engine.service.scratch import scratch_folder
from engine.translate import translated

CHUNKS_MAX = 10_000
COLLECTION = "entry_chunks"
# What we cut has numbers everywhere; what clients bring may lack some, and has metadata.
_SCHEMA = pa.schema(
    [*(field.with_nullable(True) for field in SCHEMA), pa.field("metadata", pa.large_string())]
)


@dataclass(frozen=True, slots=True)
class GivenChunk:
    """A chunk as a client brings it; without a vector its text is embedded."""

    chunk_text: str
    chunk_index: int
    embedding: Sequence[float] | None
    metadata: Mapping[str, Any]


@translated
async def save_processed(
    engine: Engine, caller: Caller, entry_id: int, content: Mapping[str, Any]
) -> EntryDetail:
    """Make a text the content of an entry, which is ``processed`` then.

    Chunks of an earlier text go; without new ones it is found by words alone.

    Raises:
        NotFound: the workspace has no such entry.
        InvalidRequest: the text is too long, or the entry is being processed.
    """
    text = content["text"]
    if len(text) > TEXT_CHARS_MAX:
        raise errors.InvalidRequest(f"content.text may have at most {TEXT_CHARS_MAX} characters")
    async with _locks(engine).of(f"entry {entry_id}"):
        detail = _without_chunks(await _free(engine, caller, entry_id))
        title = content.get("title")
        made = Content(text=text, title=title if isinstance(title, str) else None)
        facts = {"title": made.title, "text_length": len(text), "chunk_count": 0}
        async with scratch_folder(engine.blobs.stage()) as folder:
            await asyncio.to_thread(write_content, made, folder)
            await _register(engine, caller, detail, facts, folder)
    return await get_entry(engine, caller, entry_id)


@translated
async def save_chunks(
    engine: Engine,
    caller: Caller,
    entry_id: int,
    chunks: Sequence[GivenChunk],
    collection_name: str,
) -> int:
    """Make chunks part of an entry: each replaces the one of its index; return how many were given.

    Raises:
        NotFound: the workspace has no such entry.
        InvalidRequest: a vector has another width than the others of the dataset, or a rule is broken.
    """
    if collection_name != COLLECTION:
        raise errors.InvalidRequest(f"There is one collection of chunks: '{COLLECTION}'")
    if len({chunk.chunk_index for chunk in chunks}) < len(chunks):
        raise errors.InvalidRequest("Two chunks have the same chunk_index")
    async with _locks(engine).of(f"entry {entry_id}"):
        detail = await _free(engine, caller, entry_id)
        vectors = await _vectors_of(engine, caller, detail, chunks)
        async with scratch_folder(engine.blobs.stage()) as folder:
            rows, kept = await _present(engine, detail, {chunk.chunk_index for chunk in chunks})
            count = await asyncio.to_thread(_write_chunks, folder, rows, kept, chunks, vectors)
            if not any(file.file_name == CONTENT_FILE for file in _processed(detail)):
                await asyncio.to_thread(write_content, Content(""), folder)
            facts = {**detail.entry.facts, "chunk_count": count}
            await _register(engine, caller, detail, facts, folder)
    return len(chunks)


async def _free(engine: Engine, caller: Caller, entry_id: int) -> EntryDetail:
    detail = await get_entry(engine, caller, entry_id)
    if detail.entry.status is EntryStatus.PROCESSING:
        raise errors.InvalidRequest(
            f"Entry {entry_id} is being processed by its pipeline: wait until it is processed"
        )
    if detail.entry.status is EntryStatus.PROCESSED:
        return detail
    # What was read of an earlier file is not what this one says.
    originals = tuple(file for file in detail.files if file.kind is FileKind.ORIGINAL)
    return replace(detail, entry=replace(detail.entry, facts={}), files=originals)


def _without_chunks(detail: EntryDetail) -> EntryDetail:
    """Leave the originals, and what was made of them before."""
    kept = tuple(file for file in detail.files if file.kind is FileKind.ORIGINAL)
    return replace(detail, files=kept)


async def _register(
    engine: Engine, caller: Caller, detail: EntryDetail, facts: dict[str, Any], folder: Path
) -> Entry:
    """Store the files of a folder, and register them in the places of those of their names."""
    entry = replace(detail.entry, facts=facts)
    stored = await keep_folder(engine, caller.organization_id, entry, folder)
    given = [new_file(entry, FileKind.PROCESSED, each) for each in stored]
    names = {file.file_name for file in given}
    kept = [file for file in detail.files if file.kind is not FileKind.PROCESSING]
    files = [file for file in kept if file.kind is FileKind.ORIGINAL or file.file_name not in names]
    dataset = await engine.db.read(dataset_store.get_dataset, caller.workspace_id, entry.dataset_id)
    return await register_files(
        engine, dataset, entry, (*files, *given), base=detail.entry, commit=engine.db.write
    )


async def _vectors_of(
    engine: Engine, caller: Caller, detail: EntryDetail, chunks: Sequence[GivenChunk]
) -> list[Sequence[float]]:
    """Return a vector for each chunk, all of the width that the dataset has."""
    dataset = await engine.db.read(
        dataset_store.get_dataset, caller.workspace_id, detail.entry.dataset_id
    )
    missing = [chunk.chunk_text for chunk in chunks if chunk.embedding is None]
    made: list[Sequence[float]] = []
    if missing:
        provider = await find_provider(engine, caller.workspace_id, dataset.embedding_provider_id)
        found = await embed_query(engine, caller.workspace_id, provider, None, missing)
        made = list(found.tolist())
    given = [chunk.embedding for chunk in chunks if chunk.embedding is not None]
    if any(not np.isfinite(np.asarray(vector, np.float32)).all() for vector in given):
        raise errors.InvalidRequest("An embedding has a number that 32 bits cannot hold")
    widths = {len(chunk.embedding) for chunk in chunks if chunk.embedding is not None}
    widths |= {len(vector) for vector in made}
    if not widths:
        return []
    settled = dataset.embedding_width or max(widths)
    if len(widths) == 1:
        settled = await engine.db.write(dataset_store.know_width, dataset.id, max(widths))
    for width in widths - {settled}:
        raise errors.InvalidRequest(
            f"An embedding has {width} numbers, and those of the dataset have {settled}"
        )
    following = iter(made)
    return [next(following) if chunk.embedding is None else chunk.embedding for chunk in chunks]


def _processed(detail: EntryDetail) -> list[EntryFile]:
    return [file for file in detail.files if file.kind is FileKind.PROCESSED]


async def _present(
    engine: Engine, detail: EntryDetail, replaced: set[int]
) -> tuple[list[dict[str, Any]], list[Sequence[float] | None]]:
    """Return the chunks that stay, as rows, with their vectors."""
    blobs = {file.file_name: file.blob_key for file in _processed(detail)}
    if CHUNKS_FILE not in blobs:
        return [], []
    names = [CHUNKS_FILE, *vector_files(blobs)]
    paths = await engine.blobs.local_paths([blobs[name] for name in names])
    rows, vectors = await asyncio.to_thread(_read_chunks, paths[0], paths[1:])
    staying = [at for at, row in enumerate(rows) if row["chunk_index"] not in replaced]
    return [rows[at] for at in staying], [vectors[at] for at in staying]


def _read_chunks(
    chunks: Path, vectors: Sequence[Path]
) -> tuple[list[dict[str, Any]], list[Sequence[float] | None]]:
    rows = read_table(chunks).to_pylist()
    found: list[Sequence[float] | None] = []
    for path in vectors:
        found.extend(read_table(path).column("vector").to_pylist())
    return rows, found or [None] * len(rows)


def _write_chunks(
    folder: Path,
    rows: list[dict[str, Any]],
    kept: list[Sequence[float] | None],
    chunks: Sequence[GivenChunk],
    vectors: Sequence[Sequence[float]],
) -> int:
    """Write all chunks of an entry by their index, and their vectors; return how many there are."""
    together = [*zip(rows, kept, strict=True), *zip(map(_row_of, chunks), vectors, strict=True)]
    together.sort(key=lambda pair: pair[0]["chunk_index"])
    table = pa.Table.from_pylist([row for row, _ in together], _SCHEMA)
    write_table(folder / CHUNKS_FILE, table)
    numbers = [vector for _, vector in together]
    width = next((len(vector) for vector in numbers if vector is not None), None)
    if width is not None:
        column = pa.array(numbers, pa.list_(pa.float32(), width))
        write_table(folder / VECTORS_FILE, pa.table({"vector": column}))
    return len(together)


def _row_of(chunk: GivenChunk) -> dict[str, Any]:
    def number(name: str) -> int | None:
        value = chunk.metadata.get(name)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if is_whole and 0 <= value < 2**31 else None  # type: ignore[operator]  # see above

    return {
        "chunk_index": chunk.chunk_index,
        "chunk_text": chunk.chunk_text,
        "heading_path": [],
        "page_start": number("page_start"),
        "page_end": number("page_end"),
        "char_start": number("char_start"),
        "char_end": number("char_end"),
        "token_count": None,
        "metadata": orjson.dumps(dict(chunk.metadata)).decode() if chunk.metadata else None,
    }


def _locks(engine: Engine) -> KeyedLocks:
    """What one client replaces in an entry, another does not replace at the same moment."""
    return engine.builds
