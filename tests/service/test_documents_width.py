"""The width of a dataset's vectors while entries with several come at the same moment."""

import asyncio

import pytest

from engine import errors
from engine.service.context import Caller, Engine
from engine.service.documents import datasets
from engine.service.documents.direct import COLLECTION, GivenChunk, save_chunks
from engine.service.documents.search import DocumentQuery, search_documents
from engine.workers.document_tasks import SearchMode
from tests.service.document_steps import make_dataset, make_entry

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
