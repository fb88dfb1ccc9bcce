"""Refreshes of connections: which tables there are, and new copies of their rows."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.model import JobStatus, ReadMode
from engine import errors
from engine.service import connections, jobs, refresh
from engine.service.connections import NewConnection
from engine.service.context import Caller, Engine
from tests.service.remote import connect_duckdb, connect_postgres, rows_of, write_duckdb
from tests.service.steps import finished, new_caller, until
from tests.service.test_syncs import run_in

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A DuckDB file with two tables."""
    made = tmp_path / "x.duckdb"
    write_duckdb(
        made, "CREATE TABLE a AS SELECT 1 AS n", "CREATE TABLE b AS SELECT i FROM range(5) t(i)"
    )
    return made


async def test_a_look_counts_what_is_new_and_what_has_changed(
    engine: Engine, caller: Caller, path: Path
) -> None:
    made = await connect_duckdb(engine, caller, path)
    found = await refresh.refresh_schemas(engine, caller, made.id)
    assert (found.tables_discovered, found.tables_added, found.tables_modified) == (2, 0, 0)
    write_duckdb(path, "CREATE TABLE c (x INT)", "ALTER TABLE a ADD COLUMN m TEXT", "DROP TABLE b")
    found = await refresh.refresh_schemas(engine, caller, made.id)
    assert (found.tables_discovered, found.tables_added, found.tables_modified) == (3, 1, 1)


async def test_one_bad_connection_does_not_stop_the_others(
    engine: Engine, caller: Caller, path: Path
) -> None:
    await connect_duckdb(engine, caller, path)
    nowhere = {"host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}
    bad, _ = await connections.create_connection(
        engine, caller, NewConnection("bad", "postgres", nowhere, skip_discovery=True)
    )
    found = await refresh.refresh_schemas(engine, caller, None)
    assert (found.connections_refreshed, found.connections_failed) == (1, 1)
    assert found.tables_discovered == 2
    ((connection_id, message),) = found.errors
    assert connection_id == bad.id
    assert message
    with pytest.raises(errors.SourceFailed):
        await refresh.refresh_schemas(engine, caller, bad.id)


async def test_a_refresh_renews_what_is_synced_and_the_rest_when_asked(
    engine: Engine, caller: Caller, path: Path
) -> None:
    made = await connect_duckdb(engine, caller, path)
    await rows_of(engine, caller, "SELECT * FROM duck.main.a")
    done = await refresh.refresh_tables(engine, caller, made.id, include_uncached=False)
    assert (done.tables_refreshed, done.tables_failed, done.total_rows) == (1, 0, 1)
    done = await refresh.refresh_tables(engine, caller, made.id, include_uncached=True)
    assert (done.tables_refreshed, done.tables_failed, done.total_rows) == (2, 0, 6)
    write_duckdb(path, "DROP TABLE b")
    done = await refresh.refresh_tables(engine, caller, made.id, include_uncached=True)
    assert (done.tables_refreshed, done.tables_failed) == (1, 1)
    assert (done.errors[0]["schema_name"], done.errors[0]["table_name"]) == ("main", "b")
    # The copy of the table that failed is the one before.
    assert await rows_of(engine, caller, "SELECT count(*) FROM duck.main.b") == [[5]]


async def test_a_job_does_the_same_and_shows_how_far_it_is(
    engine: Engine, caller: Caller, path: Path
) -> None:
    made = await connect_duckdb(engine, caller, path)
    job = await refresh.submit_table(engine, caller, made.id, "main", "b")
    done = await finished(engine, caller, job)
    assert done.status is JobStatus.SUCCEEDED
    assert done.result is not None
    assert (done.result["rows_synced"], done.result["table_name"]) == (5, "b")
    job = await refresh.submit_tables(engine, caller, made.id, include_uncached=True)
    done = await finished(engine, caller, job)
    assert done.result is not None
    assert done.result["total_rows"] == 6
    assert (await rows_of(engine, caller, "SELECT count(*) FROM duck.main.b")) == [[5]]


async def test_a_job_of_which_a_part_failed_says_so(
    engine: Engine, caller: Caller, path: Path
) -> None:
    made = await connect_duckdb(engine, caller, path)
    write_duckdb(path, "DROP TABLE b")
    job = await refresh.submit_tables(engine, caller, made.id, include_uncached=True)
    done = await finished(engine, caller, job)
    assert done.status is JobStatus.PARTIALLY_SUCCEEDED
    assert "duck.main.b" in (done.error_message or "")
    assert done.result is not None
    assert (done.result["tables_refreshed"], done.result["tables_failed"]) == (1, 1)


async def test_a_job_of_which_all_failed_has_failed(
    engine: Engine, caller: Caller, path: Path
) -> None:
    engine.settings = engine.settings.model_copy(update={"job_attempts_max": 1})
    made = await connect_duckdb(engine, caller, path)
    await asyncio.to_thread(path.unlink)
    job = await refresh.submit_tables(engine, caller, made.id, include_uncached=True)
    done = await finished(engine, caller, job)
    assert (done.status, done.result) == (JobStatus.FAILED, None)
    assert "2 of the tables failed" in (done.error_message or "")


async def test_the_same_refresh_is_queued_once(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE VIEW slow AS SELECT pg_sleep(0.5)::text AS n")
    made = await connect_postgres(engine, caller, postgres_database)
    first = await refresh.submit_table(engine, caller, made.id, "public", "slow")
    second = await refresh.submit_table(engine, caller, made.id, "public", "slow")
    assert first.id == second.id
    await finished(engine, caller, first)


async def test_unknown_things_are_not_found(
    engine: Engine, caller: Caller, stranger: Caller, path: Path
) -> None:
    made = await connect_duckdb(engine, caller, path)
    for who, where in ((caller, ("main", "x")), (stranger, ("main", "a"))):
        with pytest.raises(errors.NotFound):
            await refresh.refresh_table(engine, who, made.id, *where)
        with pytest.raises(errors.NotFound):
            await refresh.submit_table(engine, who, made.id, *where)
    with pytest.raises(errors.NotFound):
        await refresh.refresh_schemas(engine, stranger, made.id)
    with pytest.raises(errors.NotFound):
        await refresh.refresh_tables(engine, stranger, made.id, include_uncached=True)


async def test_a_live_table_has_no_copy_to_refresh(
    engine: Engine, caller: Caller, path: Path
) -> None:
    made = await connect_duckdb(engine, caller, path)
    where = (made.id, "main", "a")
    await connections.update_table(engine, caller, *where, {"mode": ReadMode.LIVE})
    with pytest.raises(errors.InvalidRequest, match="live"):
        await refresh.refresh_table(engine, caller, *where)
    done = await refresh.refresh_tables(engine, caller, made.id, include_uncached=True)
    assert done.tables_refreshed == 1


async def test_a_schedule_queues_a_refresh_when_it_is_due(own_engine: Engine, path: Path) -> None:
    engine, caller = own_engine, await new_caller(own_engine)
    made = await connect_duckdb(engine, caller, path)
    await rows_of(engine, caller, "SELECT * FROM duck.main.a")
    changed = await connections.update_connection(
        engine, caller, made.id, {"refresh_interval_s": 3600}
    )
    assert changed.next_refresh_at is not None
    now = datetime.now(UTC)
    assert await engine.schedule.submit_due(now) == 0
    write_duckdb(path, "UPDATE a SET n = 2")
    assert await engine.schedule.submit_due(now + timedelta(hours=2)) == 1
    # It is due again an hour after it was queued, not before.
    assert await engine.schedule.submit_due(now + timedelta(hours=2, minutes=59)) == 0

    async def read() -> list[list[Any]]:
        return await rows_of(engine, caller, "SELECT n FROM duck.main.a")

    assert await until(read, lambda rows: rows == [[2]])
    (job,) = await jobs.list_jobs(engine, caller, job_types=None, statuses=None, limit=10, offset=0)
    assert job.job_type == "data_refresh_connection"
    await connections.update_connection(engine, caller, made.id, {"refresh_interval_s": None})
    assert await engine.schedule.submit_due(now + timedelta(days=9)) == 0
