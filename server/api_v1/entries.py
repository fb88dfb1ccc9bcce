"""/api/v1/entries: documents, one by one and many at once."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import Conflict
from engine.service.documents import direct, entries, pipeline_run
from engine.service.documents.direct import GivenChunk
from engine.service.documents.entries import Selector
from server.api_v1.access import Authorized
from server.api_v1.bodies import JsonBody, Whole
from server.api_v1.documented import EntryId, documented, page_count
from server.api_v1.entry_bodies import (
    ID_MAX,
    BatchRequest,
    ChunksIndexed,
    ChunksRequest,
    ContentBatch,
    ContentRequest,
    EntryBatch,
    EntryBody,
    EntryContentBody,
    EntryListing,
    EntryUpdateRequest,
    Manifest,
    PipelineTriggered,
    ProcessedRequest,
    ProcessedSaved,
    failed_word,
    status_of,
)
from server.api_v1.errors import BadRequest, Incomplete

router = APIRouter(prefix="/entries", tags=["Entries"])

PAGE_ROWS = 20
PAGE_ROWS_MAX = 100

_updated = JsonBody(EntryUpdateRequest, example={"metadata": {"source": "library"}})
_batch = JsonBody(BatchRequest, example={"dataset_id": 1, "limit": 50})
_contents = JsonBody(ContentRequest, example={"dataset_id": 1, "limit": 50})
_content = JsonBody(ProcessedRequest, example={"content": {"text": "# Title\n\nText"}})
_chunks = JsonBody(
    ChunksRequest,
    example={
        "collection_name": "entry_chunks",
        "chunks": [{"chunk_text": "Text", "chunk_index": 0, "metadata": {"folio": 5}}],
    },
)


@router.get("", summary="List entries", responses=documented())
async def list_entries(  # noqa: PLR0913, PLR0917 - one for each parameter of the query
    request: Request,
    access: Authorized,
    dataset_id: Annotated[
        Whole | None, Query(ge=1, le=ID_MAX, description="Of this dataset.")
    ] = None,
    page: Annotated[Whole, Query(ge=1, le=10**9, description="From 1.")] = 1,
    limit: Annotated[
        Whole | None, Query(description="Entries in the page: 20 unless told, at most 100.")
    ] = None,
    page_size: Annotated[Whole | None, Query(description="The same as limit.")] = None,
    slug: Annotated[str | None, Query(max_length=255, description="Of this slug.")] = None,
    status: Annotated[str | None, Query(max_length=50, description="In this status.")] = None,
) -> EntryListing:
    """List entries, newest first."""
    rows = _rows_of(limit if limit is not None else page_size)
    selector = Selector(
        dataset_id=dataset_id,
        slugs=None if slug is None else [slug],
        status=None if status is None else status_of(status),
    )
    found = await entries.list_entries(
        access.engine, access.caller, selector, limit=rows, offset=(page - 1) * rows
    )
    failed = failed_word(request)
    return EntryListing(
        entries=[EntryBody.of(item, failed) for item in found.items],
        total=found.total,
        page=page,
        page_size=rows,
        total_pages=page_count(found.total, rows),
    )


@router.post(
    "/batch",
    summary="Get many entries",
    responses=documented(413, 422),
    openapi_extra=_batch.openapi_extra,
)
async def batch_get_entries(
    request: Request, access: Authorized, body: Annotated[BatchRequest, Depends(_batch)]
) -> EntryBatch:
    """Return entries of a dataset, or of some ids, in one request."""
    found = await entries.list_entries(
        access.engine, access.caller, _selector(body), limit=body.limit, offset=body.offset
    )
    failed = failed_word(request)
    return EntryBatch(
        entries=[EntryBody.of(item, failed) for item in found.items], total=found.total
    )


@router.post(
    "/batch/content",
    summary="Get the content of many entries",
    responses=documented(413, 422),
    openapi_extra=_contents.openapi_extra,
)
async def batch_get_entry_content(
    request: Request, access: Authorized, body: Annotated[ContentRequest, Depends(_contents)]
) -> ContentBatch:
    """Return the text and the chunks of entries in one request, at most 64 MiB as stored."""
    found, total = await entries.read_contents(
        access.engine,
        access.caller,
        _selector(body),
        limit=body.limit,
        offset=body.offset,
        with_chunks=body.with_chunks,
    )
    failed = failed_word(request)
    return ContentBatch(entries=[EntryContentBody.of(item, failed) for item in found], total=total)


@router.get("/{entry_id:entry}", summary="Get an entry", responses=documented(404, 422))
async def get_entry(request: Request, access: Authorized, entry_id: EntryId) -> EntryBody:
    """Return an entry with its status, its files and the history of its processing."""
    found = await entries.get_entry(access.engine, access.caller, entry_id)
    return EntryBody.of(found, failed_word(request))


@router.patch(
    "/{entry_id:entry}",
    summary="Update an entry",
    responses=documented(404, 409, 413, 422),
    openapi_extra=_updated.openapi_extra,
)
async def update_entry(
    request: Request,
    access: Authorized,
    entry_id: EntryId,
    body: Annotated[EntryUpdateRequest, Depends(_updated)],
) -> EntryBody:
    """Change the name, description or metadata of an entry; searches see it at once."""
    given = body.model_dump(include=body.model_fields_set)
    changes = {name: value for name, value in given.items() if value is not None}
    found = await entries.update_entry(access.engine, access.caller, entry_id, changes)
    return EntryBody.of(found, failed_word(request))


@router.delete(
    "/{entry_id:entry}", summary="Delete an entry", status_code=204, responses=documented(404, 422)
)
async def delete_entry(access: Authorized, entry_id: EntryId) -> Response:
    """Remove an entry with its files and everything that is searched of it."""
    await entries.delete_entry(access.engine, access.caller, entry_id)
    return Response(status_code=204)


@router.post(
    "/{entry_id:entry}/trigger-pipeline",
    summary="Trigger the pipeline of an entry",
    responses=documented(404, 422),
)
async def trigger_pipeline(access: Authorized, entry_id: EntryId) -> PipelineTriggered:
    """Start the pipeline of an entry that is uploaded, or has failed."""
    try:
        started = await pipeline_run.trigger_pipeline(access.engine, access.caller, entry_id)
    except Conflict as error:
        raise BadRequest(error.message) from error
    return PipelineTriggered(
        entry_id=started.id,
        dataset_id=started.dataset_id,
        workflow_name=started.workflow_name or "",
        status=started.status,
        namespace=access.caller.workspace_id,
    )


@router.post(
    "/{entry_id:entry}/processed",
    summary="Save the content of an entry",
    responses=documented(404, 413, 422),
    openapi_extra=_content.openapi_extra,
)
async def save_processed_content(
    access: Authorized,
    entry_id: EntryId,
    body: Annotated[ProcessedRequest, Depends(_content)],
) -> ProcessedSaved:
    """Make a text the content of an entry, which is `processed` then; no pipeline runs."""
    found = await direct.save_processed(
        access.engine, access.caller, entry_id, body.content.model_dump()
    )
    return ProcessedSaved(entry_id=entry_id, manifest=Manifest.of(found))


@router.post(
    "/{entry_id:entry}/chunks",
    summary="Save chunks of an entry",
    responses=documented(404, 413, 422, 502),
    openapi_extra=_chunks.openapi_extra,
)
async def save_chunks(
    access: Authorized, entry_id: EntryId, body: Annotated[ChunksRequest, Depends(_chunks)]
) -> ChunksIndexed:
    """Make chunks part of an entry, with vectors of the client's own or of ours."""
    chunks = [
        GivenChunk(each.chunk_text, each.chunk_index, each.embedding, each.metadata)
        for each in body.chunks
    ]
    indexed = await direct.save_chunks(
        access.engine, access.caller, entry_id, chunks, body.collection_name
    )
    return ChunksIndexed(entry_id=entry_id, indexed=indexed, collection_name=body.collection_name)


def _rows_of(asked: int | None) -> int:
    if asked is None or asked < 1:
        return PAGE_ROWS
    return min(asked, PAGE_ROWS_MAX)


def _selector(body: BatchRequest) -> Selector:
    if body.dataset_id is None and body.entry_ids is None:
        message = "Give a dataset_id, or entry_ids"
        raise Incomplete([{"loc": ("body", "dataset_id"), "msg": message, "type": "missing"}])
    return Selector(
        dataset_id=body.dataset_id,
        ids=body.entry_ids,
        slugs=body.slugs,
        status=None if body.status is None else status_of(body.status),
    )
