"""Warm workers, handed out fairly, taken back clean or killed.

Invariants: a worker has one task at a time; a worker whose task did not reach END is killed, never
reused; the queue is bounded. While queries hold all workers for longer than a moment the pool
grows, and shrinks again when they idle. One workspace never holds the last
worker, and waiting workspaces take turns.
"""

import asyncio
import contextlib
import secrets
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from engine.errors import Overloaded, Unavailable
from engine.workers.answers import NO_ANSWERS, Answers
from engine.workers.execution import Execution, Limits
from engine.workers.forker import Forker
from engine.workers.held_worker import HeldWorker
from engine.workers.shape import PoolShape
from engine.workers.waiting import WaitingRoom
from engine.workers.worker import Worker, WorkerGone

TaskT = TypeVar("TaskT")

_log = structlog.get_logger()

_TICK_S = 0.1
_SURPLUS_IDLE_S = 30.0
_READY_TIMEOUT_S = 30.0


class WorkerPool(Generic[TaskT]):
    """The workers of one kind of one server process."""

    def __init__(self, shape: PoolShape[TaskT], data_folder: Path) -> None:
        self._shape = shape
        self._forker = Forker(data_folder, child=shape.child, readable=shape.readable)
        self._idle: deque[Worker] = deque()
        self._busy: dict[Worker, str] = {}
        self._starting = 0
        self._room: WaitingRoom[Worker] = WaitingRoom(
            places=shape.places, places_of_workspace=shape.places_of_workspace
        )
        self._spill_folder = data_folder / "spill"
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Fork the warm workers; return when the first is ready. Else the first task does, and waits."""
        self._starting += 1
        await self._start_worker()
        self._begin()

    def _begin(self) -> None:
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())
        self._fill()

    async def close(self) -> None:
        """End every worker; waiting queries are refused."""
        self._closed = True
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        self._room.close(Unavailable("The server is shutting down."))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in (*self._idle, *self._busy):
            worker.close()
        await self._forker.close()

    @property
    def counts(self) -> dict[str, int]:
        """How many workers are idle and busy, and how many tasks wait."""
        return {
            "idle": len(self._idle),
            "busy": len(self._busy),
            "waiting": self._room.count,
        }

    @property
    def is_ready(self) -> bool:
        """Whether a worker is there."""
        return bool(self._idle or self._busy)

    @asynccontextmanager
    async def execute(
        self, workspace_id: str, task: TaskT, limits: Limits
    ) -> AsyncIterator[Execution]:
        """Run a task in a worker.

        The execution is killed when the block is left before the task ended.

        Raises:
            Overloaded: the queue is full, or no worker came free in time.
        """
        async with self.hold(workspace_id, wait_s=limits.wait_s) as held:
            with held.execute(task, limits) as execution:
                yield execution

    @asynccontextmanager
    async def hold(
        self, workspace_id: str, *, wait_s: float | None = None
    ) -> AsyncIterator[HeldWorker[TaskT]]:
        """Keep one worker for several tasks, which count as one.

        Args:
            workspace_id: whose tasks they are.
            wait_s: how long they may wait for it; None = as long as usual.

        Raises:
            Overloaded: the queue is full, or no worker came free in time.
        """
        worker = await self._acquire(workspace_id, wait_s or self._shape.wait_s)
        held = HeldWorker(worker, self._forker, self._shape.dump, self._spill_folder)
        try:
            yield held
        finally:
            burial = self._release(worker, reusable=held.is_usable)
            if burial is not None and not held.is_over:
                await asyncio.wait([burial])  # until then it may make a file the caller removes

    async def run_task(
        self,
        workspace_id: str,
        task: TaskT,
        *,
        limits: Limits,
        on_progress: Callable[[dict[str, int]], None] | None = None,
        answers: Answers = NO_ANSWERS,
    ) -> dict[str, Any]:
        """Run a task that has an outcome and no rows: see :meth:`Execution.outcome`.

        Raises:
            Overloaded: as :meth:`execute`.
            EngineError: what the task failed with.
        """
        async with self.execute(workspace_id, task, limits) as execution:
            return await execution.outcome(on_progress, answers)

    async def _acquire(self, workspace_id: str, wait_s: float) -> Worker:
        if self._closed:
            raise Unavailable("The server is shutting down.")
        if not self._room.count and self._may_run(workspace_id):
            worker = self._take_idle()
            if worker is not None:
                self._take(worker, workspace_id)
                return worker
        waiter = self._room.enter(workspace_id)
        self._begin()
        try:
            async with asyncio.timeout(wait_s):
                return await waiter
        except BaseException as error:
            self._withdraw(workspace_id, waiter)
            if isinstance(error, TimeoutError):
                raise Overloaded("No worker came free in time. Try again shortly.") from None
            raise

    def _withdraw(self, workspace_id: str, waiter: "asyncio.Future[Worker]") -> None:
        """Nobody waits any more; a worker that was handed over at the same moment goes back."""
        if self._room.leave(workspace_id, waiter) or waiter.cancelled():
            return
        if waiter.exception() is None:
            self._release(waiter.result(), reusable=True)

    def _may_run(self, workspace_id: str) -> bool:
        running = sum(1 for owner in self._busy.values() if owner == workspace_id)
        return running < max(1, self._shape.most - 1)

    def _take_idle(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()  # the most recent one: its caches are warm
            if not worker.is_gone:
                return worker
        return None

    def _take(self, worker: Worker, workspace_id: str) -> None:
        worker.busy_since = time.monotonic()
        self._busy[worker] = workspace_id

    def _release(self, worker: Worker, *, reusable: bool) -> "asyncio.Task[None] | None":
        """Take a worker back; one that is not used again is ended, by the task returned."""
        self._busy.pop(worker, None)
        worker.busy_since = None
        worker.idle_since = time.monotonic()
        worker.tasks_left -= 1
        worn = worker.tasks_left <= 0
        burial = None
        if reusable and not worn and not worker.is_gone and not self._closed:
            self._idle.append(worker)
        else:
            burial = self._discard(worker)
            self._fill()
        self._dispatch()
        return burial

    def _discard(self, worker: Worker) -> "asyncio.Task[None]":
        """End a worker and remove what it spilled."""
        if not worker.is_gone:  # a dead worker's process id may be somebody else's by now
            self._forker.kill(worker.pid)
        worker.close()
        return self._keep(self._bury(worker.pid))

    async def _bury(self, pid: int) -> None:
        """Remove what a worker spilled, once it cannot spill any more."""
        await self._forker.exit_status(pid)
        self._forker.forget(pid)
        folder = self._spill_folder / str(pid)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _dispatch(self) -> None:
        """Hand idle workers to waiting workspaces in turn."""
        while (worker := self._take_idle()) is not None:
            called = self._room.call(self._may_run)
            if called is None:
                self._idle.append(worker)
                return
            workspace_id, waiter = called
            self._take(worker, workspace_id)
            waiter.set_result(worker)

    def _fill(self) -> None:
        """Start workers up to the warm number, or one more while long tasks hold all of them."""
        live = len(self._idle) + len(self._busy) + self._starting
        for _ in range(self._shape.warm - live):
            self._spawn()
        if live < self._shape.warm or self._starting or self._idle:
            return
        now = time.monotonic()
        held = all(
            now - (worker.busy_since or now) > self._shape.grow_after_s for worker in self._busy
        )
        if self._room.count and held and live < self._shape.most:
            self._spawn()

    def _spawn(self) -> None:
        if self._closed:
            return
        self._starting += 1  # at once: whoever comes next counts it
        self._keep(self._start_worker())

    def _keep(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something in the background; close waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _start_worker(self) -> None:
        try:
            pid, sock = await self._forker.fork()
            # Spread out, so that workers of one age do not leave at one moment.
            tasks_max = self._shape.tasks_each
            tasks_max += secrets.randbelow(tasks_max // 4 + 1)
            worker = await Worker.connect(pid, sock, tasks_max=tasks_max)
            await self._wait_until_ready(worker)
        except (OSError, TimeoutError, WorkerGone, RuntimeError) as error:
            _log.error("workers.start_failed", error=type(error).__name__)
            return
        finally:
            self._starting -= 1
        self._idle.append(worker)
        self._dispatch()

    async def _wait_until_ready(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                await worker.receive()
        except BaseException:
            self._forker.kill(worker.pid)
            worker.close()
            raise

    async def _tick(self) -> None:
        """Grow while work waits; let surplus workers go when they idle."""
        while True:
            await asyncio.sleep(_TICK_S)
            for worker in [worker for worker in self._idle if worker.is_gone]:
                self._idle.remove(worker)
                self._discard(worker)
            self._fill()
            self._dispatch()
            surplus = len(self._idle) + len(self._busy) - self._shape.warm
            oldest = self._idle[0] if self._idle else None
            if surplus > 0 and oldest and time.monotonic() - oldest.idle_since > _SURPLUS_IDLE_S:
                self._idle.popleft()
                self._discard(oldest)
