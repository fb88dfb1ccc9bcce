"""Does the jobs of the queue: leased, kept by heartbeats, tried again, settled.

A handler prepares everything outside the catalog and then commits one effect. The effect and the end
of the job are one catalog transaction, made only while this runner still holds the lease: a job may
run more than once, its effect happens once. The trap: a handler must leave nothing behind that counts
before its commit. A job that may be tried again waits longer after each attempt.
"""

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy import Connection

from catalog import jobs as job_store
from catalog.database import Database
from catalog.errors import CatalogError, Conflict, InvalidValue, NotFound
from catalog.model import Job, JobStatus
from engine import errors
from engine.service.jobs import DOCUMENT_JOBS, handler_of, settle_failure
from engine.translate import to_engine_error

if TYPE_CHECKING:
    from engine.service.context import Engine

_PAUSE_MOST_S = 600.0
_PAUSES_GROW = 20
_PROGRESS_S = 1.0
_SERVED_MAX = 64

# What the same input would meet again: trying again is of no use.
_FINAL_ERRORS = (
    errors.InvalidRequest,
    errors.NotFound,
    errors.Conflict,
    errors.TooLarge,
    errors.PermissionDenied,
    errors.QueryTimeout,
    errors.ResourceExhausted,
    NotFound,
    Conflict,
    InvalidValue,
)

T = TypeVar("T")

log = structlog.get_logger(__name__)


class _LeaseLost(Exception):
    """Another runner took the job over."""


class _JobWork:
    """The work of one job in this process."""

    def __init__(self, db: Database, job: Job, *, lease_s: float, attempts_max: int) -> None:
        self.job = job
        self._db = db
        self._lease_s = lease_s
        self._attempts_max = attempts_max
        self._progress: dict[str, int] = {}
        self._shown: dict[str, int] = {}
        self._beat_at = time.monotonic()
        self._is_finished = False

    @property
    def may_hold_claims(self) -> bool:
        return True  # made when the job was queued, or by an attempt that died

    def keeps_claims(self, error: BaseException) -> bool:
        # Also when it was stopped by a shutdown or overtaken: the next attempt holds them.
        return _may_retry(self.job, error, self._attempts_max)

    def report(self, progress: Mapping[str, int]) -> None:
        self._progress.update(progress)

    @property
    def is_due(self) -> bool:
        """Whether there is progress to show, or the lease to be kept."""
        waited_s = time.monotonic() - self._beat_at
        return self._shown != self._progress or waited_s > self._lease_s / 3

    async def heartbeat(self) -> bool:
        self._shown, self._beat_at = dict(self._progress), time.monotonic()
        return await self._db.write(job_store.heartbeat, self.job, self._lease_s, self._shown)

    async def commit(
        self, effect: Callable[[Connection], T], *, to_result: Callable[[T], dict[str, Any]]
    ) -> T:
        def commit(conn: Connection) -> T:
            if not job_store.heartbeat(conn, self.job, self._lease_s, dict(self._progress)):
                raise _LeaseLost
            value = effect(conn)
            job_store.finish(conn, self.job, to_result(value))
            return value

        value = await self._db.write(commit)
        self._is_finished = True
        return value

    async def checkpoint(self, effect: Callable[[Connection], T]) -> T:
        def checkpoint(conn: Connection) -> tuple[Job, T]:
            if not job_store.heartbeat(conn, self.job, self._lease_s, dict(self._progress)):
                raise _LeaseLost
            value = effect(conn)
            return job_store.renew(conn, self.job), value

        self.job, value = await self._db.write(checkpoint)
        return value

    async def conclude(self, result: dict[str, Any], *, warning: str | None) -> None:
        def conclude(conn: Connection) -> None:
            job_store.heartbeat(conn, self.job, self._lease_s, dict(self._progress))
            job_store.finish(conn, self.job, result, warning=warning)

        await self._db.write(conclude)
        self._is_finished = True

    async def finish(self) -> None:
        """End a job that had nothing to commit."""
        if not self._is_finished:
            await self._db.write(job_store.finish, self.job, None)


class JobRunners:
    """A runner for the documents, and one for all other jobs."""

    def __init__(self, engine: "Engine") -> None:
        settings = engine.settings
        documents = job_store.Lane(DOCUMENT_JOBS, is_rest=False)
        self._runners = (
            JobRunner(engine, job_store.Lane(DOCUMENT_JOBS), settings.job_concurrency),
            JobRunner(engine, documents, settings.document_concurrency),
        )

    def start(self) -> None:
        """Begin to lease jobs."""
        for runner in self._runners:
            runner.start()

    def wake(self) -> None:
        """Look at the queue now instead of at the next poll."""
        for runner in self._runners:
            runner.wake()

    async def close(self) -> None:
        """Stop; what was running goes back to the queue for whoever comes next."""
        await asyncio.gather(*(runner.close() for runner in self._runners))


class JobRunner:
    """Leases the jobs of a lane and runs a number of them at once.

    Workspaces take turns: a thousand jobs of one do not hold up the first of another.
    """

    def __init__(self, engine: "Engine", lane: job_store.Lane, concurrency: int) -> None:
        self._engine = engine
        self._lane = lane
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(concurrency)
        self._loop: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._served: list[str] = []

    def start(self) -> None:
        """Begin to lease jobs."""
        self._loop = asyncio.create_task(self._lease_jobs(), name="jobs")

    def wake(self) -> None:
        """Look at the queue now instead of at the next poll."""
        self._wake.set()

    async def close(self) -> None:
        """Stop; what was running goes back to the queue for whoever comes next."""
        tasks = [*self._tasks, *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(CatalogError):
            await self._engine.db.write(job_store.requeue_owned, self._engine.owner)

    async def _lease_jobs(self) -> None:
        while True:
            await self._slots.acquire()
            self._wake.clear()
            job = await self._lease()
            if job is None:
                self._slots.release()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._engine.settings.job_poll_s)
                continue
            task = asyncio.create_task(self._run(job), name=f"job {job.id}")
            self._tasks.add(task)
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _lease(self) -> Job | None:
        settings = self._engine.settings
        try:
            job = await self._engine.db.write(
                job_store.lease,
                owner=self._engine.owner,
                lease_s=settings.job_lease_s,
                attempts_max=settings.job_attempts_max,
                served=tuple(self._served),
                lane=self._lane,
                on_exhausted=settle_failure,
            )
        except CatalogError as error:
            log.warning("jobs.lease_failed", error=error.message)
            return None
        if job is not None:
            others = [each for each in self._served if each != job.workspace_id]
            self._served = [*others, job.workspace_id][-_SERVED_MAX:]
        return job

    async def _run(self, job: Job) -> None:
        engine = self._engine
        settings = engine.settings
        work = _JobWork(
            engine.db, job, lease_s=settings.job_lease_s, attempts_max=settings.job_attempts_max
        )
        doing = asyncio.create_task(self._handle(work))
        beating = asyncio.create_task(self._keep_lease(work, doing))
        try:
            await doing
            log.info("job.succeeded", job_id=job.id, job_type=job.job_type)
        except _LeaseLost:
            log.warning("job.lease_lost", job_id=job.id)
        except asyncio.CancelledError:
            # Either this runner closes, or the heartbeat stopped work that is no longer ours.
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
            if not beating.done():
                raise
        except Exception as error:  # noqa: BLE001 - the outermost frame of a job: nobody is above
            await self._fail(work.job, error)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _handle(self, work: _JobWork) -> None:
        handler = handler_of(work.job.job_type)
        if handler is None:
            raise errors.InvalidRequest(f"No handler for job type '{work.job.job_type}'")
        await handler(self._engine, work.job, work)
        await work.finish()

    async def _keep_lease(self, work: _JobWork, doing: asyncio.Task[None]) -> None:
        while True:
            await asyncio.sleep(min(_PROGRESS_S, self._engine.settings.job_lease_s / 3))
            if not work.is_due:
                continue
            try:
                is_ours = await work.heartbeat()
            except CatalogError as error:
                log.warning("job.heartbeat_failed", job_id=work.job.id, error=error.message)
                continue
            if not is_ours:
                log.warning("job.lease_lost", job_id=work.job.id)
                doing.cancel()
                return

    async def _fail(self, job: Job, error: Exception) -> None:
        shown = error if isinstance(error, errors.EngineError) else to_engine_error(error)
        settings = self._engine.settings
        is_attempt = not isinstance(error, errors.Overloaded)  # else it did not get to work
        may_retry = not is_attempt or _may_retry(job, error, settings.job_attempts_max)
        retry_after_s = _pause_s(settings.job_retry_s, job.attempts) if may_retry else None
        log.warning(
            "job.failed",
            job_id=job.id,
            job_type=job.job_type,
            error=type(error).__name__,
            attempt=job.attempts,
            places=_places(error) if shown is None else None,
        )
        message = "Internal error" if shown is None else shown.message

        def fail(conn: Connection) -> None:
            failed = job_store.fail(
                conn, job, message, retry_after_s=retry_after_s, is_attempt=is_attempt
            )
            if failed.status is JobStatus.FAILED:
                settle_failure(conn, failed)

        try:
            await self._engine.db.write(fail)
        except CatalogError as failure:
            # The lease runs out and the job is taken up again.
            log.warning("job.fail_not_recorded", job_id=job.id, error=failure.message)


def _may_retry(job: Job, error: BaseException, attempts_max: int) -> bool:
    return job.attempts < attempts_max and not isinstance(error, _FINAL_ERRORS)


def _pause_s(first_s: float, attempts: int) -> float:
    """Four times as long after each attempt, at most ten minutes."""
    return min(_PAUSE_MOST_S, first_s * 4.0 ** min(attempts - 1, _PAUSES_GROW))


def _places(error: BaseException) -> list[str]:
    """Where an unexpected error was raised, outermost first; values stay out of the log."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
