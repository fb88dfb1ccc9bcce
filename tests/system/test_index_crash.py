"""A server that is killed in the middle of building indexes: what was acknowledged is there and answers
right, what was ordered is built in the end, and nothing else is left.
"""

import asyncio
import random
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.blob_store import open_blob_store
from catalog.database import Database
from catalog.garbage import collect_garbage
from catalog.index_tables import index_files
from catalog.settings import Settings
from tests.patience import PATIENCE_S
from tests.server.running import RunningServer, serving
from tests.service.searching import WORDS

pytestmark = [pytest.mark.crash, pytest.mark.system]

KILLS = 20
ROWS = 2_000
KINDS: dict[str, dict[str, Any]] = {
    "bm25": {"index_type": "bm25", "columns": ["body"]},
    "sorted": {"index_type": "sorted", "columns": ["number"]},
    "vector": {"index_type": "vector", "columns": ["body"], "dimensions": 64},
}
_WORDS = [
    "red",
    "blue",
    "green",
    "shoes",
    "boots",
    "hat",
    "coat",
    "warm",
    "cold",
    "winter",
    "summer",
    "running",
    "leather",
]
_SETTINGS = {"JOB_POLL_S": 0.1, "JOB_RETRY_S": 0, "JOB_ATTEMPTS_MAX": 1000, "RATE_LIMIT": 0}
_ORDERS_MAX = 3


class Orders:
    """What clients ordered, and what they were told."""

    def __init__(self) -> None:
        self.draw = random.Random(4)
        self.dataset_id = ""
        self.acknowledged: dict[str, str] = {}
        self.submitted: dict[str, str] = {}
        self.number = 0

    def begin(self, client: httpx.Client) -> None:
        lines = [
            f"{row},{(row * 7919) % ROWS},{' '.join(self.draw.choices(WORDS, k=8))}"
            for row in range(ROWS)
        ]
        content = "id,number,body\n" + "\n".join(lines)
        source = {"inline": {"format": "csv", "content": content}}
        body = {"label": "rows", "table_name": "rows", "source": source}
        made = client.post("/v1/datasets", json=body)
        assert made.status_code == 201, made.text
        self.dataset_id = made.json()["id"]

    def order(self, client: httpx.Client, *, is_async: bool) -> None:
        """Order one index; the server may die before it answers."""
        self.number += 1
        kind = self.draw.choice(list(KINDS))
        name = f"{kind}{self.number}"
        body = {**KINDS[kind], "index_name": name, "async": is_async}
        if kind == "vector":
            body["output_column"] = f"made_{self.number}"
        try:
            answer = client.post(f"/v1/datasets/{self.dataset_id}/indexes", json=body)
        except httpx.TransportError:
            return
        assert answer.status_code in (201, 202), answer.text
        told = self.acknowledged if answer.status_code == 201 else self.submitted
        told[name] = kind

    def drop_some(self, client: httpx.Client) -> None:
        """Keep the number of indexes small."""
        for name in sorted(self.listed(client))[2:]:
            answer = client.delete(f"/v1/datasets/{self.dataset_id}/indexes/{name}")
            assert answer.status_code == 204, answer.text
            self.acknowledged.pop(name, None)
            self.submitted.pop(name, None)

    def listed(self, client: httpx.Client) -> dict[str, Any]:
        answer = client.get(f"/v1/datasets/{self.dataset_id}/indexes")
        assert answer.status_code == 200, answer.text
        return {each["index_name"]: each for each in answer.json()["indexes"]}

    def check(self, client: httpx.Client) -> None:
        """All that was promised is there, and answers as the rows do."""
        found = self.listed(client)
        for name in self.acknowledged:
            assert found[name]["status"] == "ready", found[name]
        until = time.monotonic() + PATIENCE_S
        while any(each["status"] != "ready" for each in found.values()):
            assert time.monotonic() < until, found
            time.sleep(0.05)
            found = self.listed(client)
        assert self.submitted.keys() <= found.keys()
        for each in found.values():
            self.check_answers(client, each)

    def check_answers(self, client: httpx.Client, index: dict[str, Any]) -> None:
        if index["index_type"] == "bm25":
            words = rows(client, "SELECT count(*) FROM bm25_search('rows', 'body', 'red')")
            assert words == rows(client, "SELECT count(*) FROM rows WHERE body LIKE '%red%'")
        elif index["index_type"] == "sorted":
            scan = f"SELECT count(*), sum(id) FROM sorted_scan('rows', '{index['index_name']}')"
            assert rows(client, scan) == rows(client, "SELECT count(*), sum(id) FROM rows")
        else:
            (column,) = index["columns"]
            near = f"SELECT count({column}) FROM vector_search('rows', '{column}', 'red', 9)"
            assert rows(client, near) == [[9]]


def rows(client: httpx.Client, sql: str) -> Any:
    answer = client.post("/v1/query", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def build_until_killed(server: RunningServer, orders: Orders, *, after_s: float) -> None:
    def work(is_async: bool) -> None:
        with server.client() as client:
            for _ in range(_ORDERS_MAX):
                if server.process.poll() is None and not over.is_set():
                    orders.order(client, is_async=is_async)

    over = threading.Event()
    workers = [threading.Thread(target=work, args=(each,)) for each in (False, True)]
    for worker in workers:
        worker.start()
    time.sleep(after_s)
    server.process.kill()
    server.process.wait()
    over.set()
    for worker in workers:
        worker.join()


def test_kills_in_the_middle_of_builds_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    orders = Orders()
    for number in range(KILLS):
        with serving(data_dir, **_SETTINGS) as server:
            with server.client() as client:
                if number == 0:
                    orders.begin(client)
                orders.check(client)
                orders.drop_some(client)
            build_until_killed(server, orders, after_s=orders.draw.uniform(0.0, 0.5))
    with serving(data_dir, **_SETTINGS) as server, server.client() as client:
        orders.check(client)
    asyncio.run(nothing_else_is_left(data_dir))


async def nothing_else_is_left(data_dir: Path) -> None:
    staged = [path for path in (data_dir / "staging").rglob("*") if path.is_file()]
    assert [path for path in staged if path.suffix != ".lock"] == []
    settings = Settings(data_dir=data_dir)
    blobs = open_blob_store(settings)
    db = await Database.open(f"sqlite:///{data_dir / 'catalog.db'}")
    try:
        await collect_garbage(db, blobs, grace_s=0, now=datetime.now(UTC))
        named = await db.read(
            lambda conn: set(
                conn.scalars(index_files.select().with_only_columns(index_files.c.key))
            )
        )
        stored = {blob.key async for blob in blobs.list() if blob.key.startswith("indexes/")}
    finally:
        await db.close()
    assert stored == named
