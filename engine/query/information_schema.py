"""SQL's information_schema of one workspace, built from the catalog alone.

Three Arrow tables with Postgres' column names. Everything SQL can name is in them: datasets in the
version SQL reads, documents, the newest kept results, and these views themselves. Two traps: a workspace keeps a
result per query, so only the newest are listed (all of them can be read); and the types of a result
are in its file, which a listing must not open, so its columns have no ``data_type``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from catalog.model import Dataset, DatasetVersion, Result, ResultStatus
from catalog.store import datasets as dataset_store
from catalog.store import indexes as index_store
from catalog.store import results as result_store
from engine.query.type_text import describe_columns, read_columns
from engine.query.views import (
    BASE_TABLE,
    VIEW,
    VIEW_BUILDERS,
    VIEW_SCHEMAS,
    Described,
    Entry,
    indexes_table,
    schemata_table,
)
from engine.service.context import Caller, Engine
from engine.service.documents.tables import DOCUMENTS, list_document_tables

DATASETS_CATALOG = "datasets"
RESULTS_CATALOG = "hotdata"
RESULTS_SCHEMA = "results"
INFORMATION_SCHEMA = "information_schema"
RESULTS_MAX = 1000
INDEXES = "indexes"
INDEXES_MAX = 100_000
_ALWAYS = ((DATASETS_CATALOG, dataset_store.DEFAULT_SCHEMA), (RESULTS_CATALOG, RESULTS_SCHEMA))
_BUILDERS: dict[str, Callable[[Sequence[Entry]], pa.Table]] = {
    **VIEW_BUILDERS,
    "schemata": partial(schemata_table, always=_ALWAYS),
}


def read_entries(conn: Connection, workspace_id: str) -> tuple[Entry, ...]:
    """Read everything the workspace can name, by catalog, schema and table."""
    datasets = dataset_store.list_tables(conn, workspace_id)
    generated = index_store.list_generated(conn, workspace_id)
    newest = result_store.list_results(conn, workspace_id, limit=RESULTS_MAX, offset=0).items
    results = [result for result in newest if result.status is ResultStatus.READY]
    entries = [
        *(
            _dataset_entry(dataset, version, generated.get(dataset.id, ()))
            for dataset, version in datasets
        ),
        *(_result_entry(result) for result in results),
        *(
            Entry(DOCUMENTS, slug, table, BASE_TABLE, describe_columns(schema))
            for slug, table, schema in list_document_tables(conn, workspace_id)
        ),
        *_view_entries(DATASETS_CATALOG),
        *_view_entries(RESULTS_CATALOG),
    ]
    return tuple(sorted(entries, key=lambda entry: (entry.catalog, entry.schema, entry.table)))


async def read_view(engine: Engine, caller: Caller, name: str) -> pa.Table | None:
    """Build one of the views for a workspace; None when there is no view of this name."""
    if name == INDEXES:
        return indexes_table(await engine.db.read(_read_indexes, caller.workspace_id))
    build = _BUILDERS.get(name)
    if build is None:
        return None
    return build(await engine.db.read(read_entries, caller.workspace_id))


def _read_indexes(conn: Connection, workspace_id: str) -> Sequence[Mapping[str, Any]]:
    return index_store.list_page(conn, workspace_id, limit=INDEXES_MAX)


def _dataset_entry(
    dataset: Dataset, version: DatasetVersion, generated: Sequence[tuple[str, int]]
) -> Entry:
    return Entry(
        DATASETS_CATALOG,
        dataset.schema_name,
        dataset.table_name,
        BASE_TABLE,
        read_columns(version.schema_ipc, generated),
    )


def _result_entry(result: Result) -> Entry:
    columns = [
        Described(name, None, nullable)
        for name, nullable in zip(result.columns or (), result.nullable or (), strict=True)
    ]
    return Entry(RESULTS_CATALOG, RESULTS_SCHEMA, result.id, BASE_TABLE, columns)


def _view_entries(catalog: str) -> list[Entry]:
    return [
        Entry(catalog, INFORMATION_SCHEMA, name, VIEW, describe_columns(schema))
        for name, schema in VIEW_SCHEMAS.items()
    ]
