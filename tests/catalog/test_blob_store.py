"""The blob store, in a folder and in a bucket of a real S3 server (moto)."""

import asyncio
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from catalog.blob_cache import BlobCache
from catalog.blob_store import BlobStore, S3BlobStore, check_key, open_blob_store
from catalog.database import Database
from catalog.errors import BlobMissing, Conflict, InvalidValue, Unavailable
from catalog.garbage import collect_garbage
from catalog.model import ResultStatus, StoredFile, Workspace
from catalog.settings import MIB, Settings
from catalog.store.datasets import create_dataset, delete_dataset
from catalog.store.results import expire_results, upsert_results
from catalog.store.uploads import insert_upload
from tests.catalog.samples import NOON, make_result, make_upload, make_version
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

KEY = "results/rslt1.parquet"


def make_settings(folder: Path, **values: Any) -> Settings:
    return Settings.model_validate({"data_dir": folder / "data", "blob_url": None} | values)


def make_bucket(endpoint: str) -> dict[str, Any]:
    name = f"b{uuid4().hex}"
    httpx.put(f"{endpoint}/{name}").raise_for_status()
    return {
        "blob_url": f"s3://{name}/some/prefix",
        "s3_endpoint": endpoint,
        "s3_region": "us-east-1",
        "s3_access_key_id": "key",
        "s3_secret_access_key": SecretStr("secret"),
    }


@pytest.fixture(params=["local", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "local":
        return make_settings(tmp_path)
    return make_settings(tmp_path, **make_bucket(request.getfixturevalue("s3_endpoint")))


@pytest.fixture
def s3_settings(s3_endpoint: str, tmp_path: Path) -> Settings:
    return make_settings(tmp_path, **make_bucket(s3_endpoint))


@pytest.fixture
def blobs(settings: Settings) -> BlobStore:
    return open_blob_store(settings)


def write(blobs: BlobStore, content: bytes) -> Path:
    path = blobs.stage(".parquet")
    path.write_bytes(content)
    return path


async def put(blobs: BlobStore, key: str, content: bytes = b"content") -> None:
    await blobs.publish(write(blobs, content), key)


def read(path: Path) -> bytes:
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def list_keys(blobs: BlobStore, prefix: str = "") -> set[str]:
    return {blob.key async for blob in blobs.list(prefix)}


async def test_published_bytes_can_be_opened_streamed_and_listed(blobs: BlobStore) -> None:
    content = bytes(range(256)) * 8192  # 2 MiB: more than one chunk of a stream.
    staged = write(blobs, content)
    started = datetime.now(UTC) - timedelta(seconds=2)
    assert await blobs.publish(staged, KEY) == len(content)
    assert names(blobs.staging_folder) == []
    assert read(await blobs.local_path(KEY)) == content
    assert b"".join([chunk async for chunk in blobs.stream(KEY)]) == content
    (info,) = [blob async for blob in blobs.list()]
    assert (info.key, info.size_bytes) == (KEY, len(content))
    assert started <= info.modified_at <= datetime.now(UTC) + timedelta(seconds=2)


async def test_files_are_found_together_in_the_order_of_their_keys(blobs: BlobStore) -> None:
    keys = [f"results/a{number}" for number in range(4)]
    for key in keys:
        await put(blobs, key, key.encode())
    asked = [*keys[::-1], keys[0]]
    assert [read(path) for path in await blobs.local_paths(asked)] == [
        key.encode() for key in asked
    ]
    assert await blobs.local_paths([]) == []
    with pytest.raises(BlobMissing):
        await blobs.local_paths([keys[0], "results/missing"])


async def test_a_large_file_is_published_in_parts(blobs: BlobStore) -> None:
    content = os.urandom(MIB) * 9
    await put(blobs, KEY, content)
    await put(blobs, KEY, content)
    assert b"".join([chunk async for chunk in blobs.stream(KEY)]) == content
    with pytest.raises(Conflict):
        await put(blobs, KEY, content + b"x")


async def test_an_empty_file_can_be_published(blobs: BlobStore) -> None:
    await put(blobs, KEY, b"")
    assert read(await blobs.local_path(KEY)) == b""
    assert [chunk async for chunk in blobs.stream(KEY)] == []


async def test_published_bytes_never_change(blobs: BlobStore) -> None:
    await put(blobs, KEY, b"first")
    await put(blobs, KEY, b"first")
    with pytest.raises(Conflict):
        await put(blobs, KEY, b"other")
    assert b"".join([chunk async for chunk in blobs.stream(KEY)]) == b"first"


async def test_missing_bytes_are_missing(blobs: BlobStore) -> None:
    with pytest.raises(BlobMissing):
        await blobs.local_path(KEY)
    with pytest.raises(BlobMissing):
        [chunk async for chunk in blobs.stream(KEY)]
    await blobs.delete([KEY])
    assert await list_keys(blobs) == set()


async def test_deleted_bytes_are_gone(blobs: BlobStore) -> None:
    for key in ("results/a", "results/b", "uploads/a"):
        await put(blobs, key)
    assert await list_keys(blobs, "results") == {"results/a", "results/b"}
    await blobs.delete(["results/a", "results/none"])
    assert await list_keys(blobs) == {"results/b", "uploads/a"}
    with pytest.raises(BlobMissing):
        await blobs.local_path("results/a")


async def test_a_store_that_answers_is_pinged(blobs: BlobStore) -> None:
    await blobs.ping()


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "/", ".hidden", "a\0b", "a\\b", "ä", "a%2e",
     "x" * 901, "a\n"],
)  # fmt: skip
async def test_a_key_that_escapes_or_surprises_is_refused(blobs: BlobStore, key: str) -> None:
    staged = write(blobs, b"x")
    with pytest.raises(ValueError, match="Malformed blob key"):
        await blobs.publish(staged, key)
    with pytest.raises(ValueError, match="Malformed blob key"):
        await blobs.local_path(key)
    with pytest.raises(ValueError, match="Malformed blob key"):
        [chunk async for chunk in blobs.stream(key)]
    with pytest.raises(ValueError, match="Malformed blob key"):
        await blobs.delete([key])


@given(st.text(st.sampled_from("a./-_%\\~\0 ä"), max_size=12))
def test_an_accepted_key_stays_below_its_root(key: str) -> None:
    try:
        check_key(key)
    except ValueError:
        return
    assert os.path.normpath(f"/root/{key}") == f"/root/{key}"


async def test_nothing_but_blobs_is_listed(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    blobs = open_blob_store(settings)
    (settings.data_dir / "catalog.db").write_bytes(b"precious")
    write(blobs, b"staged")
    assert await list_keys(blobs) == set()


def test_what_a_crashed_server_staged_is_removed(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    running = open_blob_store(settings)
    kept = write(running, b"under construction")
    crashed = settings.data_dir / "staging" / "crashed"
    crashed.mkdir()
    (crashed / "x").write_bytes(b"x")
    (settings.data_dir / "staging" / "crashed.lock").touch()
    second = open_blob_store(settings)
    assert kept.exists()
    assert not crashed.exists()
    assert names(second.staging_folder) == []


async def test_files_and_folders_are_synced_before_publishing_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = open_blob_store(make_settings(tmp_path))
    staged = write(blobs, b"x")
    synced: list[str] = []
    real_sync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    await blobs.publish(staged, "datasets/d/1/part-0.parquet")
    root = str(tmp_path / "data" / "blobs")
    assert synced == [
        str(staged), root, f"{root}/datasets", f"{root}/datasets/d", f"{root}/datasets/d/1",
    ]  # fmt: skip


async def test_publishing_does_not_block_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = open_blob_store(make_settings(tmp_path))
    staged = write(blobs, b"x")
    release = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _descriptor: release.wait(PATIENCE_S))
    publishing = asyncio.ensure_future(blobs.publish(staged, KEY))
    await asyncio.sleep(0)
    release.set()
    await publishing


async def test_an_object_is_downloaded_once_for_all_who_wait(s3_settings: Settings) -> None:
    first = open_blob_store(s3_settings)
    await put(first, KEY, b"x" * 3 * MIB)
    other = s3_settings.model_copy(update={"data_dir": s3_settings.data_dir / "other"})
    second = open_blob_store(other)
    assert isinstance(second, S3BlobStore)
    downloads: list[str] = []
    download = second._download

    async def count(key: str) -> Path:
        downloads.append(key)
        return await download(key)

    second._download = count  # type: ignore[method-assign]  # counts the real downloads
    waiters = [asyncio.ensure_future(second.local_path(KEY)) for _ in range(20)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    paths = await asyncio.gather(*waiters[1:])
    assert len(set(paths)) == 1
    assert read(paths[0]) == b"x" * 3 * MIB
    assert downloads == [KEY]
    assert names(second.staging_folder) == []
    # A copy that vanished is fetched again.
    await asyncio.to_thread(paths[0].unlink)
    assert read(await second.local_path(KEY)) == b"x" * 3 * MIB
    # And the next server finds the copy.
    third = open_blob_store(other)
    assert isinstance(third, S3BlobStore)
    assert third._cache.find(KEY) == paths[0]


async def test_a_failed_download_fails_every_waiter_and_is_not_remembered(
    s3_settings: Settings,
) -> None:
    blobs = open_blob_store(s3_settings)
    outcomes = await asyncio.gather(
        *(blobs.local_path(KEY) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [BlobMissing] * 3
    await put(blobs, KEY)
    assert read(await blobs.local_path(KEY)) == b"content"


def fill(cache: BlobCache, folder: Path, key: str, size_bytes: int) -> Path:
    staged = folder / uuid4().hex
    staged.write_bytes(b"x" * size_bytes)
    return cache.adopt(key, staged)


def test_the_least_recently_used_copies_make_room(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "cache", bytes_max=100, in_use_s=0.0)
    for key in ("a/1", "a/2", "a/3"):
        fill(cache, tmp_path, key, 40)
    assert cache.find("a/1") is None
    assert cache.find("a/2") is not None
    fill(cache, tmp_path, "a/4", 40)
    assert [cache.find(key) is not None for key in ("a/1", "a/2", "a/3", "a/4")] == [
        False, True, False, True,
    ]  # fmt: skip
    fill(cache, tmp_path, "a/4", 10)
    cache.remove("a/2")
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.*")) <= 100
    assert cache._size_bytes == 10


def test_a_copy_in_use_stays_over_the_budget(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "cache", bytes_max=50)
    paths = [fill(cache, tmp_path, f"a/{n}", 40) for n in range(3)]
    assert all(path.exists() for path in paths)
    # After a restart nobody uses them.
    restarted = BlobCache(tmp_path / "cache", bytes_max=50)
    fill(restarted, tmp_path, "a/new", 40)
    assert not any(path.exists() for path in paths)


async def test_an_unreachable_bucket_is_unavailable_and_tells_no_secret(
    tmp_path: Path,
) -> None:
    settings = make_settings(
        tmp_path,
        blob_url="s3://bucket/p",
        s3_endpoint="http://127.0.0.1:1",
        s3_region="us-east-1",
        s3_access_key_id="key",
        s3_secret_access_key=SecretStr("canary-77aa"),
    )
    blobs = open_blob_store(settings)
    with pytest.raises(Unavailable) as caught:
        await blobs.ping()
    assert "canary-77aa" not in f"{caught.value!r} {caught.value.__cause__!r} {blobs!r}"


async def test_a_folder_that_is_away_is_unavailable(tmp_path: Path) -> None:
    blobs = open_blob_store(make_settings(tmp_path))
    folder = tmp_path / "data" / "blobs"
    folder.rename(tmp_path / "away")
    with pytest.raises(Unavailable):
        await blobs.ping()
    (tmp_path / "away").rename(folder)
    await blobs.ping()


@pytest.mark.parametrize("url", ["http://bucket", "s3://", "bucket", "/folder"])
def test_a_malformed_url_of_a_bucket_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidValue):
        open_blob_store(make_settings(tmp_path, blob_url=url))


async def test_garbage_is_what_no_row_names(
    db: Database, workspace: Workspace, blobs: BlobStore
) -> None:
    upload = make_upload(workspace.id)
    version = make_version(
        workspace.id, files=(StoredFile("datasets/d/1/a", 1, 1), StoredFile("datasets/d/1/b", 1, 1))
    )
    result = make_result(
        workspace.id, status=ResultStatus.READY, blob_key="results/r", expires_at=NOON
    )
    await db.write(insert_upload, upload)
    await db.write(
        create_dataset, workspace.id, label="d", table_name="d", source={}, version=version
    )
    await db.append(upsert_results, result)
    used = {upload.blob_key, "datasets/d/1/a", "datasets/d/1/b", "results/r"}
    for key in used | {"results/orphan", "uploads/orphan"}:
        await put(blobs, key)
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    # Too young: the row may be about to be written.
    assert await collect_garbage(db, blobs, grace_s=3600, now=now) == 0
    assert await collect_garbage(db, blobs, grace_s=3600, now=now + 2 * hour) == 2
    assert await list_keys(blobs) == used
    assert await collect_garbage(db, blobs, grace_s=3600, now=now + 2 * hour) == 0

    # Old files whose rows have just gone: somebody may still read them.
    await db.write(delete_dataset, workspace.id, version.dataset_id)
    await db.write(expire_results, now + 2 * hour)
    assert await collect_garbage(db, blobs, grace_s=7200, now=now + 2 * hour) == 0
    assert await list_keys(blobs) == used
    assert await collect_garbage(db, blobs, grace_s=3600, now=now + 4 * hour) == 3
    assert await list_keys(blobs) == {upload.blob_key}
