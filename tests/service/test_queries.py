"""One query from text to kept answer, in a real engine with real workers."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import orjson
import pyarrow as pa
import pytest

from catalog.model import QueryRun, Result, ResultStatus, RunStatus
from catalog.settings import Settings
from engine.errors import (
    Conflict,
    EngineError,
    InvalidRequest,
    NotFound,
    QueryCancelled,
    QueryCrashed,
    QueryTimeout,
    ResourceExhausted,
    SqlEmpty,
    SqlInvalid,
    SqlTooComplex,
    StatementForbidden,
)
from engine.service import queries, results
from engine.service.context import Caller, Engine
from engine.service.queries import QueryAnswer, QueryOptions, QuerySubmitted
from engine.service.running import RunningQuery
from tests.patience import PATIENCE_S
from tests.service.steps import caller_of

pytestmark = pytest.mark.anyio

ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = -1"


async def ask(engine: Engine, caller: Caller, sql: str, **options: object) -> QueryAnswer:
    answer = await queries.run_query(engine, caller, sql, QueryOptions(**options))  # type: ignore[arg-type]  # test sugar
    assert isinstance(answer, QueryAnswer)
    return answer


async def rows(engine: Engine, caller: Caller, sql: str, **options: object) -> list[list[object]]:
    answer = await ask(engine, caller, sql, **options)
    assert answer.body_is_complete
    decoded: list[list[object]] = orjson.loads(b"[" + answer.body_bytes + b"]")
    return decoded


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what only the engine knows to have happened."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not happen")


async def last_run(engine: Engine, caller: Caller) -> QueryRun:
    return (await queries.list_runs(engine, caller, limit=1)).items[0]


async def wait_for_run(engine: Engine, caller: Caller, run_id: str) -> QueryRun:
    for _ in range(600):
        run = await queries.get_run(engine, caller, run_id)
        if run.status is not RunStatus.RUNNING:
            return run
        await asyncio.sleep(0.05)
    raise AssertionError("the run does not end")


async def kept_result(engine: Engine, caller: Caller, answer: QueryAnswer) -> Result:
    """Wait until a result is ready; one that failed will never be."""
    for _ in range(500):
        result = await results.get_result(engine, caller, answer.result_id or "")
        if result.status is not ResultStatus.PROCESSING:
            break
        await asyncio.sleep(0.02)
    assert result.status is ResultStatus.READY, result.error_message
    return result


@pytest.fixture
async def strict(settings: Settings) -> AsyncIterator[Engine]:
    """An engine whose limits are reached quickly."""
    limits = {
        "query_timeout_s": 1.0,
        "query_memory_bytes": 128 * 1024 * 1024,
        "query_rows_max": 1000,
        "sql_chars_max": 20_000,
        "sql_terms_max": 100,
    }
    opened = await Engine.open(settings.model_copy(update=limits))
    yield opened
    await opened.close()


async def test_a_query_is_answered_recorded_and_kept(engine: Engine, caller: Caller) -> None:
    answer = await ask(engine, caller, "SELECT 1 AS a, 'x' AS b, NULL AS c")
    assert answer.columns == ("a", "b", "c")
    assert answer.body_bytes == b'[1,"x",null]'
    assert answer.row_count == 1
    assert answer.nullable == (False, False, True)
    run = await queries.get_run(engine, caller, answer.run_id)
    assert run.status is RunStatus.SUCCEEDED
    assert run.row_count == 1
    assert run.result_id == answer.result_id
    assert answer.result_id is not None
    result = await results.get_result(engine, caller, answer.result_id)
    assert result.status is ResultStatus.READY
    assert result.columns == ("a", "b", "c")


async def test_a_kept_result_reads_back_in_every_encoding(engine: Engine, caller: Caller) -> None:
    answer = await ask(engine, caller, "SELECT 7 AS n, interval '2 days' AS d")
    result = await results.get_result(engine, caller, answer.result_id or "")

    async def read(encoding: str) -> bytes:
        page = await results.read_result(engine, caller, result, format=encoding)
        return b"".join([chunk async for chunk in page.body])

    assert await read("json") == answer.body_bytes
    assert pa.ipc.open_stream(await read("arrow")).read_all().column("n").to_pylist() == [7]
    assert (await read("csv")).splitlines()[0] == b"n,d"
    assert b"| n | d |" in await read("md")
    assert pa.parquet.read_table(pa.BufferReader(await read("parquet"))).num_rows == 1


async def test_a_large_result_is_kept_as_parquet_and_paged(engine: Engine, caller: Caller) -> None:
    sql = "SELECT value AS i, 'row ' || value AS t FROM generate_series(0, 299999) ORDER BY i"
    answer = await ask(engine, caller, sql)
    body = b"".join([chunk async for chunk in answer.body]) or answer.body_bytes
    assert len(orjson.loads(b"[" + body + b"]")) == answer.row_count == 300_000
    run = await wait_for_run(engine, caller, answer.run_id)
    assert run.status is RunStatus.SUCCEEDED
    result = await kept_result(engine, caller, answer)
    assert result.blob_key is not None
    page = await results.read_result(
        engine, caller, result, format="json", offset_rows=150_000, limit_rows=2
    )
    chunks = b"".join([chunk async for chunk in page.body])
    assert orjson.loads(b"[" + chunks + b"]") == [[150_000, "row 150000"], [150_001, "row 150001"]]
    assert page.row_count == 300_000
    assert page.page_row_count == 2
    assert await rows(engine, caller, f"SELECT count(*), max(i) FROM results.{result.id}") == [
        [300_000, 299_999]
    ]


@pytest.mark.parametrize("rows_count", [3, 20_000])
@pytest.mark.parametrize(
    "expression",
    [
        "named_struct('k', t, 'n', [t, NULL])",
        "named_struct('a', NULL::text)",
        "map([t], [value])",
        "map(['k'], [NULL::text])",
        "array_agg(named_struct('k', t)) OVER (PARTITION BY value)",
        "arrow_cast(1, 'Date64')",
        "[arrow_cast(t, 'BinaryView')]",
        "named_struct('d', arrow_cast(1, 'Date64'))",
        "arrow_cast(1200, 'Decimal128(5, -2)')",
        "arrow_cast(t, 'Dictionary(Int32, Utf8View)')",
        "arrow_cast(arrow_cast(value, 'Int32'), 'Time32(Second)')",
    ],
)
async def test_what_is_kept_reads_as_it_was_answered(
    engine: Engine, caller: Caller, expression: str, rows_count: int
) -> None:
    texts = "arrow_cast('text ' || value || repeat('.', 20), 'Utf8View')"
    sql = (
        f"SELECT {expression} AS x FROM "
        f"(SELECT value, {texts} AS t FROM generate_series(1, {rows_count})) ORDER BY value"
    )
    answer = await ask(engine, caller, sql)
    body = b"".join([chunk async for chunk in answer.body]) or answer.body_bytes
    result = await kept_result(engine, caller, answer)
    for encoding in ("json", "parquet"):
        page = await results.read_result(engine, caller, result, format=encoding)
        kept = b"".join([chunk async for chunk in page.body])
        if encoding == "json":
            assert kept == body
        else:
            assert pa.parquet.read_metadata(pa.BufferReader(kept)).num_rows == rows_count
    assert await rows(engine, caller, f"SELECT count(*) FROM results.{result.id}") == [[rows_count]]


async def test_a_value_parquet_cannot_hold_is_refused_before_the_answer(
    engine: Engine, caller: Caller
) -> None:
    sql = "SELECT arrow_cast(9223372036854775807, 'Timestamp(Second, None)')"
    result = await kept_result(engine, caller, await ask(engine, caller, sql))
    with pytest.raises(InvalidRequest, match="Parquet cannot hold"):
        await results.read_result(engine, caller, result, format="parquet")


async def test_a_nan_in_a_large_result_is_found_again(engine: Engine, caller: Caller) -> None:
    sql = (
        "SELECT value AS k, CASE value WHEN 7 THEN 'NaN'::DOUBLE ELSE 2.0 END AS b "
        "FROM generate_series(1, 20000)"
    )
    answer = await ask(engine, caller, sql)
    async for _ in answer.body:
        pass
    await wait_for_run(engine, caller, answer.run_id)
    result = await kept_result(engine, caller, answer)
    assert result.blob_key is not None
    table = f"results.{result.id}"
    assert await rows(engine, caller, f"SELECT k FROM {table} WHERE isnan(b)") == [[7]]
    assert await rows(engine, caller, f"SELECT count(*) FROM {table} WHERE b = 2") == [[19_999]]
    assert await rows(engine, caller, f"SELECT isnan(max(b)) FROM {table}") == [[True]]
    grouped = f"SELECT isnan(b), count(*) AS n FROM {table} GROUP BY b ORDER BY n"
    assert await rows(engine, caller, grouped) == [[True, 1], [False, 19_999]]


async def test_results_are_tables_under_three_names(engine: Engine, caller: Caller) -> None:
    answer = await ask(engine, caller, "SELECT 3 AS n")
    for prefix in ("results", "hotdata.results", "runtimedb.results"):
        assert await rows(engine, caller, f"SELECT n FROM {prefix}.{answer.result_id}") == [[3]]


async def test_output_names_may_repeat(engine: Engine, caller: Caller) -> None:
    answer = await ask(engine, caller, "SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a")
    assert answer.columns == ("a", "a", "b", "a")
    assert answer.body_bytes == b"[1,2,3,4]"
    again = f"SELECT * FROM results.{answer.result_id}"
    assert (await ask(engine, caller, again)).columns == ("a", "a_1", "b", "a_2")


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT 1, 1", ("Int64(1)", "Int64(1)")),
        ("SELECT count(*), count(*) FROM (VALUES (1)) t", ("count(*)", "count(*)")),
        ("SELECT x, x FROM (VALUES (1)) t(x)", ("x", "x")),
        ("SELECT *, x FROM (VALUES (1)) t(x)", ("x", "x")),
        ("SELECT t.x, t.x y, t.x FROM (VALUES (1)) t(x) ORDER BY y", ("x", "y", "x")),
        ("SELECT sum(1) OVER (), sum(1) OVER () FROM (VALUES (1)) t", None),
        ("SELECT x FROM (SELECT x, y, y FROM (VALUES (1, 2)) t(x, y)) u", ("x",)),
        ("SELECT x, x::text FROM (VALUES (1)) t(x)", ("x", "x")),
        ("SELECT x, y AS x FROM (VALUES (1, 2)) t(x, y)", ("x", "x")),
        ("SELECT 1 AS __repeat_0, 2 AS b, 3 AS b", ("__repeat_0", "b", "b")),
    ],
)
async def test_repeated_expressions_keep_their_names(
    engine: Engine, caller: Caller, sql: str, columns: tuple[str, ...] | None
) -> None:
    shown = (await ask(engine, caller, sql)).columns
    assert shown == (columns or (shown[0], shown[0]))


async def test_parameters_are_bound(engine: Engine, caller: Caller) -> None:
    assert await rows(engine, caller, "SELECT $1, $2 || '!'", params=(5, "it's")) == [[5, "it's!"]]


async def test_an_async_query_ends_with_a_ready_result(engine: Engine, caller: Caller) -> None:
    submitted = await queries.run_query(
        engine, caller, "SELECT 5 AS n", QueryOptions(is_async=True)
    )
    assert isinstance(submitted, QuerySubmitted)
    run = await wait_for_run(engine, caller, submitted.run_id)
    assert run.status is RunStatus.SUCCEEDED
    result = await results.get_result(engine, caller, run.result_id or "")
    assert result.status is ResultStatus.READY


async def test_async_after_waits_for_a_quick_answer(engine: Engine, caller: Caller) -> None:
    options = QueryOptions(is_async=True, async_after_ms=30_000)
    answer = await queries.run_query(engine, caller, "SELECT 5", options)
    assert isinstance(answer, QueryAnswer)
    options = replace(options, async_after_ms=1000)
    submitted = await queries.run_query(engine, caller, ENDLESS, options)
    assert isinstance(submitted, QuerySubmitted)
    assert (
        await queries.cancel_run(engine, caller, submitted.run_id)
    ).status is RunStatus.CANCELLED


async def test_a_cancelled_query_stops_and_frees_its_worker(engine: Engine, caller: Caller) -> None:
    waiting = asyncio.create_task(ask(engine, caller, ENDLESS))
    await until(lambda: engine.pool.counts["busy"] > 0)
    run_id = next(iter(engine.runs._tasks))
    assert (await queries.cancel_run(engine, caller, run_id)).status is RunStatus.CANCELLED
    with pytest.raises(QueryCancelled):
        await waiting
    assert await rows(engine, caller, "SELECT 1") == [[1]]
    with pytest.raises(Conflict):
        await queries.cancel_run(engine, caller, run_id)


async def test_two_cancellations_at_once_agree(engine: Engine, caller: Caller) -> None:
    submitted = await queries.run_query(engine, caller, ENDLESS, QueryOptions(is_async=True))
    assert isinstance(submitted, QuerySubmitted)
    await until(lambda: engine.pool.counts["busy"] > 0)
    both = [queries.cancel_run(engine, caller, submitted.run_id) for _ in range(2)]
    runs = await asyncio.gather(*both)
    assert [run.status for run in runs] == [RunStatus.CANCELLED] * 2


@pytest.mark.parametrize(
    ("sql", "kept"),
    [("SELECT 1", "inline_ipc"), ("SELECT value FROM generate_series(1, 100000)", "blob_key")],
    ids=["small", "large"],
)
async def test_a_cancellation_that_comes_too_late_changes_nothing(
    engine: Engine, caller: Caller, sql: str, kept: str
) -> None:
    go_on = threading.Event()
    busy = asyncio.create_task(
        engine.db.write(lambda _: go_on.wait(PATIENCE_S))
    )  # no one else can write
    waiting = asyncio.create_task(ask(engine, caller, sql))
    await until(lambda: bool(engine.runs._tasks))
    run_id, (_, query) = next(iter(engine.runs._queries.items()))
    assert isinstance(query, RunningQuery)
    await until(lambda: query.is_decided)  # its record waits to be written
    cancelling = asyncio.create_task(queries.cancel_run(engine, caller, run_id))
    await asyncio.sleep(0.05)
    go_on.set()
    await busy
    with pytest.raises(Conflict, match="has already succeeded"):
        await cancelling
    answer = await waiting
    await until(lambda: not engine.runs._tasks)
    run = await queries.get_run(engine, caller, run_id)
    assert (run.status, run.result_id) == (RunStatus.SUCCEEDED, answer.result_id)
    assert run.warning_message is None
    result = await results.get_result(engine, caller, answer.result_id or "")
    assert result.status is ResultStatus.READY
    assert getattr(result, kept) is not None


async def test_a_client_that_leaves_cancels_its_query(engine: Engine, caller: Caller) -> None:
    waiting = asyncio.create_task(ask(engine, caller, ENDLESS))
    await until(lambda: engine.pool.counts["busy"] > 0)
    run_id = next(iter(engine.runs._tasks))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: engine.runs.count == 0)
    assert (await queries.get_run(engine, caller, run_id)).status is RunStatus.CANCELLED


async def test_the_time_limit_kills(strict: Engine) -> None:
    caller = await caller_of(strict)
    with pytest.raises(QueryTimeout):
        await ask(strict, caller, ENDLESS)
    assert (await last_run(strict, caller)).status is RunStatus.FAILED
    assert await rows(strict, caller, "SELECT 1") == [[1]]


async def test_memory_beyond_the_limit_is_a_typed_error(strict: Engine) -> None:
    caller = await caller_of(strict)
    for sql in (
        "SELECT repeat('x', 1000000000)",
        "SELECT count(DISTINCT value || 'x') FROM generate_series(1, 100000000)",
    ):
        with pytest.raises((ResourceExhausted, QueryTimeout)):
            await ask(strict, caller, sql)
    assert await rows(strict, caller, "SELECT 1") == [[1]]


async def test_too_many_rows_are_a_typed_error(strict: Engine) -> None:
    caller = await caller_of(strict)
    assert len(await rows(strict, caller, "SELECT * FROM generate_series(1, 1000)")) == 1000
    with pytest.raises(ResourceExhausted, match="1000 rows"):
        await ask(strict, caller, "SELECT * FROM generate_series(1, 1001)")


async def test_a_killed_worker_is_one_failed_query(engine: Engine, caller: Caller) -> None:
    waiting = asyncio.create_task(ask(engine, caller, ENDLESS))
    await until(lambda: engine.pool.counts["busy"] > 0)
    worker = next(iter(engine.pool._busy))
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(QueryCrashed):
        await waiting
    assert await rows(engine, caller, "SELECT 1") == [[1]]


async def test_long_sql_is_read_by_the_worker_under_the_same_rules(strict: Engine) -> None:
    caller = await caller_of(strict)
    padding = " " * 9000
    assert await rows(strict, caller, "SELECT" + padding + "1") == [[1]]
    with pytest.raises(SqlTooComplex):
        await ask(strict, caller, "SELECT" + padding + "+".join(["1"] * 200))
    with pytest.raises(StatementForbidden):
        await ask(strict, caller, "DROP" + padding + "TABLE t")
    with pytest.raises(SqlTooComplex):
        await ask(strict, caller, "SELECT" + " " * 20_000 + "1")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("  ", SqlEmpty),
        ("SELECT 1/0", SqlInvalid),
        ("SELECT * FROM nope", SqlInvalid),
        ("SELECT nope", SqlInvalid),
        ("SELECT nofunc(1)", SqlInvalid),
        ("SELECT CAST('a' AS INT)", SqlInvalid),
        ("SELECT 1 2 3", SqlInvalid),
        ("INSERT INTO t VALUES (1)", StatementForbidden),
        ("SELECT * FROM '/etc/passwd'", SqlInvalid),
        ("SELECT $1", SqlInvalid),
        ("SELECT avg(TIMESTAMP '2020-01-01')", SqlInvalid),
        ("SELECT sum(true)", SqlInvalid),
        ("SELECT median(INTERVAL '1 day')", SqlInvalid),
        ("SELECT length(struct(1))", SqlInvalid),
        ("SELECT max(map {'a': 1})", SqlInvalid),
    ],
)
async def test_a_bad_statement_is_the_users_mistake(
    engine: Engine, caller: Caller, sql: str, error: type[EngineError]
) -> None:
    with pytest.raises(error) as caught:
        await ask(engine, caller, sql)
    assert caught.value.message
    assert "/" not in caught.value.message.replace("/etc/passwd", "")


async def test_a_refused_statement_is_recorded_unless_it_is_empty(
    engine: Engine, caller: Caller
) -> None:
    with pytest.raises(StatementForbidden):
        await ask(engine, caller, "DROP TABLE t")
    run = await last_run(engine, caller)
    assert (run.status, run.sql_text) == (RunStatus.FAILED, "DROP TABLE t")
    with pytest.raises(SqlEmpty):
        await ask(engine, caller, " ")
    assert (await last_run(engine, caller)).id == run.id


async def test_runs_page_by_cursor_without_loss(engine: Engine, caller: Caller) -> None:
    made = [(await ask(engine, caller, f"SELECT {i}")).run_id for i in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await queries.list_runs(engine, caller, limit=2, cursor=cursor)
        seen += [run.id for run in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]
    for bad, sentence in (("%%%", "Invalid pagination cursor"), ("e30", "cursor format")):
        with pytest.raises(InvalidRequest, match=sentence):
            await queries.list_runs(engine, caller, limit=2, cursor=bad)


async def test_another_workspace_sees_nothing(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    answer = await ask(engine, caller, "SELECT 1 AS a")
    with pytest.raises(NotFound):
        await queries.get_run(engine, stranger, answer.run_id)
    with pytest.raises(NotFound):
        await results.get_result(engine, stranger, answer.result_id or "")
    with pytest.raises(NotFound):
        await queries.cancel_run(engine, stranger, answer.run_id)
    for sql in (f"SELECT * FROM results.{answer.result_id}", "SELECT * FROM results.rsltunknown"):
        with pytest.raises(SqlInvalid, match="not found"):
            await ask(engine, stranger, sql)


async def test_the_same_text_has_the_same_snapshot(engine: Engine, caller: Caller) -> None:
    one = await queries.get_run(engine, caller, (await ask(engine, caller, "SELECT 1")).run_id)
    two = await queries.get_run(engine, caller, (await ask(engine, caller, "SELECT 1")).run_id)
    assert one.snapshot_id == two.snapshot_id
    assert one.sql_hash == two.sql_hash


async def test_nothing_is_left_in_staging(
    engine: Engine, caller: Caller, settings: Settings
) -> None:
    await ask(engine, caller, "SELECT 1")
    with pytest.raises(SqlInvalid):
        await ask(engine, caller, "SELECT 100 / (value - 90000) FROM generate_series(1, 100000)")
    await until(lambda: engine.runs.count == 0)
    assert list(engine.blobs.staging_folder.iterdir()) == []


async def test_a_busy_pool_grows_and_a_neighbour_is_answered(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    waiting = asyncio.create_task(ask(engine, caller, ENDLESS))
    await until(lambda: engine.pool.counts["busy"] > 0)
    assert await rows(engine, stranger, "SELECT 1") == [[1]]
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
