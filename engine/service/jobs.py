"""Durable background work: what the API shows of it, how it is queued, and who does which kind.

The runner is :mod:`engine.service.job_runner`.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import structlog
from sqlalchemy import Connection

from catalog import jobs as job_store
from catalog.model import Job, JobStatus
from engine import errors
from engine.service.paging import clamp_page
from engine.service.work import Work
from engine.translate import translated

if TYPE_CHECKING:
    from engine.service.context import Caller, Engine

JOB_TYPES = frozenset(
    {
        "noop",
        "data_refresh_table",
        "data_refresh_connection",
        "create_index",
        "dataset_refresh",
        "create_dataset_index",
        "process_entry",
        "merge_segments",
    }
)
DOCUMENT_JOBS = frozenset({"process_entry", "merge_segments"})
"""What has places of its own: a thousand documents do not hold up the refresh of a table."""
_LIMIT_DEFAULT = 50

Handler: TypeAlias = Callable[["Engine", Job, Work], Awaitable[None]]
Settle: TypeAlias = Callable[[Connection, Job], None]
"""Writes down what the failure of a job means, in the transaction in which it fails."""
T = TypeVar("T")

log = structlog.get_logger(__name__)

_HANDLERS: dict[str, Handler] = {}
_SETTLES: dict[str, Settle] = {}


def handles(job_type: str, *, on_failure: Settle | None = None) -> Callable[[Handler], Handler]:
    """Enter a coroutine ``(engine, job, work)`` in the table of job handlers.

    It ends with ``work.commit(…)``, or without when there is nothing to write. ``on_failure`` is called
    once the job has failed for good.
    """

    def enter(handler: Handler) -> Handler:
        _HANDLERS[job_type] = handler
        if on_failure is not None:
            _SETTLES[job_type] = on_failure
        return handler

    return enter


def handler_of(job_type: str) -> Handler | None:
    """Return what does the jobs of a type, if anything does."""
    return _HANDLERS.get(job_type)


def settle_failure(conn: Connection, job: Job) -> None:
    """Write down what it means that a job has failed for good."""
    settle = _SETTLES.get(job.job_type)
    if settle is not None:
        settle(conn, job)


@translated
async def list_jobs(
    engine: "Engine",
    caller: "Caller",
    *,
    job_types: tuple[str, ...] | None,
    statuses: tuple[str, ...] | None,
    limit: int | None,
    offset: int | None,
) -> tuple[Job, ...]:
    """List jobs, newest first, at most 1000, 50 unless told.

    Raises:
        InvalidRequest: a job type or status that does not exist, or a negative number.
    """
    for job_type in job_types or ():
        if job_type not in JOB_TYPES:
            raise errors.InvalidRequest(f"Unknown job type '{job_type}'")
    for status in statuses or ():
        if status not in set(JobStatus):
            raise errors.InvalidRequest(f"Unknown job status '{status}'")
    effective_limit, effective_offset = clamp_page(limit, offset, default=_LIMIT_DEFAULT)
    return tuple(
        await engine.db.read(
            job_store.list_jobs,
            caller.workspace_id,
            job_types=job_types,
            statuses=statuses,
            limit=effective_limit,
            offset=effective_offset,
        )
    )


@translated
async def get_job(engine: "Engine", caller: "Caller", job_id: str) -> Job:
    """Return one job."""
    return await engine.db.read(job_store.get_job, caller.workspace_id, job_id)


async def enqueue(
    engine: "Engine",
    caller: "Caller",
    *,
    job_type: str,
    payload: dict[str, Any],
    dedupe_key: str | None = None,
    before: Callable[[Connection], object] | None = None,
) -> Job:
    """Write a job down and wake the runner.

    Args:
        engine: open for serving.
        caller: whose job.
        job_type: one with a handler.
        payload: what the handler needs; no secret.
        dedupe_key: an unfinished job of the same key is returned instead of a new one.
        before: further writes of the same transaction; when it raises, there is no job.
    """

    def write(conn: Connection) -> Job:
        if before is not None:
            before(conn)
        return job_store.enqueue(
            conn, caller.workspace_id, job_type=job_type, payload=payload, dedupe_key=dedupe_key
        )

    job = await engine.db.write(write)
    engine.jobs.wake()
    return job


@handles("noop")
async def _do_nothing(_engine: "Engine", _job: Job, _work: Work) -> None:
    pass
