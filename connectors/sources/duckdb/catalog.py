"""Reads which tables and views a DuckDB database has, with four queries whatever their number.

The columns of a view are those it had when it was made: the catalog keeps them, and no view is run.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from connectors.base import SourceColumn, SourceTable
from connectors.sources.duckdb.column_types import ColumnType
from connectors.sources.duckdb.database import Connection, Instance

Row = tuple[Any, ...]

_COLUMNS = """
    SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns()
    WHERE NOT internal AND {place} ORDER BY schema_name, table_name, column_index
"""
_TABLES = """
    SELECT schema_name, table_name, 'table', estimated_size, comment FROM duckdb_tables()
    WHERE NOT internal AND {place}
    UNION ALL
    SELECT schema_name, view_name, 'view', NULL, comment
    FROM (SELECT *, view_name AS table_name FROM duckdb_views())
    WHERE NOT internal AND {place}
"""
_KEYS = """
    SELECT schema_name, table_name, constraint_column_names FROM duckdb_constraints()
    WHERE constraint_type = 'PRIMARY KEY' AND {place}
"""
_EVERYWHERE = "database_name = $catalog"
_ONE_TABLE = f"{_EVERYWHERE} AND schema_name = $schema AND table_name = $table"


def read_tables(
    cursor: Connection, instance: Instance, *, only: tuple[str, str] | None = None
) -> Iterator[SourceTable]:
    """Yield the tables and views of the attached database, by schema and name.

    Args:
        cursor: where to ask.
        instance: it is of.
        only: schema and name of the one that is wanted.

    Raises:
        duckdb.Error: the catalog cannot be read.
    """
    place = _EVERYWHERE if only is None else _ONE_TABLE
    values = {"catalog": instance.catalog}
    if only is not None:
        values |= {"schema": only[0], "table": only[1]}

    def ask(query: str) -> list[Row]:
        rows: list[Row] = cursor.execute(query.format(place=place), values).fetchall()
        return rows

    columns: defaultdict[tuple[str, str], list[SourceColumn]] = defaultdict(list)
    for schema, table, name, native, nullable in ask(_COLUMNS):
        columns[schema, table].append(_column(name, native, nullable, instance.types(native)))
    keys = {(schema, table): tuple(names) for schema, table, names in ask(_KEYS)}
    for schema, table, kind, estimate, comment in sorted(ask(_TABLES), key=lambda row: row[:2]):
        yield SourceTable(
            schema,
            table,
            tuple(columns[schema, table]),
            kind=kind,
            row_estimate=estimate,
            primary_key=keys.get((schema, table), ()),
            comment=comment,
        )


def _column(name: str, native: str, nullable: object, kind: ColumnType) -> SourceColumn:
    return SourceColumn(name, kind.arrow, bool(nullable) or bool(kind.lost), native)
