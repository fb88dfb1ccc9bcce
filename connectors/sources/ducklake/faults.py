"""The one place where what drivers throw becomes an error of connectors.

Texts of drivers that may hold an address a name resolved to, or a process of this machine, are
replaced.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from connectors.drivers import load_driver
from connectors.errors import (
    ConnectorError,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    scrubbed,
)
from connectors.sources.ducklake.options import DuckLakeOptions

_SERVER_SAID_NO = "FATAL:"
_REFUSED_STATES = ("28", "42501", "3D000")
_S3_REFUSALS = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "HTTP status 403",
)


@contextmanager
def typed_errors(options: DuckLakeOptions) -> Iterator[None]:
    """Turn the errors of psycopg, sqlite3, duckdb and pyarrow into ours."""
    psycopg = load_driver("psycopg")
    duckdb = load_driver("duckdb")
    try:
        yield
    except psycopg.Error as error:
        raise _of_postgres(psycopg, error, options) from error
    except duckdb.Error as error:
        raise _of_duckdb(error, options) from error
    except sqlite3.Error as error:
        raise _of_sqlite(error, options) from error
    except FileNotFoundError as error:
        raise SourceFailed("A data file of the table is missing") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _of_files(error, options) from error


def _of_postgres(psycopg: Any, error: Any, options: DuckLakeOptions) -> ConnectorError:  # noqa: ANN401 - the driver
    text = scrubbed(str(error), options.secrets())
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.OperationalError):
        # Without a state no statement was answered: libpq says which addresses it tried.
        _, said, reason = str(error).partition(_SERVER_SAID_NO)
        if said:
            return SourceRefused(scrubbed(reason, options.secrets()))
        return SourceUnreachable("The catalog database cannot be reached")
    if state is not None and state.startswith(_REFUSED_STATES):
        return SourceRefused(text)
    return SourceFailed(text)


def _of_duckdb(error: Exception, options: DuckLakeOptions) -> ConnectorError:
    if "lock on file" in str(error):
        return SourceUnreachable("The catalog file is in use by another process")
    return SourceFailed(scrubbed(str(error), options.secrets()))


def _of_sqlite(error: Exception, options: DuckLakeOptions) -> ConnectorError:
    if "locked" in str(error):
        return SourceUnreachable("The catalog file is in use by another process")
    return SourceFailed(scrubbed(str(error), options.secrets()))


def _of_files(error: Exception, options: DuckLakeOptions) -> ConnectorError:
    text = scrubbed(str(error), options.secrets())
    if any(refusal in text for refusal in _S3_REFUSALS):
        return SourceRefused("The object storage refused to read a data file")
    if "NETWORK_CONNECTION" in text:
        return SourceUnreachable("The object storage cannot be reached")
    return SourceFailed(text)
