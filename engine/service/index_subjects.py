"""What an index is made of: the version of a table or dataset that is read, with its other indexes."""

from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection

from catalog.errors import Superseded
from catalog.index_model import BuiltIndex, Index
from catalog.store import datasets as dataset_store
from catalog.store import indexes as index_store
from catalog.store import remote_tables as table_store
from engine import errors
from engine.arrow_types import read_schema
from engine.service.context import Engine
from engine.service.embedding import hold_provider
from engine.service.index_jobs import Place
from engine.service.index_texts import Report, VersionFiles
from engine.service.sync import ensure_synced


@dataclass(frozen=True, slots=True)
class Owner:
    """A table or dataset, as far as it is known without its rows."""

    id: str
    schema: pa.Schema
    indexes: tuple[BuiltIndex, ...]
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """A version of a table or dataset, and its indexes with what is built of this version."""

    name: str
    version: VersionFiles
    indexes: tuple[BuiltIndex, ...]


async def find_owner(engine: Engine, workspace_id: str, place: Place) -> Owner:
    """Return whose indexes are meant; raise ``NotFound``."""
    if isinstance(place, str):
        subject = await engine.db.read(_dataset_subject, workspace_id, place)
        schema_ipc = subject.version.schema_ipc
        return Owner(subject.version.owner_id, read_schema(schema_ipc), subject.indexes)
    found = await engine.db.read(
        table_store.get_table, workspace_id, place.connection_id, place.schema, place.table
    )
    schema = read_schema(found.table.read_schema_ipc)
    return Owner(found.table.id, schema, found.indexes, is_live=found.is_live)


async def read_subject(engine: Engine, workspace_id: str, place: Place, report: Report) -> Subject:
    """Return what is read now, after a first sync if need be, whose progress is told.

    Raises:
        NotFound: the workspace has no such table or dataset.
        InvalidRequest: the table is read live.
        EngineError: it could not be synced.
    """
    if isinstance(place, str):
        return await engine.db.read(_dataset_subject, workspace_id, place)
    found = await engine.db.read(
        table_store.get_table, workspace_id, place.connection_id, place.schema, place.table
    )
    if found.is_live:
        raise live_refusal()
    found = await ensure_synced(engine, found, report=report)
    assert found.table.version_id is not None
    version = VersionFiles(
        workspace_id,
        found.table.id,
        found.table.version_id,
        found.files,
        found.table.read_schema_ipc,
    )
    return Subject(found.name, version, found.indexes)


def live_refusal() -> errors.InvalidRequest:
    """Say why a table that is read live gets no index."""
    return errors.InvalidRequest(
        "The table is read live: there is no copy to index. Set its mode to cached first."
    )


def insert_index(conn: Connection, place: Place, index: Index) -> None:
    """Record an index, of a table and with a provider that stay until that is done."""
    if isinstance(place, str):
        dataset_store.lock_dataset(conn, index.workspace_id, place)
    else:
        table_store.lock_connection(conn, index.workspace_id, place.connection_id)
    hold_provider(conn, index.workspace_id, index.embedding_provider_id)
    index_store.insert_index(conn, index)


def lock_version(conn: Connection, place: Place, version: VersionFiles) -> None:
    """Keep the version from being replaced before the end of the transaction.

    Raises:
        Superseded: it has been.
    """
    if isinstance(place, str):
        dataset = dataset_store.lock_dataset(conn, version.workspace_id, place)
        read = dataset_store.get_version(
            conn, version.workspace_id, place, dataset.effective_version
        )
        current: str | None = read.id
    else:
        table_store.lock_connection(conn, version.workspace_id, place.connection_id)
        current = table_store.lock_version(conn, version.owner_id)
    if current != version.version_id:
        raise Superseded("The table has another version by now")


def _dataset_subject(conn: Connection, workspace_id: str, dataset_id: str) -> Subject:
    dataset = dataset_store.get_dataset(conn, workspace_id, dataset_id)
    version = dataset_store.get_version(conn, workspace_id, dataset_id, dataset.effective_version)
    files = VersionFiles(workspace_id, dataset_id, version.id, version.files, version.schema_ipc)
    indexes = index_store.list_built(conn, dataset_id, version.id)
    return Subject(dataset.table_name, files, indexes)
