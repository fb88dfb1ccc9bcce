"""A worker that is kept for several tasks, one after the other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from engine.workers.execution import Execution, Limits
from engine.workers.forker import Forker
from engine.workers.worker import Worker

TaskT = TypeVar("TaskT")


class HeldWorker(Generic[TaskT]):
    """A worker of a pool until it is given back.

    ``is_usable`` says whether it may do another task, ``is_over`` whether the last one reached its end.
    """

    def __init__(
        self, worker: Worker, forker: Forker, dump: Callable[[TaskT], bytes], spill_folder: Path
    ) -> None:
        self._worker = worker
        self._forker = forker
        self._dump = dump
        self._spill_folder = spill_folder
        self.is_usable = True
        self.is_over = True

    @contextmanager
    def execute(self, task: TaskT, limits: Limits) -> Iterator[Execution]:
        """Run a task. One that has not ended when the block is left was the last: give the worker back."""
        assert self.is_usable
        execution = Execution(self._worker, self._forker, limits, self._spill_folder)
        self.is_usable = self.is_over = False
        try:
            execution.start(self._dump(task))
            yield execution
        finally:
            self.is_usable = execution.settle()
            self.is_over = execution.is_over
