"""Turns what pymysql and the server report into errors of connectors.

While logging in, an answer of the server is a refusal and everything else means that no connection
came about. Afterwards only permissions and missing tables are told apart.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from connectors.drivers import load_driver
from connectors.errors import (
    SourceError,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
    scrubbed,
)
from connectors.sources.mysql.options import MySQLOptions

NO_SUCH_TABLE = 1146
UNKNOWN_VARIABLE = 1193
_REFUSALS = frozenset({1044, 1045, 1049, 1142, 1143, 1227, 1370, 1698})
"""Server errors about credentials, permissions and unknown databases."""
_CLIENT_CODES = range(2000, 3000)
"""What the client itself says: connecting, TLS, lost connections."""
_CLIENT_HOST = re.compile(r"@'[^']*'|(?<=Host )'[^']*'")
"""The server names our own address, as it sees it, in refusals."""
_GARBLED = (struct.error, LookupError, ValueError, TypeError)
"""What pymysql raises for bytes that are not the protocol."""
_GARBLED_LOGIN = (*_GARBLED, NameError, AttributeError, RuntimeError)
"""And for a greeting that is none, found by sending random ones."""


@contextmanager
def translated(options: MySQLOptions, *, is_login: bool = False) -> Iterator[None]:
    """Raise a :class:`connectors.errors.ConnectorError` for what a driver raises inside."""
    driver = load_driver("pymysql")
    garbled = _GARBLED_LOGIN if is_login else _GARBLED
    try:
        yield
    except driver.err.Error as error:
        code, text = _parts(error)
        raise _kind(code, is_login=is_login)(_clean(text, options)) from error
    except OSError as error:
        kind = SourceUnreachable if is_login else SourceFailed
        raise kind(_clean(error.strerror or str(error), options)) from error
    except pa.ArrowException as error:
        raise SourceFailed(_clean(str(error), options)) from error
    except garbled as error:
        kind = SourceUnreachable if is_login else SourceFailed
        raise kind("The server sent what is not the protocol of MySQL") from error


def _parts(error: BaseException) -> tuple[int | None, str]:
    arguments = error.args
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1])
    return None, str(arguments[0]) if arguments else str(error)


def _kind(code: int | None, *, is_login: bool) -> "type[SourceError | TableGone]":
    if is_login:
        return SourceUnreachable if code is None or code in _CLIENT_CODES else SourceRefused
    if code == NO_SUCH_TABLE:
        return TableGone
    return SourceRefused if code in _REFUSALS else SourceFailed


def _clean(text: str, options: MySQLOptions) -> str:
    return scrubbed(_CLIENT_HOST.sub("@'…'", text), options.secrets())
