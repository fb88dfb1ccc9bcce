"""What deltalake and the file systems throw, in the words of a connector.

The trap: their texts name absolute paths, and a table's log may name any path, so a text that says
whether a file is there would map the disk. Only what they say about the protocol is repeated.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from connectors.errors import (
    ConnectorError,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
    scrubbed,
)

_UNREACHABLE = ("NETWORK_CONNECTION", "(Connect)", "curlCode", "dns error")
_REFUSED = ("ACCESS_DENIED", "status 403", "status 401", "lacked", "NO_SUCH_BUCKET")
_REPEATED = ("Unsupported", "not supported", "catalog-managed", "Invalid protocol")


@contextmanager
def delta_errors(secrets: Sequence[str]) -> Iterator[None]:
    """Turn everything a driver may throw into a :class:`ConnectorError`.

    Args:
        secrets: what no message may repeat.
    """
    try:
        yield
    except (ConnectorError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        raise _named(error, secrets) from error


def _named(error: BaseException, secrets: Sequence[str]) -> ConnectorError:
    text = str(error)
    if type(error).__name__ == "TableNotFoundError":
        return TableGone("There is no Delta table of this name, or not in this version")
    if isinstance(error, OSError) or "Generic S3 error" in text:
        return _named_storage(error)
    return SourceFailed(_reason(text, secrets))


def _named_storage(error: BaseException) -> ConnectorError:
    text = str(error)
    if any(word in text for word in _UNREACHABLE):
        return SourceUnreachable("The object storage cannot be reached")
    if isinstance(error, FileNotFoundError):
        return SourceRefused("There is no such bucket or folder")
    if any(word in text for word in _REFUSED):
        return SourceRefused("The object storage refused the access")
    return SourceFailed("The storage failed")


def _reason(text: str, secrets: Sequence[str]) -> str:
    if any(word in text for word in _REPEATED):
        return f"The table cannot be read: {scrubbed(text, secrets)}"
    if "end version" in text:
        return "The table has no such version"
    if "Cast error" in text:
        return "The table holds a value that does not fit the type of its column"
    return "The log or a file of the table cannot be read"
