"""The walk of one query, and the history of those that ran.

parse → resolve → record "running" → execute in a worker → persist → record the end. The steps after
the first two are :mod:`engine.service.running`.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalog.ids import IdKind, new_id, snapshot_id
from catalog.model import QueryRun, RunStatus, SavedQueryVersion
from catalog.store import runs as run_store
from engine.errors import Conflict, EngineError, InvalidRequest, SqlEmpty, SqlTooComplex
from engine.pg_catalog.snapshot import CatalogSession
from engine.query.parameters import bind_parameters
from engine.query.parse import ParsedSql, read_sql
from engine.query.resolve import DATASETS, MAIN, NO_TABLES, resolve_tables
from engine.service.context import Caller, Engine
from engine.service.paging import read_cursor, write_cursor
from engine.service.pg_snapshot import snapshot_for
from engine.service.prepared import PreparedQuery, scan_of
from engine.service.running import RunningQuery
from engine.service.session_words import with_session
from engine.translate import translated
from engine.workers.execution import Limits
from engine.workers.tasks import QueryTask

_ALWAYS_A_FILE = -1
_RUNNING_ON = "The query is still running."


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How to run a query and encode its answer.

    Attributes:
        format: ``json`` (rows without the surrounding brackets), ``arrow``, ``csv``, ``md``, or what
            :func:`engine.encode.open_encoder` takes for the wire of Postgres.
        params: values of ``$1`` … ``$n``.
        is_async: answer with :class:`QuerySubmitted` instead of waiting.
        async_after_ms: with ``is_async``: wait this long for the answer first.
        keeps_result: whether the rows are kept under a result id.
        pg_session: tells of a Postgres client: its statements may be about the system catalogs.
    """

    format: str = "json"
    default_catalog: str | None = None
    default_schema: str | None = None
    params: tuple[Any, ...] = ()
    is_async: bool = False
    async_after_ms: int | None = None
    keeps_result: bool = True
    pg_session: Callable[[], CatalogSession] | None = None
    saved_query: SavedQueryVersion | None = None
    database_id: str | None = None


@dataclass(frozen=True, slots=True)
class QuerySubmitted:
    """The query goes on; poll the run."""

    run_id: str
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs, newest first; ``next_cursor`` is None on the last."""

    items: tuple[QueryRun, ...]
    limit: int
    next_cursor: str | None


class QueryAnswer:
    """The rows of a query, encoded.

    A small answer is complete: ``body_bytes`` holds it. A large one is read from ``body``; the
    counts are valid only after its end. Close it when done.
    """

    def __init__(self, query: RunningQuery, task: "asyncio.Task[None]") -> None:
        self._query = query
        self._task = task
        self.run_id = query.run.id
        self.result_id = query.result_id
        self.columns = query.columns
        self.types = query.types
        self.body_is_complete = query.is_answered
        self.body_bytes = query.take_all() if query.is_answered else b""

    @property
    def body(self) -> AsyncIterator[bytes]:
        """The rows in chunks; raises an ``EngineError`` when the query fails on the way."""
        return self._query.chunks()

    @property
    def warning(self) -> str | None:
        """What the client should know although the query succeeded."""
        return self._query.warning

    @property
    def nullable(self) -> tuple[bool, ...]:
        """For each column whether it may hold null, as the body shows it."""
        return tuple(self._query.report["nullable"])

    @property
    def row_count(self) -> int:
        """Rows of the answer."""
        return int(self._query.report["row_count"])

    @property
    def execution_time_ms(self) -> int:
        """Milliseconds the statement took in its worker."""
        return int(self._query.report["execution_time_ms"])

    async def aclose(self) -> None:
        """Stop the query unless its rows are complete; keeping the result then goes on."""
        if not self._query.is_decided:
            self._task.cancel()
            await asyncio.wait([self._task])


@translated
async def run_query(
    engine: Engine, caller: Caller, sql: str, options: QueryOptions
) -> QueryAnswer | QuerySubmitted:
    """Run one read-only statement and record it.

    Args:
        engine: the running engine.
        caller: who asks, in which workspace.
        sql: one statement of at most ``settings.sql_chars_max`` characters.
        options: how.

    Raises:
        SqlInvalid: or a subclass: the statement was refused, by us or by the planner.
        QueryTimeout, ResourceExhausted, QueryCrashed, QueryCancelled: it was stopped.
        Overloaded: too many wait.
    """
    check_text(engine, sql)
    run = _new_run(engine, caller, sql, options)
    try:
        prepared = await _prepare(engine, caller, sql, options)
    except SqlEmpty:
        raise
    except EngineError as error:
        await _record_refused(engine, run, error)
        raise
    query = RunningQuery(engine, caller, run, prepared)
    recorded = engine.db.append(run_store.upsert_runs, run, deferred=not options.is_async)
    job = engine.runs.start(run.id, caller.workspace_id, query)
    if not options.is_async:
        return await _wait_for_answer(query, job)
    if options.async_after_ms is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.async_after_ms / 1000):
                return await _wait_for_answer(query, job, cancels=False)
    await recorded
    return QuerySubmitted(run.id, RunStatus.RUNNING, _RUNNING_ON)


@translated
async def list_runs(  # noqa: PLR0913 - the filters of one listing, all keyword
    engine: Engine,
    caller: Caller,
    *,
    limit: int,
    cursor: str | None = None,
    statuses: tuple[str, ...] | None = None,
    saved_query_id: str | None = None,
    database_id: str | None = None,
) -> RunPage:
    """List the workspace's runs, newest first, 1 to 1000 on a page.

    Raises:
        InvalidRequest: the cursor is not one of ours.
    """
    limit = max(1, min(limit, 1000))
    runs = await engine.db.read(
        run_store.list_runs,
        caller.workspace_id,
        limit=limit,
        before=_read_cursor(cursor) if cursor else None,
        statuses=statuses,
        saved_query_id=saved_query_id,
        database_id=database_id,
    )
    page = tuple(runs[:limit])
    return RunPage(page, limit, _write_cursor(page[-1]) if len(runs) > limit else None)


@translated
async def get_run(engine: Engine, caller: Caller, run_id: str) -> QueryRun:
    """Return a run of the workspace; raise ``NotFound``."""
    return await engine.db.read(run_store.get_run, caller.workspace_id, run_id)


@translated
async def cancel_run(engine: Engine, caller: Caller, run_id: str) -> QueryRun:
    """Stop a running query and return its run.

    Raises:
        NotFound: the workspace has no such run.
        Conflict: it has ended already, or runs on another server.
    """
    if await engine.runs.cancel(caller.workspace_id, run_id):
        run = await engine.db.read(run_store.get_run, caller.workspace_id, run_id)
        if run.status is RunStatus.CANCELLED:
            return run
    run = await engine.db.read(run_store.get_run, caller.workspace_id, run_id)
    if run.status is RunStatus.RUNNING:
        raise Conflict(f"Query run '{run_id}' is running on another server.")
    raise Conflict(f"Query run '{run_id}' has already {run.status.value}.")


async def materialize(engine: Engine, caller: Caller, sql: str) -> Path:
    """Run a statement into one staged Parquet file, which the caller must remove.

    Raises:
        EngineError: as :func:`run_query`.
    """
    check_text(engine, sql)
    prepared = await _prepare(engine, caller, sql, QueryOptions(format="none"))
    settings = engine.settings
    limits = Limits(
        timeout_s=settings.load_timeout_s,
        memory_bytes=settings.query_memory_bytes,
        spill_bytes=settings.query_spill_bytes,
    )
    path = engine.blobs.stage(".parquet")
    try:
        async with prepared.completed(engine, caller) as ready:
            task = replace(ready.task, persist_path=str(path), inline_bytes_max=_ALWAYS_A_FILE)
            async with engine.pool.execute(caller.workspace_id, task, limits) as execution:
                async for _ in execution.frames(ready.answers):
                    pass
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


async def _wait_for_answer(
    query: RunningQuery, job: "asyncio.Task[None]", *, cancels: bool = True
) -> QueryAnswer:
    try:
        await query.wait()
    except asyncio.CancelledError:  # the client went away, or its patience ended
        if cancels and not query.is_decided:
            job.cancel()
        else:
            query.detach()
        raise
    return QueryAnswer(query, job)


async def _prepare(
    engine: Engine, caller: Caller, sql: str, options: QueryOptions
) -> PreparedQuery:
    """Parse, bind and resolve: everything before a source or a worker is needed."""
    settings = engine.settings
    text = bind_parameters(sql, options.params) if options.params else sql
    catalog = options.default_catalog or DATASETS
    schema = options.default_schema or MAIN
    snapshot = await snapshot_for(engine, caller, text, catalog, options.pg_session)
    if snapshot is None:
        text = with_session(text, caller, (catalog, schema), options.pg_session)
        parsed = read_sql(text, terms_max=settings.sql_terms_max)
    else:
        parsed = ParsedSql(text, "select", (), is_plain=False)
    resolved = (
        await resolve_tables(
            engine, caller, parsed.tables, default_catalog=catalog, default_schema=schema
        )
        if parsed.tables
        else NO_TABLES
    )
    reads_rows = not options.is_async or options.async_after_ms is not None
    task = QueryTask(
        sql=parsed.sql,
        tables=resolved.tables,
        default_catalog=catalog,
        default_schema=schema,
        scan=scan_of(resolved.tables, is_plain=parsed.is_plain),
        terms_max=settings.sql_terms_max if parsed.is_deferred else None,
        encoding=options.format if reads_rows else "none",
        persist_path=str(engine.blobs.stage(".parquet")) if options.keeps_result else None,
        inline_bytes_max=settings.result_inline_bytes,
        memory_bytes=settings.query_memory_bytes,
        spill_bytes=settings.query_spill_bytes,
        rows_max=settings.query_rows_max,
        result_bytes_max=settings.query_result_bytes_max,
        snapshot=snapshot,
    )
    return PreparedQuery(task, resolved.wanted, parsed)


def check_text(engine: Engine, sql: str) -> None:
    """See that a statement is neither empty nor longer than statements may be.

    Raises:
        SqlEmpty, SqlTooComplex: it is.
    """
    if not sql.strip():
        raise SqlEmpty
    chars_max = engine.settings.sql_chars_max
    if len(sql) > chars_max:
        raise SqlTooComplex(f"The SQL has {len(sql)} characters; at most {chars_max} are allowed.")


def _new_run(engine: Engine, caller: Caller, sql: str, options: QueryOptions) -> QueryRun:
    sql_hash = hashlib.sha256(sql.encode("utf-8", "replace")).hexdigest()
    saved = options.saved_query
    return QueryRun(
        id=new_id(IdKind.QUERY_RUN),
        workspace_id=caller.workspace_id,
        status=RunStatus.RUNNING,
        snapshot_id=snapshot_id(caller.workspace_id, sql_hash),
        sql_text=sql,
        sql_hash=sql_hash,
        door=caller.door,
        owner=engine.owner,
        created_at=datetime.now(UTC),
        saved_query_id=saved.saved_query_id if saved else None,
        saved_query_version=saved.version if saved else None,
        user_public_id=caller.user_public_id,
        database_id=options.database_id,
    )


async def _record_refused(engine: Engine, run: QueryRun, error: EngineError) -> None:
    ended = replace(
        run,
        status=RunStatus.FAILED,
        error_message=error.message,
        completed_at=datetime.now(UTC),
        execution_time_ms=0,
        server_processing_ms=0,
    )
    await engine.db.append(run_store.upsert_runs, ended)


def _write_cursor(run: QueryRun) -> str:
    return write_cursor({"created_at": run.created_at.isoformat(), "id": run.id})


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    match read_cursor(cursor):
        case {"created_at": str(instant), "id": str(run_id)}:
            with contextlib.suppress(ValueError, OverflowError):
                return datetime.fromisoformat(instant).astimezone(UTC), run_id
    raise InvalidRequest("Invalid pagination cursor format")
