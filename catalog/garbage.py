"""Garbage collection of blobs: bytes that no row speaks of, once a grace has passed.

Two graces, because a file without a row is either too new or too old: it may be published and its
row not yet be written, or its row may be gone while a query still reads the bytes. Keys are never
used again, so a file found unreferenced after both stays so.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from catalog.blob_store import BlobStore
from catalog.database import Database
from catalog.store.dropped import forget_dropped, list_dropped_since
from catalog.store.garbage import referenced_keys

_BATCH_KEYS = 500


async def collect_garbage(db: Database, blobs: BlobStore, *, grace_s: float, now: datetime) -> int:
    """Delete the blobs that had no row for longer than the grace.

    Args:
        db: the catalog.
        blobs: its blob store.
        grace_s: seconds a blob is kept after it was published, and after its row was deleted.
        now: the present moment.

    Returns:
        How many blobs were deleted.

    Raises:
        Unavailable: the catalog or the store cannot be reached; what was deleted stays deleted.
    """
    before = now - timedelta(seconds=grace_s)
    deleted = 0
    async for keys in _list_old(blobs, before):
        dead = await db.read(_find_dead, keys, before)
        # Looked at again: a row written meanwhile would break the rule above, and cost data.
        dead = await db.read(_find_dead, dead, before) if dead else []
        await blobs.delete(dead)
        deleted += len(dead)
    # Only now: until its bytes are deleted a blob must be known as recently dropped.
    await db.write(forget_dropped, before)
    return deleted


async def _list_old(blobs: BlobStore, before: datetime) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for blob in blobs.list():
        if blob.modified_at < before:
            batch.append(blob.key)
        if len(batch) == _BATCH_KEYS:
            yield batch
            batch = []
    if batch:
        yield batch


def _find_dead(conn: Connection, keys: list[str], before: datetime) -> list[str]:
    alive = referenced_keys(conn, keys) | list_dropped_since(conn, keys, before)
    return [key for key in keys if key not in alive]
