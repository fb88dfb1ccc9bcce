"""Entries: made, read alone or many at once, changed and removed."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from catalog.document_model import DocumentDataset, Entry, EntryFile, EntryStatus, FileKind
from catalog.errors import Superseded
from catalog.store import document_datasets as dataset_store
from catalog.store import document_entries as entry_store
from engine import errors
from engine.arrow_files import read_table
from engine.documents.chunks.parameters import SCHEMA
from engine.documents.content import CONTENT_FILE
from engine.documents.stage_files import CHUNKS_FILE
from engine.service.context import Caller, Engine
from engine.service.documents.definitions import check_metadata
from engine.service.documents.merging import queue_merge
from engine.service.documents.processed import register_files
from engine.service.documents.stored import PLAIN_TYPE
from engine.service.plain_text import check_text
from engine.translate import translated

NAME_CHARS_MAX = 255
DESCRIPTION_CHARS_MAX = 10_000
BATCH_MAX = 500
_AGAIN_MAX = 8


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """An entry with its files, and the name of its dataset's schema."""

    entry: Entry
    files: tuple[EntryFile, ...]
    schema_id: str
    schema_version: str


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One page of a listing, and how many there are in all."""

    items: tuple[EntryDetail, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Selector:
    """Which entries: all that pass every filter that is given."""

    dataset_id: int | None = None
    ids: Sequence[int] | None = None
    status: EntryStatus | None = None
    slugs: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class EntryContent:
    """An entry with its text and its chunks, as JSON objects; None while it has none."""

    entry: Entry
    content: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What a client asks for."""

    dataset_id: int
    name: str
    slug: str
    description: str
    metadata: dict[str, Any]


@translated
async def create_entry(engine: Engine, caller: Caller, asked: NewEntry) -> EntryDetail:
    """Make an entry without a file.

    Raises:
        InvalidRequest: a field breaks a rule, and which.
        NotFound: the workspace has no such dataset.
        Conflict: the dataset has an entry of this slug.
    """
    _, values = await check_new(engine, caller, asked)

    def write(conn: Connection) -> EntryDetail:
        dataset = dataset_store.get_dataset(conn, caller.workspace_id, asked.dataset_id)
        entry = entry_store.insert_entry(conn, caller.workspace_id, values)
        return _detail(entry, dataset, ())

    return await engine.db.write(write)


async def check_new(
    engine: Engine, caller: Caller, asked: NewEntry
) -> tuple[DocumentDataset, dict[str, Any]]:
    """See that an entry may be made; return its dataset and its columns.

    Raises:
        InvalidRequest, NotFound: as of :func:`create_entry`.
        Conflict: the dataset has an entry of this slug; it may come to have one later, too.
    """
    values = {
        "dataset_id": asked.dataset_id,
        "name": check_text("Entry name", asked.name, chars_max=NAME_CHARS_MAX),
        "slug": check_text("Entry slug", asked.slug, chars_max=NAME_CHARS_MAX),
        "description": _description(asked.description),
        "metadata": asked.metadata,
        "mime_type": PLAIN_TYPE,
    }

    def read(conn: Connection) -> DocumentDataset:
        found = dataset_store.get_dataset(conn, caller.workspace_id, asked.dataset_id)
        entry_store.check_slug(conn, found.id, asked.slug)
        return found

    dataset = await engine.db.read(read)
    await asyncio.to_thread(check_metadata, dataset.schema_definition, asked.metadata)
    return dataset, values


@translated
async def get_entry(engine: Engine, caller: Caller, entry_id: int) -> EntryDetail:
    """Return an entry; raise ``NotFound``."""

    def read(conn: Connection) -> EntryDetail:
        entry = entry_store.get_entry(conn, caller.workspace_id, entry_id)
        return _details(conn, caller, [entry])[0]

    return await engine.db.read(read)


@translated
async def list_entries(
    engine: Engine, caller: Caller, selector: Selector, *, limit: int, offset: int
) -> EntryPage:
    """List entries, newest first; what is unknown is left out."""

    def read(conn: Connection) -> EntryPage:
        total, found = entry_store.page_entries(
            conn,
            caller.workspace_id,
            dataset_id=selector.dataset_id,
            ids=selector.ids,
            status=selector.status,
            slugs=selector.slugs,
            limit=limit,
            offset=offset,
        )
        return EntryPage(_details(conn, caller, found), total)

    return await engine.db.read(read)


@translated
async def read_contents(  # noqa: PLR0913 - one for each thing a client chooses, all keyword
    engine: Engine,
    caller: Caller,
    selector: Selector,
    *,
    limit: int,
    offset: int,
    with_chunks: bool = True,
    is_complete: bool = True,
) -> tuple[tuple[EntryContent, ...], int]:
    """Return the text and the chunks of entries, newest first, and how many there are in all.

    Their files have at most ``document_content_max_bytes`` together, for they are held in memory.

    Args:
        engine: open for serving.
        caller: whose.
        selector: which entries.
        limit: of these at most so many.
        offset: so many are left out before.
        with_chunks: else the chunks are left empty.
        is_complete: else what is beyond the bytes has None as its content; the ids that the
            selector names first have theirs first.

    Raises:
        InvalidRequest: they have more bytes, and must be complete.
    """
    page = await list_entries(engine, caller, selector, limit=limit, offset=offset)
    files = [_content_files(detail, with_chunks=with_chunks) for detail in page.items]
    bytes_max = engine.settings.document_content_max_bytes
    if is_complete:
        _check_bytes(files, bytes_max, with_chunks=with_chunks)
    else:
        named = {entry_id: place for place, entry_id in enumerate(selector.ids or ())}
        order = [named.get(detail.entry.id, 0) for detail in page.items]
        files = _fitting(files, order, bytes_max)
    keys = [file.blob_key for each in files for file in each]
    paths = dict(zip(keys, await engine.blobs.local_paths(keys), strict=True))
    contents = await asyncio.to_thread(_read_all, files, paths)
    return tuple(
        EntryContent(detail.entry, content)
        for detail, content in zip(page.items, contents, strict=True)
    ), page.total


@translated
async def update_entry(
    engine: Engine, caller: Caller, entry_id: int, changes: Mapping[str, Any]
) -> EntryDetail:
    """Change the name, description or metadata of an entry; searches find it by them at once.

    Raises:
        InvalidRequest: a field breaks a rule, and which.
        NotFound: the workspace has no such entry.
        Conflict: it has content, and is being processed anew or has failed to be.
    """
    async with engine.builds.of(f"entry {entry_id}"):
        for _ in range(_AGAIN_MAX):
            with suppress(Superseded):
                await _change(engine, caller, entry_id, changes)
                return await get_entry(engine, caller, entry_id)
    raise errors.Unavailable(f"Entry {entry_id} was changed again and again. Try again")


async def _change(
    engine: Engine, caller: Caller, entry_id: int, changes: Mapping[str, Any]
) -> None:
    """Change an entry as it is now; raise ``Superseded`` if something else has changed it meanwhile."""
    detail = await get_entry(engine, caller, entry_id)
    dataset = await engine.db.read(
        dataset_store.get_dataset, caller.workspace_id, detail.entry.dataset_id
    )
    values = await asyncio.to_thread(_checked_changes, dataset, changes)
    if not values:
        return
    if detail.entry.registration is None:
        await engine.db.write(partial(_change_unregistered, before=detail.entry, values=values))
    elif detail.entry.status is not EntryStatus.PROCESSED:
        raise errors.Conflict(
            f"Entry {entry_id} has status '{detail.entry.status}': change it once it is processed"
        )
    else:
        await register_files(
            engine,
            dataset,
            replace(detail.entry, **values),
            tuple(file for file in detail.files if file.kind is not FileKind.PROCESSING),
            base=detail.entry,
            commit=engine.db.write,
        )


def _change_unregistered(conn: Connection, *, before: Entry, values: Mapping[str, Any]) -> None:
    now = entry_store.lock_entry(conn, before.workspace_id, before.id)
    if now.registration != before.registration:
        raise Superseded(f"Entry {before.id} was registered meanwhile")
    entry_store.change_entry(conn, before.workspace_id, before.id, values)


@translated
async def delete_entry(engine: Engine, caller: Caller, entry_id: int) -> None:
    """Remove an entry with its files and all that is registered of it; raise ``NotFound``."""

    def write(conn: Connection) -> None:
        entry = entry_store.delete_entry(conn, caller.workspace_id, entry_id)
        tier_max = engine.settings.document_merge_segments
        queue_merge(conn, caller.workspace_id, entry.dataset_id, tier_max)

    await engine.db.write(write)
    engine.jobs.wake()


def _details(conn: Connection, caller: Caller, entries: Sequence[Entry]) -> tuple[EntryDetail, ...]:
    files = entry_store.list_files(conn, caller.workspace_id, {entry.id for entry in entries})
    ids = {entry.dataset_id for entry in entries}
    found = dataset_store.list_datasets(conn, caller.workspace_id, ids=ids)
    datasets = {dataset.id: dataset for dataset in found}
    return tuple(
        _detail(entry, datasets[entry.dataset_id], files.get(entry.id, ())) for entry in entries
    )


def _detail(entry: Entry, dataset: DocumentDataset, files: tuple[EntryFile, ...]) -> EntryDetail:
    definition = dataset.schema_definition
    return EntryDetail(entry, files, definition["schema_id"], dataset.current_schema_version)


def _checked_changes(dataset: DocumentDataset, changes: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(changes)
    if "name" in values:
        values["name"] = check_text("Entry name", values["name"], chars_max=NAME_CHARS_MAX)
    if "description" in values:
        values["description"] = _description(values["description"])
    if "metadata" in values:
        check_metadata(dataset.schema_definition, values["metadata"])
    return values


def _description(text: str | None) -> str:
    return check_text("Description", text or "", chars_max=DESCRIPTION_CHARS_MAX, may_be_empty=True)


def _content_files(detail: EntryDetail, *, with_chunks: bool) -> tuple[EntryFile, ...]:
    """Return the files with the text and the chunks, if there are any; none without a text."""
    if detail.entry.registration is None:
        return ()
    names = {file.file_name: file for file in detail.files if file.kind is FileKind.PROCESSED}
    if CONTENT_FILE not in names:
        return ()
    wanted = (CONTENT_FILE, CHUNKS_FILE) if with_chunks else (CONTENT_FILE,)
    return tuple(names[name] for name in wanted if name in names)


def _check_bytes(
    files: Sequence[tuple[EntryFile, ...]], bytes_max: int, *, with_chunks: bool
) -> None:
    total = sum(map(_bytes_of, files))
    if total > bytes_max:
        less = ", or with_chunks false" if with_chunks else ""
        raise errors.InvalidRequest(
            f"The content of these entries has {total:,} bytes, and one answer may have "
            f"{bytes_max:,}: ask for fewer entries{less}; the download of file_type processed has "
            "no such limit"
        )


def _fitting(
    files: Sequence[tuple[EntryFile, ...]], order: Sequence[int], bytes_max: int
) -> list[tuple[EntryFile, ...]]:
    """Leave out the files of entries, the last in some order first, that do not fit."""
    fitting: list[tuple[EntryFile, ...]] = [()] * len(files)
    left = bytes_max
    for place in sorted(range(len(files)), key=lambda place: order[place]):
        if _bytes_of(files[place]) <= left:
            fitting[place] = files[place]
            left -= _bytes_of(files[place])
    return fitting


def _bytes_of(files: Sequence[EntryFile]) -> int:
    return sum(file.size_bytes for file in files)


def _read_all(
    files: Sequence[tuple[EntryFile, ...]], paths: Mapping[str, Path]
) -> list[dict[str, Any] | None]:
    return [
        _read_content(*[paths[file.blob_key] for file in each]) if each else None for each in files
    ]


def _read_content(content: Path, chunks: Path | None = None) -> dict[str, Any]:
    fields = orjson.loads(content.read_bytes())
    rows: list[dict[str, Any]] = []
    if chunks is not None:
        rows = read_table(chunks).select(SCHEMA.names).to_pylist()
    return {
        "text": fields["text"],
        "title": fields.get("title"),
        "page_count": fields.get("page_count"),
        "figures": fields.get("figures") or [],
        "chunks": rows,
    }
