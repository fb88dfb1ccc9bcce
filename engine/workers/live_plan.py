"""Decides, from a plan, what each remote database is asked for.

When all tables of a statement are live in one connection, the statement itself may be pushed. Else
each table is read by a scan of its own, with the columns and the condition the plan has for it. The
statement then runs over what the scans brought: a scan may bring too many rows or columns, never too
few. The traps: subqueries inside expressions are not inputs of a plan node, so tables in them are
counted in the printed plan, and one that is not found by walking is read whole; and the unparser errs
(it forgets that EXCEPT takes NULLs for equal), so what it wrote counts only if it has the same plan.
"""

from collections import defaultdict
from typing import Any

import pyarrow as pa
from datafusion import DataFrame, LogicalPlan, SessionContext
from datafusion.unparser import Dialect, Unparser

from engine.arrow_types import viewless, write_schema
from engine.query.parse import names_all_columns
from engine.query.push_condition import push_condition
from engine.query.push_statement import TableName, push_statement
from engine.query.tokens import words_of
from engine.workers.channel import Channel
from engine.workers.plan_paths import ScanPath, printed_names, scan_counts, scan_paths
from engine.workers.session import READ_ONLY, Sessions
from engine.workers.statement import asker, embedder, plan
from engine.workers.tasks import LivePlanTask, LiveTable, ScanMode


def plan_live(task: LivePlanTask, channel: Channel, sessions: Sessions) -> dict[str, Any]:
    """Plan a statement over live tables.

    Returns:
        statement: SQL for the one source, or None, and schema_hex of its columns; scans: for each
        live table, in order, columns, where and limit; explained: the rows of the statement when it is
        an EXPLAIN.
    """
    context = sessions.open(
        task.tables,
        default_catalog=task.default_catalog,
        default_schema=task.default_schema,
        memory_bytes=None,
        scan=ScanMode.SINGLE,
        sql=task.sql,
    )
    frame, renamed = plan(task.sql, context, sessions, asker(channel), embedder(channel))
    explained: list[list[str]] = []
    if task.inner_sql is not None:
        explained = _rows_of(frame)
        frame, renamed = plan(task.inner_sql, context, sessions, asker(channel), embedder(channel))
    sql = task.inner_sql or task.sql
    schema = frame.schema()
    # Once: the names it makes up are numbered on.
    optimized = frame.optimized_logical_plan()
    scans = _scans_of(optimized, task, sql)
    statement = None
    if task.is_single and renamed.sql == sql and len({*schema.names}) == len(schema):
        written = _written(frame, optimized, context)
        statement = written and _statement_of(written, task, scans)
    return {
        "statement": statement,
        "schema_hex": write_schema(_plain(schema)).hex(),
        "scans": scans,
        "explained": explained,
    }


def _written(frame: DataFrame, optimized: LogicalPlan, context: SessionContext) -> str | None:
    """Write what the engine would run, and could, as SQL of the same plan."""
    written = _unparsed(frame.logical_plan())
    if written is None:
        return None
    try:
        frame.execution_plan()
        again = context.sql(written, options=READ_ONLY).optimized_logical_plan()
    except Exception:  # noqa: BLE001 - DataFusion raises nothing narrower
        return None
    outline = _outline(optimized)
    # A mark join takes what IN leaves open, for the sake of a NULL, for false.
    return written if _outline(again) == outline and "LeftMark Join" not in outline else None


def _outline(plan: LogicalPlan) -> str:
    """Print a plan; a second name of ``count(*)`` does not come back from SQL."""
    return plan.display_indent().replace(" AS count(*)", "")


def _statement_of(written: str, task: LivePlanTask, scans: list[dict[str, Any]]) -> str | None:
    schemas = {_name_of(each): each.arrow_schema() for each in task.live}
    conditions = {
        _name_of(each): scan["where"]
        for each, scan in zip(task.live, scans, strict=True)
        if scan["where"] is not None
    }
    return push_statement(
        written,
        schemas,
        task.live[0].dialect,
        defaults=_defaults_of(task),
        conditions=conditions,
    )


def _scans_of(optimized: LogicalPlan, task: LivePlanTask, sql: str) -> list[dict[str, Any]]:
    default_catalog, default_schema = _defaults_of(task)
    paths: dict[TableName, list[ScanPath]] = defaultdict(list)
    for path in scan_paths(optimized):
        catalog, schema, table = path.name
        paths[catalog or default_catalog, schema or default_schema, table].append(path)
    printed = scan_counts(optimized)
    scans = []
    for each in task.live:
        count = sum(printed[name] for name in printed_names(_name_of(each), _defaults_of(task)))
        scans.append(_scan_of(each, paths[_name_of(each)], count, sql))
    return scans


def _scan_of(table: LiveTable, found: list[ScanPath], count: int, sql: str) -> dict[str, Any]:
    """Say what a table is asked for; it has ``count`` scans, of which some may not be found."""
    schema = table.arrow_schema()
    if len(found) != count:
        return {"columns": None, "where": None, "limit": None}
    columns = _columns_of(found, schema, sql)
    if len(found) != 1:
        return {"columns": columns, "where": None, "limit": None}
    (path,) = found
    # An unreadable condition is one, and not none: no limit passes it.
    condition = None if path.filter is None else _unparsed(path.filter) or ""
    pushed = push_condition(condition, schema, table.dialect)
    limit = path.limit if pushed.is_exact else None
    return {"columns": columns, "where": pushed.where, "limit": limit}


def _defaults_of(task: LivePlanTask) -> tuple[str, str]:
    return task.default_catalog, task.default_schema


def _name_of(table: LiveTable) -> TableName:
    return table.catalog, table.schema, table.table


def _columns_of(paths: list[ScanPath], schema: pa.Schema, sql: str) -> list[str] | None:
    """The columns the plan reads, and those the text names: it is planned again over them."""
    if names_all_columns(sql):
        return None
    words = words_of(sql)
    read = {name for path in paths for name in path.columns}
    wanted = [name for name in schema.names if name in read or name.lower() in words]
    return wanted or schema.names[:1]


def _unparsed(node: LogicalPlan) -> str | None:
    """Write a plan as SQL for Postgres; the unparser does not know every plan."""
    try:
        return str(Unparser(Dialect.postgres()).plan_to_sql(node))
    except Exception:  # noqa: BLE001 - DataFusion raises nothing narrower
        return None


def _rows_of(frame: DataFrame) -> list[list[str]]:
    batches = [batch.to_pyarrow() for batch in frame.execute_stream()]
    return [list(row.values()) for batch in batches for row in batch.to_pylist()]


def _plain(schema: pa.Schema) -> pa.Schema:
    text, data = pa.string(), pa.binary()
    return pa.schema([pa.field(f.name, viewless(f.type, text, data)) for f in schema])
