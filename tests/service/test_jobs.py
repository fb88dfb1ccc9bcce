"""The job runner: at once, bounded, fenced, resumed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from catalog import jobs as job_store
from catalog.errors import Unavailable
from catalog.model import Job, JobStatus, SavedQuery, UploadStatus
from catalog.settings import Settings
from catalog.store import saved_queries as saved_query_store
from engine import errors
from engine.service import datasets, jobs, uploads
from engine.service.context import Caller, Engine
from engine.service.jobs import Handler
from engine.service.work import Work
from tests.patience import PATIENCE_S
from tests.service.steps import caller_of, finished, send_file, submit_dataset, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(own_engine: Engine) -> Engine:
    return own_engine


Enter = Callable[[Handler], None]


@pytest.fixture
def soon(engine: Engine) -> None:
    """Let the runner look at its queue often, as retries need it."""
    engine.settings = engine.settings.model_copy(update={"job_poll_s": 0.02, "job_retry_s": 0})
    engine.jobs.wake()


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Enter:
    """Make a coroutine the handler of the jobs that :func:`submit` queues."""
    return lambda handler: monkeypatch.setitem(jobs._HANDLERS, "create_index", handler)


async def submit(engine: Engine, caller: Caller, **more: Any) -> Job:
    return await jobs.enqueue(engine, caller, job_type="create_index", payload={}, **more)


def named(conn: Connection, caller: Caller, name: str) -> SavedQuery:
    """An effect that is easy to see."""
    return saved_query_store.create_saved_query(conn, caller.workspace_id, name=name, sql="x")


async def names_of(engine: Engine, caller: Caller) -> list[str]:
    page = await engine.db.read(
        saved_query_store.list_saved_queries, caller.workspace_id, limit=100, offset=0
    )
    return [query.name for query in page.items]


async def test_a_job_runs_at_once_without_waiting_for_the_poll(
    engine: Engine, caller: Caller
) -> None:
    assert engine.settings.job_poll_s == 3600
    job = await jobs.enqueue(engine, caller, job_type="noop", payload={})
    done = await finished(engine, caller, job)
    assert (done.status, done.attempts, done.result) == (JobStatus.SUCCEEDED, 1, None)
    assert done.completed_at is not None


async def test_an_effect_and_the_end_of_its_job_are_one(
    engine: Engine, caller: Caller, enter: Enter
) -> None:
    async def handler(_engine: Engine, _job: Job, work: Work) -> None:
        work.report({"rows": 3, "bytes": 10})
        await work.commit(
            lambda conn: named(conn, caller, "made"), to_result=lambda made: {"name": made.name}
        )

    enter(handler)
    done = await finished(engine, caller, await submit(engine, caller))
    assert (done.result, done.progress) == ({"name": "made"}, {"rows": 3, "bytes": 10})
    assert await names_of(engine, caller) == ["made"]


async def test_an_effect_that_fails_leaves_nothing(
    engine: Engine, caller: Caller, enter: Enter
) -> None:
    async def handler(_engine: Engine, _job: Job, work: Work) -> None:
        def effect(conn: Connection) -> None:
            named(conn, caller, "half")
            raise errors.Conflict("no")

        await work.commit(effect, to_result=lambda _: {})

    enter(handler)
    done = await finished(engine, caller, await submit(engine, caller))
    assert (done.status, done.error_message, done.attempts) == (JobStatus.FAILED, "no", 1)
    assert await names_of(engine, caller) == []


async def test_a_job_that_lost_its_lease_has_no_effect(
    engine: Engine, caller: Caller, enter: Enter
) -> None:
    starts, goes_on = asyncio.Event(), asyncio.Event()

    async def handler(_engine: Engine, _job: Job, work: Work) -> None:
        starts.set()
        await goes_on.wait()
        await work.commit(lambda conn: named(conn, caller, "late"), to_result=lambda _: {})

    enter(handler)
    job = await submit(engine, caller)
    await starts.wait()
    await engine.db.write(job_store.requeue_owned, engine.owner)
    stolen = await engine.db.write(
        job_store.lease, owner="somebody else", lease_s=60, attempts_max=3
    )
    assert stolen is not None
    assert stolen.id == job.id
    goes_on.set()
    await engine.jobs.close()
    assert (await jobs.get_job(engine, caller, job.id)).status is JobStatus.RUNNING
    assert await names_of(engine, caller) == []
    await engine.db.write(job_store.finish, stolen, None)


async def test_a_heartbeat_keeps_the_lease_and_shows_progress(
    settings: Settings, enter: Enter
) -> None:
    goes_on = asyncio.Event()

    async def handler(_engine: Engine, _job: Job, work: Work) -> None:
        work.report({"rows": 7})
        await goes_on.wait()
        await work.commit(lambda _conn: None, to_result=lambda _: {})

    enter(handler)
    lease_s = 1.5
    engine = await Engine.open(settings.model_copy(update={"job_lease_s": lease_s}))
    caller = await caller_of(engine)
    job = await submit(engine, caller)
    seen = await until(lambda: jobs.get_job(engine, caller, job.id), lambda job: bool(job.progress))
    assert seen.progress == {"rows": 7}
    first = seen.lease_expires_at
    assert first is not None
    await until(
        lambda: jobs.get_job(engine, caller, job.id),
        lambda job: (
            job.lease_expires_at is not None
            and (job.lease_expires_at - first).total_seconds() > lease_s
        ),
    )
    goes_on.set()
    done = await finished(engine, caller, job)
    assert (done.status, done.attempts) == (JobStatus.SUCCEEDED, 1)
    await engine.close()


async def test_work_whose_lease_was_taken_is_stopped(settings: Settings, enter: Enter) -> None:
    starts, stopped = asyncio.Event(), asyncio.Event()

    async def handler(_engine: Engine, _job: Job, _work: Work) -> None:
        starts.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    enter(handler)
    engine = await Engine.open(settings.model_copy(update={"job_lease_s": 0.3}))
    caller = await caller_of(engine)
    await submit(engine, caller)
    await starts.wait()
    await engine.db.write(job_store.requeue_owned, engine.owner)
    taken = await engine.db.write(job_store.lease, owner="other", lease_s=60, attempts_max=3)
    assert taken is not None
    async with asyncio.timeout(PATIENCE_S):
        await stopped.wait()
    # The runner is still alive.
    noop = await jobs.enqueue(engine, caller, job_type="noop", payload={})
    assert (await finished(engine, caller, noop)).status is JobStatus.SUCCEEDED
    await engine.close()


@pytest.mark.usefixtures("soon")
async def test_what_may_pass_is_tried_again(engine: Engine, caller: Caller, enter: Enter) -> None:
    async def handler(_engine: Engine, job: Job, _work: Work) -> None:
        if job.attempts < 2:
            raise Unavailable

    enter(handler)
    done = await finished(engine, caller, await submit(engine, caller))
    assert (done.status, done.attempts) == (JobStatus.SUCCEEDED, 2)


@pytest.mark.usefixtures("soon")
async def test_what_never_passes_is_given_up_after_three_attempts(
    engine: Engine, caller: Caller, enter: Enter
) -> None:
    async def handler(_engine: Engine, _job: Job, _work: Work) -> None:
        raise errors.SourceFailed("away")

    enter(handler)
    done = await finished(engine, caller, await submit(engine, caller))
    assert (done.status, done.attempts) == (JobStatus.FAILED, 3)


@pytest.mark.usefixtures("soon")
async def test_what_found_no_place_to_work_in_was_no_attempt(
    engine: Engine, caller: Caller, enter: Enter
) -> None:
    asked = 0

    async def handler(_engine: Engine, _job: Job, _work: Work) -> None:
        nonlocal asked
        asked += 1
        if asked < 6:
            raise errors.Overloaded("busy")

    enter(handler)
    done = await finished(engine, caller, await submit(engine, caller))
    assert (done.status, done.attempts, asked) == (JobStatus.SUCCEEDED, 1, 6)


@pytest.mark.usefixtures("soon")
async def test_a_bug_in_a_handler_is_not_shown_to_the_client(
    engine: Engine, caller: Caller, enter: Enter
) -> None:
    async def handler(_engine: Engine, _job: Job, _work: Work) -> None:
        raise KeyError("/secret/path")

    enter(handler)
    done = await finished(engine, caller, await submit(engine, caller))
    assert done.status is JobStatus.FAILED
    assert done.error_message is not None
    assert "secret" not in done.error_message


async def test_no_more_jobs_run_at_once_than_allowed(
    engine: Engine, caller: Caller, enter: Enter
) -> None:
    running = most = 0

    async def handler(_engine: Engine, _job: Job, _work: Work) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    enter(handler)
    queued = [await submit(engine, caller) for _ in range(6)]
    for job in queued:
        assert (await finished(engine, caller, job)).status is JobStatus.SUCCEEDED
    assert most == engine.settings.job_concurrency == 2


async def test_a_job_stopped_by_a_shutdown_is_done_after_the_restart(
    settings: Settings, enter: Enter
) -> None:
    starts = asyncio.Event()

    async def handler(_engine: Engine, job: Job, _work: Work) -> None:
        starts.set()
        if job.attempts == 1:
            await asyncio.Event().wait()

    enter(handler)
    engine = await Engine.open(settings)
    caller = await caller_of(engine)
    job = await submit(engine, caller)
    await starts.wait()
    await engine.close()
    engine = await Engine.open(settings)
    done = await finished(engine, caller, job)
    assert (done.status, done.attempts) == (JobStatus.SUCCEEDED, 2)
    await engine.close()


async def test_a_write_that_fails_before_the_job_means_no_job(
    engine: Engine, caller: Caller
) -> None:
    def refuse(conn: Connection) -> None:
        named(conn, caller, "half")
        raise errors.Conflict("no")

    with pytest.raises(errors.Conflict):
        await submit(engine, caller, before=refuse)
    found = await jobs.list_jobs(
        engine, caller, job_types=None, statuses=None, limit=None, offset=None
    )
    assert found == ()
    assert await names_of(engine, caller) == []


async def test_jobs_are_filtered_paged_and_private(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    queued = [
        await jobs.enqueue(engine, caller, job_type="noop", payload={"number": i}) for i in range(3)
    ]
    for job in queued:
        await finished(engine, caller, job)

    async def ids(who: Caller, **filters: Any) -> list[str]:
        given = {"job_types": None, "statuses": None, "limit": None, "offset": None} | filters
        return [job.id for job in await jobs.list_jobs(engine, who, **given)]

    newest = [job.id for job in reversed(queued)]
    assert await ids(caller) == newest
    assert await ids(caller, limit=1, offset=1) == newest[1:2]
    assert await ids(caller, job_types=("noop",), statuses=("succeeded", "failed")) == newest
    assert await ids(caller, statuses=("pending",)) == []
    assert await ids(caller, job_types=("create_index",)) == []
    assert await ids(stranger) == []
    with pytest.raises(errors.NotFound):
        await jobs.get_job(engine, stranger, newest[0])
    for wrong in ({"job_types": ("wash",)}, {"statuses": ("done",)}, {"limit": -1}):
        with pytest.raises(errors.InvalidRequest):
            await ids(caller, **wrong)


async def test_an_overtaken_attempt_leaves_the_upload_to_the_next(
    engine: Engine, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts, goes_on = asyncio.Event(), asyncio.Event()
    run = jobs._HANDLERS["dataset_refresh"]

    class Overtaken:
        """The work of a job whose commit waits until somebody else has the lease."""

        def __init__(self, work: Work) -> None:
            self._work = work

        def __getattr__(self, name: str) -> Any:
            return getattr(self._work, name)

        async def commit(self, effect: Any, *, to_result: Any) -> Any:
            starts.set()
            await goes_on.wait()
            return await self._work.commit(effect, to_result=to_result)

    async def slow(engine: Engine, job: Job, work: Work) -> None:
        await run(engine, job, Overtaken(work))

    monkeypatch.setitem(jobs._HANDLERS, "dataset_refresh", slow)
    upload_id = await send_file(engine, caller, b"a\n1\n")
    await submit_dataset(engine, caller, {"upload_id": upload_id}, label="t")
    await starts.wait()
    await engine.db.write(job_store.requeue_owned, engine.owner)
    stolen = await engine.db.write(job_store.lease, owner="other", lease_s=60, attempts_max=3)
    assert stolen is not None
    goes_on.set()
    await engine.jobs.close()
    (upload,) = await uploads.list_uploads(engine, caller, status=None)
    assert upload.status is UploadStatus.PROCESSING
    page = await datasets.list_datasets(engine, caller, limit=9, offset=0)
    assert page.items == ()
    assert list(engine.blobs.staging_folder.iterdir()) == []
