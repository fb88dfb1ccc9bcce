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
    engine: Engine, organization_id: str, entry: Entry, path: Path, *, known: tuple[str, str, str]
) -> StoredBytes:
    """Publish a staged file for an entry; it is gone from its path afterwards.

    Args:
        engine: open for serving.
        organization_id: of the entry.
        entry: whose bytes they are.
        path: of the file.
        known: its name, media type and SHA-256.
    """
    name, media_type, sha256 = known
    key = f"documents/{organization_id}/{entry.dataset_id}/{entry.id}/{uuid4().hex}"
    return StoredBytes(name, key, await engine.blobs.publish(path, key), media_type, sha256)


async def store_made(engine: Engine, organization_id: str, entry: Entry, path: Path) -> StoredBytes:
    """Publish a file that we made; its name says what it is."""
    sha256 = await asyncio.to_thread(_sha256_of, path)
    known = (path.name, _media_type_of(path.name), sha256)
    return await store_bytes(engine, organization_id, entry, path, known=known)


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
