"""The one place where failures of the layers below become failures of the engine.

A door sees only :mod:`engine.errors`. Job handlers and internal calls keep the original class, so
that they can tell what may be tried again.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from catalog import errors as catalog_errors
from connectors import errors as connector_errors
from engine import errors

P = ParamSpec("P")
T = TypeVar("T")

# The first class that fits decides, so a subclass stands before its parent.
_ENGINE_ERRORS: tuple[tuple[type[Exception], type[errors.EngineError]], ...] = (
    (catalog_errors.NotFound, errors.NotFound),
    (catalog_errors.Conflict, errors.Conflict),
    (catalog_errors.InvalidValue, errors.InvalidRequest),
    (catalog_errors.CatalogError, errors.Unavailable),
    (connector_errors.SourceFailed, errors.RemoteError),
    (connector_errors.SourceError, errors.SourceFailed),
    (connector_errors.TableGone, errors.SourceFailed),
    (connector_errors.ConnectorError, errors.InvalidRequest),
)


def to_engine_error(error: Exception) -> errors.EngineError | None:
    """Say what an error of a lower layer means to a caller, or None when it is no such error."""
    for lower, upper in _ENGINE_ERRORS:
        if isinstance(error, lower):
            return upper(str(error))
    return None


def translated(
    use_case: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make a use case raise only engine errors, the lower one being the cause."""

    @wraps(use_case)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await use_case(*args, **kwargs)
        except (catalog_errors.CatalogError, connector_errors.ConnectorError) as error:
            upper = to_engine_error(error)
            assert upper is not None
            raise upper from error

    return call
