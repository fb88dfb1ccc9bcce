"""The life of an index: made, listed, swapped with the rows, shown as failed, deleted, collected."""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from catalog.garbage import collect_garbage
from catalog.model import Job, JobStatus, ReadMode
from catalog.settings import Settings
from engine import errors
from engine.service import connections, datasets, index_build, indexes, refresh
from engine.service.connections import NewConnection
from engine.service.context import Caller, Engine
from engine.service.index_jobs import TablePlace
from engine.service.index_orders import NewIndex
from engine.service.indexes import IndexDetail
from tests.service.searching import documents, make_dataset, make_index, plan_of, rows_of
from tests.service.steps import finished, new_caller, staged_files, until

pytestmark = pytest.mark.anyio

WORDS = "SELECT id FROM bm25_search('shop.main.docs', 'body', 'red') ORDER BY id"


class Shop:
    """A DuckDB file with a table ``docs``, connected as ``shop``."""

    def __init__(self, engine: Engine, caller: Caller, path: Path) -> None:
        self.engine, self.caller, self.path = engine, caller, path
        self.place = TablePlace("", "main", "docs")

    async def connect(self) -> None:
        connection, _ = await connections.create_connection(
            self.engine,
            self.caller,
            NewConnection(name="shop", source_type="duckdb", config={"path": str(self.path)}),
        )
        self.place = TablePlace(connection.id, "main", "docs")

    def write(self, bodies: Sequence[str], columns: str = "id, body") -> None:
        """Replace the table."""
        with duckdb.connect(str(self.path)) as database:
            rows = pa.table({"id": range(len(bodies)), "body": list(bodies)})
            database.register("rows", rows)
            database.execute(f"CREATE OR REPLACE TABLE docs AS SELECT {columns} FROM rows")

    async def refresh(self) -> None:
        where = (self.place.connection_id, self.place.schema, self.place.table)
        await refresh.refresh_table(self.engine, self.caller, *where)

    async def listed(self) -> dict[str, IndexDetail]:
        found = await indexes.list_indexes(self.engine, self.caller, self.place)
        return {each.index.name: each for each in found}

    async def ids(self, sql: str = WORDS) -> list[int]:
        return [row[0] for row in await rows_of(self.engine, self.caller, sql)]


@pytest.fixture
async def shop(engine: Engine, caller: Caller, tmp_path: Path) -> Shop:
    made = Shop(engine, caller, tmp_path / "shop.duckdb")
    made.write(["red shoes", "blue hat", "red hat"])
    await made.connect()
    return made


async def test_an_index_on_a_table_never_read_syncs_it(shop: Shop) -> None:
    made = await make_index(shop.engine, shop.caller, shop.place, "w", ["body"], index_type="bm25")
    assert made.row_count == 3
    assert await shop.ids() == [0, 2]


async def test_indexes_are_swapped_with_the_rows(shop: Shop) -> None:
    for name, columns, kind in (("w", ["body"], "bm25"), ("s", ["id"], "sorted")):
        await make_index(shop.engine, shop.caller, shop.place, name, columns, index_type=kind)
    shop.write(["green", "red one", "red two", "red three"])
    assert await shop.ids() == [0, 2]
    await shop.refresh()
    assert await shop.ids() == [1, 2, 3]
    found = await rows_of(shop.engine, shop.caller, "SELECT body FROM shop.main.docs WHERE id = 3")
    assert found == [["red three"]]
    sql = "SELECT body FROM shop.main.docs WHERE id = 3"
    assert "by sorted index s" in await plan_of(shop.engine, shop.caller, sql)
    assert {name: each.is_ready for name, each in (await shop.listed()).items()} == {
        "s": True,
        "w": True,
    }


async def test_a_purge_takes_what_was_built_and_the_next_sync_builds_it_again(shop: Shop) -> None:
    await make_index(shop.engine, shop.caller, shop.place, "w", ["body"], index_type="bm25")
    await connections.purge(shop.engine, shop.caller, shop.place.connection_id)
    assert not (await shop.listed())["w"].is_ready
    assert await shop.ids() == [0, 2]
    assert (await shop.listed())["w"].is_ready


async def test_a_column_that_went_away_leaves_the_index_pending_with_the_reason(shop: Shop) -> None:
    await make_index(shop.engine, shop.caller, shop.place, "w", ["body"], index_type="bm25")
    await make_index(shop.engine, shop.caller, shop.place, "s", ["id"])
    shop.write(["x"], "id, body AS text")
    await shop.refresh()
    listed = await shop.listed()
    assert not listed["w"].is_ready
    assert listed["w"].index.error_message == "The table has no column 'body'"
    assert listed["s"].is_ready
    with pytest.raises(errors.SqlInvalid, match="'w' is not ready: The table has no column 'body'"):
        await shop.ids()
    shop.write(["red again"])
    await shop.refresh()
    assert await shop.ids() == [0]
    assert (await shop.listed())["w"].index.error_message is None


async def test_a_job_builds_an_index_and_tells_of_it(shop: Shop) -> None:
    await shop.ids("SELECT id FROM shop.main.docs")
    order = NewIndex("w", ["body"], "bm25")
    job = await indexes.create_index(shop.engine, shop.caller, shop.place, order, is_async=True)
    assert isinstance(job, Job)
    assert job.job_type == "create_index"
    done = await finished(shop.engine, shop.caller, job)
    assert done.status is JobStatus.SUCCEEDED
    assert done.result is not None
    assert (done.result["index_name"], done.result["status"]) == ("w", "ready")
    assert done.progress["rows"] == done.progress["rows_total"] == 6
    assert await shop.ids() == [0, 2]


async def test_a_job_that_cannot_build_shows_why_on_itself_and_on_the_index(
    engine: Engine, caller: Caller
) -> None:
    rows = pa.table({"v": pa.array([[1.0, 2.0], [3.0]], pa.list_(pa.float64()))})
    dataset = await make_dataset(engine, caller, rows)
    order = NewIndex("near", ["v"], "vector")
    job = await indexes.create_index(engine, caller, dataset.id, order, is_async=True)
    assert isinstance(job, Job)
    assert job.job_type == "create_dataset_index"
    done = await finished(engine, caller, job)
    assert done.status is JobStatus.FAILED
    assert done.error_message
    (pending,) = await indexes.list_indexes(engine, caller, dataset.id)
    assert not pending.is_ready
    assert pending.index.error_message == done.error_message
    with pytest.raises(errors.EngineError) as refused:
        await indexes.create_index(engine, caller, dataset.id, NewIndex("now", ["v"], "vector"))
    assert refused.value.message == done.error_message
    assert [each.index.name for each in await indexes.list_indexes(engine, caller, dataset.id)] == [
        "near"
    ]


async def test_a_deleted_index_is_gone_with_its_generated_column(
    engine: Engine, caller: Caller
) -> None:
    dataset = await make_dataset(engine, caller, documents(50))
    await make_index(engine, caller, dataset.id, "near", ["body"], index_type="vector")
    (row,) = await rows_of(engine, caller, "SELECT * FROM docs LIMIT 1")
    assert len(row) == 7
    await indexes.delete_index(engine, caller, dataset.id, "near")
    (row,) = await rows_of(engine, caller, "SELECT * FROM docs LIMIT 1")
    assert len(row) == 6
    with pytest.raises(errors.SqlInvalid, match="No vector index found on column 'body'"):
        await rows_of(engine, caller, "SELECT * FROM vector_search('docs', 'body', 'red', 3)")
    with pytest.raises(errors.EngineError, match="not found"):
        await indexes.delete_index(engine, caller, dataset.id, "near")


async def test_generated_columns_of_two_indexes_stand_side_by_side(
    engine: Engine, caller: Caller
) -> None:
    dataset = await make_dataset(engine, caller, documents(60))
    await make_index(engine, caller, dataset.id, "words", ["body"], index_type="bm25")
    await make_index(engine, caller, dataset.id, "one", ["body"], index_type="vector")
    second = {"index_type": "vector", "dimensions": 64, "output_column": "Short"}
    await make_index(engine, caller, dataset.id, "two", ["body"], **second)
    sql = (
        "SELECT id, array_length(body_embedding), array_length(\"Short\") FROM docs WHERE body = ''"
    )
    (row, *_) = await rows_of(engine, caller, sql)
    assert row[1:] == [None, None]
    sql = 'SELECT DISTINCT array_length(body_embedding), array_length("Short") FROM docs'
    found = await rows_of(engine, caller, f"{sql} WHERE body <> ''")
    assert found == [[256, 64]]
    for column in ("body_embedding", "Short"):
        near = f"SELECT id FROM vector_search('docs', '{column}', 'warm winter boots', 5)"
        assert len(await rows_of(engine, caller, near)) == 5
    found = await rows_of(engine, caller, "SELECT id FROM bm25_search('docs', 'body', 'red', 3)")
    assert len(found) == 3
    by_distance = "SELECT id FROM docs WHERE id > 3 ORDER BY vector_distance(%s, 'red') LIMIT 3"
    shown = await plan_of(engine, caller, by_distance % "body_embedding")
    assert "by vector index one" in shown
    await indexes.delete_index(engine, caller, dataset.id, "one")
    shown = await plan_of(engine, caller, by_distance % "body")
    assert "by vector index two" in shown
    near = "SELECT id FROM vector_search('docs', 'Short', 'warm winter boots', 5)"
    assert len(await rows_of(engine, caller, near)) == 5
    (row,) = await rows_of(engine, caller, "SELECT * FROM docs LIMIT 1")
    assert len(row) == 7


async def test_a_pinned_dataset_has_its_indexes_built_over_what_is_read(
    engine: Engine, caller: Caller
) -> None:
    await make_dataset(engine, caller, documents(40), "source")
    made = await datasets.create_dataset(
        engine, caller, label="c", source={"sql": "SELECT * FROM source"}, table_name="copied"
    )
    assert not isinstance(made, Job)
    await make_index(engine, caller, made.id, "s", ["id"])
    await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    (built,) = await indexes.list_indexes(engine, caller, made.id)
    assert built.is_ready
    await datasets.update_dataset(engine, caller, made.id, {"pinned_version": 1})
    await until(
        lambda: indexes.list_indexes(engine, caller, made.id), lambda found: found[0].is_ready
    )
    await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    (built,) = await indexes.list_indexes(engine, caller, made.id)
    assert built.is_ready


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (NewIndex(" ", ["id"]), "index_name"),
        (NewIndex("a/b", ["id"]), "index_name"),
        (NewIndex("x" * 129, ["id"]), "index_name"),
        (NewIndex("x", []), "at least one column"),
        (NewIndex("x", ["id", "id"]), "twice"),
        (NewIndex("x", ["nope"]), "no column 'nope'"),
        (NewIndex("x", ["id"], "btree"), "index_type must be one of sorted, bm25, vector"),
        (NewIndex("x", ["id"], "bm25"), "'id' does not hold text"),
        (NewIndex("x", ["body"], "bm25", language="klingon"), "language must be one of"),
        (NewIndex("x", ["body"], "bm25", metric="l2"), "metric is for vector indexes only"),
        (NewIndex("x", ["id"], language="english"), "language is for bm25 indexes only"),
        (NewIndex("x", ["v"]), "which has no order"),
        (NewIndex("x", ["id"], "vector"), "does not hold lists of numbers"),
        (NewIndex("x", ["v", "body"], "vector"), "exactly one column"),
        (NewIndex("x", ["v"], "vector", metric="taxi"), "metric must be one of l2, cosine, dot"),
        (NewIndex("x", ["v"], "vector", storage="i4"), "storage must be one of f32, f16, i8"),
        (NewIndex("x", ["id"], storage="i8"), "storage is for vector indexes only"),
        (NewIndex("x", ["v"], "vector", dimensions=3), "holds no text"),
        (NewIndex("x", ["v"], "vector", embedding_provider_id="sys_emb_local"), "hold text"),
        (NewIndex("x", ["body"], "vector", embedding_provider_id="embpnone"), "not found"),
        (NewIndex("x", ["body"], "vector", output_column="id"), "has a column 'id' already"),
        (NewIndex("x", ["body"], "vector", dimensions=7), "dimensions"),
    ],
)
async def test_bad_orders_are_refused(
    engine: Engine, caller: Caller, order: NewIndex, reason: str
) -> None:
    dataset = await make_dataset(engine, caller, documents(3))
    with pytest.raises(errors.InvalidRequest, match=reason):
        await indexes.create_index(engine, caller, dataset.id, order)
    assert await indexes.list_indexes(engine, caller, dataset.id) == ()


async def test_a_name_is_taken_once_on_each_table(engine: Engine, caller: Caller) -> None:
    one = await make_dataset(engine, caller, documents(3), "one")
    two = await make_dataset(engine, caller, documents(3), "two")
    await make_index(engine, caller, one.id, "s", ["id"])
    await make_index(engine, caller, two.id, "s", ["id"])
    with pytest.raises(errors.Conflict, match="'s' already exists on this table"):
        await indexes.create_index(engine, caller, one.id, NewIndex("s", ["price"]))


async def test_what_is_read_live_is_not_indexed(shop: Shop) -> None:
    where = (shop.place.connection_id, "main", "docs")
    await connections.update_table(shop.engine, shop.caller, *where, {"mode": ReadMode.LIVE})
    with pytest.raises(errors.InvalidRequest, match="read live"):
        await indexes.create_index(shop.engine, shop.caller, shop.place, NewIndex("s", ["id"]))


async def test_indexes_stay_while_a_table_is_read_live(shop: Shop) -> None:
    where = (shop.place.connection_id, "main", "docs")
    await make_index(shop.engine, shop.caller, shop.place, "s", ["id"])
    await make_index(shop.engine, shop.caller, shop.place, "w", ["body"], index_type="bm25")
    await connections.update_table(shop.engine, shop.caller, *where, {"mode": ReadMode.LIVE})
    assert {name: each.is_ready for name, each in (await shop.listed()).items()} == {
        "s": False,
        "w": False,
    }
    page: dict[str, Any] = dict.fromkeys(
        ("connection_id", "schema", "table", "index_type", "limit", "cursor")
    )
    listed = (await indexes.list_all_indexes(shop.engine, shop.caller, **page)).items
    assert [each.detail.is_ready for each in listed] == [False, False]
    await indexes.delete_index(shop.engine, shop.caller, shop.place, "s")
    assert [*await shop.listed()] == ["w"]
    await connections.update_table(shop.engine, shop.caller, *where, {"mode": ReadMode.CACHED})
    assert await shop.ids() == [0, 2]
    assert (await shop.listed())["w"].is_ready


async def test_indexes_of_others_do_not_exist(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    dataset = await make_dataset(engine, caller, documents(3))
    await make_index(engine, caller, dataset.id, "s", ["id"])
    page: dict[str, Any] = dict.fromkeys(
        ("connection_id", "schema", "table", "index_type", "limit", "cursor")
    )
    assert (await indexes.list_all_indexes(engine, stranger, **page)).items == ()
    (mine,) = (await indexes.list_all_indexes(engine, caller, **page)).items
    assert (mine.table_name, mine.detail.is_ready) == ("docs", True)
    for refused in (
        indexes.list_indexes(engine, stranger, dataset.id),
        indexes.delete_index(engine, stranger, dataset.id, "s"),
        indexes.create_index(engine, stranger, dataset.id, NewIndex("t", ["id"])),
    ):
        with pytest.raises(errors.EngineError, match=f"Dataset '{dataset.id}' not found"):
            await refused
    with pytest.raises(errors.SqlInvalid, match="Table 'docs' not found"):
        await rows_of(engine, stranger, "SELECT * FROM bm25_search('docs', 'body', 'red')")


async def test_a_listing_of_all_tables_is_filtered_and_paged(shop: Shop) -> None:
    engine, caller = shop.engine, shop.caller
    dataset = await make_dataset(engine, caller, documents(3))
    for name in ("b", "a", "c"):
        await make_index(engine, caller, dataset.id, name, ["id"])
    await make_index(engine, caller, shop.place, "w", ["body"], index_type="bm25")
    nothing: dict[str, Any] = dict.fromkeys(
        ("connection_id", "schema", "table", "index_type", "limit", "cursor")
    )

    async def names(**filters: Any) -> list[str]:
        page = await indexes.list_all_indexes(engine, caller, **{**nothing, **filters})
        return [each.detail.index.name for each in page.items]

    assert await names() == ["a", "b", "c", "w"]
    assert await names(index_type="bm25") == ["w"]
    assert await names(connection_id=shop.place.connection_id) == ["w"]
    assert await names(schema="main", table="docs") == ["a", "b", "c", "w"]
    first = await indexes.list_all_indexes(engine, caller, **{**nothing, "limit": 3})
    assert first.next_cursor is not None
    assert await names(limit=3, cursor=first.next_cursor) == ["w"]
    with pytest.raises(errors.InvalidRequest, match="cursor"):
        await names(cursor="nonsense")
    with pytest.raises(errors.InvalidRequest, match="index_type"):
        await names(index_type="hash")


async def test_files_of_deleted_indexes_are_collected_and_no_others(own_engine: Engine) -> None:
    engine, caller = own_engine, await new_caller(own_engine)
    dataset = await make_dataset(engine, caller, documents(30))
    for name, kind in (("words", "bm25"), ("near", "vector"), ("s", "sorted")):
        await make_index(engine, caller, dataset.id, name, ["body"], index_type=kind)

    async def keys() -> set[str]:
        await collect_garbage(engine.db, engine.blobs, grace_s=0, now=datetime.now(UTC))
        return {blob.key async for blob in engine.blobs.list() if blob.key.startswith("indexes/")}

    everything = await keys()
    assert len([key for key in everything if key.endswith("rows.arrow")]) == 1
    await indexes.delete_index(engine, caller, dataset.id, "words")
    left = await keys()
    assert left < everything
    assert await rows_of(engine, caller, "SELECT id FROM vector_search('docs', 'body', 'red', 2)")
    await indexes.delete_index(engine, caller, dataset.id, "near")
    await indexes.delete_index(engine, caller, dataset.id, "s")
    assert await keys() == set()
    assert staged_files(engine) == []


async def test_a_build_may_take_longer_than_the_grace_of_files(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, caller = own_engine, await new_caller(own_engine)
    await make_dataset(engine, caller, documents(40), "source")
    made = await datasets.create_dataset(
        engine, caller, label="c", source={"sql": "SELECT * FROM source"}, table_name="copied"
    )
    assert not isinstance(made, Job)
    await make_index(engine, caller, made.id, "s", ["id"])
    build_indexes = index_build.build_indexes
    later = datetime.now(UTC) + timedelta(seconds=engine.settings.blob_grace_s - 60)

    async def build_slowly(*arguments: Any) -> Any:
        # As if the files had been published long ago: their grace is over but for the build.
        for path in (engine.settings.data_dir / "blobs" / "datasets").rglob("*.parquet"):
            os.utime(path, (0, 0))
        await asyncio.sleep(0.2)
        await collect_garbage(
            engine.db, engine.blobs, grace_s=engine.settings.blob_grace_s, now=later
        )
        return await build_indexes(*arguments)

    monkeypatch.setattr(index_build, "build_indexes", build_slowly)
    await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    assert await rows_of(engine, caller, "SELECT count(*) FROM copied") == [[40]]


async def test_information_schema_shows_indexes_and_generated_columns(shop: Shop) -> None:
    engine, caller = shop.engine, shop.caller
    dataset = await make_dataset(engine, caller, documents(10))
    await make_index(engine, caller, dataset.id, "near", ["body"], index_type="vector")
    await make_index(engine, caller, shop.place, "w", ["body"], index_type="bm25")
    await make_index(engine, caller, shop.place, "far", ["body"], index_type="vector", metric="l2")
    found = await rows_of(
        engine,
        caller,
        "SELECT table_catalog, table_schema, table_name, index_name, index_type, column_names, "
        "source_column, metric, language, status, row_count FROM information_schema.indexes "
        "ORDER BY index_name",
    )
    embedded = ["vector", ["body_embedding"], "body"]
    assert found == [
        ["shop", "main", "docs", "far", *embedded, "l2", None, "ready", 3],
        ["datasets", "main", "docs", "near", *embedded, "cosine", None, "ready", 10],
        ["shop", "main", "docs", "w", "bm25", ["body"], None, None, "english", "ready", 3],
    ]
    columns = (
        "SELECT table_catalog, data_type FROM information_schema.columns "
        "WHERE column_name = 'body_embedding' ORDER BY 1"
    )
    kind = "FixedSizeList(256 x Float32)"
    assert await rows_of(engine, caller, columns) == [["datasets", kind], ["shop", kind]]
    shown = "SELECT DISTINCT arrow_typeof(body_embedding) FROM %s"
    for table in ("docs", "shop.main.docs"):
        assert await rows_of(engine, caller, shown % table) == [[kind]]
    detail = await datasets.get_dataset(engine, caller, dataset.id)
    assert [column.name for column in detail.columns][-1] == "body_embedding"
    await indexes.delete_index(engine, caller, shop.place, "far")
    assert await rows_of(engine, caller, columns) == [["datasets", kind]]


async def test_sorted_scan_reads_the_copy_in_order(engine: Engine, caller: Caller) -> None:
    dataset = await make_dataset(engine, caller, documents(500))
    await make_index(engine, caller, dataset.id, "s", ["stock", "id"])
    sql = "SELECT id FROM sorted_scan('docs', 's') ORDER BY stock, id"
    assert await rows_of(engine, caller, sql) == await rows_of(
        engine, caller, "SELECT id FROM docs ORDER BY stock, id"
    )
    assert "SortExec" not in await plan_of(engine, caller, sql)
    with pytest.raises(errors.SqlInvalid, match="sorted_scan: No sorted index 't' found"):
        await rows_of(engine, caller, "SELECT * FROM sorted_scan('docs', 't')")


async def test_a_dictionary_column_is_searched_like_any_text(
    engine: Engine, caller: Caller
) -> None:
    words = pa.array(["red", "blue", None, "red"]).dictionary_encode()
    rows = pa.table({"id": [1, 2, 3, 4], "body": words})
    dataset = await make_dataset(engine, caller, rows)
    await make_index(engine, caller, dataset.id, "w", ["body"], index_type="bm25")
    await make_index(engine, caller, dataset.id, "s", ["body", "id"])
    found = "SELECT id, body FROM bm25_search('docs', 'body', 'red') ORDER BY id"
    assert await rows_of(engine, caller, found) == [[1, "red"], [4, "red"]]
    in_order = "SELECT id FROM docs WHERE body = 'red' ORDER BY body, id"
    assert await rows_of(engine, caller, in_order) == [[1], [4]]


async def test_a_table_with_a_lost_index_file_is_still_read(
    own_engine: Engine, settings: Settings
) -> None:
    engine, caller = own_engine, await new_caller(own_engine)
    dataset = await make_dataset(engine, caller, documents(30))
    await make_index(engine, caller, dataset.id, "w", ["body"], index_type="bm25")
    for path in (settings.data_dir / "blobs" / "indexes").rglob("meta.json"):
        path.unlink()
    assert await rows_of(engine, caller, "SELECT count(*) FROM docs") == [[30]]
    with pytest.raises(errors.SqlInvalid, match="'w' is not ready: its stored data is missing"):
        await rows_of(engine, caller, "SELECT * FROM bm25_search('docs', 'body', 'red')")


async def test_rows_of_a_live_table_meet_those_of_a_search(shop: Shop) -> None:
    engine, caller = shop.engine, shop.caller
    dataset = await make_dataset(engine, caller, documents(40))
    await make_index(engine, caller, dataset.id, "near", ["body"], index_type="vector")
    where = (shop.place.connection_id, "main", "docs")
    await connections.update_table(engine, caller, *where, {"mode": ReadMode.LIVE})
    for sql in (
        "SELECT count(*) FROM shop.main.docs s "
        "JOIN vector_search('docs', 'body', 'red shoes', 40) v ON v.id = s.id",
        "SELECT count(*) FROM (SELECT id, vector_distance(body, 'red shoes') AS d FROM docs "
        "WHERE body <> '') v JOIN shop.main.docs s ON v.id = s.id WHERE d < 2",
    ):
        ((found,),) = await rows_of(engine, caller, sql)
        assert 0 < found <= 3, sql


async def test_a_column_named_like_a_generated_one_does_not_hold_up_a_refresh(shop: Shop) -> None:
    options = {"index_type": "vector", "dimensions": 64}
    await make_index(shop.engine, shop.caller, shop.place, "near", ["body"], **options)
    shop.write(["one", "two"], "id, body, 7 AS body_embedding")
    await shop.refresh()
    assert await shop.ids("SELECT body_embedding FROM shop.main.docs") == [7, 7]
    near = (await shop.listed())["near"]
    assert not near.is_ready
    assert "has a column 'body_embedding' already" in (near.index.error_message or "")


async def test_a_table_with_an_awkward_name_is_searched(shop: Shop) -> None:
    names = ("odd projection=[x]", "line\nbreak", 'quo"te.d')
    with duckdb.connect(str(shop.path)) as database:
        for name in names:
            quoted = '"' + name.replace('"', '""') + '"'
            database.execute(f"CREATE TABLE {quoted} AS SELECT 1 AS id, 'red' AS body")
    await refresh.refresh_schemas(shop.engine, shop.caller, shop.place.connection_id)
    for name in names:
        place = TablePlace(shop.place.connection_id, "main", name)
        await make_index(shop.engine, shop.caller, place, "w", ["body"], index_type="bm25")
        quoted = '"' + name.replace('"', '""') + '"'
        sql = f"SELECT count(*) FROM bm25_search('shop.main.{quoted}', 'body', 'red')"
        assert await shop.ids(sql) == [1]


async def test_texts_that_are_all_empty_are_indexed_and_nothing_is_near(
    engine: Engine, caller: Caller
) -> None:
    rows = pa.table({"id": [1, 2], "body": pa.array([None, ""], pa.string())})
    dataset = await make_dataset(engine, caller, rows)
    await make_index(engine, caller, dataset.id, "w", ["body"], index_type="bm25")
    await make_index(engine, caller, dataset.id, "near", ["body"], index_type="vector")
    for call in (
        "vector_search('docs', 'body', 'red', 3)",
        "hybrid_search('docs', 'body', 'body', 'red', 3)",
    ):
        assert await rows_of(engine, caller, f"SELECT id FROM {call}") == []
    distances = "SELECT vector_distance(body, 'red') AS d FROM docs ORDER BY d LIMIT 2"
    assert await rows_of(engine, caller, distances) == [[None], [None]]


async def test_columns_of_other_indexes_stay_when_a_column_is_added(
    engine: Engine, caller: Caller
) -> None:
    dataset = await make_dataset(engine, caller, documents(30))
    options = {"index_type": "vector", "dimensions": 64}
    await make_index(engine, caller, dataset.id, "one", ["body"], **options)
    before = await rows_of(engine, caller, "SELECT id, body_embedding FROM docs ORDER BY id")
    await make_index(
        engine, caller, dataset.id, "two", ["kind"], index_type="vector", dimensions=128
    )
    after = "SELECT id, body_embedding FROM docs ORDER BY id"
    assert await rows_of(engine, caller, after) == before
    described = await rows_of(engine, caller, "DESCRIBE docs")
    assert [row[0] for row in described][-2:] == ["body_embedding", "kind_embedding"]
