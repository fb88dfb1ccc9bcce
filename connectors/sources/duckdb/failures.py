"""Every error of DuckDB's driver, as one of ours."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from connectors.drivers import load_driver
from connectors.errors import (
    ConnectorError,
    DriverMissing,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    scrubbed,
)

_OPENED_BY_A_WRITER = "The file is open for writing in another process. Close it there, or set 'snapshot' to read a copy"
_NO_EXTENSION = (
    "The motherduck extension of DuckDB is not installed. Run 'INSTALL motherduck' in DuckDB once, "
    "as the user of this service"
)
_KNOWN: tuple[tuple[str, type[ConnectorError], str], ...] = (
    ("Could not set lock on file", SourceUnreachable, _OPENED_BY_A_WRITER),
    ("not a valid DuckDB database file", SourceFailed, "The file is not a DuckDB database"),
    ("Could not read enough bytes", SourceFailed, "The DuckDB file is cut off"),
    ("encrypted database", SourceRefused, "Encrypted DuckDB files are not supported"),
    ("motherduck.duckdb_extension", DriverMissing, _NO_EXTENSION),
)


@contextmanager
def typed_errors(hidden: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Raise what the driver raises as a :class:`ConnectorError`.

    Args:
        hidden: asked when something went wrong for the texts that no message may repeat.
    """
    try:
        yield
    except (load_driver("duckdb").Error, pa.ArrowException, OSError) as error:
        raise _typed(str(error), hidden()) from error


def _typed(message: str, hidden: Iterable[str]) -> ConnectorError:
    for part, error, explained in _KNOWN:
        if part in message:
            return error(explained)
    return SourceFailed(scrubbed(message, hidden))
