"""Copies of remote tables: made when first asked for, replaced as a whole, one maker at a time.

A sync fetches into a scratch folder, publishes the files, and makes them the copy that is read in
one catalog transaction that counts only under the lease. So a reader sees one copy or the next, a
crash leaves files that no row names, and of all servers one asks the source. The trap: who waits
for another server's sync looks again and again, because nobody can call it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection as DbConnection

from catalog.errors import CatalogError
from catalog.errors import Conflict as CatalogConflict
from catalog.ids import IdKind, new_id
from catalog.model import StoredFile, TableVersion
from catalog.store import connections as connection_store
from catalog.store import indexes as index_store
from catalog.store import remote_tables as table_store
from catalog.store import table_syncs as sync_store
from catalog.store.remote_tables import FoundTable
from engine import errors
from engine.query.resolve import Wanted
from engine.service.context import Engine
from engine.service.index_build import build_all
from engine.service.index_jobs import settle_builds
from engine.service.index_texts import VersionFiles
from engine.service.profiles import make_in_background
from engine.service.scratch import scratch_folder
from engine.service.source_work import Report, local_files, run_source_task, source_place
from engine.sources.tasks import FetchTask

_LOOK_AGAIN_S = 0.1
_FILES_MAX = 64
_VOIDED_MAX = 5

log = structlog.get_logger(__name__)


def no_report(_progress: Any) -> None:  # noqa: ANN401 - whatever it is, nobody looks
    """Take progress that nobody looks at."""


async def sync_wanted(engine: Engine, wanted: Sequence[Wanted]) -> list[str]:
    """Have copies of all these tables, side by side.

    Returns:
        What was lost on the way: a sentence each, which names the table.

    Raises:
        EngineError: what the first sync that failed failed with; the others are given up.
    """
    tasks = [asyncio.create_task(ensure_synced(engine, each.found)) for each in wanted]
    try:
        copies = await asyncio.gather(*tasks)
        return [f"{found.name}: {warning}" for found in copies for warning in found.table.warnings]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ensure_synced(
    engine: Engine, found: FoundTable, *, report: Report = no_report
) -> FoundTable:
    """Return the table with a copy, making one if there is none.

    Args:
        engine: open for serving.
        found: the table.
        report: told of ``rows`` and ``bytes`` so far, unless somebody else makes the copy.

    Raises:
        EngineError: the source failed; the table stays as it was.
    """
    if found.table.is_synced:
        return found
    return await engine.syncs.join(found.table.id, lambda: _first_sync(engine, found, report))


async def refresh_copy(
    engine: Engine, found: FoundTable, *, report: Report = no_report
) -> FoundTable:
    """Make a new copy, with what the source has from now on; incremental where there is a cursor.

    Args:
        engine: open for serving.
        found: the table.
        report: told of ``rows`` and ``bytes`` so far.

    Raises:
        EngineError: the source failed; the old copy stays.
    """
    while True:
        token = await _claim(engine, found)
        if token is not None:
            return await _sync(engine, found, token, report)
        found = await _later(engine, found)


async def _first_sync(engine: Engine, found: FoundTable, report: Report) -> FoundTable:
    voided = 0
    while not found.table.is_synced:
        token = await _claim(engine, found)
        if token is not None:
            try:
                return await _sync(engine, found, token, report)
            except errors.Conflict:  # a purge made it void: what is wanted is a copy all the same
                voided += 1
                if voided == _VOIDED_MAX:
                    raise
        # Somebody else's: whatever copy comes first will do.
        found = await _later(engine, found)
    return found


async def _claim(engine: Engine, found: FoundTable) -> str | None:
    # Looked at first: a write, even one in vain, makes this server forget what it remembers.
    if await engine.db.read(sync_store.is_syncing, found.table.id):
        return None

    def claim(conn: DbConnection) -> str | None:
        token = sync_store.claim_sync(
            conn, found.table, owner=engine.owner, lease_s=engine.settings.sync_lease_s
        )
        if token is not None and not connection_store.has_source_of(conn, found.connection):
            # What is known here leads to the source before: it is found again first.
            sync_store.release_sync(conn, found.table.id, token)
            return None
        return token

    claiming = asyncio.ensure_future(engine.db.write(claim))
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        # What is being written comes to be: a lease without a holder would block the table.
        with suppress(CatalogError):
            token = await claiming
            if token is not None:
                await engine.db.write(sync_store.release_sync, found.table.id, token)
        raise


async def _later(engine: Engine, found: FoundTable) -> FoundTable:
    """Return the table as it is in a moment: no event tells what another server does."""
    await asyncio.sleep(_LOOK_AGAIN_S)
    return await reload(engine, found)


async def reload(engine: Engine, found: FoundTable) -> FoundTable:
    """Read a table again.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    table = found.table
    return await engine.db.read(
        table_store.get_table,
        table.workspace_id,
        table.connection_id,
        table.schema_name,
        table.table_name,
    )


async def _sync(engine: Engine, found: FoundTable, token: str, report: Report) -> FoundTable:
    try:
        async with (
            _leased(engine, found, token),
            engine.syncs.slot(found.connection.id, engine.settings),
        ):
            version = await _fetch(engine, found, report)
            if version is None:
                await engine.db.write(sync_store.keep_copy, found.table.id, token)
            else:
                fresh = await _index_and_publish(engine, found, token, version, report)
    except (_LeaseLost, CatalogConflict):
        raise errors.Conflict(
            f"Table '{found.name}' was purged or deleted while it was synced"
        ) from None
    except errors.EngineError as error:
        log.warning("sync.failed", table_id=found.table.id, error=type(error).__name__)
        raise type(error)(f"Table '{found.name}' could not be synced: {error.message}") from error
    if version is None:
        return await reload(engine, found)
    log.info("sync.succeeded", table_id=found.table.id, rows=version.row_count)
    engine.syncs.afterwards(make_in_background(engine, fresh))
    return fresh


async def _index_and_publish(
    engine: Engine, found: FoundTable, token: str, version: TableVersion, report: Report
) -> FoundTable:
    """Build the indexes of a new version, and have it read together with them.

    Returns:
        The table as it was published, and not read again: a purge by now must not take the rows away
        from whoever waited for them.
    """
    files = VersionFiles(
        found.table.workspace_id, found.table.id, version.id, version.files, version.schema_ipc
    )
    built = await build_all(engine, files, report)

    def publish(conn: DbConnection) -> FoundTable:
        table = sync_store.publish_copy(conn, found.table, token, version, built.builds)
        settle_builds(conn, table.id, built.failures)
        indexes = index_store.list_built(conn, table.id, version.id)
        return FoundTable(found.connection, table, version.files, indexes)

    published = await engine.db.write(publish)
    engine.jobs.wake()
    return published


class _LeaseLost(Exception):
    """The table is somebody else's to sync, or gone."""


@asynccontextmanager
async def _leased(engine: Engine, found: FoundTable, token: str) -> AsyncIterator[None]:
    """Keep the lease while the block runs; give it back when the block fails."""
    work = asyncio.current_task()
    assert work is not None
    beat = _Beat(lost=False)

    async def keep() -> None:
        lease_s = engine.settings.sync_lease_s
        while True:
            await asyncio.sleep(lease_s / 3)
            with suppress(CatalogError):
                if not await engine.db.write(
                    sync_store.renew_sync, found.table.id, token, lease_s=lease_s
                ):
                    beat.lost = True
                    work.cancel()
                    return

    keeping = asyncio.create_task(keep())
    try:
        yield
    except BaseException as error:
        keeping.cancel()
        with suppress(CatalogError):
            await engine.db.write(sync_store.release_sync, found.table.id, token)
        # Cancelled by nobody else: only then is it the lease.
        is_ours = beat.lost and isinstance(error, asyncio.CancelledError)
        if is_ours and work.uncancel() == 0:
            raise _LeaseLost from None
        raise
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@dataclass(slots=True)
class _Beat:
    lost: bool


async def _fetch(engine: Engine, found: FoundTable, report: Report) -> TableVersion | None:
    """Fetch and publish the files of a new version; None when there is nothing beyond the cursor."""
    settings = engine.settings
    table = found.table
    # Many small files make every query slow: now and then the table is read whole.
    after = table.cursor_value if len(found.files) < _FILES_MAX else None
    version_id = new_id(IdKind.TABLE_VERSION)
    async with (
        source_place(engine, found.connection) as place,
        scratch_folder(engine.blobs.stage()) as folder,
    ):
        task = FetchTask(
            source=place.source,
            scratch=place.scratch,
            schema=table.schema_name,
            table=table.table_name,
            output_folder=str(folder),
            cursor_column=table.cursor_column,
            after=after,
            known_schema_hex=None if after is None else table.read_schema_ipc.hex(),
        )
        done = await run_source_task(
            engine, found.connection, task, timeout_s=settings.sync_timeout_s, report=report
        )
        if not done["is_whole"] and not done["row_count"]:
            return None
        prefix = f"tables/{table.connection_id}/{table.id}/{version_id}"
        files = [] if done["is_whole"] else await _carry_over(engine, found, prefix)
        for path, row_count in local_files(folder, done):
            files.append(
                await _publish(engine, path, row_count, f"{prefix}/part-{len(files)}.parquet")
            )
    old = () if done["is_whole"] else table.warnings  # their values are still there
    return TableVersion(
        id=version_id,
        files=tuple(files),
        schema_ipc=bytes.fromhex(done["schema_hex"]),
        row_count=sum(file.row_count for file in files),
        warnings=tuple(dict.fromkeys([*old, *done["warnings"]])),
        cursor_value=done["cursor_value"] or (None if done["is_whole"] else after),
        synced_at=datetime.now(UTC),
    )


async def _carry_over(engine: Engine, found: FoundTable, prefix: str) -> list[StoredFile]:
    """Give the new version the files of the old one under names of its own."""
    files = []
    for number, file in enumerate(found.files):
        key = f"{prefix}/part-{number}.parquet"
        await engine.blobs.copy(file.key, key)
        files.append(StoredFile(key, file.size_bytes, file.row_count))
    return files


async def _publish(engine: Engine, path: Path, row_count: int, key: str) -> StoredFile:
    return StoredFile(key, await engine.blobs.publish(path, key), row_count)
