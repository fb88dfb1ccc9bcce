"""Refreshing connections: which tables there are, and new copies of their rows.

A refresh of rows keeps the copy before until the new one is whole. Of many tables each stands for itself:
one that fails is reported, the others are refreshed.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from catalog.errors import CatalogError
from catalog.model import Connection, Job
from catalog.store import connections as connection_store
from catalog.store import remote_tables as table_store
from catalog.store.remote_tables import FoundTable
from engine import errors
from engine.service.connections import discover
from engine.service.context import Caller, Engine
from engine.service.jobs import enqueue, handles
from engine.service.schedule import CONNECTION_JOB, connection_key, connection_payload
from engine.service.sync import refresh_copy
from engine.service.work import DirectWork, Work
from engine.translate import to_engine_error, translated

TABLE_JOB = "data_refresh_table"
_CONNECTIONS_AT_ONCE = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SchemasRefreshed:
    """What a look at connections found; ``errors`` has a connection id and a sentence each."""

    connections_refreshed: int = 0
    connections_failed: int = 0
    tables_discovered: int = 0
    tables_added: int = 0
    tables_modified: int = 0
    errors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TableRefreshed:
    """One new copy."""

    connection_id: str
    schema_name: str
    table_name: str
    rows_synced: int
    duration_ms: int
    warnings: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionRefreshed:
    """New copies of the tables of a connection; the old ones of the failed tables stay."""

    connection_id: str
    tables_refreshed: int
    tables_failed: int
    total_rows: int
    duration_ms: int
    errors: tuple[dict[str, str], ...] = ()
    warnings: tuple[dict[str, str], ...] = ()


@translated
async def refresh_schemas(
    engine: Engine, caller: Caller, connection_id: str | None
) -> SchemasRefreshed:
    """Look again at which tables one connection, or every connection, has.

    Raises:
        NotFound: there is no such connection.
        EngineError: the one connection could not be read; of many, the failed ones are listed.
    """
    if connection_id is not None:
        connection = await engine.db.read(
            connection_store.get_connection, caller.workspace_id, connection_id
        )
        found = await discover(engine, connection)
        return SchemasRefreshed(1, 0, found.discovered, found.added, found.modified)
    connections = await engine.db.read(connection_store.list_connections, caller.workspace_id)
    at_once = asyncio.Semaphore(_CONNECTIONS_AT_ONCE)

    async def look(connection: Connection) -> SchemasRefreshed:
        async with at_once:
            try:
                found = await discover(engine, connection)
            except (errors.EngineError, CatalogError) as error:
                total, _ = await engine.db.read(connection_store.count_tables, connection.id)
                failed = ((connection.id, _sentence_of(error)),)
                return SchemasRefreshed(0, 1, total, errors=failed)
            return SchemasRefreshed(1, 0, found.discovered, found.added, found.modified)

    looks = await asyncio.gather(*map(look, connections))
    return SchemasRefreshed(
        connections_refreshed=sum(each.connections_refreshed for each in looks),
        connections_failed=sum(each.connections_failed for each in looks),
        tables_discovered=sum(each.tables_discovered for each in looks),
        tables_added=sum(each.tables_added for each in looks),
        tables_modified=sum(each.tables_modified for each in looks),
        errors=tuple(error for each in looks for error in each.errors),
    )


@translated
async def refresh_table(
    engine: Engine, caller: Caller, connection_id: str, schema: str, table: str
) -> TableRefreshed:
    """Make a new copy of one table.

    Raises:
        NotFound: the connection or the table is unknown.
        EngineError: the source failed; the copy before stays.
    """
    return await _refresh_table(
        engine, caller, (connection_id, schema, table), DirectWork(engine.db)
    )


@translated
async def refresh_tables(
    engine: Engine, caller: Caller, connection_id: str, *, include_uncached: bool
) -> ConnectionRefreshed:
    """Make new copies of the synced tables of a connection, or of all its tables.

    Raises:
        NotFound: the connection is unknown.
    """
    return await _refresh_tables(
        engine,
        caller,
        connection_id,
        include_uncached=include_uncached,
        work=DirectWork(engine.db),
    )


@translated
async def submit_table(
    engine: Engine, caller: Caller, connection_id: str, schema: str, table: str
) -> Job:
    """Queue :func:`refresh_table`; the one that is queued or running is returned again."""
    await engine.db.read(table_store.get_table, caller.workspace_id, connection_id, schema, table)
    payload = {"connection_id": connection_id, "schema": schema, "table": table}
    return await enqueue(
        engine,
        caller,
        job_type=TABLE_JOB,
        payload=payload,
        dedupe_key=f"{connection_id} {len(schema)} {schema} {table}",
    )


@translated
async def submit_tables(
    engine: Engine, caller: Caller, connection_id: str, *, include_uncached: bool
) -> Job:
    """Queue :func:`refresh_tables`; the one that is queued or running is returned again."""
    await engine.db.read(connection_store.get_connection, caller.workspace_id, connection_id)
    return await enqueue(
        engine,
        caller,
        job_type=CONNECTION_JOB,
        payload=connection_payload(connection_id, include_uncached=include_uncached),
        dedupe_key=connection_key(connection_id, include_uncached=include_uncached),
    )


@handles(TABLE_JOB)
async def _run_table_job(engine: Engine, job: Job, work: Work) -> None:
    place = (job.payload["connection_id"], job.payload["schema"], job.payload["table"])
    await _refresh_table(engine, _owner_of(job.workspace_id), place, work)


@handles(CONNECTION_JOB)
async def _run_connection_job(engine: Engine, job: Job, work: Work) -> None:
    done = await _refresh_tables(
        engine,
        _owner_of(job.workspace_id),
        job.payload["connection_id"],
        include_uncached=job.payload["include_uncached"],
        work=work,
    )
    if not done.errors:
        await work.conclude(asdict(done), warning=None)
        return
    warning = f"{done.tables_failed} of the tables failed; the first: {done.errors[0]['error']}"
    if not done.tables_refreshed:
        raise errors.SourceFailed(warning)
    await work.conclude(asdict(done), warning=warning)


def _owner_of(workspace_id: str) -> Caller:
    """The workspace itself: nobody else is asked for in a refresh."""
    return Caller("", workspace_id, "", "", door="job")


async def _refresh_table(
    engine: Engine, caller: Caller, place: tuple[str, str, str], work: Work
) -> TableRefreshed:
    started = time.perf_counter()
    found = await engine.db.read(table_store.get_table, caller.workspace_id, *place)
    _refuse_live(found)
    progress = _Progress(work, tables_total=1)
    fresh = await refresh_copy(engine, found, report=progress.of(found.table.id))
    progress.end_table()
    done = TableRefreshed(
        connection_id=found.connection.id,
        schema_name=fresh.table.schema_name,
        table_name=fresh.table.table_name,
        rows_synced=fresh.table.row_count or 0,
        duration_ms=_elapsed_ms(started),
        warnings=_warnings_of(fresh),
    )
    await work.conclude(asdict(done), warning=None)
    return done


async def _refresh_tables(
    engine: Engine,
    caller: Caller,
    connection_id: str,
    *,
    include_uncached: bool,
    work: Work,
) -> ConnectionRefreshed:
    started = time.perf_counter()
    await engine.db.read(connection_store.get_connection, caller.workspace_id, connection_id)
    tables = await engine.db.read(
        table_store.list_tables,
        caller.workspace_id,
        connection_id,
        only_synced=not include_uncached,
    )
    progress = _Progress(work, tables_total=len(tables))
    at_once = asyncio.Semaphore(engine.settings.source_concurrency)
    copies: list[FoundTable] = []
    failures: list[dict[str, str]] = []

    async def renew(schema: str, name: str) -> None:
        async with at_once:
            try:
                found = await engine.db.read(
                    table_store.get_table, caller.workspace_id, connection_id, schema, name
                )
                if not found.is_live:
                    report = progress.of(found.table.id)
                    copies.append(await refresh_copy(engine, found, report=report))
            except (errors.EngineError, CatalogError) as error:
                failures.append(
                    {"schema_name": schema, "table_name": name, "error": _sentence_of(error)}
                )
            progress.end_table()

    async with asyncio.TaskGroup() as group:
        for table in tables:
            group.create_task(renew(table.schema_name, table.table_name))
    return ConnectionRefreshed(
        connection_id=connection_id,
        tables_refreshed=len(copies),
        tables_failed=len(failures),
        total_rows=sum(copy.table.row_count or 0 for copy in copies),
        duration_ms=_elapsed_ms(started),
        errors=tuple(sorted(failures, key=lambda each: (each["schema_name"], each["table_name"]))),
        warnings=tuple(warning for copy in copies for warning in _warnings_of(copy)),
    )


def _refuse_live(found: FoundTable) -> None:
    if found.is_live:
        raise errors.InvalidRequest("The table is read live: there is no copy to refresh")


def _warnings_of(found: FoundTable) -> tuple[dict[str, str], ...]:
    table = found.table
    place = {"schema_name": table.schema_name, "table_name": table.table_name}
    return tuple({**place, "message": message} for message in table.warnings)


def _sentence_of(error: errors.EngineError | CatalogError) -> str:
    known = error if isinstance(error, errors.EngineError) else to_engine_error(error)
    assert known is not None
    return known.message


def _elapsed_ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


@dataclass(slots=True)
class _Progress:
    """Adds up what the tables of one refresh report."""

    work: Work
    tables_total: int
    tables: int = 0
    parts: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))

    def of(self, table_id: str) -> Any:  # noqa: ANN401 - a ``Report``
        """Return what one table reports to."""

        def report(progress: Mapping[str, int]) -> None:
            self.parts[table_id].update(progress)
            self._tell()

        return report

    def end_table(self) -> None:
        """Count a table that is over."""
        self.tables += 1
        self._tell()

    def _tell(self) -> None:
        parts = self.parts.values()
        self.work.report(
            {
                "rows": sum(part.get("rows", 0) for part in parts),
                "bytes": sum(part.get("bytes", 0) for part in parts),
                "tables": self.tables,
                "tables_total": self.tables_total,
            }
        )
