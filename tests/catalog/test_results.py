"""Results."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.database import Database
from catalog.errors import NotFound
from catalog.model import ResultStatus, Workspace
from catalog.store.results import (
    ORPHAN_MESSAGE,
    STUCK_MESSAGE,
    expire_results,
    fail_orphans,
    fail_result,
    fail_stuck,
    get_result,
    list_ready,
    list_results,
    upsert_results,
)
from tests.catalog.samples import NOON, make_result

pytestmark = pytest.mark.anyio


async def test_a_result_comes_back_as_it_went_in(db: Database, workspace: Workspace) -> None:
    result = make_result(workspace.id)
    await db.append(upsert_results, result)
    assert await db.read(get_result, workspace.id, result.id) == result
    ready = replace(
        result,
        status=ResultStatus.READY,
        expires_at=NOON + timedelta(days=7),
        columns=("a", "a", "ä"),
        nullable=(True, False, True),
        row_count=0,
        size_bytes=2**40,
        inline_ipc=bytes(range(256)),
        database_id="dbid1",
    )
    await db.append(upsert_results, ready)
    assert await db.read(get_result, workspace.id, result.id) == ready
    # A result without columns is not a result of which nothing is known.
    empty = replace(result, status=ResultStatus.FAILED, columns=(), nullable=())
    await db.append(upsert_results, empty)
    assert await db.read(get_result, workspace.id, result.id) == empty


async def test_a_finished_result_is_never_unfinished_again(
    db: Database, workspace: Workspace
) -> None:
    result = make_result(workspace.id, status=ResultStatus.READY)
    await db.append(upsert_results, result)
    await db.append(upsert_results, replace(result, status=ResultStatus.PROCESSING))
    assert await db.read(get_result, workspace.id, result.id) == result


async def test_results_of_another_workspace_are_unknown(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    result = make_result(workspace.id)
    await db.append(upsert_results, result)
    with pytest.raises(NotFound, match=f"Result '{result.id}' not found"):
        await db.read(get_result, other_workspace.id, result.id)
    with pytest.raises(NotFound):
        await db.write(fail_result, other_workspace.id, result.id, "no")
    assert (await db.read(list_results, other_workspace.id, limit=5, offset=0)).items == ()


async def test_results_are_listed_newest_first_without_bytes(
    db: Database, workspace: Workspace
) -> None:
    results = [
        make_result(
            workspace.id,
            created_at=NOON + timedelta(hours=n),
            status=ResultStatus.READY if n % 2 else ResultStatus.FAILED,
            inline_ipc=b"bytes",
            database_id="dbid1" if n == 0 else None,
        )
        for n in range(5)
    ]
    await asyncio.gather(*(db.append(upsert_results, result) for result in results))
    expected = [replace(result, inline_ipc=None) for result in results[::-1]]
    page = await db.read(list_results, workspace.id, limit=3, offset=1)
    assert (list(page.items), page.has_more) == (expected[1:4], True)
    scoped = await db.read(list_results, workspace.id, limit=3, offset=0, database_id="dbid1")
    assert (list(scoped.items), scoped.has_more) == ([expected[-1]], False)
    ready = await db.read(list_ready, workspace.id)
    assert list(ready) == [result for result in expected if result.status == "ready"]


async def test_unfinished_results_fail_when_their_server_dies_or_time_passes(
    db: Database, workspace: Workspace
) -> None:
    orphan = make_result(workspace.id, owner="server-2", status=ResultStatus.PENDING)
    stuck, young, done = (
        make_result(workspace.id),
        make_result(workspace.id, created_at=NOON + timedelta(seconds=1)),
        make_result(workspace.id, owner="server-2", status=ResultStatus.READY),
    )
    for result in (orphan, stuck, young, done):
        await db.append(upsert_results, result)
    assert await db.write(fail_orphans, "server-2") == 1
    assert await db.write(fail_stuck, NOON + timedelta(seconds=1)) == 1
    messages = {
        r.id: r.error_message
        for r in (await db.read(list_results, workspace.id, limit=9, offset=0)).items
    }
    assert messages == {
        orphan.id: ORPHAN_MESSAGE, stuck.id: STUCK_MESSAGE, young.id: None, done.id: None,
    }  # fmt: skip


async def test_a_ready_result_whose_bytes_are_gone_can_be_failed(
    db: Database, workspace: Workspace
) -> None:
    result = make_result(workspace.id, status=ResultStatus.READY)
    await db.append(upsert_results, result)
    failed = await db.write(fail_result, workspace.id, result.id, "Result data not found")
    assert failed == replace(
        result, status=ResultStatus.FAILED, error_message="Result data not found"
    )


async def test_finished_results_expire_and_name_their_blobs(
    db: Database, workspace: Workspace
) -> None:
    ready = make_result(
        workspace.id, status=ResultStatus.READY, expires_at=NOON, blob_key="results/a.parquet"
    )
    inline = make_result(workspace.id, status=ResultStatus.FAILED, expires_at=NOON)
    unfinished = make_result(workspace.id, expires_at=NOON)
    for_ever = make_result(workspace.id, status=ResultStatus.READY)
    later = make_result(
        workspace.id, status=ResultStatus.READY, expires_at=NOON + timedelta(microseconds=1)
    )
    for result in (ready, inline, unfinished, for_ever, later):
        await db.append(upsert_results, result)
    assert await db.write(expire_results, NOON) == ("results/a.parquet",)
    left = {r.id for r in (await db.read(list_results, workspace.id, limit=9, offset=0)).items}
    assert left == {unfinished.id, for_ever.id, later.id}
