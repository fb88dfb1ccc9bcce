"""Says what a statement takes and gives before it runs: columns, and the types of its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.encode.pg import PgColumn
from engine.query.parameters import placeholder_number
from engine.query.parse import ParsedSql, read_sql
from engine.query.resolve import DATASETS, MAIN, resolve_tables
from engine.service.context import Caller, Engine
from engine.service.pg_snapshot import snapshot_for
from engine.service.queries import QueryOptions, check_text
from engine.translate import translated
from engine.workers.answers import Answers
from engine.workers.execution import Limits
from engine.workers.tasks import DescribeTask, EmbeddingBinding, TableBinding


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

    Nothing is read or recorded, and no table is copied for it.

    Raises:
        SqlInvalid: or a subclass: the statement was refused, by us or by the planner.
    """
    check_text(engine, sql)
    settings = engine.settings
    catalog = options.default_catalog or DATASETS
    schema = options.default_schema or MAIN
    snapshot = await snapshot_for(engine, caller, sql, catalog, options.pg_session)
    parsed = (
        read_sql(sql, terms_max=settings.sql_terms_max)
        if snapshot is None
        else ParsedSql(sql, "select", (), is_plain=False)
    )

    async def find(names: tuple[tuple[str, ...], ...]) -> tuple[TableBinding, ...]:
        resolved = await resolve_tables(
            engine, caller, names, default_catalog=catalog, default_schema=schema
        )
        return resolved.shapes

    async def find_one(name: tuple[str, ...]) -> tuple[TableBinding, ...]:
        return await find((name,))

    async def embed(how: EmbeddingBinding, text: str) -> Sequence[float]:
        return [0.0] * how.width  # nobody looks at distances

    task = DescribeTask(parsed.sql, await find(parsed.tables), catalog, schema, snapshot)
    limits = Limits(settings.query_timeout_s, settings.query_memory_bytes)
    done = await engine.pool.run_task(
        caller.workspace_id, task, limits=limits, answers=Answers(find_one, embed)
    )
    return StatementDescription(
        tuple(PgColumn(*facts) for facts in done["columns"]),
        {placeholder_number(number): oid for number, oid in done["parameters"].items()},
    )
