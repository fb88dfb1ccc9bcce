"""Refreshes, builds, deletions, pins and searches all at once: an index never meets other rows."""

import asyncio
import random
from datetime import UTC, datetime

import pytest

from catalog.garbage import collect_garbage
from catalog.model import Job
from engine import errors
from engine.service import datasets, indexes, jobs
from engine.service.context import Caller, Engine
from engine.service.index_orders import NewIndex
from tests.patience import PATIENCE_S
from tests.service.conftest import WebServer
from tests.service.searching import rows_of
from tests.service.steps import new_caller, staged_files, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

STEPS = 500
AT_ONCE = 4
PATH = "/rows.csv"
# What may be refused while indexes come and go; nothing else may.
EXPECTED = (
    "not ready",
    "No BM25",
    "No sorted",
    "No vector",
    "already",
    "not found",
    "again",
)
SEARCHES = (
    "SELECT count(*), min(gen), max(gen), min(total) FROM bm25_search('t', 'body', 'marker')",
    "SELECT count(*), min(s.gen), max(t.gen), min(t.total) "
    "FROM bm25_search('t', 'body', 'marker') s JOIN t ON t.id = s.id",
    "SELECT count(*), min(gen), max(gen), min(total) FROM t WHERE id >= 0",
    "SELECT count(*), min(gen), max(gen), min(total) FROM sorted_scan('t', 'order')",
    "SELECT count(*), min(gen), max(gen), min(total) FROM vector_search('t', 'body', 'marker', 99)",
)
ORDERS = (
    NewIndex("words", ["body"], "bm25"),
    NewIndex("order", ["id"], "sorted"),
    NewIndex("near", ["body"], "vector", dimensions=64),
)


class Churn:
    """A dataset whose every version is a generation: all its rows say which, and how many they are."""

    def __init__(self, engine: Engine, caller: Caller, web: WebServer) -> None:
        self.engine, self.caller, self.web = engine, caller, web
        self.generation = 0
        self.dataset_id = ""
        self.answered = self.refused = 0
        self.draw = random.Random(20)

    async def begin(self) -> None:
        self.publish()
        made = await datasets.create_dataset(
            self.engine,
            self.caller,
            label="t",
            source={"url": self.web.url(PATH)},
            table_name="t",
        )
        assert not isinstance(made, Job)
        self.dataset_id = made.id

    def publish(self) -> None:
        self.generation += 1
        total = 20 + self.generation % 7
        rows = "".join(
            f"{row},{self.generation},{total},marker generation{self.generation}\n"
            for row in range(total)
        )
        self.web.files[PATH] = ("text/csv", f"id,gen,total,body\n{rows}".encode())

    async def step(self) -> None:
        chosen = self.draw.random()
        try:
            if chosen < 0.6:
                await self.search(self.draw.choice(SEARCHES))
            elif chosen < 0.72:
                self.publish()
                await datasets.refresh_dataset(
                    self.engine, self.caller, self.dataset_id, is_async=False
                )
            elif chosen < 0.9:
                order = self.draw.choice(ORDERS)
                await indexes.create_index(
                    self.engine,
                    self.caller,
                    self.dataset_id,
                    order,
                    is_async=self.draw.random() < 0.4,
                )
            elif chosen < 0.95:
                name = self.draw.choice(ORDERS).index_name
                await indexes.delete_index(self.engine, self.caller, self.dataset_id, name)
            else:
                pinned = self.draw.choice([None, None, 1])
                changes = {"pinned_version": pinned}
                await datasets.update_dataset(self.engine, self.caller, self.dataset_id, changes)
        except errors.EngineError as error:
            if not any(words in error.message for words in EXPECTED):
                raise
            self.refused += 1

    async def search(self, sql: str) -> None:
        ((count, lowest, highest, total),) = await rows_of(self.engine, self.caller, sql)
        assert lowest == highest, sql
        assert count == total, sql
        self.answered += 1


async def test_no_search_meets_rows_of_another_version(own_engine: Engine, web: WebServer) -> None:
    engine = own_engine
    churn = Churn(engine, await new_caller(engine), web)
    await churn.begin()
    left = iter(range(STEPS))

    async def work() -> None:
        for _ in left:
            await churn.step()

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        await datasets.update_dataset(
            engine, churn.caller, churn.dataset_id, {"pinned_version": None}
        )
        await _settled(engine, churn)
    assert churn.answered > STEPS // 5
    for each in await indexes.list_indexes(engine, churn.caller, churn.dataset_id):
        assert each.is_ready, each
    await _only_what_is_named_is_left(engine, churn)


async def _settled(engine: Engine, churn: Churn) -> None:
    """Wait until the jobs have built whatever is left to build."""
    await until(
        lambda: indexes.list_indexes(engine, churn.caller, churn.dataset_id),
        lambda found: all(each.is_ready for each in found),
    )


async def _only_what_is_named_is_left(engine: Engine, churn: Churn) -> None:
    for each in await indexes.list_indexes(engine, churn.caller, churn.dataset_id):
        await indexes.delete_index(engine, churn.caller, churn.dataset_id, each.index.name)
    busy = ("pending", "running")  # with what was deleted before it was built
    await until(
        lambda: jobs.list_jobs(
            engine, churn.caller, job_types=None, statuses=busy, limit=1, offset=0
        ),
        lambda found: not found,
    )
    await collect_garbage(engine.db, engine.blobs, grace_s=0, now=datetime.now(UTC))
    keys = [blob.key async for blob in engine.blobs.list()]
    assert [key for key in keys if key.startswith("indexes/")] == []
    assert staged_files(engine) == []
