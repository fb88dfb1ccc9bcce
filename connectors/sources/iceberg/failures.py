"""What pyiceberg and the libraries below it throw, in the words of a connector.

The trap: pyiceberg's errors have no common class, and those of broken metadata are whatever Python
throws there. Texts lose the paths of this machine, which a catalog may have named to learn whether
they are there.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyiceberg import exceptions
from requests import exceptions as http  # noqa: TID251 - only to tell its errors apart
from sqlalchemy.exc import DBAPIError

from connectors.errors import (
    ConnectorError,
    EgressRefused,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
    scrubbed,
)

_GONE = (
    exceptions.NoSuchTableError,
    exceptions.NoSuchNamespaceError,
    exceptions.NoSuchIdentifierError,
)
_REFUSED = (
    exceptions.UnauthorizedError,
    exceptions.ForbiddenError,
    exceptions.AuthorizationExpiredError,
    exceptions.OAuthError,
)
_UNREACHABLE = (
    "NETWORK_CONNECTION",
    "curlCode",
    "EndpointConnectionError",
    "ConnectTimeoutError",
)
_DENIED = (
    "ACCESS_DENIED",
    "status 403",
    "AccessDenied",
    "UnrecognizedClient",
    "InvalidSignature",
    "InvalidClientTokenId",
    "ExpiredToken",
)
_LOCAL_PATH = re.compile(r"(?<![\w:/.])(file:)?/[^\s'\"]*")


@contextmanager
def iceberg_errors(secrets: Sequence[str]) -> Iterator[None]:
    """Turn everything a driver may throw into a :class:`ConnectorError`.

    Args:
        secrets: what no message may repeat.
    """
    try:
        yield
    except ConnectorError:
        raise
    except Exception as error:
        raise _judged(error) or _named(error, secrets) from error


def _named(error: Exception, secrets: Sequence[str]) -> ConnectorError:
    if isinstance(error, _GONE):
        return TableGone("The catalog has no such table or namespace")
    if isinstance(error, http.ConnectionError | http.Timeout):
        return SourceUnreachable("The catalog cannot be reached")
    text = _LOCAL_PATH.sub("…", scrubbed(str(error), secrets))
    if isinstance(error, _REFUSED):
        return SourceRefused(f"The catalog refused the access: {text}")
    if isinstance(error, DBAPIError):
        return _named_database(error, text)
    return _named_cloud(error, text)


def _judged(error: BaseException | None) -> ConnectorError | None:
    """Find our own refusal below an error: botocore wraps whatever a socket raises."""
    while error is not None:
        if isinstance(error, EgressRefused):
            return error
        error = error.__cause__ or error.__context__
    return None


def _named_database(error: DBAPIError, text: str) -> ConnectorError:
    # A server that refuses a login gives psycopg no SQLSTATE, only its words.
    if "FATAL" in text:
        return SourceRefused("The database of the catalog refused the login")
    if "connection" in text or "could not translate host name" in text:
        return SourceUnreachable("The database of the catalog cannot be reached")
    return SourceFailed(f"The database of the catalog failed: {text}")


def _named_cloud(error: Exception, text: str) -> ConnectorError:
    said = f"{type(error).__name__} {error}"
    if any(word in said for word in _UNREACHABLE):
        return SourceUnreachable("The catalog or its storage cannot be reached")
    if any(word in said for word in _DENIED):
        return SourceRefused(f"The catalog or its storage refused the access: {text}")
    if isinstance(error, FileNotFoundError):
        return SourceFailed("A file of the table is missing")
    return SourceFailed(f"The table cannot be read: {text}")
