"""Text indexed through a service: what is embedded, what is never embedded twice, what is refused."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.garbage import collect_garbage
from catalog.index_model import EmbeddingProvider
from catalog.model import Job, JobStatus
from catalog.store import embedding_files as vector_store
from engine import errors
from engine.service import embedding_providers as providers
from engine.service import index_texts, indexes, jobs
from engine.service.context import Caller, Engine
from engine.service.embedding import fingerprint
from engine.service.embedding_providers import NewProvider
from engine.service.housekeeping import Housekeeping
from engine.service.index_orders import NewIndex
from tests.connectors.http_site import serving
from tests.embeddings.service_site import KEY, Answer, EmbeddingSite, vectors_body
from tests.patience import PATIENCE_S
from tests.service.searching import make_index, rows_of
from tests.service.steps import finished, until
from tests.service.test_indexes import Shop

pytestmark = pytest.mark.anyio

NEAR = "SELECT id FROM vector_search('shop.main.docs', 'body', 'crimson footwear', 1)"
BODIES = ["red shoes", "blue bicycle", "sea at night", ""]


@pytest.fixture
def site() -> Iterator[EmbeddingSite]:
    with serving(EmbeddingSite()) as made:
        yield made


@pytest.fixture
async def shop(engine: Engine, caller: Caller, tmp_path: Path) -> Shop:
    made = Shop(engine, caller, tmp_path / "shop.duckdb")
    made.write(BODIES)
    await made.connect()
    return made


@pytest.fixture
async def provider(shop: Shop, site: EmbeddingSite) -> EmbeddingProvider:
    config = {"base_url": site.url, "model": "words", "max_retries": 0, "batch_size": 1}
    asked = NewProvider("service", "service", config, api_key=KEY)
    return await providers.create_provider(shop.engine, shop.caller, asked)


async def index(shop: Shop, provider: EmbeddingProvider, name: str = "near") -> None:
    options = {"index_type": "vector", "embedding_provider_id": provider.id}
    await make_index(shop.engine, shop.caller, shop.place, name, ["body"], **options)


def sent(site: EmbeddingSite) -> Sequence[str]:
    """What was sent since the last look."""
    texts = sorted(site.texts)
    site.requests.clear()
    return texts


async def test_a_refresh_embeds_only_new_texts(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)
    assert sent(site) == sorted(filter(None, BODIES))
    assert await shop.ids(NEAR) == [0]
    assert sent(site) == ["crimson footwear"]
    shop.write([*BODIES, "crimson boots", "red shoes"])
    await shop.refresh()
    assert sent(site) == ["crimson boots"]
    assert await shop.ids(NEAR) == [4]
    assert sent(site) == []


async def test_an_index_made_during_a_refresh_is_built_by_a_job(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)
    sent(site)
    gate = threading.Event()

    def hold(body: dict[str, Any]) -> Answer:
        gate.wait(PATIENCE_S)
        return _passes(body)

    site.faults.append(hold)
    shop.write([*BODIES, "crimson boots"])
    refreshing = asyncio.create_task(shop.refresh())
    try:
        await until(lambda: asyncio.sleep(0, site.texts), bool)
        await make_index(shop.engine, shop.caller, shop.place, "order", ["id"])
    finally:
        gate.set()
        await refreshing
    listed = await until(shop.listed, lambda found: found["order"].is_ready)
    assert listed["order"].row_count == len(BODIES) + 1
    (job,) = await jobs.list_jobs(
        shop.engine,
        shop.caller,
        job_types=("create_index",),
        statuses=None,
        limit=None,
        offset=None,
    )
    assert job.payload["place"]["table"] == "docs"


async def test_many_files_of_vectors_become_one(
    shop: Shop,
    site: EmbeddingSite,
    provider: EmbeddingProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = shop.engine
    engine.settings = engine.settings.model_copy(update={"embedding_chunk_rows": 1})
    monkeypatch.setattr(index_texts, "_FILES_MAX", 2)
    await index(shop, provider)
    kind = fingerprint(provider, None)
    owner_id = (await shop.listed())["near"].index.owner_id
    workspace_id = shop.caller.workspace_id
    (merged,) = await engine.db.read(vector_store.list_files, workspace_id, owner_id, kind)
    assert merged.row_count == len(set(filter(None, BODIES)))
    await collect_garbage(engine.db, engine.blobs, grace_s=0, now=datetime.now(UTC))
    sent(site)
    shop.write([*BODIES, "crimson boots"])
    await shop.refresh()
    assert sent(site) == ["crimson boots"]
    assert await shop.ids(NEAR) == [4]
    assert len(await engine.db.read(vector_store.list_files, workspace_id, owner_id, kind)) == 2


async def test_a_query_vector_of_another_width_is_blamed_on_the_provider(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)

    def narrow(body: dict[str, Any]) -> Answer:
        return Answer(200, {}, vectors_body({**body, "dimensions": 64}))

    site.faults.append(narrow)
    with pytest.raises(errors.SourceFailed, match="vectors of 64 numbers, and those of the index"):
        await shop.ids(NEAR)
    assert await shop.ids(NEAR) == [0]


async def test_a_service_with_another_model_embeds_every_text_anew(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)
    assert await shop.ids(NEAR)  # its vector is remembered, and of no use later
    sent(site)

    def narrow(body: dict[str, Any]) -> Answer:
        return Answer(200, {}, vectors_body({**body, "dimensions": 64}))

    site.forever = narrow
    shop.write([*BODIES, "crimson boots"])
    await shop.refresh()
    assert {*sent(site)} == {*filter(None, BODIES), "crimson boots"}
    rows = await rows_of(
        shop.engine,
        shop.caller,
        "SELECT array_length(body_embedding), count(DISTINCT body_embedding) FROM shop.main.docs "
        "WHERE body <> '' GROUP BY 1",
    )
    assert rows == [[64, len(BODIES)]]
    assert await shop.ids(NEAR) == [4]


async def test_deleting_an_index_stops_its_embedding(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    shop.write([f"text {number}" for number in range(400)])
    await shop.ids("SELECT count(*) FROM shop.main.docs")

    def slow(body: dict[str, Any]) -> Answer:
        time.sleep(0.1)
        return _passes(body)

    site.forever = slow
    order = NewIndex("near", ["body"], "vector", embedding_provider_id=provider.id)
    job = await indexes.create_index(shop.engine, shop.caller, shop.place, order, is_async=True)
    assert isinstance(job, Job)
    await until(lambda: asyncio.sleep(0, site.texts), bool)
    await indexes.delete_index(shop.engine, shop.caller, shop.place, "near")
    ended = await finished(shop.engine, shop.caller, job)
    assert (ended.status, "deleted" in (ended.error_message or "")) == (JobStatus.FAILED, True)
    await asyncio.sleep(0.3)
    count = len(site.texts)
    await asyncio.sleep(0.5)
    assert len(site.texts) == count < 400


async def test_a_failed_build_goes_on_where_it_stopped(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    engine = shop.engine
    engine.settings = engine.settings.model_copy(update={"embedding_chunk_rows": 1})
    bodies = [f"text {number}" for number in range(20)]
    shop.write(bodies)
    site.faults.extend([*[_passes] * 15, Answer(400)])
    with pytest.raises(errors.SourceFailed):
        await index(shop, provider)
    assert await shop.listed() == {}
    first = sent(site)
    await index(shop, provider)
    again = sent(site)
    assert len(again) < len(bodies) - 4
    assert {*first, *again} == set(bodies)


async def test_a_deleted_index_made_anew_costs_nothing(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)
    await indexes.delete_index(shop.engine, shop.caller, shop.place, "near")
    sent(site)
    await index(shop, provider, "again")
    assert sent(site) == []
    assert await shop.ids(NEAR) == [0]


async def test_a_dead_service_fails_the_refresh_and_searches_go_on(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)
    site.forever = Answer(503)
    shop.write(["crimson boots"])
    with pytest.raises(errors.SourceFailed):
        await shop.refresh()
    site.forever = None
    assert await shop.ids(NEAR) == [0]
    assert (await shop.listed())["near"].is_ready
    await shop.refresh()
    assert await shop.ids("SELECT count(*) FROM shop.main.docs") == [1]
    site.forever = Answer(503)
    with pytest.raises(errors.SourceFailed):
        await shop.ids(NEAR.replace("crimson", "purple"))


async def test_another_model_asks_for_a_refresh_which_embeds_everything(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)
    sent(site)
    config = {**provider.config, "model": "other"}
    await providers.update_provider(shop.engine, shop.caller, provider.id, {"config": config})
    with pytest.raises(errors.InvalidRequest, match="has another model than when the index was"):
        await shop.ids(NEAR)
    await shop.refresh()
    assert sent(site) == sorted(filter(None, BODIES))
    assert await shop.ids(NEAR) == [0]


async def test_a_provider_of_an_index_is_not_deleted(
    shop: Shop, provider: EmbeddingProvider
) -> None:
    await index(shop, provider)
    with pytest.raises(errors.EngineError, match="Delete that first"):
        await providers.delete_provider(shop.engine, shop.caller, provider.id)
    await indexes.delete_index(shop.engine, shop.caller, shop.place, "near")
    await providers.delete_provider(shop.engine, shop.caller, provider.id)


async def test_a_job_tells_of_the_texts_it_embeds(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    order = NewIndex("near", ["body"], "vector", embedding_provider_id=provider.id)
    job = await indexes.create_index(shop.engine, shop.caller, shop.place, order, is_async=True)
    assert isinstance(job, Job)
    done = await finished(shop.engine, shop.caller, job)
    assert done.status is JobStatus.SUCCEEDED
    assert await shop.ids(NEAR) == [0]


async def test_a_job_tries_again_when_the_service_is_back(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    engine = shop.engine
    engine.settings = engine.settings.model_copy(update={"job_retry_s": 0.05})
    site.faults.append(Answer(503))
    await shop.ids("SELECT count(*) FROM shop.main.docs")
    order = NewIndex("near", ["body"], "vector", embedding_provider_id=provider.id)
    job = await indexes.create_index(engine, shop.caller, shop.place, order, is_async=True)
    assert isinstance(job, Job)

    async def look() -> Job:
        engine.jobs.wake()
        return await jobs.get_job(engine, shop.caller, job.id)

    done = await until(look, lambda seen: seen.status is JobStatus.SUCCEEDED)
    assert done.attempts == 2
    assert await shop.ids(NEAR) == [0]
    assert (await shop.listed())["near"].index.error_message is None


async def test_vectors_nobody_needs_any_more_are_collected(
    shop: Shop, site: EmbeddingSite, provider: EmbeddingProvider
) -> None:
    engine = shop.engine
    await index(shop, provider)
    keeper = Housekeeping(engine.settings, engine.db, engine.blobs)
    later = datetime.now(UTC) + timedelta(days=2)

    async def kept() -> int:
        await keeper.tidy(later)
        await collect_garbage(engine.db, engine.blobs, grace_s=0, now=later)
        found = (await shop.listed()).values()
        owner = next(iter(found)).index.owner_id if found else mine
        return len(
            [b async for b in engine.blobs.list() if b.key.startswith(f"embeddings/{owner}")]
        )

    mine = (await shop.listed())["near"].index.owner_id
    assert await kept() > 0
    assert await shop.ids(NEAR) == [0]
    await indexes.delete_index(engine, shop.caller, shop.place, "near")
    assert await kept() == 0


def _passes(body: dict[str, object]) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, vectors_body(body))
