"""Says what a statement takes and gives before it runs: its columns, and the types of its parameters.

It is planned in a worker: no row is read, no table is copied, and nothing is recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from engine.arrow_types import read_schema
from engine.encode.pg import PgColumn, pg_type_of
from engine.errors import SqlInvalid
from engine.pg_catalog.snapshot import CarriedSnapshot
from engine.query.parameters import bind_parameters, placeholder_number
from engine.query.parse import ParsedSql, read_sql
from engine.query.resolve import DATASETS, MAIN, resolve_tables
from engine.service.context import Caller, Engine
from engine.service.pg_snapshot import snapshot_for
from engine.service.queries import QueryOptions, check_text
from engine.service.session_words import with_session
from engine.translate import translated
from engine.workers.answers import Answers
from engine.workers.execution import Limits
from engine.workers.tasks import DescribeTask, TableBinding

_SELECT = "select"

Names = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class StatementDescription:
    """What a statement gives, and the OIDs of the types of its parameters by their numbers.

    A parameter whose type does not follow from its place is not among them.
    """

    columns: tuple[PgColumn, ...]
    parameters: dict[int, int]


@translated
async def describe_statement(
    engine: Engine, caller: Caller, sql: str, options: QueryOptions
) -> StatementDescription:
    """Plan a statement, with its parameters open, and say what it takes and gives.

    Raises:
        SqlInvalid: or a subclass: the statement was refused, by us or by the planner.
    """
    check_text(engine, sql)
    names = options.default_catalog, options.default_schema
    catalog = options.default_catalog or DATASETS
    snapshot = await snapshot_for(engine, caller, sql, catalog, options.pg_session)
    if snapshot is None:
        sql = with_session(sql, caller, (catalog, names[1] or MAIN), options.pg_session)
        parsed = read_sql(sql, terms_max=engine.settings.sql_terms_max)
    else:
        parsed = ParsedSql(sql, _SELECT, (), is_plain=False)
    planned = await _planned(engine, caller, parsed, names, snapshot)
    columns = [
        PgColumn(field.name, kind.oid, kind.size, kind.modifier)
        for field in _schema_of(planned)
        for kind in (pg_type_of(field.type, field.metadata),)
    ]
    known = {placeholder_number(digits): oid for digits, oid in planned["parameters"].items()}
    return StatementDescription(tuple(columns), known)


@translated
async def schema_of_statement(
    engine: Engine, caller: Caller, sql: str, names: Names, *, parameters: int = 0
) -> pa.Schema | None:
    """Plan a statement and return the schema of its rows.

    A parameter without a value stands there as NULL, which has no type of its own: where the type of a
    column hangs on it, the columns are not known.

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
    check_text(engine, sql)
    try:
        text = bind_parameters(sql, (None,) * parameters) if parameters else sql
        text = with_session(text, caller, (names[0] or DATASETS, names[1] or MAIN), None)
        parsed = read_sql(text, terms_max=engine.settings.sql_terms_max)
        if parsed.kind != _SELECT:
            return None
        return _schema_of(await _planned(engine, caller, parsed, names))
    except SqlInvalid:
        if parameters:
            return None
        raise


def _schema_of(planned: dict[str, Any]) -> pa.Schema:
    return read_schema(bytes.fromhex(planned["schema_hex"]))


async def _planned(
    engine: Engine,
    caller: Caller,
    parsed: ParsedSql,
    names: Names,
    snapshot: CarriedSnapshot | None = None,
) -> dict[str, Any]:
    """Have a worker plan a statement: see ``engine.workers.describe``."""
    settings = engine.settings
    catalog, schema = names[0] or DATASETS, names[1] or MAIN

    async def find(tables: Sequence[tuple[str, ...]]) -> tuple[TableBinding, ...]:
        resolved = await resolve_tables(
            engine, caller, tables, default_catalog=catalog, default_schema=schema
        )
        return resolved.shapes

    async def find_one(name: tuple[str, ...]) -> tuple[TableBinding, ...]:
        return await find((name,))

    task = DescribeTask(
        parsed.sql,
        await find(parsed.tables),
        catalog,
        schema,
        settings.sql_terms_max if parsed.is_deferred else None,
        snapshot,
    )
    limits = Limits(settings.query_timeout_s, settings.query_memory_bytes)
    return await engine.pool.run_task(
        caller.workspace_id, task, limits=limits, answers=Answers(find_one)
    )
