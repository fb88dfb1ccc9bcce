"""The views of SQL's information_schema as Arrow tables, made of whatever SQL can name.

Columns and names are Postgres'. Knows no catalog: entries in, tables out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from engine.query.type_text import Column

BASE_TABLE = "BASE TABLE"
VIEW = "VIEW"


@dataclass(frozen=True, slots=True)
class Described:
    """One column; ``data_type`` None when it is not known without opening a file."""

    name: str
    data_type: str | None
    nullable: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing SQL can name."""

    catalog: str
    schema: str
    table: str
    table_type: str
    columns: Sequence[Column | Described]


def _schema(*texts: str, optional: str | None = None, number: str | None = None) -> pa.Schema:
    """Columns of text, of which one may be null and one is a number."""
    fields: list[Any] = [
        pa.field(name, pa.int32() if name == number else pa.string(), nullable=name == optional)
        for name in texts
    ]
    return pa.schema(fields)


_TABLE = ("table_catalog", "table_schema", "table_name")
SCHEMATA_SCHEMA = _schema("catalog_name", "schema_name", "schema_owner", optional="schema_owner")
TABLES_SCHEMA = _schema(*_TABLE, "table_type")
COLUMNS_SCHEMA = _schema(
    *_TABLE,
    "column_name",
    "ordinal_position",
    "data_type",
    "is_nullable",
    optional="data_type",
    number="ordinal_position",
)
_MOMENT = pa.timestamp("us", "UTC")
INDEXES_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in (*_TABLE, "index_name")),
        pa.field("index_type", pa.string(), nullable=False),
        pa.field("column_names", pa.list_(pa.string()), nullable=False),
        pa.field("source_column", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("language", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error_message", pa.string()),
        pa.field("row_count", pa.int64()),
        pa.field("size_bytes", pa.int64()),
        pa.field("created_at", _MOMENT, nullable=False),
        pa.field("updated_at", _MOMENT, nullable=False),
    ]
)
VIEW_SCHEMAS = {
    "columns": COLUMNS_SCHEMA,
    "indexes": INDEXES_SCHEMA,
    "schemata": SCHEMATA_SCHEMA,
    "tables": TABLES_SCHEMA,
}


def schemata_table(
    entries: Sequence[Entry], *, always: Collection[tuple[str, str]] = ()
) -> pa.Table:
    """One row per schema: catalog_name, schema_name, schema_owner (always null).

    ``always`` are catalogs and schemas that are there without a table.
    """
    rows = sorted({(entry.catalog, entry.schema) for entry in entries} | {*always})
    return pa.table(
        [[catalog for catalog, _ in rows], [schema for _, schema in rows], [None] * len(rows)],
        schema=SCHEMATA_SCHEMA,
    )


def tables_table(entries: Sequence[Entry]) -> pa.Table:
    """One row per table: table_catalog, table_schema, table_name, table_type."""
    return pa.table(
        [
            [entry.catalog for entry in entries],
            [entry.schema for entry in entries],
            [entry.table for entry in entries],
            [entry.table_type for entry in entries],
        ],
        schema=TABLES_SCHEMA,
    )


def columns_table(entries: Sequence[Entry]) -> pa.Table:
    """One row per column, in order, ``ordinal_position`` from 1, ``is_nullable`` YES or NO."""
    rows = [
        (entry, position, column)
        for entry in entries
        for position, column in enumerate(entry.columns, start=1)
    ]
    return pa.table(
        [
            [entry.catalog for entry, _, _ in rows],
            [entry.schema for entry, _, _ in rows],
            [entry.table for entry, _, _ in rows],
            [column.name for _, _, column in rows],
            [position for _, position, _ in rows],
            [column.data_type for _, _, column in rows],
            ["YES" if column.nullable else "NO" for _, _, column in rows],
        ],
        schema=COLUMNS_SCHEMA,
    )


def indexes_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row per index, as ``catalog.store.indexes.list_page`` has it; ours, not Postgres'."""
    renamed = {
        "table_catalog": "catalog_name",
        "table_schema": "schema_name",
        "index_name": "name",
        "column_names": "columns",
    }
    columns = [
        [
            ("pending" if row["build_id"] is None else "ready")
            if field.name == "status"
            else row[renamed.get(field.name, field.name)]
            for row in rows
        ]
        for field in INDEXES_SCHEMA
    ]
    return pa.table(columns, schema=INDEXES_SCHEMA)


VIEW_BUILDERS: dict[str, Callable[[Sequence[Entry]], pa.Table]] = {
    "columns": columns_table,
    "schemata": schemata_table,
    "tables": tables_table,
}
