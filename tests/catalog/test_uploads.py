"""Uploads and their single use."""

import asyncio
from datetime import timedelta

import pytest

from catalog.database import Database
from catalog.errors import CatalogError, Conflict, InvalidValue, NotFound
from catalog.model import Upload, UploadStatus, Workspace
from catalog.store.uploads import (
    claim_upload,
    consume_upload,
    expire_uploads,
    get_upload,
    insert_upload,
    list_uploads,
    release_all_claims,
    release_upload,
)
from tests.catalog.samples import NOON, make_upload

pytestmark = pytest.mark.anyio


async def test_an_upload_comes_back_as_it_went_in(db: Database, workspace: Workspace) -> None:
    upload = make_upload(workspace.id, content_type=None, size_bytes=20 * 2**30)
    await db.write(insert_upload, upload)
    assert await db.read(get_upload, workspace.id, upload.id) == upload


async def test_uploads_are_listed_newest_first_by_status(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    uploads = [make_upload(workspace.id, created_at=NOON + timedelta(hours=n)) for n in range(3)]
    for upload in (*uploads, make_upload(other_workspace.id)):
        await db.write(insert_upload, upload)
    await db.write(claim_upload, workspace.id, uploads[1].id)
    listed = await db.read(list_uploads, workspace.id)
    assert [upload.id for upload in listed] == [upload.id for upload in uploads[::-1]]
    pending = await db.read(list_uploads, workspace.id, status="pending")
    assert pending == (uploads[2], uploads[0])
    assert await db.read(list_uploads, workspace.id, status="nonsense") == ()


async def test_an_upload_is_claimed_released_and_consumed(
    db: Database, workspace: Workspace
) -> None:
    upload = make_upload(workspace.id)
    await db.write(insert_upload, upload)
    claimed = await db.write(claim_upload, workspace.id, upload.id)
    assert claimed.status is UploadStatus.PROCESSING
    with pytest.raises(Conflict, match="is being processed"):
        await db.write(claim_upload, workspace.id, upload.id)
    await db.write(release_upload, workspace.id, upload.id)
    await db.write(claim_upload, workspace.id, upload.id)
    await db.write(consume_upload, workspace.id, upload.id)
    await db.write(release_upload, workspace.id, upload.id)
    with pytest.raises(InvalidValue, match="already been consumed"):
        await db.write(claim_upload, workspace.id, upload.id)
    with pytest.raises(InvalidValue, match="already been consumed"):
        await db.write(consume_upload, workspace.id, upload.id)


async def test_an_upload_of_another_workspace_is_unknown(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    upload = make_upload(workspace.id)
    await db.write(insert_upload, upload)
    with pytest.raises(NotFound):
        await db.read(get_upload, other_workspace.id, upload.id)
    with pytest.raises(InvalidValue, match=f"Upload '{upload.id}' not found"):
        await db.write(claim_upload, other_workspace.id, upload.id)
    await db.write(release_upload, other_workspace.id, upload.id)


async def test_of_fifty_claims_over_two_servers_exactly_one_succeeds(
    catalog_url: str, db: Database, workspace: Workspace
) -> None:
    upload = make_upload(workspace.id)
    await db.write(insert_upload, upload)
    second = await Database.open(catalog_url)
    outcomes = await asyncio.gather(
        *((db, second)[n % 2].write(claim_upload, workspace.id, upload.id) for n in range(50)),
        return_exceptions=True,
    )
    await second.close()
    assert [type(outcome) for outcome in outcomes].count(Upload) == 1
    assert {type(outcome) for outcome in outcomes} == {Upload, Conflict}


async def test_claims_are_given_back_at_start(db: Database, workspace: Workspace) -> None:
    uploads = [make_upload(workspace.id) for _ in range(3)]
    for upload in uploads:
        await db.write(insert_upload, upload)
    await db.write(claim_upload, workspace.id, uploads[0].id)
    await db.write(claim_upload, workspace.id, uploads[1].id)
    await db.write(consume_upload, workspace.id, uploads[1].id)
    assert await db.write(release_all_claims) == 1
    states = {u.id: u.status for u in await db.read(list_uploads, workspace.id)}
    assert [states[upload.id] for upload in uploads] == ["pending", "consumed", "pending"]


async def test_only_pending_uploads_expire(db: Database, workspace: Workspace) -> None:
    old, claimed, fresh = (
        make_upload(workspace.id, expires_at=NOON + timedelta(seconds=n)) for n in (0, 0, 1)
    )
    for upload in (old, claimed, fresh):
        await db.write(insert_upload, upload)
    await db.write(claim_upload, workspace.id, claimed.id)
    assert await db.write(expire_uploads, NOON) == (old.blob_key,)
    assert await db.write(expire_uploads, NOON) == ()
    remaining = {upload.id for upload in await db.read(list_uploads, workspace.id)}
    assert remaining == {claimed.id, fresh.id}
    with pytest.raises(CatalogError):
        await db.write(claim_upload, workspace.id, old.id)
