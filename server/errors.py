"""One table: class of an error -> status and code on the wire; and the shapes of bodies.

The door's own errors extend the engine's tree::

    EngineError
    ├── Unauthenticated           no bearer token
    │   └── UnknownToken          a token nobody issued, or a revoked one
    ├── WorkspaceUnknown          X-Workspace-Id names no workspace this token may use
    ├── PathUnknown               no operation has this path
    ├── MethodUnknown             the path exists, this method does not
    ├── Draining                  the server is stopping
    ├── HeadTooLarge              request line and headers do not end
    └── InvalidRequest
        ├── NotHttp               the bytes are no HTTP request
        ├── MalformedBody         the body is not JSON
        ├── WrongShape            the body is JSON of another shape
        └── WrongMediaType        the body is declared as something else

A class is looked up along its MRO, so a new engine error gets its parent's answer until it has its
own line. The gateway shape (``{"error": "<code>", ...}``) is for workspaces and for rejections
before a workspace is known; every other answer nests the code, and repeats the message at the top
for clients of the older flat shape. The Data API says ``{"detail": …}``: see ``server.api_v1.errors``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import orjson
from starlette.responses import Response

from engine import errors as engine_errors
from engine.errors import EngineError, InvalidRequest

T = TypeVar("T")

GATEWAY_PREFIX = "/v1/workspaces"
DATA_PREFIX = "/api/v1"
_CLUSTERS_PREFIX = "/clusters/"


class Unauthenticated(EngineError):
    """Send the API token as 'Authorization: Bearer <token>'."""


class UnknownToken(Unauthenticated):
    """The API token is not valid."""


class WorkspaceUnknown(EngineError):
    """Workspace not found."""


class PathUnknown(EngineError):
    """No operation has this path."""


class MethodUnknown(EngineError):
    """This path does not support this method."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__()
        self.allowed = allowed


class Draining(EngineError):
    """The server is shutting down. Try again shortly."""

    retry_after_s = 1


class HeadTooLarge(EngineError):
    """The URL and the headers, or the fields after the body, are larger than 64 KiB."""


class NotHttp(InvalidRequest):
    """The bytes are not a valid HTTP/1.1 request."""


class MalformedBody(InvalidRequest):
    """The body is not valid JSON."""


class WrongShape(InvalidRequest):
    """The body does not have the expected shape."""


class WrongMediaType(InvalidRequest):
    """The body has the wrong content type."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How an error looks to a client: HTTP status and machine-readable code."""

    status: int
    code: str


INTERNAL = Wire(500, "INTERNAL_SERVER_ERROR")

TABLE: MappingProxyType[type[Exception], Wire] = MappingProxyType(
    {
        Exception: INTERNAL,
        InvalidRequest: Wire(400, "BAD_REQUEST"),
        engine_errors.SqlInvalid: Wire(400, "SQL_INVALID"),
        engine_errors.StatementForbidden: Wire(400, "STATEMENT_FORBIDDEN"),
        engine_errors.SqlTooComplex: Wire(400, "SQL_TOO_COMPLEX"),
        engine_errors.PermissionDenied: Wire(403, "ACCESS_DENIED"),
        engine_errors.NotFound: Wire(404, "NOT_FOUND"),
        engine_errors.Conflict: Wire(409, "CONFLICT"),
        engine_errors.TooLarge: Wire(413, "PAYLOAD_TOO_LARGE"),
        engine_errors.Overloaded: Wire(429, "OVERLOADED"),
        engine_errors.QueryTimeout: Wire(408, "QUERY_TIMEOUT"),
        engine_errors.QueryCancelled: Wire(409, "QUERY_CANCELLED"),
        engine_errors.ResourceExhausted: Wire(503, "RESOURCE_EXHAUSTED"),
        engine_errors.QueryCrashed: Wire(500, "QUERY_CRASHED"),
        engine_errors.SourceFailed: Wire(502, "BAD_GATEWAY"),
        engine_errors.Unavailable: Wire(503, "SERVICE_UNAVAILABLE"),
        Unauthenticated: Wire(401, "missing_authorization"),
        UnknownToken: Wire(401, "invalid_api_key"),
        WorkspaceUnknown: Wire(404, "workspace_not_found"),
        PathUnknown: Wire(404, "NOT_FOUND"),
        MethodUnknown: Wire(405, "METHOD_NOT_ALLOWED"),
        Draining: Wire(503, "SERVICE_UNAVAILABLE"),
        HeadTooLarge: Wire(431, "REQUEST_HEADER_FIELDS_TOO_LARGE"),
        WrongShape: Wire(422, "UNPROCESSABLE_ENTITY"),
        WrongMediaType: Wire(415, "UNSUPPORTED_MEDIA_TYPE"),
    }
)


def wire_of(kind: type[Exception]) -> Wire:
    """Find the answer for a class of errors, its own or the nearest parent's.

    >>> wire_of(engine_errors.SqlEmpty)
    Wire(status=400, code='SQL_INVALID')
    >>> wire_of(KeyError)
    Wire(status=500, code='INTERNAL_SERVER_ERROR')
    """
    return said_of(kind, TABLE)


def said_of(kind: type[Exception], table: Mapping[type[Exception], T]) -> T:
    """Return what a table says of a class of errors, its own or the nearest parent's."""
    return next(table[cls] for cls in kind.__mro__ if cls in table)


def shown_message(error: EngineError) -> str:
    """Return the sentence for a client: text of a driver may hold a lone surrogate, which UTF-8 cannot."""
    return error.message.encode("utf-8", "replace").decode()


def render(error: Exception, *, path: str, request_id: str) -> Response:
    """Make the response for an error.

    Args:
        error: any exception; one outside the engine's tree becomes a 500 without its text.
        path: of the request; workspaces have the gateway shape, and the Data API its own.
        request_id: quoted in a 500, the only thing that leads to its log line.

    Returns:
        A complete JSON response with every header the status asks for.
    """
    wire = wire_of(type(error))
    if isinstance(error, EngineError):
        message = shown_message(error)
    else:
        message = f"Internal server error. Please quote request {request_id}."
    return Response(
        orjson.dumps(_content(error, path, wire, message)),
        status_code=wire.status,
        media_type="application/json",
        headers=headers_of(error),
    )


def is_data_api(path: str) -> bool:
    """Tell whether a path belongs to the Data API, called directly or as a cluster's."""
    return path == DATA_PREFIX or path.startswith((f"{DATA_PREFIX}/", _CLUSTERS_PREFIX))


def _content(error: Exception, path: str, wire: Wire, message: str) -> dict[str, object]:
    if is_data_api(path):
        return {"detail": message}
    is_gateway = path.startswith(GATEWAY_PREFIX) or isinstance(
        error, (Unauthenticated, WorkspaceUnknown)
    )
    return {
        "error": wire.code if is_gateway else {"code": wire.code, "message": message},
        "message": message,
        "status": wire.status,
    }


def headers_of(error: Exception) -> dict[str, str]:
    """Return the headers that the status of an error asks for."""
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="tidemill"'}
        case MethodUnknown():
            return {"Allow": ", ".join(error.allowed)}
        case engine_errors.Overloaded() | engine_errors.Unavailable() | Draining():
            return {"Retry-After": str(max(1, error.retry_after_s))}
        case _:
            return {}
