"""Removes what has had its time: expired results, uploads, files, notifications, and what nobody names.

Rows go first; their files are garbage from then on and are collected after the grace, so that who
still reads them may finish. A round may stop anywhere. A failing step is logged and the next round
tries again: nothing here may take the server down.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from catalog.blob_store import BlobStore
from catalog.database import Database
from catalog.garbage import collect_garbage
from catalog.settings import Settings
from catalog.store import document_deliveries as delivery_store
from catalog.store import document_entries as entry_store
from catalog.store import document_segments as segment_store
from catalog.store import embedding_files as vector_store
from catalog.store import results as result_store
from catalog.store import uploads as upload_store

ROUND_INTERVAL_S = 60.0
_UPLOAD_MOST = timedelta(hours=1)

log = structlog.get_logger(__name__)


class Housekeeping:
    """The periodic task of one serving engine."""

    def __init__(self, settings: Settings, db: Database, blobs: BlobStore) -> None:
        self._settings = settings
        self._db = db
        self._blobs = blobs
        self._task: asyncio.Task[None] | None = None
        self._next_collection_s = time.monotonic() + settings.blob_gc_interval_s

    def start(self) -> None:
        """Begin the rounds."""
        self._task = asyncio.create_task(self._repeat(), name="housekeeping")

    async def close(self) -> None:
        """Stop, in the middle of a round if need be."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tidy(self, now: datetime) -> None:
        """Do one round as of ``now``; a step that fails does not keep the next from running."""
        await self._try("fail_stuck", self._fail_stuck, now)
        await self._try("expire_results", self._expire_results, now)
        await self._try("expire_uploads", self._expire_uploads, now)
        await self._try("drop_embeddings", self._drop_embeddings, now)
        await self._try("expire_files", self._expire_files, now)
        await self._try("forget_uploading", self._forget_uploading, now)
        await self._try("drop_segments", self._drop_segments, now)
        await self._try("forget_deliveries", self._forget_deliveries, now)

    async def collect(self, now: datetime) -> None:
        """Delete files that no row names and that are older than the grace."""
        await self._try("collect_garbage", self._collect_garbage, now)

    async def _repeat(self) -> None:
        interval_s = min(ROUND_INTERVAL_S, self._settings.blob_gc_interval_s)
        while True:
            await asyncio.sleep(interval_s)
            await self.tidy(datetime.now(UTC))
            if time.monotonic() >= self._next_collection_s:
                await self.collect(datetime.now(UTC))
                self._next_collection_s = time.monotonic() + self._settings.blob_gc_interval_s

    async def _try(
        self, step: str, work: Callable[[datetime], Awaitable[int]], now: datetime
    ) -> None:
        try:
            count = await work(now)
        except Exception as error:  # noqa: BLE001 - the outermost frame of a background task
            log.warning("housekeeping.failed", step=step, error=type(error).__name__)
            return
        if count:
            log.info("housekeeping.done", step=step, count=count)

    async def _fail_stuck(self, now: datetime) -> int:
        # A result that still computes within its query's own limits is not stuck.
        settings = self._settings
        longest_s = settings.query_timeout_s + settings.query_queue_wait_s
        older_than = now - timedelta(seconds=max(settings.result_stuck_s, longest_s))
        return await self._db.write(result_store.fail_stuck, older_than)

    async def _expire_results(self, now: datetime) -> int:
        return len(await self._db.write(result_store.expire_results, now))

    async def _expire_uploads(self, now: datetime) -> int:
        return len(await self._db.write(upload_store.expire_uploads, now))

    async def _drop_embeddings(self, now: datetime) -> int:
        older_than = now - timedelta(seconds=self._settings.embedding_keep_s)
        return await self._db.write(vector_store.drop_unused, older_than)

    async def _expire_files(self, now: datetime) -> int:
        return await self._db.write(entry_store.expire_files, now)

    async def _forget_uploading(self, now: datetime) -> int:
        return await self._db.write(entry_store.forget_uploading, now - _UPLOAD_MOST)

    async def _drop_segments(self, now: datetime) -> int:
        # What is being registered does not count yet, and looks dead.
        longest = timedelta(seconds=self._settings.index_timeout_s)
        return await self._db.write(segment_store.drop_abandoned, now - longest)

    async def _forget_deliveries(self, now: datetime) -> int:
        older_than = now - timedelta(days=self._settings.webhook_retain_days)
        return await self._db.write(delivery_store.forget_deliveries, older_than)

    async def _collect_garbage(self, now: datetime) -> int:
        return await collect_garbage(
            self._db, self._blobs, grace_s=self._settings.blob_grace_s, now=now
        )
