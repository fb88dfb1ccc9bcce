"""The Snowflake connector: discovery in the information schema, one statement for a table.

The invariant: a table is one statement, and so one state of it. The trap: Snowflake reads an
unquoted name in upper case, so names given in options are folded like that, while names that came
from the catalog are always quoted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Any, ClassVar

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from typing_extensions import override

from connectors.arrow_batches import bounded
from connectors.base import (
    Capabilities,
    Connector,
    Part,
    Scan,
    SourceColumn,
    SourceContext,
    SourceTable,
)
from connectors.drivers import load_driver
from connectors.errors import SourceFailed, TableGone
from connectors.sources.snowflake.columns import (
    after_condition,
    arrow_type,
    is_selected_otherwise,
    native_type,
    read_batch,
    select_column,
    select_value,
)
from connectors.sources.snowflake.failures import source_failures
from connectors.sources.snowflake.options import SnowflakeOptions
from connectors.sources.snowflake.session import STATEMENT_OPTIONS, database_options

DIALECT = "snowflake"

_CATALOG = """
SELECT c.TABLE_SCHEMA, c.TABLE_NAME, t.TABLE_TYPE, t.ROW_COUNT, t.COMMENT,
       c.COLUMN_NAME, c.DATA_TYPE, c.NUMERIC_PRECISION, c.NUMERIC_SCALE, c.IS_NULLABLE
FROM INFORMATION_SCHEMA.COLUMNS AS c
LEFT JOIN INFORMATION_SCHEMA.TABLES AS t
  ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
WHERE c.TABLE_SCHEMA <> 'INFORMATION_SCHEMA'
ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION
"""
_PROBE = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES LIMIT 1"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SnowflakePart(Part):
    """A whole scan, as one statement."""

    sql: str


class SnowflakeConnector(Connector[SnowflakeOptions, SnowflakePart]):
    """One session of one user, opened when it is first needed."""

    source_type: ClassVar[str] = "snowflake"
    label: ClassVar[str] = "Snowflake"
    options_type: ClassVar[type[SnowflakeOptions]] = SnowflakeOptions
    capabilities: ClassVar[Capabilities] = Capabilities(is_incremental=True, dialect=DIALECT)

    def __init__(self, options: SnowflakeOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self._driver = load_driver("adbc_driver_snowflake.dbapi", extra="snowflake")
        self._session: Any = None
        self._session_lock = Lock()

    @override
    def check(self) -> None:
        for _ in self._batches(_PROBE):
            pass

    @override
    def discover(self) -> Iterator[SourceTable]:
        schema = self.options.schema_name
        yield from self._tables(schema=None if schema is None else _stored_name(schema))

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        found = next(self._tables(schema=schema, table=table), None)
        if found is None:
            raise TableGone(f"There is no table {schema}.{table}, or this role may not read it")
        return found

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[SnowflakePart]:
        columns = table.select(scan.columns)
        query = exp.select(*map(select_column, columns)).from_(
            exp.table_(table.name, db=table.schema, quoted=True)
        )
        if scan.where is not None:
            query = query.where(_parsed(scan.where, into=exp.Condition))
        if scan.after is not None:
            (column,) = table.select([scan.after.column])
            query = query.where(after_condition(column, scan.after.value))
        if scan.limit is not None:
            query = query.limit(scan.limit)
        schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])
        return [SnowflakePart(schema, query.sql(DIALECT))]

    @override
    def open(self, part: SnowflakePart) -> Iterator[pa.RecordBatch]:
        for batch in self._batches(part.sql):
            whole = read_batch(batch, part.schema, self.context.losses)
            yield from bounded(whole, self.context.batch_bytes)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in self._batches(_readable(sql, schema)):
            whole = read_batch(batch, schema, self.context.losses)
            yield from bounded(whole, self.context.batch_bytes)

    @override
    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with source_failures(self.options):
                session.close()

    def _tables(
        self, *, schema: str | None = None, table: str | None = None
    ) -> Iterator[SourceTable]:
        query = sqlglot.parse_one(_CATALOG, read=DIALECT)
        assert isinstance(query, exp.Select)
        for name, wanted in (("TABLE_SCHEMA", schema), ("TABLE_NAME", table)):
            if wanted is not None:
                literal = exp.Literal.string(wanted)
                query = query.where(exp.EQ(this=exp.column(name, table="c"), expression=literal))
        rows = (row for batch in self._batches(query.sql(DIALECT)) for row in batch.to_pylist())
        for _, group in groupby(rows, key=lambda row: (row["TABLE_SCHEMA"], row["TABLE_NAME"])):
            yield _table_of(list(group))

    def _batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        session = self._opened()
        with source_failures(self.options), session.cursor() as cursor:
            cursor.adbc_statement.set_options(**STATEMENT_OPTIONS)
            cursor.execute(sql)
            with cursor.fetch_record_batch() as reader:
                yield from reader

    def _opened(self) -> Any:  # noqa: ANN401 - a connection of the driver
        with self._session_lock:
            if self._session is None:
                settings = database_options(self.options, self.context)
                with source_failures(self.options, is_connecting=True):
                    self._session = self._driver.connect(db_kwargs=settings, autocommit=True)
            return self._session


def _table_of(rows: list[Row]) -> SourceTable:
    first = rows[0]
    # Whatever has columns and is not listed as a table is read like a view: nothing is promised.
    kind = first["TABLE_TYPE"] or "VIEW"
    return SourceTable(
        schema=first["TABLE_SCHEMA"],
        name=first["TABLE_NAME"],
        columns=tuple(_column_of(row, is_table=kind == "BASE TABLE") for row in rows),
        kind="view" if kind.endswith("VIEW") else "table",
        row_estimate=None if first["ROW_COUNT"] is None else int(first["ROW_COUNT"]),
        comment=first["COMMENT"] or None,
    )


def _column_of(row: Row, *, is_table: bool) -> SourceColumn:
    precision, scale = (
        None if row[key] is None else int(row[key])
        for key in ("NUMERIC_PRECISION", "NUMERIC_SCALE")
    )
    return SourceColumn(
        name=row["COLUMN_NAME"],
        type=arrow_type(row["DATA_TYPE"], precision, scale),
        # Only in tables of its own does Snowflake keep NOT NULL.
        nullable=not (is_table and row["IS_NULLABLE"] == "NO"),
        native_type=native_type(row["DATA_TYPE"], precision, scale),
    )


def _stored_name(name: str) -> str:
    """Return a name as Snowflake stores it: upper case unless it is quoted.

    >>> _stored_name("public"), _stored_name('"Mixed ""case"'), _stored_name('"')
    ('PUBLIC', 'Mixed "case', '"')
    """
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1].replace('""', '"')
    return name.upper()


def _parsed(sql: str, into: type[exp.Expr] | None = None) -> exp.Expr:
    try:
        return sqlglot.parse_one(sql, read=DIALECT, into=into)
    except SqlglotError as error:
        raise SourceFailed("The statement is no SQL of Snowflake") from error


def _readable(sql: str, schema: pa.Schema) -> str:
    """Rewrite the SELECT list so that what comes can be read exactly.

    Rewritten in place, not around the statement: an outer SELECT would not keep its order.
    """
    if not any(map(is_selected_otherwise, schema.types)):
        return sql
    tree = _parsed(sql)
    for select in _branches(tree):
        if len(select.selects) != len(schema) or select.is_star:
            raise SourceFailed("The columns of the statement are not those of its plan")
        select.set(
            "expressions",
            [
                exp.alias_(
                    select_value(item.unalias(), field.type),
                    item.output_name or field.name,
                    quoted=True,
                )
                for item, field in zip(select.selects, schema, strict=True)
            ],
        )
    return tree.sql(DIALECT)


def _branches(tree: exp.Expr) -> Iterator[exp.Select]:
    """Yield the SELECTs whose rows come out: one, or those of a UNION."""
    if isinstance(tree, exp.Select):
        yield tree
    elif isinstance(tree, exp.SetOperation):
        yield from _branches(tree.left)
        yield from _branches(tree.right)
    elif isinstance(tree, exp.Subquery):
        yield from _branches(tree.this)
    else:
        raise SourceFailed("Only a SELECT can be run")
