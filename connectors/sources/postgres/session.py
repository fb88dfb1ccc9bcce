"""A session over binary COPY: one transaction that reads, of one connection.

The invariant: every session is a read-only transaction of one snapshot, with settings that make the
same text of the same value on every server. They are set inside the transaction and not as options
of the start, which poolers drop. The trap: the first query takes the snapshot, so an exported one is
imported, and a table locked, before the settings are made.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Lock
from typing import Any, Protocol

import pyarrow as pa

from connectors.arrow_batches import conform
from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.sources.postgres.failures import Failures
from connectors.sources.postgres.options import (
    PostgresOptions,
    conninfo_text,
    judged_addresses,
    make_conninfo,
)

LOST_CLIENT_CHECK_MS = 10_000
# Where the server knows and allows it, since version 14 on Linux: a query whose client was killed
# ends within a second.
_NOTICE_THE_END = (
    "SELECT set_config(name, '1s', true) FROM pg_catalog.pg_settings"
    " WHERE name = 'client_connection_check_interval' AND pg_catalog.version() LIKE '%linux%'"
)
_READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "standard_conforming_strings": "on",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}


class Session(Protocol):
    """One transaction that reads."""

    def table(self, sql: str, schema: pa.Schema) -> pa.Table:
        """Run a small query and return its rows as this schema."""

    def stream(
        self, sql: str, wires: Sequence[pa.DataType | None]
    ) -> Generator[pa.RecordBatch, None, None]:
        """Run a query; batches are bounded by ``context.batch_bytes``.

        Args:
            sql: a SELECT with a column for each of ``wires``.
            wires: types of the columns, for servers that do not tell them; None where any will do.
        """


class CopyDatabase:
    """Makes sessions of the ADBC driver; safe to use in several threads."""

    def __init__(self, options: PostgresOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context
        self._manager = load_driver("adbc_driver_manager")
        self._driver = load_driver("adbc_driver_postgresql")
        self.failures = Failures(self._manager.Error)
        self.failures.hide(*options.secrets(), str(context.scratch))
        self._lock = Lock()
        self._database: Any = None
        self._sessions: set[CopySession] = set()

    @contextmanager
    def session(self, *first: str) -> Iterator["CopySession"]:
        """Open a session for a block.

        Args:
            first: statements that must come before the first query.
        """
        session = self.open_session(*first)
        try:
            yield session
        finally:
            self.close_session(session)

    def open_session(self, *first: str) -> "CopySession":
        """Open a session that :meth:`close_session` ends."""
        with self.failures.connecting(), self._lock:
            # The driver counts its connections without a lock of its own.
            if self._database is None:
                self._database = self._open_database()
            connection = self._manager.AdbcConnection(self._database)
            session = CopySession(connection, self._manager, self.failures, self._context)
            self._sessions.add(session)
        try:
            session.begin(*first)
        except BaseException:
            self.close_session(session)
            raise
        return session

    def close_session(self, session: "CopySession") -> None:
        """End a session; its transaction with it."""
        with self._lock:
            self._sessions.discard(session)
            session.close()

    def close(self) -> None:
        """End the sessions that are left, of streams that were not closed too, and the driver."""
        for session in list(self._sessions):
            self.close_session(session)
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _open_database(self) -> Any:  # noqa: ANN401 - a class of the driver
        addresses = judged_addresses(self._options, self._context)
        self.failures.hide(*addresses)
        conninfo = conninfo_text(make_conninfo(self._options, self._context, addresses))
        # Built-in types only: everything else is cast to one, and the driver would otherwise
        # read the columns of all tables first.
        return self._driver.connect(conninfo, {"adbc.postgresql.type_resolver_mode": "builtin"})


class CopySession:
    """A session of the ADBC driver; used by one thread at a time."""

    def __init__(
        self,
        connection: Any,  # noqa: ANN401 - a class of the driver
        manager: Any,  # noqa: ANN401 - its module
        failures: Failures,
        context: SourceContext,
    ) -> None:
        self._connection = connection
        self._manager = manager
        self._failures = failures
        self._context = context
        self._running: list[Any] = []

    def close(self) -> None:
        """End it, with what it is running."""
        self._end_running()
        self._connection.close()

    def _end_running(self) -> None:
        """Close the reader, then its statement."""
        while self._running:
            self._running.pop().close()

    def begin(self, *first: str) -> None:
        """Start the transaction.

        The driver begins it, in one step: it prepares what it is given as text, and a pooler may
        have changed the server before it runs that.
        """
        with self._failures.reading():
            self._connection.set_autocommit(False)
        timeout_ms = round(self._context.statement_timeout_s * 1000)
        # A snapshot is imported before the first query.
        limit = f"SET LOCAL statement_timeout = {timeout_ms}"
        for statement in (_READ_ONLY, limit, *first, _NOTICE_THE_END):
            self.run(statement)
        self.run(_settings_query())

    def run(self, sql: str) -> None:
        """Run a statement whose answer is of no interest."""
        for _ in self.stream(sql, ()):
            pass

    def table(self, sql: str, schema: pa.Schema) -> pa.Table:
        """Run a small query and return its rows as this schema."""
        with closing(self.stream(sql, ())) as batches:
            return pa.Table.from_batches(conform(batches, schema), schema)

    def stream(
        self,
        sql: str,
        wires: Sequence[pa.DataType | None],
    ) -> Generator[pa.RecordBatch, None, None]:
        """Run a query and yield what the driver makes of it; it tells the types itself."""
        with self._failures.reading():
            statement = self._manager.AdbcStatement(self._connection)
            self._running.append(statement)
            try:
                statement.set_options(
                    **{"adbc.postgresql.batch_size_hint_bytes": str(self._context.batch_bytes)}
                )
                statement.set_sql_query(sql)
                handle, _ = statement.execute_query()
                reader = pa.RecordBatchReader.from_stream(handle)
                self._running.append(reader)
                yield from reader
            finally:
                self._end_running()


def _settings_query() -> str:
    """Set what this server knows: some settings are newer than others.

    Only Linux is known to have the check for a lost client in all versions that have the setting.
    """
    values = ", ".join(f"('{name}', '{value}')" for name, value in _SETTINGS.items())
    return (
        "SELECT pg_catalog.set_config(s.name, w.value, true) FROM pg_catalog.pg_settings s JOIN"  # noqa: S608 - constants
        f" (VALUES {values}, ('client_connection_check_interval', CASE WHEN pg_catalog.version()"
        f" LIKE '%linux%' THEN '{LOST_CLIENT_CHECK_MS}' ELSE '0' END)) w (name, value)"
        " ON w.name = s.name"
    )
