"""Kept answers: listed, found, read back in any encoding, page by page."""

import asyncio
import io
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pyarrow as pa

from catalog.errors import BlobMissing
from catalog.model import Page, Result, ResultStatus
from catalog.store import results as result_store
from engine.errors import InvalidRequest
from engine.service.context import Caller, Engine
from engine.translate import translated
from engine.workers.execution import Limits
from engine.workers.frames import Kind
from engine.workers.keeper import write_parquet
from engine.workers.tasks import ReadTask

_MISSING = "Result data not found: the stored file is gone."


class ResultRows:
    """Rows of a result, encoded; ``nullable`` and ``page_row_count`` are known at the end."""

    def __init__(
        self,
        row_count: int,
        chunks: AsyncGenerator[bytes, None],
        report: dict[str, Any],
        *,
        first: bytes = b"",
    ) -> None:
        self._first = first
        self._chunks = chunks
        self._report = report
        self.row_count = row_count

    @property
    async def body(self) -> AsyncGenerator[bytes, None]:
        """The encoded rows in chunks."""
        yield self._first
        async for chunk in self._chunks:
            yield chunk

    @property
    def nullable(self) -> tuple[bool, ...]:
        """For each column whether it may hold null, as the body shows it."""
        return tuple(self._report["nullable"])

    @property
    def page_row_count(self) -> int:
        """Rows in the body."""
        return int(self._report["row_count"])

    async def aclose(self) -> None:
        """Stop reading, and free the worker."""
        await self._chunks.aclose()


@translated
async def list_results(
    engine: Engine, caller: Caller, *, limit: int, offset: int, database_id: str | None = None
) -> Page[Result]:
    """List the results the workspace keeps, newest first, at most 1000 on a page."""
    return await engine.db.read(
        result_store.list_results,
        caller.workspace_id,
        limit=limit,
        offset=offset,
        database_id=database_id,
    )


@translated
async def get_result(engine: Engine, caller: Caller, result_id: str) -> Result:
    """Find a result; one whose file is gone is failed from then on.

    Raises:
        NotFound: the workspace has no such result, or it has expired.
    """
    workspace_id = caller.workspace_id
    result = await engine.db.read(result_store.get_result, workspace_id, result_id)
    if result.status is ResultStatus.READY and result.blob_key is not None:
        try:
            await engine.blobs.local_path(result.blob_key)
        except BlobMissing:
            return await engine.db.write(
                result_store.fail_result, workspace_id, result_id, _MISSING
            )
    return result


@translated
async def read_result(
    engine: Engine,
    caller: Caller,
    result: Result,
    *,
    format: str,  # noqa: A002 - the name the doors use
    offset_rows: int = 0,
    limit_rows: int | None = None,
) -> ResultRows:
    """Open a ready result for reading.

    Args:
        engine: the running engine.
        caller: whose result.
        result: in state ``ready``.
        format: ``json``, ``arrow``, ``csv``, ``md``, or ``parquet`` (the whole stored file).
        offset_rows: rows to skip.
        limit_rows: rows at most; None = all.

    Raises:
        InvalidRequest: a value is beyond what Parquet can hold.
        Unavailable: the stored file cannot be read now.
        Overloaded: no worker came free in time.
    """
    row_count = result.row_count or 0
    if format == "parquet":
        chunks = _parquet(engine, result)
        return ResultRows(row_count, chunks, {}, first=await anext(chunks, b""))
    path = None
    if result.blob_key is not None:
        path = str(await engine.blobs.local_path(result.blob_key))
    task = ReadTask(
        file=path,
        ipc=result.inline_ipc,
        columns=result.columns or (),
        nullable=result.nullable or (),
        encoding=format,
        offset_rows=offset_rows,
        limit_rows=limit_rows,
    )
    report: dict[str, Any] = {}
    chunks = _read(engine, caller, task, report)
    first = await anext(chunks, b"")  # errors show before the answer starts
    return ResultRows(row_count, chunks, report, first=first)


async def _read(
    engine: Engine, caller: Caller, task: ReadTask, report: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    settings = engine.settings
    limits = Limits(settings.load_timeout_s, settings.query_memory_bytes)
    async with engine.pool.execute(caller.workspace_id, task, limits) as execution:
        async for kind, body in execution.frames():
            if kind is Kind.BODY and body:
                yield body
            elif kind is Kind.DONE:
                report.update(orjson.loads(body))


async def _parquet(engine: Engine, result: Result) -> AsyncGenerator[bytes, None]:
    if result.blob_key is None:
        yield await asyncio.to_thread(_inline_parquet, result.inline_ipc or b"")
        return
    async for chunk in engine.blobs.stream(result.blob_key):
        yield chunk


def _inline_parquet(ipc: bytes) -> bytes:
    table = pa.ipc.open_stream(ipc).read_all()
    sink = io.BytesIO()
    try:
        write_parquet(sink, table.schema, iter([table.to_batches()]))
    except (pa.ArrowException, OSError) as error:
        raise InvalidRequest(
            "Parquet cannot hold a value of this result: read it in another format."
        ) from error
    return sink.getvalue()
