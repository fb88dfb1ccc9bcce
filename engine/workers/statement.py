"""Plans and runs one statement inside a worker, over tables and over what indexes offer instead."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson
import pyarrow as pa
from datafusion import DataFrame, ExecutionPlan, SessionContext

from engine.dialect import for_datafusion
from engine.query.duplicates import Renamed, rename_duplicates, shown_names
from engine.query.parse import parse_sql
from engine.workers.channel import Channel
from engine.workers.distance_sql import has_vector_distance, unwritten, write_distances
from engine.workers.failures import missing_table
from engine.workers.frames import Kind
from engine.workers.index_use import use_indexes
from engine.workers.scalar_functions import Embed
from engine.workers.sending import send_answer
from engine.workers.session import READ_ONLY, Sessions
from engine.workers.tasks import (
    ClassifyTask,
    DescribeTask,
    EmbeddedText,
    EmbeddingBinding,
    QueryTask,
    ScanMode,
    TableBinding,
    load_bindings,
)

_ASKS_MAX = 256

Ask = Callable[[tuple[str, ...]], tuple[TableBinding, ...]]


def run_statement(task: QueryTask, channel: Channel, sessions: Sessions) -> None:
    """Answer one :class:`QueryTask` on the channel; failures are raised."""
    started = time.perf_counter()
    ask = asker(channel)
    context = sessions.open(
        task.tables,
        default_catalog=task.default_catalog,
        default_schema=task.default_schema,
        memory_bytes=task.memory_bytes,
        scan=task.scan,
        sql=task.sql,
    )
    if task.terms_max is not None:
        parse_sql(task.sql, terms_max=task.terms_max)
    sql = sessions.functions_of(context).scalars.take_numbers(task.sql)
    frame, renamed = plan(sql, context, sessions, ask, embedder(channel, task.embedded))
    try:
        frame = _with_indexes(task, frame, renamed, context, sessions)
        schema = display_schema(frame.schema(), renamed)
        batches = (item.to_pyarrow() for item in frame.execute_stream())
        send_answer(task, schema, batches, channel, started, partial(_scanned, task, frame))
    except Exception as error:
        failure = sessions.functions_of(context).failure
        # DataFusion hides what a function raised in a text. A function may also fail while a plan is
        # simplified, and its branch never run.
        if failure is not None and "PyErr" in str(error):
            raise failure from None
        raise


def _with_indexes(
    task: QueryTask,
    frame: DataFrame,
    renamed: Renamed,
    context: SessionContext,
    sessions: Sessions,
) -> DataFrame:
    """Plan a statement again over what indexes offer, if they do."""
    if not use_indexes(frame, context, sessions, (task.default_catalog, task.default_schema)):
        return frame
    again = context.sql(renamed.sql, options=READ_ONLY)
    if sessions.is_swapped(context):
        try:
            again.execution_plan()
        except Exception:  # noqa: BLE001 - DataFusion raises nothing narrower
            # It cannot plan every statement over rows in order: then over the table itself.
            sessions.swap_back(context)
            return context.sql(renamed.sql, options=READ_ONLY)
    return again


def plan_alone(
    task: ClassifyTask | DescribeTask, channel: Channel, sessions: Sessions
) -> tuple[DataFrame, Renamed]:
    """Plan a statement that will not run."""
    context = sessions.open(
        task.tables,
        default_catalog=task.default_catalog,
        default_schema=task.default_schema,
        memory_bytes=None,
        scan=ScanMode.SINGLE,
        sql=task.sql,
    )
    if task.terms_max is not None:
        parse_sql(task.sql, terms_max=task.terms_max)
    return plan(task.sql, context, sessions, asker(channel), embedder(channel))


def plan(
    sql: str, context: SessionContext, sessions: Sessions, ask: Ask, embed: Embed
) -> tuple[DataFrame, Renamed]:
    """Plan a statement, asking for tables nobody bound and renaming repeated output columns.

    Search functions in it answer without rows: see ``engine.workers.index_use``.
    """
    functions = sessions.functions_of(context)
    asked: set[str] = set()

    def known(name: tuple[str, ...]) -> TableBinding | None:
        return sessions.find(context, name)

    def find(name: tuple[str, ...]) -> TableBinding | None:
        sessions.bind(context, ask(name))
        return known(name)

    functions.begin(known, find, embed)
    renamed = Renamed(_written(sql, context, sessions))
    while True:
        functions.restart()
        try:
            return context.sql(renamed.sql, options=READ_ONLY), renamed
        except Exception as error:
            if functions.failure is not None:
                raise functions.failure from None
            name = missing_table(error)
            if name is not None and name not in asked and len(asked) < _ASKS_MAX:
                asked.add(name)
                bindings = ask(tuple(name.split(".")))
                if not bindings:
                    raise
                sessions.bind(context, bindings)
                renamed = Renamed(_written(sql, context, sessions))
                continue
            again = rename_duplicates(renamed, str(error))
            if again is None:
                raise (unwritten(error) or error) from None
            renamed = again


def asker(channel: Channel) -> Ask:
    """Make the question a plan may put to the parent: where are the rows of this name?"""

    def ask(name: tuple[str, ...]) -> tuple[TableBinding, ...]:
        channel.send_json(Kind.ASK, {"name": list(name)})
        channel.flush()
        _, body = channel.receive()
        return load_bindings(orjson.loads(body))

    return ask


def embedder(channel: Channel, embedded: Sequence[EmbeddedText] = ()) -> Embed:
    """Make what turns a text of the statement into a vector: the parent did, or is asked to now."""
    known = {(each.fingerprint, each.text): each.vector for each in embedded}

    def embed(how: EmbeddingBinding, text: str) -> Sequence[float]:
        key = how.fingerprint, text
        if key not in known:
            channel.send_json(Kind.EMBED, {"how": asdict(how), "text": text})
            channel.flush()
            _, body = channel.receive()
            known[key] = tuple(orjson.loads(body))
        return known[key]

    return embed


def _written(sql: str, context: SessionContext, sessions: Sessions) -> str:
    sql = for_datafusion(sql)
    if not has_vector_distance(sql):
        return sql
    functions = sessions.functions_of(context)
    return write_distances(sql, sessions.tables_of(context), functions.scalars.write_text)


def display_schema(schema: pa.Schema, renamed: Renamed) -> pa.Schema:
    """Return a schema with the names that the statement gave its columns."""
    if not renamed.aliases:
        return schema
    names = shown_names(schema.names, renamed)
    return pa.schema([f.with_name(name) for f, name in zip(schema, names, strict=True)])


def _scanned(task: QueryTask, frame: DataFrame) -> dict[str, Any]:
    """Bytes read from files, and rows the scans handed on; nothing where the plan does not tell."""
    if not task.tables:
        return {}
    bytes_scanned = rows_scanned = 0
    for leaf in _leaves(frame.execution_plan()):
        metrics = leaf.metrics()
        if metrics is not None and leaf.display().startswith("DataSourceExec"):
            bytes_scanned += int(metrics.sum_by_name("bytes_scanned") or 0)
            rows_scanned += int(metrics.output_rows or 0)
    return {"bytes_scanned": bytes_scanned, "rows_scanned": rows_scanned}


def _leaves(plan: ExecutionPlan) -> Iterator[ExecutionPlan]:
    """The nodes without inputs; plans are as deep as statements may be, so there is a stack."""
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        inputs = node.children()
        waiting += inputs
        if not inputs:
            yield node
