"""Finds the rows behind a name of SQL, for one workspace and nobody else.

Names: ``<catalog>.<schema>.<table>``, with the statement's default catalog and schema for what is
left out; ``datasets.<table>`` and ``results.<id>`` are also accepted in two parts. What the
workspace may not see is not found, exactly like what does not exist.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import pyarrow as pa

from catalog.errors import NotFound
from catalog.model import DatasetVersion, ResultStatus
from catalog.store import datasets as dataset_store
from catalog.store import results as result_store
from engine.query import information_schema
from engine.service.context import Caller, Engine
from engine.workers.tasks import TableBinding

DATASETS = "datasets"
MAIN = "main"
RESULTS = "results"
INFORMATION_SCHEMA = "information_schema"
_RESULT_CATALOGS = ("hotdata", "runtimedb")
_PARTS = 3

T = TypeVar("T")


async def resolve_tables(
    engine: Engine,
    caller: Caller,
    names: Iterable[tuple[str, ...]],
    *,
    default_catalog: str,
    default_schema: str,
) -> tuple[TableBinding, ...]:
    """Find tables by name, in parallel; names that are not found are left out.

    Args:
        engine: the running engine.
        caller: whose tables.
        names: one to three folded parts each.
        default_catalog: stands for a missing first part of three.
        default_schema: stands for a missing second part of three.

    Returns:
        One binding for each found name, under the name DataFusion will look it up by.
    """
    found = await _together(
        [_resolve(engine, caller, name, (default_catalog, default_schema)) for name in names]
    )
    return tuple(binding for binding in found if binding is not None)


async def _resolve(
    engine: Engine, caller: Caller, name: tuple[str, ...], defaults: tuple[str, str]
) -> TableBinding | None:
    if not 1 <= len(name) <= _PARTS:
        return None
    catalog, schema, table = _qualify(name, defaults)
    if schema == INFORMATION_SCHEMA:
        rows = await information_schema.read_view(engine, caller, table)
        return None if rows is None else _inline(catalog, schema, table, rows)
    if schema == RESULTS and catalog in (*_RESULT_CATALOGS, DATASETS, defaults[0]):
        return await _result(engine, caller, catalog, table)
    if catalog == DATASETS:
        return await _dataset(engine, caller, catalog, schema, table)
    # `datasets.cars` and `results.rslt…` in two parts: the first names a catalog, not a schema.
    if len(name) == _PARTS - 1 and schema == DATASETS:
        return await _dataset(engine, caller, catalog, schema, table, stored_schema=MAIN)
    return None


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
    version = await _find_version(engine, caller.workspace_id, stored_schema or schema, table)
    if version is None:
        return None
    paths = await _together([engine.blobs.local_path(file.key) for file in version.files])
    size_bytes = sum(file.size_bytes for file in version.files)
    folder = str(paths[0].parent)
    return TableBinding(catalog, schema, table, folder=folder, size_bytes=size_bytes)


async def _find_version(
    engine: Engine, workspace_id: str, schema: str, table: str
) -> DatasetVersion | None:
    """Find what SQL reads of a dataset; remembered while nothing in the catalog changes."""
    key = (workspace_id, schema, table)
    changes = engine.db.changes
    kept = engine.versions.get(key)
    if kept is not None and kept[0] == changes:
        return kept[1]
    found = await engine.db.read(dataset_store.find_table, workspace_id, schema, table)
    version = found[1] if found is not None else None
    if changes is not None:
        engine.versions.put(key, (changes, version))
    return version


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


def _inline(catalog: str, schema: str, table: str, rows: pa.Table) -> TableBinding:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return TableBinding(catalog, schema, table, ipc=sink.getvalue().to_pybytes())


async def _together(work: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all at once; a single one, the usual case, without the cost of a task."""
    if len(work) == 1:
        return [await work[0]]
    return await asyncio.gather(*work)
