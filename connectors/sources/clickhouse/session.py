"""Talks to a ClickHouse server: connecting, statements, Arrow streams, and all its errors.

The invariant: a result is whole or it is an error. A server that fails after it has begun to answer
has already sent the status 200; it writes the error into the body, or just breaks off, and at the
border of a message Arrow takes either for the end. So the body must end with Arrow's own mark of the
end, and with nothing behind it.

The trap: a user with ``readonly = 1`` may change no setting, and one refused setting fails the whole
statement. Only what the server says can be changed is sent.
"""

import io
import logging
import math
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pyarrow as pa
from typing_extensions import override

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.errors import (
    ConnectorError,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
    scrubbed,
)
from connectors.hosts import resolve_host
from connectors.sources.clickhouse.options import ClickHouseOptions

_EXTRA = "clickhouse"
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_TAIL_BYTES = 64 << 10
"""Kept of a body to find the error in; the server cuts its messages at 16 KiB."""
_SERVER_ERROR = re.compile(r"Code: (\d+)\. (?:DB::Exception: )?(.*)")
_HTTP_DENIED = re.compile(r"HTTP status 40[13]\b")

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_GONE = frozenset({60, 218})  # unknown table, table is dropped
_REFUSED = frozenset(
    {
        81,  # unknown database
        192,  # unknown user
        193,  # wrong password
        194,  # required password
        195,  # address of the client not allowed
        291,  # database access denied
        497,  # access denied
        516,  # authentication failed
    }
)


class ClickHouseSession:
    """One logged-in client; it may be used by several threads."""

    def __init__(self, options: ClickHouseOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context
        self._driver = load_driver("clickhouse_connect", extra=_EXTRA)
        self._http = load_driver("urllib3", extra=_EXTRA)
        # What the driver logs is raised as well; its traces hold addresses.
        logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
        self._pool = self._make_pool()
        with self._typed_errors(SourceUnreachable):
            self._client = self._connect()
        self._settings = self._allowed_settings()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run a statement and yield its rows as the server sends them.

        Raises:
            ConnectorError: it was refused, failed, or broke off.
        """
        with self._typed_errors(SourceFailed):
            response = self._client.raw_stream(sql, fmt="ArrowStream", settings=self._settings)
            body = _Body(response)
            try:
                yield from self._batches(body)
            finally:
                response.close()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Run a statement of a small result of text and numbers, and return it, by column name."""
        batches = list(self.stream(sql))
        with self._typed_errors(SourceFailed):
            return [row for batch in batches for row in _with_text(batch).to_pylist()]

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        self._pool.clear()

    def _make_pool(self) -> Any:  # noqa: ANN401 - an untyped driver
        """Make the pool ourselves: the driver's own reads proxies from the environment."""
        tls: dict[str, Any] = {}
        if self._options.secure:
            tls = {"ssl_context": self._tls_context(), "server_hostname": self._options.host}
        return self._http.PoolManager(maxsize=self._context.parts_max, **tls)

    def _tls_context(self) -> ssl.SSLContext:
        if self._options.ca_cert is None:
            return httpx.create_ssl_context(trust_env=False)
        try:
            return ssl.create_default_context(cadata=self._options.ca_cert)
        except ssl.SSLError as error:
            raise OptionsInvalid("The field ca_cert holds no certificate as PEM text") from error

    def _connect(self) -> Any:  # noqa: ANN401 - an untyped driver
        options, port = self._options, self._options.effective_port
        addresses = resolve_host(options.host, port, allow_private=self._context.allow_private)
        for address in addresses[:-1]:
            with suppress(self._driver.driver.exceptions.OperationalError):
                return self._connect_to(address)
        return self._connect_to(addresses[-1])

    def _connect_to(self, address: str) -> Any:  # noqa: ANN401 - an untyped driver
        options = self._options
        token = options.reveal("token")
        login = (
            {"access_token": token}
            if token
            else {"username": options.user, "password": options.reveal("password") or ""}
        )
        return self._driver.get_client(
            **login,
            host=address,
            server_host_name=options.host,
            port=options.effective_port,
            interface="https" if options.secure else "http",
            database=options.database,
            pool_mgr=self._pool,
            connect_timeout=math.ceil(self._context.connect_timeout_s),
            send_receive_timeout=math.ceil(self._context.statement_timeout_s),
            query_retries=0,
            autogenerate_session_id=False,
            show_clickhouse_errors="scrub",
            client_name="tidemill",
        )

    def _allowed_settings(self) -> dict[str, int]:
        wanted = {
            "max_execution_time": math.ceil(self._context.statement_timeout_s),
            "preferred_block_size_bytes": self._context.batch_bytes,
        }
        known: Mapping[str, Any] = self._client.server_settings
        return {
            name: value
            for name, value in wanted.items()
            if name in known and not known[name].readonly
        }

    def _batches(self, body: "_Body") -> Iterator[pa.RecordBatch]:
        try:
            yield from pa.ipc.open_stream(body)
            body.read_rest()
        except (pa.ArrowException, self._http.exceptions.HTTPError) as error:
            raise self._told_in(body) or SourceFailed("The server broke off its answer") from error
        if not body.is_whole:
            raise self._told_in(body) or SourceFailed("The server broke off its answer")

    def _told_in(self, body: "_Body") -> ConnectorError | None:
        """Find the error that the server wrote behind its rows."""
        with suppress(self._http.exceptions.HTTPError):
            body.read_rest()
        found = _SERVER_ERROR.search(body.tail.decode(errors="replace"))
        return self._error(int(found[1]), found[2]) if found else None

    @contextmanager
    def _typed_errors(self, otherwise: type[ConnectorError]) -> Iterator[None]:
        """Turn what the driver raises into an error of ours.

        Args:
            otherwise: for what is no answer of the server: network, TLS, something else there.
        """
        try:
            yield
        except self._driver.driver.exceptions.Error as error:
            raise self._error_of(error, otherwise) from error
        except (self._http.exceptions.HTTPError, pa.ArrowException, OSError) as error:
            raise otherwise("The server broke off its answer") from error

    def _error_of(self, error: Any, otherwise: type[ConnectorError]) -> ConnectorError:  # noqa: ANN401 - an untyped driver
        text = str(error)
        found = _SERVER_ERROR.search(text)
        if error.code is not None:
            return self._error(error.code, found[2] if found else text)
        if _HTTP_DENIED.search(text):
            return SourceRefused(self._scrubbed(text))
        cause = error.__cause__
        if isinstance(cause, self._http.exceptions.HTTPError):
            # Its own text holds the address.
            reason = getattr(cause, "reason", None)
            is_tls = isinstance(reason, self._http.exceptions.SSLError)
            return otherwise(f"TLS failed: {reason}" if is_tls else "The server cannot be reached")
        return otherwise(self._scrubbed(text))

    def _error(self, code: int, text: str) -> ConnectorError:
        kind = SourceRefused if code in _REFUSED else TableGone if code in _GONE else SourceFailed
        return kind(self._scrubbed(text))

    def _scrubbed(self, text: str) -> str:
        return scrubbed(text, self._options.secrets())


class _Body(io.RawIOBase):
    """The body of an answer, as a file for Arrow, that remembers its end."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 - an untyped driver
        self._response = response
        self._rest = b""
        self.tail = b""

    @property
    def is_whole(self) -> bool:
        """Whether Arrow's mark of the end was the last thing; ask after ``read_rest``."""
        return self.tail.endswith(_END_OF_STREAM) and not self._rest

    @override
    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, fewer only at the end."""
        pieces = []
        # A larger read that breaks off would lose what came before, and with it the error.
        while size and (piece := self._response.read1(size)):
            self.tail = (self.tail + piece)[-_TAIL_BYTES:]
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def read_rest(self) -> None:
        """Read on to the end of the body, of which a whole one has nothing."""
        self._rest += self.read(_TAIL_BYTES)

    @override
    def readable(self) -> bool:
        return True


def _with_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Read bytes as text: ``output_format_arrow_string_as_string`` may be off."""
    arrays = [
        array.cast(pa.string()) if pa.types.is_binary(array.type) else array
        for array in batch.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
