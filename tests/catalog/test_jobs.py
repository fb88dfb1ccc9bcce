"""The durable queue: leases, fences, retries."""

import asyncio

import pytest
from sqlalchemy import update

from catalog.database import Database
from catalog.errors import Conflict, NotFound
from catalog.jobs import (
    EXHAUSTED_MESSAGE,
    enqueue,
    fail,
    finish,
    get_job,
    heartbeat,
    lease,
    list_jobs,
    requeue_owned,
)
from catalog.model import Job, JobStatus, Workspace
from catalog.store.rows import utc_now
from catalog.tables import jobs

pytestmark = pytest.mark.anyio

EXPIRED_S = -1.0


async def add(db: Database, workspace: Workspace, **values: object) -> Job:
    fields: dict[str, object] = {"job_type": "noop", "payload": {}}
    return await db.write(enqueue, workspace.id, **(fields | values))  # type: ignore[arg-type]  # mypy cannot see the keys


async def take(
    db: Database, *, owner: str = "server-1", lease_s: float = 60.0, attempts_max: int = 3
) -> Job | None:
    return await db.write(lease, owner=owner, lease_s=lease_s, attempts_max=attempts_max)


async def take_some(db: Database, *, lease_s: float = 60.0) -> Job:
    job = await take(db, lease_s=lease_s)
    assert job is not None
    return job


async def test_a_job_is_leased_reports_progress_and_finishes(
    db: Database, workspace: Workspace
) -> None:
    job = await add(db, workspace, payload={"dataset": "ä", "n": [1]})
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
    leased = await take_some(db)
    assert (leased.id, leased.status, leased.attempts) == (job.id, JobStatus.RUNNING, 1)
    assert leased.payload == {"dataset": "ä", "n": [1]}
    assert await take(db) is None
    assert await db.write(heartbeat, leased, 60.0, {"rows": 5})
    assert (await db.read(get_job, workspace.id, job.id)).progress == {"rows": 5}
    finished = await db.write(finish, leased, {"version": 2})
    stored = await db.read(get_job, workspace.id, job.id)
    assert (stored.status, stored.result) == (JobStatus.SUCCEEDED, {"version": 2})
    assert stored.completed_at == finished.completed_at is not None
    assert await take(db) is None


async def test_jobs_are_leased_oldest_first(db: Database, workspace: Workspace) -> None:
    added = [await add(db, workspace) for _ in range(4)]
    leased = [await take_some(db) for _ in range(4)]
    assert [job.id for job in leased] == [job.id for job in added]


async def test_workspaces_take_turns(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    many = [await add(db, workspace) for _ in range(3)]
    late = [await add(db, other_workspace) for _ in range(2)]
    served = [workspace.id]
    leased = []
    while job := await db.write(
        lease, owner="server-1", lease_s=60, attempts_max=3, served=tuple(served)
    ):
        served = [*(each for each in served if each != job.workspace_id), job.workspace_id]
        leased.append(job.id)
    assert leased == [each.id for each in (late[0], many[0], late[1], many[1], many[2])]


async def test_a_stale_lease_can_neither_report_nor_finish(
    db: Database, workspace: Workspace
) -> None:
    await add(db, workspace)
    stale = await take_some(db, lease_s=EXPIRED_S)
    fresh = await take_some(db)
    assert fresh.id == stale.id
    assert fresh.lease_token != stale.lease_token
    assert not await db.write(heartbeat, stale, 60.0, {"rows": 1})
    with pytest.raises(Conflict):
        await db.write(finish, stale, {"by": "stale"})
    with pytest.raises(Conflict):
        await db.write(fail, stale, "no", retry_after_s=None)
    await db.write(finish, fresh, {"by": "fresh"})
    assert not await db.write(heartbeat, fresh, 60.0, {})
    with pytest.raises(Conflict):
        await db.write(finish, fresh, {"by": "twice"})
    stored = await db.read(get_job, workspace.id, fresh.id)
    assert (stored.result, stored.attempts, stored.progress) == ({"by": "fresh"}, 2, {})


async def test_the_effect_of_a_stale_lease_is_undone(db: Database, workspace: Workspace) -> None:
    from sqlalchemy import Connection

    from catalog.store.uploads import insert_upload, list_uploads
    from tests.catalog.samples import make_upload

    await add(db, workspace)
    stale = await take_some(db, lease_s=EXPIRED_S)
    await take_some(db)

    def act_and_finish(conn: Connection) -> None:
        insert_upload(conn, make_upload(workspace.id))
        finish(conn, stale, None)

    with pytest.raises(Conflict):
        await db.write(act_and_finish)
    assert await db.read(list_uploads, workspace.id) == ()


async def test_a_heartbeat_keeps_the_lease(db: Database, workspace: Workspace) -> None:
    await add(db, workspace)
    job = await take_some(db, lease_s=EXPIRED_S)
    assert await db.write(heartbeat, job, 60.0, {})
    assert await take(db) is None


async def test_a_job_is_retried_until_its_attempts_are_used_up(
    db: Database, workspace: Workspace
) -> None:
    job = await add(db, workspace)
    for attempt in (1, 2, 3):
        leased = await take_some(db)
        assert leased.attempts == attempt
        await db.write(fail, leased, f"broken {attempt}", retry_after_s=0)
    assert await take(db) is None
    stored = await db.read(get_job, workspace.id, job.id)
    assert (stored.status, stored.error_message) == (JobStatus.FAILED, "broken 3")
    assert stored.completed_at is not None


async def test_a_failed_job_waits_for_its_next_attempt(db: Database, workspace: Workspace) -> None:
    job = await add(db, workspace)
    waiting = await db.write(fail, await take_some(db), "broken", retry_after_s=3600)
    assert waiting.status is JobStatus.PENDING
    assert await take(db) is None
    other = await add(db, workspace)
    assert (await take_some(db)).id == other.id
    await db.write(lambda conn: conn.execute(update(jobs).values(lease_expires_at=utc_now())))
    assert (await take_some(db)).id == job.id


async def test_a_job_whose_worker_dies_every_time_fails(db: Database, workspace: Workspace) -> None:
    job = await add(db, workspace)
    for _ in range(3):
        await take_some(db, lease_s=EXPIRED_S)
    assert await take(db) is None
    stored = await db.read(get_job, workspace.id, job.id)
    assert (stored.status, stored.error_message) == (JobStatus.FAILED, EXHAUSTED_MESSAGE)


async def test_a_failure_without_retry_is_final(db: Database, workspace: Workspace) -> None:
    job = await add(db, workspace)
    await db.write(fail, await take_some(db), "bad file", retry_after_s=None)
    assert await take(db) is None
    stored = await db.read(get_job, workspace.id, job.id)
    assert (stored.status, stored.error_message) == (JobStatus.FAILED, "bad file")


async def test_only_the_jobs_of_the_restarted_server_are_requeued(
    db: Database, workspace: Workspace
) -> None:
    mine, theirs = await add(db, workspace), await add(db, workspace)
    for owner in ("server-1", "server-2"):
        await take(db, owner=owner)
    assert await db.write(requeue_owned, "server-1") == 1
    assert (await db.read(get_job, workspace.id, mine.id)).status is JobStatus.PENDING
    assert (await db.read(get_job, workspace.id, theirs.id)).status is JobStatus.RUNNING
    again = await take_some(db)
    assert (again.id, again.attempts) == (mine.id, 2)


async def test_an_unfinished_job_stands_for_its_twins(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    jobs = await asyncio.gather(
        *(add(db, workspace, dedupe_key="refresh:1", payload={"n": n}) for n in range(10))
    )
    assert len({job.id for job in jobs}) == 1
    foreign = await add(db, other_workspace, dedupe_key="refresh:1")
    other = await add(db, workspace, dedupe_key="refresh:2")
    assert len({jobs[0].id, foreign.id, other.id}) == 3
    leased = await take_some(db)
    assert (await add(db, workspace, dedupe_key="refresh:1")).id == leased.id
    await db.write(finish, leased, None)
    assert (await add(db, workspace, dedupe_key="refresh:1")).id != leased.id


async def test_two_servers_lease_two_hundred_jobs_once_each(
    catalog_url: str, db: Database, workspace: Workspace
) -> None:
    added = await asyncio.gather(*(add(db, workspace) for _ in range(200)))
    second = await Database.open(catalog_url)
    leased: list[str] = []

    async def work(server: Database, owner: str) -> None:
        while (job := await take(server, owner=owner)) is not None:
            leased.append(job.id)
            await server.write(finish, job, None)

    await asyncio.gather(*(work(server, f"{n}") for n in range(4) for server in (db, second)))
    await second.close()
    assert sorted(leased) == sorted(job.id for job in added)


async def test_jobs_are_listed_newest_first_and_filtered(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    added = [await add(db, workspace, job_type=kind) for kind in ("a", "b", "a")]
    await add(db, other_workspace)
    await db.write(finish, await take_some(db), None)

    async def ids(**filters: object) -> list[str]:
        fields: dict[str, object] = {"limit": 50, "offset": 0}
        jobs = await db.read(list_jobs, workspace.id, **(fields | filters))  # type: ignore[arg-type]  # mypy cannot see the keys
        return [job.id for job in jobs]

    first, second, third = (job.id for job in added)
    assert await ids() == [third, second, first]
    assert await ids(limit=1, offset=1) == [second]
    assert await ids(limit=0) == []
    assert await ids(job_types=["a"]) == [third, first]
    assert await ids(statuses=["pending", "running"]) == [third, second]
    assert await ids(statuses=["nonsense"]) == []
    with pytest.raises(NotFound, match=f"Job '{first}' not found"):
        await db.read(get_job, other_workspace.id, first)
