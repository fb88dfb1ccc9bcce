"""POST /v1/refresh: read a source again.

One route, five bodies, kept apart because clients tell them apart by their fields alone: never add
a field that makes one look like another.
"""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request

from catalog.model import Job
from engine.errors import InvalidRequest, NotFound
from engine.service import datasets
from server.auth import Authorized
from server.wire.fields import Closed, JobSubmitted, Timestamp, job_submitted
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

# These generated clients read a job from a 200 only; later ones from a 202 only. The first calls
# itself 1.0.0; later ones that do so have no datasets to refresh.
_READS_JOB_FROM_200 = re.compile(r"OpenAPI-Generator/(?:1\.0\.0|0\.[0-4]\.\d+)/")

router = APIRouter(prefix="/v1/refresh", tags=["Refresh"])


class RefreshShape(Shape):
    """What to read again: one dataset, or parts of connections."""

    connection_id: str | None = None
    schema_name: str | None = None
    table_name: str | None = None
    data: bool = Field(False, description="Rows instead of table definitions.")
    include_uncached: bool = Field(False, description="Also tables never read before.")
    dataset_id: str | None = None
    is_async: bool = Field(False, alias="async", description="Answer 202 with a job.")


class DatasetRefreshed(Closed):
    """The new version of a dataset."""

    id: str
    version: int
    status: str
    created_at: Timestamp


class RefreshFault(Closed):
    """A connection that could not be read."""

    connection_id: str
    error: str


class SchemasRefreshed(Closed):
    """What a look at every connection found."""

    connections_refreshed: int = Field(ge=0)
    connections_failed: int = Field(ge=0)
    tables_discovered: int = Field(ge=0)
    tables_added: int = Field(ge=0)
    tables_modified: int = Field(ge=0)
    errors: list[RefreshFault]


BODY = JsonBody(RefreshShape, example={"dataset_id": "data0123456789abcdefghijklmnop"})


@router.post(
    "",
    operation_id="refresh",
    summary="Refresh a dataset or connections",
    response_model=DatasetRefreshed | SchemasRefreshed | JobSubmitted,
    openapi_extra=BODY.openapi_extra,
    responses={
        202: {"model": JobSubmitted, "description": "The refresh goes on in the background."},
        **documented_errors(404, 408, 409),
    },
)
async def refresh(
    request: Request,
    access: Authorized,
    body: Annotated[RefreshShape, Depends(BODY)],
) -> Any:  # noqa: ANN401 - the models above, or the response of a job
    """Repeat the query or the download of a dataset as a new version, or look at connections."""
    if body.dataset_id is None:
        return _refresh_connections(body)
    if body.connection_id is not None:
        raise InvalidRequest("Name either dataset_id or connection_id, not both.")
    outcome = await datasets.refresh_dataset(
        access.engine, access.caller, body.dataset_id, is_async=body.is_async
    )
    if isinstance(outcome, Job):
        is_old = _READS_JOB_FROM_200.search(request.headers.get("user-agent", ""))
        return job_submitted(outcome.id, status_code=200 if is_old else 202)
    return DatasetRefreshed(
        id=outcome.dataset_id,
        version=outcome.version,
        status="ready",
        created_at=outcome.created_at,
    )


def _refresh_connections(body: RefreshShape) -> SchemasRefreshed:
    if problem := _problem_of(body):
        raise InvalidRequest(problem)
    if body.connection_id is not None:
        raise NotFound(f"Connection '{body.connection_id}' not found")
    return SchemasRefreshed(
        connections_refreshed=0,
        connections_failed=0,
        tables_discovered=0,
        tables_added=0,
        tables_modified=0,
        errors=[],
    )


def _problem_of(body: RefreshShape) -> str | None:
    rules = (
        (body.schema_name and not body.connection_id, "schema_name needs connection_id."),
        (body.table_name and not body.schema_name, "table_name needs schema_name."),
        (body.data and not body.connection_id, "data needs connection_id."),
        (body.table_name and not body.data, "table_name needs data: true."),
        (
            body.schema_name and not body.data,
            "Schema-level refresh is not supported; omit schema_name to refresh the connection.",
        ),
        (body.schema_name and not body.table_name, "schema_name with data needs table_name."),
        (body.is_async and not body.data, "async is for data and dataset refreshes only."),
    )
    return next((text for is_broken, text in rules if is_broken), None)
