"""The Flight SQL connector: discovery by GetTables, rows by one SELECT.

The invariant: what a table is called, in which catalog and schema, comes from the server's own list,
compared exactly; the patterns that are sent only make the list short.

The trap: Flight SQL does not say which SQL is spoken. The option ``dialect`` decides how names are
quoted; values are written as plain literals, which the server reads as the type of the column.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import exp
from typing_extensions import override

from connectors.arrow_batches import bounded, conform_batch
from connectors.base import (
    After,
    Capabilities,
    Connector,
    Part,
    Scan,
    SourceColumn,
    SourceTable,
)
from connectors.errors import OptionsInvalid, SourceFailed, TableGone
from connectors.sources.flightsql import commands
from connectors.sources.flightsql.options import FlightSqlOptions
from connectors.sources.flightsql.plain_types import UNREADABLE, plain_array, plain_type
from connectors.sources.flightsql.session import FlightSession

SCHEMA_OF_NONE = "main"
"""The schema of tables on a server without schemas."""
_SYSTEM_SCHEMAS = frozenset({"information_schema", "pg_catalog", "sys", "system"})


@dataclass(frozen=True, slots=True)
class FlightPart(Part):
    """One SELECT."""

    sql: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A row of the server's list of tables."""

    catalog: str | None
    schema: str | None
    name: str
    kind: str
    arrow_schema: bytes | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> "_Listed":
        """Read a row by position: servers spell the columns in many ways."""
        values = list(row.values())
        catalog, schema, name, kind = values[:4]
        return cls(catalog or None, schema or None, name, kind or "", (values[4:] or [None])[0])

    @property
    def shown_schema(self) -> str:
        return self.schema or SCHEMA_OF_NONE


class FlightSqlConnector(Connector[FlightSqlOptions, FlightPart]):
    """Tables and views of a Flight SQL server."""

    source_type = "flightsql"
    label = "Arrow Flight SQL"
    options_type = FlightSqlOptions
    capabilities: ClassVar[Capabilities] = Capabilities(is_incremental=True)

    @override
    def check(self) -> None:
        self._listed(with_columns=False)

    @override
    def discover(self) -> Iterator[SourceTable]:
        for listed in self._listed(with_columns=True):
            yield _source_table(listed)

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        return _source_table(self._find(schema, table, with_columns=True))

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[FlightPart]:
        columns = table.select(scan.columns)
        listed = self._find(table.schema, table.name, with_columns=False)
        query = exp.select(*(_selected(column) for column in columns)).from_(_place(listed))
        if scan.after is not None:
            (column,) = table.select([scan.after.column])
            query = query.where(_after(column, scan.after))
        if scan.limit is not None:
            query = query.limit(scan.limit)
        schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])
        dialect = "" if self.options.dialect == "ansi" else self.options.dialect
        return [FlightPart(schema, query.sql(dialect=dialect))]

    @override
    def open(self, part: FlightPart) -> Iterator[pa.RecordBatch]:
        for batch in self._session.stream(commands.statement_query(part.sql)):
            whole = conform_batch(_plain_batch(batch), part.schema)
            yield from bounded(whole, self.context.batch_bytes)

    @override
    def close(self) -> None:
        if "_session" in self.__dict__:
            self._session.close()
            del self.__dict__["_session"]

    @cached_property
    def _session(self) -> FlightSession:
        return FlightSession(self.options, self.context)

    def _find(self, schema: str, table: str, *, with_columns: bool) -> _Listed:
        found = self._listed(
            schema_pattern=None if schema == SCHEMA_OF_NONE else _pattern(schema),
            table_pattern=_pattern(table),
            with_columns=with_columns,
        )
        for listed in found:
            if (listed.shown_schema, listed.name) == (schema, table):
                return listed
        raise TableGone

    def _listed(
        self,
        *,
        schema_pattern: str | None = None,
        table_pattern: str | None = None,
        with_columns: bool,
    ) -> list[_Listed]:
        """List the tables of the catalog and schema of the options.

        Raises:
            OptionsInvalid: they are in several catalogs, and none was chosen.
        """
        only = self.options.db_schema
        command = commands.tables(
            catalog=self.options.catalog,
            schema_pattern=schema_pattern or (_pattern(only) if only else None),
            table_pattern=table_pattern,
            with_columns=with_columns,
        )
        listed = [_Listed.of(row) for row in self._session.rows(command)]
        wanted = [each for each in listed if self._is_wanted(each)]
        catalogs = sorted({each.catalog or "" for each in wanted})
        if len(catalogs) > 1:
            raise OptionsInvalid(
                f"The server has several catalogs: set the field catalog to one of {catalogs}"
            )
        return wanted

    def _is_wanted(self, listed: _Listed) -> bool:
        if self.options.catalog not in {None, listed.catalog}:
            return False
        if self.options.db_schema is not None:
            return listed.schema == self.options.db_schema
        is_system = "system" in listed.kind.lower()
        return not is_system and (listed.schema or "").lower() not in _SYSTEM_SCHEMAS


def _source_table(listed: _Listed) -> SourceTable:
    if listed.arrow_schema is None:
        raise SourceFailed("The server does not tell the columns of its tables")
    try:
        fields = list(pa.ipc.read_schema(pa.py_buffer(listed.arrow_schema)))
    except (pa.ArrowException, OSError) as error:
        raise SourceFailed(f"The columns of table '{listed.name}' cannot be read") from error
    return SourceTable(
        schema=listed.shown_schema,
        name=listed.name,
        columns=tuple(
            SourceColumn(field.name, plain_type(field.type), field.nullable, str(field.type))
            for field in fields
        ),
        kind="view" if "view" in listed.kind.lower() else "table",
    )


def _pattern(name: str) -> str:
    """Make a LIKE pattern that a name matches, whatever the server takes for an escape."""
    return name.replace("\\", "_")


def _place(listed: _Listed) -> exp.Table:
    return exp.Table(
        this=exp.to_identifier(listed.name, quoted=True),
        db=exp.to_identifier(listed.schema, quoted=True),
        catalog=exp.to_identifier(listed.catalog, quoted=True),
    )


def _column(name: str) -> exp.Column:
    return exp.Column(this=exp.to_identifier(name, quoted=True))


def _selected(column: SourceColumn) -> exp.Expr:
    name = _column(column.name)
    return exp.cast(name, exp.DataType.Type.VARCHAR) if column.native_type in UNREADABLE else name


def _after(column: SourceColumn, after: After) -> exp.GT:
    """Compare a column; numbers are written as such, all else as text."""
    literal: exp.Expression = exp.Literal.string(after.value)
    if pa.types.is_integer(column.type):
        literal = exp.Literal.number(after.value)
    elif pa.types.is_decimal(column.type):
        literal = exp.Literal.number(f"{Decimal(after.value):f}")
    return exp.GT(this=_column(column.name), expression=literal)


def _plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    arrays = []
    for position, field in enumerate(batch.schema):
        try:
            arrays.append(plain_array(batch.column(position)))
        except (pa.ArrowException, KeyError) as error:
            # KeyError: pyarrow has no class for arrays of this type.
            raise SourceFailed(
                f"Column '{field.name}' holds a value that is no {plain_type(field.type)}"
            ) from error
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
