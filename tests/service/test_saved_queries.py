"""Saved queries: limits, versions, overrides and classification."""

from typing import Any

import pytest

from catalog.model import Classification, SavedQuery
from engine import errors
from engine.service import datasets, saved_queries
from engine.service.context import Caller, Engine

pytestmark = pytest.mark.anyio


async def save(engine: Engine, caller: Caller, sql: str = "SELECT 1", **more: Any) -> SavedQuery:
    fields = {"name": "q", "sql": sql, "description": None, "tags": None} | more
    return await saved_queries.create_saved_query(engine, caller, **fields)


async def test_fields_are_trimmed_and_tags_are_made_unique(engine: Engine, caller: Caller) -> None:
    saved = await save(
        engine, caller, " SELECT 1\n", name="  top ten ", tags=["a", " b", "a ", "b"]
    )
    assert (saved.name, saved.version.sql, saved.tags) == ("top ten", "SELECT 1", ("a", "b"))
    assert (saved.description, saved.latest_version) == ("", 1)


@pytest.mark.parametrize(
    ("fields", "is_fine"),
    [
        ({"name": " "}, False),
        ({"name": "n" * 255}, True),
        ({"name": "n" * 256}, False),
        ({"name": " " * 1_999_990 + "n"}, True),
        ({"name": " " * 2_000_000 + "n"}, False),
        ({"sql": "\n"}, False),
        ({"sql": "-" * 1_000_000}, True),
        ({"sql": "-" * 1_000_001}, False),
        ({"sql": "é" * 999_999 + "   "}, False),
        ({"sql": "a\x00"}, False),
        ({"description": "d" * 10_000}, True),
        ({"description": "d" * 10_001}, False),
        ({"tags": [str(i) for i in range(50)]}, True),
        ({"tags": [str(i) for i in range(51)]}, False),
        ({"tags": ["t" * 100]}, True),
        ({"tags": ["t" * 101]}, False),
        ({"tags": [" "]}, False),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_every_limit_is_reached_and_not_passed(
    engine: Engine, caller: Caller, fields: dict[str, Any], is_fine: bool
) -> None:
    if is_fine:
        await save(engine, caller, **fields)
    else:
        with pytest.raises(errors.InvalidRequest):
            await save(engine, caller, **fields)


@pytest.fixture
async def tables(engine: Engine, caller: Caller) -> None:
    for name in ("t", "u"):
        await datasets.create_dataset(
            engine,
            caller,
            label=name,
            source={"inline": {"format": "csv", "content": "a,b\n1,2\n"}},
            table_name=None,
        )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", {"category": "full_scan", "num_tables": 0}),
        ("SELECT * FROM t", {"category": "projection", "num_tables": 1}),
        ("SELECT a FROM datasets.main.t", {"category": "projection", "num_tables": 1}),
        ("SELECT * FROM t WHERE a = 1", {"category": "filtered_scan", "has_predicate": True}),
        ("SELECT * FROM t WHERE a = 1 LIMIT 1", {"category": "point_lookup", "has_limit": True}),
        ("SELECT * FROM t WHERE a = 1 LIMIT 2", {"category": "filtered_scan", "has_limit": True}),
        ("SELECT count(*) FROM t", {"category": "aggregation", "has_group_by": False}),
        ("SELECT a, sum(b) FROM t GROUP BY a", {"category": "aggregation", "has_group_by": True}),
        ("SELECT DISTINCT a FROM t", {"category": "projection", "has_aggregation": False}),
        ("SELECT * FROM t JOIN u ON t.a = u.a", {"category": "join", "num_tables": 2}),
        ("SELECT * FROM t AS x, t AS y", {"category": "join", "num_tables": 2}),
        ("WITH c AS (SELECT a FROM t) SELECT a FROM c ORDER BY a", {"has_order_by": True}),
    ],
)
@pytest.mark.usefixtures("tables")
async def test_the_plan_says_what_a_query_is(
    engine: Engine, caller: Caller, sql: str, expected: dict[str, Any]
) -> None:
    found = (await save(engine, caller, sql)).version.classification
    assert {key: getattr(found, key) for key in expected} == expected


@pytest.mark.parametrize(
    "sql",
    ["SELEC", "SELECT * FROM nowhere", "SELECT 1; SELECT 2", "DROP TABLE t", "((((", "x" * 9000],
)
async def test_what_does_not_plan_is_saved_without_a_classification(
    engine: Engine, caller: Caller, sql: str
) -> None:
    saved = await save(engine, caller, sql)
    assert saved.version.classification == Classification()
    assert saved.version.category is None


async def test_a_stranger_can_neither_read_nor_plan_over_tables(
    engine: Engine, caller: Caller, stranger: Caller, tables: None
) -> None:
    saved = await save(engine, caller)
    assert (await save(engine, stranger, "SELECT * FROM t")).version.category is None
    for attempt in (
        saved_queries.get_saved_query(engine, stranger, saved.id),
        saved_queries.update_saved_query(engine, stranger, saved.id, {"name": "x"}),
        saved_queries.delete_saved_query(engine, stranger, saved.id),
        saved_queries.get_saved_query_version(engine, stranger, saved.id, 1),
        saved_queries.list_saved_query_versions(
            engine, stranger, saved.id, limit=None, offset=None
        ),
    ):
        with pytest.raises(errors.NotFound):
            await attempt


async def test_only_other_sql_makes_a_new_version(engine: Engine, caller: Caller) -> None:
    saved = await save(engine, caller, "SELECT 1", tags=["a"])

    async def update(**changes: Any) -> SavedQuery:
        return await saved_queries.update_saved_query(engine, caller, saved.id, changes)

    same = await update(sql=" SELECT 1 ", name="q", description=None)
    assert same == saved
    renamed = await update(name="r", sql="SELECT 1", tags=[])
    assert (renamed.name, renamed.tags, renamed.latest_version) == ("r", (), 1)
    assert renamed.updated_at > saved.updated_at
    second = await update(sql="SELECT * FROM nowhere")
    assert (second.latest_version, second.version.category) == (2, None)
    third = await update(sql="SELECT 1")
    assert (third.latest_version, third.version.category) == (3, "full_scan")
    assert third.version.snapshot_id == saved.version.snapshot_id
    page = await saved_queries.list_saved_query_versions(
        engine, caller, saved.id, limit=2, offset=0
    )
    assert ([version.version for version in page.items], page.has_more) == ([3, 2], True)
    first = await saved_queries.get_saved_query_version(engine, caller, saved.id, 1)
    assert first.sql == "SELECT 1"
    latest = await saved_queries.get_saved_query_version(engine, caller, saved.id, None)
    assert latest.version == 3
    with pytest.raises(errors.NotFound, match=f"Version 4 not found for saved query '{saved.id}'"):
        await saved_queries.get_saved_query_version(engine, caller, saved.id, 4)


async def test_overrides_are_kept_until_cleared(engine: Engine, caller: Caller) -> None:
    saved = await save(engine, caller)

    async def update(**changes: Any) -> SavedQuery:
        return await saved_queries.update_saved_query(engine, caller, saved.id, changes)

    changed = await update(category_override="join", table_size_override="large")
    assert (changed.version.category, changed.version.table_size_override) == ("join", "large")
    changed = await update(sql="SELECT 2")
    assert (changed.latest_version, changed.version.category) == (2, "join")
    changed = await update(category_override=None)
    assert (changed.version.category, changed.version.table_size_override) == ("full_scan", "large")
    with pytest.raises(errors.InvalidRequest, match="category_override"):
        await update(category_override="huge")
    with pytest.raises(errors.InvalidRequest, match="table_size_override"):
        await update(table_size_override="x" * 101)


@pytest.mark.parametrize("changes", [{}, {"name": None, "sql": None}, {"unknown": 1}])
async def test_an_update_needs_something_to_change(
    engine: Engine, caller: Caller, changes: dict[str, Any]
) -> None:
    saved = await save(engine, caller)
    with pytest.raises(errors.InvalidRequest, match="At least one field"):
        await saved_queries.update_saved_query(engine, caller, saved.id, changes)


async def test_listing_goes_by_name_and_a_limit_of_zero_is_one(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    for name in ("b", "a", "b"):
        await save(engine, caller, name=name)
    page = await saved_queries.list_saved_queries(engine, caller, limit=None, offset=None)
    assert ([query.name for query in page.items], page.limit) == (["a", "b", "b"], 100)
    page = await saved_queries.list_saved_queries(engine, caller, limit=0, offset=1)
    assert ([query.name for query in page.items], page.limit, page.has_more) == (["b"], 1, True)
    page = await saved_queries.list_saved_queries(engine, stranger, limit=None, offset=None)
    assert page.items == ()
