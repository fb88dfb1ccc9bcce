"""SQL's information_schema and the one of ``/v1/information_schema``."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from catalog.ids import IdKind, new_id
from catalog.model import Result, ResultStatus
from catalog.store import results as result_store
from engine import errors
from engine.query import information_schema
from engine.service import datasets, tables
from engine.service.context import Caller, Engine

pytestmark = pytest.mark.anyio


async def make(engine: Engine, caller: Caller, label: str, content: str) -> None:
    await datasets.create_dataset(
        engine,
        caller,
        label=label,
        source={"inline": {"format": "csv", "content": content}},
        table_name=None,
    )


async def rows(engine: Engine, caller: Caller, view: str) -> list[dict[str, Any]]:
    table = await information_schema.read_view(engine, caller, view)
    assert table is not None
    table.validate(full=True)
    return table.to_pylist()


async def keep_result(engine: Engine, caller: Caller, status: ResultStatus) -> str:
    result = Result(
        id=new_id(IdKind.RESULT),
        workspace_id=caller.workspace_id,
        status=status,
        created_at=datetime.now(UTC),
        owner="x",
        columns=("n", "n"),
        nullable=(False, True),
        row_count=0,
        inline_ipc=b"",
    )
    await engine.db.append(result_store.upsert_results, result)
    return result.id


async def test_datasets_ready_results_and_views_are_tables(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    await make(engine, caller, "cars", "a,b\n1,x\n")
    await make(engine, stranger, "hidden", "a\n1\n")
    ready = await keep_result(engine, caller, ResultStatus.READY)
    await keep_result(engine, caller, ResultStatus.FAILED)
    await keep_result(engine, stranger, ResultStatus.READY)
    found = [tuple(row.values()) for row in await rows(engine, caller, "tables")]
    views = [
        (catalog, "information_schema", view, "VIEW")
        for catalog in ("datasets", "hotdata")
        for view in ("columns", "indexes", "schemata", "tables")
    ]
    assert sorted(found) == sorted(
        [
            ("datasets", "main", "cars", "BASE TABLE"),
            ("hotdata", "results", ready, "BASE TABLE"),
            *views,
        ]
    )


async def test_columns_are_those_of_the_version_sql_reads(engine: Engine, caller: Caller) -> None:
    await make(engine, caller, "cars", "a,b\n1,x\n")
    result_id = await keep_result(engine, caller, ResultStatus.READY)
    found = await rows(engine, caller, "columns")
    cars = [tuple(row.values())[3:] for row in found if row["table_name"] == "cars"]
    assert cars == [("a", 1, "Int64", "YES"), ("b", 2, "Utf8", "YES")]
    kept = [tuple(row.values())[3:] for row in found if row["table_name"] == result_id]
    assert kept == [("n", 1, None, "NO"), ("n", 2, None, "YES")]
    own = [
        row
        for row in found
        if row["table_catalog"] == "datasets" and row["table_name"] == "columns"
    ]
    assert [row["ordinal_position"] for row in own] == list(range(1, 8))
    assert own[4]["column_name"] == "ordinal_position"
    assert own[4]["data_type"] == "Int32"
    assert own[4]["is_nullable"] == "NO"


async def test_schemata_are_there_even_when_empty(engine: Engine, caller: Caller) -> None:
    found = [tuple(row.values())[:2] for row in await rows(engine, caller, "schemata")]
    assert found == [
        ("datasets", "information_schema"),
        ("datasets", "main"),
        ("hotdata", "information_schema"),
        ("hotdata", "results"),
    ]


async def test_an_unknown_view_is_none(engine: Engine, caller: Caller) -> None:
    assert await information_schema.read_view(engine, caller, "routines") is None


def cursor_of(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


async def page(engine: Engine, caller: Caller, **given: Any) -> tables.TablePage:
    fields: dict[str, Any] = dict.fromkeys(("connection_id", "schema", "table", "limit", "cursor"))
    return await tables.list_tables(engine, caller, include_columns=False, **(fields | given))


async def test_no_connection_has_tables_yet(engine: Engine, caller: Caller) -> None:
    position = cursor_of({"schema": "s", "table": "t", "connection": "c"})
    for given in ({}, {"limit": 0}, {"limit": 5000}, {"cursor": position}):
        found = await page(engine, caller, **given)
        assert (found.items, found.has_more, found.next_cursor) == ((), False, None)
        assert 1 <= found.limit <= 1000


async def test_an_unknown_connection_is_not_found(engine: Engine, caller: Caller) -> None:
    with pytest.raises(errors.NotFound, match="Connection 'conn1' not found"):
        await page(engine, caller, connection_id="conn1")


@pytest.mark.parametrize(
    "given",
    [
        {"limit": -1},
        {"cursor": "?"},
        {"cursor": "é"},
        {"cursor": cursor_of([1])},
        {"cursor": cursor_of({"schema": "s"})},
    ],
)
async def test_a_bad_limit_or_cursor_is_refused(
    engine: Engine, caller: Caller, given: dict[str, Any]
) -> None:
    with pytest.raises(errors.InvalidRequest):
        await page(engine, caller, **given)
