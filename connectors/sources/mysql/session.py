"""Opens sessions: judged address, verified name, read only, and with settings that fix the values.

The address is resolved and judged here and the open socket handed to pymysql, which still checks the
certificate against the host's name. A session is for one task and is closed with it: an answer that
is not read to its end leaves nothing behind.
"""

import math
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.errors import SourceUnreachable
from connectors.hosts import check_socket_folder, resolve_host
from connectors.sources.mysql.failures import UNKNOWN_VARIABLE, translated
from connectors.sources.mysql.options import MySQLOptions

_SOCKET_NAMES = ("mysqld.sock", "mysql.sock")
_ROWS_UNLIMITED = 2**64 - 1


@contextmanager
def connected(options: MySQLOptions, context: SourceContext) -> Iterator[Any]:
    """Yield a connection of pymysql; what goes wrong in the block is translated, too.

    Raises:
        ConnectorError: from logging in, or from what is done with the connection.
    """
    with translated(options, is_login=True):
        connection = _log_in(options, context)
    try:
        with translated(options):
            _prepare(connection, context)
            yield connection
    finally:
        connection.close()


def _log_in(options: MySQLOptions, context: SourceContext) -> Any:  # noqa: ANN401 - untyped driver
    connection = load_driver("pymysql").Connection(
        host=options.host,
        user=options.user,
        # As bytes: pymysql would encode a text as Latin-1.
        password=(options.reveal("password") or "").encode(),
        database=options.database,
        charset="utf8mb4",
        autocommit=True,
        program_name="tidemill",
        connect_timeout=context.connect_timeout_s,
        read_timeout=context.connect_timeout_s,
        write_timeout=context.connect_timeout_s,
        unix_socket=_socket_path(options, context) if options.is_local else None,
        ssl=_tls(options),
        ssl_disabled=options.is_local or options.ssl_mode == "disabled",
        defer_connect=True,
    )
    connection.connect(None if options.is_local else _open_socket(options, context))
    return connection


def _open_socket(options: MySQLOptions, context: SourceContext) -> socket.socket:
    failure = "there is no address"
    for address in resolve_host(options.host, options.port, allow_private=context.allow_private):
        try:
            opened = socket.create_connection(
                (address, options.port), timeout=context.connect_timeout_s
            )
        except OSError as error:
            failure = error.strerror or str(error)
            continue
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return opened
    raise SourceUnreachable(f"The server cannot be reached: {failure}")


def _socket_path(options: MySQLOptions, context: SourceContext) -> str:
    path = Path(options.host)
    check_socket_folder(str(path.parent), allow_private=context.allow_private)
    candidates = [path / name for name in _SOCKET_NAMES] if path.is_dir() else [path]
    found = next((candidate for candidate in candidates if candidate.is_socket()), None)
    if found is None:
        raise SourceUnreachable("There is no such socket")
    return str(found)


def _tls(options: MySQLOptions) -> ssl.SSLContext | None:
    """Return the rules of TLS; None where the server decides whether there is any."""
    if options.ssl_mode in {"disabled", "preferred"}:
        return None
    context = ssl.create_default_context(cadata=options.ssl_ca)
    # The certificates MySQL makes for itself are no strict X.509.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = options.ssl_mode == "verify_identity"
    context.verify_mode = ssl.CERT_REQUIRED if options.verifies else ssl.CERT_NONE
    return context


def _prepare(connection: Any, context: SourceContext) -> None:  # noqa: ANN401 - untyped driver
    """Make the session read only, and what it answers independent of the server's settings."""
    timeout_s = context.statement_timeout_s
    # pymysql has one limit for both: the login's own ends here.
    connection._read_timeout = timeout_s + context.connect_timeout_s
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(
            "SET SESSION sql_mode = '', time_zone = '+00:00', sql_select_limit = %s,"
            " net_write_timeout = %s",
            (_ROWS_UNLIMITED, math.ceil(timeout_s)),
        )
        _limit_time(cursor, timeout_s, is_mariadb="mariadb" in connection.server_version.lower())


def _limit_time(cursor: Any, timeout_s: float, *, is_mariadb: bool) -> None:  # noqa: ANN401 - untyped driver
    try:
        if is_mariadb:
            cursor.execute("SET SESSION max_statement_time = %s", (timeout_s,))
        else:
            cursor.execute("SET SESSION max_execution_time = %s", (math.ceil(timeout_s * 1000),))
    except load_driver("pymysql").err.Error as error:
        # Servers before MySQL 5.7.8 and MariaDB 10.1 have no such limit.
        if error.args[0] != UNKNOWN_VARIABLE:
            raise
