"""The columns of a statement without its rows: it is planned, and no row of a table is read.

A query is planned as the source of ``SELECT * … LIMIT 0``, remote tables with their columns alone, so
nothing is copied for it, and nothing is recorded. A parameter without a value stands there as NULL, which
has no type of its own: where the type of a column hangs on it, the columns are not known.
"""

from dataclasses import replace

import pyarrow as pa

from engine.errors import InvalidRequest, SqlInvalid
from engine.query.parameters import bind_parameters
from engine.query.parse import read_sql
from engine.query.resolve import DATASETS, MAIN, resolve_tables
from engine.service.context import Caller, Engine
from engine.service.prepared import PreparedQuery
from engine.translate import translated
from engine.workers.answers import Answers
from engine.workers.execution import Limits
from engine.workers.frames import Kind
from engine.workers.tasks import ClassifyTask, QueryTask, ScanMode, TableBinding

_SELECT = "select"

Names = tuple[str | None, str | None]


@translated
async def schema_of_statement(
    engine: Engine, caller: Caller, sql: str, names: Names, *, parameters: int = 0
) -> pa.Schema | None:
    """Plan a statement and return the schema of its rows.

    Args:
        engine: the running engine.
        caller: who asks.
        sql: one statement, with as many parameters as ``parameters``.
        names: the default catalog and schema; None is the server's own.
        parameters: how many have no value.

    Returns:
        None when only running it would tell: it is no query, or its parameters decide.

    Raises:
        SqlInvalid: or a subclass: it has no parameters, and cannot run.
        EngineError: no worker could plan it.
    """
    settings = engine.settings
    chars_max = settings.sql_chars_max
    if len(sql) > chars_max:
        raise InvalidRequest(f"The SQL has {len(sql)} characters; at most {chars_max} are allowed.")
    try:
        text = bind_parameters(sql, (None,) * parameters) if parameters else sql
        parsed = read_sql(text, terms_max=settings.sql_terms_max)
        if parsed.kind != _SELECT:
            return None
        return await _columns(engine, caller, _without_rows(parsed.sql), names)
    except SqlInvalid:
        if parameters:
            return None
        # What is wrong is told of the text itself, not of ours around it.
        await _plan(engine, caller, text, names)
        raise


def _without_rows(sql: str) -> str:
    # The line break ends a comment that the text may end with.
    return f"SELECT * FROM (\n{sql}\n) AS described LIMIT 0"  # noqa: S608 - it is SQL already


async def _columns(engine: Engine, caller: Caller, sql: str, names: Names) -> pa.Schema:
    settings = engine.settings
    catalog, schema = names[0] or DATASETS, names[1] or MAIN
    parsed = read_sql(sql, terms_max=settings.sql_terms_max)
    resolved = await resolve_tables(
        engine, caller, parsed.tables, default_catalog=catalog, default_schema=schema
    )
    task = QueryTask(
        sql=parsed.sql,
        tables=resolved.tables,
        default_catalog=catalog,
        default_schema=schema,
        scan=ScanMode.SINGLE,
        terms_max=settings.sql_terms_max if parsed.is_deferred else None,
        encoding="arrow",
        persist_path=None,
        inline_bytes_max=0,
        memory_bytes=settings.query_memory_bytes,
        spill_bytes=settings.query_spill_bytes,
        rows_max=settings.query_rows_max,
        result_bytes_max=settings.query_result_bytes_max,
    )
    limits = Limits(settings.query_timeout_s, settings.query_memory_bytes)
    prepared = PreparedQuery(task, resolved.wanted, replace(parsed, reads_rows=False))
    rows: list[bytes] = []
    workspace_id = caller.workspace_id
    async with (
        prepared.completed(engine, caller) as ready,
        engine.pool.execute(workspace_id, ready.task, limits) as execution,
    ):
        async for kind, body in execution.frames(ready.answers):
            if kind is Kind.BODY:
                rows.append(body)
    return pa.ipc.open_stream(pa.py_buffer(b"".join(rows))).schema


async def _plan(engine: Engine, caller: Caller, sql: str, names: Names) -> None:
    """Plan a statement in a worker; raise what is wrong with it."""
    settings = engine.settings
    catalog, schema = names[0] or DATASETS, names[1] or MAIN
    task = ClassifyTask(sql, (), catalog, schema, settings.sql_terms_max)
    limits = Limits(settings.query_timeout_s, settings.query_memory_bytes)

    async def resolve(name: tuple[str, ...]) -> tuple[TableBinding, ...]:
        resolved = await resolve_tables(
            engine, caller, [name], default_catalog=catalog, default_schema=schema
        )
        return resolved.shapes

    answers = Answers(resolve)
    await engine.pool.run_task(caller.workspace_id, task, limits=limits, answers=answers)
