"""/v1/query-runs: the history of queries, and the way to stop one."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from catalog.model import QueryRun
from engine.service import queries
from server.auth import Authorized
from server.wire.fields import Closed, DatabaseId, Limit, Timestamp, id_path
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/query-runs", tags=["Query runs"])

RunId = Annotated[str, id_path("query run", "qrun0123456789abcdefghijklmnop")]


class RunBody(Closed):
    """One execution of a query, whether it succeeded or not."""

    id: str
    status: str
    sql_text: str
    sql_hash: str
    snapshot_id: str
    trace_id: str | None
    result_id: str | None
    error_message: str | None
    warning_message: str | None
    row_count: int | None
    execution_time_ms: int | None
    server_processing_ms: int | None
    bytes_scanned: int | None
    rows_scanned: int | None
    saved_query_id: str | None
    saved_query_version: int | None
    user_public_id: str | None
    created_at: Timestamp
    completed_at: Timestamp | None

    @classmethod
    def of(cls, run: QueryRun) -> "RunBody":
        """Show a run as clients see it."""
        return cls.model_validate({name: getattr(run, name) for name in cls.model_fields})


class RunListing(Closed):
    """One page of runs, newest first; ``next_cursor`` leads to the next."""

    query_runs: list[RunBody]
    count: int = Field(ge=0)
    limit: int = Field(ge=1)
    has_more: bool
    next_cursor: str | None


@router.get(
    "", operation_id="list_query_runs", summary="List query runs", responses=documented_errors()
)
async def list_query_runs(
    access: Authorized,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before.")] = None,
    status: Annotated[str | None, Query(description="Statuses, separated by commas.")] = None,
    saved_query_id: Annotated[str | None, Query(description="Runs of this saved query.")] = None,
    database_id: DatabaseId = None,
) -> RunListing:
    """List the queries of this workspace, newest first."""
    page = await queries.list_runs(
        access.engine,
        access.caller,
        limit=limit,
        cursor=cursor,
        statuses=split_commas(status),
        saved_query_id=saved_query_id,
        database_id=database_id,
    )
    return RunListing(
        query_runs=[RunBody.of(run) for run in page.items],
        count=len(page.items),
        limit=page.limit,
        has_more=page.next_cursor is not None,
        next_cursor=page.next_cursor,
    )


@router.get(
    "/{id}",
    operation_id="get_query_run",
    summary="Get a query run",
    responses=documented_errors(404),
)
async def get_query_run(access: Authorized, id: RunId) -> RunBody:  # noqa: A002 - name in the path
    """Look at one run; poll this after a 202."""
    return RunBody.of(await queries.get_run(access.engine, access.caller, id))


@router.post(
    "/{id}/cancel",
    operation_id="cancel_query_run",
    summary="Cancel a query run",
    responses=documented_errors(404, 409),
)
async def cancel_query_run(access: Authorized, id: RunId) -> RunBody:  # noqa: A002 - name in the path
    """Stop a running query at once; 409 when it has already ended."""
    return RunBody.of(await queries.cancel_run(access.engine, access.caller, id))


def split_commas(text: str | None) -> tuple[str, ...] | None:
    """Read a comma-separated filter; None when it filters nothing.

    >>> split_commas("running, failed"), split_commas(" , "), split_commas(None)
    (('running', 'failed'), None, None)
    """
    return tuple(part.strip() for part in (text or "").split(",") if part.strip()) or None
