"""The queries this server is running now: who can cancel them, and who waits for them at the end.

The trap: a query outlives its answer while its result is being written. From the moment its success
is recorded nobody may cancel it any more.
"""

import asyncio
from contextlib import suppress
from typing import Protocol

from engine.errors import EngineError


class Query(Protocol):
    """A query as the board sees it."""

    is_decided: bool

    async def wait(self) -> None:
        """Wait until the answer is there; raises what the query failed with."""

    async def work(self) -> None:
        """Run to the kept result; never raises but for cancellation."""


class RunBoard:
    """Running queries by run id. Every query is a task here from its start to its kept result."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._queries: dict[str, tuple[str, Query]] = {}

    def start(self, run_id: str, workspace_id: str, query: Query) -> "asyncio.Task[None]":
        """Run a query's work as a task that is known until it ends."""
        task = asyncio.create_task(query.work(), name=run_id)
        self._tasks[run_id] = task
        self._queries[run_id] = workspace_id, query
        task.add_done_callback(lambda _: self._forget(run_id))
        return task

    async def cancel(self, workspace_id: str, run_id: str) -> bool:
        """Stop a query and wait until its end is recorded.

        Returns:
            False when none is there to be stopped; one that has succeeded is not.
        """
        task = self._tasks.get(run_id)
        if task is None:
            return False
        owner, query = self._queries[run_id]
        if owner != workspace_id:
            return False
        if query.is_decided:
            with suppress(EngineError):
                await query.wait()
            return False
        task.cancel()
        await asyncio.wait([task])
        return True

    @property
    def count(self) -> int:
        """How many queries run or keep their result."""
        return len(self._tasks)

    async def wait_idle(self) -> None:
        """Wait until every query has ended and every result is kept."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def close(self) -> None:
        """Stop every query and wait until that is recorded."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, run_id: str) -> None:
        self._tasks.pop(run_id, None)
        self._queries.pop(run_id, None)
