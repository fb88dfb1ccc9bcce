"""The connector of SQLite files.

The invariant: each method opens a connection of its own and closes it, so that threads share
nothing but the path; one fetch is one SELECT, and so one state of the file.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import ClassVar

import pyarrow as pa
from typing_extensions import override

from connectors.arrow_batches import sized
from connectors.base import Capabilities, Connector, Part, Scan, SourceContext, SourceTable
from connectors.errors import SourceFailed, TableGone
from connectors.local_paths import check_file
from connectors.sources.sqlite.batches import read_batches, unfit
from connectors.sources.sqlite.catalog import SCHEMA, kind_of_column, read_tables
from connectors.sources.sqlite.database import check_version, needs_a_copy, opened, typed_errors
from connectors.sources.sqlite.declared_types import kind_of, kind_of_arrow
from connectors.sources.sqlite.file_copy import copy_database
from connectors.sources.sqlite.options import SQLiteOptions
from connectors.sources.sqlite.selection import (
    Column,
    by_name,
    checked_condition,
    checked_query,
    greater,
    scan_sql,
)
from connectors.sources.sqlite.values import Kind, SqlValue, Unfit


@dataclass(frozen=True, slots=True)
class SQLitePart(Part):
    """A whole scan of one table: its SQL, and how the values of each column arrive."""

    sql: str
    kinds: tuple[Kind, ...]


class SQLiteConnector(Connector[SQLiteOptions, SQLitePart]):
    """A SQLite file."""

    source_type = "sqlite"
    label = "SQLite"
    options_type = SQLiteOptions
    capabilities: ClassVar[Capabilities] = Capabilities(is_incremental=True, dialect="sqlite")

    def __init__(self, options: SQLiteOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        check_version()
        self._lock = Lock()
        self._file: tuple[Path, bool] | None = None

    @override
    def check(self) -> None:
        with self._connected() as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()

    @override
    def discover(self) -> Iterator[SourceTable]:
        with self._connected() as connection:
            yield from read_tables(connection, self.options)

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        if schema == SCHEMA:
            with self._connected() as connection:
                for found in read_tables(connection, self.options, only=table):
                    return found
        raise TableGone

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[SQLitePart]:
        columns = self._columns_of(table)
        wanted = table.select(scan.columns)
        names = {column.name for column in wanted}
        chosen = [column for column in columns if column.name in names]
        conditions = [] if scan.after is None else [greater(scan.after, by_name(columns))]
        if scan.where is not None:
            conditions.append(checked_condition(scan.where, by_name(columns)))
        sql = scan_sql(table.name, columns, chosen, conditions, scan.limit)
        schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in wanted])
        return [SQLitePart(schema, sql, tuple(column.kind for column in chosen))]

    @override
    def open(self, part: SQLitePart) -> Iterator[pa.RecordBatch]:
        yield from self._run(part.sql, part.kinds, part.schema)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._connected() as connection:
            tables = {t.name.lower(): t for t in read_tables(connection, self.options)}

        def find(name: str) -> Sequence[Column] | None:
            table = tables.get(name.lower())
            return None if table is None else self._columns_of(table)

        checked = checked_query(sql, find)
        yield from self._run(checked, [kind_of_arrow(field.type) for field in schema], schema)

    def _run(self, sql: str, kinds: Sequence[Kind], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._connected() as connection, closing(connection.execute(sql)) as cursor:
            if len(cursor.description) != len(schema):
                raise SourceFailed("The source sent another number of columns than it declared")
            batches = read_batches(cursor, kinds, schema, self.context.losses)
            yield from sized(batches, self.context.batch_bytes)

    def _columns_of(self, table: SourceTable) -> list[Column]:
        return [
            Column(
                column.name,
                column.native_type,
                kind_of_column(self.options, table.name, column.name, column.native_type),
            )
            for column in table.columns
        ]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        failures: list[SourceFailed] = []

        def value(declared: str, column: str, stored: SqlValue) -> SqlValue:
            kind = kind_of(declared, self.options.date_numbers)
            try:
                return kind.coded(kind.value(stored))
            except Unfit as error:
                # SQLite tells of an exception, but not of which.
                failures.append(unfit(column, kind, error))
                raise

        with typed_errors(self._hidden):
            path, is_ours = self._opened_file()
            timeout_s = self.context.connect_timeout_s
            with opened(path, is_ours=is_ours, timeout_s=timeout_s, value=value) as connection:
                try:
                    yield connection
                except sqlite3.OperationalError:
                    if failures:
                        raise failures[0] from None
                    raise

    def _opened_file(self) -> tuple[Path, bool]:
        """Return the file to open, and whether it is a copy: checked when it is first asked for."""
        with self._lock:
            if self._file is None:
                path = check_file(self.options.path, self.context.local_files)
                is_ours = needs_a_copy(path, timeout_s=self.context.connect_timeout_s)
                if is_ours:
                    path = copy_database(path, Path(mkdtemp(dir=self.context.scratch)))
                self._file = path, is_ours
            return self._file

    def _hidden(self) -> list[str]:
        """Texts that no message repeats: paths on this machine."""
        return [self.options.path, str(self.context.scratch)]
