"""Copies of remote tables: made once, replaced as a whole, never half there."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.model import ReadMode
from catalog.store import remote_tables as table_store
from catalog.store import table_syncs
from catalog.store.remote_tables import FoundTable
from engine import errors
from engine.service import connections, refresh
from engine.service.context import Caller, Engine
from engine.service.queries import QueryAnswer, QueryOptions, get_run, run_query
from tests.service.remote import connect_duckdb, connect_postgres, rows_of, write_duckdb
from tests.service.steps import new_caller, staged_files, until

pytestmark = pytest.mark.anyio

# Reads for as long as nobody stops it.
ENDLESS = "CREATE VIEW endless AS SELECT g AS n, pg_sleep(0.05)::text AS t FROM generate_series(1, 100000) g"


def run_in(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in a database; return the rows of the last."""
    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            found = connection.execute(statement.encode())
            rows = found.fetchall() if found.description else []
    return rows


async def found_table(engine: Engine, caller: Caller, connection_id: str, name: str) -> FoundTable:
    return await engine.db.read(
        table_store.get_table, caller.workspace_id, connection_id, "public", name
    )


async def test_the_first_query_copies_and_later_ones_read_the_copy(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    made = await connect_postgres(engine, caller, postgres_database)
    assert await rows_of(engine, caller, "SELECT * FROM pg.public.t") == [[1]]
    run_in(postgres_database, "INSERT INTO t VALUES (2)")
    assert await rows_of(engine, caller, "SELECT * FROM pg.public.t") == [[1]]
    done = await refresh.refresh_table(engine, caller, made.id, "public", "t")
    assert (done.rows_synced, done.warnings) == (2, ())
    assert await rows_of(engine, caller, "SELECT count(*) FROM pg.public.t") == [[2]]
    assert staged_files(engine) == []


async def test_two_hundred_first_queries_read_the_source_once(
    own_engine: Engine, postgres_database: str
) -> None:
    engine, caller = own_engine, await new_caller(own_engine)
    run_in(postgres_database, "CREATE TABLE t AS SELECT generate_series(1, 5000) AS n")
    await connect_postgres(engine, caller, postgres_database)
    before = run_in(postgres_database, "SELECT seq_scan FROM pg_stat_user_tables")[0][0]
    answers = await asyncio.gather(
        *(rows_of(engine, caller, "SELECT count(*) FROM pg.public.t") for _ in range(200)),
    )
    assert all(answer == [[5000]] for answer in answers)

    async def scans() -> int:
        return int(run_in(postgres_database, "SELECT seq_scan FROM pg_stat_user_tables")[0][0])

    assert await until(scans, lambda count: count > before) == before + 1


@pytest.mark.parametrize(
    "statement",
    ["EXPLAIN SELECT * FROM {}", "DESCRIBE {}", "/* c */ explain verbose SELECT * FROM {}"],
)
async def test_a_plan_copies_nothing(
    engine: Engine, caller: Caller, postgres_database: str, statement: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t (n int, m text)")
    made = await connect_postgres(engine, caller, postgres_database)
    assert await rows_of(engine, caller, statement.format("pg.public.t"))
    assert not (await found_table(engine, caller, made.id, "t")).table.is_synced


async def test_explain_analyze_reads(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t (n int)")
    made = await connect_postgres(engine, caller, postgres_database)
    assert await rows_of(engine, caller, "EXPLAIN ANALYZE SELECT * FROM pg.public.t")
    assert (await found_table(engine, caller, made.id, "t")).table.is_synced


async def test_a_query_of_several_sources_joins_their_copies(
    engine: Engine, caller: Caller, postgres_database: str, tmp_path: Path
) -> None:
    run_in(postgres_database, "CREATE TABLE a AS SELECT g AS n FROM generate_series(1, 9) g")
    write_duckdb(
        tmp_path / "x.duckdb", "CREATE TABLE b AS SELECT i AS n, 'x' || i AS t FROM range(3) r(i)"
    )
    await connect_postgres(engine, caller, postgres_database)
    await connect_duckdb(engine, caller, tmp_path / "x.duckdb")
    sql = "SELECT t FROM pg.public.a JOIN duck.main.b USING (n) ORDER BY 1"
    assert await rows_of(engine, caller, sql) == [["x1"], ["x2"]]


async def test_a_failed_sync_fails_the_query_and_leaves_nothing(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(
        postgres_database,
        "CREATE VIEW t AS SELECT 1 / (g - 3000) AS n FROM generate_series(1, 5000) g",
    )
    made = await connect_postgres(engine, caller, postgres_database)
    for _ in range(2):
        with pytest.raises(errors.SourceFailed, match=r"pg\.public\.t.*could not be synced.*zero"):
            await rows_of(engine, caller, "SELECT * FROM pg.public.t")
    found = await found_table(engine, caller, made.id, "t")
    assert not found.table.is_synced
    assert not await engine.db.read(table_syncs.is_syncing, found.table.id)
    assert staged_files(engine) == []
    run_in(postgres_database, "CREATE OR REPLACE VIEW t AS SELECT 7 AS n")
    assert await rows_of(engine, caller, "SELECT * FROM pg.public.t") == [[7]]


async def test_a_table_that_is_gone_says_so(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t (n int)")
    made = await connect_postgres(engine, caller, postgres_database)
    run_in(postgres_database, "DROP TABLE t")
    with pytest.raises(errors.SourceFailed, match="could not be synced"):
        await rows_of(engine, caller, "SELECT * FROM pg.public.t")
    # A look at the source keeps what it once had.
    assert (await refresh.refresh_schemas(engine, caller, made.id)).tables_discovered == 1


async def test_a_sync_that_nobody_waits_for_stops_and_leaves_nothing(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, ENDLESS)
    made = await connect_postgres(engine, caller, postgres_database)
    found = await found_table(engine, caller, made.id, "endless")
    waiting = [
        asyncio.create_task(rows_of(engine, caller, "SELECT * FROM pg.public.endless"))
        for _ in range(2)
    ]

    async def is_syncing() -> bool:
        return await engine.db.read(table_syncs.is_syncing, found.table.id)

    await until(is_syncing, bool)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    assert await is_syncing()
    waiting[1].cancel()
    await until(is_syncing, lambda still: not still)

    async def left() -> list[Path]:
        return staged_files(engine)

    assert await until(left, lambda files: not files) == []


async def test_a_misspelt_name_copies_nothing(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 1 AS n")
    made = await connect_postgres(engine, caller, postgres_database)
    for sql in (
        "SELECT * FROM pg.public.t, nope",
        "EXPLAIN ANALYZE SELECT * FROM pg.public.t, x.y.z",
    ):
        with pytest.raises(errors.SqlInvalid, match="not found"):
            await rows_of(engine, caller, sql)
    assert not (await found_table(engine, caller, made.id, "t")).table.is_synced
    sql = "SELECT x, n FROM (WITH q AS (SELECT 2 AS x) SELECT x FROM q) s, pg.public.t"
    assert await rows_of(engine, caller, sql) == [[2, 1]]


async def test_a_structure_without_fields_is_named(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    write_duckdb(tmp_path / "x", "CREATE VIEW v AS SELECT 1 AS n, {'a': 1}::STRUCT(a INT) AS s")
    write_duckdb(tmp_path / "x", "CREATE VIEW all_types AS SELECT * FROM test_all_types()")
    await connect_duckdb(engine, caller, tmp_path / "x")
    assert await rows_of(engine, caller, "SELECT n FROM duck.main.v") == [[1]]
    with pytest.raises(errors.SourceFailed, match="column 'empty_struct'"):
        await rows_of(engine, caller, "SELECT bool FROM duck.main.all_types")


async def test_a_cancelled_read_ends_at_the_source_too(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE VIEW asleep AS SELECT pg_sleep(600)::text AS t")
    await connect_postgres(engine, caller, postgres_database)
    query = asyncio.create_task(rows_of(engine, caller, "SELECT * FROM pg.public.asleep"))

    async def sleepers() -> list[Any]:
        with psycopg.connect(postgres_database.replace("+psycopg", "")) as connection:
            return connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                " AND datname = current_database()"
            ).fetchall()

    await until(sleepers, bool)
    query.cancel()
    assert await until(sleepers, lambda found: not found) == []


async def test_a_purge_voids_the_sync_under_way(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    engine.settings = engine.settings.model_copy(update={"sync_lease_s": 0.3})
    run_in(postgres_database, ENDLESS)
    made = await connect_postgres(engine, caller, postgres_database)
    found = await found_table(engine, caller, made.id, "endless")
    copying = asyncio.create_task(
        refresh.refresh_table(engine, caller, made.id, "public", "endless")
    )
    await until(lambda: engine.db.read(table_syncs.is_syncing, found.table.id), bool)
    await connections.purge_table(engine, caller, made.id, "public", "endless")
    with pytest.raises(errors.Conflict, match="purged or deleted"):
        await copying


@pytest.mark.parametrize("mode", [ReadMode.CACHED, ReadMode.LIVE])
async def test_a_source_that_never_ends_is_stopped_by_its_size(
    engine: Engine, caller: Caller, postgres_database: str, mode: ReadMode
) -> None:
    engine.settings = engine.settings.model_copy(update={"source_bytes_max": 1 << 20})
    view = "CREATE VIEW wide AS SELECT repeat('x', 1000) AS t FROM generate_series(1, 100000)"
    run_in(postgres_database, view)
    await connect_postgres(engine, caller, postgres_database, mode=mode)
    with pytest.raises(errors.ResourceExhausted, match="SOURCE_BYTES_MAX"):
        await rows_of(engine, caller, "SELECT max(length(t)), avg(length(t)) FROM pg.public.wide")
    assert staged_files(engine) == []


async def test_a_first_query_copies_again_when_a_purge_voids_its_copy(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    engine.settings = engine.settings.model_copy(update={"sync_lease_s": 0.3})
    run_in(postgres_database, "CREATE VIEW slow AS SELECT 1 AS n, pg_sleep(3)::text AS t")
    made = await connect_postgres(engine, caller, postgres_database)
    found = await found_table(engine, caller, made.id, "slow")
    query = asyncio.create_task(rows_of(engine, caller, "SELECT n FROM pg.public.slow"))
    await until(lambda: engine.db.read(table_syncs.is_syncing, found.table.id), bool)
    await connections.purge_table(engine, caller, made.id, "public", "slow")
    assert await query == [[1]]


async def test_a_copy_purged_while_the_query_waits_for_another_is_made_again(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(
        postgres_database,
        "CREATE VIEW slow AS SELECT 1 AS n, pg_sleep(3)::text AS t",
        "CREATE TABLE fast AS SELECT 2 AS n",
    )
    made = await connect_postgres(engine, caller, postgres_database)
    sql = "SELECT s.n, f.n FROM pg.public.slow s, pg.public.fast f"
    query = asyncio.create_task(rows_of(engine, caller, sql))

    async def fast() -> FoundTable:
        return await found_table(engine, caller, made.id, "fast")

    await until(fast, lambda found: found.table.is_synced)
    await connections.purge_table(engine, caller, made.id, "public", "fast")
    assert await query == [[1, 2]]
    assert (await fast()).table.is_synced


async def test_who_waits_for_another_server_syncs_when_its_lease_runs_out(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 5 AS n")
    made = await connect_postgres(engine, caller, postgres_database)
    found = await found_table(engine, caller, made.id, "t")
    token = await engine.db.write(
        table_syncs.claim_sync, found.table, owner="another server", lease_s=0.5
    )
    assert token is not None
    assert await rows_of(engine, caller, "SELECT * FROM pg.public.t") == [[5]]
    assert not await engine.db.write(table_syncs.renew_sync, found.table.id, token, lease_s=1)


async def test_a_reader_sees_one_version_or_the_next(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(
        postgres_database, "CREATE TABLE t AS SELECT 0 AS v, g AS n FROM generate_series(1, 2000) g"
    )
    made = await connect_postgres(engine, caller, postgres_database)
    seen: Counter[tuple[int, ...]] = Counter()
    is_over = asyncio.Event()

    async def look() -> None:
        while not is_over.is_set():
            (row,) = await rows_of(
                engine, caller, "SELECT min(v), max(v), count(*) FROM pg.public.t"
            )
            seen[tuple(row)] += 1

    readers = [asyncio.create_task(look()) for _ in range(3)]
    for version in range(1, 11):
        run_in(postgres_database, f"UPDATE t SET v = {version}")
        await refresh.refresh_table(engine, caller, made.id, "public", "t")
    is_over.set()
    await asyncio.gather(*readers)
    assert all(low == high and count == 2000 for low, high, count in seen)
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ("ALTER TABLE t ADD COLUMN extra text DEFAULT 'x'", ["n", "m", "extra"]),
        ("ALTER TABLE t DROP COLUMN m", ["n"]),
        ("ALTER TABLE t RENAME COLUMN m TO renamed", ["n", "renamed"]),
        ("ALTER TABLE t ALTER COLUMN m TYPE int USING 3", ["n", "m"]),
    ],
)
async def test_columns_that_changed_since_the_last_look_are_right_in_the_copy(
    engine: Engine, caller: Caller, postgres_database: str, change: str, columns: list[str]
) -> None:
    run_in(postgres_database, "CREATE TABLE t (n int, m text)", "INSERT INTO t VALUES (1, 'a')")
    made = await connect_postgres(engine, caller, postgres_database)
    run_in(postgres_database, change)
    done = await refresh.refresh_table(engine, caller, made.id, "public", "t")
    assert done.rows_synced == 1
    shown = await rows_of(
        engine,
        caller,
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_catalog = 'pg' ORDER BY ordinal_position",
    )
    assert [name for (name,) in shown] == columns
    (row,) = await rows_of(engine, caller, "SELECT * FROM pg.public.t")
    expected = run_in(postgres_database, "SELECT * FROM t")[0]
    assert row == list(expected)


async def test_a_growing_column_makes_refreshes_incremental(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(
        postgres_database,
        "CREATE TABLE t (n bigint, at timestamptz)",
        "INSERT INTO t SELECT g, now() FROM generate_series(1, 10) g",
    )
    made = await connect_postgres(engine, caller, postgres_database)
    where = (made.id, "public", "t")
    await connections.update_table(engine, caller, *where, {"cursor_column": "n"})
    total = "SELECT count(*), sum(n), max(n) FROM pg.public.t"
    assert await rows_of(engine, caller, total) == [[10, 55, 10]]
    # Below the cursor nothing is noticed, beyond it everything is.
    run_in(postgres_database, "UPDATE t SET n = -1 WHERE n = 1", "INSERT INTO t VALUES (11), (12)")
    for _ in range(2):
        done = await refresh.refresh_table(engine, caller, *where)
        assert done.rows_synced == 12
        assert await rows_of(engine, caller, total) == [[12, 78, 12]]
    found = await found_table(engine, caller, made.id, "t")
    assert (found.table.cursor_value, len(found.files)) == ("12", 2)
    # With another column the table is read whole.
    run_in(postgres_database, "ALTER TABLE t ADD COLUMN extra int")
    await refresh.refresh_table(engine, caller, *where)
    assert await rows_of(engine, caller, total) == [[12, 76, 12]]
    with pytest.raises(errors.InvalidRequest, match="no column 'x'"):
        await connections.update_table(engine, caller, *where, {"cursor_column": "x"})


async def test_a_loss_is_a_warning(engine: Engine, caller: Caller, postgres_database: str) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 'NaN'::numeric(5,2) AS price, 1 AS n")
    made = await connect_postgres(engine, caller, postgres_database)
    done = await refresh.refresh_table(engine, caller, made.id, "public", "t")
    (warning,) = done.warnings
    assert (warning["schema_name"], warning["table_name"]) == ("public", "t")
    assert "price" in warning["message"]
    assert await rows_of(engine, caller, "SELECT * FROM pg.public.t") == [[None, 1]]


async def test_purging_forgets_the_rows_and_keeps_the_table(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 1 AS n")
    made = await connect_postgres(engine, caller, postgres_database)
    await connections.purge_table(engine, caller, made.id, "public", "t")  # nothing there yet
    await rows_of(engine, caller, "SELECT * FROM pg.public.t")
    run_in(postgres_database, "UPDATE t SET n = 2")
    await connections.purge(engine, caller, made.id)
    detail = await connections.get_connection(engine, caller, made.id)
    assert (detail.table_count, detail.synced_table_count) == (1, 0)
    assert await rows_of(engine, caller, "SELECT * FROM pg.public.t") == [[2]]
    with pytest.raises(errors.NotFound, match=r"public\.other"):
        await connections.purge_table(engine, caller, made.id, "public", "other")


async def test_a_loss_is_told_to_whoever_waited_for_the_copy(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 'NaN'::numeric(5,2) AS price")
    await connect_postgres(engine, caller, postgres_database)
    first, second = [
        await run_query(engine, caller, "SELECT * FROM pg.public.t", QueryOptions())
        for _ in range(2)
    ]
    assert isinstance(first, QueryAnswer)
    assert isinstance(second, QueryAnswer)
    assert "pg.public.t: Column 'price': 1 value" in (first.warning or "")
    assert second.warning is None
    run = await get_run(engine, caller, first.run_id)
    assert run.warning_message == first.warning


async def test_an_incremental_refresh_keeps_the_warnings_of_rows_that_stay(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 1 AS n, 'infinity'::timestamptz AS at")
    made = await connect_postgres(engine, caller, postgres_database)
    where = (made.id, "public", "t")
    await connections.update_table(engine, caller, *where, {"cursor_column": "n"})
    await rows_of(engine, caller, "SELECT * FROM pg.public.t")
    run_in(postgres_database, "INSERT INTO t VALUES (2, now())")
    done = await refresh.refresh_table(engine, caller, *where)
    assert ["infinity" in each["message"] for each in done.warnings] == [True]
    run_in(postgres_database, "TRUNCATE t", "ALTER TABLE t ADD COLUMN m int")
    done = await refresh.refresh_table(engine, caller, *where)
    assert done.warnings == ()


async def test_a_copy_that_has_lost_a_file_is_an_error_and_no_smaller_table(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT g AS n FROM generate_series(1, 9) g")
    made = await connect_postgres(engine, caller, postgres_database)
    await connections.update_table(engine, caller, made.id, "public", "t", {"cursor_column": "n"})
    assert await rows_of(engine, caller, "SELECT count(*) FROM pg.public.t") == [[9]]
    run_in(postgres_database, "INSERT INTO t VALUES (10)")
    await refresh.refresh_table(engine, caller, made.id, "public", "t")
    assert await rows_of(engine, caller, "SELECT count(*) FROM pg.public.t") == [[10]]
    found = await found_table(engine, caller, made.id, "t")
    await engine.blobs.delete([found.files[1].key])
    with pytest.raises(errors.Unavailable, match="missing"):
        await rows_of(engine, caller, "SELECT count(*) FROM pg.public.t")


async def test_tables_that_were_refreshed_while_another_was_copied_are_read_as_they_are_now(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(
        postgres_database,
        "CREATE TABLE fast AS SELECT 1 AS n",
        "CREATE VIEW slow AS SELECT pg_sleep(1.5)::text AS t",
    )
    made = await connect_postgres(engine, caller, postgres_database)
    await rows_of(engine, caller, "SELECT * FROM pg.public.fast")
    sql = "SELECT n FROM pg.public.fast CROSS JOIN pg.public.slow"
    query = asyncio.create_task(rows_of(engine, caller, sql))
    slow = await found_table(engine, caller, made.id, "slow")
    await until(lambda: engine.db.read(table_syncs.is_syncing, slow.table.id), bool)
    old = await found_table(engine, caller, made.id, "fast")
    run_in(postgres_database, "UPDATE fast SET n = 2")
    await refresh.refresh_table(engine, caller, made.id, "public", "fast")
    await engine.blobs.delete([file.key for file in old.files])
    assert await query == [[2]]


async def test_the_columns_of_a_table_are_shown_without_its_rows(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t (n int, m text)")
    made = await connect_postgres(engine, caller, postgres_database)
    await connect_postgres(engine, caller, postgres_database, "live", ReadMode.LIVE)
    for name in ("pg", "live"):
        for statement in ("SHOW COLUMNS FROM {}.public.t", "DESCRIBE {}.public.t"):
            rows = await rows_of(engine, caller, statement.format(name))
            assert [row[0] for row in rows] == ["n", "m"]
    assert not (await found_table(engine, caller, made.id, "t")).table.is_synced
