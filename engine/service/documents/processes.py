"""The processes that read documents: started when the first one comes, each for one document."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from catalog.blob_store import BlobStore
from catalog.settings import Settings
from engine import errors
from engine.documents.tasks import StageTask
from engine.workers.execution import Limits
from engine.workers.pool import WorkerPool
from engine.workers.shape import document_shape

if TYPE_CHECKING:
    from engine.workers.held_worker import HeldWorker

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

    def process(self, workspace_id: str) -> "DocumentProcess":
        """Return a process for what is done of one document; it starts with the first task."""
        return DocumentProcess(self, workspace_id, self._settings.document_memory_bytes)

    async def run(
        self, workspace_id: str, task: StageTask, *, timeout_s: float, report: Report
    ) -> dict[str, Any]:
        """Do one short task that somebody waits for: see :meth:`DocumentProcess.run`."""
        # By another name in the queue: documents that are read for minutes leave one place to it.
        async with self.process(f"{workspace_id} waits") as process:
            return await process.run(task, timeout_s=timeout_s, report=report)

    async def pool(self) -> WorkerPool[StageTask]:
        """Return the pool, started if need be.

        Raises:
            Unavailable: the blob store is away.
        """
        async with self._starting:
            if self._pool is None:
                # The walls stand around the folders that are there: later ones would stay shut.
                await self._blobs.ping()
                pool = WorkerPool(document_shape(self._settings), self._data_folder)
                await pool.start()
                self._pool = pool
            return self._pool


class DocumentProcess:
    """One process for one document, from its first task until it is let go.

    What harms it has harmed nothing else: after a failure the next task has a new one.
    """

    def __init__(self, processes: DocumentProcesses, workspace_id: str, memory_bytes: int) -> None:
        self._processes = processes
        self._workspace_id = workspace_id
        self._memory_bytes = memory_bytes
        self._held: HeldWorker[StageTask] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.let_go()

    async def let_go(self) -> None:
        """End the process, if there is one: others may wait for its place."""
        self._held = None
        await self._stack.aclose()

    async def run(self, task: StageTask, *, timeout_s: float, report: Report) -> dict[str, Any]:
        """Do a task; return what it says of its outcome.

        Raises:
            DocumentInvalid: the document cannot be read, or harms the process that reads it.
            ResourceExhausted: it needs more time or memory than there is.
            Unavailable: the blob store is away.
            Overloaded: too many documents wait.
        """
        limits = Limits(
            timeout_s=timeout_s, memory_bytes=self._memory_bytes, subject="The document"
        )
        try:
            return await self._run(task, limits, report)
        except errors.QueryTimeout:
            raise errors.ResourceExhausted(
                f"Reading the document took longer than its limit of {timeout_s:g} s; split it"
            ) from None
        except errors.QueryCrashed:
            raise errors.DocumentInvalid(
                "The process that read the document ended: the document may be damaged, or the machine "
                "short of memory"
            ) from None

    async def _run(self, task: StageTask, limits: Limits, report: Report) -> dict[str, Any]:
        if self._held is None:
            pool = await self._processes.pool()
            try:
                self._held = await self._stack.enter_async_context(pool.hold(self._workspace_id))
            except errors.Overloaded:
                raise errors.Overloaded(
                    "Too many documents wait to be read. Try again shortly"
                ) from None
        try:
            with self._held.execute(task, limits) as execution:
                return await execution.outcome(report)
        except BaseException:
            await self.let_go()
            raise
