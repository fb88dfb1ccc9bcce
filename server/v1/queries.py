"""/v1/queries: SQL with a name and a history."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from catalog.model import SavedQuery, SavedQueryVersion
from engine.service import saved_queries
from engine.service.queries import QueryOptions
from server.auth import Authorized, authorize
from server.v1.query import (
    ANSWER_HEADERS,
    QueryAccepted,
    QueryResponse,
    RunShape,
    answer_query,
    checked_async,
)
from server.wire.fields import Closed, Limit, Offset, Timestamp, id_path
from server.wire.formats import INLINE_FORMATS, accepted_format
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import DATABASE_HEADER, documented_errors, rows_response

router = APIRouter(prefix="/v1/queries", tags=["Saved queries"])

SavedQueryId = Annotated[str, id_path("saved query", "svqr0123456789abcdefghijklmnop")]


class CreateSavedQuery(Shape):
    """A query to keep; it need not be valid SQL yet."""

    name: str = Field(description="1 to 255 characters; need not be unique.")
    sql: str = Field(description="1 to 1,000,000 characters.")
    description: str | None = Field(None, description="At most 10,000 characters.")
    tags: list[str] | None = Field(None, description="At most 50, each 1 to 100 characters.")


class UpdateSavedQuery(Shape):
    """What to change; an absent field stays as it is, and so does a null except in overrides."""

    name: str | None = None
    sql: str | None = Field(None, description="Another text makes a new version.")
    description: str | None = None
    tags: list[str] | None = Field(None, description="[] removes all.")
    category_override: str | None = Field(None, description="null = back to the detected one.")
    table_size_override: str | None = Field(None, description="null = none.")


class ExecuteSavedQuery(RunShape):
    """Which version to run, and how to wait."""

    version: int | None = Field(None, description="null or absent = the latest.")


class _Classified(Closed):
    sql: str
    sql_hash: str
    category: str | None
    table_size: str | None
    num_tables: int | None
    has_predicate: bool | None
    has_join: bool | None
    has_aggregation: bool | None
    has_group_by: bool | None
    has_order_by: bool | None
    has_limit: bool | None


class SavedQueryVersionBody(_Classified):
    """One text of a saved query and what its plan looks like."""

    version: int
    created_at: Timestamp


class SavedQuerySummary(Closed):
    """A saved query in a listing."""

    id: str
    name: str
    description: str
    tags: list[str]
    latest_version: int
    created_at: Timestamp
    updated_at: Timestamp


class SavedQueryDetails(_Classified, SavedQuerySummary):
    """A saved query with its latest text."""


class SavedQueryListing(Closed):
    """One page of saved queries, by name."""

    queries: list[SavedQuerySummary]
    count: int = Field(ge=0)
    offset: int = Field(ge=0)
    limit: int = Field(ge=1)
    has_more: bool


class SavedQueryVersionListing(Closed):
    """One page of versions, newest first."""

    saved_query_id: str
    versions: list[SavedQueryVersionBody]
    count: int = Field(ge=0)
    offset: int = Field(ge=0)
    limit: int = Field(ge=1)
    has_more: bool


CREATE = JsonBody(
    CreateSavedQuery,
    example={"name": "Heavy elements", "sql": "SELECT * FROM elements WHERE mass > 200"},
)
UPDATE = JsonBody(UpdateSavedQuery, example={"sql": "SELECT symbol FROM elements"})
EXECUTE = JsonBody(ExecuteSavedQuery, example={"version": 1}, is_optional=True)


@router.get(
    "",
    operation_id="list_saved_queries",
    summary="List saved queries",
    responses=documented_errors(),
)
async def list_saved_queries(
    access: Authorized, limit: Limit = 100, offset: Offset = 0
) -> SavedQueryListing:
    """List the saved queries of this workspace by name."""
    page = await saved_queries.list_saved_queries(
        access.engine, access.caller, limit=limit, offset=offset
    )
    return SavedQueryListing(
        queries=[SavedQuerySummary(**_summary(query)) for query in page.items],
        count=len(page.items),
        offset=page.offset,
        limit=page.limit,
        has_more=page.has_more,
    )


@router.post(
    "",
    operation_id="create_saved_query",
    summary="Create a saved query",
    status_code=201,
    openapi_extra=CREATE.openapi_extra,
    responses=documented_errors(),
)
async def create_saved_query(
    access: Authorized, body: Annotated[CreateSavedQuery, Depends(CREATE)]
) -> SavedQueryDetails:
    """Keep a query under a name, as version 1."""
    query = await saved_queries.create_saved_query(
        access.engine,
        access.caller,
        name=body.name,
        sql=body.sql,
        description=body.description,
        tags=body.tags,
    )
    return _details(query)


@router.get(
    "/{id}",
    operation_id="get_saved_query",
    summary="Get a saved query",
    responses=documented_errors(404),
)
async def get_saved_query(access: Authorized, id: SavedQueryId) -> SavedQueryDetails:  # noqa: A002 - path
    """Show a saved query with its latest text."""
    return _details(await saved_queries.get_saved_query(access.engine, access.caller, id))


@router.put(
    "/{id}",
    operation_id="update_saved_query",
    summary="Update a saved query",
    openapi_extra=UPDATE.openapi_extra,
    responses=documented_errors(404),
)
async def update_saved_query(
    access: Authorized,
    id: SavedQueryId,  # noqa: A002 - the name in the path
    body: Annotated[UpdateSavedQuery, Depends(UPDATE)],
) -> SavedQueryDetails:
    """Change a saved query; another SQL text becomes a new version."""
    changes = body.changes(clearable=("category_override", "table_size_override"))
    return _details(
        await saved_queries.update_saved_query(access.engine, access.caller, id, changes)
    )


@router.delete(
    "/{id}",
    operation_id="delete_saved_query",
    summary="Delete a saved query",
    status_code=204,
    responses=documented_errors(404),
)
async def delete_saved_query(access: Authorized, id: SavedQueryId) -> None:  # noqa: A002 - path
    """Delete a saved query with its versions; the history of its runs stays."""
    await saved_queries.delete_saved_query(access.engine, access.caller, id)


@router.post(
    "/{id}/execute",
    operation_id="execute_saved_query",
    summary="Execute a saved query",
    response_model=None,
    openapi_extra=EXECUTE.openapi_extra | DATABASE_HEADER,
    responses={
        200: rows_response(QueryResponse, INLINE_FORMATS, headers=ANSWER_HEADERS),
        202: {"model": QueryAccepted, "description": "The query goes on in the background."},
        **documented_errors(403, 404, 408, 409),
    },
)
async def execute_saved_query(request: Request, id: SavedQueryId) -> Response:  # noqa: A002 - path
    """Run the latest or a named version of a saved query, answered as POST /v1/query is."""
    access = await authorize(request)
    body = await EXECUTE(request)
    is_async, async_after_ms = checked_async(request, body)
    version = await saved_queries.get_saved_query_version(
        access.engine, access.caller, id, body.version
    )
    options = QueryOptions(
        format=accepted_format(request.headers.get("accept"), INLINE_FORMATS),
        params=tuple(body.params),
        is_async=is_async,
        async_after_ms=async_after_ms,
        saved_query=version,
        database_id=request.headers.get("x-database-id"),
    )
    return await answer_query(request, access, version.sql, options)


@router.get(
    "/{id}/versions",
    operation_id="list_saved_query_versions",
    summary="List saved query versions",
    responses=documented_errors(404),
)
async def list_saved_query_versions(
    access: Authorized,
    id: SavedQueryId,  # noqa: A002 - the name in the path
    limit: Limit = 100,
    offset: Offset = 0,
) -> SavedQueryVersionListing:
    """List the texts a saved query has had, newest first."""
    page = await saved_queries.list_saved_query_versions(
        access.engine, access.caller, id, limit=limit, offset=offset
    )
    return SavedQueryVersionListing(
        saved_query_id=id,
        versions=[
            SavedQueryVersionBody(
                version=version.version, created_at=version.created_at, **_classified(version)
            )
            for version in page.items
        ],
        count=len(page.items),
        offset=page.offset,
        limit=page.limit,
        has_more=page.has_more,
    )


def _details(query: SavedQuery) -> SavedQueryDetails:
    return SavedQueryDetails(**_summary(query), **_classified(query.version))


def _summary(query: SavedQuery) -> dict[str, Any]:
    plain = {name: getattr(query, name) for name in SavedQuerySummary.model_fields}
    return {**plain, "tags": list(query.tags)}


def _classified(version: SavedQueryVersion) -> dict[str, Any]:
    plan = version.classification
    return {
        "sql": version.sql,
        "sql_hash": version.sql_hash,
        "category": version.category,
        "table_size": version.table_size_override,
        "num_tables": plan.num_tables,
        "has_predicate": plan.has_predicate,
        "has_join": plan.has_join,
        "has_aggregation": plan.has_aggregation,
        "has_group_by": plan.has_group_by,
        "has_order_by": plan.has_order_by,
        "has_limit": plan.has_limit,
    }
