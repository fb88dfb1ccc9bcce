"""Connections that refresh themselves: a job is queued whenever one is due.

Of several servers one queues it: moving the schedule on and queueing are one transaction, and a
refresh that is still going on is not queued again.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection as DbConnection

from catalog import jobs as job_store
from catalog.database import Database
from catalog.errors import CatalogError
from catalog.model import Connection
from catalog.store import connections as connection_store

CONNECTION_JOB = "data_refresh_connection"
_TICK_S = 5.0

log = structlog.get_logger(__name__)


def connection_payload(connection_id: str, *, include_uncached: bool) -> dict[str, Any]:
    """Write down what the job of a connection's refresh is to do."""
    return {"connection_id": connection_id, "include_uncached": include_uncached}


def connection_key(connection_id: str, *, include_uncached: bool) -> str:
    """Name such a job, so that it is queued once."""
    return f"{connection_id} {include_uncached}"


class RefreshSchedule:
    """The clock of scheduled refreshes."""

    def __init__(self, db: Database, wake: Callable[[], None]) -> None:
        self._db = db
        self._wake = wake
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._repeat(), name="refresh schedule")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def submit_due(self, now: datetime) -> int:
        """Queue the refreshes that are due at a moment; return how many."""
        due = await self._db.read(connection_store.list_due, now)
        submitted = [await self._db.write(_submit, connection, now) for connection in due]
        if any(submitted):
            self._wake()
        return sum(submitted)

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                await self.submit_due(datetime.now(UTC))
            except CatalogError as error:
                log.warning("schedule.failed", error=error.message)


def _submit(conn: DbConnection, connection: Connection, now: datetime) -> bool:
    if not connection_store.move_schedule(conn, connection, now):
        return False
    job_store.enqueue(
        conn,
        connection.workspace_id,
        job_type=CONNECTION_JOB,
        payload=connection_payload(connection.id, include_uncached=False),
        dedupe_key=connection_key(connection.id, include_uncached=False),
    )
    return True
