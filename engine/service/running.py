"""One running query: from a waiting worker to a recorded, kept answer.

A query is a task of its own, beside the door that asked: the door may get its rows, or go away,
while the result is still being written. Invariants: a run ends recorded as succeeded, failed or
cancelled, whatever happens; what a client was told (run id, result id) is committed before it is
told; at most ``_BUFFER_BYTES`` of encoded rows wait in memory.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog

from catalog.errors import CatalogError
from catalog.ids import IdKind, new_id
from catalog.model import QueryRun, Result, ResultStatus, RunStatus
from catalog.store import results as result_store
from catalog.store import runs as run_store
from engine.errors import EngineError, QueryCancelled, QueryCrashed
from engine.service.context import Caller, Engine
from engine.service.prepared import PreparedQuery, ReadyQuery
from engine.translate import to_engine_error
from engine.workers.execution import Limits
from engine.workers.frames import Kind

_log = structlog.get_logger()

_BUFFER_BYTES = 8 * 1024 * 1024
_NOT_KEPT = "The result could not be kept, so it has no result id."
_RESULT_FAILED = "The result could not be stored."


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await something that must not stop half-way; a cancellation is raised after its end."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


class RunningQuery:
    """The task of one query. ``work`` is what the run board runs.

    Attributes:
        types: of the columns for the wire of Postgres, as OID, size and modifier; else empty.
        is_decided: all rows are there and the success is being recorded: no cancellation counts.
        is_answered: the success is recorded, or could not be.
    """

    def __init__(
        self, engine: Engine, caller: Caller, run: QueryRun, prepared: PreparedQuery
    ) -> None:
        self._engine = engine
        self._caller = caller
        self._prepared = prepared
        self._task = task = prepared.task
        self._started = time.perf_counter()
        self._result = self._new_result(run)
        self._chunks: deque[bytes] = deque()
        self._chunks_bytes = 0
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._attached = task.encoding != "none"
        self._keeps = task.persist_path is not None
        self._report: dict[str, Any] = {}
        self.run = run
        self.columns: tuple[str, ...] = ()
        self.types: tuple[tuple[int, int, int], ...] = ()
        self.warning: str | None = None
        self.error: EngineError | None = None
        self.is_decided = False
        self.is_answered = False
        self._is_final = False

    @property
    def result_id(self) -> str | None:
        """The kept result, once its row is committed."""
        return self.run.result_id

    @property
    def _is_named(self) -> bool:
        """Whether the client can be told the result id, if there is to be one."""
        return self.result_id is not None or not self._keeps

    @property
    def report(self) -> dict[str, Any]:
        """What the worker said at the end: row_count, nullable, execution_time_ms."""
        return self._report

    @property
    def overflows(self) -> bool:
        """Whether more rows wait than are held back: the answer must be streamed."""
        return self._chunks_bytes >= _BUFFER_BYTES

    async def wait(self) -> None:
        """Wait until the answer is complete, overflows or failed."""
        while not (self.is_answered or self.error or (self.overflows and self._is_named)):
            await self._changed.wait()
            self._changed.clear()
        if self.error is not None and not self.is_answered:
            raise self.error

    def take_all(self) -> bytes:
        """Take what waits, all of it."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._chunks_bytes = 0
        self._drained.set()
        return data

    async def chunks(self) -> AsyncIterator[bytes]:
        """Take the rows as they come; raise when the query fails on the way."""
        while True:
            if self._chunks:
                yield self.take_all()
            elif self.is_answered:  # whatever became of the kept result
                return
            elif self.error is not None:
                raise self.error
            else:
                await self._changed.wait()
                self._changed.clear()

    def detach(self) -> None:
        """Nobody reads the rows any more; the query goes on."""
        self._attached = False
        self.take_all()

    async def work(self) -> None:
        """Run, keep and record; never raises but for cancellation."""
        try:
            await self._execute()
        except asyncio.CancelledError:
            if not self._is_final:  # else it came too late
                self.error = QueryCancelled()
                await to_the_end(self._end(RunStatus.CANCELLED, self.error.message))
            raise
        except EngineError as error:
            self.error = error
            await to_the_end(self._end(RunStatus.FAILED, error.message))
        except Exception as error:  # noqa: BLE001 - a bug must still end as a recorded run
            known = to_engine_error(error)
            if known is None:
                _log.exception("query.bug", query_run_id=self.run.id)
            self.error = known or QueryCrashed("The server failed to run this query.")
            await to_the_end(self._end(RunStatus.FAILED, self.error.message))
        finally:
            self._changed.set()
            if self._result.inline_ipc is None and self._task.persist_path is not None:
                # Whoever hears of a failure hangs up, and that cancels this task again.
                unlink = Path(self._task.persist_path).unlink
                await to_the_end(asyncio.to_thread(unlink, missing_ok=True))

    async def _execute(self) -> None:
        async with self._prepared.completed(self._engine, self._caller) as ready:
            await self._run(ready)

    async def _run(self, ready: ReadyQuery) -> None:
        settings = self._engine.settings
        # Counted from here: what the query waited for may have taken long.
        self._result = replace(self._result, created_at=datetime.now(UTC))
        limits = Limits(
            timeout_s=settings.query_timeout_s,
            memory_bytes=settings.query_memory_bytes,
            spill_bytes=settings.query_spill_bytes,
            gives_way=ready.task.encoding == "none",
        )
        pool = self._engine.pool
        async with pool.execute(self._caller.workspace_id, ready.task, limits) as execution:
            async for kind, body in execution.frames(ready.answers):
                if ready.warnings:
                    self._warn(ready.warnings)
                await self._take(kind, body)

    def _warn(self, warnings: list[str]) -> None:
        """Tell the client what was lost when tables were copied for this query."""
        self.warning = " ".join(warnings)
        self.run = replace(self.run, warning_message=self.warning)
        warnings.clear()

    async def _take(self, kind: Kind, body: bytes) -> None:
        match kind:
            case Kind.SCHEMA:
                facts = orjson.loads(body)
                self.columns = tuple(facts["columns"])
                self.types = tuple(map(tuple, facts.get("types", ())))
            case Kind.BODY:
                await self._put(body)
            case Kind.DONE:
                self._report = orjson.loads(body)
                if not self._keeps:
                    await self._answer(ResultStatus.READY)
                elif not self._report["is_inline"] and self._attached:
                    await self._answer(ResultStatus.PROCESSING)
            case Kind.INLINE:
                self._result = replace(self._result, inline_ipc=body, size_bytes=len(body))
                await self._answer(ResultStatus.READY)
            case Kind.KEPT:
                await self._publish()
            case _:
                raise AssertionError(kind)

    async def _put(self, chunk: bytes) -> None:
        if not chunk or not self._attached:
            return
        self._chunks.append(chunk)
        self._chunks_bytes += len(chunk)
        if not self.overflows:
            return
        if not self._is_named:  # the head of a streamed answer names the result
            await to_the_end(self._record_result(ResultStatus.PROCESSING))
        while self.overflows:
            self._drained.clear()
            self._changed.set()
            await self._drained.wait()

    async def _answer(self, status: ResultStatus) -> None:
        """All rows are here: record the success, then let the client have the end of it."""
        self.is_decided = True
        self._succeed()
        await to_the_end(self._record_answer(status))

    async def _publish(self) -> None:
        """The Parquet is complete: make it the result."""
        key = f"results/{self._result.id}.parquet"
        assert self._task.persist_path is not None
        try:
            size = await self._engine.blobs.publish(Path(self._task.persist_path), key)
        except (CatalogError, OSError) as error:
            _log.error("query.result_not_stored", error=type(error).__name__)
            self._result = replace(self._result, error_message=_RESULT_FAILED)
            self.run = replace(self.run, warning_message=_RESULT_FAILED)
            await self._answer(ResultStatus.FAILED)
        else:
            self._result = replace(self._result, blob_key=key, size_bytes=size)
            await self._answer(ResultStatus.READY)

    async def _record_answer(self, status: ResultStatus) -> None:
        if self._keeps:
            await self._record_result(status)
        else:
            await self._record_run()
        is_recorded = self._is_named
        self._is_final = is_recorded and status is not ResultStatus.PROCESSING
        self.is_answered = True
        self._changed.set()

    async def _record_run(self) -> None:
        """Record a success without a result; that it could not be is no reason to keep rows back."""
        try:
            await self._engine.db.append(run_store.upsert_runs, self.run)
        except CatalogError:
            _log.error("query.end_not_recorded", query_run_id=self.run.id)

    def _succeed(self) -> None:
        elapsed_ms = round((time.perf_counter() - self._started) * 1000)
        self.run = replace(
            self.run,
            status=RunStatus.SUCCEEDED,
            completed_at=self.run.completed_at or datetime.now(UTC),
            row_count=self._report["row_count"],
            execution_time_ms=self._report["execution_time_ms"],
            server_processing_ms=elapsed_ms,
            bytes_scanned=self._report.get("bytes_scanned"),
            rows_scanned=self._report.get("rows_scanned"),
        )

    async def _record_result(self, status: ResultStatus) -> None:
        result = replace(
            self._result,
            status=status,
            columns=self.columns,
            nullable=tuple(self._report.get("nullable", ())) or None,
            row_count=self._report.get("row_count"),
        )
        run = replace(self.run, result_id=result.id)
        db = self._engine.db
        try:
            await asyncio.gather(
                db.append(result_store.upsert_results, result),
                db.append(run_store.upsert_runs, run),
            )
        except CatalogError:
            self.warning = _NOT_KEPT
            self.run = replace(self.run, result_id=None, warning_message=_NOT_KEPT)
            return
        self.run = run

    async def _end(self, status: RunStatus, message: str) -> None:
        """Record how a run without an answer ended; its half-made result is failed too."""
        if self.is_answered:  # the client has its rows: only keeping them failed
            _log.warning("query.result_not_kept", query_run_id=self.run.id)
            status, message = RunStatus.SUCCEEDED, _RESULT_FAILED
        elapsed_ms = round((time.perf_counter() - self._started) * 1000)
        is_success = status is RunStatus.SUCCEEDED
        self.run = replace(
            self.run,
            status=status,
            completed_at=self.run.completed_at or datetime.now(UTC),
            error_message=None if is_success else message,
            warning_message=message if is_success else self.run.warning_message,
            execution_time_ms=self.run.execution_time_ms or elapsed_ms,
            server_processing_ms=elapsed_ms,
        )
        db = self._engine.db
        writes = [db.append(run_store.upsert_runs, self.run)]
        if self.run.result_id is not None:
            failed = replace(self._result, status=ResultStatus.FAILED, error_message=message)
            writes.append(db.append(result_store.upsert_results, failed))
        for outcome in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                _log.error("query.end_not_recorded", query_run_id=self.run.id)

    def _new_result(self, run: QueryRun) -> Result:
        days = self._engine.settings.result_retain_days
        return Result(
            id=new_id(IdKind.RESULT),
            workspace_id=run.workspace_id,
            status=ResultStatus.PROCESSING,
            created_at=run.created_at,
            owner=run.owner,
            expires_at=run.created_at + timedelta(days=days) if days else None,
            database_id=run.database_id,
        )
