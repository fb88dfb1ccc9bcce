"""/api/v1/search and /api/v1/vector: documents by words, by meaning, and by both."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator
from starlette.responses import Response

from engine.service.documents import entries
from engine.service.documents.entries import Selector
from engine.service.documents.search import DocumentQuery, Found, search_documents
from engine.workers.document_tasks import MetadataFilter, SearchFilters, SearchMode
from server.api_v1.access import Authorized
from server.api_v1.bodies import Given, JsonBody, Real, Vector, Whole, Yes
from server.api_v1.documented import documented
from server.api_v1.entry_bodies import ID_MAX, Number, status_of
from server.wire.fields import Closed

router = APIRouter(tags=["Search"])

_TEXT_MAX = 32_768
Scalar = str | bool | int | float
Score = Annotated[Real, Field(ge=0, le=1)]


class KeywordSearchRequest(Given):
    """What is searched for in words."""

    query: str = Field(min_length=1, max_length=_TEXT_MAX)
    dataset_ids: list[Number] | None = Field(default=None, max_length=10_000)
    limit: Whole = Field(default=20, ge=1, le=100)
    offset: Whole = Field(default=0, ge=0, le=ID_MAX)
    tags: list[str] = Field(default_factory=list, max_length=100)
    status: str | None = Field(default=None, max_length=50)
    mime_types: list[str] = Field(default_factory=list, max_length=100)
    min_score: Score | None = None
    metadata_filters: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict, max_length=100)
    mode: Literal["keyword", "hybrid"] = "keyword"
    facets: Yes = False


class VectorSearchRequest(Given):
    """What is searched for by meaning: a text or a vector, which wins."""

    query: str | None = Field(default=None, max_length=_TEXT_MAX)
    query_vector: Vector | None = Field(default=None, min_length=1, max_length=65_536)
    dataset_ids: list[Number] | None = Field(default=None, max_length=10_000)
    entry_ids: list[Number] | None = Field(default=None, max_length=10_000)
    limit: Whole = Field(default=10, ge=1, le=100)
    offset: Whole = Field(default=0, ge=0, le=10_000)
    score_threshold: Score | None = None
    collection_name: str = Field(default="entry_chunks", max_length=255)

    @model_validator(mode="after")
    def _has_query(self) -> "VectorSearchRequest":
        if self.query_vector is None and not (self.query or "").strip():
            raise ValueError("give a query, or a query_vector")
        return self


class Snippet(Closed):
    """Where a hit was found."""

    field: str
    text: str


class KeywordHit(Closed):
    """An entry that was found."""

    entry_id: int
    dataset_id: int
    name: str
    title: str
    description: str | None
    score: float
    highlighted: dict[str, str] | None
    snippets: list[Snippet]
    metadata: dict[str, Any]

    @classmethod
    def of(cls, hit: dict[str, Any]) -> "KeywordHit":
        """Show a hit as clients see it."""
        marked: dict[str, str] = hit.get("highlighted") or {}
        shown = hit["title"] or hit["name"]
        return cls(
            entry_id=hit["entry_id"],
            dataset_id=hit["dataset_id"],
            name=hit["name"],
            title=shown,
            description=hit["description"],
            score=hit["score"],
            highlighted=marked or None,
            snippets=[Snippet(field=field, text=text) for field, text in marked.items()],
            metadata={
                "title": shown,
                **(hit["metadata"] or {}),
                "mime_type": hit["mime_type"],
                "status": "processed",
                "tags": hit["tags"] or [],
                "created_at": hit["created_at"],
            },
        )


class Pagination(Closed):
    """Which page this is."""

    total: int
    limit: int
    offset: int


class KeywordSearchBody(Closed):
    """Entries that were found, the best first; ``total`` counts all that match."""

    results: list[KeywordHit]
    total: int
    total_count: int
    limit: int
    offset: int
    has_more: bool
    query: str
    execution_time_ms: float
    pagination: Pagination
    facets: dict[str, Any] | None


class ChunkHit(Closed):
    """A chunk that was found."""

    id: str
    score: float
    entry_id: int
    dataset_id: int
    chunk_text: str | None
    metadata: dict[str, Any]

    @classmethod
    def of(cls, hit: dict[str, Any]) -> "ChunkHit":
        """Show a hit as clients see it."""
        places = {
            name: hit[name]
            for name in ("heading_path", "page_start", "page_end", "char_start", "char_end")
            if hit.get(name) is not None
        }
        entry_id, number = hit["entry_id"], hit["chunk_index"]
        return cls(
            id=f"{entry_id}-{number}",
            score=hit["score"],
            entry_id=entry_id,
            dataset_id=hit["dataset_id"],
            chunk_text=hit["chunk_text"],
            metadata={
                **places,
                **(hit["metadata"] or {}),
                "dataset_id": hit["dataset_id"],
                "entry_id": entry_id,
                "chunk_index": number,
            },
        )


class ChunkSearchBody(Closed):
    """Chunks, the nearest first; ``total`` counts those that are here."""

    results: list[ChunkHit]
    total: int
    query_info: dict[str, Any]


class EntryText(Closed):
    """The text of an entry."""

    text: str


class EntryHit(Closed):
    """An entry, with its chunks that were found."""

    entry_id: int
    dataset_id: int
    name: str
    score: float
    matching_chunks: list[ChunkHit]
    content: EntryText | None


class EntrySearchBody(Closed):
    """Entries by their best chunk; ``total`` counts those that are here."""

    results: list[EntryHit]
    total: int
    query_info: dict[str, Any]


_keyword = JsonBody(
    KeywordSearchRequest, example={"query": "your search term", "dataset_ids": [1], "limit": 10}
)
_vector = JsonBody(
    VectorSearchRequest,
    example={"query": "semantic query about your documents", "dataset_ids": [1], "limit": 5},
)


@router.post(
    "/search",
    summary="Search entries by words",
    response_model=KeywordSearchBody,
    responses=documented(413, 422, 502),
    openapi_extra=_keyword.openapi_extra,
)
async def keyword_search(
    access: Authorized, body: Annotated[KeywordSearchRequest, Depends(_keyword)]
) -> Response:
    """Find entries by their words, misspelled ones too, with filters, facets and highlights.

    The mode `hybrid` also finds them by their meaning.
    """
    is_searched = body.status is None or status_of(body.status) == "processed"
    filters = SearchFilters(
        tags=tuple(body.tags),
        mime_types=tuple(body.mime_types),
        metadata=tuple(
            MetadataFilter(field, tuple(value) if isinstance(value, list) else (value,))
            for field, value in body.metadata_filters.items()
        ),
    )
    query = DocumentQuery(
        mode=SearchMode(body.mode),
        text=body.query,
        dataset_ids=body.dataset_ids if is_searched else (),
        filters=filters,
        limit=body.limit,
        offset=body.offset,
        score_min=body.min_score,
        with_facets=body.facets,
    )
    found = await search_documents(access.engine, access.caller, query)
    hits = [KeywordHit.of(hit) for hit in found.answer["hits"]]
    total = found.answer["total"]
    answer = KeywordSearchBody(
        results=hits,
        total=total,
        total_count=total,
        limit=body.limit,
        offset=body.offset,
        has_more=body.offset + len(hits) < total,
        query=body.query,
        execution_time_ms=round(found.elapsed_ms, 3),
        pagination=Pagination(total=total, limit=body.limit, offset=body.offset),
        facets=found.answer.get("facets"),
    )
    return _written(answer)


@router.post(
    "/vector/chunks",
    summary="Search chunks by meaning",
    response_model=ChunkSearchBody,
    responses=documented(413, 422, 502),
    openapi_extra=_vector.openapi_extra,
)
async def vector_search_chunks(
    access: Authorized, body: Annotated[VectorSearchRequest, Depends(_vector)]
) -> Response:
    """Find the chunks nearest to a text or a vector."""
    found = await _search(access, body, SearchMode.CHUNKS)
    hits = [ChunkHit.of(hit) for hit in found.answer["hits"]]
    return _written(ChunkSearchBody(results=hits, total=len(hits), query_info=_info(body, found)))


@router.post(
    "/vector/entries",
    summary="Search entries by meaning",
    response_model=EntrySearchBody,
    responses=documented(413, 422, 502),
    openapi_extra=_vector.openapi_extra,
)
async def vector_search_entries(
    access: Authorized, body: Annotated[VectorSearchRequest, Depends(_vector)]
) -> Response:
    """Find the entries whose chunks are nearest to a text or a vector."""
    found = await _search(access, body, SearchMode.ENTRIES)
    texts = await _texts(access, [hit["entry_id"] for hit in found.answer["hits"]])
    hits = [
        EntryHit(
            entry_id=hit["entry_id"],
            dataset_id=hit["dataset_id"],
            name=hit["name"],
            score=hit["score"],
            matching_chunks=[ChunkHit.of(chunk) for chunk in hit["chunks"]],
            content=texts.get(hit["entry_id"]),
        )
        for hit in found.answer["hits"]
    ]
    return _written(EntrySearchBody(results=hits, total=len(hits), query_info=_info(body, found)))


def _written(body: Closed) -> Response:
    """Write an answer in one go: it was checked when it was made, and the framework checks again."""
    return Response(body.model_dump_json(), media_type="application/json")


async def _search(access: Authorized, body: VectorSearchRequest, mode: SearchMode) -> Found:
    is_known = body.collection_name == "entry_chunks"
    query = DocumentQuery(
        mode=mode,
        text=body.query,
        vector=body.query_vector,
        dataset_ids=body.dataset_ids if is_known else (),
        filters=SearchFilters(entry_ids=None if body.entry_ids is None else tuple(body.entry_ids)),
        limit=body.limit,
        offset=body.offset,
        score_min=body.score_threshold,
    )
    return await search_documents(access.engine, access.caller, query)


async def _texts(access: Authorized, entry_ids: Sequence[int]) -> dict[int, EntryText]:
    """Read the whole texts of entries that were found."""
    if not entry_ids:
        return {}
    found, _ = await entries.read_contents(
        access.engine,
        access.caller,
        Selector(ids=entry_ids),
        limit=len(entry_ids),
        offset=0,
        with_chunks=False,
        is_complete=False,
    )
    return {
        each.entry.id: EntryText(text=each.content["text"])
        for each in found
        if each.content is not None
    }


def _info(body: VectorSearchRequest, found: Found) -> dict[str, Any]:
    return {
        "query": body.query,
        "dataset_ids": body.dataset_ids,
        "entry_ids": body.entry_ids,
        "score_threshold": body.score_threshold,
        "collection_name": body.collection_name,
        "execution_time_ms": round(found.elapsed_ms, 3),
    }
