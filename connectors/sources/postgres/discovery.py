"""What tables there are, from one query of ``pg_catalog``.

The invariant: discovery and description are the same query, so they cannot differ. It shows only what this
user may select, without partitions (their parent is the table) and system schemas. Traps: a NOT NULL
of a foreign table, or one that was added NOT VALID, promises nothing; a domain may be made of
domains; a type called ``numeric`` need not be the built-in one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
from sqlglot import exp

from connectors.base import SourceColumn, SourceTable
from connectors.sources.postgres.column_types import ColumnType, NativeType

TypeOf = Callable[[NativeType], ColumnType]

_COLUMN_TYPES: dict[str, pa.DataType] = {
    "schema": pa.string(),
    "name": pa.string(),
    "relkind": pa.string(),
    "rows": pa.float64(),
    "comment": pa.string(),
    "column": pa.string(),
    "native": pa.string(),
    "is_required": pa.bool_(),
    "key_place": pa.int32(),
    "base": pa.string(),
    "base_schema": pa.string(),
    "base_kind": pa.string(),
    "typmod": pa.int32(),
    "element": pa.string(),
    "element_schema": pa.string(),
    "element_kind": pa.string(),
    "dimensions": pa.int32(),
}
ROWS_SCHEMA = pa.schema(_COLUMN_TYPES)
_NATIVE = ROWS_SCHEMA.get_field_index("base")
_KINDS = {"r": "table", "p": "table", "f": "table", "v": "view", "m": "view"}

_COLUMNS_QUERY = """
WITH RECURSIVE domains (oid, base, typmod, dimensions) AS (
  SELECT oid, typbasetype, typtypmod, typndims FROM pg_catalog.pg_type WHERE typtype = 'd'
  UNION ALL
  SELECT d.oid, t.typbasetype, greatest(d.typmod, t.typtypmod), greatest(d.dimensions, t.typndims)
  FROM domains d JOIN pg_catalog.pg_type t ON t.oid = d.base AND t.typtype = 'd'
), resolved (oid, base, typmod, dimensions) AS (
  SELECT d.oid, d.base, d.typmod, d.dimensions
  FROM domains d JOIN pg_catalog.pg_type t ON t.oid = d.base AND t.typtype <> 'd'
)
SELECT n.nspname, c.relname, c.relkind::text, c.reltuples::float8, x.description,
  a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
  a.attnotnull AND c.relkind <> 'f' AND v.oid IS NULL,
  pg_catalog.array_position(k.conkey, a.attnum),
  b.typname, bn.nspname, b.typtype::text,
  coalesce(nullif(a.atttypmod, -1), nullif(d.typmod, -1), ed.typmod, -1),
  eb.typname, en.nspname, eb.typtype::text, greatest(a.attndims, d.dimensions)::int4
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN resolved d ON d.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = coalesce(d.base, a.atttypid)
JOIN pg_catalog.pg_namespace bn ON bn.oid = b.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND e.typarray = b.oid
LEFT JOIN resolved ed ON ed.oid = e.oid
LEFT JOIN pg_catalog.pg_type eb ON eb.oid = coalesce(ed.base, e.oid)
LEFT JOIN pg_catalog.pg_namespace en ON en.oid = eb.typnamespace
LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
LEFT JOIN pg_catalog.pg_constraint v
  ON v.conrelid = c.oid AND v.contype = 'n' AND NOT v.convalidated AND v.conkey[1] = a.attnum
LEFT JOIN pg_catalog.pg_description x
  ON x.objoid = c.oid AND x.classoid = 'pg_catalog.pg_class'::regclass AND x.objsubid = 0
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND (pg_catalog.has_table_privilege(c.oid, 'SELECT')
    OR pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'))
"""
_ORDER = "ORDER BY n.nspname, c.relname, a.attnum"


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table as described, and the way of each of its columns."""

    table: SourceTable
    types: tuple[ColumnType, ...]


def columns_query(schema: str | None = None, table: str | None = None) -> str:
    """Return the query for all tables, or for one; its rows have ``ROWS_SCHEMA``."""
    if schema is None or table is None:
        return _COLUMNS_QUERY + _ORDER
    return (
        f"{_COLUMNS_QUERY} AND n.nspname = {literal(schema)} AND c.relname = {literal(table)}"
        f" {_ORDER}"
    )


def literal(value: str) -> str:
    r"""Write a text as an SQL literal.

    Redshift reads a backslash as an escape and Postgres does not, so none is written.

    >>> print(literal("it's \\"))
    ('it''s ' || chr(92) || '')
    """
    pieces = [exp.Literal.string(piece).sql(dialect="postgres") for piece in value.split("\\")]
    return pieces[0] if len(pieces) == 1 else f"({' || chr(92) || '.join(pieces)})"


def identifier(*names: str, dialect: str = "postgres") -> str:
    """Write a name, with the names it lies in, as quoted SQL.

    >>> identifier("public", 'say "hi" now')
    '"public"."say ""hi"" now"'
    """
    return ".".join(exp.to_identifier(name, quoted=True).sql(dialect=dialect) for name in names)


def found_tables(rows: pa.Table, type_of: TypeOf) -> Iterator[FoundTable]:
    """Read the rows of :func:`columns_query`, ordered by table."""
    columns = [column.to_pylist() for column in rows.columns]
    for _, group in groupby(zip(*columns, strict=True), key=itemgetter(0, 1)):
        yield _found_table(list(group), type_of)


def _found_table(rows: list[tuple[Any, ...]], type_of: TypeOf) -> FoundTable:
    schema, name, relkind, estimate, comment = rows[0][:5]
    types = tuple([type_of(_native_type(row)) for row in rows])
    columns = tuple(
        [
            SourceColumn(row[5], found.arrow, not row[7] or found.makes_nulls, row[6])
            for row, found in zip(rows, types, strict=True)
        ]
    )
    key = sorted((row[8], row[5]) for row in rows if row[8] is not None)
    return FoundTable(
        SourceTable(
            schema=schema,
            name=name,
            columns=columns,
            kind=_KINDS[relkind],
            row_estimate=_row_estimate(estimate, relkind),
            primary_key=tuple(column for _, column in key),
            comment=comment,
        ),
        types,
    )


def _native_type(row: tuple[Any, ...]) -> NativeType:
    return NativeType(*row[_NATIVE:])


def _row_estimate(estimate: float | None, relkind: str) -> int | None:
    """Postgres writes -1 before the first count, and 0 for what it never counts."""
    if estimate is None or estimate < 0 or relkind == "v":
        return None
    return int(estimate)
