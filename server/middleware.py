"""The two layers around every request; pure ASGI, so that streams and disconnects pass untouched.

``RequestBoundary`` is outermost: request id, drain, one access log line, metrics. ``LastResort``
sits inside CORS, so that even a 500 carries CORS headers. An error after the first byte has left
ends the connection without the closing chunk: a client never takes half an answer for a whole one.
"""

import asyncio
import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.door import Door
from server.errors import DATA_PREFIX, Draining, render, wire_of
from server.wire.streaming import ClientGone

PROBES = frozenset({"/health", "/metrics"})
_CLIENT_GONE_STATUS = 499
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

_log = structlog.get_logger()


class RequestBoundary:
    """Names, counts, times and logs each request; refuses new ones while draining."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = _CLIENT_GONE_STATUS
        is_started = False

        async def send_named(message: Message) -> None:
            nonlocal status, is_started
            if message["type"] == "http.response.start":
                is_started = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["x-content-type-options"] = "nosniff"
                if self._door.is_draining:
                    headers["connection"] = "close"
            await send(message)

        try:
            if self._door.is_draining and scope["path"] not in PROBES:
                await _refuse(scope, receive, send_named)
                return
            with self._door.counted():
                await self._app(scope, receive, send_named)
        except asyncio.CancelledError:
            # The drain timeout has passed; the client may well succeed elsewhere.
            if is_started or not self._door.is_draining:
                raise
            await _refuse(scope, receive, send_named)
        finally:
            self._report(scope, status, time.perf_counter() - started_s)

    def _report(self, scope: Scope, status: int, elapsed_s: float) -> None:
        route = _route_of(scope)
        self._door.metrics.count(scope["method"], route, status, elapsed_s)
        _log.info(
            "http.request",
            method=scope["method"],
            route=route,
            status=status,
            elapsed_ms=round(elapsed_s * 1000, 3),
            request_id=scope["state"]["request_id"],
            workspace_id=scope["state"].get("workspace_id"),
        )


class LastResort:
    """Answers what nobody handled with a 500 that holds a request id and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def send_watched(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        request_id = scope["state"]["request_id"]
        try:
            await self._app(scope, receive, send_watched)
        except (ClientDisconnect, ClientGone):
            return
        except Exception as error:  # noqa: BLE001 - the one place that turns the unknown into a 500
            # Starlette wraps an error it could have handled, had the answer not begun.
            cause = error.__cause__ if is_started and error.__cause__ else error
            code = wire_of(type(cause)).code if isinstance(cause, Exception) else None
            _log.error(
                "http.stream_aborted" if is_started else "http.unhandled",
                request_id=request_id,
                code=code,
                exc_info=cause,
            )
            if not is_started:
                response = render(error, path=scope["path"], request_id=request_id)
                await response(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    response = render(Draining(), path=scope["path"], request_id=scope["state"]["request_id"])
    await response(scope, receive, send)


def _route_of(scope: Scope) -> str:
    """Name the route of a request; those of the Data API, which is mounted twice, by one prefix."""
    path: str | None = getattr(scope.get("route"), "path_format", None)
    if path is None:
        return "unmatched"
    return f"{DATA_PREFIX}{path}" if scope.get("root_path") else path


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
