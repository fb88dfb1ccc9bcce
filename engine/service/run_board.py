"""The queries this server is running now: who can cancel them, and who waits for them at the end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class RunBoard:
    """Running queries by run id. Every query is a task here from its start to its kept result."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._workspaces: dict[str, str] = {}

    def start(
        self, run_id: str, workspace_id: str, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> "asyncio.Task[None]":
        """Run a query's work as a task that is known until it ends."""
        task = asyncio.create_task(work(), name=run_id)
        self._tasks[run_id] = task
        self._workspaces[run_id] = workspace_id
        task.add_done_callback(lambda _: self._forget(run_id))
        return task

    async def cancel(self, workspace_id: str, run_id: str) -> bool:
        """Stop a query and wait until that is recorded; False when it does not run here."""
        task = self._tasks.get(run_id)
        if task is None or self._workspaces.get(run_id) != workspace_id:
            return False
        task.cancel()
        await asyncio.wait([task])
        return True

    @property
    def count(self) -> int:
        """How many queries run or keep their result."""
        return len(self._tasks)

    async def close(self) -> None:
        """Stop every query and wait until that is recorded."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, run_id: str) -> None:
        self._tasks.pop(run_id, None)
        self._workspaces.pop(run_id, None)
