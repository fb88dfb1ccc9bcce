"""Files clients send: streamed to disk in constant memory, published, then written down.

A file is acknowledged only after its bytes and its row are durable. A body that stops half-way, is
empty or too large leaves no file behind.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

from catalog.ids import IdKind, new_id
from catalog.model import Upload, UploadStatus
from catalog.store import uploads as upload_store
from engine import errors
from engine.service.context import Caller, Engine
from engine.translate import translated

T = TypeVar("T")

# One hop to a thread per this many bytes keeps the event loop free and the copy cheap.
WRITE_BYTES = 1024 * 1024


@translated
async def create_upload(
    engine: Engine,
    caller: Caller,
    chunks: AsyncIterator[bytes],
    *,
    content_type: str | None,
    streaming: bool,
    declared_size_bytes: int | None,
) -> Upload:
    """Keep one file.

    Args:
        engine: open for serving.
        caller: whose file it is.
        chunks: the raw body, read once, in pieces of any size.
        content_type: recorded as it came.
        streaming: the larger of the two size limits applies.
        declared_size_bytes: refused at once when over the limit.

    Raises:
        InvalidRequest: the body is empty.
        TooLarge: the body is over the limit of its kind.
        Unavailable: the disk or the catalog could not take it.
    """
    settings = engine.settings
    size_max_bytes = (
        settings.upload_streaming_size_max_bytes if streaming else settings.upload_size_max_bytes
    )
    if declared_size_bytes is not None and declared_size_bytes > size_max_bytes:
        raise _too_large(size_max_bytes)
    staged = engine.blobs.stage()
    try:
        size_bytes = await _write_chunks(staged, chunks, size_max_bytes)
        if size_bytes == 0:
            raise errors.InvalidRequest("Upload cannot be empty")
        return await _publish(engine, caller, staged, content_type)
    finally:
        await asyncio.to_thread(staged.unlink, missing_ok=True)


@translated
async def list_uploads(engine: Engine, caller: Caller, *, status: str | None) -> tuple[Upload, ...]:
    """List uploads, newest first; a status that does not exist lists nothing."""
    if status is not None and status not in set(UploadStatus):
        return ()
    found = await engine.db.read(upload_store.list_uploads, caller.workspace_id, status=status)
    return tuple(found)


async def _publish(
    engine: Engine, caller: Caller, staged: Path, content_type: str | None
) -> Upload:
    upload_id = new_id(IdKind.UPLOAD)
    key = f"uploads/{upload_id}"
    size_bytes = await engine.blobs.publish(staged, key)
    now = datetime.now(UTC)
    upload = Upload(
        id=upload_id,
        workspace_id=caller.workspace_id,
        status=UploadStatus.PENDING,
        size_bytes=size_bytes,
        content_type=content_type,
        blob_key=key,
        created_at=now,
        expires_at=now + timedelta(days=engine.settings.upload_retain_days),
    )
    await engine.db.write(upload_store.insert_upload, upload)
    return upload


async def _write_chunks(staged: Path, chunks: AsyncIterator[bytes], size_max_bytes: int) -> int:
    size_bytes = 0
    buffer = bytearray()
    async with _open_for_writing(staged) as file:
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > size_max_bytes:
                raise _too_large(size_max_bytes)
            buffer += chunk
            if len(buffer) >= WRITE_BYTES:
                await _on_disk(file.write, buffer)
                buffer = bytearray()
        await _on_disk(file.write, buffer)
    return size_bytes


@asynccontextmanager
async def _open_for_writing(path: Path) -> AsyncIterator[BinaryIO]:
    file = await _on_disk(lambda: path.open("wb"))
    try:
        yield file
    finally:
        await _on_disk(file.close)


async def _on_disk(work: Callable[..., T], *args: object) -> T:
    try:
        return await asyncio.to_thread(work, *args)
    except OSError as error:
        raise errors.Unavailable("The upload could not be stored. Try again later.") from error


def _too_large(size_max_bytes: int) -> errors.TooLarge:
    return errors.TooLarge(f"Upload is larger than {size_max_bytes} bytes")
