"""POST /v1/refresh: read a source again.

One route, five bodies, kept apart because clients tell them apart by their fields alone: never add
a field that makes one look like another.
"""

import re
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from catalog.model import Job
from engine.errors import InvalidRequest
from engine.service import datasets
from engine.service import refresh as refreshing
from server.auth import Access, Authorized
from server.wire.fields import Closed, JobSubmitted, Timestamp, job_submitted
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

# These generated clients read a job from a 200 only; later ones from a 202 only. The first calls
# itself 1.0.0; later ones that do so have no datasets to refresh.
_READS_JOB_FROM_200 = re.compile(r"OpenAPI-Generator/(?:1\.0\.0|0\.[0-4]\.\d+)/")

T = TypeVar("T", bound=Closed)

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


class RefreshWarning(Closed):
    """What the reader of a table should know although it was refreshed."""

    schema_name: str
    table_name: str
    message: str


class TableFault(Closed):
    """A table that could not be refreshed."""

    schema_name: str
    table_name: str
    error: str


class TableRefreshed(Closed):
    """The new copy of one table."""

    connection_id: str
    schema_name: str
    table_name: str
    rows_synced: int = Field(ge=0)
    duration_ms: int = Field(ge=0)
    warnings: list[RefreshWarning]


class ConnectionRefreshed(Closed):
    """New copies of the tables of a connection; a table that failed keeps its old one."""

    connection_id: str
    tables_refreshed: int = Field(ge=0)
    tables_failed: int = Field(ge=0)
    total_rows: int = Field(ge=0)
    duration_ms: int = Field(ge=0)
    errors: list[TableFault]
    warnings: list[RefreshWarning]


BODY = JsonBody(RefreshShape, example={"dataset_id": "data0123456789abcdefghijklmnop"})


@router.post(
    "",
    operation_id="refresh",
    summary="Refresh a dataset or connections",
    response_model=DatasetRefreshed
    | SchemasRefreshed
    | TableRefreshed
    | ConnectionRefreshed
    | JobSubmitted,
    openapi_extra=BODY.openapi_extra,
    responses={
        202: {"model": JobSubmitted, "description": "The refresh goes on in the background."},
        **documented_errors(404, 408, 409, 502),
    },
)
async def refresh(
    request: Request,
    access: Authorized,
    body: Annotated[RefreshShape, Depends(BODY)],
) -> Any:  # noqa: ANN401 - the models above, or the response of a job
    """Load a dataset again, look for tables of connections, or make new copies of tables."""
    if body.dataset_id is None:
        return await _refresh_connections(request, access, body)
    if body.connection_id is not None:
        raise InvalidRequest("Name either dataset_id or connection_id, not both.")
    outcome = await datasets.refresh_dataset(
        access.engine, access.caller, body.dataset_id, is_async=body.is_async
    )
    if isinstance(outcome, Job):
        return _submitted(request, outcome)
    return DatasetRefreshed(
        id=outcome.dataset_id,
        version=outcome.version,
        status="ready",
        created_at=outcome.created_at,
    )


async def _refresh_connections(request: Request, access: Access, body: RefreshShape) -> Any:  # noqa: ANN401 - as above
    if problem := _problem_of(body):
        raise InvalidRequest(problem)
    if not body.data or body.connection_id is None:
        return _schemas(
            await refreshing.refresh_schemas(access.engine, access.caller, body.connection_id)
        )
    if body.schema_name is not None and body.table_name is not None:
        return await _refresh_table(
            request, access, (body.connection_id, body.schema_name, body.table_name), body.is_async
        )
    make = refreshing.submit_tables if body.is_async else refreshing.refresh_tables
    done = await make(
        access.engine,
        access.caller,
        body.connection_id,
        include_uncached=body.include_uncached,
    )
    return (
        _submitted(request, done) if isinstance(done, Job) else _body_of(ConnectionRefreshed, done)
    )


async def _refresh_table(
    request: Request, access: Access, place: tuple[str, str, str], is_async: bool
) -> Any:  # noqa: ANN401 - as above
    where = (access.engine, access.caller, *place)
    if is_async:
        return _submitted(request, await refreshing.submit_table(*where))
    return _body_of(TableRefreshed, await refreshing.refresh_table(*where))


def _submitted(request: Request, job: Job) -> Response:
    is_old = _READS_JOB_FROM_200.search(request.headers.get("user-agent", ""))
    return job_submitted(job.id, status_code=200 if is_old else 202)


def _schemas(done: refreshing.SchemasRefreshed) -> SchemasRefreshed:
    fields = asdict(done)
    fields["errors"] = [{"connection_id": one, "error": error} for one, error in done.errors]
    return SchemasRefreshed.model_validate(fields)


def _body_of(model: type[T], done: Any) -> T:  # noqa: ANN401 - any of the refreshed
    return model.model_validate(asdict(done))


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
