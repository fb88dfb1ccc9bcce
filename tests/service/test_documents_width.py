"""The width of a dataset's vectors while entries with several come at the same moment."""

import asyncio
from dataclasses import replace

import pytest

from engine import errors
from engine.service import embedding_providers as providers
from engine.service.context import Caller, Engine
from engine.service.documents import datasets
from engine.service.documents.direct import COLLECTION, GivenChunk, save_chunks
from engine.service.documents.search import DocumentQuery, search_documents
from engine.service.embedding_providers import NewProvider
from engine.workers.document_tasks import SearchMode
from tests.service.document_steps import make_dataset, make_entry
from tests.service.searching import rows_of

pytestmark = pytest.mark.anyio


async def test_of_vectors_that_come_at_once_those_of_one_width_count(
    engine: Engine, caller: Caller
) -> None:
    dataset_id = await make_dataset(engine, caller, trigger=None)
    widths = [2, 3, 2, 3, 4, 2]
    ids = [
        await make_entry(engine, caller, dataset_id, f"e{place}") for place in range(len(widths))
    ]

    async def save(entry_id: int, width: int) -> bool:
        chunk = GivenChunk("x", 0, [1.0] * width, {})
        try:
            await save_chunks(engine, caller, entry_id, [chunk], COLLECTION)
        except errors.InvalidRequest:
            return False
        return True

    saved = await asyncio.gather(*map(save, ids, widths))
    dataset = (await datasets.get_dataset(engine, caller, dataset_id)).dataset
    width = dataset.embedding_width
    assert width is not None
    assert {each for each, is_saved in zip(widths, saved, strict=True) if is_saved} == {width}
    query = DocumentQuery(mode=SearchMode.CHUNKS, vector=[1.0] * width, limit=100)
    hits = (await search_documents(engine, caller, query)).answer["hits"]
    counting = {entry_id for entry_id, is_saved in zip(ids, saved, strict=True) if is_saved}
    assert {hit["entry_id"] for hit in hits if hit["score"] > 0.9} == counting
    assert {hit["entry_id"] for hit in hits} == counting


async def test_a_provider_that_makes_vectors_of_a_dataset_stays(
    engine: Engine, caller: Caller
) -> None:
    asked = NewProvider("mine", "service", {"base_url": "https://x.example", "model": "m"}, "key")
    provider = await providers.create_provider(engine, caller, asked)
    dataset_id = await make_dataset(engine, caller, trigger=None, provider_id=provider.id)
    with pytest.raises(errors.Conflict, match="A document dataset is made with"):
        await providers.delete_provider(engine, caller, provider.id)
    await datasets.delete_dataset(engine, caller, dataset_id)
    await providers.delete_provider(engine, caller, provider.id)
    with pytest.raises(errors.InvalidRequest, match="not found"):
        await make_dataset(engine, caller, trigger=None, provider_id=provider.id)


async def test_words_find_where_no_vector_of_the_query_fits(engine: Engine, caller: Caller) -> None:
    dataset_id = await make_dataset(engine, caller, trigger=None)
    entry_id = await make_entry(engine, caller, dataset_id, "tides")
    chunk = GivenChunk("Spring tides", 0, [1.0, 2.0, 3.0], {})
    await save_chunks(engine, caller, entry_id, [chunk], COLLECTION)
    query = DocumentQuery(mode=SearchMode.HYBRID, text="tides", dataset_ids=[dataset_id])
    hits = (await search_documents(engine, caller, query)).answer["hits"]
    assert [hit["entry_id"] for hit in hits] == [entry_id]
    with pytest.raises(errors.WidthMismatch):
        await search_documents(engine, caller, replace(query, mode=SearchMode.CHUNKS))
    sql = "SELECT text FROM vector_search('documents.papers.chunks', 'text', {}, 1)"
    with pytest.raises(errors.InvalidRequest, match="made elsewhere"):
        await rows_of(engine, caller, sql.format("'tides'"))
    assert await rows_of(engine, caller, sql.format("[1, 2, 3]")) == [["Spring tides"]]
