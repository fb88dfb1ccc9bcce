"""Postgres' dialect through the service: written, planned over tables, described, kept and refused."""

import io
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.model import Dataset
from engine.errors import SqlInvalid
from engine.pg_catalog.functions import VERSION
from engine.service import datasets, describing, queries
from engine.service.context import Caller, Engine
from engine.service.queries import QueryAnswer, QueryOptions
from tests.service.steps import send_file

pytestmark = pytest.mark.anyio

_LISTS = {
    "element": pa.list_(pa.field("element", pa.int64())),
    "required": pa.list_(pa.field("item", pa.int64(), nullable=False)),
    "fixed": pa.list_(pa.int64(), 2),
    "large": pa.large_list(pa.int64()),
}


async def ask(engine: Engine, caller: Caller, sql: str, **options: Any) -> tuple[list[str], Any]:
    answer = await queries.run_query(engine, caller, sql, QueryOptions(**options))
    assert isinstance(answer, QueryAnswer)
    rows = orjson.loads(b"[" + answer.body_bytes + b"]")
    return list(answer.columns), rows


@pytest.fixture
async def docs(engine: Engine, caller: Caller) -> str:
    """A table of documents, with lists of every shape that Parquet has."""
    table = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int64()),
            "doc": ['{"a": {"b": [10, 20]}, "k": "x"}', '{"a": {}, "k": "y"}', None],
            **{name: pa.array([[1, 2], [3, 4], None], kind) for name, kind in _LISTS.items()},
        }
    )
    data = io.BytesIO()
    pq.write_table(table, data)
    upload_id = await send_file(engine, caller, data.getvalue(), "application/vnd.apache.parquet")
    made = await datasets.create_dataset(
        engine,
        caller,
        label="dialect docs",
        source={"upload_id": upload_id},
        table_name=None,
        is_async=False,
    )
    assert isinstance(made, Dataset)
    return f"datasets.{made.schema_name}.{made.table_name}"


async def test_json_of_a_table(engine: Engine, caller: Caller, docs: str) -> None:
    columns, rows = await ask(
        engine,
        caller,
        f"SELECT id, doc #>> '{{a,b,1}}', doc ->> 'k' AS key FROM {docs} "
        "WHERE doc -> 'a' ->> 'b' IS NOT NULL",
    )
    assert columns == ["id", "?column?", "key"]
    assert rows == [[1, "20", "x"]]


@pytest.mark.parametrize("name", _LISTS)
async def test_a_list_of_any_shape_is_json(
    engine: Engine, caller: Caller, docs: str, name: str
) -> None:
    _, rows = await ask(
        engine, caller, f"SELECT array_to_json({name}), pg_typeof({name}) FROM {docs} ORDER BY id"
    )
    assert rows == [["[1,2]", "bigint[]"], ["[3,4]", "bigint[]"], [None, "bigint[]"]]


async def test_rows_of_a_column(engine: Engine, caller: Caller, docs: str) -> None:
    sql = f"SELECT d.id, x.n FROM {docs} AS d, unnest(d.element) AS x(n) WHERE x.n > 1 ORDER BY 2"
    assert await ask(engine, caller, sql) == (["id", "n"], [[1, 2], [2, 3], [2, 4]])


async def test_a_session_beside_a_table(engine: Engine, caller: Caller, docs: str) -> None:
    columns, rows = await ask(
        engine,
        caller,
        f"SELECT current_user, current_schema, current_database(), version() FROM {docs} LIMIT 1",
    )
    assert columns == ["current_user", "current_schema", "current_database", "version"]
    assert rows == [[caller.user_public_id, "main", "datasets", VERSION]]


async def test_the_text_of_a_run_is_the_users(engine: Engine, caller: Caller) -> None:
    sql = "SELECT '{\"a\": 1}' ->> 'a' AS a, current_user FETCH FIRST ROW ONLY"
    await ask(engine, caller, sql)
    page = await queries.list_runs(engine, caller, limit=1)
    assert page.items[0].sql_text == sql


async def test_a_statement_is_described(engine: Engine, caller: Caller, docs: str) -> None:
    described = await describing.describe_statement(
        engine,
        caller,
        f"SELECT doc ->> $1 AS v, id FROM {docs} WHERE id = ANY ($2)",
        QueryOptions(),
    )
    assert [column.name for column in described.columns] == ["v", "id"]
    assert described.parameters == {1: 25, 2: 1016}


async def test_a_branch_that_never_runs_refuses_nothing(engine: Engine, caller: Caller) -> None:
    """DataFusion tries ``div(1, 0)`` while it plans, and leaves it where it is."""
    sql = "SELECT CASE WHEN x > 0 THEN 1 ELSE div(1, 0) END FROM generate_series(1, 3) AS g(x)"
    assert (await ask(engine, caller, sql))[1] == [[1.0]] * 3
    with pytest.raises(SqlInvalid, match="No field named y"):
        await ask(engine, caller, sql.replace("x > 0", "y > 0"))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT scale('x')", "'x' is no number"),
        ("SELECT width_bucket(2.0, ARRAY[1, NULL])", "width_bucket_of: "),
        ("SELECT '[1,'::json", "invalid input syntax for type json"),
        ("SELECT 'x'::uuid", 'invalid input syntax for type uuid: "x"'),
        ("SELECT 1 WHERE 1 IN (SELECT 1) EXCEPT ALL SELECT 1", "EXCEPT ALL is not supported"),
        ("SELECT EXISTS (SELECT 1)", r"EXISTS \(SELECT …\) is supported in WHERE only"),
    ],
)
async def test_what_is_refused_says_why(
    engine: Engine, caller: Caller, sql: str, message: str
) -> None:
    with pytest.raises(SqlInvalid, match=message) as raised:
        await ask(engine, caller, sql)
    assert "Traceback" not in str(raised.value)
    assert "PyErr" not in str(raised.value)


async def test_scale_of_no_number(engine: Engine, caller: Caller) -> None:
    sql = "SELECT scale('NaN'), min_scale('Infinity'), scale(1.50), min_scale('1.500')"
    assert (await ask(engine, caller, sql))[1] == [[None, None, 2, 1]]
