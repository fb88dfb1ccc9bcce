"""Opening and closing an engine."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from catalog.ids import IdKind, new_id, snapshot_id
from catalog.model import QueryRun, Result, ResultStatus, RunStatus, Upload, UploadStatus
from catalog.settings import Settings
from catalog.store import results as result_store
from catalog.store import runs as run_store
from catalog.store import uploads as upload_store
from engine import errors
from engine.service import identity
from engine.service.context import Engine
from tests.service.steps import API_KEY, caller_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(own_engine: Engine) -> Engine:
    return own_engine


@pytest.fixture
def fresh(settings: Settings) -> Settings:
    """Settings without an API key of their own."""
    return settings.model_copy(update={"api_key": None})


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_data_folder_is_private(engine: Engine, settings: Settings) -> None:
    folder = settings.data_dir
    assert mode_of(folder) == 0o700
    assert mode_of(folder / "spill") == 0o700
    for name in ("catalog.db", "secret-keys", "instance-id", "lock"):
        assert mode_of(folder / name) == 0o600, name


async def test_a_token_is_generated_once_and_kept_in_a_private_file(fresh: Settings) -> None:
    engine = await Engine.open(fresh, serve=False)
    path = fresh.data_dir / "api-key"
    secret = path.read_text().strip()
    assert mode_of(path) == 0o600
    assert secret.startswith("tm_")
    assert len(secret) > 40
    assert await identity.authenticate(engine, secret) is not None
    await engine.close()
    engine = await Engine.open(fresh, serve=False)
    assert path.read_text().strip() == secret
    assert len(await identity.list_tokens(engine)) == 1
    await engine.close()


async def test_a_configured_token_needs_no_file_and_spares_the_kept_one(
    settings: Settings, fresh: Settings
) -> None:
    engine = await Engine.open(settings, serve=False)
    assert not (settings.data_dir / "api-key").exists()
    await engine.close()
    engine = await Engine.open(fresh, serve=False)
    kept = (settings.data_dir / "api-key").read_text().strip()
    await engine.close()
    other = settings.model_copy(update={"api_key": SecretStr("tm_other")})
    engine = await Engine.open(other, serve=False)
    assert await identity.authenticate(engine, "tm_other") is not None
    assert await identity.authenticate(engine, kept) is not None
    assert await identity.authenticate(engine, API_KEY) is None, "its place was taken"
    await engine.close()


async def test_a_revoked_first_token_stays_revoked_after_a_restart(settings: Settings) -> None:
    engine = await Engine.open(settings, serve=False)
    await identity.revoke_token(engine, "TIDEMILL_API_KEY")
    await engine.close()
    engine = await Engine.open(settings, serve=False)
    assert await identity.authenticate(engine, API_KEY) is None
    await engine.close()


async def test_two_servers_do_not_share_a_data_folder(engine: Engine, settings: Settings) -> None:
    with pytest.raises(errors.Conflict, match="Another server is using this data folder"):
        await Engine.open(settings)
    assert await engine.is_ready(), "the first one goes on"


async def test_administration_works_beside_a_running_server(
    engine: Engine, settings: Settings
) -> None:
    staged = engine.blobs.stage()
    staged.write_text("half an upload")
    spilled = settings.data_dir / "spill" / "1"
    spilled.write_text("rows")
    admin = await Engine.open(settings, serve=False)
    _, secret = await identity.create_token(admin, name="ci", workspace_id=None)
    await admin.close()
    assert await identity.authenticate(engine, secret) is not None
    assert staged.exists()
    assert spilled.exists()


async def test_a_folder_is_free_again_after_close(settings: Settings) -> None:
    for _ in range(2):
        engine = await Engine.open(settings)
        owner = engine.owner
        await engine.close()
        await engine.close()
        assert (settings.data_dir / "instance-id").read_text().strip() == owner


async def test_an_engine_is_not_ready_without_a_catalog(settings: Settings) -> None:
    engine = await Engine.open(settings)
    assert await engine.is_ready()
    await engine.db.close()
    assert not await engine.is_ready()
    await engine.close()


async def test_what_a_crash_left_is_settled_at_start(settings: Settings) -> None:
    engine = await Engine.open(settings)
    caller = await caller_of(engine)
    now = datetime.now(UTC)
    ours, theirs = (
        QueryRun(
            id=new_id(IdKind.QUERY_RUN),
            workspace_id=caller.workspace_id,
            status=RunStatus.RUNNING,
            snapshot_id=snapshot_id(caller.workspace_id, "hash"),
            sql_text="SELECT 1",
            sql_hash="hash",
            door="http",
            owner=owner,
            created_at=now,
        )
        for owner in (engine.owner, "another server")
    )
    result = Result(
        id=new_id(IdKind.RESULT),
        workspace_id=caller.workspace_id,
        status=ResultStatus.PROCESSING,
        created_at=now,
        owner=engine.owner,
    )
    upload = Upload(
        id=new_id(IdKind.UPLOAD),
        workspace_id=caller.workspace_id,
        status=UploadStatus.PROCESSING,
        size_bytes=1,
        content_type=None,
        blob_key="uploads/x",
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    await asyncio.gather(
        engine.db.append(run_store.upsert_runs, ours),
        engine.db.append(run_store.upsert_runs, theirs),
        engine.db.append(result_store.upsert_results, result),
        engine.db.write(upload_store.insert_upload, upload),
    )
    (settings.data_dir / "spill" / "1").write_text("rows")
    await engine.close()

    engine = await Engine.open(settings)
    workspace_id = caller.workspace_id
    failed = await engine.db.read(run_store.get_run, workspace_id, ours.id)
    assert failed.status is RunStatus.FAILED
    assert failed.error_message == "Server restarted while the query was running"
    spared = await engine.db.read(run_store.get_run, workspace_id, theirs.id)
    assert spared.status is RunStatus.RUNNING
    ended = await engine.db.read(result_store.get_result, workspace_id, result.id)
    assert ended.status is ResultStatus.FAILED
    freed = await engine.db.read(upload_store.get_upload, workspace_id, upload.id)
    assert freed.status is UploadStatus.PENDING
    assert not (settings.data_dir / "spill" / "1").exists()
    await engine.close()
