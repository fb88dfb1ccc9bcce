"""Datasets from all five sources: made, read, pinned, refreshed, deleted."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.model import Dataset, DatasetVersion, Job, JobStatus, UploadStatus
from engine import errors
from engine.query.type_text import Column
from engine.service import datasets, queries, saved_queries, uploads
from engine.service.context import Caller, Engine
from tests.patience import PATIENCE_S
from tests.service.conftest import WebServer
from tests.service.steps import finished, send_file, staged_files, submit_dataset

pytestmark = pytest.mark.anyio

CSV = b"name,mass\nhydrogen,1.008\nhelium,4.0026\n"


async def make(
    engine: Engine,
    caller: Caller,
    source: dict[str, Any],
    *,
    label: str = "Elements",
    table_name: str | None = None,
) -> Dataset:
    made = await datasets.create_dataset(
        engine, caller, label=label, source=source, table_name=table_name
    )
    assert isinstance(made, Dataset)
    return made


async def rows_of(engine: Engine, version: DatasetVersion) -> list[dict[str, Any]]:
    tables = [pq.read_table(await engine.blobs.local_path(file.key)) for file in version.files]
    return pa.concat_tables(tables).to_pylist()


def inline(content: str, *, form: str = "csv", columns: Any = None) -> dict[str, Any]:
    return {"inline": {"format": form, "content": content, "columns": columns}}


async def test_times_compare_with_times_of_sql(engine: Engine, caller: Caller) -> None:
    times = pa.array([3600, None, 60], pa.time32("s"))
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({"t": times, "s": pa.array([{"u": t} for t in times.to_pylist()])}), sink
    )
    upload_id = await send_file(
        engine, caller, sink.getvalue().to_pybytes(), "application/vnd.apache.parquet"
    )
    await make(engine, caller, {"upload_id": upload_id}, label="stored")
    csv = inline("t\n01:00:00\n\n00:01:00\n", columns={"t": "TIME"})
    await make(engine, caller, csv, label="typed")
    for table in ("stored", "typed"):
        sql = f"SELECT t FROM {table} WHERE t > time '00:30:00' OR t = '00:01:00'::time ORDER BY t"
        answer = await queries.run_query(engine, caller, sql, queries.QueryOptions())
        assert isinstance(answer, queries.QueryAnswer)
        assert answer.body_bytes == b'["00:01:00"],["01:00:00"]'


async def test_an_upload_becomes_a_table_and_is_used_up(engine: Engine, caller: Caller) -> None:
    upload_id = await send_file(engine, caller, CSV)
    made = await make(engine, caller, {"upload_id": upload_id}, label="My  Elements")
    assert (made.schema_name, made.table_name, made.latest_version) == ("main", "my_elements", 1)
    detail = await datasets.get_dataset(engine, caller, made.id)
    assert detail.version.source_type == "upload"
    assert [column.name for column in detail.columns] == ["name", "mass"]
    assert detail.columns[1] == Column("mass", "Float64", True)
    assert (await rows_of(engine, detail.version))[0] == {"name": "hydrogen", "mass": 1.008}
    prefix = f"datasets/{made.id}/{detail.version.id}/part-"
    assert all(file.key.startswith(prefix) for file in detail.version.files)
    (upload,) = await uploads.list_uploads(engine, caller, status=None)
    assert upload.status is UploadStatus.CONSUMED
    with pytest.raises(errors.InvalidRequest, match="consumed"):
        await make(engine, caller, {"upload_id": upload_id}, label="again")
    assert staged_files(engine) == []


@pytest.mark.parametrize(
    ("data", "content_type", "form"),
    [
        (CSV, "text/csv; charset=utf-8", None),
        (CSV, None, None),
        (CSV, "application/octet-stream", "CSV"),
        (gzip.compress(CSV, mtime=0), "application/gzip", None),
        (b'{"name": "hydrogen", "mass": 1.008}\n{"name": "helium", "mass": 4.0026}\n', None, None),
        (
            b'[{"name": "hydrogen", "mass": 1.008}, {"name": "helium", "mass": 4.0026}]',
            "application/json",
            None,
        ),
    ],
)
async def test_the_format_is_given_or_guessed(
    engine: Engine, caller: Caller, data: bytes, content_type: str | None, form: str | None
) -> None:
    upload_id = await send_file(engine, caller, data, content_type)
    made = await make(engine, caller, {"type": "upload", "upload_id": upload_id, "format": form})
    detail = await datasets.get_dataset(engine, caller, made.id)
    assert [row["name"] for row in await rows_of(engine, detail.version)] == ["hydrogen", "helium"]


async def test_a_parquet_upload_keeps_its_types(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int16())}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    upload_id = await send_file(engine, caller, data, "application/octet-stream")
    made = await make(engine, caller, {"upload_id": upload_id})
    detail = await datasets.get_dataset(engine, caller, made.id)
    assert detail.columns == (Column("a", "Int16", True),)


async def test_declared_columns_decide_the_types(engine: Engine, caller: Caller) -> None:
    source = inline(
        "a,b\n1,2\n", columns={"a": "VARCHAR", "b": {"type": "DECIMAL", "precision": 5}}
    )
    made = await make(engine, caller, source)
    detail = await datasets.get_dataset(engine, caller, made.id)
    assert detail.columns == (
        Column("a", "Utf8", True),
        Column("b", "Decimal128(5, 0)", True),
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (inline("a\n1\n", form="xlsx"), "Unsupported format: xlsx"),
        (inline("a\n"), "No data found in the input"),
        (inline("[]", form="json"), "No data found in the input"),
        (inline("a,b\n1,2\n3,4,5\n"), "Parse error"),
        (inline("a\n1\n", columns={"a": "WIBBLE"}), "Unsupported type"),
        (inline("a\n1\n", columns={"b": "INT"}), "Column 'a' found in data but not defined"),
        (inline("a\n" + "1\n" * 524_288), "Inline content is larger than 1048576 bytes"),
        ({"upload_id": "upldnope"}, "Upload 'upldnope' not found"),
        ({"saved_query_id": "svqrnope"}, "Saved query 'svqrnope' not found"),
        ({"sql": "  "}, "Query SQL cannot be empty"),
        ({"type": "ftp", "url": "x"}, "Unknown source type"),
        ({"type": "url"}, "source.url is required"),
        ({"upload_id": 7}, "source.upload_id must be a string"),
        ({"saved_query_id": "x", "version": True}, "source.version must be an integer"),
        ({}, "source needs one of"),
    ],
)
async def test_a_source_that_breaks_a_rule_is_refused(
    engine: Engine, caller: Caller, source: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=message):
        await make(engine, caller, source)
    assert (await datasets.list_datasets(engine, caller, limit=None, offset=None)).items == ()
    assert staged_files(engine) == []


@pytest.mark.parametrize(
    ("label", "table_name", "message"),
    [
        (" ", None, "Dataset label cannot be empty"),
        ("select", None, "Cannot create valid table name from label 'select'"),
        ("ok", "", "Table name cannot be empty"),
        ("ok", "1st", "Invalid table name"),
        ("ok", "Select", "reserved"),
        ("ok", "t" * 129, "128"),
        ("a\x00b", None, "NUL"),
    ],
)
async def test_a_label_or_name_that_breaks_a_rule_is_refused(
    engine: Engine, caller: Caller, label: str, table_name: str | None, message: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=message):
        await make(engine, caller, inline("a\n1\n"), label=label, table_name=table_name)


async def test_a_reserved_label_is_fine_with_a_name_of_its_own(
    engine: Engine, caller: Caller
) -> None:
    made = await make(engine, caller, inline("a\n1\n"), label="select", table_name="Chosen")
    assert made.table_name == "Chosen"


async def test_a_taken_table_name_is_a_conflict_in_its_workspace_only(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    await make(engine, caller, inline("a\n1\n"))
    with pytest.raises(errors.Conflict, match="Table name 'elements' is already in use"):
        await make(engine, caller, inline("a\n1\n"))
    await make(engine, stranger, inline("a\n1\n"))


async def test_a_failed_load_gives_the_upload_back(engine: Engine, caller: Caller) -> None:
    upload_id = await send_file(engine, caller, b"a,b\n1,2\n3,4,5\n")
    with pytest.raises(errors.DataInvalid):
        await make(engine, caller, {"upload_id": upload_id})
    (upload,) = await uploads.list_uploads(engine, caller, status=None)
    assert upload.status is UploadStatus.PENDING


async def test_a_client_that_goes_away_gives_the_upload_back(
    engine: Engine, caller: Caller
) -> None:
    rows = b"".join(b"%d,x\n" % i for i in range(1_000_000))
    upload_id = await send_file(engine, caller, b"a,b\n" + rows)
    task = asyncio.create_task(make(engine, caller, {"upload_id": upload_id}))
    async with asyncio.timeout(PATIENCE_S):
        while not await uploads.list_uploads(engine, caller, status="processing"):  # noqa: ASYNC110 - the catalog tells nobody
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await uploads.list_uploads(engine, caller, status="pending")) == 1
    assert staged_files(engine) == []
    await make(engine, caller, {"upload_id": upload_id})


async def test_of_two_datasets_from_one_upload_exactly_one_is_made(
    engine: Engine, caller: Caller
) -> None:
    upload_id = await send_file(engine, caller, CSV)
    outcomes = await asyncio.gather(
        *(make(engine, caller, {"upload_id": upload_id}, label=f"t{i}") for i in range(2)),
        return_exceptions=True,
    )
    (refused,) = [outcome for outcome in outcomes if not isinstance(outcome, Dataset)]
    assert isinstance(refused, errors.Conflict | errors.InvalidRequest)
    assert len((await datasets.list_datasets(engine, caller, limit=9, offset=0)).items) == 1


async def test_listing_pages_by_label(engine: Engine, caller: Caller, stranger: Caller) -> None:
    for label in ("b", "c", "a"):
        await make(engine, caller, inline("a\n1\n"), label=label)
    page = await datasets.list_datasets(engine, caller, limit=2, offset=0)
    assert ([d.label for d in page.items], page.has_more) == (["a", "b"], True)
    page = await datasets.list_datasets(engine, caller, limit=5000, offset=2)
    assert ([d.label for d in page.items], page.has_more, page.limit) == (["c"], False, 1000)
    page = await datasets.list_datasets(engine, caller, limit=0, offset=0)
    assert (page.items, page.limit, page.has_more) == ((), 0, True)
    assert (await datasets.list_datasets(engine, stranger, limit=9, offset=0)).items == ()


async def test_an_update_changes_only_the_keys_it_has(engine: Engine, caller: Caller) -> None:
    made = await make(engine, caller, inline("a\n1\n"))
    await make(engine, caller, inline("a\n1\n"), label="other")
    changed = await datasets.update_dataset(engine, caller, made.id, {"label": " New "})
    assert (changed.label, changed.table_name) == ("New", "elements")
    changed = await datasets.update_dataset(
        engine, caller, made.id, {"table_name": "atoms", "pinned_version": 1, "label": None}
    )
    assert (changed.label, changed.table_name, changed.pinned_version) == ("New", "atoms", 1)
    changed = await datasets.update_dataset(engine, caller, made.id, {"pinned_version": None})
    assert changed.pinned_version is None
    with pytest.raises(errors.InvalidRequest, match="no version 2"):
        await datasets.update_dataset(engine, caller, made.id, {"pinned_version": 2})
    with pytest.raises(errors.Conflict):
        await datasets.update_dataset(engine, caller, made.id, {"table_name": "other"})
    with pytest.raises(errors.InvalidRequest):
        await datasets.update_dataset(engine, caller, made.id, {"table_name": "drop"})


async def test_a_stranger_finds_nothing(engine: Engine, caller: Caller, stranger: Caller) -> None:
    made = await make(engine, caller, inline("a\n1\n"))
    upload_id = await send_file(engine, caller, CSV)
    for attempt in (
        datasets.get_dataset(engine, stranger, made.id),
        datasets.update_dataset(engine, stranger, made.id, {"label": "mine"}),
        datasets.delete_dataset(engine, stranger, made.id),
        datasets.list_dataset_versions(engine, stranger, made.id, limit=None, offset=None),
        datasets.refresh_dataset(engine, stranger, made.id, is_async=False),
    ):
        with pytest.raises(errors.NotFound, match=f"Dataset '{made.id}' not found"):
            await attempt
    with pytest.raises(errors.InvalidRequest, match=f"Upload '{upload_id}' not found"):
        await make(engine, stranger, {"upload_id": upload_id})


async def test_a_deleted_dataset_is_gone_and_frees_its_name(engine: Engine, caller: Caller) -> None:
    made = await make(engine, caller, inline("a\n1\n"))
    await datasets.delete_dataset(engine, caller, made.id)
    with pytest.raises(errors.NotFound):
        await datasets.get_dataset(engine, caller, made.id)
    await make(engine, caller, inline("a\n1\n"))


async def test_a_url_is_fetched_again_at_each_refresh(
    engine: Engine, caller: Caller, web: WebServer
) -> None:
    web.files["/a.json"] = ("application/octet-stream", b'{"a": 1}\n')
    made = await make(engine, caller, {"url": web.url("/a.json")})
    web.files["/a.json"] = ("application/octet-stream", b'{"a": 1}\n{"a": 2}\n')
    added = await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    assert isinstance(added, DatasetVersion)
    assert (added.version, added.row_count, added.source_type) == (2, 2, "url")
    await datasets.update_dataset(engine, caller, made.id, {"pinned_version": 1})
    detail = await datasets.get_dataset(engine, caller, made.id)
    assert await rows_of(engine, detail.version) == [{"a": 1}]
    page = await datasets.list_dataset_versions(engine, caller, made.id, limit=1, offset=0)
    assert ([version.version for version in page.items], page.has_more) == ([2], True)
    assert staged_files(engine) == []


async def test_a_url_that_answers_badly_is_refused_and_leaves_the_last_version(
    engine: Engine, caller: Caller, web: WebServer
) -> None:
    with pytest.raises(errors.InvalidRequest):
        await make(engine, caller, {"url": web.url("/nothing.csv")})
    web.files["/a.csv"] = ("text/csv", b"a\n1\n")
    made = await make(engine, caller, {"url": web.url("/a.csv")})
    del web.files["/a.csv"]
    with pytest.raises(errors.InvalidRequest):
        await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    assert (await datasets.get_dataset(engine, caller, made.id)).version.version == 1
    assert staged_files(engine) == []


async def test_private_addresses_are_refused_unless_allowed(
    engine: Engine, caller: Caller, web: WebServer
) -> None:
    web.files["/a.csv"] = ("text/csv", b"a\n1\n")
    engine.settings = engine.settings.model_copy(update={"egress_allow_private": False})
    with pytest.raises(errors.InvalidRequest):
        await make(engine, caller, {"url": web.url("/a.csv")})


@pytest.mark.parametrize("kind", ["upload", "inline"])
async def test_a_file_or_text_cannot_be_refreshed(
    engine: Engine, caller: Caller, kind: str
) -> None:
    source = inline("a\n1\n")
    if kind == "upload":
        source = {"upload_id": await send_file(engine, caller, CSV)}
    made = await make(engine, caller, source)
    for is_async in (False, True):
        with pytest.raises(errors.InvalidRequest, match=f"'{kind}' cannot be refreshed"):
            await datasets.refresh_dataset(engine, caller, made.id, is_async=is_async)


async def test_sql_becomes_a_saved_query_that_a_refresh_runs_again(
    engine: Engine, caller: Caller
) -> None:
    made = await make(engine, caller, {"sql": "SELECT 1 AS a", "description": "one"}, label="One")
    (query,) = (
        await saved_queries.list_saved_queries(engine, caller, limit=None, offset=None)
    ).items
    assert (query.name, query.description, query.version.sql) == ("One", "one", "SELECT 1 AS a")
    assert query.version.category == "full_scan"
    await saved_queries.update_saved_query(
        engine, caller, query.id, {"sql": "SELECT * FROM (VALUES (1), (2)) AS t(a)"}
    )
    added = await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    assert isinstance(added, DatasetVersion)
    assert (added.version, added.row_count, added.source_type) == (2, 2, "sql_query")
    await saved_queries.delete_saved_query(engine, caller, query.id)
    with pytest.raises(errors.InvalidRequest, match="Saved query"):
        await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    assert staged_files(engine) == []


async def test_a_saved_query_is_run_in_the_version_asked_for(
    engine: Engine, caller: Caller
) -> None:
    query = await saved_queries.create_saved_query(
        engine, caller, name="q", sql="SELECT 1 AS a", description=None, tags=None
    )
    await saved_queries.update_saved_query(engine, caller, query.id, {"sql": "SELECT 2 AS a"})
    for version, value in ((None, 2), (1, 1)):
        source = {"saved_query_id": query.id, "version": version}
        made = await make(engine, caller, source, label=f"v{version}")
        detail = await datasets.get_dataset(engine, caller, made.id)
        assert await rows_of(engine, detail.version) == [{"a": value}]
        assert detail.version.source_type == "saved_query"
    with pytest.raises(errors.InvalidRequest, match="Version 9 not found"):
        await make(engine, caller, {"saved_query_id": query.id, "version": 9}, label="v9")


async def test_a_query_without_rows_makes_an_empty_table(engine: Engine, caller: Caller) -> None:
    sql = "SELECT 1 AS a, 1.5 AS b, 'x' AS c WHERE 1 = 0"
    made = await make(engine, caller, {"sql": sql}, label="Empty")
    detail = await datasets.get_dataset(engine, caller, made.id)
    assert [column.name for column in detail.columns] == ["a", "b", "c"]
    read = "SELECT count(*) AS n, max(b) AS b FROM empty"
    (query,) = (
        await saved_queries.list_saved_queries(engine, caller, limit=None, offset=None)
    ).items
    source = {"saved_query_id": query.id}
    assert (await make(engine, caller, source, label="Empty too")).latest_version == 1
    added = await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    assert isinstance(added, DatasetVersion)
    assert (added.version, added.row_count) == (2, 0)
    answer = await queries.run_query(engine, caller, read, queries.QueryOptions())
    assert isinstance(answer, queries.QueryAnswer)
    assert answer.body_bytes == b"[0,null]"


async def test_failing_sql_makes_neither_dataset_nor_saved_query(
    engine: Engine, caller: Caller
) -> None:
    with pytest.raises(errors.SqlInvalid):
        await make(engine, caller, {"sql": "SELECT * FROM nowhere"})
    found = await saved_queries.list_saved_queries(engine, caller, limit=None, offset=None)
    assert found.items == ()


async def test_a_job_makes_a_dataset_and_says_what_it_made(engine: Engine, caller: Caller) -> None:
    upload_id = await send_file(engine, caller, CSV)
    job = await submit_dataset(engine, caller, {"upload_id": upload_id})
    assert (job.job_type, job.status) == ("dataset_refresh", JobStatus.PENDING)
    done = await finished(engine, caller, job)
    assert (done.status, done.attempts) == (JobStatus.SUCCEEDED, 1)
    (made,) = (await datasets.list_datasets(engine, caller, limit=9, offset=0)).items
    detail = await datasets.get_dataset(engine, caller, made.id)
    assert done.result == {
        "id": made.id,
        "version": 1,
        "status": "ready",
        "created_at": detail.version.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert done.progress["rows"] == 2
    assert staged_files(engine) == []


async def test_a_queued_upload_is_taken(engine: Engine, caller: Caller) -> None:
    upload_id = await send_file(engine, caller, CSV)
    job = await submit_dataset(engine, caller, {"upload_id": upload_id})
    with pytest.raises((errors.Conflict, errors.InvalidRequest)):
        await make(engine, caller, {"upload_id": upload_id}, label="other")
    assert (await finished(engine, caller, job)).status is JobStatus.SUCCEEDED


async def test_a_job_that_fails_says_why_and_gives_the_upload_back(
    engine: Engine, caller: Caller
) -> None:
    upload_id = await send_file(engine, caller, b"a,b\n1,2\n3,4,5\n")
    done = await finished(
        engine, caller, await submit_dataset(engine, caller, {"upload_id": upload_id})
    )
    assert (done.status, done.attempts, done.result) == (JobStatus.FAILED, 1, None)
    assert done.error_message is not None
    assert "Parse error" in done.error_message
    assert len(await uploads.list_uploads(engine, caller, status="pending")) == 1


async def test_an_unfinished_refresh_is_not_queued_twice(
    engine: Engine, caller: Caller, web: WebServer
) -> None:
    web.files["/a.csv"] = ("text/csv", b"a\n1\n")
    made = await make(engine, caller, {"url": web.url("/a.csv")})
    first, second = await asyncio.gather(
        *(datasets.refresh_dataset(engine, caller, made.id, is_async=True) for _ in range(2))
    )
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert first.id == second.id
    done = await finished(engine, caller, first)
    assert done.result is not None
    assert (done.result["id"], done.result["version"]) == (made.id, 2)
    page = await datasets.list_dataset_versions(engine, caller, made.id, limit=None, offset=None)
    assert [version.version for version in page.items] == [2, 1]
