"""What several tests of the use cases do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from catalog.model import Job, JobStatus
from engine.service import datasets, identity, jobs, uploads
from engine.service.context import Caller, Engine
from tests.patience import PATIENCE_S

T = TypeVar("T")

API_KEY = "tm_test-key"


async def caller_of(engine: Engine, workspace_id: str | None = None) -> Caller:
    credential = await identity.authenticate(engine, API_KEY)
    assert credential is not None
    return await identity.choose_workspace(engine, credential, workspace_id)


async def new_caller(engine: Engine) -> Caller:
    """Make a workspace and call from there."""
    credential = await identity.authenticate(engine, API_KEY)
    assert credential is not None
    made = await identity.create_workspace(engine, credential, name="test", organization_id=None)
    return await identity.choose_workspace(engine, credential, made.id)


async def chunks_of(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def finished(engine: Engine, caller: Caller, job: Job) -> Job:
    """Wait for the end of a job."""
    return await until(
        lambda: jobs.get_job(engine, caller, job.id),
        lambda seen: seen.status not in (JobStatus.PENDING, JobStatus.RUNNING),
    )


async def until(read: Callable[[], Awaitable[T]], is_right: Callable[[T], bool]) -> T:
    """Read again until the value is right."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_right(value := await read()):  # noqa: ASYNC110 - the catalog tells nobody
            await asyncio.sleep(0.01)
        return value


def staged_files(engine: Engine) -> list[Path]:
    """What is left in the staging folder: nothing, once work is done."""
    return list(engine.blobs.staging_folder.iterdir())


async def send_file(
    engine: Engine, caller: Caller, data: bytes, content_type: str | None = "text/csv"
) -> str:
    """Upload a file; return the id of the upload."""
    upload = await uploads.create_upload(
        engine,
        caller,
        chunks_of(data),
        content_type=content_type,
        streaming=False,
        declared_size_bytes=len(data),
    )
    return upload.id


async def submit_dataset(
    engine: Engine, caller: Caller, source: dict[str, Any], *, label: str = "Elements"
) -> Job:
    """Start the job that makes a dataset."""
    job = await datasets.create_dataset(
        engine, caller, label=label, source=source, table_name=None, is_async=True
    )
    assert isinstance(job, Job)
    return job
