"""What a workspace can name, with Arrow schemas: the tables that Flight SQL's metadata commands list.

The same as SQL's information_schema has (:mod:`engine.query.information_schema`): datasets in the version
SQL reads, remote tables, the newest kept results, and the views of information_schema itself. The trap
is the same too: the types of a result are in its file, which a listing must not open, so its columns are
of the type null here; whoever asks for a few tables by name has them planned.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection

from catalog.model import Dataset, DatasetVersion
from catalog.store import datasets as dataset_store
from catalog.store import indexes as index_store
from catalog.store import remote_tables as table_store
from catalog.store.remote_tables import ListedTable
from engine.arrow_types import read_schema, write_schema
from engine.query.information_schema import (
    DATASETS_CATALOG,
    RESULTS_CATALOG,
    RESULTS_SCHEMA,
    read_entries,
)
from engine.query.views import VIEW, VIEW_SCHEMAS, Entry
from engine.service.context import Caller, Engine
from engine.service.documents.tables import DOCUMENTS, list_document_tables
from engine.translate import translated

ALWAYS = ((DATASETS_CATALOG, dataset_store.DEFAULT_SCHEMA), (RESULTS_CATALOG, RESULTS_SCHEMA))
TABLE_TYPES = ("TABLE", "VIEW")

_Generated = Mapping[str, Sequence[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class NamedTable:
    """One thing SQL can name; ``schema_ipc`` is an IPC message.

    ``is_typed`` is False for a result, whose columns are known by name only.
    """

    catalog: str
    schema: str
    table: str
    table_type: str
    schema_ipc: bytes
    is_typed: bool = True


@translated
async def list_tables(
    engine: Engine, caller: Caller, *, with_schemas: bool
) -> tuple[NamedTable, ...]:
    """List everything the workspace can name, by catalog, schema and table.

    Args:
        engine: the running engine.
        caller: whose tables.
        with_schemas: whether the schemas are asked for; else they are empty.
    """
    found = await engine.db.read(_read, caller.workspace_id, with_schemas)
    # There may be tens of thousands.
    return await asyncio.to_thread(_assembled, found, with_schemas)


@dataclass(frozen=True, slots=True)
class _Found:
    entries: tuple[Entry, ...]
    datasets: tuple[tuple[Dataset, DatasetVersion], ...]
    remote: tuple[ListedTable, ...]
    generated: _Generated
    documents: tuple[tuple[str, str, pa.Schema], ...]


def _read(conn: Connection, workspace_id: str, with_schemas: bool) -> _Found:
    return _Found(
        read_entries(conn, workspace_id),
        dataset_store.list_tables(conn, workspace_id) if with_schemas else (),
        table_store.list_named(conn, workspace_id),
        index_store.list_generated(conn, workspace_id) if with_schemas else {},
        tuple(list_document_tables(conn, workspace_id)) if with_schemas else (),
    )


def _assembled(found: _Found, with_schemas: bool) -> tuple[NamedTable, ...]:
    schemas = _dataset_schemas(found.datasets, found.generated) | {
        (DOCUMENTS, slug, table): write_schema(schema) for slug, table, schema in found.documents
    }
    tables = [
        *(_named(entry, schemas, with_schemas=with_schemas) for entry in found.entries),
        *(_remote(each, found.generated, with_schemas=with_schemas) for each in found.remote),
    ]
    return tuple(sorted(tables, key=lambda each: (each.catalog, each.schema, each.table)))


def _dataset_schemas(
    datasets: Sequence[tuple[Dataset, DatasetVersion]], generated: _Generated
) -> dict[tuple[str, str, str], bytes]:
    return {
        (DATASETS_CATALOG, dataset.schema_name, dataset.table_name): _with_generated(
            version.schema_ipc, generated.get(dataset.id, ())
        )
        for dataset, version in datasets
    }


def _named(
    entry: Entry, schemas: Mapping[tuple[str, str, str], bytes], *, with_schemas: bool
) -> NamedTable:
    is_view = entry.table_type == VIEW
    is_result = not is_view and entry.catalog == RESULTS_CATALOG
    schema_ipc = b""
    if with_schemas:
        if is_view:
            schema_ipc = write_schema(VIEW_SCHEMAS[entry.table])
        elif is_result:
            untyped = [pa.field(each.name, pa.null()) for each in entry.columns]
            schema_ipc = write_schema(pa.schema(untyped))
        else:
            schema_ipc = schemas[entry.catalog, entry.schema, entry.table]
    return NamedTable(
        entry.catalog,
        entry.schema,
        entry.table,
        TABLE_TYPES[is_view],
        schema_ipc,
        is_typed=not is_result,
    )


def _remote(listed: ListedTable, generated: _Generated, *, with_schemas: bool) -> NamedTable:
    table = listed.table
    return NamedTable(
        listed.connection,
        table.schema_name,
        table.table_name,
        TABLE_TYPES[False],
        _with_generated(table.read_schema_ipc, generated.get(table.id, ()))
        if with_schemas
        else b"",
    )


def _with_generated(schema_ipc: bytes, generated: Sequence[tuple[str, int]]) -> bytes:
    return write_schema(read_schema(schema_ipc, generated)) if generated else schema_ipc
