"""Copies of stored files under another key, in a folder and in a bucket of a real S3 server (moto)."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from catalog.blob_store import BlobStore, open_blob_store
from catalog.database import Database
from catalog.errors import BlobMissing, Conflict
from catalog.garbage import collect_garbage
from catalog.settings import Settings

pytestmark = pytest.mark.anyio

KEY = "tables/conn1/rtbl1/tver1/part-0.parquet"
NEW_KEY = "tables/conn1/rtbl1/tver2/part-0.parquet"


@pytest.fixture(params=["local", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    values: dict[str, Any] = {"data_dir": tmp_path / "data", "blob_url": None}
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        name = f"b{uuid4().hex}"
        httpx.put(f"{endpoint}/{name}").raise_for_status()
        values |= {
            "blob_url": f"s3://{name}/some/prefix",
            "s3_endpoint": endpoint,
            "s3_region": "us-east-1",
            "s3_access_key_id": "key",
            "s3_secret_access_key": SecretStr("secret"),
        }
    return Settings.model_validate(values)


@pytest.fixture
def blobs(settings: Settings) -> BlobStore:
    return open_blob_store(settings)


@pytest.fixture
def catalog_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/catalog.db"


async def put(blobs: BlobStore, key: str, content: bytes) -> None:
    staged = blobs.stage()
    await asyncio.to_thread(staged.write_bytes, content)
    await blobs.publish(staged, key)


async def read(blobs: BlobStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.stream(key)])


async def moments(blobs: BlobStore) -> dict[str, datetime]:
    """When each file was published."""
    return {blob.key: blob.modified_at async for blob in blobs.list()}


async def make_older(blobs: BlobStore, settings: Settings, key: str) -> None:
    """Let a file have been published some time ago."""
    if settings.blob_url is None:
        long_ago = datetime.now(UTC).timestamp() - 7200
        path = settings.data_dir / "blobs" / key
        await asyncio.to_thread(os.utime, path, (long_ago, long_ago))
    else:  # where nobody can change it; whole seconds are told apart
        await asyncio.sleep(1.1)


async def test_a_copy_has_the_bytes_and_outlives_its_source(
    blobs: BlobStore, settings: Settings
) -> None:
    content = os.urandom(3_000_000)
    await put(blobs, KEY, content)
    await blobs.copy(KEY, NEW_KEY)
    assert set(await moments(blobs)) == {KEY, NEW_KEY}
    await blobs.delete([KEY])
    assert set(await moments(blobs)) == {NEW_KEY}
    assert await read(blobs, NEW_KEY) == content
    path = await blobs.local_path(NEW_KEY)
    assert await asyncio.to_thread(path.read_bytes) == content
    assert list(blobs.staging_folder.iterdir()) == []
    # Also where the source was never opened.
    elsewhere = settings.model_copy(update={"data_dir": settings.data_dir.with_name("other")})
    if settings.blob_url is not None:
        other = open_blob_store(elsewhere)
        await other.copy(NEW_KEY, KEY)
        assert await read(other, KEY) == content


async def test_a_copy_may_be_made_again(blobs: BlobStore) -> None:
    await put(blobs, KEY, b"content")
    for _ in range(2):
        await blobs.copy(KEY, NEW_KEY)
    await blobs.copy(NEW_KEY, NEW_KEY.replace("part-0", "part-1"))
    await blobs.delete([KEY, NEW_KEY])
    assert await read(blobs, NEW_KEY.replace("part-0", "part-1")) == b"content"
    assert list(blobs.staging_folder.iterdir()) == []


async def test_what_is_not_there_cannot_be_copied(blobs: BlobStore) -> None:
    with pytest.raises(BlobMissing):
        await blobs.copy(KEY, NEW_KEY)
    await put(blobs, KEY, b"content")
    for source, target in ((KEY, "../x"), ("../x", NEW_KEY), (KEY, ""), (KEY, "a//b")):
        with pytest.raises(ValueError, match="Malformed blob key"):
            await blobs.copy(source, target)
    assert set(await moments(blobs)) == {KEY}


@pytest.mark.parametrize("settings", ["local"], indirect=True)
async def test_a_copy_replaces_nothing(blobs: BlobStore) -> None:
    await put(blobs, KEY, b"one")
    await put(blobs, NEW_KEY, b"other")
    with pytest.raises(Conflict):
        await blobs.copy(KEY, NEW_KEY)
    assert await read(blobs, NEW_KEY) == b"other"


async def test_a_collection_keeps_a_fresh_copy_of_an_old_file(
    db: Database, blobs: BlobStore, settings: Settings
) -> None:
    await put(blobs, KEY, b"content")
    await make_older(blobs, settings, KEY)
    before = (await moments(blobs))[KEY]
    await blobs.copy(KEY, NEW_KEY)
    published = await moments(blobs)
    assert published[NEW_KEY] > before
    assert datetime.now(UTC) - published[NEW_KEY] < timedelta(minutes=1)
    # No row names the copy yet, as in the moment before its catalog transaction.
    grace_s = (datetime.now(UTC) - published[NEW_KEY]).total_seconds() + 0.5
    await collect_garbage(db, blobs, grace_s=grace_s, now=datetime.now(UTC))
    assert await read(blobs, NEW_KEY) == b"content"
    later = datetime.now(UTC) + timedelta(hours=1)
    await collect_garbage(db, blobs, grace_s=1, now=later)
    assert await moments(blobs) == {}
