"""Routes for operators and readers: health, metrics, the API document and its page.

None needs a token, and none tells anything about a workspace. The page is one file without
references to other hosts, so that it works on a closed network.
"""

import asyncio
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.door import door_of
from server.wire.fields import Closed

_PAGE = (Path(__file__).parent / "docs.html").read_text(encoding="utf-8")
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)

router = APIRouter(tags=["Operations"])


class Health(Closed):
    """Whether this server takes requests."""

    status: str
    service: str


_READINESS: dict[int | str, dict[str, Any]] = {
    200: {"model": Health, "description": "Ready."},
    503: {"model": Health, "description": "Starting, stopping, or the catalog is away."},
}


@router.head(
    "/health",
    operation_id="head_health",
    summary="Is the server ready? The status alone",
    response_model=None,
    responses={status: {"description": it["description"]} for status, it in _READINESS.items()},
)
@router.get(
    "/health",
    operation_id="get_health",
    summary="Is the server ready?",
    response_model=None,
    responses=_READINESS,
)
async def get_health(request: Request) -> Response:
    """Answer 200 only when a query would be served now; for load balancers, without a token."""
    is_ready = await door_of(request).is_ready()
    content = {"status": "ok" if is_ready else "unavailable", "service": "tidemill"}
    return Response(
        orjson.dumps(content),
        status_code=200 if is_ready else 503,
        media_type="application/json",
    )


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "The Prometheus text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def get_metrics(request: Request) -> Response:
    """Count requests, queries and workers; without a token, so keep the port private."""
    return Response(door_of(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", include_in_schema=False)
async def get_document(request: Request) -> Response:
    """Serve the API document."""
    return Response(
        await asyncio.to_thread(request.app.state.document), media_type="application/json"
    )


@router.get("/docs", include_in_schema=False)
async def get_page() -> Response:
    """Serve the page that reads the API document."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _PAGE_POLICY})
