"""The files of entries: streamed in under a limit, hashed on the way, published, and streamed out."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from catalog.document_model import DocumentDataset, Entry, EntryFile, EntryStatus, FileKind
from catalog.errors import Conflict, NotFound
from catalog.store import document_datasets as dataset_store
from catalog.store import document_entries as entry_store
from engine import errors
from engine.documents.component_table import FETCH
from engine.documents.content import CONTENT_FILE
from engine.documents.media_types import safe_name
from engine.documents.pipeline import Trigger
from engine.documents.tasks import Document, StageTask
from engine.service.context import Caller, Engine
from engine.service.documents.datasets import pipeline_of
from engine.service.documents.definitions import accepts_name, named_patterns
from engine.service.documents.entries import NewEntry, check_new
from engine.service.documents.starting import start_pipeline
from engine.service.documents.stored import (
    PLAIN_TYPE,
    StoredBytes,
    new_file,
    place_of,
    store_bytes,
)
from engine.service.scratch import scratch_folder
from engine.translate import translated

_WRITE_BYTES = 1 << 20
# Of the content and the tables of chunks and vectors, which are read here as our own.
_OWN_NAMES = re.compile(r"content\.json|.*\.arrow")


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that was received, and is not anybody's yet."""

    path: Path
    file_name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that is an entry's now."""

    entry: Entry
    file: EntryFile


@translated
async def begin_upload(engine: Engine, caller: Caller, entry_id: int) -> None:
    """See that there is an entry to upload to; one that waits for its first file shows that it comes.

    Raises:
        NotFound: the workspace has no such entry.
    """
    entry = await engine.db.read(entry_store.get_entry, caller.workspace_id, entry_id)
    if entry.status is EntryStatus.PENDING:
        await _move(engine, entry, EntryStatus.PENDING, EntryStatus.UPLOADING)


@translated
async def abandon_upload(engine: Engine, caller: Caller, entry_id: int) -> None:
    """Undo :func:`begin_upload` for a file that did not come whole."""
    try:
        entry = await engine.db.read(entry_store.get_entry, caller.workspace_id, entry_id)
    except NotFound:
        return
    if entry.status is EntryStatus.UPLOADING:
        await _move(engine, entry, EntryStatus.UPLOADING, EntryStatus.PENDING)


@translated
async def receive(
    engine: Engine, chunks: AsyncIterator[bytes], *, file_name: str, size_max_bytes: int
) -> Staged:
    """Write a file down that comes in pieces; who calls removes it.

    Raises:
        TooLarge: it has more bytes than that.
        InvalidRequest: it is empty.
    """
    path = engine.blobs.stage()
    writer = await asyncio.to_thread(_Writer, path, size_max_bytes)
    try:
        async for chunk in chunks:
            writer.take(chunk)
            if writer.is_due:
                await asyncio.to_thread(writer.write)
        await asyncio.to_thread(writer.write)
        writer.check_size(least=1)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        await asyncio.to_thread(writer.close)
    return Staged(path, safe_name(file_name), writer.size_bytes, writer.digest.hexdigest())


@translated
async def keep_upload(
    engine: Engine, caller: Caller, entry_id: int, staged: Staged, kind: FileKind
) -> Uploaded:
    """Make a received file an entry's.

    An original makes the entry ``uploaded`` and, if the pipeline of its dataset starts by itself,
    ``processing``; whatever went on before has no effect any more.

    Raises:
        NotFound: the workspace has no such entry.
        InvalidRequest: the dataset does not take such files.
    """
    entry, dataset = await _find(engine, caller, entry_id)
    media_type = await _accepted(engine, caller, dataset, staged, kind)
    stored = await _publish(engine, caller, dataset, entry.id, staged, media_type)
    days = dataset.retention_days if kind is FileKind.PROCESSING else None
    file = new_file(entry, kind, stored, retention_days=days)

    def write(conn: Connection) -> Entry:
        if kind is FileKind.ORIGINAL:
            return _take_original(conn, file)
        before = entry_store.lock_entry(conn, caller.workspace_id, entry_id)
        still = before.status is EntryStatus.UPLOADING  # its original is yet to come
        changes = {"status": EntryStatus.PENDING} if still else {}
        after = entry_store.change_entry(conn, caller.workspace_id, entry_id, changes)
        entry_store.put_files(conn, [file])
        return after

    entry = await engine.db.write(write)
    engine.jobs.wake()
    return Uploaded(entry, file)


@translated
async def create_with_file(
    engine: Engine, caller: Caller, asked: NewEntry, staged: Staged
) -> Uploaded:
    """Make an entry with its original, both or neither: a client that hears nothing may ask again.

    Raises:
        InvalidRequest: a field breaks a rule, or the dataset does not take such files.
        NotFound: the workspace has no such dataset.
        Conflict: the dataset has an entry of this slug.
    """
    dataset, values = await check_new(engine, caller, asked)
    media_type = await _accepted(engine, caller, dataset, staged, FileKind.ORIGINAL)
    stored = await _publish(engine, caller, dataset, None, staged, media_type)

    def write(conn: Connection) -> Uploaded:
        made = entry_store.insert_entry(conn, caller.workspace_id, values)
        file = new_file(made, FileKind.ORIGINAL, stored)
        return Uploaded(_take_original(conn, file), file)

    uploaded = await engine.db.write(write)
    engine.jobs.wake()
    return uploaded


@translated
async def find_file(
    engine: Engine,
    caller: Caller,
    entry_id: int,
    *,
    kind: FileKind | None,
    key: str | None,
    file_name: str | None,
) -> tuple[EntryFile, Path]:
    """Find a file to download: the newest original unless a kind, a key or a name says otherwise.

    Returns:
        The file, and where its bytes are; they must not be changed.

    Raises:
        NotFound: the workspace has no such entry, or that no such file.
    """

    def read(conn: Connection) -> EntryFile:
        entry_store.get_entry(conn, caller.workspace_id, entry_id)
        files = entry_store.list_files(conn, caller.workspace_id, [entry_id]).get(entry_id, ())
        wanted = kind or (None if key is not None else FileKind.ORIGINAL)
        # The newest; of what came of it the text, not its tables and pictures.
        newest = [*reversed(files)]
        newest.sort(key=lambda each: each.file_name != CONTENT_FILE)
        for file in newest:
            is_kind = wanted is None or file.kind is wanted
            is_key = key is None or file.key == key
            if is_kind and is_key and file_name in (None, file.file_name):
                return file
        raise NotFound(f"Entry {entry_id} has no such file")

    file = await engine.db.read(read)
    return file, await engine.blobs.local_path(file.blob_key)


def primary_file(files: tuple[EntryFile, ...]) -> EntryFile | None:
    """Return the original that is processed: the newest."""
    originals = [file for file in files if file.kind is FileKind.ORIGINAL]
    return originals[-1] if originals else None


class _Writer:
    """Writes and hashes what comes, in pieces large enough for a hop to a thread."""

    def __init__(self, path: Path, size_max_bytes: int) -> None:
        self._size_max_bytes = size_max_bytes
        self._file: BinaryIO = path.open("wb")
        self._waiting = bytearray()
        self.size_bytes = 0
        self.digest = hashlib.sha256()

    def take(self, chunk: bytes) -> None:
        self._waiting += chunk
        self.size_bytes += len(chunk)
        self.check_size(least=0)

    def check_size(self, *, least: int) -> None:
        if self.size_bytes > self._size_max_bytes:
            raise errors.TooLarge(
                f"The file is larger than the limit of {self._size_max_bytes} bytes"
            )
        if self.size_bytes < least:
            raise errors.InvalidRequest("The file is empty")

    @property
    def is_due(self) -> bool:
        return len(self._waiting) >= _WRITE_BYTES

    def write(self) -> None:
        try:
            self._file.write(self._waiting)
        except OSError as error:
            raise errors.Unavailable("The file could not be stored. Try again later.") from error
        self.digest.update(self._waiting)
        self._waiting = bytearray()

    def close(self) -> None:
        self._file.close()


async def _find(engine: Engine, caller: Caller, entry_id: int) -> tuple[Entry, DocumentDataset]:
    def read(conn: Connection) -> tuple[Entry, DocumentDataset]:
        entry = entry_store.get_entry(conn, caller.workspace_id, entry_id)
        return entry, dataset_store.get_dataset(conn, caller.workspace_id, entry.dataset_id)

    return await engine.db.read(read)


async def _accepted(
    engine: Engine, caller: Caller, dataset: DocumentDataset, staged: Staged, kind: FileKind
) -> str:
    """Return the media type of a file that a dataset takes; raise ``InvalidRequest`` of another."""
    if kind is FileKind.PROCESSED and _OWN_NAMES.fullmatch(staged.file_name.lower()):
        raise errors.InvalidRequest(
            f"The name '{staged.file_name}' is kept for what the pipeline makes: choose another"
        )
    is_original = kind is FileKind.ORIGINAL
    if is_original and not accepts_name(dataset.schema_definition, staged.file_name):
        raise errors.InvalidRequest(
            f"Unsupported format: '{staged.file_name}' is none of the files that the dataset takes: "
            f"{named_patterns(dataset.schema_definition)}"
        )
    media_type = await _sniff(engine, caller, staged)
    pipeline = pipeline_of(dataset)
    if is_original and pipeline is not None and not pipeline.accepts(media_type):
        raise errors.InvalidRequest(
            f"Unsupported format: '{staged.file_name}' is {media_type}, which the dataset's pipeline "
            "does not read"
        )
    return media_type


async def _sniff(engine: Engine, caller: Caller, staged: Staged) -> str:
    """Have the file looked at where it can do no harm."""
    async with scratch_folder(engine.blobs.stage()) as folder:
        document = Document(str(staged.path), staged.file_name, PLAIN_TYPE, staged.sha256)
        task = StageTask(FETCH, {}, str(folder), document)
        done = await engine.documents.run(
            caller.workspace_id,
            task,
            timeout_s=engine.settings.document_timeout_s,
            report=_say_nothing,
        )
    return str(done["media_type"])


async def _publish(
    engine: Engine,
    caller: Caller,
    dataset: DocumentDataset,
    entry_id: int | None,
    staged: Staged,
    media_type: str,
) -> StoredBytes:
    place = place_of(caller.organization_id, dataset.id, entry_id)
    known = (staged.file_name, media_type, staged.sha256)
    return await store_bytes(engine, place, staged.path, known=known)


def _take_original(conn: Connection, file: EntryFile) -> Entry:
    """Give an entry its original; the pipeline starts if it does so by itself."""
    before = entry_store.lock_entry(conn, file.workspace_id, file.entry_id)
    entry_store.drop_files(conn, before.id, [FileKind.PROCESSING])
    changes = {
        "status": EntryStatus.UPLOADED,
        "mime_type": file.mime_type,
        "run": before.run + 1,
        "steps": (),
        "error": None,
        "workflow_name": None,
    }
    uploaded = entry_store.change_entry(conn, before.workspace_id, before.id, changes)
    entry_store.put_files(conn, [file])
    dataset = dataset_store.get_dataset(conn, before.workspace_id, before.dataset_id)
    pipeline = pipeline_of(dataset)
    if pipeline is None or not pipeline.is_enabled or pipeline.trigger is Trigger.MANUAL:
        return uploaded
    return start_pipeline(conn, uploaded, pipeline)


async def _move(engine: Engine, entry: Entry, before: EntryStatus, after: EntryStatus) -> None:
    try:
        await engine.db.write(
            entry_store.change_entry,
            entry.workspace_id,
            entry.id,
            {"status": after},
            statuses=[before],
        )
    except (Conflict, NotFound):
        return  # another upload came before this one, or the entry is gone


def _say_nothing(_progress: dict[str, int]) -> None:
    pass
