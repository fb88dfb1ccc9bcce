"""Query runs and snapshots."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from catalog.database import Database
from catalog.errors import NotFound
from catalog.model import QueryRun, RunStatus, Workspace
from catalog.store.runs import ORPHAN_MESSAGE, fail_orphans, get_run, list_runs, upsert_runs
from catalog.tables import snapshots
from tests.catalog.samples import NOON, make_run

pytestmark = pytest.mark.anyio


async def test_a_run_comes_back_as_it_went_in(db: Database, workspace: Workspace) -> None:
    run = make_run(
        workspace.id,
        "SELECT 'ä', '🌊' -- 100%",
        status=RunStatus.SUCCEEDED,
        completed_at=NOON + timedelta(microseconds=1),
        result_id="rslt1",
        error_message="e",
        warning_message="w",
        row_count=2**40,
        execution_time_ms=1,
        server_processing_ms=2,
        bytes_scanned=3,
        rows_scanned=4,
        saved_query_id="svqr1",
        saved_query_version=5,
        user_public_id="user_1",
        trace_id="t",
        database_id="d",
    )
    await db.append(upsert_runs, run)
    assert await db.read(get_run, workspace.id, run.id) == run


async def test_the_last_state_of_a_run_wins_within_and_across_groups(
    db: Database, workspace: Workspace
) -> None:
    run = make_run(workspace.id)
    done = replace(run, status=RunStatus.SUCCEEDED, row_count=3, completed_at=NOON)
    await asyncio.gather(db.append(upsert_runs, run), db.append(upsert_runs, done))
    assert await db.read(get_run, workspace.id, run.id) == done
    corrected = replace(done, warning_message="slow", server_processing_ms=9)
    await db.append(upsert_runs, corrected)
    assert await db.read(get_run, workspace.id, run.id) == corrected


async def test_a_finished_run_never_runs_again(db: Database, workspace: Workspace) -> None:
    run = make_run(workspace.id, status=RunStatus.CANCELLED)
    await db.append(upsert_runs, run)
    await db.append(upsert_runs, replace(run, status=RunStatus.RUNNING))
    assert (await db.read(get_run, workspace.id, run.id)).status is RunStatus.CANCELLED


async def test_a_run_of_another_workspace_is_unknown(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    run = make_run(workspace.id)
    await db.append(upsert_runs, run)
    with pytest.raises(NotFound, match=f"Query run '{run.id}' not found"):
        await db.read(get_run, other_workspace.id, run.id)
    assert await db.read(list_runs, other_workspace.id, limit=10) == []


async def test_equal_texts_of_a_workspace_share_one_snapshot(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    runs = [make_run(owner.id) for owner in (workspace, workspace, other_workspace)]
    await asyncio.gather(*(db.append(upsert_runs, run) for run in runs))
    await db.append(upsert_runs, make_run(workspace.id))
    count = await db.read(lambda conn: conn.scalar(select(func.count()).select_from(snapshots)))
    assert count == 2


async def test_runs_are_listed_newest_first_and_page_by_page(
    db: Database, workspace: Workspace
) -> None:
    # Two of three share their moment: the id decides.
    runs = [make_run(workspace.id, created_at=NOON + timedelta(seconds=n // 2)) for n in range(9)]
    await asyncio.gather(*(db.append(upsert_runs, run) for run in runs))
    expected = sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True)
    seen: list[QueryRun] = []
    before = None
    while True:
        page = await db.read(list_runs, workspace.id, limit=2, before=before)
        seen += page[:2]
        if len(page) <= 2:
            break
        before = (page[1].created_at, page[1].id)
    assert seen == expected


async def test_runs_are_filtered(db: Database, workspace: Workspace) -> None:
    plain = make_run(workspace.id)
    saved = make_run(workspace.id, status=RunStatus.FAILED, saved_query_id="svqr1")
    scoped = make_run(workspace.id, status=RunStatus.SUCCEEDED, database_id="dbid1")
    await asyncio.gather(*(db.append(upsert_runs, run) for run in (plain, saved, scoped)))

    async def ids(**filters: object) -> set[str]:
        found = await db.read(list_runs, workspace.id, limit=10, **filters)  # type: ignore[arg-type]  # mypy cannot see the keys
        return {run.id for run in found}

    assert await ids(statuses=["failed", "running"]) == {plain.id, saved.id}
    assert await ids(statuses=["nonsense"]) == set()
    assert await ids(saved_query_id="svqr1") == {saved.id}
    assert await ids(database_id="dbid1") == {scoped.id}


async def test_only_the_orphans_of_the_dead_server_are_failed(
    db: Database, workspace: Workspace
) -> None:
    mine, theirs = make_run(workspace.id), make_run(workspace.id, owner="server-2")
    done = make_run(workspace.id, status=RunStatus.SUCCEEDED)
    await asyncio.gather(*(db.append(upsert_runs, run) for run in (mine, theirs, done)))
    assert await db.write(fail_orphans, "server-1") == 1
    failed = await db.read(get_run, workspace.id, mine.id)
    assert (failed.status, failed.error_message) == (RunStatus.FAILED, ORPHAN_MESSAGE)
    assert failed.completed_at is not None
    assert await db.read(get_run, workspace.id, theirs.id) == theirs
    assert await db.read(get_run, workspace.id, done.id) == done


async def test_a_deferred_start_is_written_when_the_query_is_slow(
    db: Database, workspace: Workspace
) -> None:
    run = make_run(workspace.id)
    await db.append(upsert_runs, run, deferred=True)
    assert await db.read(get_run, workspace.id, run.id) == run


async def test_a_deferred_start_is_replaced_by_a_quick_end(
    db: Database, workspace: Workspace
) -> None:
    run = make_run(workspace.id)
    start = db.append(upsert_runs, run, deferred=True)
    done = replace(run, status=RunStatus.SUCCEEDED)
    await db.append(upsert_runs, done)
    assert start.done()
    assert await db.read(get_run, workspace.id, run.id) == done
