"""Expiry, stuck results and garbage, on a clock of our own."""

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from catalog.ids import IdKind, new_id
from catalog.model import Result, ResultStatus, UploadStatus
from catalog.store import results as result_store
from engine import errors
from engine.service import datasets, uploads
from engine.service.context import Caller, Engine
from engine.service.housekeeping import Housekeeping
from tests.service.steps import send_file

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(own_engine: Engine) -> Engine:
    return own_engine


NOW = datetime.now(UTC)


@pytest.fixture
def housekeeping(engine: Engine) -> Housekeeping:
    return Housekeeping(engine.settings, engine.db, engine.blobs)


async def keep(engine: Engine, caller: Caller, result: Result) -> Result:
    await engine.db.append(result_store.upsert_results, result)
    return result


def processing(caller: Caller, created_at: datetime) -> Result:
    return Result(
        id=new_id(IdKind.RESULT),
        workspace_id=caller.workspace_id,
        status=ResultStatus.PROCESSING,
        created_at=created_at,
        owner="another server",
    )


async def status_of(engine: Engine, caller: Caller, result: Result) -> ResultStatus:
    found = await engine.db.read(result_store.get_result, caller.workspace_id, result.id)
    return found.status


async def test_a_result_is_stuck_after_its_time_and_not_before(
    engine: Engine, caller: Caller, housekeeping: Housekeeping
) -> None:
    stuck_s = engine.settings.result_stuck_s
    old = await keep(engine, caller, processing(caller, NOW - timedelta(seconds=stuck_s + 1)))
    young = await keep(engine, caller, processing(caller, NOW - timedelta(seconds=stuck_s - 1)))
    await housekeeping.tidy(NOW)
    assert await status_of(engine, caller, old) is ResultStatus.FAILED
    assert await status_of(engine, caller, young) is ResultStatus.PROCESSING


async def test_a_query_that_may_run_longer_is_not_stuck(engine: Engine, caller: Caller) -> None:
    settings = engine.settings.model_copy(update={"query_timeout_s": 3600.0})
    old = await keep(engine, caller, processing(caller, NOW - timedelta(seconds=3000)))
    await Housekeeping(settings, engine.db, engine.blobs).tidy(NOW)
    assert await status_of(engine, caller, old) is ResultStatus.PROCESSING


async def test_an_upload_expires_and_its_bytes_follow_after_the_grace(
    engine: Engine, caller: Caller, housekeeping: Housekeeping
) -> None:
    await send_file(engine, caller, b"a\n1\n")
    (upload,) = await uploads.list_uploads(engine, caller, status=None)
    assert upload.status is UploadStatus.PENDING
    await housekeeping.tidy(upload.expires_at - timedelta(seconds=1))
    assert len(await uploads.list_uploads(engine, caller, status=None)) == 1
    expired_at = upload.expires_at + timedelta(seconds=1)
    await housekeeping.tidy(expired_at)
    assert await uploads.list_uploads(engine, caller, status=None) == ()
    await housekeeping.collect(expired_at)
    assert (await engine.blobs.local_path(upload.blob_key)).exists(), "somebody may still read it"
    await housekeeping.collect(expired_at + timedelta(seconds=engine.settings.blob_grace_s + 1))
    assert [blob async for blob in engine.blobs.list()] == []


async def test_a_used_upload_and_a_dataset_never_expire(
    engine: Engine, caller: Caller, housekeeping: Housekeeping
) -> None:
    upload_id = await send_file(engine, caller, b"a\n1\n")
    await datasets.create_dataset(
        engine, caller, label="t", source={"upload_id": upload_id}, table_name=None
    )
    later = NOW + timedelta(days=365)
    await housekeeping.tidy(later)
    await housekeeping.collect(later)
    page = await datasets.list_datasets(engine, caller, limit=1, offset=0)
    detail = await datasets.get_dataset(engine, caller, page.items[0].id)
    for file in detail.version.files:
        assert (await engine.blobs.local_path(file.key)).exists()


async def test_a_file_without_a_row_is_garbage_after_the_grace(
    engine: Engine, caller: Caller, housekeeping: Housekeeping
) -> None:
    staged = engine.blobs.stage()
    staged.write_bytes(b"orphan")
    await engine.blobs.publish(staged, "datasets/data1/dver1/part-0.parquet")
    await housekeeping.collect(datetime.now(UTC))
    assert len([blob async for blob in engine.blobs.list()]) == 1
    grace = timedelta(seconds=engine.settings.blob_grace_s + 1)
    await housekeeping.collect(datetime.now(UTC) + grace)
    assert [blob async for blob in engine.blobs.list()] == []


async def test_a_failing_step_is_logged_and_harms_nobody(
    engine: Engine, housekeeping: Housekeeping
) -> None:
    await engine.db.close()
    with capture_logs() as logs:
        await housekeeping.tidy(NOW)
        await housekeeping.collect(NOW)
    assert [log["step"] for log in logs] == [
        "fail_stuck",
        "expire_results",
        "expire_uploads",
        "drop_embeddings",
        "expire_files",
        "forget_uploading",
        "drop_segments",
        "forget_deliveries",
        "collect_garbage",
    ]
    with pytest.raises(errors.Unavailable):
        await uploads.list_uploads(engine, Caller("", "", "", ""), status=None)
