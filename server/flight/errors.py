"""What an error looks like to a Flight client: a gRPC status and our sentence, never a traceback.

| engine | gRPC |
|---|---|
| InvalidRequest, TooLarge, Conflict | INVALID_ARGUMENT |
| NotFound, WorkspaceUnknown | NOT_FOUND |
| CommandUnsupported | UNIMPLEMENTED |
| Unauthenticated | UNAUTHENTICATED |
| PermissionDenied | PERMISSION_DENIED |
| QueryTimeout | DEADLINE_EXCEEDED |
| QueryCancelled | CANCELLED |
| Overloaded, Unavailable, Draining | UNAVAILABLE |
| SourceFailed, ResourceExhausted | UNKNOWN |
| anything else | INTERNAL |

Arrow has no status that becomes RESOURCE_EXHAUSTED, so the trailer ``x-tidemill-error-code`` carries the
code that HTTP has for every error (docs/api-errors.md).

The trap: pyarrow makes INVALID_ARGUMENT, NOT_FOUND and UNIMPLEMENTED of Python's own exceptions only, and
appends their traceback, with our paths, to the message. The classes here cannot be formatted, and then
pyarrow appends their name. From GetSchema it lets nothing but Python's exceptions through, so there all
that has no such class is UNKNOWN.
"""

from dataclasses import dataclass
from types import MappingProxyType

import pyarrow.flight as fl
import structlog
from typing_extensions import override

from engine import errors as engine_errors
from engine.errors import EngineError
from server.errors import (
    Draining,
    Unauthenticated,
    WorkspaceUnknown,
    said_of,
    shown_message,
    wire_of,
)
from server.flight.commands import CommandUnsupported
from server.flight.protobuf import Packed, integer, many_data, text, write_message

_log = structlog.get_logger()

_UNKNOWN = 2
_INTERNAL = "Internal server error."
_CODE_TRAILER = "x-tidemill-error-code"
_DETAILS_TRAILER = "grpc-status-details-bin"
# Arrow's C++ client takes any error that has details for an internal one.
_AGENT_WITHOUT_DETAILS = "grpc-c++"


class _Untraceable(Exception):
    """An exception that pyarrow can show the name of, and nothing else."""

    @property
    @override
    def __cause__(self) -> BaseException | None:  # type: ignore[override]
        raise RuntimeError


class InvalidArgument(_Untraceable, ValueError):
    """Becomes INVALID_ARGUMENT."""


class NotFound(_Untraceable, KeyError):
    """Becomes NOT_FOUND."""

    @override
    def __str__(self) -> str:
        return str(self.args[0])


class Unimplemented(_Untraceable, NotImplementedError):
    """Becomes UNIMPLEMENTED."""


class Unknown(_Untraceable):
    """Becomes UNKNOWN."""


@dataclass(frozen=True, slots=True)
class _RpcStatus:
    """``google.rpc.Status``."""

    code: int = integer(1)
    message: str = text(2)
    details: tuple[bytes, ...] = many_data(3)


@dataclass(frozen=True, slots=True)
class _ErrorInfo:
    """``google.rpc.ErrorInfo``."""

    reason: str = text(1)
    domain: str = text(2)


_STATUS: MappingProxyType[type[Exception], tuple[type[Exception], int]] = MappingProxyType(
    {
        engine_errors.InvalidRequest: (InvalidArgument, 3),
        engine_errors.TooLarge: (InvalidArgument, 3),
        engine_errors.Conflict: (InvalidArgument, 3),
        engine_errors.NotFound: (NotFound, 5),
        WorkspaceUnknown: (NotFound, 5),
        CommandUnsupported: (Unimplemented, 12),
        Unauthenticated: (fl.FlightUnauthenticatedError, 16),
        engine_errors.PermissionDenied: (fl.FlightUnauthorizedError, 7),
        engine_errors.QueryTimeout: (fl.FlightTimedOutError, 4),
        engine_errors.QueryCancelled: (fl.FlightCancelledError, 1),
        engine_errors.Overloaded: (fl.FlightUnavailableError, 14),
        engine_errors.Unavailable: (fl.FlightUnavailableError, 14),
        Draining: (fl.FlightUnavailableError, 14),
        engine_errors.SourceFailed: (fl.FlightServerError, 2),
        engine_errors.ResourceExhausted: (fl.FlightServerError, 2),
        Exception: (fl.FlightInternalError, 13),
    }
)


def flight_error(
    error: Exception,
    context: fl.ServerCallContext | None = None,
    *,
    user_agent: str = "",
    is_schema: bool = False,
) -> Exception:
    """Make what a method of a Flight server raises for an error.

    Args:
        error: any exception; one outside the engine's tree is logged, and shown without its text.
        context: of the running call, for the trailers; None where there is none.
        user_agent: of the client.
        is_schema: whether the call is GetSchema.
    """
    status, code = said_of(type(error), _STATUS)
    if is_schema and not issubclass(status, _Untraceable):
        status, code = Unknown, _UNKNOWN
    if isinstance(error, EngineError):
        message = shown_message(error)
    else:
        _log.error("flight.unhandled", exc_info=error)
        message = _INTERNAL
    if context is not None:
        reason = wire_of(type(error)).code
        context.add_trailer(_CODE_TRAILER, reason)
        if not user_agent.startswith(_AGENT_WITHOUT_DETAILS):
            context.add_trailer(_DETAILS_TRAILER, _details(code, message, reason))  # type: ignore[arg-type]  # the stubs know no binary trailers
    # Arrow goes on with ". Detail: …".
    return status(message.removesuffix("."))


def _details(code: int, message: str, reason: str) -> bytes:
    """Say it again without the words that Arrow adds; what is here counts where it is understood."""
    info = Packed(
        "type.googleapis.com/google.rpc.ErrorInfo", write_message(_ErrorInfo(reason, "tidemill"))
    )
    return write_message(_RpcStatus(code, message, (write_message(info),)))
