"""The syncs this server is doing now: one for each table, however many wait for it.

Who waits may go away; when nobody waits any more the sync is cancelled, which ends the reading of the
source. At most so many tables of one connection are read at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import structlog

from catalog.settings import Settings
from catalog.store.remote_tables import FoundTable

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Sync:
    task: "asyncio.Task[FoundTable]"
    waiting: int = 0


class SyncBoard:
    """Running syncs by the id of their table."""

    def __init__(self) -> None:
        self._syncs: dict[str, _Sync] = {}
        self._ending: set[asyncio.Task[FoundTable]] = set()
        self._afterwards: set[asyncio.Task[None]] = set()
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def join(
        self, table_id: str, start: Callable[[], Coroutine[Any, Any, FoundTable]]
    ) -> FoundTable:
        """Wait for the running sync of a table, or for one that is started now.

        Args:
            table_id: of the table.
            start: makes the sync when none is running.

        Returns:
            The table as it is then.
        """
        sync = self._syncs.get(table_id)
        if sync is None:
            sync = self._syncs[table_id] = _Sync(asyncio.create_task(start()))
            sync.task.add_done_callback(lambda done: self._forget(table_id, done))
        sync.waiting += 1
        try:
            return await asyncio.shield(sync.task)
        finally:
            sync.waiting -= 1
            if not sync.waiting and not sync.task.done():
                sync.task.cancel()
                self._ending.add(sync.task)
                # The next to come starts anew instead of joining what is being cancelled.
                self._syncs.pop(table_id, None)

    @asynccontextmanager
    async def slot(self, connection_id: str, settings: Settings) -> AsyncIterator[None]:
        """Hold one of the places for reading a connection, which never has all processes."""
        most = max(1, min(settings.source_concurrency, settings.source_processes_max - 1))
        slots = self._slots.get(connection_id)
        if slots is None:
            slots = self._slots[connection_id] = asyncio.Semaphore(most)
        async with slots:
            yield

    def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something behind a sync that nobody waits for."""
        task = asyncio.create_task(work)
        self._afterwards.add(task)
        task.add_done_callback(self._end_afterwards)

    async def close(self) -> None:
        """Cancel everything."""
        tasks: list[asyncio.Task[Any]] = [sync.task for sync in self._syncs.values()]
        tasks += [*self._ending, *self._afterwards]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end_afterwards(self, task: "asyncio.Task[None]") -> None:
        self._afterwards.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("sync.afterwards_failed", error=type(error).__name__)

    def _forget(self, table_id: str, done: "asyncio.Task[FoundTable]") -> None:
        sync = self._syncs.get(table_id)
        if sync is not None and sync.task is done:
            del self._syncs[table_id]
        self._ending.discard(done)
        if not done.cancelled():
            done.exception()  # looked at even when every waiter has gone
