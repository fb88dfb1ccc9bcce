"""Document datasets, entries, files, segments and notifications in the catalog."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from catalog.database import Database
from catalog.document_model import (
    DatasetTotals,
    DocumentDataset,
    Entry,
    EntryFile,
    EntryStatus,
    FileKind,
    Segment,
    SegmentFile,
)
from catalog.document_tables import document_entries, document_segment_files
from catalog.errors import Conflict, NotFound, Superseded
from catalog.model import Workspace
from catalog.store import document_datasets as dataset_store
from catalog.store import document_deliveries as delivery_store
from catalog.store import document_entries as entry_store
from catalog.store import document_segments as segment_store
from catalog.store.garbage import referenced_keys
from catalog.store.workspaces import create_workspace, find_numbered, get_organization
from catalog.tables import dropped_blobs

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def make_dataset(
    db: Database, workspace: Workspace, slug: str = "papers", **values: Any
) -> DocumentDataset:
    fields: dict[str, Any] = {
        "name": slug.title(),
        "slug": slug,
        "description": "",
        "dataset_type": "text",
        "schema_definition": {"schema_id": "s", "version": "v1"},
        "current_schema_version": "v1",
    } | values
    return await db.write(dataset_store.insert_dataset, workspace.id, fields)


async def make_entry(db: Database, dataset: DocumentDataset, slug: str = "one") -> Entry:
    fields = {
        "dataset_id": dataset.id,
        "name": slug.title(),
        "slug": slug,
        "description": "",
        "metadata": {"ä": [1, None]},
        "mime_type": "text/plain",
    }
    return await db.write(entry_store.insert_entry, dataset.workspace_id, fields)


def make_file(entry: Entry, name: str = "a.pdf", **values: Any) -> EntryFile:
    fields: dict[str, Any] = {
        "entry_id": entry.id,
        "workspace_id": entry.workspace_id,
        "kind": FileKind.ORIGINAL,
        "key": f"{entry.id}/{name}",
        "file_name": name,
        "blob_key": f"documents/{entry.id}/{name}",
        "size_bytes": 10,
        "mime_type": "application/pdf",
        "sha256": "0" * 64,
        "created_at": NOW,
    }
    return EntryFile(**fields | values)


def make_segment(
    dataset: DocumentDataset, segment_id: str, registrations: tuple[int, ...], **values: Any
) -> Segment:
    fields: dict[str, Any] = {
        "id": segment_id,
        "workspace_id": dataset.workspace_id,
        "dataset_id": dataset.id,
        "registrations": registrations,
        "entry_count": len(registrations),
        "chunk_count": 5,
        "width": 4,
        "files": (SegmentFile("rows/a.parquet", f"segments/{segment_id}/a", 7),),
        "created_at": NOW,
    }
    return Segment(**fields | values)


async def register(
    db: Database, entry: Entry, registration: int, segment_id: str = "dseg1"
) -> Entry:
    changes = {
        "registration": registration,
        "segment_id": segment_id,
        "status": EntryStatus.PROCESSED,
    }
    return await db.write(entry_store.change_entry, entry.workspace_id, entry.id, changes)


async def dropped(db: Database) -> set[str]:
    return set(await db.read(lambda conn: conn.scalars(select(dropped_blobs.c.key)).all()))


async def test_organizations_and_workspaces_have_numbers(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    organization = await db.read(get_organization, workspace.organization_id)
    assert organization.number == 1
    assert (workspace.number, other_workspace.number) == (1, 2)
    third = await db.write(create_workspace, organization.id, name="third")
    assert third.number == 3
    assert await db.read(find_numbered, organization.id, 3) == third
    assert await db.read(find_numbered, organization.id, 4) is None
    assert await db.read(find_numbered, "orgx", 3) is None


async def test_a_dataset_comes_back_as_it_went_in(db: Database, workspace: Workspace) -> None:
    made = await make_dataset(db, workspace, webhook_config={"url": "https://x", "events": []})
    assert made.version == 1
    assert await db.read(dataset_store.get_dataset, workspace.id, made.id) == made
    assert await db.read(dataset_store.find_dataset, workspace.id, "papers") == made
    assert await db.read(dataset_store.list_datasets, workspace.id) == (made,)


async def test_a_dataset_is_of_one_workspace(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    made = await make_dataset(db, workspace)
    twin = await make_dataset(db, other_workspace)
    assert made.id != twin.id
    for foreign in (twin.id, 10**6, 0, -1, 2**64):
        with pytest.raises(NotFound, match=rf"Dataset with id {foreign} not found"):
            await db.read(dataset_store.get_dataset, workspace.id, foreign)
    assert await db.read(
        dataset_store.list_datasets, workspace.id, ids=[twin.id, made.id, 2**70]
    ) == (made,)


async def test_a_slug_is_taken_once(db: Database, workspace: Workspace) -> None:
    made = await make_dataset(db, workspace)
    other = await make_dataset(db, workspace, "other")
    with pytest.raises(Conflict, match="slug 'papers' already exists"):
        await make_dataset(db, workspace)
    with pytest.raises(Conflict, match="slug 'papers' already exists"):
        await db.write(dataset_store.update_dataset, workspace.id, other.id, {"slug": made.slug})


async def test_a_change_counts_the_version(db: Database, workspace: Workspace) -> None:
    made = await make_dataset(db, workspace)
    changed = await db.write(
        dataset_store.update_dataset, workspace.id, made.id, {"name": "New"}, version=1
    )
    assert (changed.name, changed.version) == ("New", 2)
    assert changed.updated_at > made.updated_at
    with pytest.raises(Conflict, match="its version is 2, not 1"):
        await db.write(
            dataset_store.update_dataset, workspace.id, made.id, {"name": "Old"}, version=1
        )


async def test_datasets_are_paged_newest_first(db: Database, workspace: Workspace) -> None:
    made = [await make_dataset(db, workspace, f"d{number}") for number in range(3)]
    total, page = await db.read(dataset_store.page_datasets, workspace.id, limit=2, offset=1)
    assert total == 3
    assert [each.id for each in page] == [made[1].id, made[0].id]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FileKind.PROCESSED, EntryStatus.PROCESSED),
        (FileKind.PROCESSED, EntryStatus.UPLOADED),
        (FileKind.PROCESSING, EntryStatus.PROCESSING),
    ],
)
async def test_the_first_width_is_settled_while_there_are_vectors(
    db: Database, workspace: Workspace, kind: FileKind, status: EntryStatus
) -> None:
    made = await make_dataset(db, workspace)

    async def know(width: int) -> int:
        return await db.write(dataset_store.know_width, made.id, width)

    async def change(**values: Any) -> None:
        await db.write(entry_store.change_entry, workspace.id, entry.id, values)

    assert await know(256) == 256
    assert await know(64) == 64
    entry = await make_entry(db, made)
    if kind is FileKind.PROCESSED:
        await register(db, entry, 7)
    await change(status=status)
    await db.write(entry_store.put_files, [make_file(entry, "vectors-000000.arrow", kind=kind)])
    assert await know(256) == 64
    await change(registration=None, status=EntryStatus.FAILED)
    assert await know(256) == 256


async def test_files_of_other_names_settle_no_width(db: Database, workspace: Workspace) -> None:
    made = await make_dataset(db, workspace)
    entry = await make_entry(db, made)
    await register(db, entry, 7)
    for name in ("content.json", "chunks.arrow", "vectors-1.png"):
        file = make_file(entry, name, kind=FileKind.PROCESSED)
        await db.write(entry_store.put_files, [file])
    assert await db.write(dataset_store.know_width, made.id, 256) == 256
    assert await db.write(dataset_store.know_width, made.id, 64) == 64


async def test_totals_count_entries_once(db: Database, workspace: Workspace) -> None:
    dataset, empty = await make_dataset(db, workspace), await make_dataset(db, workspace, "empty")
    one, two = await make_entry(db, dataset), await make_entry(db, dataset, "two")
    await db.write(
        entry_store.put_files,
        [
            make_file(one),
            make_file(one, "b.png"),
            make_file(one, "tmp.bin", kind=FileKind.PROCESSING, expires_at=NOW),
        ],
    )
    assert two.id
    counted = await db.read(dataset_store.count_entries, [dataset.id, empty.id])
    assert counted == {dataset.id: DatasetTotals(entry_count=2, size_bytes=20)}


async def test_an_entry_comes_back_as_it_went_in(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    entry = await make_entry(db, await make_dataset(db, workspace))
    assert entry.status is EntryStatus.PENDING
    assert await db.read(entry_store.get_entry, workspace.id, entry.id) == entry
    with pytest.raises(NotFound, match=f"Entry with id {entry.id} not found"):
        await db.read(entry_store.get_entry, other_workspace.id, entry.id)
    for unknown in (0, -5, 10**9, 2**70):
        with pytest.raises(NotFound):
            await db.write(entry_store.change_entry, workspace.id, unknown, {})


async def test_ids_are_never_used_again(db: Database, workspace: Workspace) -> None:
    dataset = await make_dataset(db, workspace)
    first = await make_entry(db, dataset)
    await db.write(entry_store.delete_entry, workspace.id, first.id)
    second = await make_entry(db, dataset)
    assert second.id > first.id
    await db.write(dataset_store.delete_dataset, workspace.id, dataset.id)
    assert (await make_dataset(db, workspace)).id > dataset.id


async def test_entries_have_slugs_of_their_dataset(db: Database, workspace: Workspace) -> None:
    dataset, other = await make_dataset(db, workspace), await make_dataset(db, workspace, "other")
    await make_entry(db, dataset)
    await make_entry(db, other)
    with pytest.raises(Conflict, match="slug 'one' already exists in this dataset"):
        await make_entry(db, dataset)


async def test_entries_are_filtered_and_paged(db: Database, workspace: Workspace) -> None:
    dataset, other = await make_dataset(db, workspace), await make_dataset(db, workspace, "other")
    made = [await make_entry(db, dataset, f"e{number}") for number in range(4)]
    elsewhere = await make_entry(db, other)
    await register(db, made[2], 77)

    async def ids(**filters: Any) -> tuple[int, list[int]]:
        page = {"limit": 2, "offset": 0} | filters
        total, found = await db.read(entry_store.page_entries, workspace.id, **page)
        return total, [entry.id for entry in found]

    assert await ids() == (5, [elsewhere.id, made[3].id])
    assert await ids(dataset_id=dataset.id, offset=2) == (4, [made[1].id, made[0].id])
    assert await ids(status=EntryStatus.PROCESSED) == (1, [made[2].id])
    assert await ids(slugs=["e1", "none"]) == (1, [made[1].id])
    assert await ids(ids=[made[0].id, elsewhere.id, 2**80], dataset_id=other.id) == (
        1,
        [elsewhere.id],
    )


async def test_a_change_needs_the_run_and_the_status(db: Database, workspace: Workspace) -> None:
    entry = await make_entry(db, await make_dataset(db, workspace))
    change = entry_store.change_entry
    with pytest.raises(Superseded):
        await db.write(change, workspace.id, entry.id, {"name": "x"}, run=1)
    with pytest.raises(Conflict, match="has status 'pending'"):
        await db.write(change, workspace.id, entry.id, {"name": "x"}, statuses=[EntryStatus.FAILED])
    changed = await db.write(
        change, workspace.id, entry.id, {"run": 1}, run=0, statuses=[EntryStatus.PENDING]
    )
    assert (changed.run, changed.name) == (1, "One")


async def test_a_file_replaces_the_one_of_its_key_or_its_blob(
    db: Database, workspace: Workspace
) -> None:
    entry = await make_entry(db, await make_dataset(db, workspace))
    old = make_file(entry)
    await db.write(entry_store.put_files, [old, make_file(entry, "b.png")])
    new = make_file(entry, blob_key="documents/new")
    moved = make_file(entry, "c.png", blob_key=f"documents/{entry.id}/b.png")
    await db.write(entry_store.put_files, [new, moved])
    files = await db.read(entry_store.list_files, workspace.id, [entry.id])
    assert files == {entry.id: (new, moved)}
    assert old.blob_key in await dropped(db)
    keys = [old.blob_key, new.blob_key, moved.blob_key]
    assert await db.read(referenced_keys, keys) == {new.blob_key, moved.blob_key}


async def test_files_expire(db: Database, workspace: Workspace) -> None:
    entry = await make_entry(db, await make_dataset(db, workspace))
    brief = make_file(entry, "b", kind=FileKind.PROCESSING, expires_at=NOW)
    await db.write(entry_store.put_files, [make_file(entry), brief])
    assert await db.write(entry_store.expire_files, NOW - timedelta(seconds=1)) == 0
    assert await db.write(entry_store.expire_files, NOW) == 1
    assert await dropped(db) == {brief.blob_key}


async def test_a_cut_upload_is_forgotten(db: Database, workspace: Workspace) -> None:
    dataset = await make_dataset(db, workspace)
    cut, whole = await make_entry(db, dataset), await make_entry(db, dataset, "two")
    for entry, status in ((cut, EntryStatus.UPLOADING), (whole, EntryStatus.UPLOADED)):
        await db.write(entry_store.change_entry, workspace.id, entry.id, {"status": status})
    assert await db.write(entry_store.forget_uploading, NOW) == 0
    assert await db.write(entry_store.forget_uploading, datetime.now(UTC)) == 1
    found = await db.read(entry_store.list_entries, workspace.id, ids=[cut.id, whole.id])
    assert {entry.id: entry.status for entry in found} == {
        cut.id: EntryStatus.PENDING,
        whole.id: EntryStatus.UPLOADED,
    }


async def test_a_registration_lives_while_its_entry_names_it(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    dataset = await make_dataset(db, workspace)
    one, two = await make_entry(db, dataset), await make_entry(db, dataset, "two")
    segment = make_segment(dataset, "dseg1", (11, 12))
    await db.write(segment_store.insert_segment, segment)

    async def live(workspace_id: str = workspace.id) -> Any:
        found = await db.read(segment_store.list_live, workspace_id, [dataset.id])
        return [(each.segment, each.dead) for each in found.get(dataset.id, ())]

    assert await live() == []
    await register(db, one, 11)
    assert await live() == [(segment, (12,))]
    await register(db, two, 12)
    assert await live() == [(replace(segment, registrations=None), ())]
    assert await live(other_workspace.id) == []
    await db.write(entry_store.delete_entry, workspace.id, one.id)
    assert await live() == [(segment, (11,))]


async def test_a_merged_segment_is_gone(db: Database, workspace: Workspace) -> None:
    dataset = await make_dataset(db, workspace)
    for number in (1, 2):
        await db.write(
            segment_store.insert_segment, make_segment(dataset, f"dseg{number}", (number,))
        )
    merged = make_segment(dataset, "dseg3", (1, 2))
    await db.write(segment_store.insert_segment, merged, replaced=["dseg1", "dseg2"])
    with pytest.raises(Superseded):
        await db.write(segment_store.hold_segment, "dseg1")
    await db.write(segment_store.hold_segment, "dseg3")
    assert not await db.read(segment_store.has_segment, "dseg2")
    assert await dropped(db) == {"segments/dseg1/a", "segments/dseg2/a"}
    again = make_segment(dataset, "dseg4", (1, 2))
    with pytest.raises(Superseded):
        await db.write(segment_store.insert_segment, again, replaced=["dseg2"])
    assert not await db.read(segment_store.has_segment, "dseg4")


async def test_segments_nobody_names_are_dropped_in_time(
    db: Database, workspace: Workspace
) -> None:
    dataset = await make_dataset(db, workspace)
    entry = await make_entry(db, dataset)
    for number in (1, 2):
        await db.write(
            segment_store.insert_segment, make_segment(dataset, f"dseg{number}", (number,))
        )
    await register(db, entry, 2, "dseg2")
    assert await db.write(segment_store.drop_abandoned, NOW) == 0
    assert await db.write(segment_store.drop_abandoned, NOW + timedelta(seconds=1)) == 1
    assert await db.read(segment_store.has_segment, "dseg2")


async def test_a_dataset_takes_all_it_holds_along(db: Database, workspace: Workspace) -> None:
    dataset = await make_dataset(db, workspace)
    entry = await make_entry(db, dataset)
    file = make_file(entry)
    await db.write(entry_store.put_files, [file])
    await db.write(segment_store.insert_segment, make_segment(dataset, "dseg1", (1,)))
    await db.write(dataset_store.delete_dataset, workspace.id, dataset.id)

    def rows(conn: Connection) -> list[int | None]:
        tables = (document_entries, document_segment_files)
        return [conn.scalar(select(func.count()).select_from(table)) for table in tables]

    assert await db.read(rows) == [0, 0]
    assert await dropped(db) == {file.blob_key, "segments/dseg1/a"}
    with pytest.raises(NotFound):
        await make_entry(db, dataset)


async def test_a_changed_status_is_told(db: Database, workspace: Workspace) -> None:
    wanted = {
        "url": "https://x",
        "events": ["entry.processed", "entry.status_changed"],
        "enabled": True,
    }
    dataset = await make_dataset(db, workspace, webhook_config=wanted)
    entry = await make_entry(db, dataset)
    change = entry_store.change_entry
    await db.write(change, workspace.id, entry.id, {"name": "same status"})
    await db.write(change, workspace.id, entry.id, {"status": EntryStatus.UPLOADED})
    await register(db, entry, 5)
    total, found = await db.read(
        delivery_store.page_deliveries, workspace.id, dataset.id, limit=10, offset=0
    )
    assert total == 3
    assert sorted((each.event["type"], each.event["new_status"]) for each in found) == [
        ("entry.processed", "processed"),
        ("entry.status_changed", "processed"),
        ("entry.status_changed", "uploaded"),
    ]
    event = next(each.event for each in found if each.event["new_status"] == "uploaded")
    assert event["old_status"] == "pending"
    assert (event["organization_id"], event["cluster_id"]) == (1, 1)
    assert (event["dataset_id"], event["entry_id"], event["entry_slug"]) == (
        dataset.id,
        entry.id,
        "one",
    )


async def test_a_disabled_webhook_is_not_told(db: Database, workspace: Workspace) -> None:
    off = {"url": "https://x", "events": ["entry.status_changed"], "enabled": False}
    dataset = await make_dataset(db, workspace, webhook_config=off)
    entry = await make_entry(db, dataset)
    await register(db, entry, 5)
    total, found = await db.read(
        delivery_store.page_deliveries, workspace.id, dataset.id, limit=10, offset=0
    )
    assert (total, found) == (0, ())
