"""Turns what the driver throws into the errors of a source."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from connectors.drivers import load_driver
from connectors.errors import (
    ConnectorError,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
    scrubbed,
)
from connectors.sources.snowflake.options import SnowflakeOptions

_LOGIN_CODES = range(390_000, 391_000)  # of the login and the session
_REFUSED_CODES = frozenset({606, 3_001})  # no active warehouse; insufficient privileges
_GONE_CODE = 2_003  # the object does not exist or is not authorized
_DRIVER_PREFIX = re.compile(r"^[A-Z_]+: \[Snowflake\] (?:\d+ \(\w+\): )*")
_URL = re.compile(r"\w+://\S+")


@contextmanager
def source_failures(options: SnowflakeOptions, *, is_connecting: bool = False) -> Iterator[None]:
    """Raise ours in place of the driver's.

    In the middle of a stream the driver's error is an OSError, without a code.
    """
    driver = load_driver("adbc_driver_manager")
    try:
        yield
    except (driver.Error, OSError, pa.ArrowException) as error:
        raise _typed(error, options, is_connecting=is_connecting) from error


def _typed(error: Exception, options: SnowflakeOptions, *, is_connecting: bool) -> ConnectorError:
    code = getattr(error, "vendor_code", None) or 0
    # The addresses of result chunks are signed: whoever has one can read the rows.
    text = _URL.sub("…", _DRIVER_PREFIX.sub("", str(error)))
    message = scrubbed(text, options.secrets())
    if code in _LOGIN_CODES or code in _REFUSED_CODES:
        return SourceRefused(message)
    if code == _GONE_CODE:
        return TableGone(message)
    if is_connecting:
        # The driver's text has the address the name resolved to.
        return SourceUnreachable("No connection to Snowflake came about")
    return SourceFailed(message)
