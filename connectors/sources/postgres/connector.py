"""PostgreSQL, and two servers that speak its protocol.

The invariant: a plan looks at the table again before it writes SQL, and refuses one that is not
what was described.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import ClassVar, Protocol

import pyarrow as pa
from typing_extensions import override

from connectors.base import Capabilities, Connector, Scan, SourceContext, SourceTable
from connectors.errors import ConnectorError, SourceError, TableGone
from connectors.sources.postgres.column_types import ColumnType, column_type, query_type
from connectors.sources.postgres.discovery import (
    ROWS_SCHEMA,
    FoundTable,
    columns_query,
    found_tables,
)
from connectors.sources.postgres.options import PostgresOptions
from connectors.sources.postgres.partition import (
    SIZE_SCHEMA,
    SNAPSHOT_QUERY,
    SNAPSHOT_SCHEMA,
    TableSize,
    block_ranges,
    import_statement,
    lock_statement,
    size_query,
)
from connectors.sources.postgres.redshift import (
    REDSHIFT_ROWS_SCHEMA,
    found_redshift_tables,
    redshift_columns_query,
)
from connectors.sources.postgres.scans import (
    PostgresPart,
    check_unchanged,
    declared_batches,
    seen_query,
    select_query,
    wires_of,
    wrapped_query,
)
from connectors.sources.postgres.session import CopyDatabase, Session
from connectors.sources.postgres.text_session import TextDatabase
from connectors.sources.postgres.text_values import text_column_type, text_query_type

FETCH_ROWS_MAX = 1 << 16
REDSHIFT_FETCH_ROWS_MAX = 1000
"""What a cluster of one node gives at once."""
_REDSHIFT_SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO, MDY", "extra_float_digits": "2"}
_COCKROACH_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "3",
}
_CHECK = "SELECT 1::int4 FROM pg_catalog.pg_class LIMIT 1"
_CHECK_SCHEMA = pa.schema([("one", pa.int32())])


class Database(Protocol):
    """Makes sessions."""

    def session(self) -> AbstractContextManager[Session]:
        """Open a session for a block."""

    def close(self) -> None:
        """Release everything."""


class WireConnector(Connector[PostgresOptions, PostgresPart]):
    """What all servers of the protocol have in common: a session for each thing that is asked.

    ``database`` makes the sessions, ``dialect`` is that of the server.
    """

    options_type = PostgresOptions
    dialect: ClassVar[str] = "postgres"
    database: Database

    @abstractmethod
    def find_tables(self, session: Session, *names: str) -> Iterator[FoundTable]:
        """Ask for all tables, or the one with this schema and name; the session may end then."""

    @abstractmethod
    def query_type(self, dtype: pa.DataType) -> ColumnType:
        """Return how a column of a query is brought to a type."""

    @override
    def check(self) -> None:
        with self.database.session() as session:
            session.table(_CHECK, _CHECK_SCHEMA)

    @override
    def discover(self) -> Iterator[SourceTable]:
        with self.database.session() as session:
            tables = self.find_tables(session)
        for found in tables:
            yield found.table

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        with self.database.session() as session:
            return self.find_table(session, schema, table).table

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[PostgresPart]:
        with self.database.session() as session:
            now = self.find_table(session, table.schema, table.name)
        return [self.plan_part(table, now, scan)]

    @override
    def open(self, part: PostgresPart) -> Iterator[pa.RecordBatch]:
        with self.database.session() as session:
            yield from self.read(session, part)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        return self.open(self.query_part(sql, schema))

    @override
    def close(self) -> None:
        self.database.close()

    def query_part(self, sql: str, schema: pa.Schema) -> PostgresPart:
        """Plan a query whose rows come as this schema."""
        types = tuple([self.query_type(dtype) for dtype in schema.types])
        return PostgresPart(schema, wrapped_query(sql, types), types)

    def find_table(self, session: Session, schema: str, table: str) -> FoundTable:
        """Describe one table.

        Raises:
            TableGone: there is none, or it may not be read.
        """
        found = next(self.find_tables(session, schema, table), None)
        if found is None:
            raise TableGone(f"There is no table '{schema}.{table}' that this user may read")
        return found

    def plan_part(
        self, table: SourceTable, now: FoundTable, scan: Scan, *, condition: str | None = None
    ) -> PostgresPart:
        """Plan a scan, or the piece of it that a condition holds for."""
        columns = table.select(scan.columns)
        check_unchanged(columns, now.table)
        sql, types = select_query(
            now, scan, [c.name for c in columns], dialect=self.dialect, condition=condition
        )
        schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])
        return PostgresPart(schema, sql, types)

    def read(self, session: Session, part: PostgresPart) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part in its schema."""
        losses = self.context.losses
        with closing(session.stream(part.sql, wires_of(part.types))) as batches:
            yield from declared_batches(batches, part.types, part.schema, losses)


class PostgresConnector(WireConnector):
    """PostgreSQL, read by binary COPY; large tables in parts of one snapshot."""

    source_type = "postgres"
    label = "PostgreSQL"
    capabilities = Capabilities(has_parts=True, is_incremental=True, dialect="postgres")
    database: CopyDatabase

    def __init__(self, options: PostgresOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self.database = CopyDatabase(options, context)

    @override
    def find_tables(self, session: Session, *names: str) -> Iterator[FoundTable]:
        return found_tables(session.table(columns_query(*names), ROWS_SCHEMA), column_type)

    @override
    def query_type(self, dtype: pa.DataType) -> ColumnType:
        return query_type(dtype)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self.database.session() as session:
            seen = seen_query(sql, lambda *names: self.find_table(session, *names))
            yield from self.read(session, self.query_part(seen, schema))

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[PostgresPart]:
        with self.database.session() as session:
            now = self.find_table(session, table.schema, table.name)
            (row,) = session.table(size_query(table.schema, table.name), SIZE_SCHEMA).to_pylist()
        size = TableSize(**row)
        parts = size.parts(scan, self.context.parts_max)
        if parts > 1:
            try:
                return self._plan_parts(table, scan, list(block_ranges(size.blocks, parts)))
            except SourceError:
                # Some servers export no snapshot, and some poolers have none to spare for it.
                pass
        return [self.plan_part(table, now, scan)]

    @override
    def open(self, part: PostgresPart) -> Iterator[pa.RecordBatch]:
        first = () if part.snapshot is None else (import_statement(part.snapshot),)
        with self.database.session(*first) as session:
            yield from self.read(session, part)

    def _plan_parts(
        self, table: SourceTable, scan: Scan, conditions: Sequence[str]
    ) -> list[PostgresPart]:
        """Lock the table, export a snapshot and cut by the conditions.

        The session stays open, and with it the snapshot, until the connector is closed.
        """
        leader = self.database.open_session(lock_statement(table.schema, table.name))
        try:
            (row,) = leader.table(SNAPSHOT_QUERY, SNAPSHOT_SCHEMA).to_pylist()
            now = self.find_table(leader, table.schema, table.name)
            parts = [self.plan_part(table, now, scan, condition=each) for each in conditions]
        except ConnectorError:
            self.database.close_session(leader)
            raise
        return [replace(part, snapshot=row["snapshot"]) for part in parts]


class CockroachConnector(WireConnector):
    """CockroachDB, read through a cursor as text."""

    source_type = "cockroachdb"
    label = "CockroachDB"
    capabilities = Capabilities(is_incremental=True, dialect="postgres")

    def __init__(self, options: PostgresOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self.database = TextDatabase(
            options, context, settings=_COCKROACH_SETTINGS, fetch_rows_max=FETCH_ROWS_MAX
        )

    @override
    def find_tables(self, session: Session, *names: str) -> Iterator[FoundTable]:
        return found_tables(session.table(columns_query(*names), ROWS_SCHEMA), text_column_type)

    @override
    def query_type(self, dtype: pa.DataType) -> ColumnType:
        return text_query_type(dtype)


class RedshiftConnector(WireConnector):
    """Amazon Redshift, read through a cursor as text."""

    source_type = "redshift"
    label = "Amazon Redshift"
    capabilities = Capabilities(is_incremental=True, dialect="redshift")
    dialect = "redshift"

    def __init__(self, options: PostgresOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self.database = TextDatabase(
            options, context, settings=_REDSHIFT_SETTINGS, fetch_rows_max=REDSHIFT_FETCH_ROWS_MAX
        )

    @override
    def find_tables(self, session: Session, *names: str) -> Iterator[FoundTable]:
        rows = session.table(redshift_columns_query(*names), REDSHIFT_ROWS_SCHEMA)
        return found_redshift_tables(rows)

    @override
    def query_type(self, dtype: pa.DataType) -> ColumnType:
        return text_query_type(dtype)
