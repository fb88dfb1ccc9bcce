"""The ClickHouse connector: SELECT statements over HTTP, answered in Arrow.

The invariant: names are quoted and columns converted by position; nothing in a SELECT has an alias,
because in ClickHouse an alias hides the column of that name from the WHERE of the same statement.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import exp
from typing_extensions import override

from connectors.arrow_batches import bounded, conform
from connectors.base import (
    After,
    Capabilities,
    Connector,
    Part,
    Scan,
    SourceColumn,
    SourceTable,
)
from connectors.errors import TableGone
from connectors.sources.clickhouse.column_types import ColumnRead, read_of
from connectors.sources.clickhouse.options import ClickHouseOptions
from connectors.sources.clickhouse.session import ClickHouseSession
from connectors.sources.clickhouse.value_arrays import read_batch

DIALECT = "clickhouse"
_SYSTEM_DATABASES = ("system", "INFORMATION_SCHEMA", "information_schema")
_VIEWS = frozenset({"View", "MaterializedView", "LiveView", "WindowView"})

_COLUMNS = """
SELECT c.database AS schema_name, c.table AS table_name, c.name AS column_name, c.type AS native_type,
    t.engine AS engine, t.total_rows AS row_count, t.comment AS table_comment
FROM system.columns AS c INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE {condition} AND c.default_kind != 'EPHEMERAL' AND NOT startsWith(c.table, '.inner')
ORDER BY c.database, c.table, c.position
"""


@dataclass(frozen=True, slots=True)
class ClickHousePart(Part):
    """One SELECT."""

    sql: str


class ClickHouseConnector(Connector[ClickHouseOptions, ClickHousePart]):
    """Tables and views of a ClickHouse server; its databases are the schemas."""

    source_type = "clickhouse"
    label = "ClickHouse"
    options_type = ClickHouseOptions
    capabilities: ClassVar[Capabilities] = Capabilities(is_incremental=True, dialect=DIALECT)

    @override
    def check(self) -> None:
        self._session.rows("SELECT 1")

    @override
    def discover(self) -> Iterator[SourceTable]:
        if self.options.database is None:
            names = ", ".join(_literal(name) for name in _SYSTEM_DATABASES)
            yield from self._tables(f"c.database NOT IN ({names})")
        else:
            yield from self._tables(_both("database", "database", self.options.database))

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        condition = _both("database", "database", schema) + " AND " + _both("table", "name", table)
        for found in self._tables(condition):
            return found
        raise TableGone

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[ClickHousePart]:
        columns = table.select(scan.columns)
        selected = ", ".join(
            _selected(column.name, column.native_type, self._read_of(column.native_type))
            for column in columns
        )
        sql = f"SELECT {selected} FROM {_quoted(table.schema)}.{_quoted(table.name)}"  # noqa: S608 - quoted
        conditions = []
        if scan.after is not None:
            (column,) = table.select([scan.after.column])
            conditions.append(self._after(column, scan.after))
        if scan.where is not None:
            conditions.append(f"({scan.where})")
        if conditions:
            sql += f" WHERE {' AND '.join(conditions)}"
        if scan.limit is not None:
            sql += f" LIMIT {scan.limit}"
        schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])
        return [ClickHousePart(schema, sql)]

    @override
    def open(self, part: ClickHousePart) -> Iterator[pa.RecordBatch]:
        return self._read(part.sql, part.schema)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        columns = self._session.rows(f"DESCRIBE TABLE ({sql}\n)")
        reads = [self._read_of(column["type"]) for column in columns]
        natives = [(column["name"], column["type"]) for column in columns]
        selected = [
            _selected(name, native, read)
            for (name, native), read in zip(natives, reads, strict=True)
        ]
        if selected != [_quoted(name) for name, _ in natives]:
            sql = f"SELECT {', '.join(selected)} FROM ({sql}\n)"  # noqa: S608 - quoted
        own = pa.schema(
            [pa.field(name, read.arrow) for (name, _), read in zip(natives, reads, strict=True)]
        )
        yield from conform(self._read(sql, own), schema)

    @override
    def close(self) -> None:
        if "_session" in self.__dict__:
            self._session.close()
            del self.__dict__["_session"]

    @cached_property
    def _session(self) -> ClickHouseSession:
        return ClickHouseSession(self.options, self.context)

    def _read_of(self, native: str) -> ColumnRead:
        strings = pa.string() if self.options.strings == "text" else pa.binary()
        return read_of(native, strings=strings)

    def _tables(self, condition: str) -> Iterator[SourceTable]:
        """Yield the tables of a condition, with one statement for all of them."""
        rows = self._session.rows(_COLUMNS.format(condition=condition))
        for (schema, name), found in groupby(rows, itemgetter("schema_name", "table_name")):
            columns = list(found)
            yield SourceTable(
                schema=schema,
                name=name,
                columns=tuple(self._column(row) for row in columns),
                kind="view" if columns[0]["engine"] in _VIEWS else "table",
                row_estimate=columns[0]["row_count"],
                comment=columns[0]["table_comment"] or None,
            )

    def _column(self, row: dict[str, Any]) -> SourceColumn:
        read = self._read_of(row["native_type"])
        return SourceColumn(row["column_name"], read.arrow, read.nullable, row["native_type"])

    def _after(self, column: SourceColumn, after: After) -> str:
        read = self._read_of(column.native_type)
        # A target of DateTime64 names its zone, so the text may not name it again.
        text = after.value.removesuffix("Z") if pa.types.is_timestamp(read.arrow) else after.value
        if read.compared_as is None:
            left, target = _selected(column.name, column.native_type, read), read.target
        else:
            left, target = _quoted(column.name), read.compared_as
        return f"{left} > CAST({_literal(text)} AS {target})"

    def _read(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in self._session.stream(sql):
            whole = read_batch(batch, schema, self.context.losses)
            yield from bounded(whole, self.context.batch_bytes)


def _selected(name: str, native: str, read: ColumnRead) -> str:
    quoted = _quoted(name)
    return quoted if read.target == native else f"CAST({quoted} AS {read.target})"


def _both(column: str, name: str, value: str) -> str:
    """Filter both catalog tables, which are slow to list as a whole."""
    literal = _literal(value)
    return f"c.{column} = {literal} AND t.{name} = {literal}"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect=DIALECT)


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql(dialect=DIALECT)
