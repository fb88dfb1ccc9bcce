"""Searches over document datasets: which segments count, the query as vectors, and a worker that finds."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.document_model import DocumentDataset
from engine import errors
from engine.query.search_calls import SEARCH_CHARS_MAX
from engine.service.context import Caller, Engine
from engine.service.documents.segments import LANGUAGE, searchable_datasets
from engine.service.embedding import embed_query, find_provider
from engine.translate import translated
from engine.workers.document_tasks import (
    DocumentSearchTask,
    SearchedDataset,
    SearchFilters,
    SearchMode,
)
from engine.workers.execution import Limits


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """What a client searches for.

    Attributes:
        mode: what is found, and how.
        text: in words; searches by meaning alone may have a vector instead.
        vector: the query as numbers; it wins over the text.
        dataset_ids: which datasets; None = all whose vectors fit. Unknown ones have nothing.
        filters: which entries count.
        limit: hits at most.
        offset: hits left out.
        score_min: hits below are left out; None = none are.
    """

    mode: SearchMode
    text: str | None = None
    vector: Sequence[float] | None = None
    dataset_ids: Sequence[int] | None = None
    filters: SearchFilters = field(default_factory=SearchFilters)
    limit: int = 10
    offset: int = 0
    score_min: float | None = None
    with_facets: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a worker found (see ``engine.workers.document_tasks``), and how long it all took."""

    answer: dict[str, Any]
    elapsed_ms: float


@translated
async def search_documents(engine: Engine, caller: Caller, query: DocumentQuery) -> Found:
    """Search the registered content of datasets.

    Raises:
        InvalidRequest: the text is too long, or the vector has another width than those of the datasets.
        SourceFailed: the text cannot be embedded.
    """
    started = time.perf_counter()
    if query.text is not None and len(query.text) > SEARCH_CHARS_MAX:
        raise errors.InvalidRequest(
            f"A query may have at most {SEARCH_CHARS_MAX:,} characters, not {len(query.text):,}"
        )
    found = await searchable_datasets(engine, caller.workspace_id, ids=query.dataset_ids)
    searched = [each for each in found if each.segments]
    vectors = await _vectors(engine, caller, query, [each.dataset for each in searched])
    task = DocumentSearchTask(
        mode=query.mode,
        query=query.text or "",
        datasets=tuple(
            SearchedDataset(each.dataset.id, each.segments, vector)
            for each, vector in zip(searched, vectors, strict=True)
        ),
        language=LANGUAGE,
        limit=query.limit,
        offset=query.offset,
        filters=query.filters,
        score_min=query.score_min,
        with_facets=query.with_facets,
    )
    settings = engine.settings
    limits = Limits(
        timeout_s=settings.query_timeout_s,
        memory_bytes=settings.query_memory_bytes,
        subject="The search",
    )
    answer = await engine.pool.run_task(caller.workspace_id, task, limits=limits)
    return Found(answer, (time.perf_counter() - started) * 1000)


async def _vectors(
    engine: Engine, caller: Caller, query: DocumentQuery, datasets: Sequence[DocumentDataset]
) -> list[tuple[float, ...] | None]:
    """Return the query as each dataset's vectors are made; None where meaning does not count."""
    if query.mode is SearchMode.KEYWORD:
        return [None] * len(datasets)
    # A dataset without vectors has nothing near: its model need not be asked.
    providers = {each.embedding_provider_id for each in datasets if each.embedding_width}
    if query.vector is not None:
        vectors = dict.fromkeys(providers, tuple(query.vector))
    else:
        vectors = await _embed_by(engine, caller, providers, query.text or "")
    pairs = [
        (each, vectors[each.embedding_provider_id]) for each in datasets if each.embedding_width
    ]
    fitting = {dataset.id: vector for dataset, vector in pairs if _fits(dataset, vector)}
    # Datasets that nobody named may have vectors of a client's own: they are left out, unless all are.
    # With both, those vectors are left out in any case: there are the words.
    if query.mode is not SearchMode.HYBRID and (query.dataset_ids is not None or not fitting):
        for dataset, vector in pairs:
            _check_width(dataset, len(vector))
    return [fitting.get(each.id) for each in datasets]


async def _embed_by(
    engine: Engine, caller: Caller, provider_ids: Collection[str | None], text: str
) -> dict[str | None, tuple[float, ...]]:
    """Return a text as each provider's model makes it."""
    vectors: dict[str | None, tuple[float, ...]] = {}
    for provider_id in provider_ids:
        provider = await find_provider(engine, caller.workspace_id, provider_id)
        found = await embed_query(engine, caller.workspace_id, provider, None, [text])
        vectors[provider_id] = tuple(found[0].tolist())
    return vectors


def _fits(dataset: DocumentDataset, vector: Sequence[float]) -> bool:
    return dataset.embedding_width == len(vector)


def _check_width(dataset: DocumentDataset, width: int) -> None:
    wanted = dataset.embedding_width
    if wanted != width:
        raise errors.WidthMismatch(
            f"The query has a vector of {width} numbers, and those of dataset {dataset.id} have {wanted}"
        )
