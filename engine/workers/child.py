"""The worker: the process that queries, and that makes files of tables and indexes."""

import base64
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, assert_never

import pyarrow as pa

from engine.datasets.load import LoadSpec, load_file
from engine.documents.search.answer import search_documents
from engine.documents.segments.build import build_segment
from engine.workers.catalog_statement import run_catalog_statement
from engine.workers.channel import Channel
from engine.workers.classify import classify_statement
from engine.workers.describe import describe_statement
from engine.workers.document_tasks import DocumentSearchTask, SegmentTask
from engine.workers.failures import as_engine_error
from engine.workers.frames import Kind
from engine.workers.index_build import build_indexes
from engine.workers.live_plan import plan_live
from engine.workers.profiling import profile_table
from engine.workers.session import Sessions
from engine.workers.statement import run_statement
from engine.workers.stored import read_rows
from engine.workers.task_loop import serve_tasks, sparse_report
from engine.workers.tasks import (
    ClassifyTask,
    DescribeTask,
    IndexTask,
    LivePlanTask,
    LoadTask,
    ProfileTask,
    QueryTask,
    ReadTask,
    ScanMode,
    Task,
    TextsTask,
    load_task,
)
from engine.workers.texts import collect_texts


def serve(sock: socket.socket) -> None:
    """Do tasks until the parent hangs up."""
    channel = Channel(sock)
    sessions = Sessions(Path(sys.argv[2]))
    try:
        _warm_up(sessions)
        serve_tasks(
            channel,
            load=load_task,
            do=lambda task: _do(task, channel, sessions),
            as_engine_error=as_engine_error,
            after_task=pa.default_memory_pool().release_unused,
        )
    except MemoryError:  # there was none left to tell of it either
        os.abort()  # the parent knows what that means


def _do(task: Task, channel: Channel, sessions: Sessions) -> None:
    match task:
        case QueryTask():
            _run_query(task, channel, sessions)
        case ReadTask():
            read_rows(task, channel)
        case ClassifyTask():
            channel.send_json(Kind.DONE, classify_statement(task, channel, sessions))
        case DescribeTask():
            channel.send_json(Kind.DONE, describe_statement(task, channel, sessions))
        case LivePlanTask():
            channel.send_json(Kind.DONE, plan_live(task, channel, sessions))
        case ProfileTask():
            channel.send_json(Kind.DONE, profile_table(task, sessions))
        case DocumentSearchTask():
            channel.send_json(Kind.DONE, search_documents(task, sessions.indexes.segments))
        case _:
            channel.send_json(Kind.DONE, _make_files(task, channel, sessions))


def _make_files(
    task: LoadTask | TextsTask | IndexTask | SegmentTask, channel: Channel, sessions: Sessions
) -> dict[str, Any]:
    match task:
        case LoadTask():
            return _load(task, channel)
        case TextsTask():
            return collect_texts(task, _rows_report(channel))
        case IndexTask():
            return build_indexes(task, sessions, _rows_report(channel))
        case SegmentTask():
            return build_segment(task, _rows_report(channel))
        case _:
            assert_never(task)


def _run_query(task: QueryTask, channel: Channel, sessions: Sessions) -> None:
    if task.snapshot is None:
        run_statement(task, channel, sessions)
    else:
        run_catalog_statement(task, channel)


def _rows_report(channel: Channel) -> Callable[[int], None]:
    report = sparse_report(channel)
    return lambda rows: report(rows=rows)


def _load(task: LoadTask, channel: Channel) -> dict[str, Any]:
    def on_progress(rows: int, bytes_read: int, bytes_total: int) -> None:
        channel.send_json(
            Kind.PROGRESS, {"rows": rows, "bytes": bytes_read, "bytes_total": bytes_total}
        )
        channel.flush()

    report = load_file(LoadSpec(**asdict(task)), on_progress=on_progress)
    return {
        "files": [asdict(file) for file in report.files],
        "row_count": report.row_count,
        "schema_ipc": base64.b64encode(report.schema_ipc).decode(),
        "sort_columns": report.sort_columns,
    }


def _warm_up(sessions: Sessions) -> None:
    """Start the engine's threads before the first query needs them."""
    context = sessions.open(
        (),
        default_catalog="datasets",
        default_schema="main",
        memory_bytes=None,
        scan=ScanMode.SINGLE,
    )
    for _ in context.sql("SELECT 1").execute_stream():
        pass
