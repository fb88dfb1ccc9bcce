"""The composition root: settings in, a running HTTP server out.

Order of the layers, outermost first: request id and log, CORS, last resort, then FastAPI. On
SIGTERM the server first drains (``/health`` and new requests answer 503, running ones finish, at
most ``drain_timeout_s``), and only then stops listening.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from socket import socket
from types import FrameType

import orjson
import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from catalog.settings import Settings
from engine.errors import EngineError, InvalidRequest
from server import probes
from server.api_v1.app import create_data_api, mounts
from server.door import Door
from server.doors import Doors
from server.errors import MethodUnknown, PathUnknown, render
from server.methods import methods_of
from server.middleware import LastResort, RequestBoundary
from server.observe import configure_logging
from server.protocol import HttpProtocol
from server.release import release
from server.v1 import ROUTERS
from server.v1.query import run_query
from server.wire.json_body import sentence_of
from server.wire.openapi import build_document

_CANCEL_GRACE_S = 1
_EXPOSED_HEADERS = (
    "Link",
    "Retry-After",
    "X-Query-Run-Id",
    "X-Request-Id",
    "X-Result-Id",
    "X-Total-Row-Count",
)

_log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """Build the ASGI application; its lifespan opens and closes the engine.

    ``app.state.door`` is the ``Door`` of the requests; ``document`` and ``data_document`` make the API
    documents of ``/v1`` and ``/api/v1``: bytes of JSON, made when somebody asks first.
    """
    door = Door(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await door.open()
        try:
            yield
        finally:
            await door.close()

    app = FastAPI(
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        middleware=_layers(door),
        exception_handlers={
            EngineError: _refuse,
            HTTPException: _refuse_route,
            RequestValidationError: _refuse_parameter,
        },
    )
    for router in (*ROUTERS, probes.router):
        app.include_router(router)
    data_api = create_data_api(door)
    app.router.routes.extend(mounts(data_api))
    # Found first and without FastAPI's own layers, which cost as much as the rest of the door.
    app.router.routes.insert(0, HotRoute("/v1/query", run_query, methods=["POST"]))
    app.state.door = door
    app.state.document = cache(lambda: orjson.dumps(build_document(app, version=release())))
    app.state.data_document = data_api.state.document
    return app


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve HTTP, Postgres and Flight SQL clients until SIGTERM or SIGINT, then drain and return.

    Args:
        settings: of this process; they name the ports of the other two.
        host: address to listen on.
        port: 0 = any free port, told in the log event ``server.ready``.
    """
    configure_logging(settings)
    # uvicorn raises the signal again when it is done; after a clean drain the exit code is 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_CANCEL_GRACE_S,
    )
    DrainingServer(config, app.state.door).run()


class HotRoute(Route):
    """A route that FastAPI documents and Starlette serves."""

    @override
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        await super().handle(scope, receive, send)


class DrainingServer(uvicorn.Server):
    """A uvicorn server that keeps answering while its last requests finish, and the doors beside it."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self._door = door
        self._doors = Doors(door)

    @override
    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open the engine, then listen."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            ports = await self._doors.open(host)
            # What is here now stays: no collection walks through it, nor does the end of the process.
            gc.freeze()
            _log.info("server.ready", host=host, port=port, **ports)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse new work from this moment."""
        self._door.is_draining = True
        super().handle_exit(sig, frame)

    @override
    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Let running requests finish, then stop listening and close the engine."""
        self._door.is_draining = True
        timeout_s = self._door.settings.drain_timeout_s
        _log.info("server.draining", timeout_s=timeout_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._drain(), timeout_s)
        await self._doors.close()
        await super().shutdown(sockets)
        _log.info("server.stopped")

    async def _drain(self) -> None:
        await self._doors.drain()
        await self._door.wait_idle()


def _layers(door: Door) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=door.settings.cors_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["*"],
        expose_headers=_EXPOSED_HEADERS,
    )
    inner = [cors] if door.settings.cors_origins else []
    return [Middleware(RequestBoundary, door=door), *inner, Middleware(LastResort)]


def _rendered(request: Request, error: Exception) -> Response:
    return render(error, path=request.url.path, request_id=request.state.request_id)


async def _refuse(request: Request, error: Exception) -> Response:
    return _rendered(request, error)


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    methods = methods_of(request)
    if error.status_code == 405 and methods:  # noqa: PLR2004 - a status
        return _rendered(request, MethodUnknown(methods))
    return _rendered(request, PathUnknown())


async def _refuse_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    place, *names = problem["loc"]
    sentence = sentence_of({**problem, "loc": names}).removeprefix("Field ")
    return _rendered(request, InvalidRequest(f"The {place} parameter {sentence}"))
