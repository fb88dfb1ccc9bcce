"""/v1/results: the kept answers of queries.

Two generations of clients read here. A plain JSON request gets 200 whatever the status, which it
finds in the body. A request that names a format, or a database, gets 202 while the result is being
written and 409 when it failed, since rows in another encoding have no place for a status.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from catalog.model import Result, ResultStatus
from engine.service import results
from engine.service.results import ResultRows
from server.auth import Authorized
from server.wire.fields import INT64_MAX, Closed, DatabaseId, Limit, Offset, Timestamp, id_path
from server.wire.formats import MEDIA_TYPES, RESULT_FORMATS, accepted_format, chosen_format
from server.wire.openapi import DATABASE_HEADER, ErrorBody, documented_errors, rows_response
from server.wire.streaming import StreamedAnswer

_POLL_AFTER_S = 1

router = APIRouter(prefix="/v1/results", tags=["Results"])


class ResultItem(Closed):
    """One kept result in a listing."""

    id: str
    status: str
    error_message: str | None
    created_at: Timestamp


class ResultListing(Closed):
    """One page of results, newest first."""

    results: list[ResultItem]
    count: int = Field(ge=0)
    offset: int = Field(ge=0)
    limit: int = Field(ge=0)
    has_more: bool


class ResultBody(Closed):
    """A result: its status, and its rows once it is ready."""

    result_id: str
    status: str
    error_message: str | None
    columns: list[str] | None
    rows: list[list[Any]] | None
    nullable: list[bool] | None
    row_count: int | None = Field(ge=0)
    total_row_count: int | None = Field(ge=0)


@router.get("", operation_id="list_results", summary="List results", responses=documented_errors())
async def list_results(
    access: Authorized,
    limit: Limit = 100,
    offset: Offset = 0,
    database_id: DatabaseId = None,
) -> ResultListing:
    """List the results this workspace still keeps, newest first."""
    page = await results.list_results(
        access.engine, access.caller, limit=limit, offset=offset, database_id=database_id
    )
    return ResultListing(
        results=[
            ResultItem(
                id=result.id,
                status=result.status,
                error_message=result.error_message,
                created_at=result.created_at,
            )
            for result in page.items
        ],
        count=len(page.items),
        offset=page.offset,
        limit=page.limit,
        has_more=page.has_more,
    )


@router.get(
    "/{id}",
    operation_id="get_result",
    summary="Get a result",
    response_model=None,
    openapi_extra=DATABASE_HEADER,
    responses={
        200: rows_response(
            ResultBody,
            RESULT_FORMATS,
            headers={
                "X-Total-Row-Count": "Rows of the whole result.",
                "X-Result-Id": "The result.",
                "Link": "The next slice, when limit stopped short.",
            },
        ),
        202: {"model": ResultBody, "description": "Not ready yet; see Retry-After."},
        **documented_errors(408, 409),
        409: {
            "model": ResultBody | ErrorBody,
            "description": "The query failed, so there are no rows.",
        },
    },
)
async def get_result(
    request: Request,
    access: Authorized,
    id: Annotated[str, id_path("result", "rslt0123456789abcdefghijklmnop")],  # noqa: A002 - path
    format: Annotated[  # noqa: A002 - the name of the query parameter
        str | None, Query(description="json, arrow, csv, md or parquet; beats Accept.")
    ] = None,
    offset: Annotated[int, Query(ge=0, le=INT64_MAX, description="Rows to skip.")] = 0,
    limit: Annotated[
        int | None, Query(ge=0, le=INT64_MAX, description="Most rows to return; absent = all.")
    ] = None,
) -> Response:
    """Read a kept result, whole or a slice of it.

    `X-Total-Row-Count` is the number of rows of the whole result; `Link` names the next slice when
    `limit` stopped short. Parquet is the stored file, never sliced.
    """
    named = chosen_format(format)
    encoding = named or accepted_format(request.headers.get("accept"), RESULT_FORMATS)
    result = await results.get_result(access.engine, access.caller, id)
    if result.status is not ResultStatus.READY:
        is_plain = named is None and encoding == "json" and "x-database-id" not in request.headers
        return _without_rows(result, is_plain=is_plain)
    rows = await results.read_result(
        access.engine,
        access.caller,
        result,
        format=encoding,
        offset_rows=offset,
        limit_rows=limit,
    )
    headers = {"X-Total-Row-Count": str(rows.row_count), "X-Result-Id": result.id}
    if encoding != "parquet" and limit and offset + limit < rows.row_count:
        headers["Link"] = f'<{_next_url(request, offset + limit)}>; rel="next"'
    chunks = _enveloped(result, rows) if encoding == "json" else aiter(rows.body)
    return StreamedAnswer(chunks, rows.aclose, media_type=MEDIA_TYPES[encoding], headers=headers)


def _without_rows(result: Result, *, is_plain: bool) -> Response:
    content = {
        "result_id": result.id,
        "status": result.status,
        "error_message": result.error_message,
        "columns": None,
        "rows": None,
        "nullable": None,
        "row_count": None,
        "total_row_count": None,
    }
    has_failed = result.status is ResultStatus.FAILED
    status_code = 200 if is_plain else 409 if has_failed else 202
    return Response(
        orjson.dumps(content),
        status_code=status_code,
        media_type="application/json",
        headers={} if has_failed else {"Retry-After": str(_POLL_AFTER_S)},
    )


async def _enveloped(result: Result, rows: ResultRows) -> AsyncIterator[bytes]:
    known = {
        "result_id": result.id,
        "status": result.status,
        "error_message": None,
        "columns": result.columns,
    }
    head = orjson.dumps(known)[:-1] + b',"rows":['
    async for chunk in rows.body:
        yield head + chunk
        head = b""
    counted = {
        "nullable": rows.nullable,
        "row_count": rows.page_row_count,
        "total_row_count": rows.row_count,
    }
    yield head + b"]," + orjson.dumps(counted)[1:]


def _next_url(request: Request, offset: int) -> str:
    parameters = {**request.query_params, "offset": str(offset)}
    return f"{request.url.path}?{urlencode(parameters)}"
