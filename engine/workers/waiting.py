"""Who waits for a worker: bounded, first come first served, workspaces taking turns."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from engine.errors import EngineError, Overloaded

T = TypeVar("T")


class WaitingRoom(Generic[T]):
    """Futures of those who wait, a queue for each workspace. No queue in it is empty."""

    def __init__(self, *, places: int, places_of_workspace: int) -> None:
        self._places = places
        self._places_of_workspace = places_of_workspace
        self._queues: OrderedDict[str, deque[asyncio.Future[T]]] = OrderedDict()
        self.count = 0

    def enter(self, workspace_id: str) -> "asyncio.Future[T]":
        """Take a place at the end of the workspace's queue; raise ``Overloaded`` without one."""
        if self.count >= self._places:
            raise Overloaded("Too many queries are waiting. Try again shortly.")
        queue = self._queues.get(workspace_id, ())
        if len(queue) >= self._places_of_workspace:
            raise Overloaded("Too many queries of this workspace are waiting. Try again shortly.")
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(workspace_id, deque()).append(waiter)
        self.count += 1
        return waiter

    def leave(self, workspace_id: str, waiter: "asyncio.Future[T]") -> bool:
        """Give the place up; False when it was called already."""
        queue = self._queues.get(workspace_id, ())
        if waiter not in queue:
            return False
        self._remove(workspace_id, waiter)
        return True

    def call(self, may_come: Callable[[str], bool]) -> "tuple[str, asyncio.Future[T]] | None":
        """Take out whose turn it is, of the workspaces that may come now."""
        for workspace_id in list(self._queues):
            if not may_come(workspace_id):
                continue
            for waiter in list(self._queues[workspace_id]):
                self._remove(workspace_id, waiter)
                if not waiter.done():
                    if workspace_id in self._queues:
                        self._queues.move_to_end(workspace_id)
                    return workspace_id, waiter
        return None

    def close(self, error: EngineError) -> None:
        """Send everybody away."""
        while (called := self.call(lambda _: True)) is not None:
            called[1].set_exception(error)

    def _remove(self, workspace_id: str, waiter: "asyncio.Future[T]") -> None:
        queue = self._queues[workspace_id]
        queue.remove(waiter)
        self.count -= 1
        if not queue:
            del self._queues[workspace_id]
