"""How the Data API says that something failed: ``{"detail": …}``, a sentence or a list of problems."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine import errors as engine_errors
from engine.errors import EngineError, InvalidRequest
from server.errors import (
    MethodUnknown,
    PathUnknown,
    headers_of,
    said_of,
    shown_message,
    wire_of,
)
from server.methods import methods_of

_TEXT_CHARS_MAX = 500


class BadRequest(InvalidRequest):
    """The request cannot be understood."""


class Incomplete(InvalidRequest):
    """Fields of the body, the path or the query are wrong; each with where it is."""

    def __init__(self, problems: Sequence[Any]) -> None:
        super().__init__()
        self.problems = problems


# Where the Data API answers otherwise than the rest of the service.
_STATUSES: MappingProxyType[type[Exception], int] = MappingProxyType(
    {InvalidRequest: 422, BadRequest: 400, engine_errors.WidthMismatch: 400}
)


def render_detail(error: Exception, *, request_id: str) -> Response:
    """Make the response for an error: see :func:`server.errors.render`."""
    status = wire_of(type(error)).status
    if isinstance(error, InvalidRequest) and status in (400, 422):
        status = said_of(type(error), _STATUSES)
    detail: Any
    if isinstance(error, Incomplete):
        detail = [_plain(problem) for problem in error.problems]
    elif not isinstance(error, EngineError):
        detail = f"Internal server error. Please quote request {request_id}."
    elif status == 422:  # noqa: PLR2004 - a status
        detail = [{"loc": ["body"], "msg": shown_message(error), "type": "value_error"}]
    else:
        detail = shown_message(error)
    return Response(
        orjson.dumps({"detail": detail}),
        status_code=status,
        media_type="application/json",
        headers=headers_of(error),
    )


async def refuse(request: Request, error: Exception) -> Response:
    """Answer an error of the engine."""
    return render_detail(error, request_id=request.state.request_id)


async def refuse_parameter(request: Request, error: Exception) -> Response:
    """Answer wrong parameters of the path or the query."""
    assert isinstance(error, RequestValidationError)
    return render_detail(Incomplete(error.errors()), request_id=request.state.request_id)


async def refuse_route(request: Request, error: Exception) -> Response:
    """Answer a path or a method that there is not."""
    assert isinstance(error, HTTPException)
    methods = methods_of(request) if error.status_code == 405 else ()  # noqa: PLR2004 - a status
    answer = MethodUnknown(methods) if methods else PathUnknown()
    return render_detail(answer, request_id=request.state.request_id)


def _plain(problem: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was sent: it may be large, or a secret."""
    return {
        "loc": [part if isinstance(part, int) else str(part)[:100] for part in problem["loc"]],
        "msg": str(problem["msg"])[:_TEXT_CHARS_MAX],
        "type": problem["type"],
    }
