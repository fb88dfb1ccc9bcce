"""Work that is done in a source: each piece in a process of its own, which can always be killed.

The credential is opened here, for the one process that needs it. What the process failed with
comes as an engine error; running out of time is a failure of the source.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from catalog import secret_store
from catalog.errors import NotFound
from catalog.model import Connection
from engine.errors import QueryCrashed, QueryTimeout, ResourceExhausted, SourceFailed
from engine.service.context import Engine
from engine.service.scratch import scratch_folder
from engine.sources.tasks import CheckTask, DiscoverTask, SourceSpec, SourceTask
from engine.workers.execution import Limits
from engine.workers.frames import Kind

# Somebody looks on while a source is tried or listed.
_WAIT_S = 60.0

Report = Callable[[Mapping[str, int]], None]


@dataclass(frozen=True, slots=True)
class Place:
    """What every source task is told: the source, and an empty folder that goes with the task."""

    source: SourceSpec
    scratch: str


@dataclass(frozen=True, slots=True)
class Found:
    """The tables of a source: schema, name and serialized Arrow schema of each."""

    tables: list[tuple[str, str, bytes]]
    warnings: list[str]


async def check_source(engine: Engine, connection: Connection) -> None:
    """Connect and prove that the source can be read.

    Raises:
        SourceFailed, InvalidRequest: it cannot, and why.
    """
    async with source_place(engine, connection) as place:
        timeout_s = 3 * engine.settings.source_connect_timeout_s
        task = CheckTask(place.source, place.scratch)
        await run_source_task(engine, connection, task, timeout_s=timeout_s, wait_s=_WAIT_S)


async def discover_source(engine: Engine, connection: Connection) -> Found:
    """List the tables of a source.

    Raises:
        SourceFailed, InvalidRequest: it cannot be listed, and why.
    """
    tables: list[tuple[str, str, bytes]] = []

    def keep(body: bytes) -> None:
        tables.extend(
            (item["schema"], item["table"], bytes.fromhex(item["schema_hex"]))
            for item in orjson.loads(body)
        )

    async with source_place(engine, connection) as place:
        done = await run_source_task(
            engine,
            connection,
            DiscoverTask(place.source, place.scratch),
            timeout_s=engine.settings.discovery_timeout_s,
            wait_s=_WAIT_S,
            on_body=keep,
        )
    return Found(tables, done["warnings"])


@asynccontextmanager
async def source_place(engine: Engine, connection: Connection) -> AsyncIterator[Place]:
    """Open the credential and make a scratch folder for one task."""
    settings = engine.settings
    spec = SourceSpec(
        source_type=connection.source_type,
        config=connection.config,
        credential=await _credential_of(engine, connection),
        allow_private=settings.egress_allow_private,
        local_files=tuple(str(folder.absolute()) for folder in settings.local_files),
        connect_timeout_s=settings.source_connect_timeout_s,
        statement_timeout_s=settings.sync_timeout_s,
        memory_bytes=settings.source_memory_bytes,
        batch_bytes=settings.source_batch_bytes,
        parts_max=settings.source_parts_max,
    )
    async with scratch_folder(engine.blobs.stage()) as folder:
        yield Place(spec, str(folder))


async def run_source_task(  # noqa: PLR0913 - all keyword after the task
    engine: Engine,
    connection: Connection,
    task: SourceTask,
    *,
    timeout_s: float,
    wait_s: float | None = None,
    on_body: Callable[[bytes], None] | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Run one task in a source process.

    Returns:
        What the task says at its end: see ``engine.sources``.

    Raises:
        SourceFailed: the source, its driver or the time failed; others as the task raises them.
    """
    settings = engine.settings
    limits = Limits(
        timeout_s=timeout_s,
        memory_bytes=settings.source_memory_bytes,
        silence_s=min(timeout_s, settings.source_silence_s),
        wait_s=wait_s,
        subject="Reading the source",
    )
    done: dict[str, Any] = {}
    body_bytes = 0
    try:
        async with engine.sources.execute(connection.workspace_id, task, limits) as execution:
            async for kind, body in execution.frames():
                if kind is Kind.DONE:
                    done = orjson.loads(body)
                elif kind is Kind.BODY and on_body is not None:
                    body_bytes += len(body)
                    _check_size(body_bytes, settings.source_memory_bytes, "SOURCE_MEMORY_BYTES")
                    on_body(body)
                elif kind is Kind.PROGRESS:
                    progress = orjson.loads(body)
                    _check_size(progress["bytes"], settings.source_bytes_max, "SOURCE_BYTES_MAX")
                    if report is not None:
                        report(progress)
    except QueryTimeout:
        raise SourceFailed(f"The source took longer than {timeout_s:g} s") from None
    except QueryCrashed:
        raise SourceFailed("The driver of the source crashed") from None
    return done


def _check_size(size_bytes: int, most_bytes: int, setting: str) -> None:
    if size_bytes > most_bytes:
        raise ResourceExhausted(
            f"The source has more than the {most_bytes} bytes that one read may bring here"
            f" (TIDEMILL_{setting})"
        )


async def _credential_of(engine: Engine, connection: Connection) -> str | None:
    if connection.secret_id is None:
        return None
    try:
        return await engine.db.read(
            secret_store.read_value, engine.keyring, connection.workspace_id, connection.secret_id
        )
    except NotFound:
        raise SourceFailed("The secret of this connection does not exist any more") from None


def local_files(folder: Path, done: Mapping[str, Any]) -> list[tuple[Path, int]]:
    """The Parquet files that a copy left in a folder, with their rows."""
    return [(folder / file["name"], file["row_count"]) for file in done["files"]]
