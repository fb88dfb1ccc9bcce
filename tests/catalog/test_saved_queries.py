"""Saved queries and their versions."""

import asyncio
from typing import Any

import pytest

from catalog.database import Database
from catalog.errors import InvalidValue, NotFound
from catalog.model import Classification, SavedQuery, Workspace
from catalog.store.runs import get_run, upsert_runs
from catalog.store.saved_queries import (
    create_saved_query,
    delete_saved_query,
    get_saved_query,
    get_version,
    list_saved_queries,
    list_versions,
    update_saved_query,
)
from tests.catalog.samples import make_run

pytestmark = pytest.mark.anyio

JOIN = Classification(category="join", num_tables=2, has_join=True, has_limit=False)


async def save(db: Database, workspace: Workspace, **values: Any) -> SavedQuery:
    fields: dict[str, Any] = {"name": "q", "sql": "SELECT 1"}
    return await db.write(create_saved_query, workspace.id, **(fields | values))


async def change(db: Database, saved: SavedQuery, **changes: Any) -> SavedQuery:
    return await db.write(update_saved_query, saved.workspace_id, saved.id, changes, None)


async def test_a_saved_query_comes_back_as_it_went_in(db: Database, workspace: Workspace) -> None:
    saved = await save(
        db, workspace, sql="SELECT 'ä'", description="d", tags=("x", "ä"), classification=JOIN
    )
    assert (saved.name, saved.description, saved.tags) == ("q", "d", ("x", "ä"))
    assert (saved.latest_version, saved.version.version) == (1, 1)
    assert (saved.version.sql, saved.version.classification) == ("SELECT 'ä'", JOIN)
    assert saved.version.category == "join"
    assert await db.read(get_saved_query, workspace.id, saved.id) == saved
    assert await db.read(get_version, workspace.id, saved.id) == saved.version
    assert await db.read(get_version, workspace.id, saved.id, 1) == saved.version


async def test_a_version_shares_its_snapshot_with_equal_runs(
    db: Database, workspace: Workspace
) -> None:
    saved = await save(db, workspace, sql="SELECT 42")
    run = make_run(workspace.id, "SELECT 42", saved_query_id=saved.id, saved_query_version=1)
    assert run.snapshot_id == saved.version.snapshot_id
    assert run.sql_hash == saved.version.sql_hash
    await db.append(upsert_runs, run)
    await db.write(delete_saved_query, workspace.id, saved.id)
    assert await db.read(get_run, workspace.id, run.id) == run


async def test_only_a_changed_sql_text_makes_a_version(db: Database, workspace: Workspace) -> None:
    first = await save(db, workspace, sql="A", classification=JOIN)
    assert await change(db, first, sql="A", name="q", tags=()) == first
    renamed = await change(db, first, sql="A", name="new", description="d", tags=("t",))
    assert (renamed.latest_version, renamed.name, renamed.tags) == (1, "new", ("t",))
    assert renamed.updated_at > first.updated_at
    assert renamed.version.classification == JOIN
    second = await change(db, first, sql="B")
    third = await change(db, first, sql="A")
    assert (second.latest_version, third.latest_version) == (2, 3)
    assert third.version.classification == Classification()
    page = await db.read(list_versions, workspace.id, first.id, limit=2, offset=0)
    assert [(v.version, v.sql) for v in page.items] == [(3, "A"), (2, "B")]
    assert page.has_more


async def test_overrides_are_carried_forward_until_they_change(
    db: Database, workspace: Workspace
) -> None:
    saved = await save(db, workspace, sql="A", classification=JOIN)
    saved = await change(db, saved, category_override="aggregation", table_size_override="big")
    assert saved.latest_version == 1
    assert saved.version.category == "aggregation"
    saved = await change(db, saved, sql="B", table_size_override=None)
    assert saved.latest_version == 2
    assert (saved.version.category_override, saved.version.table_size_override) == (
        "aggregation", None,
    )  # fmt: skip
    first = await db.read(get_version, workspace.id, saved.id, 1)
    assert first.table_size_override == "big"
    assert await change(db, saved, category_override="aggregation") == saved
    cleared = await change(db, saved, category_override=None)
    assert cleared.version.category is None


async def test_versions_made_at_once_by_two_servers_have_no_gap_and_no_twin(
    catalog_url: str, db: Database, workspace: Workspace
) -> None:
    saved = await save(db, workspace)
    second = await Database.open(catalog_url)
    await asyncio.gather(
        *(change((db, second)[n % 2], saved, sql=f"SELECT {n} + 10") for n in range(20))
    )
    await second.close()
    page = await db.read(list_versions, workspace.id, saved.id, limit=100, offset=0)
    assert [version.version for version in page.items] == list(range(21, 0, -1))
    assert len({version.sql for version in page.items}) == 21


async def test_saved_queries_are_paged_by_name(db: Database, workspace: Workspace) -> None:
    for name in ("b", "a", "b", "C"):
        await save(db, workspace, name=name)
    page = await db.read(list_saved_queries, workspace.id, limit=0, offset=1)
    assert ([q.name for q in page.items], page.limit, page.has_more) == (["a"], 1, True)
    page = await db.read(list_saved_queries, workspace.id, limit=10, offset=0)
    assert [q.name for q in page.items] == ["C", "a", "b", "b"]


async def test_foreign_and_deleted_saved_queries_are_unknown(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    foreign = await save(db, other_workspace)
    deleted = await save(db, workspace)
    await db.write(delete_saved_query, workspace.id, deleted.id)
    for unknown in (foreign.id, deleted.id, "svqr1"):
        with pytest.raises(NotFound, match=f"Saved query '{unknown}' not found"):
            await db.read(get_saved_query, workspace.id, unknown)
        with pytest.raises(NotFound):
            await db.read(get_version, workspace.id, unknown, 1)
        with pytest.raises(NotFound):
            await db.read(list_versions, workspace.id, unknown, limit=1, offset=0)
        with pytest.raises(NotFound):
            await db.write(update_saved_query, workspace.id, unknown, {"name": "x"}, None)
        with pytest.raises(NotFound):
            await db.write(delete_saved_query, workspace.id, unknown)


async def test_unknown_versions_and_changes_are_refused(db: Database, workspace: Workspace) -> None:
    saved = await save(db, workspace)
    with pytest.raises(NotFound, match=f"Version 7 not found for saved query '{saved.id}'"):
        await db.read(get_version, workspace.id, saved.id, 7)
    with pytest.raises(InvalidValue):
        await change(db, saved, latest_version=9)
