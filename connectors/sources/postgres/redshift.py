"""What tables a Redshift cluster has, from its own views ``svv_columns`` and ``svv_tables``.

They show local, external and late-bound relations alike, and only what the user may see. Primary
keys are left out: Redshift does not enforce them. It enforces NOT NULL, but not of external tables.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from connectors.base import SourceColumn, SourceTable
from connectors.sources.postgres.column_types import (
    DISTINCT_TYPES_MAX,
    ColumnType,
    NativeType,
    numeric_typmod,
)
from connectors.sources.postgres.discovery import FoundTable, literal
from connectors.sources.postgres.text_values import text_column_type

_COLUMN_TYPES: dict[str, pa.DataType] = {
    "schema": pa.string(),
    "name": pa.string(),
    "kind": pa.string(),
    "comment": pa.string(),
    "column": pa.string(),
    "is_nullable": pa.string(),
    "type": pa.string(),
    "length": pa.int32(),
    "precision": pa.int32(),
    "scale": pa.int32(),
}
REDSHIFT_ROWS_SCHEMA = pa.schema(_COLUMN_TYPES)

_COLUMNS_QUERY = """
SELECT t.table_schema, t.table_name, t.table_type, t.remarks, c.column_name, c.is_nullable,
  c.data_type, c.character_maximum_length, c.numeric_precision, c.numeric_scale
FROM svv_columns c
JOIN svv_tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE t.table_schema NOT IN ('information_schema', 'catalog_history')
  AND substring(t.table_schema, 1, 3) <> 'pg_'
"""
_ORDER = "ORDER BY t.table_schema, t.table_name, c.ordinal_position"

_NAMES = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "numeric": "numeric",
    "real": "float4",
    "double precision": "float8",
    "boolean": "bool",
    "character": "bpchar",
    "character varying": "varchar",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "binary varying": "bytea",
}
"""Redshift's names of the types that are more than their text, and those of Postgres."""
_OTHERS = "text"


def redshift_columns_query(schema: str | None = None, table: str | None = None) -> str:
    """Return the query for all tables, or for one; its rows have ``REDSHIFT_ROWS_SCHEMA``."""
    if schema is None or table is None:
        return _COLUMNS_QUERY + _ORDER
    return (
        f"{_COLUMNS_QUERY} AND t.table_schema = {literal(schema)}"
        f" AND t.table_name = {literal(table)} {_ORDER}"
    )


def found_redshift_tables(rows: pa.Table) -> Iterator[FoundTable]:
    """Read the rows of :func:`redshift_columns_query`, ordered by table."""
    columns = [column.to_pylist() for column in rows.columns]
    for _, group in groupby(zip(*columns, strict=True), key=itemgetter(0, 1)):
        yield _found_table(list(group))


def _found_table(rows: list[tuple[Any, ...]]) -> FoundTable:
    schema, name, kind, comment = rows[0][:4]
    known = [_described_type(*row[6:]) for row in rows]
    columns = tuple(
        [
            SourceColumn(
                row[4],
                way.arrow,
                row[5] != "NO" or kind != "BASE TABLE" or way.makes_nulls,
                native,
            )
            for row, (native, way) in zip(rows, known, strict=True)
        ]
    )
    is_view = "VIEW" in kind
    table = SourceTable(schema, name, columns, "view" if is_view else "table", comment=comment)
    return FoundTable(table, tuple([way for _, way in known]))


@lru_cache(maxsize=DISTINCT_TYPES_MAX)
def _described_type(
    name: str, length: int | None, precision: int | None, scale: int | None
) -> tuple[str, ColumnType]:
    """Return the name of a type with its lengths, and its way."""
    native, typmod = name, -1
    if name == "numeric" and precision is not None and scale is not None:
        native, typmod = f"numeric({precision},{scale})", numeric_typmod(precision, scale)
    elif length is not None and name.startswith("character"):
        native = f"{name}({length})"
    way = text_column_type(NativeType(_NAMES.get(name, _OTHERS), typmod=typmod))
    # Redshift has neither infinity nor NaN to compare with, and writes bytes by this function.
    select = "from_varbyte({}, 'hex')" if pa.types.is_binary(way.arrow) else way.select
    return native, replace(way, select=select, end=None)
