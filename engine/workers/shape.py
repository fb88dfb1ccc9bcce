"""What distinguishes the kinds of worker processes: what they run, and how many there are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from catalog.settings import Settings
from engine.documents.tasks import StageTask, dump_stage_task
from engine.sources.tasks import SourceTask, dump_source_task
from engine.workers.tasks import Task, dump_task

TaskT = TypeVar("TaskT")

# An upload that waits is a file on disk and a connection.
_DOCUMENT_PLACES = 512


@dataclass(frozen=True, slots=True)
class PoolShape(Generic[TaskT]):
    """How one pool of workers is made.

    Attributes:
        child: what a worker is: see ``engine.workers.zygote``.
        dump: writes a task for it.
        readable: folders its processes may read besides the usual ones.
        warm: workers kept ready.
        most: workers at most, while all are busy.
        tasks_each: tasks after which a worker is replaced.
        grow_after_s: how long all workers must be busy before there is one more.
        places: tasks that may wait, over all workspaces.
        places_of_workspace: tasks of one workspace that may wait.
        wait_s: how long a task waits for a worker.
    """

    child: Literal["query", "source", "document"]
    dump: Callable[[TaskT], bytes]
    readable: tuple[str, ...]
    warm: int
    most: int
    tasks_each: int
    grow_after_s: float
    places: int
    places_of_workspace: int
    wait_s: float


def query_shape(settings: Settings) -> PoolShape[Task]:
    """Workers that run SQL: confined, and used again while they are clean."""
    return PoolShape(
        child="query",
        dump=dump_task,
        readable=(),
        warm=settings.workers,
        most=settings.workers_max,
        tasks_each=settings.worker_recycle_queries,
        grow_after_s=0.2,
        places=settings.query_queue_max,
        places_of_workspace=settings.query_queue_workspace_max,
        wait_s=settings.query_queue_wait_s,
    )


def source_shape(settings: Settings) -> PoolShape[SourceTask]:
    """Workers that read sources: each for one task, so that no driver sees two workspaces."""
    return PoolShape(
        child="source",
        dump=dump_source_task,
        readable=tuple(str(folder) for folder in settings.local_files),
        warm=1,
        most=settings.source_processes_max,
        tasks_each=1,
        grow_after_s=0.0,
        places=settings.source_queue_max,
        places_of_workspace=max(1, settings.source_queue_max // 4),
        wait_s=settings.sync_timeout_s,
    )


def document_shape(settings: Settings) -> PoolShape[StageTask]:
    """Workers that read documents: each for one task, and with no sockets."""
    return PoolShape(
        child="document",
        dump=dump_stage_task,
        readable=(),
        warm=settings.document_processes,
        most=settings.document_processes + 1,
        tasks_each=1,
        grow_after_s=0.2,
        places=_DOCUMENT_PLACES,
        places_of_workspace=_DOCUMENT_PLACES // 2,
        wait_s=settings.document_timeout_s,
    )
