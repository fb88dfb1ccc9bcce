"""The Data API as an application that the server mounts."""

import asyncio
import re
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount

from engine.errors import EngineError
from server.api_v1 import datasets, entries, health, pipelines, search, uploads
from server.api_v1.errors import refuse, refuse_parameter, refuse_route
from server.door import Door
from server.errors import DATA_PREFIX
from server.middleware import LastResort
from server.release import release

PROXY_PREFIX = "/clusters/{cluster_id}/proxy"
_OPEN_PATHS = frozenset({"/health", "/openapi.json"})
_DESCRIPTION = """Documents: datasets of entries, the pipeline that reads them, and searches.

Call it directly with `x-organization-id`, or through `/clusters/{cluster_id}/proxy/api/v1`. Everything
registered can also be read by SQL, as `documents.<slug>.entries`, `.chunks` and `.files`."""


def create_data_api(door: Door) -> FastAPI:
    """Build the application; ``door`` is the server's."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(LastResort)],
        generate_unique_id_function=_operation_id,
        exception_handlers={
            EngineError: refuse,
            HTTPException: refuse_route,
            RequestValidationError: refuse_parameter,
        },
    )
    # Uploads before entries: paths are tried in this order, and both begin with /entries.
    for part in (search, uploads, entries, datasets, pipelines, health):
        app.include_router(part.router)
    app.state.door = door
    app.state.document = cache(lambda: orjson.dumps(_document(app)))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        document = await asyncio.to_thread(app.state.document)
        return Response(document, media_type="application/json")

    return app


def mounts(app: FastAPI) -> tuple[Mount, Mount]:
    """Return where the server has the application: directly, and as a cluster's proxy."""
    return Mount(DATA_PREFIX, app), Mount(f"{PROXY_PREFIX}{DATA_PREFIX}", app)


def _operation_id(route: APIRoute) -> str:
    """Name an operation as the Data API's clients do: function, path and method.

    ``get_entry_api_v1_entries__entry_id__get``, say.
    """
    method = min(route.methods or ("get",)).lower()
    return re.sub(r"\W", "_", f"{route.name}{DATA_PREFIX}{route.path_format}") + f"_{method}"


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Tidemill Data API",
        version=release(),
        description=_DESCRIPTION,
        routes=app.routes,
        servers=[{"url": DATA_PREFIX}],
    )
    document["components"]["securitySchemes"] = {
        "BearerAuth": {"type": "http", "scheme": "bearer"},
        "OrganizationId": {"type": "apiKey", "in": "header", "name": "x-organization-id"},
    }
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _hoist(operation, document["components"]["schemas"])
            if path not in _OPEN_PATHS:
                operation["security"] = [{"BearerAuth": [], "OrganizationId": []}]
    return document


def _hoist(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Move what the schema of a body defines to where its references look."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schemas.update(content["schema"].pop("$defs", {}))
