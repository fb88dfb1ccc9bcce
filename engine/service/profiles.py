"""What the columns of a table hold: made once for each version, in the background of its sync.

Whoever asks earlier has it made at once. A profile belongs to one version: with the next copy it is
another one.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.errors import CatalogError
from catalog.store import datasets as dataset_store
from catalog.store import profiles as profile_store
from catalog.store import remote_tables as table_store
from catalog.store.remote_tables import FoundTable
from engine import errors
from engine.query.resolve import bind_copy, bind_version
from engine.query.type_text import read_columns
from engine.service.context import Caller, Engine
from engine.translate import translated
from engine.workers.execution import Limits
from engine.workers.tasks import ProfileTask, TableBinding


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile of one version; ``owner`` is a connection's name, or ``datasets``.

    ``columns`` are JSON objects: name, data_type, null_count, null_percentage, cardinality, profile.
    """

    owner: str
    schema: str
    table: str
    row_count: int
    synced_at: datetime
    columns: list[dict[str, Any]]


@translated
async def profile_remote_table(
    engine: Engine, caller: Caller, connection_id: str, schema: str, table: str
) -> Profile:
    """Describe the copy of a remote table.

    Raises:
        NotFound: the connection or table is unknown, or the table is not synced.
    """
    found = await engine.db.read(
        table_store.get_table, caller.workspace_id, connection_id, schema, table
    )
    if found.table.last_sync is None:
        raise errors.NotFound(f"Table '{schema}.{table}' is not synced, so it has no profile")
    columns = await _columns_of_copy(engine, found)
    return Profile(
        owner=found.connection.name,
        schema=schema,
        table=table,
        row_count=found.table.row_count or 0,
        synced_at=found.table.last_sync,
        columns=columns,
    )


@translated
async def profile_dataset(engine: Engine, caller: Caller, dataset_id: str) -> Profile:
    """Describe the version of a dataset that SQL reads; raise ``NotFound``."""
    dataset = await engine.db.read(dataset_store.get_dataset, caller.workspace_id, dataset_id)
    version = await engine.db.read(
        dataset_store.get_version, caller.workspace_id, dataset_id, dataset.effective_version
    )
    name = ("datasets", dataset.schema_name, dataset.table_name)
    columns = await _find_or_make(
        engine,
        (caller.workspace_id, version.id, version.schema_ipc),
        await bind_version(engine, name, version),
    )
    return Profile(
        owner="datasets",
        schema=dataset.schema_name,
        table=dataset.table_name,
        row_count=version.row_count,
        synced_at=version.created_at,
        columns=columns,
    )


async def make_in_background(engine: Engine, found: FoundTable) -> None:
    """Make the profile of a fresh copy; that it fails is told to whoever asks for it."""
    with suppress(errors.EngineError, CatalogError):
        await _columns_of_copy(engine, found)


async def _columns_of_copy(engine: Engine, found: FoundTable) -> list[dict[str, Any]]:
    table = found.table
    assert table.version_id is not None
    name = (found.connection.name, table.schema_name, table.table_name)
    binding = await bind_copy(engine, name, found)
    version = (table.workspace_id, table.version_id, table.read_schema_ipc)
    return await _find_or_make(engine, version, binding)


async def _find_or_make(
    engine: Engine, version: tuple[str, str, bytes], binding: TableBinding
) -> list[dict[str, Any]]:
    """Return the profile of a version: its workspace, its id, its serialized schema."""
    workspace_id, version_id, schema_ipc = version
    kept = await engine.db.read(profile_store.find_profile, workspace_id, version_id)
    if kept is not None:
        return kept
    settings = engine.settings
    limits = Limits(settings.query_timeout_s, settings.query_memory_bytes, gives_way=True)
    report = await engine.pool.run_task(
        workspace_id, ProfileTask(binding, settings.query_memory_bytes), limits=limits
    )
    columns = [
        {**described, "data_type": column.data_type}
        for described, column in zip(report["columns"], read_columns(schema_ipc), strict=True)
    ]
    await engine.db.write(profile_store.keep_profile, workspace_id, version_id, columns)
    return columns
