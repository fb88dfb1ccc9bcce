"""A table to search in, and the answers that need no index: plain Python over all its rows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.model import Dataset
from engine.service import datasets, indexes, queries
from engine.service.context import Caller, Engine
from engine.service.index_jobs import Place
from engine.service.index_orders import NewIndex
from engine.service.indexes import IndexDetail
from engine.service.queries import QueryAnswer, QueryOptions
from tests.service.steps import send_file

WORDS = [
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


def documents(count: int, *, width: int = 8, seed: int = 7) -> pa.Table:
    """Rows with an id, text (now and then NULL or empty), numbers (NULL, NaN) and vectors (NULL)."""
    rng = np.random.default_rng(seed)
    texts: list[str | None] = [
        " ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(count)
    ]
    vectors: list[list[float] | None] = rng.random((count, width), dtype=np.float32).tolist()
    prices: list[float | None] = np.round(rng.random(count) * 100, 1).tolist()
    stocks: list[int | None] = rng.integers(-50, 50, count).tolist()
    for place in range(0, count, 97):
        texts[place], vectors[place], stocks[place] = None, None, None
        texts[(place + 1) % count], prices[(place + 2) % count] = "", None
    return pa.table(
        {
            "id": pa.array(rng.permutation(count), pa.int64()),
            "body": pa.array(texts, pa.string()),
            "price": pa.array(prices, pa.float64()),
            "stock": pa.array(stocks, pa.int32()),
            "kind": pa.array(
                [["a", "b", "c", None][place] for place in rng.integers(0, 4, count)], pa.string()
            ),
            "v": pa.array(vectors, pa.list_(pa.float32())),
        }
    )


async def make_dataset(
    engine: Engine, caller: Caller, rows: pa.Table, name: str = "docs"
) -> Dataset:
    """Upload rows and make a dataset of them."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    data = sink.getvalue().to_pybytes()
    upload_id = await send_file(engine, caller, data, "application/vnd.apache.parquet")
    made = await datasets.create_dataset(
        engine, caller, label=name, source={"upload_id": upload_id}, table_name=name
    )
    assert isinstance(made, Dataset)
    return made


async def make_index(
    engine: Engine, caller: Caller, place: Place, name: str, columns: Sequence[str], **options: Any
) -> IndexDetail:
    """Make an index and wait for it."""
    made = await indexes.create_index(engine, caller, place, NewIndex(name, columns, **options))
    assert isinstance(made, IndexDetail)
    assert made.is_ready
    return made


async def rows_of(engine: Engine, caller: Caller, sql: str, **options: Any) -> list[list[Any]]:
    """Run a statement and return its rows."""
    answer = await queries.run_query(engine, caller, sql, QueryOptions(**options))
    assert isinstance(answer, QueryAnswer)
    assert answer.body_is_complete
    decoded: list[list[Any]] = orjson.loads(b"[" + answer.body_bytes + b"]")
    return decoded


async def plan_of(engine: Engine, caller: Caller, sql: str) -> str:
    """Return what EXPLAIN says."""
    return str(await rows_of(engine, caller, f"EXPLAIN {sql}"))


def array(vector: Sequence[float]) -> str:
    """Write a vector as SQL."""
    return "ARRAY[" + ", ".join(map(repr, vector)) + "]"


def distance(metric: str, one: Sequence[float], other: Sequence[float]) -> float:
    """Compute a distance of 32-bit vectors the slow way, in 64 bits."""
    a, b = (np.asarray(each, np.float32).astype(float) for each in (one, other))
    if metric == "l2":
        return math.fsum((a - b) ** 2)
    if metric == "dot":
        return -math.fsum(a * b)
    return 1 - math.fsum(a * b) / math.sqrt(math.fsum(a * a) * math.fsum(b * b))
