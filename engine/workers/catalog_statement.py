"""Answers a statement about the system catalogs of Postgres inside a worker: DuckDB runs it, not DataFusion."""

import time

from engine.pg_catalog.answer import answer_catalog_statement
from engine.workers.channel import Channel
from engine.workers.sending import send_answer
from engine.workers.tasks import QueryTask


def run_catalog_statement(task: QueryTask, channel: Channel) -> None:
    """Answer a task that has a snapshot, with the same frames as any other statement."""
    started = time.perf_counter()
    assert task.snapshot is not None
    reader = answer_catalog_statement(task.snapshot, task.sql)
    send_answer(task, reader.schema, reader, channel, started, dict)
