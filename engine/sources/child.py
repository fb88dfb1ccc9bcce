"""The process that reads a source.

It is a fresh fork for every task, so a driver never sees two workspaces, and what it leaves open
ends with the process.
"""

import importlib
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import orjson

from connectors.base import Connector, SourceContext
from connectors.hosts import guard_sockets
from connectors.local_paths import keep_out
from connectors.options import parse_options
from connectors.registry import connector_class
from engine.arrow_types import write_schema
from engine.datasets.widening import settled
from engine.errors import EngineError, ResourceExhausted, SourceFailed
from engine.sources.copier import Copier
from engine.sources.embedding import embed_texts
from engine.sources.tasks import (
    CheckTask,
    DiscoverTask,
    EmbedTask,
    FetchTask,
    LiveQueryTask,
    LiveScanTask,
    SourceSpec,
    SourceTask,
    load_source_task,
)
from engine.translate import to_engine_error
from engine.workers.channel import Channel
from engine.workers.frames import Kind
from engine.workers.task_loop import serve_tasks

ReadTask = CheckTask | DiscoverTask | FetchTask | LiveScanTask | LiveQueryTask

_TABLES_PER_FRAME = 500
# What most sources need: imported once, before the forks. Not what starts threads, or takes longer.
_COMMON = (
    "adbc_driver_manager.dbapi",
    "connectors.sources.duckdb",
    "connectors.sources.files",
    "connectors.sources.mysql",
    "connectors.sources.postgres",
    "connectors.sources.sqlite",
    "duckdb",
    "pymysql",
    "sqlglot.dialects",
)

for _module in _COMMON:
    importlib.import_module(_module)


def serve(sock: socket.socket) -> None:
    """Do tasks until the parent hangs up."""
    channel = Channel(sock)
    keep_out(Path(sys.argv[2]))
    serve_tasks(
        channel,
        load=load_source_task,
        do=partial(_do, channel),
        as_engine_error=_as_engine_error,
    )


def _do(channel: Channel, task: SourceTask) -> None:
    if isinstance(task, EmbedTask):
        guard_sockets(allow_private=task.embedder.allow_private)
        channel.send_json(Kind.DONE, embed_texts(task, channel))
        return
    with _opened(task.source, Path(task.scratch)) as connector:
        _read(task, connector, channel)


@contextmanager
def _opened(spec: SourceSpec, scratch: Path) -> Iterator[Connector[Any, Any]]:
    made = connector_class(spec.source_type)
    options = parse_options(made.options_type, spec.config, spec.credential)
    guard_sockets(allow_private=spec.allow_private)
    context = SourceContext(
        allow_private=spec.allow_private,
        local_files=tuple(map(Path, spec.local_files)),
        connect_timeout_s=spec.connect_timeout_s,
        statement_timeout_s=spec.statement_timeout_s,
        memory_bytes=spec.memory_bytes,
        batch_bytes=spec.batch_bytes,
        parts_max=spec.parts_max,
        scratch=scratch,
    )
    with made(options, context) as connector:
        yield connector


def _read(task: ReadTask, connector: Connector[Any, Any], channel: Channel) -> None:
    match task:
        case CheckTask():
            connector.check()
            channel.send_json(Kind.DONE, {})
        case DiscoverTask():
            channel.send_json(Kind.DONE, _discover(connector, channel))
        case FetchTask() | LiveScanTask() | LiveQueryTask():
            channel.send_json(Kind.DONE, Copier(connector, channel).copy(task))
        case _:
            assert_never(task)


def _discover(connector: Connector[Any, Any], channel: Channel) -> dict[str, Any]:
    waiting: list[dict[str, Any]] = []
    count = 0
    for table in connector.discover():
        count += 1
        schema_hex = write_schema(settled(table.arrow_schema)).hex()
        waiting.append({"schema": table.schema, "table": table.name, "schema_hex": schema_hex})
        if len(waiting) == _TABLES_PER_FRAME:
            channel.send(Kind.BODY, orjson.dumps(waiting))
            waiting = []
    channel.send(Kind.BODY, orjson.dumps(waiting))
    return {"tables": count, "warnings": connector.context.losses.warnings()}


def _as_engine_error(error: BaseException) -> EngineError:
    if isinstance(error, EngineError):
        return error
    if isinstance(error, MemoryError):
        return ResourceExhausted("Reading the source needs more memory than its limit allows.")
    known = to_engine_error(error) if isinstance(error, Exception) else None
    # A driver's own text may hold anything: what its connector did not read stays here.
    return known or SourceFailed(f"The driver of the source failed ({type(error).__name__})")
