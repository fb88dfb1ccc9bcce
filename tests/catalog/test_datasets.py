"""Datasets and their versions."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from catalog.database import Database
from catalog.errors import Conflict, InvalidValue, NotFound
from catalog.model import Dataset, DatasetVersion, Workspace
from catalog.store.datasets import (
    add_version,
    create_dataset,
    delete_dataset,
    find_table,
    get_dataset,
    get_version,
    list_datasets,
    list_tables,
    list_versions,
    update_dataset,
)
from catalog.store.uploads import claim_upload, get_upload, insert_upload, release_upload
from tests.catalog.samples import make_upload, make_version

pytestmark = pytest.mark.anyio


async def make_dataset(
    db: Database, workspace: Workspace, table_name: str = "cars", **values: Any
) -> Dataset:
    fields: dict[str, Any] = {
        "label": table_name.title(),
        "source": {"type": "inline", "ä": [1, None]},
        "version": make_version(workspace.id),
    } | values
    return await db.write(create_dataset, workspace.id, table_name=table_name, **fields)


async def test_a_dataset_comes_back_as_it_went_in(db: Database, workspace: Workspace) -> None:
    version = make_version(workspace.id)
    dataset = await make_dataset(db, workspace, version=version)
    assert dataset.id == version.dataset_id
    assert await db.read(get_dataset, workspace.id, dataset.id) == dataset
    assert await db.read(get_version, workspace.id, dataset.id, 1) == version
    assert await db.read(find_table, workspace.id, "main", "cars") == (dataset, version)


async def test_a_version_without_files_is_found(db: Database, workspace: Workspace) -> None:
    version = make_version(workspace.id, files=(), sort_columns=())
    dataset = await make_dataset(db, workspace, version=version)
    assert await db.read(find_table, workspace.id, "main", "cars") == (dataset, version)


async def test_names_are_matched_exactly_and_per_workspace(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    mine = await make_dataset(db, workspace, "Cars")
    theirs = await make_dataset(db, other_workspace, "Cars")
    found = await db.read(find_table, workspace.id, "main", "Cars")
    assert found is not None
    assert found[0] == mine
    assert await db.read(find_table, workspace.id, "main", "cars") is None
    assert await db.read(find_table, workspace.id, "other", "Cars") is None
    with pytest.raises(NotFound):
        await db.read(get_dataset, workspace.id, theirs.id)
    with pytest.raises(NotFound):
        await db.read(get_version, workspace.id, theirs.id, 1)
    with pytest.raises(NotFound):
        await db.read(list_versions, workspace.id, theirs.id, limit=1, offset=0)
    with pytest.raises(NotFound):
        await db.write(update_dataset, workspace.id, theirs.id, {"label": "x"})
    with pytest.raises(NotFound):
        await db.write(add_version, workspace.id, theirs.id, make_version(workspace.id))
    with pytest.raises(NotFound):
        await db.write(delete_dataset, workspace.id, theirs.id)


async def test_a_table_name_is_taken_once(db: Database, workspace: Workspace) -> None:
    outcomes = await asyncio.gather(
        *(make_dataset(db, workspace) for _ in range(10)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(refused) == 9
    assert {(type(e), str(e)) for e in refused} == {
        (Conflict, "Table name 'cars' is already in use")
    }
    other = await make_dataset(db, workspace, "bikes")
    with pytest.raises(Conflict):
        await db.write(update_dataset, workspace.id, other.id, {"table_name": "cars"})


async def test_an_upload_feeds_exactly_one_dataset(db: Database, workspace: Workspace) -> None:
    upload = make_upload(workspace.id)
    await db.write(insert_upload, upload)
    with pytest.raises(Conflict):
        # Nobody claimed it: the dataset must not appear either.
        await make_dataset(db, workspace, upload_id=upload.id)
    assert await db.read(find_table, workspace.id, "main", "cars") is None
    await db.write(claim_upload, workspace.id, upload.id)
    # Released by a second server's start and claimed again: whoever consumes first wins.
    await db.write(release_upload, workspace.id, upload.id)
    await db.write(claim_upload, workspace.id, upload.id)
    outcomes = await asyncio.gather(
        *(make_dataset(db, workspace, f"cars{n}", upload_id=upload.id) for n in range(5)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "Dataset", *["InvalidValue"] * 4,
    ]  # fmt: skip
    assert (await db.read(get_upload, workspace.id, upload.id)).status == "consumed"
    assert len(await db.read(list_tables, workspace.id)) == 1


async def test_a_pin_chooses_the_version_that_sql_reads(db: Database, workspace: Workspace) -> None:
    dataset = await make_dataset(db, workspace)
    second = make_version(workspace.id, dataset.id, row_count=99)
    added = await db.write(add_version, workspace.id, dataset.id, second)
    assert added == replace(second, version=2)

    async def effective() -> DatasetVersion:
        found = await db.read(find_table, workspace.id, "main", "cars")
        assert found is not None
        return found[1]

    assert await effective() == added
    pinned = await db.write(update_dataset, workspace.id, dataset.id, {"pinned_version": 1})
    assert (pinned.pinned_version, pinned.latest_version) == (1, 2)
    assert (await effective()).version == 1
    renamed = await db.write(update_dataset, workspace.id, dataset.id, {"label": "New"})
    assert (renamed.label, renamed.pinned_version) == ("New", 1)
    assert renamed.updated_at > dataset.updated_at
    for unknown in (0, 3):
        with pytest.raises(InvalidValue):
            await db.write(update_dataset, workspace.id, dataset.id, {"pinned_version": unknown})
    await db.write(update_dataset, workspace.id, dataset.id, {"pinned_version": None})
    assert await effective() == added


async def test_an_unknown_change_is_refused(db: Database, workspace: Workspace) -> None:
    dataset = await make_dataset(db, workspace)
    with pytest.raises(InvalidValue):
        await db.write(update_dataset, workspace.id, dataset.id, {"latest_version": 7})


async def test_versions_added_at_once_by_two_servers_have_no_gap_and_no_twin(
    catalog_url: str, db: Database, workspace: Workspace
) -> None:
    dataset = await make_dataset(db, workspace)
    second = await Database.open(catalog_url)
    added = await asyncio.gather(
        *(
            (db, second)[n % 2].write(
                add_version, workspace.id, dataset.id, make_version(workspace.id, dataset.id)
            )
            for n in range(30)
        )
    )
    await second.close()
    assert sorted(version.version for version in added) == list(range(2, 32))
    page = await db.read(list_versions, workspace.id, dataset.id, limit=10, offset=5)
    assert [version.version for version in page.items] == list(range(26, 16, -1))
    assert page.has_more
    assert all(len(version.files) == 2 for version in page.items)


async def test_datasets_are_paged_by_label(db: Database, workspace: Workspace) -> None:
    labels = ["b", "B", "a", "ä", "Z"]
    for number, label in enumerate(labels):
        await make_dataset(db, workspace, f"t{number}", label=label)
    page = await db.read(list_datasets, workspace.id, limit=3, offset=1)
    assert [dataset.label for dataset in page.items] == ["Z", "a", "b"]
    assert (page.limit, page.offset, page.has_more) == (3, 1, True)
    everything = await db.read(list_datasets, workspace.id, limit=10_000, offset=-1)
    assert [dataset.label for dataset in everything.items] == sorted(labels)
    assert (everything.limit, everything.offset, everything.has_more) == (1000, 0, False)
    nothing = await db.read(list_datasets, workspace.id, limit=0, offset=0)
    assert (nothing.items, nothing.has_more) == ((), True)


async def test_tables_are_listed_with_their_effective_versions(
    db: Database, workspace: Workspace
) -> None:
    for name in ("b", "a"):
        dataset = await make_dataset(db, workspace, name)
        version = make_version(workspace.id, dataset.id)
        await db.write(add_version, workspace.id, dataset.id, version)
    tables = await db.read(list_tables, workspace.id)
    assert [(d.table_name, v.version, len(v.files)) for d, v in tables] == [
        ("a", 2, 2), ("b", 2, 2),
    ]  # fmt: skip


async def test_a_deleted_dataset_frees_its_name(db: Database, workspace: Workspace) -> None:
    dataset = await make_dataset(db, workspace)
    await db.write(delete_dataset, workspace.id, dataset.id)
    with pytest.raises(NotFound, match=f"Dataset '{dataset.id}' not found"):
        await db.read(get_dataset, workspace.id, dataset.id)
    with pytest.raises(NotFound):
        await db.read(get_version, workspace.id, dataset.id, 1)
    assert await db.read(find_table, workspace.id, "main", "cars") is None
    await make_dataset(db, workspace)
