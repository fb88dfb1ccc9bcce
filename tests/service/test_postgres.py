"""The same use cases over a Postgres catalog."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from catalog.model import Dataset, DatasetVersion, JobStatus
from catalog.settings import Settings
from engine import errors
from engine.service import datasets, identity, saved_queries, secret_values, uploads
from engine.service.context import Caller, Engine
from tests.service.steps import finished, new_caller, send_file, submit_dataset

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine(settings: Settings, postgres_database: str) -> AsyncIterator[Engine]:
    opened = await Engine.open(
        settings.model_copy(update={"catalog_url": SecretStr(postgres_database)})
    )
    yield opened
    await opened.close()


@pytest.fixture
async def caller(engine: Engine) -> Caller:
    return await new_caller(engine)


async def test_the_main_job_works_on_postgres(engine: Engine, caller: Caller) -> None:
    upload_id = await send_file(engine, caller, b"a\n1\n")
    job = await submit_dataset(engine, caller, {"upload_id": upload_id}, label="t")
    done = await finished(engine, caller, job)
    assert (done.status, done.error_message) == (JobStatus.SUCCEEDED, None)
    assert await uploads.list_uploads(engine, caller, status="pending") == ()
    made = await datasets.create_dataset(
        engine, caller, label="u", source={"sql": "SELECT a FROM t"}, table_name=None
    )
    assert isinstance(made, Dataset)
    added = await datasets.refresh_dataset(engine, caller, made.id, is_async=False)
    assert isinstance(added, DatasetVersion)
    assert added.version == 2
    with pytest.raises(errors.Conflict):
        await datasets.update_dataset(engine, caller, made.id, {"table_name": "t"})
    page = await saved_queries.list_saved_queries(engine, caller, limit=None, offset=None)
    assert [query.version.category for query in page.items] == ["projection"]
    await secret_values.create_secret(engine, caller, name="k", value="v")
    assert await secret_values.rotate_secrets(engine) == 1


@pytest.mark.parametrize("identifier", ["\x00", "é", "x" * 10_000, "'; DROP TABLE datasets; --"])
async def test_a_malformed_id_is_no_failure(
    engine: Engine, caller: Caller, identifier: str
) -> None:
    with pytest.raises((errors.NotFound, errors.InvalidRequest)):
        await datasets.get_dataset(engine, caller, identifier)
    credential = await identity.authenticate(engine, identifier)
    assert credential is None
