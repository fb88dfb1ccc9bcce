"""What the system catalogs of Postgres clients show of a workspace: read from the catalog alone.

A catalog of the workspace is a database, so a snapshot has the tables of one of them. It is remembered while
nothing in the catalog changes: clients ask many questions about it at once.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pyarrow as pa
from sqlalchemy import Connection

from catalog.index_model import IndexType
from catalog.store import connections as connection_store
from catalog.store import datasets as dataset_store
from catalog.store import indexes as index_store
from catalog.store import remote_tables as table_store
from engine.arrow_types import read_schema
from engine.encode.pg import pg_type_of
from engine.pg_catalog.classify import SESSION_WORDS, is_catalog_statement
from engine.pg_catalog.functions import SYSTEM_FUNCTIONS
from engine.pg_catalog.pg_types import REG_TYPES
from engine.pg_catalog.snapshot import (
    CarriedSnapshot,
    CatalogColumn,
    CatalogIndex,
    CatalogSession,
    CatalogSnapshot,
    CatalogTable,
    carried,
    with_oids,
)
from engine.query.resolve import DATASETS, MAIN
from engine.service.context import Caller, Engine
from engine.service.documents.tables import DOCUMENTS, list_document_tables

_INDEXES_MAX = 100_000
_WORD = re.compile(r"[a-z_]\w*")
_SYSTEM_WORDS = frozenset({*SYSTEM_FUNCTIONS, *SESSION_WORDS, *REG_TYPES})
_ACCESS_METHODS = {IndexType.SORTED: "btree"}


async def catalog_snapshot(
    engine: Engine, caller: Caller, database: str, session: CatalogSession
) -> CarriedSnapshot:
    """Return what a session sees whose current database is one of the workspace's catalogs."""
    key = (caller.workspace_id, database, session.user)
    read = partial(_carry_snapshot, engine, key)
    return replace(await engine.remembered(engine.pg_snapshots, key, read), session=session)


async def _carry_snapshot(engine: Engine, key: tuple[str, str, str]) -> CarriedSnapshot:
    workspace_id, database, user = key
    read = partial(_read_snapshot, workspace_id=workspace_id, database=database)
    return carried(replace(with_oids(await engine.db.read(read)), roles=(user,)))


async def snapshot_for(
    engine: Engine,
    caller: Caller,
    sql: str,
    database: str,
    session: Callable[[], CatalogSession] | None,
) -> CarriedSnapshot | None:
    """Return what a statement is about if that is the system catalogs; None for any other."""
    if session is None or not _may_be_about_catalogs(sql):
        return None
    if not is_catalog_statement(sql, database):
        return None
    return await catalog_snapshot(engine, caller, database, session())


def _may_be_about_catalogs(sql: str) -> bool:
    """Rule out nearly every statement by its words, before its tokens are looked at."""
    folded = sql.lower()
    if "pg_" in folded or "information_schema" in folded or "show" in folded:
        return True
    return not _SYSTEM_WORDS.isdisjoint(_WORD.findall(folded))


def _read_snapshot(conn: Connection, *, workspace_id: str, database: str) -> CatalogSnapshot:
    connections = connection_store.list_connections(conn, workspace_id)
    generated = index_store.list_generated(conn, workspace_id)
    connection = next((each for each in connections if each.name == database), None)
    tables: list[CatalogTable] = []
    if database == DATASETS:
        for dataset, version in dataset_store.list_tables(conn, workspace_id):
            schema = read_schema(version.schema_ipc, generated.get(dataset.id, ()))
            rows = sum(file.row_count for file in version.files)
            size_bytes = sum(file.size_bytes for file in version.files)
            tables.append(_table(dataset.schema_name, dataset.table_name, schema, rows, size_bytes))
    elif database == DOCUMENTS:
        for slug, name, schema in list_document_tables(conn, workspace_id):
            tables.append(_table(slug, name, schema, None, 0))
    elif connection is not None:
        for table in table_store.list_tables(conn, workspace_id, connection.id, only_synced=False):
            schema = read_schema(table.read_schema_ipc, generated.get(table.id, ()))
            size_bytes = table.size_bytes or 0
            tables.append(
                _table(table.schema_name, table.table_name, schema, table.row_count, size_bytes)
            )
    listed = index_store.list_page(
        conn,
        workspace_id,
        connection_id=None if connection is None else connection.id,
        limit=_INDEXES_MAX,
    )
    indexes = [
        CatalogIndex(
            row["schema_name"],
            row["table_name"],
            row["name"],
            tuple(row["columns"]),
            _ACCESS_METHODS.get(row["index_type"], row["index_type"].value),
            size_bytes=row["size_bytes"] or 0,
        )
        for row in listed
        if row["catalog_name"] == database and row["build_id"] is not None
    ]
    schemas = {table.schema for table in tables} | ({MAIN} if database == DATASETS else set())
    return CatalogSnapshot(
        database=database,
        databases=(DATASETS, DOCUMENTS, *sorted(each.name for each in connections)),
        schemas=tuple(sorted(schemas)),
        tables=tuple(tables),
        indexes=tuple(indexes),
        roles=(),
        session=CatalogSession(user=""),
    )


def _table(
    schema: str, name: str, fields: pa.Schema, rows: int | None, size_bytes: int
) -> CatalogTable:
    columns = []
    for field in fields:
        kind = pg_type_of(field.type, field.metadata)
        columns.append(CatalogColumn(field.name, kind.oid, kind.modifier, field.nullable))
    return CatalogTable(schema, name, tuple(columns), row_estimate=rows, size_bytes=size_bytes)
