"""POST /v1/query: one SQL statement in, rows out.

The hot route: one function, no response model, and the rows are the engine's own bytes. What is
known only when the last row has been made (``nullable``, ``row_count``, ``execution_time_ms``)
comes after ``rows``.
"""

from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import APIRouter
from pydantic import Field, field_validator
from pydantic.config import JsonDict
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import InvalidRequest
from engine.service import queries
from engine.service.queries import QueryAnswer, QueryOptions, QuerySubmitted
from server.auth import Access, authorize
from server.door import door_of
from server.wire.fields import Closed
from server.wire.formats import INLINE_FORMATS, MEDIA_TYPES, accepted_format
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import DATABASE_HEADER, documented_errors, rows_response
from server.wire.streaming import StreamedAnswer, cancelled_when_client_leaves

ASYNC_AFTER_MS_MIN = 1000
ANSWER_HEADERS = {"X-Query-Run-Id": "The query run.", "X-Result-Id": "The kept result."}

_SCALAR: JsonDict = {"type": ["null", "boolean", "number", "string"]}

router = APIRouter(prefix="/v1/query", tags=["Query"])


class AsyncShape(Shape):
    """The fields that choose between waiting for the answer and polling for it."""

    is_async: bool = Field(
        False, alias="async", description="Answer 202 with a run id instead of waiting."
    )
    async_after_ms: int | None = Field(
        None,
        description="With async: wait up to so many milliseconds (at least 1000) before the 202.",
    )


class RunShape(AsyncShape):
    """How to run a statement whose text may have placeholders."""

    params: list[Any] = Field(
        [],
        description="Values for $1, $2, …: null, boolean, number, text, or a list of these.",
        json_schema_extra={"items": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}},
    )

    @field_validator("params")
    @classmethod
    def _hold_scalars_or_lists(cls, values: list[Any]) -> list[Any]:
        for position, value in enumerate(values, start=1):
            items = value if isinstance(value, list) else [value]
            if any(isinstance(item, (dict, list)) for item in items):
                raise ValueError(f"must hold scalars or flat lists, but ${position} does not")
        return values


class QueryShape(RunShape):
    """One SQL statement and how to run it."""

    sql: str = Field(description="One read-only SQL statement.")
    default_catalog: str | None = Field(None, description="Catalog of names without one.")
    default_schema: str | None = Field(None, description="Schema of names without one.")
    database_id: str | None = Field(None, description="The database the names are looked up in.")


class QueryResponse(Closed):
    """The answer to a query, rows as arrays in column order."""

    query_run_id: str
    result_id: str | None
    columns: list[str]
    rows: list[list[Any]]
    nullable: list[bool]
    row_count: int = Field(ge=0)
    preview_row_count: int = Field(ge=0)
    total_row_count: int | None = Field(ge=0)
    truncated: bool
    execution_time_ms: int = Field(ge=0)
    warning: str | None
    status: str


class QueryAccepted(Closed):
    """A query that goes on; poll ``status_url``."""

    query_run_id: str
    status: str
    status_url: str
    reason: str | None


BODY = JsonBody(
    QueryShape,
    example={"sql": "SELECT symbol, mass FROM elements WHERE number < $1", "params": [4]},
)


@router.post(
    "",
    operation_id="run_query",
    summary="Execute a SQL query",
    response_model=None,
    openapi_extra=BODY.openapi_extra | DATABASE_HEADER,
    responses={
        200: rows_response(QueryResponse, INLINE_FORMATS, headers=ANSWER_HEADERS),
        202: {"model": QueryAccepted, "description": "The query goes on in the background."},
        **documented_errors(403, 404, 408, 409),
    },
)
async def run_query(request: Request) -> Response:
    """Run one read-only statement and return its rows; the result is also kept for later.

    `Accept` chooses the encoding: JSON, Arrow IPC stream, CSV or Markdown. With `async` the answer
    is 202 and the run is polled. Closing the connection cancels a query that is waited for.
    """
    access = await authorize(request)
    body = await BODY(request)
    return await answer_query(request, access, body.sql, _options(request, body))


async def answer_query(
    request: Request, access: Access, sql: str, options: QueryOptions
) -> Response:
    """Run a query and make the response in the encoding that ``Accept`` asks for."""
    if options.is_async:
        outcome = await queries.run_query(access.engine, access.caller, sql, options)
    else:
        async with cancelled_when_client_leaves(request.receive):
            outcome = await queries.run_query(access.engine, access.caller, sql, options)
    if isinstance(outcome, QuerySubmitted):
        return _accepted(outcome)
    return _answered(outcome, options.format)


def checked_async(request: Request, body: AsyncShape) -> tuple[bool, int | None]:
    """Check how long the client wants to wait; what it says without ``async`` does not count.

    Raises:
        InvalidRequest: ``async_after_ms`` is out of bounds.
    """
    most_ms = door_of(request).settings.async_after_ms_max
    wait_ms = body.async_after_ms if body.is_async else None
    if wait_ms is not None and not ASYNC_AFTER_MS_MIN <= wait_ms <= most_ms:
        raise InvalidRequest(f"async_after_ms must be from {ASYNC_AFTER_MS_MIN} to {most_ms}.")
    return body.is_async, wait_ms


def _options(request: Request, body: QueryShape) -> QueryOptions:
    is_async, async_after_ms = checked_async(request, body)
    return QueryOptions(
        format=accepted_format(request.headers.get("accept"), INLINE_FORMATS),
        default_catalog=body.default_catalog,
        default_schema=body.default_schema,
        params=tuple(body.params),
        is_async=is_async,
        async_after_ms=async_after_ms,
        database_id=body.database_id or request.headers.get("x-database-id"),
    )


def _accepted(submitted: QuerySubmitted) -> Response:
    content = {
        "query_run_id": submitted.run_id,
        "status": submitted.status,
        "status_url": f"/v1/query-runs/{submitted.run_id}",
        "reason": submitted.reason,
    }
    return Response(orjson.dumps(content), status_code=202, media_type="application/json")


def _answered(answer: QueryAnswer, encoding: str) -> Response:
    headers = {"X-Query-Run-Id": answer.run_id}
    if answer.result_id is not None:
        headers["X-Result-Id"] = answer.result_id
    is_json = encoding == "json"
    media_type = MEDIA_TYPES[encoding]
    if answer.body_is_complete:
        rows = answer.body_bytes
        content = b"".join((_head(answer), rows, _tail(answer))) if is_json else rows
        return Response(content, media_type=media_type, headers=headers)
    chunks = _enveloped(answer) if is_json else aiter(answer.body)
    return StreamedAnswer(chunks, answer.aclose, media_type=media_type, headers=headers)


async def _enveloped(answer: QueryAnswer) -> AsyncIterator[bytes]:
    head = _head(answer)
    async for chunk in answer.body:
        yield head + chunk
        head = b""
    yield head + _tail(answer)


def _head(answer: QueryAnswer) -> bytes:
    known = {
        "query_run_id": answer.run_id,
        "result_id": answer.result_id,
        "columns": answer.columns,
    }
    return orjson.dumps(known)[:-1] + b',"rows":['


def _tail(answer: QueryAnswer) -> bytes:
    known = {
        "nullable": answer.nullable,
        "row_count": answer.row_count,
        "preview_row_count": answer.row_count,
        "total_row_count": answer.row_count,
        "truncated": False,
        "execution_time_ms": answer.execution_time_ms,
        "warning": answer.warning,
        "status": "succeeded",
    }
    return b"]," + orjson.dumps(known)[1:]
