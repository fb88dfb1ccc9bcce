"""Bytes in the blob store, and how they become files of an entry."""

import asyncio
import hashlib
import mimetypes
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from catalog.document_model import Entry, EntryFile, FileKind
from engine.service.context import Engine

PLAIN_TYPE = "application/octet-stream"
_ARROW_TYPE = "application/vnd.apache.arrow.file"


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """A published blob with what is known of it."""

    file_name: str
    blob_key: str
    size_bytes: int
    mime_type: str
    sha256: str


async def store_bytes(
    engine: Engine, place: str, path: Path, *, known: tuple[str, str, str]
) -> StoredBytes:
    """Publish a staged file; it is gone from its path afterwards.

    Args:
        engine: open for serving.
        place: where blobs of its kind are: see :func:`place_of`.
        path: of the file.
        known: its name, media type and SHA-256.
    """
    name, media_type, sha256 = known
    key = f"documents/{place}/{uuid4().hex}"
    return StoredBytes(name, key, await engine.blobs.publish(path, key), media_type, sha256)


async def store_made(engine: Engine, organization_id: str, entry: Entry, path: Path) -> StoredBytes:
    """Publish a file that we made; its name says what it is."""
    sha256 = await asyncio.to_thread(_sha256_of, path)
    known = (path.name, _media_type_of(path.name), sha256)
    place = place_of(organization_id, entry.dataset_id, entry.id)
    return await store_bytes(engine, place, path, known=known)


def place_of(organization_id: str, dataset_id: int, entry_id: int | None) -> str:
    """Return where the blobs of an entry are; None for one that will be there with its file."""
    return f"{organization_id}/{dataset_id}/{'uploads' if entry_id is None else entry_id}"


def stored_of(file: EntryFile) -> StoredBytes:
    """Return the bytes of a file of an entry."""
    return StoredBytes(file.file_name, file.blob_key, file.size_bytes, file.mime_type, file.sha256)


def new_file(
    entry: Entry,
    kind: FileKind,
    stored: StoredBytes,
    *,
    folder: str | None = None,
    retention_days: float | None = None,
) -> EntryFile:
    """Describe stored bytes as a file of an entry.

    Args:
        entry: whose.
        kind: of what is made on the way the life is bounded.
        stored: the bytes.
        folder: of files of one kind that may have the same names.
        retention_days: the days it lives, None = as long as the entry.
    """
    now = datetime.now(UTC)
    expires_at = None if retention_days is None else now + timedelta(days=retention_days)
    name = stored.file_name if folder is None else f"{folder}/{stored.file_name}"
    return EntryFile(
        entry_id=entry.id,
        workspace_id=entry.workspace_id,
        kind=kind,
        key=f"datasets/{entry.dataset_id}/entries/{entry.id}/{kind}/{name}",
        created_at=now,
        expires_at=expires_at,
        **asdict(stored),
    )


def _media_type_of(name: str) -> str:
    if name.endswith(".arrow"):
        return _ARROW_TYPE
    return mimetypes.guess_type(name)[0] or PLAIN_TYPE


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
