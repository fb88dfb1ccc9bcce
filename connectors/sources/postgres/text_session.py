"""A session over the simple protocol, for servers that speak Postgres but not its binary COPY.

The invariant is the one of :mod:`.session`: a read-only transaction with fixed settings. Rows come
through a cursor, so that memory stays bounded: as many per fetch as fit into a batch, judged by the
ones before. Nothing is prepared and no parameter is bound: Redshift cannot prepare a cursor.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.errors import SourceFailed
from connectors.sources.postgres.failures import Failures
from connectors.sources.postgres.options import (
    PostgresOptions,
    conninfo_text,
    judged_addresses,
    make_conninfo,
)
from connectors.sources.postgres.text_values import values_of_text

FIRST_FETCH_ROWS = 16
FETCH_GROWTH = 8
_CURSOR = "tidemill_rows"


class TextDatabase:
    """Makes sessions of libpq; safe to use in several threads.

    Args:
        options: of the connection.
        context: what the surroundings grant.
        settings: names and values that every session sets.
        fetch_rows_max: rows the server gives at once.
    """

    def __init__(
        self,
        options: PostgresOptions,
        context: SourceContext,
        *,
        settings: dict[str, str],
        fetch_rows_max: int,
    ) -> None:
        self._options = options
        self._context = context
        timeout_ms = round(context.statement_timeout_s * 1000)
        self._settings = {"statement_timeout": str(timeout_ms), **settings}
        self._fetch_rows_max = fetch_rows_max
        self._driver = load_driver("psycopg")
        self.failures = Failures(self._driver.Error)
        self.failures.hide(*options.secrets(), str(context.scratch))

    @contextmanager
    def session(self) -> Iterator["TextSession"]:
        """Open a session for a block."""
        connection = self._connect()
        try:
            session = TextSession(
                connection,
                self.failures,
                batch_bytes=self._context.batch_bytes,
                fetch_rows_max=self._fetch_rows_max,
            )
            session.run("BEGIN READ ONLY")
            for name, value in self._settings.items():
                session.run(f"SET {name} TO '{value}'")
            yield session
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing outlives a session."""

    def _connect(self) -> Any:  # noqa: ANN401 - a class of the driver
        addresses = judged_addresses(self._options, self._context)
        self.failures.hide(*addresses)
        conninfo = conninfo_text(make_conninfo(self._options, self._context, addresses))
        with self.failures.connecting():
            return self._driver.connect(conninfo, autocommit=True, prepare_threshold=None)


class TextSession:
    """A session of libpq; used by one thread at a time."""

    def __init__(
        self,
        connection: Any,  # noqa: ANN401 - a class of the driver
        failures: Failures,
        *,
        batch_bytes: int,
        fetch_rows_max: int,
    ) -> None:
        self._connection = connection
        self._failures = failures
        self._batch_bytes = batch_bytes
        self._fetch_rows_max = fetch_rows_max

    def run(self, sql: str) -> Any:  # noqa: ANN401 - a result of the driver
        """Run a statement and return its result as received."""
        with self._failures.reading():
            return self._connection.execute(sql.encode()).pgresult

    def table(self, sql: str, schema: pa.Schema) -> pa.Table:
        """Run a small query and return its rows as this schema."""
        return pa.Table.from_batches([_batch(self.run(sql), schema.types, schema.names)], schema)

    def stream(
        self, sql: str, wires: Sequence[pa.DataType | None]
    ) -> Generator[pa.RecordBatch, None, None]:
        """Run a query through a cursor and yield its rows as these types, text for None."""
        names = [f"c{place}" for place in range(len(wires))]
        self.run(f"DECLARE {_CURSOR} CURSOR FOR {sql}")
        rows = min(FIRST_FETCH_ROWS, self._fetch_rows_max)
        while True:
            batch = _batch(self.run(f"FETCH FORWARD {rows} FROM {_CURSOR}"), wires, names)
            yield batch
            if batch.num_rows < rows:
                break
            fitting = self._batch_bytes * rows // max(1, batch.nbytes)
            rows = max(1, min(fitting, rows * FETCH_GROWTH, self._fetch_rows_max))
        self.run(f"CLOSE {_CURSOR}")


def _batch(
    result: Any,  # noqa: ANN401 - a result of the driver
    wires: Sequence[pa.DataType | None],
    names: Sequence[str],
) -> pa.RecordBatch:
    if result.nfields != len(wires):
        raise SourceFailed("The source sent another number of columns than it was asked for")
    rows = range(result.ntuples)
    arrays = []
    for column, wire in enumerate(wires):
        received = pa.array([result.get_value(row, column) for row in rows], pa.binary())
        arrays.append(values_of_text(received, wire or pa.string(), names[column]))
    return pa.RecordBatch.from_arrays(arrays, names=list(names))
