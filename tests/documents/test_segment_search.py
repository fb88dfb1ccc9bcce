"""Search functions of SQL over segments: what one index over all live rows would find."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from catalog.settings import Settings
from engine.errors import InvalidRequest
from engine.indexes import graph_search, vector, vector_union
from engine.indexes.bm25 import Bm25Builder, Bm25Spec
from engine.indexes.bm25_union import Bm25Part, open_union
from engine.indexes.distances import distances, squared_lengths
from engine.indexes.exact import VectorSet
from engine.indexes.graph_search import exact_ms
from engine.indexes.vector import VectorBuilder, VectorIndex, VectorSpec
from engine.indexes.vector_union import VectorPart, VectorUnion
from engine.workers.document_tasks import (
    DocumentSearchTask,
    SearchedDataset,
    SearchMode,
    SegmentBinding,
)
from engine.workers.execution import Limits
from engine.workers.frames import Kind
from engine.workers.open_indexes import OpenIndexes
from engine.workers.pool import WorkerPool
from engine.workers.shape import query_shape
from engine.workers.tasks import QueryTask, ScanMode, Task
from tests.documents.staged import WIDTH, Document, build, segment_task, stage, vectors_of
from tests.documents.statements import DEFAULTS, EMBEDDING, Statements, document_tables
from tests.patience import PATIENCE_S

WORDS = ("atlas", "basin", "cedar", "delta", "ember", "fjord", "glade", "heath", "inlet", "jetty")


@pytest.fixture
def statements(tmp_path: Path) -> Statements:
    return Statements(tmp_path)


def corpus(seed: int, count: int) -> list[tuple[int, Document]]:
    rng = random.Random(seed)
    return [
        (
            number + 1,
            Document(
                number,
                tuple(
                    " ".join(rng.choices(WORDS, range(1, 11), k=rng.randint(1, 12))) + f" u{number}"
                    for _ in range(rng.randint(1, 5))
                ),
                name=" ".join(rng.choices(WORDS, k=2)),
                title=rng.choice(WORDS),
                has_gap=rng.random() < 0.2,
            ),
        )
        for number in range(count)
    ]


def built(
    folder: Path, documents: Sequence[tuple[int, Document]], cuts: Sequence[int]
) -> list[Path]:
    """Build segments of consecutive documents."""
    edges = [0, *cuts, len(documents)]
    paths = []
    for start, end in pairwise(edges):
        paths.append(folder / f"part-{start}")
        build(paths[-1], documents[start:end])
    return paths


def bound(paths: Sequence[Path], dead: Sequence[int] = ()) -> list[SegmentBinding]:
    return [SegmentBinding(str(path), tuple(dead)) for path in paths]


def test_scores_are_those_of_one_index(statements: Statements, tmp_path: Path) -> None:
    documents = corpus(1, 30)
    parts = built(tmp_path, documents, [1, 2, 9, 25])
    whole = built(tmp_path / "whole", documents, [])
    searches = (
        ("chunks", "text", "atlas"),
        ("chunks", "text,heading", "jetty OR section"),
        ("chunks", "text", '"inlet jetty" -basin'),
        ("chunks", "text", "+u3 heat~1 gla*"),
        ("entries", "text", "ember fjord"),
        ("entries", "name,title", "cedar"),
        ("entries", "name,title,description,text,metadata", "delta u7"),
    )
    for part, columns, text in searches:
        key = "entry_id, chunk_index" if part == "chunks" else "id"
        sql = (
            f"SELECT {key}, score FROM bm25_search('documents.d.{part}', '{columns}', '{text}')"
            f" ORDER BY score DESC, {key}"
        )
        found = [
            statements.rows(sql, document_tables("d", bound(paths))) for paths in (parts, whole)
        ]
        assert found[0] == found[1]
        assert found[0]


def test_the_nearest_are_those_of_all_vectors(statements: Statements, tmp_path: Path) -> None:
    documents = corpus(2, 40)
    paths = built(tmp_path, documents, [3, 4, 30])
    rng = np.random.default_rng(3)
    for dead in ([], [2, 9, 31, 40], list(range(1, 41))):
        tables = document_tables("d", bound(paths, dead))
        rows = [
            (each.id, index, vector)
            for number, each in documents
            if number not in dead
            for index, vector in enumerate(vectors_of(each))
            if vector is not None
        ]
        for least in (0, 20):
            query = rng.standard_normal(WIDTH).astype(np.float32)
            kept = [row for row in rows if row[0] >= least]
            matrix = np.array([row[2] for row in kept], np.float32).reshape(-1, WIDTH)
            away = distances("cosine", matrix, query, np.arange(len(kept)))
            wanted = [(*kept[at][:2], away[at]) for at in np.argsort(away, kind="stable")[:7]]
            numbers = ", ".join(map(repr, query.tolist()))
            sql = (
                "SELECT entry_id, chunk_index, cosine_distance(embedding, "
                f"ARRAY[{numbers}]) AS d FROM documents.d.chunks"
                f" WHERE entry_id >= {least} AND embedding IS NOT NULL ORDER BY d LIMIT 7"
            )
            table, plan = statements.plan_and_run(sql, tables)
            found = [tuple(row.values()) for row in table.to_pylist()]
            assert ("by vector index" in plan) == (len(kept) >= 7)
            assert found == wanted
            statements.vector = query.tolist()
            for column, text in (("embedding", f"ARRAY[{numbers}]"), ("text", "'x'")):
                sql = (
                    "SELECT entry_id, chunk_index, _distance FROM vector_search("
                    f"'documents.d.chunks', '{column}', {text}, 1000) WHERE entry_id >= {least}"
                    " ORDER BY _distance LIMIT 7"
                )
                assert statements.rows(sql, tables) == wanted


def test_an_order_by_distance_that_no_index_serves_reads_the_table(
    statements: Statements, tmp_path: Path
) -> None:
    documents = corpus(4, 6)
    tables = document_tables("d", bound(built(tmp_path, documents, [3]), [2]))
    zeros = ", ".join(["0.5"] * WIDTH)
    sql = f"SELECT entry_id FROM documents.d.chunks ORDER BY l2_distance(embedding, ARRAY[{zeros}])"
    count = sum(len(each.chunks) for number, each in documents if number != 2)
    near = f"SELECT entry_id FROM documents.d.chunks ORDER BY embedding <=> ARRAY[{zeros}] LIMIT 3"
    assert "by vector index" in statements.plan_and_run(near, tables)[1]
    for text in (f"{sql} LIMIT 3", sql, f"{sql} LIMIT 1000"):
        table, plan = statements.plan_and_run(text, tables)
        assert "by vector index" not in plan
        assert table.num_rows == (3 if text.endswith(" 3") else count)
    # Nothing of the search stays behind.
    assert statements.rows("SELECT count(*) FROM documents.d.chunks", tables) == [(count,)]


def test_dead_rows_are_in_no_answer_and_count(tmp_path: Path) -> None:
    documents = [(n, Document(n, ("same words here",) * 3)) for n in range(1, 21)]
    paths = built(tmp_path, documents, [5, 6])
    indexes = OpenIndexes(tmp_path / "scratch")
    dead = [1, 3, 6, 20]
    opened = indexes.segments(tuple(bound(paths, dead)))
    assert opened.chunk_words is not None
    assert opened.entry_words is not None
    assert opened.chunk_words.row_count == 48
    assert opened.entry_words.row_count == 16
    hits = opened.chunk_words.search("words", limit=100)
    found = opened.chunk_rows(None).take(hits.rows, ["entry_id"]).column(0).to_pylist()
    assert sorted({*map(int, filter(None, found))}) == [n for n, _ in documents if n not in dead]
    assert len(found) == 48
    assert len(opened.vectors(WIDTH).search(np.ones(WIDTH), 1000).rows) == 48


def test_rows_are_left_out_of_an_index_of_many_pieces(tmp_path: Path) -> None:
    spec = Bm25Spec(("t",), "none")
    rng = random.Random(9)
    texts = [" ".join(rng.choices(WORDS, k=4)) for _ in range(700)]
    parts = []
    left_out = np.array([rng.random() < 0.3 for _ in texts])
    for name, (start, end) in {"a": (0, 500), "b": (500, 501), "c": (501, 700)}.items():
        folder = tmp_path / name
        folder.mkdir()
        builder = Bm25Builder(spec, folder, memory_bytes=0)
        for at in range(start, end, 130):
            builder.add(pa.table({"t": texts[at : min(at + 130, end)]}), at - start)
            assert builder._writer is not None
            builder._writer.commit()
        builder.finish()
        parts.append(Bm25Part(folder, end - start, left_out[start:end]))
    (tmp_path / "scratch").mkdir()
    union = open_union(parts, spec, tmp_path / "scratch")
    assert union is not None
    assert union.searcher.num_segments >= 7
    assert union.row_count == (~left_out).sum()
    for word in WORDS:
        wanted = [n for n, text in enumerate(texts) if word in text.split() and not left_out[n]]
        assert sorted(union.search(word, limit=1000).rows.tolist()) == wanted
    assert not list((tmp_path / "scratch").iterdir())


def test_what_is_open_is_kept_and_what_changed_is_not(tmp_path: Path) -> None:
    paths = built(tmp_path, corpus(5, 6), [3])
    indexes = OpenIndexes(tmp_path / "scratch")
    first = indexes.segments(tuple(bound(paths)))
    assert indexes.segments(tuple(bound(paths))) is first
    other = indexes.segments(tuple(bound(paths, [1])))
    assert other is not first
    assert other.segments[0] is first.segments[0]


def vector_part(folder: Path, matrix: np.ndarray, alive: np.ndarray | None = None) -> VectorPart:
    folder.mkdir()
    spec = VectorSpec("v", "cosine", matrix.shape[1])
    builder = VectorBuilder(spec, folder, threads=2)
    builder.add(pa.array(list(matrix), pa.list_(pa.float32())), 0)
    builder.finish()
    return VectorPart(VectorIndex.open(folder, spec), len(matrix), alive)


def test_a_graph_is_searched_with_small_parts_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_search, "exact_ms", lambda *facts: 100 * exact_ms(*facts))
    monkeypatch.setattr(vector, "exact_ms", graph_search.exact_ms)
    monkeypatch.setattr(vector_union, "_GATHERED_VALUES", 1 << 16)
    rng = np.random.default_rng(8)
    mixing = rng.standard_normal((6, 128))
    matrix = (rng.standard_normal((3_300, 6)) @ mixing).astype(np.float32)
    alive = rng.random(3_300) < 0.9
    edges = [0, 3_000, 3_100, 3_101, 3_300]
    parts = [
        vector_part(tmp_path / f"{start}", matrix[start:end], alive[start:end])
        for start, end in pairwise(edges)
    ]
    parts.insert(2, VectorPart(None, 0))
    assert parts[0].index is not None
    assert parts[0].index.has_graph
    union = VectorUnion(parts, dimensions=128)
    squares = squared_lengths(matrix)
    for within in (None, rng.random(3_300) < 0.5, np.arange(3_300) >= 3_050, np.zeros(3_300, bool)):
        counted = alive if within is None else alive & within
        shares = []
        for query in matrix[::165]:
            found = union.search(query, 10, within=within)
            every = VectorSet("cosine", matrix, squares)
            chosen = np.flatnonzero(counted)
            rows, values = every.nearest(query, 10, chosen) if len(chosen) else (chosen, chosen)
            assert counted[found.rows].all()
            assert len(found.rows) == len(rows)
            assert (np.diff(found.values) >= 0).all()
            shares.append(np.isin(rows, found.rows).mean() if len(rows) else 1.0)
            if within is not None and not within[:3_000].any():  # no graph had a say
                assert np.array_equal(found.rows, rows)
                assert np.array_equal(found.values, values)
        assert np.mean(shares) > 0.95


def test_a_vector_of_another_width_is_refused(tmp_path: Path) -> None:
    paths = built(tmp_path, corpus(6, 3), [1])
    union = OpenIndexes(tmp_path / "scratch").segments(tuple(bound(paths))).vectors(WIDTH)
    for query in (np.ones(WIDTH - 1), np.full(WIDTH, np.nan)):
        with pytest.raises(InvalidRequest):
            union.search(query, 3)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[WorkerPool[Task]]:
    for name in ("blobs", "staging", "spill"):
        (tmp_path / name).mkdir(exist_ok=True)
    made = WorkerPool(query_shape(Settings(data_dir=tmp_path, workers=1, workers_max=1)), tmp_path)
    await made.start()
    yield made
    await made.close()


LIMITS = Limits(timeout_s=PATIENCE_S, memory_bytes=1 << 30)


def query_task(sql: str, segments: Sequence[SegmentBinding]) -> QueryTask:
    return QueryTask(
        sql=sql,
        tables=tuple(document_tables("d", segments)),
        default_catalog=DEFAULTS[0],
        default_schema=DEFAULTS[1],
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


async def answer(pool: WorkerPool[Task], task: Task) -> bytes:
    body = b""
    async with pool.execute("ws", task, LIMITS) as execution:
        async for kind, part in execution.frames():
            body += part if kind is Kind.BODY else b""
    return body


@pytest.mark.anyio
async def test_a_confined_worker_builds_binds_and_searches(
    pool: WorkerPool[Task], tmp_path: Path
) -> None:
    segments = []
    for number, text in enumerate(("glaciers melt", "rivers flow"), 1):
        source = stage(tmp_path / "staging" / "new", number, Document(number, (text, "more")))
        scratch = tmp_path / "staging" / f"build-{number}"
        scratch.mkdir()
        report: dict[str, Any] = await pool.run_task(
            "ws", segment_task(scratch, [source]), limits=LIMITS
        )
        assert (report["registrations"], report["chunk_count"]) == ([number], 2)
        stored = tmp_path / "blobs" / f"segment-{number}"
        for name in report["files"]:
            (stored / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).rename(stored / name)
        segments.append(SegmentBinding(str(stored)))
    sql = "SELECT entry_id, text FROM bm25_search('documents.d.chunks', 'text', 'glacier river')"
    rows = await answer(pool, query_task(f"{sql} ORDER BY 1", segments))
    assert rows == b'[1,"glaciers melt"],[2,"rivers flow"]'
    vector = tuple(vectors_of(Document(0, ("rivers flow",)))[0] or ())
    datasets = (SearchedDataset(1, tuple(segments), vector),)
    near = await pool.run_task(
        "ws", DocumentSearchTask(SearchMode.CHUNKS, "", datasets, "english", limit=1), limits=LIMITS
    )
    assert [hit["chunk_text"] for hit in near["hits"]] == ["rivers flow"]
    named = await pool.run_task(
        "ws", DocumentSearchTask(SearchMode.KEYWORD, "glacers", datasets, "english"), limits=LIMITS
    )
    assert named["hits"][0]["highlighted"] == {"text": "<mark>glaciers</mark> melt\nmore"}
    assert EMBEDDING.width == WIDTH


@pytest.mark.anyio
async def test_a_worker_that_is_killed_leaves_no_segment(
    pool: WorkerPool[Task], tmp_path: Path
) -> None:
    texts = tuple(f"text {n} " * 30 for n in range(1500))
    sources = [stage(tmp_path / "staging" / "new", n, Document(n, texts)) for n in range(1, 4)]
    scratch = tmp_path / "staging" / "build"
    scratch.mkdir()
    building = asyncio.create_task(
        pool.run_task("ws", segment_task(scratch, sources), limits=LIMITS)
    )
    while not (scratch / "chunks.arrow").exists():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert "facts.json" not in os.listdir(scratch)  # noqa: PTH208 - of a test
    again = tmp_path / "staging" / "again"
    again.mkdir()
    small = [stage(tmp_path / "staging" / "new", 9, Document(9, ("a b",)))]
    report = await pool.run_task("ws", segment_task(again, small), limits=LIMITS)
    assert report["registrations"] == [9]
