"""One task in one worker: its frames, and the limits enforced from outside.

A limit inside the process is a wish: pools under-count and joins do not yield. So the parent
watches the clock, the resident memory and the spill folder, and kills.
"""

import asyncio
import contextlib
import resource
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from engine.errors import (
    EngineError,
    QueryCrashed,
    QueryTimeout,
    ResourceExhausted,
    SourceFailed,
)
from engine.workers import priority
from engine.workers.answers import NO_ANSWERS, QUESTIONS, Answers
from engine.workers.failures import load_failure
from engine.workers.forker import Forker
from engine.workers.frames import Kind
from engine.workers.worker import Worker, WorkerGone, memory_of

T = TypeVar("T")

_WATCH_S = 0.1
_SHORT_S = 0.25
_CAP_S = 1.0
# Interpreter, libraries and caches of an idle worker do not count against a query.
_BASE_BYTES = 256 * 1024 * 1024
# Stacks of new threads, and what an allocator takes ahead of its use.
_SLACK_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may use: wall time in seconds, resident memory and spilled bytes.

    ``subject`` is what a message about a passed limit is about.

    One that ``gives_way`` runs behind the others from its first moment: nobody waits for it.
    ``silence_s`` is how long it may send no frame at all, ``wait_s`` how long it may wait for a worker.
    """

    timeout_s: float
    memory_bytes: int
    spill_bytes: int | None = None
    gives_way: bool = False
    silence_s: float | None = None
    wait_s: float | None = None
    subject: str = "The query"


class Execution:
    """A running task. Iterate :meth:`frames` to its end, or it is killed.

    ``is_over`` says whether the task reached its end.
    """

    def __init__(self, worker: Worker, forker: Forker, limits: Limits, spill_folder: Path) -> None:
        self._worker = worker
        self._forker = forker
        self._limits = limits
        self._spill_folder = spill_folder / str(worker.pid)
        self._heard_at = time.monotonic()
        self._deadline = self._heard_at + limits.timeout_s
        self._killed_for: EngineError | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._spill_check: asyncio.Task[None] | None = None
        self._is_lowered = False
        self._is_asking = False
        self.is_over = False

    def settle(self) -> bool:
        """Leave the worker as it was; False when it must not be used again."""
        return self.is_over and (not self._is_lowered or priority.restore(self._worker.pid))

    def start(self, task: bytes) -> None:
        """Send the task to the worker."""
        self._cap_private_memory()
        if self._limits.gives_way and priority.is_reversible():
            self._give_way()
        try:
            self._worker.send(Kind.TASK, task)
        except WorkerGone:
            raise QueryCrashed from None
        self._watch_later()

    async def frames(self, answers: Answers = NO_ANSWERS) -> AsyncIterator[tuple[Kind, bytes]]:
        """Yield what the task sends, until its end.

        Args:
            answers: to the worker's questions.

        Raises:
            QueryTimeout, ResourceExhausted: killed for passing a limit.
            QueryCrashed: the worker died.
            EngineError: what the task itself failed with, after which the worker is free again.
        """
        failure: EngineError | None = None
        try:
            while True:
                kind, body = await self._worker.receive()
                self._heard_at = time.monotonic()
                if kind is Kind.END:
                    self.is_over = True
                    break
                if kind is Kind.FAILED:
                    failure = load_failure(orjson.loads(body))
                elif kind in QUESTIONS:
                    self._worker.send(*await self._off_the_clock(answers.to(kind, body)))
                else:
                    yield kind, body
        except WorkerGone:
            raise await self._why_gone() from None
        finally:
            for watch in (self._watch, self._spill_check):
                if watch is not None:
                    watch.cancel()
        if failure is not None:
            raise failure

    async def outcome(
        self,
        on_progress: Callable[[dict[str, int]], None] | None = None,
        answers: Answers = NO_ANSWERS,
    ) -> dict[str, Any]:
        """Run a task that has an outcome and no rows to its end; return what it says of itself.

        Args:
            on_progress: told the counts that the task sends on its way.
            answers: to the worker's questions.

        Raises:
            EngineError: as :meth:`frames`.
        """
        outcome: dict[str, Any] = {}
        async for kind, body in self.frames(answers):
            if kind is Kind.DONE:
                outcome = orjson.loads(body)
            elif kind is Kind.PROGRESS and on_progress is not None:
                on_progress(orjson.loads(body))
        return outcome

    async def _off_the_clock(self, answer: Awaitable[T]) -> T:
        """Await an answer to the worker: a table may have to be copied from its source first."""
        asked_at = time.monotonic()
        self._is_asking = True
        try:
            return await answer
        finally:
            self._is_asking = False
            self._heard_at = time.monotonic()
            self._deadline += self._heard_at - asked_at

    def kill(self, reason: EngineError) -> None:
        """End the task now; :meth:`frames` raises the reason."""
        self._killed_for = self._killed_for or reason
        self._forker.kill(self._worker.pid)

    def _cap_private_memory(self) -> None:
        """Between two looks a query can take gigabytes; the kernel looks at every allocation.

        A cap counts from what the worker held when it was set, so it is set anew from time to time.
        """
        worker, most_bytes = self._worker, self._limits.memory_bytes
        now = time.monotonic()
        if worker.cap_bytes == most_bytes and now - worker.capped_at < _CAP_S:
            return
        held_bytes = memory_of(worker.pid).private_bytes
        worker.cap_bytes, worker.capped_at = most_bytes, now
        soft_bytes = held_bytes + most_bytes + _SLACK_BYTES
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(worker.pid, resource.RLIMIT_DATA, (soft_bytes, resource.RLIM_INFINITY))

    async def _why_gone(self) -> EngineError:
        if self._killed_for is not None:
            return self._killed_for
        status = await self._forker.exit_status(self._worker.pid)
        if status == -signal.SIGABRT:  # an allocation failed, and nobody can catch that
            subject = self._limits.subject
            return ResourceExhausted(f"{subject} needs more memory than its limit allows.")
        return QueryCrashed()

    def _watch_later(self) -> None:
        wait_s = min(_WATCH_S, max(0.0, self._left_s()))
        self._watch = asyncio.get_running_loop().call_later(wait_s, self._check)

    def _check(self) -> None:
        self._worker.cap_bytes = None  # what runs for long may leave much behind
        passed = self._passed_limit()
        if passed is not None:
            self.kill(passed)
            return
        if self._left_s() < self._limits.timeout_s - _SHORT_S:
            self._give_way()
        is_looking = self._spill_check is not None and not self._spill_check.done()
        if self._limits.spill_bytes is not None and not is_looking:
            self._spill_check = asyncio.create_task(self._check_spill(self._limits.spill_bytes))
        self._watch_later()

    def _passed_limit(self) -> EngineError | None:
        limits = self._limits
        if self._is_asking:
            return None
        if self._left_s() <= 0:
            return QueryTimeout(
                f"The query ran longer than its limit of {limits.timeout_s:g} s and was stopped."
            )
        if limits.silence_s is not None and self._silent_s() > limits.silence_s:
            return SourceFailed(f"The source sent nothing for {limits.silence_s:g} s")
        if memory_of(self._worker.pid).resident_bytes > limits.memory_bytes + _BASE_BYTES:
            return ResourceExhausted(
                f"{limits.subject} needs more than its limit of {limits.memory_bytes} bytes of memory."
            )
        return None

    async def _check_spill(self, most_bytes: int) -> None:
        """Look in a thread: a spill folder can hold thousands of files."""
        spilled_bytes = await asyncio.to_thread(_size_of, self._spill_folder)
        if spilled_bytes > most_bytes and not self.is_over:
            self.kill(
                ResourceExhausted(
                    f"{self._limits.subject} needs more than its limit of {most_bytes} bytes of spill."
                )
            )

    def _give_way(self) -> None:
        if not self._is_lowered:
            self._is_lowered = True
            priority.lower(self._worker.pid)

    def _silent_s(self) -> float:
        return time.monotonic() - self._heard_at

    def _left_s(self) -> float:
        return self._deadline - time.monotonic()


def _size_of(folder: Path) -> int:
    size_bytes = 0
    with contextlib.suppress(OSError):  # files come and go while we look
        for path in folder.rglob("*"):
            size_bytes += path.lstat().st_size  # opened indexes are links to their files
    return size_bytes
