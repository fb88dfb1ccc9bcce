"""Plans and runs one statement inside a worker, and sends the answer while it is computed.

Order of frames: SCHEMA, BODY…, DONE, then INLINE or KEPT, then END. DONE means the client has all
its rows; keeping them may take longer.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import orjson
import pyarrow as pa
from datafusion import DataFrame, ExecutionPlan, SessionContext

from engine.encode import Encoder, open_encoder
from engine.errors import ResourceExhausted
from engine.query.duplicates import Renamed, rename_duplicates, shown_names
from engine.query.parse import parse_sql
from engine.workers.channel import Channel
from engine.workers.distance_sql import has_vector_distance, unwritten, write_distances
from engine.workers.failures import missing_table
from engine.workers.frames import Kind
from engine.workers.index_use import use_indexes
from engine.workers.keeper import Keeper
from engine.workers.scalar_functions import Embed
from engine.workers.session import READ_ONLY, Sessions
from engine.workers.tasks import (
    EmbeddedText,
    EmbeddingBinding,
    QueryTask,
    TableBinding,
    load_bindings,
)

_ASKS_MAX = 256
_SMALL_BYTES = 64 * 1024

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
        _answer(
            task, _with_indexes(task, frame, renamed, context, sessions), renamed, channel, started
        )
    except Exception:
        failure = sessions.functions_of(context).failure
        if failure is not None:  # of a function: DataFusion hides it in a text
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


def _answer(
    task: QueryTask, frame: DataFrame, renamed: Renamed, channel: Channel, started: float
) -> None:
    schema = _display_schema(frame.schema(), renamed)
    channel.send_json(Kind.SCHEMA, {"columns": schema.names})
    encoder = open_encoder(task.encoding, schema) if task.encoding != "none" else None
    keeping = Keeper(
        schema, task.persist_path, task.inline_bytes_max, is_patient=encoder is not None
    )
    with closing(keeping) as keeper:
        rows = _stream(task, frame, schema, encoder, keeper, channel)
        channel.send_json(
            Kind.DONE,
            {
                "row_count": rows,
                "nullable": _nullable(schema, encoder),
                "is_inline": keeper.is_small,
                "execution_time_ms": round((time.perf_counter() - started) * 1000),
                **(_scanned(frame) if task.tables else {}),
            },
        )
        if not keeper.is_small:
            channel.flush()  # the client has its end before the file has one
        kept = keeper.finish()
        if isinstance(kept, bytes):
            channel.send(Kind.INLINE, kept)
        elif kept is not None:
            channel.send_json(Kind.KEPT, {"size_bytes": kept})


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
    if not has_vector_distance(sql):
        return sql
    functions = sessions.functions_of(context)
    return write_distances(sql, sessions.tables_of(context), functions.scalars.write_text)


def _stream(
    task: QueryTask,
    frame: DataFrame,
    schema: pa.Schema,
    encoder: Encoder | None,
    keeper: Keeper,
    channel: Channel,
) -> int:
    rows = total_bytes = 0
    if encoder is not None:
        channel.send(Kind.BODY, encoder.begin())
    for item in frame.execute_stream():
        batch = item.to_pyarrow()
        if batch.num_rows == 0:
            continue
        size_bytes = batch.get_total_buffer_size()
        if size_bytes > _SMALL_BYTES:  # a view or a slice may share most of its buffers
            size_bytes = batch.nbytes
        rows += batch.num_rows
        total_bytes += size_bytes
        _check_size(task, rows, total_bytes)
        if not batch.schema.equals(schema):
            batch = pa.RecordBatch.from_arrays(batch.columns, schema=_with_types(schema, batch))
        keeper.add(batch, size_bytes)
        if encoder is not None:
            for chunk in encoder.encode(batch):
                channel.send(Kind.BODY, chunk)
    if encoder is not None:
        channel.send(Kind.BODY, encoder.finish())
    return rows


def _check_size(task: QueryTask, rows: int, size_bytes: int) -> None:
    if rows > task.rows_max:
        raise ResourceExhausted(f"The query returns more than {task.rows_max} rows. Add a LIMIT.")
    if size_bytes > task.result_bytes_max:
        raise ResourceExhausted(
            f"The query returns more than {task.result_bytes_max} bytes. Add a LIMIT."
        )


def _display_schema(schema: pa.Schema, renamed: Renamed) -> pa.Schema:
    if not renamed.aliases:
        return schema
    names = shown_names(schema.names, renamed)
    return pa.schema([f.with_name(name) for f, name in zip(schema, names, strict=True)])


def _with_types(schema: pa.Schema, batch: pa.RecordBatch) -> pa.Schema:
    """The plan names the columns; the batches know their physical types (views, dictionaries)."""
    if schema.types == batch.schema.types:
        return schema
    return pa.schema(
        [field.with_type(kind) for field, kind in zip(schema, batch.schema.types, strict=True)]
    )


def _nullable(schema: pa.Schema, encoder: Encoder | None) -> list[bool]:
    """NaN and infinities are null in JSON, so such a column is nullable there."""
    widened = getattr(encoder, "nan_columns", None) or [False] * len(schema)
    return [field.nullable or wide for field, wide in zip(schema, widened, strict=True)]


def _scanned(frame: DataFrame) -> dict[str, Any]:
    """Bytes read from files, and rows the scans handed on; nothing where the plan does not tell."""
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
