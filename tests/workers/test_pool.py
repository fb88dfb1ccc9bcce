"""Workers and their zygote may die at any moment; the pool goes on."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.settings import Settings
from engine.errors import EngineError, Overloaded, Unavailable
from engine.workers.execution import Limits
from engine.workers.frames import Kind
from engine.workers.pool import WorkerPool
from engine.workers.shape import query_shape
from engine.workers.tasks import QueryTask, ScanMode, Task
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = -1"
LIMITS = Limits(timeout_s=PATIENCE_S, memory_bytes=1 << 30)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def waiting_pool(tmp_path: Path) -> AsyncIterator[WorkerPool[Task]]:
    for name in ("blobs", "staging", "spill"):
        (tmp_path / name).mkdir()
    settings = Settings(
        data_dir=tmp_path,
        workers=2,
        workers_max=2,
        query_queue_max=2,
        query_queue_wait_s=PATIENCE_S,
    )
    made = WorkerPool(query_shape(settings), tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def pool(waiting_pool: WorkerPool[Task]) -> WorkerPool[Task]:
    await waiting_pool.start()
    return waiting_pool


def task(sql: str) -> QueryTask:
    return QueryTask(
        sql=sql,
        tables=(),
        default_catalog="datasets",
        default_schema="main",
        scan=ScanMode.PARALLEL,
        terms_max=None,
        encoding="json",
        persist_path=None,
        inline_bytes_max=0,
        memory_bytes=1 << 30,
        spill_bytes=1 << 30,
        rows_max=1000,
        result_bytes_max=1 << 30,
    )


async def ask(pool: WorkerPool[Task], sql: str, workspace: str = "a") -> bytes:
    body = b""
    async with pool.execute(workspace, task(sql), LIMITS) as execution:
        async for kind, part in execution.frames():
            if kind is Kind.BODY:
                body += part
    return body


async def hold(pool: WorkerPool[Task], workspace: str, until: asyncio.Event) -> None:
    async with pool.execute(workspace, task(ENDLESS), LIMITS):
        await until.wait()


async def test_a_full_queue_refuses_one_workspace_and_harms_nobody(pool: WorkerPool[Task]) -> None:
    end = asyncio.Event()
    holding = asyncio.create_task(hold(pool, "a", end))
    while pool.counts["busy"] < 1:  # noqa: ASYNC110 - the pool tells nobody
        await asyncio.sleep(0.01)
    waiting = [asyncio.create_task(ask(pool, "SELECT 1")) for _ in range(2)]
    while pool.counts["waiting"] < 2:  # noqa: ASYNC110 - the pool tells nobody
        await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await ask(pool, "SELECT 1", "b")
    end.set()
    await holding
    assert await asyncio.gather(*waiting) == [b"[1]", b"[1]"]
    assert await ask(pool, "SELECT 1", "b") == b"[1]"


async def test_a_pool_that_was_not_started_starts_with_its_first_tasks(
    waiting_pool: WorkerPool[Task],
) -> None:
    assert waiting_pool._forker._process is None
    asked = [asyncio.create_task(ask(waiting_pool, f"SELECT {n}", f"{n}")) for n in (1, 2)]
    await asyncio.sleep(0)
    assert waiting_pool._starting == 2  # no more than there may be
    assert await asyncio.gather(*asked) == [b"[1]", b"[2]"]


async def test_a_pool_is_closed_while_it_starts(waiting_pool: WorkerPool[Task]) -> None:
    asked = asyncio.create_task(ask(waiting_pool, "SELECT 1"))
    await asyncio.sleep(0)
    await waiting_pool.close()
    with pytest.raises(Unavailable):
        await asked


async def test_a_dead_zygote_is_replaced_at_once(
    pool: WorkerPool[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.workers.forker._START_TIMEOUT_S", 2 * PATIENCE_S)
    zygote = pool._forker._process
    assert zygote is not None
    os.kill(zygote.pid, signal.SIGSTOP)
    for worker in list(pool._idle):
        os.kill(worker.pid, signal.SIGKILL)
    with contextlib.suppress(EngineError, TimeoutError):
        await asyncio.wait_for(ask(pool, "SELECT 1"), 1)  # asks the stopped zygote for a fork
    os.kill(zygote.pid, signal.SIGKILL)
    with contextlib.suppress(EngineError):  # its last workers die with it, this one perhaps
        await ask(pool, "SELECT 1")
    assert await asyncio.wait_for(ask(pool, "SELECT 1"), PATIENCE_S) == b"[1]"


async def test_killed_workers_are_replaced(pool: WorkerPool[Task]) -> None:
    for _ in range(3):
        killed = list(pool._idle)
        for worker in killed:
            pool._forker.kill(worker.pid)
        with contextlib.suppress(EngineError):  # the pool may not have heard of it yet
            await ask(pool, "SELECT 1")
        while not all(worker.is_gone for worker in killed):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        assert await ask(pool, "SELECT 1") == b"[1]"


async def test_the_answer_is_complete_before_its_file_is(
    pool: WorkerPool[Task], tmp_path: Path
) -> None:
    path = tmp_path / "staging" / "kept.parquet"
    os.mkfifo(path)  # whoever writes there waits for a reader, and nobody reads
    kept = replace(task("SELECT 1"), persist_path=str(path), inline_bytes_max=-1)
    seen = []
    async with pool.execute("ws", kept, LIMITS) as execution:
        async for kind, _ in execution.frames():
            seen.append(kind)
            if kind is Kind.DONE:
                break
    assert seen == [Kind.SCHEMA, Kind.BODY, Kind.BODY, Kind.BODY, Kind.DONE]


async def test_a_held_worker_does_one_task_after_the_other(pool: WorkerPool[Task]) -> None:
    async with pool.hold("a") as held:
        for number in range(3):
            body = b""
            with held.execute(task(f"SELECT {number}"), LIMITS) as execution:
                async for kind, part in execution.frames():
                    body += part if kind is Kind.BODY else b""
            assert body == b"[%d]" % number
            assert held.is_usable
            assert pool.counts["busy"] == 1
    assert pool.counts["busy"] == 0


async def test_a_held_worker_whose_task_did_not_end_is_not_used_again(
    pool: WorkerPool[Task],
) -> None:
    async with pool.hold("a") as held:
        with held.execute(task(ENDLESS), LIMITS):
            pass
        assert not held.is_usable
    assert await ask(pool, "SELECT 1") == b"[1]"
