"""The API document: what every operation can answer, success or not.

Errors that any operation can meet are added here once, so that a route names only its own. FastAPI
would document its own 422 body, which no client of ours ever sees; it is taken out again.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field

from server.errors import GATEWAY_PREFIX, TABLE
from server.wire.examples import example_of
from server.wire.fields import Closed
from server.wire.formats import MEDIA_TYPES

_DESCRIPTION = """SQL over everything an organisation has: uploaded files, the results of earlier
queries, and more. Send `Authorization: Bearer <token>`; send `X-Workspace-Id` when the token may
use more than one workspace. Every error has a code: see `docs/api-errors.md`."""

_MEANINGS = {
    400: "The request breaks a rule.",
    401: "No API token, or not a valid one.",
    403: "This token may not do that.",
    404: "Unknown here: never made, deleted, or another workspace's.",
    408: "The query ran longer than its limit.",
    409: "Conflict with the present state.",
    413: "The body is larger than the limit.",
    415: "The body has the wrong content type.",
    422: "The body has the wrong shape; names the field.",
    429: "Too many requests, or too many queries waiting; see Retry-After.",
    500: "Something broke; quote X-Request-Id.",
    502: "A remote source could not be reached or read.",
    503: "Not available now, or beyond the resources of one query.",
}
_ALWAYS = (400, 401, 404, 429, 500, 503)
_WITH_BODY = (413, 415, 422)
_SECURITY = {
    "BearerAuth": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "WorkspaceId": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Workspace-Id",
        "description": "Needed when the token may use more than one workspace.",
    },
}
DATABASE_HEADER: dict[str, Any] = {
    "parameters": [
        {
            "name": "X-Database-Id",
            "in": "header",
            "required": False,
            "description": "The database the names are looked up in.",
            "schema": {"type": "string"},
        }
    ]
}
_OPEN_PATHS = frozenset({"/health", "/metrics", "/v1/auth/jwt"})


class ErrorDetail(Closed):
    """The machine-readable code and the sentence for people."""

    code: str
    message: str


class ErrorBody(Closed):
    """What every failed operation answers."""

    error: ErrorDetail
    message: str
    status: int = Field(ge=400, le=599)


class GatewayErrorBody(Closed):
    """What workspaces answer, and every operation before the workspace is known."""

    error: str
    message: str
    status: int = Field(ge=400, le=599)


def documented_errors(*statuses: int, is_gateway: bool = False) -> dict[int | str, dict[str, Any]]:
    """List the failures of an operation: its own, and those that any operation can meet."""
    return {
        status: _documented_error(status, is_gateway=is_gateway)
        for status in sorted({*_ALWAYS, *statuses})
    }


def rows_response(
    model: type[BaseModel], formats: tuple[str, ...], *, headers: dict[str, str]
) -> dict[str, Any]:
    """Describe a 200 that holds rows in one of several encodings."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    others = {MEDIA_TYPES[name].partition(";")[0]: binary for name in formats if name != "json"}
    return {
        "model": model,
        "description": "The rows, in the encoding asked for.",
        "content": others,
        "headers": {name: _header(text) for name, text in headers.items()},
    }


def build_document(app: FastAPI, *, version: str) -> dict[str, Any]:
    """Write the OpenAPI document of all routes of the app."""
    document = get_openapi(
        title="Tidemill", version=version, description=_DESCRIPTION, routes=app.routes
    )
    document["components"]["securitySchemes"] = _SECURITY
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
            _illustrate(operation, document["components"]["schemas"])
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    is_gateway = path.startswith(GATEWAY_PREFIX)
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    takes_json = "application/json" in operation.get("requestBody", {}).get("content", {})
    for status in _WITH_BODY if takes_json else ():
        name = "GatewayErrorBody" if is_gateway else "ErrorBody"
        schema = {"$ref": f"#/components/schemas/{name}"}
        content = {"application/json": {"schema": schema}}
        responses.setdefault(str(status), {"description": _MEANINGS[status], "content": content})
    for response in responses.values():
        response["headers"] = {
            **response.get("headers", {}),
            "X-Request-Id": _header("Leads to the line in the log."),
        }
    if path not in _OPEN_PATHS:
        workspace: list[dict[str, list[str]]] = (
            [] if is_gateway else [{"BearerAuth": [], "WorkspaceId": []}]
        )
        operation["security"] = [*workspace, {"BearerAuth": []}]


def _illustrate(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if content is None:
            continue
        if "ErrorBody" in str(content["schema"]) and "ResultBody" not in str(content["schema"]):
            content["example"] = _error_example(int(status), str(content["schema"]))
        else:
            content["example"] = example_of(content["schema"], schemas)


def _error_example(status: int, schema: str) -> dict[str, Any]:
    code = next(wire.code for wire in TABLE.values() if wire.status == status)
    message = _MEANINGS[status]
    is_nested = "/ErrorBody" in schema
    error = {"code": code, "message": message} if is_nested else code
    return {"error": error, "message": message, "status": status}


def _documented_error(status: int, *, is_gateway: bool) -> dict[str, Any]:
    model: Any = ErrorBody
    if is_gateway or status == 401:  # noqa: PLR2004 - a status
        model = GatewayErrorBody
    elif status == 404:  # noqa: PLR2004 - a status
        model = ErrorBody | GatewayErrorBody
    headers = {
        401: {"WWW-Authenticate": _header("How to send the token.")},
        429: {"Retry-After": _header("Seconds.", kind="integer")},
        503: {"Retry-After": _header("Seconds, when waiting helps.", kind="integer")},
    }.get(status, {})
    return {"model": model, "description": _MEANINGS[status], "headers": headers}


def _header(description: str, *, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}
