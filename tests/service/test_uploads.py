"""Uploads: whole, bounded, and gone without a trace when they fail."""

import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from catalog.model import UploadStatus
from engine import errors
from engine.service import uploads
from engine.service.context import Caller, Engine
from tests.service.steps import chunks_of, staged_files

pytestmark = pytest.mark.anyio


async def send(engine: Engine, caller: Caller, *parts: bytes, streaming: bool = False) -> str:
    upload = await uploads.create_upload(
        engine,
        caller,
        chunks_of(*parts),
        content_type="text/csv",
        streaming=streaming,
        declared_size_bytes=None,
    )
    return upload.id


async def test_an_upload_is_kept_byte_for_byte(engine: Engine, caller: Caller) -> None:
    parts = [bytes([i]) * 700_000 for i in range(5)]
    upload_id = await send(engine, caller, *parts)
    (upload,) = await uploads.list_uploads(engine, caller, status=None)
    assert (upload.id, upload.size_bytes) == (upload_id, 3_500_000)
    assert (upload.status, upload.content_type) == (UploadStatus.PENDING, "text/csv")
    assert upload.expires_at - upload.created_at == timedelta(days=7)
    stored = await engine.blobs.local_path(upload.blob_key)
    assert stored.read_bytes() == b"".join(parts)
    assert staged_files(engine) == []


@pytest.mark.parametrize("parts", [(), (b"",), (b"", b"")])
async def test_an_empty_body_is_refused(
    engine: Engine, caller: Caller, parts: tuple[bytes, ...]
) -> None:
    with pytest.raises(errors.InvalidRequest, match="Upload cannot be empty"):
        await send(engine, caller, *parts)
    assert staged_files(engine) == []


@pytest.mark.parametrize(("streaming", "size_max_bytes"), [(False, 100), (True, 200)])
async def test_a_body_may_reach_its_limit_and_not_pass_it(
    engine: Engine, caller: Caller, streaming: bool, size_max_bytes: int
) -> None:
    engine.settings = engine.settings.model_copy(
        update={"upload_size_max_bytes": 100, "upload_streaming_size_max_bytes": 200}
    )
    await send(engine, caller, b"x" * size_max_bytes, streaming=streaming)
    with pytest.raises(errors.TooLarge, match=str(size_max_bytes)):
        await send(engine, caller, b"x" * size_max_bytes, b"y", streaming=streaming)
    assert staged_files(engine) == []
    assert len(await uploads.list_uploads(engine, caller, status=None)) == 1


async def test_a_declared_size_over_the_limit_is_refused_before_reading(
    engine: Engine, caller: Caller
) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    with pytest.raises(errors.TooLarge):
        await uploads.create_upload(
            engine,
            caller,
            never(),
            content_type=None,
            streaming=False,
            declared_size_bytes=engine.settings.upload_size_max_bytes + 1,
        )


async def test_a_client_that_goes_away_leaves_nothing(engine: Engine, caller: Caller) -> None:
    class GoneError(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        raise GoneError

    with pytest.raises(GoneError):
        await uploads.create_upload(
            engine,
            caller,
            broken(),
            content_type=None,
            streaming=True,
            declared_size_bytes=None,
        )
    assert staged_files(engine) == []
    assert await uploads.list_uploads(engine, caller, status=None) == ()


async def test_memory_stays_flat_while_a_large_body_passes(engine: Engine, caller: Caller) -> None:
    async def large() -> AsyncIterator[bytes]:
        part = bytes(64 * 1024)
        for _ in range(1024):
            yield part

    tracemalloc.start()
    try:
        await uploads.create_upload(
            engine,
            caller,
            large(),
            content_type=None,
            streaming=True,
            declared_size_bytes=None,
        )
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * 1024 * 1024


async def test_uploads_are_listed_by_status_and_workspace(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    first = await send(engine, caller, b"a")
    second = await send(engine, caller, b"b")
    pending = await uploads.list_uploads(engine, caller, status="pending")
    assert [upload.id for upload in pending] == [second, first]
    assert await uploads.list_uploads(engine, caller, status="consumed") == ()
    assert await uploads.list_uploads(engine, caller, status="no such status") == ()
    assert await uploads.list_uploads(engine, stranger, status=None) == ()
