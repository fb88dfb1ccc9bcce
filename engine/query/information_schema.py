"""SQL's information_schema of one workspace, built from the catalog alone.

Three Arrow tables with Postgres' column names. Everything SQL can name is in them: datasets in the
version SQL reads, the newest kept results, and these views themselves. Two traps: a workspace keeps a
result per query, so only the newest are listed (all of them can be read); and the types of a result
are in its file, which a listing must not open, so its columns have no ``data_type``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from catalog.model import Dataset, DatasetVersion, Result, ResultStatus
from catalog.store import datasets as dataset_store
from catalog.store import results as result_store
from engine.query.type_text import Column, describe_columns, read_columns
from engine.service.context import Caller, Engine

DATASETS_CATALOG = "datasets"
RESULTS_CATALOG = "hotdata"
RESULTS_SCHEMA = "results"
INFORMATION_SCHEMA = "information_schema"
RESULTS_MAX = 1000
BASE_TABLE = "BASE TABLE"
VIEW = "VIEW"


@dataclass(frozen=True, slots=True)
class _Described:
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
    columns: Sequence[Column | _Described]


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

_VIEWS = {"columns": COLUMNS_SCHEMA, "schemata": SCHEMATA_SCHEMA, "tables": TABLES_SCHEMA}


def read_entries(conn: Connection, workspace_id: str) -> tuple[Entry, ...]:
    """Read everything the workspace can name, by catalog, schema and table. Two SELECTs."""
    datasets = dataset_store.list_tables(conn, workspace_id)
    newest = result_store.list_results(conn, workspace_id, limit=RESULTS_MAX, offset=0).items
    results = [result for result in newest if result.status is ResultStatus.READY]
    entries = [
        *(_dataset_entry(dataset, version) for dataset, version in datasets),
        *(_result_entry(result) for result in results),
        *_view_entries(DATASETS_CATALOG),
        *_view_entries(RESULTS_CATALOG),
    ]
    return tuple(sorted(entries, key=lambda entry: (entry.catalog, entry.schema, entry.table)))


async def read_view(engine: Engine, caller: Caller, name: str) -> pa.Table | None:
    """Build one of the views for a workspace; None when there is no view of this name."""
    build = _BUILDERS.get(name)
    if build is None:
        return None
    return build(await engine.db.read(read_entries, caller.workspace_id))


def schemata_table(entries: Sequence[Entry]) -> pa.Table:
    """One row per schema: catalog_name, schema_name, schema_owner (always null)."""
    names = {(entry.catalog, entry.schema) for entry in entries}
    names |= {(DATASETS_CATALOG, dataset_store.DEFAULT_SCHEMA), (RESULTS_CATALOG, RESULTS_SCHEMA)}
    rows = sorted(names)
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


def _dataset_entry(dataset: Dataset, version: DatasetVersion) -> Entry:
    return Entry(
        DATASETS_CATALOG,
        dataset.schema_name,
        dataset.table_name,
        BASE_TABLE,
        read_columns(version.schema_ipc),
    )


def _result_entry(result: Result) -> Entry:
    columns = [
        _Described(name, None, nullable)
        for name, nullable in zip(result.columns or (), result.nullable or (), strict=True)
    ]
    return Entry(RESULTS_CATALOG, RESULTS_SCHEMA, result.id, BASE_TABLE, columns)


def _view_entries(catalog: str) -> list[Entry]:
    return [
        Entry(catalog, INFORMATION_SCHEMA, name, VIEW, describe_columns(schema))
        for name, schema in _VIEWS.items()
    ]


_BUILDERS: dict[str, Callable[[Sequence[Entry]], pa.Table]] = {
    "columns": columns_table,
    "schemata": schemata_table,
    "tables": tables_table,
}
