"""Reading remote tables without a copy: each source is asked for what one query needs, as SQL.

A query that lives in one connection is pushed whole where its dialect allows; what the source refuses
is tried table by table. A condition it refuses is left out: the engine filters again. What a source sent
lies in a scratch folder until the query is over.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import structlog

from catalog.model import Connection
from connectors.registry import connector_class
from engine.errors import RemoteError
from engine.query.parse import explained_query
from engine.query.push_statement import WHOLE_SOURCES
from engine.query.resolve import Wanted, bind_rows
from engine.service.context import Engine
from engine.service.scratch import scratch_folder
from engine.service.source_work import run_source_task, source_place
from engine.sources.tasks import LiveQueryTask, LiveScanTask
from engine.workers.answers import Answers
from engine.workers.execution import Limits
from engine.workers.tasks import LivePlanTask, LiveTable, QueryTask, ScanMode, TableBinding

_ANSWER = ("live", "main", "answer")
WHOLE_TABLE: dict[str, Any] = {"columns": None, "where": None, "limit": None}
"""A scan of everything."""

_READ_ANSWER = "SELECT * FROM live.main.answer"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What the sources are asked for.

    ``statement`` is for the one source of all tables, None when it is not pushed whole; ``scans``
    belong to the live tables in order; ``explained`` are the rows of an EXPLAIN.
    """

    statement: str | None
    schema_hex: str
    scans: list[dict[str, Any]]
    explained: list[list[str]]


async def run_live(
    engine: Engine,
    task: QueryTask,
    live: Sequence[Wanted],
    stack: AsyncExitStack,
    answers: Answers,
) -> QueryTask:
    """Have the rows of live tables, and return the task that goes on from there.

    Args:
        engine: open for serving.
        task: with every other table bound.
        live: the live tables.
        stack: what was fetched is removed when it is left.
        answers: the shapes of tables that nobody foresaw; they are fetched whole, later.

    Raises:
        SourceFailed: a source cannot be read.
    """
    plan = await plan_live(engine, task, live, answers)
    if plan.statement is not None:
        connection = live[0].found.connection
        try:
            answer = await _ask(engine, connection, plan.statement, plan.schema_hex, stack)
        except RemoteError:
            log.info("live.statement_refused", connection_id=connection.id)
        else:
            # Rows in the order they came.
            return replace(
                task, sql=_READ_ANSWER, tables=(answer,), terms_max=None, scan=ScanMode.SINGLE
            )
    scanning = [
        asyncio.create_task(scan(engine, wanted, each, stack))
        for wanted, each in zip(live, plan.scans, strict=True)
    ]
    try:
        tables = await asyncio.gather(*scanning)
    finally:
        for each in scanning:
            each.cancel()
        await asyncio.gather(*scanning, return_exceptions=True)
    return replace(task, tables=(*task.tables, *tables))


async def explain_live(
    engine: Engine, task: QueryTask, live: Sequence[Wanted], answers: Answers
) -> QueryTask:
    """Return a task that shows the plan and, for each source, what it would be asked for."""
    plan = await plan_live(engine, task, live, answers)
    rows = [*plan.explained]
    if plan.statement is not None:
        rows.append(["remote_sql", f"{live[0].found.connection.name}: {plan.statement}"])
    else:
        rows += [
            ["remote_sql", f"{wanted.found.connection.name}: {_shown(wanted, each)}"]
            for wanted, each in zip(live, plan.scans, strict=True)
        ]
    columns = {"plan_type": [row[0] for row in rows], "plan": [row[1] for row in rows]}
    answer = bind_rows(_ANSWER, pa.table(columns))
    return replace(task, sql=_READ_ANSWER, tables=(answer,), terms_max=None)


async def plan_live(
    engine: Engine, task: QueryTask, live: Sequence[Wanted], answers: Answers
) -> LivePlan:
    """Have a worker decide what to ask the sources for."""
    tables = (*task.tables, *(wanted.shape for wanted in live))
    connections = {wanted.found.connection.id: wanted.found.connection for wanted in live}
    source_types = {connection.source_type for connection in connections.values()}
    settings = engine.settings
    report = await engine.pool.run_task(
        live[0].found.connection.workspace_id,
        LivePlanTask(
            sql=task.sql,
            inner_sql=explained_query(task.sql),
            tables=tables,
            live=tuple(map(_live_table, live)),
            is_single=not task.tables and len(connections) == 1 and source_types <= WHOLE_SOURCES,
            default_catalog=task.default_catalog,
            default_schema=task.default_schema,
        ),
        limits=Limits(settings.query_timeout_s, settings.query_memory_bytes),
        answers=answers,
    )
    return LivePlan(**report)


async def scan(
    engine: Engine, wanted: Wanted, asked: dict[str, Any], stack: AsyncExitStack
) -> TableBinding:
    """Fetch what a query needs of one table; without its condition when the source refuses that."""
    try:
        return await _scan(engine, wanted, asked, stack)
    except RemoteError as error:
        if asked["where"] is None:
            name = wanted.found.name
            raise RemoteError(f"Table '{name}' could not be read: {error.message}") from error
        log.info("live.condition_refused", table_id=wanted.found.table.id)
        return await _scan(engine, wanted, {**asked, "where": None, "limit": None}, stack)


async def _scan(
    engine: Engine, wanted: Wanted, asked: dict[str, Any], stack: AsyncExitStack
) -> TableBinding:
    table = wanted.found.table
    connection = wanted.found.connection
    folder = await stack.enter_async_context(scratch_folder(engine.blobs.stage()))
    async with (
        source_place(engine, connection) as place,
        engine.syncs.slot(connection.id, engine.settings),
    ):
        columns = asked["columns"]
        task = LiveScanTask(
            source=replace(place.source, parts_max=1),
            scratch=place.scratch,
            schema=table.schema_name,
            table=table.table_name,
            output_folder=str(folder),
            columns=None if columns is None else tuple(columns),
            where=asked["where"],
            limit=asked["limit"],
        )
        done = await run_source_task(
            engine, connection, task, timeout_s=engine.settings.sync_timeout_s
        )
    size_bytes = sum(file["size_bytes"] for file in done["files"])
    name = (wanted.catalog, wanted.schema, wanted.table)
    return TableBinding(*name, folder=str(folder), size_bytes=size_bytes)


async def _ask(
    engine: Engine,
    connection: Connection,
    statement: str,
    schema_hex: str,
    stack: AsyncExitStack,
) -> TableBinding:
    folder = await stack.enter_async_context(scratch_folder(engine.blobs.stage()))
    async with (
        source_place(engine, connection) as place,
        engine.syncs.slot(connection.id, engine.settings),
    ):
        task = LiveQueryTask(
            source=place.source,
            scratch=place.scratch,
            sql=statement,
            schema_hex=schema_hex,
            output_folder=str(folder),
        )
        await run_source_task(engine, connection, task, timeout_s=engine.settings.query_timeout_s)
    return TableBinding(*_ANSWER, folder=str(folder))


def _live_table(wanted: Wanted) -> LiveTable:
    dialect = connector_class(wanted.found.connection.source_type).capabilities.dialect
    assert dialect is not None  # live mode is refused without one
    return LiveTable(
        wanted.catalog,
        wanted.schema,
        wanted.table,
        dialect,
        wanted.found.table.schema_ipc.hex(),
    )


def _shown(wanted: Wanted, asked: dict[str, Any]) -> str:
    """Describe a scan; the connector writes the columns in its own way."""
    table = wanted.found.table
    columns = ", ".join(asked["columns"] or ["*"])
    where = f" WHERE {asked['where']}" if asked["where"] else ""
    limit = f" LIMIT {asked['limit']}" if asked["limit"] is not None else ""
    # To be read, not run.
    return f"SELECT {columns} FROM {table.schema_name}.{table.table_name}{where}{limit}"  # noqa: S608 - see above
