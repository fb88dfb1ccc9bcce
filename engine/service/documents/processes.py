"""The processes that read documents: started when the first one comes, one task each."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from catalog.blob_store import BlobStore
from catalog.settings import Settings
from engine import errors
from engine.documents.tasks import StageTask
from engine.workers.execution import Limits
from engine.workers.frames import Kind
from engine.workers.pool import WorkerPool
from engine.workers.shape import document_shape

Report = Callable[[dict[str, int]], None]


class DocumentProcesses:
    """A pool of its own, so that documents wait for documents alone."""

    def __init__(self, settings: Settings, data_folder: Path, blobs: BlobStore) -> None:
        self._settings = settings
        self._data_folder = data_folder
        self._blobs = blobs
        self._pool: WorkerPool[StageTask] | None = None
        self._starting = asyncio.Lock()

    async def close(self) -> None:
        """End every process."""
        if self._pool is not None:
            await self._pool.close()

    async def run(
        self, workspace_id: str, task: StageTask, *, timeout_s: float, report: Report
    ) -> dict[str, Any]:
        """Do one stage in a process of its own; return what it says of its outcome.

        Raises:
            DocumentInvalid: the document cannot be read, or harms the process that reads it.
            ResourceExhausted: it needs more time or memory than there is.
            Unavailable: the blob store is away.
        """
        limits = Limits(
            timeout_s=timeout_s,
            memory_bytes=self._settings.document_memory_bytes,
            subject="The document",
        )
        pool = await self._started()
        done: dict[str, Any] = {}
        try:
            async with pool.execute(workspace_id, task, limits) as execution:
                async for kind, body in execution.frames():
                    if kind is Kind.DONE:
                        done = orjson.loads(body)
                    elif kind is Kind.PROGRESS:
                        report(orjson.loads(body))
        except errors.QueryTimeout:
            raise errors.ResourceExhausted(
                f"Reading the document took longer than its limit of {timeout_s:g} s; split it"
            ) from None
        except errors.QueryCrashed:
            raise errors.DocumentInvalid(
                "The document crashed the process that read it: it may be damaged"
            ) from None
        return done

    async def _started(self) -> WorkerPool[StageTask]:
        async with self._starting:
            if self._pool is None:
                # The walls stand around the folders that are there: later ones would stay shut.
                await self._blobs.ping()
                pool = WorkerPool(document_shape(self._settings), self._data_folder)
                await pool.start()
                self._pool = pool
            return self._pool
