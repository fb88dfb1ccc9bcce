"""Live tables answer as copies do, and their sources are asked for no more than needed."""

from pathlib import Path

import pytest

from catalog.model import ReadMode
from engine import errors
from engine.service import connections, refresh
from engine.service.context import Caller, Engine
from engine.service.queries import QueryAnswer, QueryOptions, run_query
from tests.service.remote import connect_duckdb, connect_postgres, rows_of, write_duckdb
from tests.service.steps import staged_files, until
from tests.service.test_syncs import run_in

pytestmark = pytest.mark.anyio

ORDERS = """
CREATE TABLE orders AS SELECT
  g AS id,
  (g % 50)::int AS customer,
  CASE WHEN g % 11 = 0 THEN NULL ELSE (g * 37 % 1000)::numeric(12, 2) / 8 END::numeric(12, 2) AS amount,
  chr(65 + g % 26) || chr(97 + g % 7) AS code,
  timestamptz '2024-01-01 00:00:00+00' + g * interval '1 hour' AS at,
  (date '2024-01-01' + g % 400)::date AS day,
  g / 3.0::float8 AS ratio,
  g % 3 = 0 AS paid
FROM generate_series(1, 3000) g
"""
CUSTOMERS = """
CREATE TABLE customers AS SELECT
  i::INT AS id, 'c' || i AS name, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'B' END AS kind
FROM range(50) t(i)
"""

# {o} is a table of Postgres, {c} one of DuckDB.
STATEMENTS = (
    "SELECT * FROM {o} WHERE id < 20 ORDER BY id",
    "SELECT id, code FROM {o} WHERE code = 'Ab' ORDER BY id",
    "SELECT count(*) FROM {o} WHERE code <> 'Ab'",
    "SELECT count(*) FROM {o} WHERE code > 'M' AND code LIKE '%a'",
    "SELECT code FROM {o} ORDER BY code, id LIMIT 5",
    "SELECT min(code), max(code), count(DISTINCT code) FROM {o}",
    "SELECT customer, count(*), sum(amount), min(at), max(day) FROM {o} GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM {o} WHERE at >= '2024-02-01' AND at < '2024-03-01T12:00:00Z'",
    "SELECT count(*) FROM {o} WHERE day BETWEEN DATE '2024-03-01' AND DATE '2024-04-01'",
    "SELECT count(*) FROM {o} WHERE amount > 50.25 AND NOT paid",
    "SELECT count(*) FROM {o} WHERE amount IS NULL OR paid",
    "SELECT count(*), count(amount) FROM {o} WHERE amount IS NOT NULL",
    "SELECT sum(id), sum(id * 2 - 1), avg(id) FROM {o} WHERE id IN (1, 5, 9, 2999)",
    "SELECT id / 7, id % 7 FROM {o} WHERE id < 30 ORDER BY id",
    "SELECT CASE WHEN paid THEN 'yes' ELSE 'no' END AS p, count(*) FROM {o} GROUP BY 1 ORDER BY 1",
    "SELECT day, sum(amount) AS total FROM {o} GROUP BY day HAVING sum(amount) > 400 ORDER BY 2 DESC, 1 LIMIT 7",
    "SELECT a.id FROM {o} a JOIN {o} b ON a.id = b.customer WHERE b.id < 200 ORDER BY 1 LIMIT 9",
    "SELECT id FROM {o} WHERE id = (SELECT max(id) FROM {o} WHERE paid)",
    "SELECT count(*) FROM {o} o WHERE EXISTS (SELECT 1 FROM {o} p WHERE p.id = o.customer AND p.paid)",
    "WITH big AS (SELECT * FROM {o} WHERE amount > 100) SELECT count(*) FROM big JOIN {o} USING (id)",
    "SELECT id, row_number() OVER (PARTITION BY customer ORDER BY id) FROM {o} WHERE id < 60 ORDER BY 1",
    "SELECT 1 AS one, id AS \"Id\" FROM {o} WHERE id = 3",
    "SELECT count(*) FROM {o}",
    "SELECT upper(code) FROM {o} WHERE id < 4 ORDER BY id",
    "SELECT c.name, sum(o.amount) FROM {o} o JOIN {c} c ON c.id = o.customer"
    " WHERE c.kind = 'a' AND o.day < DATE '2024-06-01' GROUP BY 1 ORDER BY 1",
    "SELECT name FROM {c} ORDER BY name LIMIT 3",
    "SELECT kind, count(*) FROM {c} GROUP BY kind ORDER BY kind",
    "SELECT c.id FROM {c} c LEFT JOIN {o} o ON o.id = c.id AND o.paid WHERE o.id IS NULL ORDER BY 1",
    "SELECT id FROM {o} WHERE id < 5 UNION ALL SELECT id FROM {c} WHERE id < 3 ORDER BY 1",
    "SELECT * FROM {c} WHERE id > 100",
)  # fmt: skip


async def connect_both(
    engine: Engine, caller: Caller, postgres_database: str, tmp_path: Path
) -> None:
    run_in(postgres_database, ORDERS)
    write_duckdb(tmp_path / "x.duckdb", CUSTOMERS)
    for mode in ReadMode:
        await connect_postgres(engine, caller, postgres_database, f"pg_{mode}", mode)
        await connect_duckdb(engine, caller, tmp_path / "x.duckdb", f"duck_{mode}", mode=mode)


async def left_over(engine: Engine) -> list[Path]:
    """What is left behind a moment after a query has its rows."""

    async def read() -> list[Path]:
        return staged_files(engine)

    return await until(read, lambda files: not files)


def spelled(statement: str, mode: ReadMode) -> str:
    return statement.format(o=f"pg_{mode}.public.orders", c=f"duck_{mode}.main.customers")


async def test_a_live_table_answers_as_its_copy_does(
    engine: Engine, caller: Caller, postgres_database: str, tmp_path: Path
) -> None:
    await connect_both(engine, caller, postgres_database, tmp_path)
    for statement in STATEMENTS:
        cached = await rows_of(engine, caller, spelled(statement, ReadMode.CACHED))
        live = await rows_of(engine, caller, spelled(statement, ReadMode.LIVE))
        assert repr(live) == repr(cached), statement
    assert await left_over(engine) == []


async def test_a_live_table_has_no_copy_and_is_never_old(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 1 AS n")
    made = await connect_postgres(engine, caller, postgres_database, mode=ReadMode.LIVE)
    for value in (1, 2):
        run_in(postgres_database, f"UPDATE t SET n = {value}")
        assert await rows_of(engine, caller, "SELECT * FROM pg.public.t") == [[value]]
    detail = await connections.get_connection(engine, caller, made.id)
    assert detail.synced_table_count == 0


async def remote_sql(engine: Engine, caller: Caller, statement: str) -> list[str]:
    """What EXPLAIN says the sources are asked for."""
    rows = await rows_of(engine, caller, "EXPLAIN " + statement)
    return [plan for kind, plan in rows if kind == "remote_sql"]


async def test_explain_shows_what_the_sources_are_asked_for(
    engine: Engine, caller: Caller, postgres_database: str, tmp_path: Path
) -> None:
    await connect_both(engine, caller, postgres_database, tmp_path)

    async def asked(statement: str) -> list[str]:
        return await remote_sql(engine, caller, spelled(statement, ReadMode.LIVE))

    (whole,) = await asked("SELECT customer, count(*) FROM {o} WHERE paid GROUP BY 1")
    assert whole.startswith("pg_live: SELECT")
    assert "GROUP BY" in whole
    # A function is on no list: the condition and the columns are asked for, the rest is done here.
    assert await asked("SELECT upper(code) FROM {o} WHERE id < 4") == [
        'pg_live: SELECT id, code FROM public.orders WHERE "id" < 4'
    ]
    mixed = await asked("SELECT c.name FROM {o} o JOIN {c} c ON c.id = o.customer WHERE o.id = 7")
    assert mixed == [
        'pg_live: SELECT id, customer FROM public.orders WHERE "id" = 7',
        "duck_live: SELECT id, name FROM main.customers",
    ]
    assert (await asked("SELECT upper(code) FROM {o} LIMIT 5"))[0].endswith("LIMIT 5")
    # Text is compared by bytes here and by a collation there.
    (compared,) = await asked("SELECT upper(code) FROM {o} WHERE code < 'M'")
    assert "WHERE" not in compared
    plan = await rows_of(engine, caller, "EXPLAIN " + spelled(STATEMENTS[0], ReadMode.LIVE))
    assert {kind for kind, _ in plan} == {"logical_plan", "physical_plan", "remote_sql"}


async def test_one_table_of_a_connection_may_be_live(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 1 AS n", "CREATE TABLE u AS SELECT 1 AS n")
    made = await connect_postgres(engine, caller, postgres_database)
    where = (made.id, "public", "t")
    await connections.update_table(engine, caller, *where, {"mode": ReadMode.LIVE})
    sql = "SELECT t.n, u.n AS m FROM pg.public.t CROSS JOIN pg.public.u"
    assert await rows_of(engine, caller, sql) == [[1, 1]]
    run_in(postgres_database, "UPDATE t SET n = 2", "UPDATE u SET n = 2")
    assert await rows_of(engine, caller, sql) == [[2, 1]]
    await connections.update_table(engine, caller, *where, {"mode": None})
    assert await rows_of(engine, caller, sql) == [[2, 1]]


async def test_a_column_that_is_gone_is_no_wrong_count(
    engine: Engine, caller: Caller, postgres_database: str, tmp_path: Path
) -> None:
    table = "CREATE TABLE t AS SELECT 1 AS n, 2 AS m"
    run_in(postgres_database, table)
    write_duckdb(tmp_path / "x.duckdb", table)
    pg = await connect_postgres(engine, caller, postgres_database, mode=ReadMode.LIVE)
    duck = await connect_duckdb(engine, caller, tmp_path / "x.duckdb", mode=ReadMode.LIVE)
    run_in(postgres_database, "ALTER TABLE t DROP COLUMN n")
    write_duckdb(tmp_path / "x.duckdb", "ALTER TABLE t DROP COLUMN n")
    for name, made in (("pg.public", pg), ("duck.main", duck)):
        count = f"SELECT upper('k'), count(*) FROM {name}.t"
        with pytest.raises(errors.SourceFailed, match="no column 'n' any more"):
            await rows_of(engine, caller, count)
        await refresh.refresh_schemas(engine, caller, made.id)
        assert await rows_of(engine, caller, count) == [["K", 1]]


async def test_names_of_columns_by_their_places(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 1 AS n, 'b' AS m")
    await connect_postgres(engine, caller, postgres_database, mode=ReadMode.LIVE)
    for sql in (
        "SELECT upper(y) FROM pg.public.t AS z (x, y)",
        "WITH t AS (SELECT * FROM t) SELECT upper(m) FROM t",
        "SELECT upper(t.m) FROM t JOIN t u ON u.n = t.n WINDOW t AS (ORDER BY u.m)",
    ):
        options = QueryOptions(default_catalog="pg", default_schema="public")
        answer = await run_query(engine, caller, sql, options)
        assert isinstance(answer, QueryAnswer)
        assert b'"B"' in answer.body_bytes


async def test_a_live_source_that_fails_is_a_typed_error(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(postgres_database, "CREATE TABLE t AS SELECT 1 AS n")
    await connect_postgres(engine, caller, postgres_database, mode=ReadMode.LIVE)
    run_in(postgres_database, "DROP TABLE t")
    with pytest.raises(errors.SourceFailed):
        await rows_of(engine, caller, "SELECT * FROM pg.public.t")
    assert await left_over(engine) == []
