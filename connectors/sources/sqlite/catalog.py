"""Reads which tables and views a SQLite file has, without reading a row of them.

Shadow tables of virtual ones and SQLite's own tables are left out, and so is what cannot be read:
views over tables that are gone, and virtual tables whose module is not there.
"""

import sqlite3
from collections.abc import Iterator

from connectors.base import SourceColumn, SourceTable
from connectors.sources.sqlite.database import unreadable_passed_over
from connectors.sources.sqlite.declared_types import kind_of
from connectors.sources.sqlite.options import SQLiteOptions
from connectors.sources.sqlite.values import Kind, escaped_text

SCHEMA = "main"
_TABLES = """
    SELECT name, type FROM pragma_table_list
    WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite\\_%'
    ESCAPE '\\' ORDER BY name
"""
_COLUMNS = """
    SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid
"""
_KEY_INDEXES = "SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'pk'"
_STATISTICS = "SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl"


def kind_of_column(options: SQLiteOptions, table: str, column: str, declared: str) -> Kind:
    """Return how values of a column arrive."""
    if options.is_text(table, column):
        return escaped_text()
    return kind_of(declared, options.date_numbers)


def read_tables(
    connection: sqlite3.Connection, options: SQLiteOptions, *, only: str | None = None
) -> Iterator[SourceTable]:
    """Yield the tables and views, by name; ``only`` is the name of the one that is wanted.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    estimates = _estimates(connection)
    for name, kind in connection.execute(_TABLES).fetchall():
        if only not in {None, name}:
            continue
        columns = _read_columns(connection, name)
        if columns:
            yield _table(connection, options, name, kind, columns, estimates.get(name))


ColumnRow = tuple[str, str, int, int]
"""Name, declared type, whether it is NOT NULL, place in the primary key from 1."""


def _read_columns(connection: sqlite3.Connection, table: str) -> list[ColumnRow]:
    with unreadable_passed_over():
        return connection.execute(_COLUMNS, (table,)).fetchall()
    return []


def _table(
    connection: sqlite3.Connection,
    options: SQLiteOptions,
    name: str,
    kind: str,
    columns: list[ColumnRow],
    estimate: int | None,
) -> SourceTable:
    keys = sorted((place, column) for column, _, _, place in columns if place)
    # A primary key may hold NULL, unless it is the number of the row: then it has no index.
    is_rowid = [declared.upper() for _, declared, _, place in columns if place] == ["INTEGER"]
    is_rowid = is_rowid and connection.execute(_KEY_INDEXES, (name,)).fetchone() == (0,)
    return SourceTable(
        SCHEMA,
        name,
        tuple(
            SourceColumn(
                column,
                kind_of_column(options, name, column, declared).arrow,
                not (not_null or (place and is_rowid)),
                declared,
            )
            for column, declared, not_null, place in columns
        ),
        kind="view" if kind == "view" else "table",
        row_estimate=estimate,
        primary_key=tuple(column for _, column in keys),
    )


def _estimates(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of each table as ANALYZE counted them; nothing where it never ran."""
    with unreadable_passed_over():
        return dict(connection.execute(_STATISTICS).fetchall())
    return {}
