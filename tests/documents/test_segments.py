"""Segments as SQL reads them: the same rows whatever was built, replaced, deleted and merged."""

import json
import random
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.documents.segments.build import build_segment
from engine.documents.segments.columns import document_schema
from engine.errors import InvalidRequest, SqlInvalid, Unavailable
from engine.indexes.row_store import RowStore
from engine.workers.document_tasks import DocumentPart, SegmentBinding, SegmentSource
from tests.documents.staged import TIME, WIDTH, Document, build, segment_task, stage, vectors_of
from tests.documents.statements import Statements, document_tables

WORDS = ("atlas", "basin", "cedar", "delta", "ember", "fjord", "glade", "heath", "inlet", "jetty")


@pytest.fixture
def statements(tmp_path: Path) -> Statements:
    return Statements(tmp_path)


def document(rng: random.Random, number: int) -> Document:
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for _ in range(rng.randint(0, 6))]
    return Document(
        number,
        tuple(texts),
        name=f"{number} {rng.choice(WORDS)}.txt",
        title=rng.choice([None, "A title"]),
        tags=tuple(rng.sample(WORDS, 2)),
        metadata={"n": number % 3},
        has_gap=bool(texts) and rng.random() < 0.2,
    )


@dataclass
class Dataset:
    """What the catalog would know: segments, and which registrations are live."""

    folder: Path
    segments: dict[Path, list[int]] = field(default_factory=dict)
    live: dict[int, Document] = field(default_factory=dict)
    registration: int = 0
    built: int = 0

    @property
    def bindings(self) -> list[SegmentBinding]:
        return [self.binding(path) for path in self.segments]

    def binding(self, path: Path) -> SegmentBinding:
        dead = [each for each in self.segments[path] if each not in self.live]
        return SegmentBinding(str(path), tuple(dead))

    def register(self, *documents: Document) -> None:
        new = []
        for each in documents:
            self.delete(each.id)
            self.registration += 1
            self.live[self.registration] = each
            new.append((self.registration, each))
        self._build(new, [])

    def delete(self, entry_id: int) -> None:
        self.live = {n: each for n, each in self.live.items() if each.id != entry_id}

    def merge(self, paths: list[Path]) -> None:
        self._build([], [self.binding(path) for path in paths])
        for path in paths:
            del self.segments[path]
            shutil.rmtree(path)

    def _build(self, new: list[tuple[int, Document]], merged: list[SegmentBinding]) -> None:
        self.built += 1
        path = self.folder / f"segment-{self.built}"
        report = build(path, new, merged)
        self.segments[path] = report["registrations"]
        kept = [n for n in report["registrations"] if n in self.live]
        assert not merged or kept == report["registrations"]
        assert report["entry_count"] == len(report["registrations"])
        files = [file for file in path.rglob("*") if file.is_file()]
        assert set(report["files"]) == {file.relative_to(path).as_posix() for file in files}
        assert report["size_bytes"] == sum(file.stat().st_size for file in files)


def shown(dataset: Dataset) -> dict[str, list[tuple[object, ...]]]:
    """What SQL should say of a dataset."""
    chunks = [
        (each.id, index, text, number, vector)
        for number, each in dataset.live.items()
        for index, (text, vector) in enumerate(zip(each.chunks, vectors_of(each), strict=True))
    ]
    entries = [
        (each.id, each.name, each.title, len(each.chunks), list(each.tags), each.whole_text,
         json.dumps(each.metadata, separators=(",", ":")), number)
        for number, each in dataset.live.items()
    ]  # fmt: skip
    files = [(each.id, f"keys/{each.id}", number) for number, each in dataset.live.items()]
    return {"chunks": sorted(chunks), "entries": sorted(entries), "files": sorted(files)}


def test_any_history_shows_what_is_live(statements: Statements, tmp_path: Path) -> None:
    rng = random.Random(11)
    for history in range(3):
        dataset = Dataset(tmp_path / f"history-{history}")
        dataset.folder.mkdir()
        for _ in range(9):
            choice = rng.random()
            if choice < 0.55 or not dataset.segments:
                ids = rng.sample(range(12), rng.randint(1, 3))
                dataset.register(*(document(rng, each) for each in ids))
            elif choice < 0.75:
                dataset.delete(rng.randrange(12))
            else:
                chosen = [path for path in dataset.segments if rng.random() < 0.6]
                dataset.merge(chosen)
            tables = document_tables("any", dataset.bindings)
            found = {
                "chunks": statements.rows(
                    "SELECT entry_id, chunk_index, text, registration, embedding"
                    " FROM documents.any.chunks ORDER BY 1, 2",
                    tables,
                ),
                "entries": statements.rows(
                    "SELECT id, name, title, chunk_count, tags, text, metadata, registration"
                    " FROM documents.any.entries ORDER BY 1",
                    tables,
                ),
                "files": statements.rows(
                    "SELECT entry_id, key, registration FROM documents.any.files ORDER BY 1",
                    tables,
                ),
            }
            assert found == shown(dataset)


def test_every_column_comes_as_it_was_staged(statements: Statements, tmp_path: Path) -> None:
    given = Document(
        7, ("one two", "three"), "näme.txt", "Title", "About", "whole text",
        tags=("a", 'q"uote'), metadata={"year": 2021, "deep": {"x": [1, None]}}, dataset_id=4,
    )  # fmt: skip
    build(tmp_path / "one", [(2**62 + 1, given)])
    tables = document_tables("d", [SegmentBinding(str(tmp_path / "one"))])
    (entry,) = statements.run("SELECT * FROM documents.d.entries", tables).to_pylist()
    time = datetime.fromisoformat(TIME)
    assert entry == {
        "id": 7, "dataset_id": 4, "name": "näme.txt", "slug": "slug-7", "description": "About",
        "title": "Title", "mime_type": "text/plain", "file_name": "näme.txt", "size_bytes": 10,
        "sha256": "00ff", "page_count": 2, "chunk_count": 2, "tags": ["a", 'q"uote'],
        "metadata": '{"year":2021,"deep":{"x":[1,null]}}', "text": "whole text",
        "created_at": time, "processed_at": time, "registration": 2**62 + 1,
    }  # fmt: skip
    first, second = statements.run(
        "SELECT * FROM documents.d.chunks ORDER BY chunk_index", tables
    ).to_pylist()
    assert first == {
        "entry_id": 7, "dataset_id": 4, "chunk_index": 0, "text": "one two", "heading_path": [],
        "heading": None, "page_start": 1, "page_end": 1, "char_start": 0, "char_end": 7,
        "token_count": 2, "metadata": None, "embedding": vectors_of(given)[0],
        "registration": 2**62 + 1,
    }  # fmt: skip
    assert (second["heading_path"], second["heading"]) == (["Part", "Section 1"], "Section 1")
    (file,) = statements.run("SELECT * FROM documents.d.files", tables).to_pylist()
    assert (file["entry_id"], file["kind"], file["created_at"]) == (7, "original", time)


@pytest.mark.parametrize("width", [None, WIDTH])
@pytest.mark.parametrize("segment_count", [0, 2])
def test_columns_are_those_that_the_catalog_shows(
    statements: Statements, tmp_path: Path, width: int | None, segment_count: int
) -> None:
    for number in range(segment_count):
        build(tmp_path / f"{number}", [(number + 1, Document(number, ("a b",)))], width=width)
    bindings = [SegmentBinding(str(tmp_path / f"{number}")) for number in range(segment_count)]
    tables = document_tables("d", bindings, width=width)
    for part in DocumentPart:
        rows = statements.run(f"SELECT * FROM documents.d.{part}", tables)
        wanted = document_schema(part, width)
        assert rows.schema.names == wanted.names
        assert rows.cast(wanted).num_rows == segment_count


def test_a_name_may_have_quotes_and_dots(statements: Statements, tmp_path: Path) -> None:
    build(tmp_path / "one", [(1, Document(1, ("atlas",))), (2, Document(2, ("atlas",)))])
    build(tmp_path / "two", [(3, Document(3, ("atlas",)))])
    bindings = [SegmentBinding(str(tmp_path / "one"), (2,)), SegmentBinding(str(tmp_path / "two"))]
    tables = document_tables("my.\"pa'pers", bindings)
    name = 'documents."my.""pa\'pers".chunks'
    quoted = name.replace("'", "''")
    assert statements.rows(f"SELECT entry_id FROM {name} ORDER BY 1", tables) == [(1,), (3,)]
    statements.vector = [1.0] * WIDTH
    for call in (
        f"bm25_search('{quoted}', 'text', 'atlas')",
        f"vector_search('{quoted}', 'embedding', 'atlas')",
        f"hybrid_search('{quoted}', 'text', 'embedding', 'atlas')",
    ):
        found = statements.rows(f"SELECT entry_id FROM {call}", tables)
        assert sorted(found) == [(1,), (3,)]
    vector = ", ".join(["1.0"] * WIDTH)
    sql = (
        f"SELECT entry_id FROM {name} ORDER BY cosine_distance(embedding, ARRAY[{vector}]) LIMIT 2"
    )
    rows, plan = statements.plan_and_run(sql, tables)
    assert set(rows.column(0).to_pylist()) == {1, 3}
    assert "by vector index" in plan


def test_a_filter_and_a_choice_of_columns_reach_the_files(
    statements: Statements, tmp_path: Path
) -> None:
    build(tmp_path / "one", [(1, Document(1, ("a",))), (2, Document(2, ("b",)))])
    build(tmp_path / "two", [(3, Document(3, ("c",)))])
    tables = document_tables(
        "d", [SegmentBinding(str(tmp_path / "one"), (2,)), SegmentBinding(str(tmp_path / "two"))]
    )
    sql = "EXPLAIN SELECT name FROM documents.d.entries WHERE id = 3"
    plans = dict(statements.rows(sql, tables))
    assert plans["logical_plan"].count("TableScan: documents.d.entries") == 2
    assert plans["physical_plan"].count("predicate=id@0 = 3") == 1
    assert plans["physical_plan"].count("registration@2 != 2") >= 1
    assert "text" not in plans["physical_plan"]


def test_a_dataset_that_lost_a_file_is_not_read_as_a_smaller_one(
    statements: Statements, tmp_path: Path
) -> None:
    build(tmp_path / "one", [(1, Document(1, ("a",)))])
    tables = document_tables("d", [SegmentBinding(str(tmp_path / "one"))])
    (tmp_path / "one" / "chunks.parquet").unlink()
    with pytest.raises(Unavailable):
        statements.run("SELECT text FROM documents.d.chunks", tables)
    (entries,) = (table for table in tables if table.table == "entries")
    assert statements.rows("SELECT id FROM documents.d.entries", [entries]) == [(1,)]


def test_vectors_of_another_model_are_null(statements: Statements, tmp_path: Path) -> None:
    build(tmp_path / "old", [(1, Document(1, ("a", "b")))], width=4)
    build(tmp_path / "new", [(2, Document(2, ("c",)))])
    old = SegmentBinding(str(tmp_path / "old"))
    new = SegmentBinding(str(tmp_path / "new"))
    build(tmp_path / "both", [(3, Document(3, ("d",)))], [old, new])
    statements.vector = [1.0] * WIDTH
    for segments, ids in (([old, new], [2]), ([SegmentBinding(str(tmp_path / "both"))], [2, 3])):
        tables = document_tables("d", segments)
        sql = "SELECT entry_id, embedding IS NULL FROM documents.d.chunks ORDER BY 1, chunk_index"
        found = statements.rows(sql, tables)
        assert found[:3] == [(1, True), (1, True), (2, False)]
        sql = "SELECT entry_id FROM vector_search('documents.d.chunks', 'text', 'x')"
        assert sorted(row[0] for row in statements.rows(sql, tables)) == ids


def test_a_dataset_without_vectors_has_no_column_of_them(
    statements: Statements, tmp_path: Path
) -> None:
    build(tmp_path / "one", [(1, Document(1, ("a",)))], width=None)
    assert not (tmp_path / "one" / "vectors").exists()
    tables = document_tables("d", [SegmentBinding(str(tmp_path / "one"))], width=None)
    with pytest.raises(SqlInvalid, match="No vector index"):
        statements.run("SELECT * FROM vector_search('documents.d.chunks', 'text', 'x')", tables)
    rows = statements.rows(
        "SELECT text FROM bm25_search('documents.d.chunks', 'text', 'a')", tables
    )
    assert rows == []  # a stop word


def test_an_entry_may_have_nothing_but_a_name(statements: Statements, tmp_path: Path) -> None:
    path = tmp_path / "entry.json"
    path.write_text(json.dumps({"id": 5, "dataset_id": 1, "name": "empty"}))
    folder = tmp_path / "one"
    folder.mkdir()
    report = build_segment(
        segment_task(folder, [SegmentSource(9, str(path), None, None)]), lambda _: None
    )
    assert (report["entry_count"], report["chunk_count"], report["vector_count"]) == (1, 0, 0)
    tables = document_tables("d", [SegmentBinding(str(folder))])
    sql = "SELECT id, text, tags, chunk_count, created_at FROM documents.d.entries"
    assert statements.rows(sql, tables) == [(5, None, [], 0, None)]
    for part in ("chunks", "files"):
        assert statements.rows(f"SELECT * FROM documents.d.{part}", tables) == []


def test_a_build_that_fails_leaves_no_segment(tmp_path: Path) -> None:
    source = stage(tmp_path, 1, Document(1, ("a", "b", "c")))
    short = SegmentSource(1, source.entry, source.files, source.chunks, source.vectors[:1])
    wide = stage(tmp_path, 2, Document(2, ("a",)), width=WIDTH + 1)
    for number, (sources, problem) in enumerate(
        (
            ([short], "1 vectors for 3 chunks"),
            ([wide], f"not those of a model of {WIDTH} numbers"),
            ([source, source], "only once"),
        )
    ):
        folder = tmp_path / f"segment-{number}"
        folder.mkdir()
        with pytest.raises(InvalidRequest, match=problem):
            build_segment(segment_task(folder, sources), lambda _: None)
        assert not (folder / "facts.json").exists()


def test_progress_counts_the_rows(tmp_path: Path) -> None:
    folder = tmp_path / "segment"
    folder.mkdir()
    told: list[int] = []
    sources = [stage(tmp_path, n, Document(n, ("a", "b"))) for n in (1, 2)]
    build_segment(segment_task(folder, sources), told.append)
    assert told == sorted(told)
    assert told[0] == 1
    assert 6 in told


def test_rows_by_number_and_for_sql_are_the_same(tmp_path: Path) -> None:
    rng = random.Random(5)
    documents = [(n + 1, document(rng, n)) for n in range(40)]
    build(tmp_path / "segment", documents)
    for part in DocumentPart:
        parquet = pq.read_table(tmp_path / "segment" / f"{part}.parquet")
        assert parquet.schema.names == document_schema(part).names
        if part is not DocumentPart.FILES:
            store = RowStore(tmp_path / "segment" / f"{part}.arrow")
            rows = store.take(np.arange(parquet.num_rows), parquet.schema.names)
            assert rows.cast(parquet.schema).equals(parquet.combine_chunks())
