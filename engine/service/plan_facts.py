"""What the unoptimised plan of a text says, without running it."""

from typing import Any

from engine.query.resolve import DATASETS, MAIN, resolve_tables
from engine.service.context import Caller, Engine
from engine.workers.answers import Answers
from engine.workers.execution import Limits
from engine.workers.tasks import ClassifyTask, TableBinding


async def plan_facts(engine: Engine, caller: Caller, sql: str) -> dict[str, Any]:
    """Plan a text in a worker over the workspace's tables as they are now.

    The worker asks for each table it meets, so the text is never parsed in this process.

    Returns:
        The fields of :class:`catalog.model.Classification`.

    Raises:
        EngineError: the text does not plan, or no worker could plan it.
    """
    task = ClassifyTask(sql, (), DATASETS, MAIN, engine.settings.sql_terms_max)
    limits = Limits(engine.settings.query_timeout_s, engine.settings.query_memory_bytes)

    async def resolve(name: tuple[str, ...]) -> tuple[TableBinding, ...]:
        resolved = await resolve_tables(
            engine, caller, [name], default_catalog=DATASETS, default_schema=MAIN
        )
        return resolved.shapes

    return await engine.pool.run_task(
        caller.workspace_id, task, limits=limits, answers=Answers(resolve)
    )
