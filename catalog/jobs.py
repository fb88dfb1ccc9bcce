"""The durable job queue: at-least-once execution, effectively-once effect.

A worker leases a job for some seconds and keeps the lease by heartbeats. Every lease has a new
token, which fences: whoever lost the lease can neither report progress nor finish. An effect that
must happen once belongs in the same transaction as ``finish``, which raises for a lost lease and
so undoes it. A job that waits for its next attempt is leased to nobody until then.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, not_, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from catalog.errors import Conflict, NotFound
from catalog.ids import IdKind, new_id
from catalog.model import Job, JobStatus
from catalog.store.rows import PAGE_ROWS_MAX, columns_of, utc_now
from catalog.tables import UNFINISHED_JOB, jobs

EXHAUSTED_MESSAGE = "The job was interrupted too often"

_COLUMNS = columns_of(jobs, Job)
_ENQUEUE_TRIES = 5
_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_expires_at": None, "lease_owner": None}


def enqueue(
    conn: Connection,
    workspace_id: str,
    *,
    job_type: str,
    payload: dict[str, Any],
    dedupe_key: str | None = None,
) -> Job:
    """Add a job, or return the unfinished one of the same dedupe key.

    Args:
        conn: where.
        workspace_id: whose.
        job_type: what kind of work.
        payload: what the worker needs; never a secret.
        dedupe_key: names the effect; at most one unfinished job of a workspace has it.
    """
    job = Job(
        id=new_id(IdKind.JOB),
        workspace_id=workspace_id,
        job_type=job_type,
        status=JobStatus.PENDING,
        payload=payload,
        attempts=0,
        created_at=utc_now(),
    )
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = (
        insert(jobs)
        .values({c.name: getattr(job, c.name) for c in _COLUMNS} | {"dedupe_key": dedupe_key})
        .on_conflict_do_nothing(
            index_elements=["workspace_id", "dedupe_key"], index_where=text(UNFINISHED_JOB)
        )
        .returning(jobs.c.id)
    )
    twin = select(*_COLUMNS).where(
        jobs.c.workspace_id == workspace_id, jobs.c.dedupe_key == dedupe_key, text(UNFINISHED_JOB)
    )
    for _ in range(_ENQUEUE_TRIES):
        if conn.scalars(statement).first() is not None:
            return job
        row = conn.execute(twin).mappings().first()
        # The twin may have finished between the two statements: then there is room again.
        if row is not None:
            return Job(**row)
    raise Conflict("An equal job keeps finishing")


@dataclass(frozen=True, slots=True)
class Lane:
    """Which jobs somebody takes: those of some types, or with ``is_rest`` those of all others.

    No types at all are all of them.
    """

    job_types: frozenset[str] = frozenset()
    is_rest: bool = True


EVERY_JOB = Lane()


def _settle_nothing(_conn: Connection, _job: Job) -> None:
    pass


def lease(  # noqa: PLR0913 - all keyword
    conn: Connection,
    *,
    owner: str,
    lease_s: float,
    attempts_max: int,
    served: Sequence[str] = (),
    lane: Lane = EVERY_JOB,
    on_exhausted: Callable[[Connection, Job], None] = _settle_nothing,
) -> Job | None:
    """Take the oldest job that waits or whose lease has run out; None when there is none.

    A job that was already executed ``attempts_max`` times fails instead.

    Args:
        conn: where.
        owner: the server, for ``requeue_owned``.
        lease_s: seconds until others may take the job over.
        attempts_max: executions of one job at most.
        served: workspaces that had their turn lately, the latest last: others come before them.
        lane: the jobs that count.
        on_exhausted: called in the same transaction with each job that fails so.
    """
    now = utc_now()
    is_free = or_(
        and_(jobs.c.status == JobStatus.PENDING, jobs.c.lease_expires_at.is_(None)),
        jobs.c.lease_expires_at <= now,
    )
    # Repeats the condition of the partial index, so that the planner of SQLite sees it.
    is_free = and_(text(UNFINISHED_JOB), is_free)
    if lane.job_types:
        named = jobs.c.job_type.in_(sorted(lane.job_types))
        is_free = and_(is_free, not_(named) if lane.is_rest else named)
    exhausted = conn.execute(
        update(jobs)
        .where(is_free, jobs.c.attempts >= attempts_max)
        .values(
            status=JobStatus.FAILED,
            completed_at=now,
            error_message=func.coalesce(jobs.c.error_message, EXHAUSTED_MESSAGE),
            **_NO_LEASE,
        )
        .returning(*_COLUMNS)
    )
    for failed in exhausted.mappings().all():
        on_exhausted(conn, Job(**failed))
    oldest = (
        select(jobs.c.id)
        .where(is_free)
        .order_by(*_turn(served), jobs.c.created_at, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = (
        conn.execute(
            update(jobs)
            .where(jobs.c.id == oldest)
            .values(
                status=JobStatus.RUNNING,
                attempts=jobs.c.attempts + 1,
                lease_token=secrets.token_hex(16),
                lease_expires_at=now + timedelta(seconds=lease_s),
                lease_owner=owner,
            )
            .returning(*_COLUMNS)
        )
        .mappings()
        .first()
    )
    return None if row is None else Job(**row)


def heartbeat(conn: Connection, job: Job, lease_s: float, progress: dict[str, Any]) -> bool:
    """Keep the lease for some more seconds and report progress.

    Returns:
        False when the lease is lost: stop working, the job is somebody else's.
    """
    expires_at = utc_now() + timedelta(seconds=lease_s)
    kept = conn.execute(
        update(jobs).where(_is_held(job)).values(lease_expires_at=expires_at, progress=progress)
    )
    return kept.rowcount == 1


def renew(conn: Connection, job: Job) -> Job:
    """Count the executions of a leased job anew: it has got further. Return it.

    Raises:
        Conflict: the lease is lost.
    """
    renewed = conn.execute(update(jobs).where(_is_held(job)).values(attempts=1))
    if renewed.rowcount == 0:
        raise Conflict(f"Job '{job.id}' is leased by somebody else")
    return replace(job, attempts=1)


def finish(
    conn: Connection, job: Job, result: dict[str, Any] | None, *, warning: str | None = None
) -> Job:
    """Mark a leased job as succeeded, with a warning as partially succeeded; return it.

    Raises:
        Conflict: the lease is lost.
    """
    status = JobStatus.SUCCEEDED if warning is None else JobStatus.PARTIALLY_SUCCEEDED
    return _end(conn, job, status=status, result=result, error_message=warning)


def fail(
    conn: Connection,
    job: Job,
    message: str,
    *,
    retry_after_s: float | None,
    is_attempt: bool = True,
) -> Job:
    """Mark a leased job as failed, or as pending again when it should be retried; return it.

    Args:
        conn: where.
        job: as it was leased.
        message: for whoever asked for the job.
        retry_after_s: seconds until anybody takes it up again; None = never.
        is_attempt: whether it counts as one; what found no place to work in is none.

    Raises:
        Conflict: the lease is lost.
    """
    if retry_after_s is None:
        return _end(conn, job, status=JobStatus.FAILED, error_message=message)
    not_before = utc_now() + timedelta(seconds=retry_after_s)
    return _end(
        conn,
        job if is_attempt else replace(job, attempts=job.attempts - 1),
        status=JobStatus.PENDING,
        error_message=message,
        lease_expires_at=not_before,
    )


def requeue_owned(conn: Connection, owner: str) -> int:
    """Make the jobs pending that a server of this name was running when it died; return how many."""
    requeued = conn.execute(
        update(jobs)
        .where(
            text(UNFINISHED_JOB), jobs.c.status == JobStatus.RUNNING, jobs.c.lease_owner == owner
        )
        .values(status=JobStatus.PENDING, **_NO_LEASE)
    )
    return requeued.rowcount


def get_job(conn: Connection, workspace_id: str, job_id: str) -> Job:
    """Return a job.

    Raises:
        NotFound: the workspace has no such job.
    """
    query = select(*_COLUMNS).where(jobs.c.workspace_id == workspace_id, jobs.c.id == job_id)
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound.of("Job", job_id)
    return Job(**row)


def list_jobs(
    conn: Connection,
    workspace_id: str,
    *,
    job_types: Collection[str] | None = None,
    statuses: Collection[str] | None = None,
    limit: int,
    offset: int,
) -> tuple[Job, ...]:
    """Return jobs, newest first; ``limit`` is clamped to 0 to 1000; unknown filters match nothing."""
    query = select(*_COLUMNS).where(jobs.c.workspace_id == workspace_id)
    if job_types is not None:
        query = query.where(jobs.c.job_type.in_(job_types))
    if statuses is not None:
        known = [JobStatus(status) for status in statuses if status in set(JobStatus)]
        query = query.where(jobs.c.status.in_(known))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
    query = query.limit(max(0, min(limit, PAGE_ROWS_MAX))).offset(max(0, offset))
    return tuple(Job(**row) for row in conn.execute(query).mappings())


def _turn(served: Sequence[str]) -> list[ColumnElement[int]]:
    """Order by whose turn it is."""
    if not served:
        return []
    places = {workspace_id: place for place, workspace_id in enumerate(served)}
    return [case(places, value=jobs.c.workspace_id, else_=-1)]


def _is_held(job: Job) -> ColumnElement[bool]:
    return and_(
        jobs.c.id == job.id,
        jobs.c.status == JobStatus.RUNNING,
        jobs.c.lease_token == job.lease_token,
    )


def _end(
    conn: Connection,
    job: Job,
    *,
    status: JobStatus,
    result: dict[str, Any] | None = None,
    error_message: str | None = None,
    lease_expires_at: datetime | None = None,
) -> Job:
    completed_at: datetime | None = None if status is JobStatus.PENDING else utc_now()
    ended = conn.execute(
        update(jobs)
        .where(_is_held(job))
        .values(
            status=status,
            attempts=job.attempts,
            completed_at=completed_at,
            result=result,
            error_message=error_message,
            **(_NO_LEASE | {"lease_expires_at": lease_expires_at}),
        )
    )
    if ended.rowcount == 0:
        raise Conflict(f"Job '{job.id}' is leased by somebody else")
    return replace(
        job,
        status=status,
        completed_at=completed_at,
        result=result,
        error_message=error_message,
        lease_token=None,
        lease_expires_at=lease_expires_at,
    )
