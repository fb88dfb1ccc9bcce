"""Finds the rows behind a name of SQL, for one workspace and nobody else.

Names: ``<catalog>.<schema>.<table>``, with the statement's default catalog and schema for what is
left out; ``datasets.<table>`` and ``results.<id>`` are also accepted in two parts. The catalog
``documents`` has the document datasets as schemas; any other catalog is a connection. What the workspace may not see is not found, exactly like what does not exist.

Nothing here touches a source: a remote table whose rows are not here yet comes back as wanted, with
its shape, and whoever runs the statement has it synced first (:mod:`engine.service.sync`).
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
from sqlalchemy import Connection

from catalog.errors import NotFound
from catalog.index_model import BuiltIndex
from catalog.model import DatasetVersion, ResultStatus, StoredFile
from catalog.store import datasets as dataset_store
from catalog.store import indexes as index_store
from catalog.store import remote_tables as remote_table_store
from catalog.store import results as result_store
from catalog.store.remote_tables import FoundTable
from engine.arrow_types import read_schema
from engine.query import information_schema
from engine.query.bind_indexes import bind_indexes
from engine.service.context import Caller, Engine
from engine.service.documents.tables import DOCUMENTS, bind_documents
from engine.workers.tasks import TableBinding

DATASETS = "datasets"
MAIN = "main"
RESULTS = "results"
INFORMATION_SCHEMA = "information_schema"
_RESULT_CATALOGS = ("hotdata", "runtimedb")
_PARTS = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A remote table whose rows are not here, under the name DataFusion will look it up by."""

    catalog: str
    schema: str
    table: str
    found: FoundTable

    @property
    def shape(self) -> TableBinding:
        """The columns without rows: enough to plan."""
        schema_ipc = self.found.table.schema_ipc
        rows = read_schema(schema_ipc).empty_table()
        return bind_rows((self.catalog, self.schema, self.table), rows)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Tables that can be read now, and those that cannot yet."""

    tables: tuple[TableBinding, ...]
    wanted: tuple[Wanted, ...]

    @property
    def shapes(self) -> tuple[TableBinding, ...]:
        """A binding of every table, without rows for those that are wanted."""
        return (*self.tables, *(each.shape for each in self.wanted))


NO_TABLES = Resolved((), ())


async def resolve_tables(
    engine: Engine,
    caller: Caller,
    names: Iterable[tuple[str, ...]],
    *,
    default_catalog: str,
    default_schema: str,
) -> Resolved:
    """Find tables by name, in parallel; names that are not found are left out.

    Args:
        engine: the running engine.
        caller: whose tables.
        names: one to three folded parts each.
        default_catalog: stands for a missing first part of three.
        default_schema: stands for a missing second part of three.

    Returns:
        Every found name once, as DataFusion will look it up.
    """
    defaults = (default_catalog, default_schema)
    # One table may be named in two ways; names of more parts are nobody's.
    distinct = {_qualify(name, defaults): name for name in names if 1 <= len(name) <= _PARTS}
    found = await _together(
        [_resolve(engine, caller, name, defaults) for name in distinct.values()]
    )
    return Resolved(
        tables=tuple(each for each in found if isinstance(each, TableBinding)),
        wanted=tuple(each for each in found if isinstance(each, Wanted)),
    )


def bind_rows(name: tuple[str, str, str], rows: pa.Table) -> TableBinding:
    """Bind a name to a few rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return TableBinding(*name, ipc=sink.getvalue().to_pybytes())


async def bind_version(
    engine: Engine,
    name: tuple[str, str, str],
    version: DatasetVersion,
    indexes: Sequence[BuiltIndex] = (),
) -> TableBinding:
    """Bind a name to a version of a dataset."""
    return await bind_files(engine, name, version.files, indexes)


async def bind_copy(engine: Engine, name: tuple[str, str, str], found: FoundTable) -> TableBinding:
    """Bind a name to the copy of a remote table, which must be synced."""
    return await bind_files(engine, name, found.files, found.indexes)


async def _resolve(
    engine: Engine, caller: Caller, name: tuple[str, ...], defaults: tuple[str, str]
) -> TableBinding | Wanted | None:
    catalog, schema, table = _qualify(name, defaults)
    if schema == INFORMATION_SCHEMA:
        return await _view(engine, caller, catalog, table)
    if schema == RESULTS and (len(name) < _PARTS or catalog in (*_RESULT_CATALOGS, DATASETS)):
        result = await _result(engine, caller, catalog, table)
        if result is not None:
            return result
    if catalog == DATASETS:
        return await _dataset(engine, caller, catalog, schema, table)
    if catalog == DOCUMENTS:
        return await bind_documents(engine, caller, schema, table)
    # `datasets.cars` and `results.rslt…` in two parts: the first names a catalog, not a schema.
    if len(name) == _PARTS - 1 and schema == DATASETS:
        return await _dataset(engine, caller, catalog, schema, table, stored_schema=MAIN)
    return await _remote(engine, caller, catalog, schema, table)


async def _view(engine: Engine, caller: Caller, catalog: str, view: str) -> TableBinding | None:
    rows = await information_schema.read_view(engine, caller, view)
    if rows is None:
        return None
    binding = bind_rows((catalog, INFORMATION_SCHEMA, view), rows)
    if view == information_schema.INDEXES:
        return binding
    remote = await engine.remote_views.path(engine, caller.workspace_id, view)
    return binding if remote is None else replace(binding, file=str(remote))


async def _remote(
    engine: Engine, caller: Caller, catalog: str, schema: str, table: str
) -> TableBinding | Wanted | None:
    found = await _find_remote(engine, caller.workspace_id, catalog, schema, table)
    if found is None:
        return None
    if found.is_live or not found.table.is_synced:
        return Wanted(catalog, schema, table, found)
    return await bind_copy(engine, (catalog, schema, table), found)


async def _find_remote(
    engine: Engine, workspace_id: str, catalog: str, schema: str, table: str
) -> FoundTable | None:
    """Find a remote table; remembered while nothing in the catalog changes."""
    key = (workspace_id, catalog, schema, table)
    read = partial(engine.db.read, remote_table_store.find_table, *key)
    return await engine.remembered(engine.remote_tables, key, read)


def _qualify(name: tuple[str, ...], defaults: tuple[str, str]) -> tuple[str, str, str]:
    if len(name) == 1:
        return defaults[0], defaults[1], name[0]
    if len(name) == _PARTS - 1:
        return defaults[0], name[0], name[1]
    return name[0], name[1], name[2]


async def _dataset(
    engine: Engine,
    caller: Caller,
    catalog: str,
    schema: str,
    table: str,
    *,
    stored_schema: str | None = None,
) -> TableBinding | None:
    if catalog == DATASETS and schema == DATASETS:
        stored_schema = MAIN
    found = await _find_version(engine, caller.workspace_id, stored_schema or schema, table)
    if found is None:
        return None
    return await bind_version(engine, (catalog, schema, table), *found)


async def bind_files(
    engine: Engine,
    name: tuple[str, str, str],
    files: Sequence[StoredFile],
    indexes: Sequence[BuiltIndex],
) -> TableBinding:
    """Bind a name to the files of one version, which have a folder of their own, and its indexes."""
    paths = await engine.blobs.local_paths([file.key for file in files])
    size_bytes = sum(file.size_bytes for file in files)
    binding = TableBinding(
        *name, folder=str(paths[0].parent), size_bytes=size_bytes, file_count=len(files)
    )
    return await bind_indexes(engine, binding, indexes) if indexes else binding


async def _find_version(
    engine: Engine, workspace_id: str, schema: str, table: str
) -> tuple[DatasetVersion, tuple[BuiltIndex, ...]] | None:
    """Find what SQL reads of a dataset; remembered while nothing in the catalog changes."""
    key = (workspace_id, schema, table)
    read = partial(engine.db.read, _read_version, *key)
    return await engine.remembered(engine.versions, key, read)


def _read_version(
    conn: Connection, workspace_id: str, schema: str, table: str
) -> tuple[DatasetVersion, tuple[BuiltIndex, ...]] | None:
    found = dataset_store.find_table(conn, workspace_id, schema, table)
    if found is None:
        return None
    dataset, version = found
    return version, index_store.list_built(conn, dataset.id, version.id)


async def _result(
    engine: Engine, caller: Caller, catalog: str, result_id: str
) -> TableBinding | None:
    try:
        result = await engine.db.read(result_store.get_result, caller.workspace_id, result_id)
    except NotFound:
        return None
    if result.status is not ResultStatus.READY:
        return None
    if result.blob_key is None:
        return TableBinding(catalog, RESULTS, result_id, ipc=result.inline_ipc)
    path = await engine.blobs.local_path(result.blob_key)
    size_bytes = result.size_bytes or 0
    return TableBinding(catalog, RESULTS, result_id, file=str(path), size_bytes=size_bytes)


async def _together(work: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all at once; a single one, the usual case, without the cost of a task."""
    if len(work) == 1:
        return [await work[0]]
    return await asyncio.gather(*work)
