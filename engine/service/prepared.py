"""A statement that is ready to run but for the remote tables whose rows are not here yet."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from engine.errors import Conflict
from engine.query.parse import ParsedSql, explained_query
from engine.query.resolve import Resolved, Wanted, resolve_tables
from engine.service.context import Caller, Engine
from engine.service.live import WHOLE_TABLE, explain_live, run_live, scan
from engine.service.query_vectors import embed_searches, embed_text
from engine.service.sync import sync_wanted
from engine.workers.answers import Answers
from engine.workers.execution import Limits
from engine.workers.tasks import (
    EmbeddingBinding,
    LivePlanTask,
    QueryTask,
    ScanMode,
    TableBinding,
)

_SMALL_TABLE_BYTES = 64 * 1024 * 1024
_PURGES_MAX = 5


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """A task, and what it waits for.

    Attributes:
        task: with the tables that can be read now.
        wanted: those that cannot.
        parsed: what is known of the statement.
    """

    task: QueryTask
    wanted: tuple[Wanted, ...]
    parsed: ParsedSql

    @asynccontextmanager
    async def completed(self, engine: Engine, caller: Caller) -> AsyncIterator["ReadyQuery"]:
        """Have every table: sync the missing ones side by side, and ask the sources of live ones.

        Texts that are searched for become vectors.

        Raises:
            EngineError: a source or an embedding provider failed.
        """
        async with AsyncExitStack() as stack:
            ready = ReadyQuery(engine, caller, self.task, self.parsed.reads_rows, stack, [])
            if self.wanted:
                ready = replace(ready, task=await self._complete(ready))
            if self.parsed.searches and self.parsed.reads_rows:
                tables = ready.task.tables
                embedded = await embed_searches(engine, caller, self.parsed.searches, tables)
                ready = replace(ready, task=replace(ready.task, embedded=embedded))
            yield ready

    async def _complete(self, ready: "ReadyQuery") -> QueryTask:
        parsed = self.parsed
        resolved = Resolved(self.task.tables, self.wanted)
        if parsed.reads_rows:
            if len(resolved.shapes) < len(parsed.tables):
                await ready.check_names(resolved)
            resolved = await ready.have_copies(parsed.tables, resolved)
        live = [each for each in resolved.wanted if each.found.is_live]
        shapes = [each.shape for each in resolved.wanted if not each.found.is_live]
        tables = (*resolved.tables, *shapes)
        task = replace(self.task, tables=tables, scan=scan_of(tables, is_plain=parsed.is_plain))
        if not live:
            return task
        planning = Answers(ready.shapes_of, ready.embed)
        if parsed.reads_rows:
            return await run_live(ready.engine, task, live, ready.stack, planning)
        if explained_query(task.sql) is None:  # the columns are asked for, no plan
            return replace(task, tables=(*tables, *(each.shape for each in live)))
        return await explain_live(ready.engine, task, live, planning)


@dataclass(frozen=True, slots=True)
class ReadyQuery:
    """A task with every table, and what may be needed while it runs."""

    engine: Engine
    caller: Caller
    task: QueryTask
    reads_rows: bool
    stack: AsyncExitStack
    warnings: list[str]

    @property
    def answers(self) -> Answers:
        """What the worker may ask while it runs the task."""
        return Answers(self.resolve, self.embed)

    async def resolve(self, name: tuple[str, ...]) -> tuple[TableBinding, ...]:
        """Find one more table for the worker."""
        resolved = await self._find([name])
        if not self.reads_rows:
            return resolved.shapes
        resolved = await self.have_copies([name], resolved)
        live = [await scan(self.engine, each, WHOLE_TABLE, self.stack) for each in resolved.wanted]
        return (*resolved.tables, *live)

    async def embed(self, how: EmbeddingBinding, text: str) -> Sequence[float]:
        """Embed one more text for the worker."""
        return await embed_text(self.engine, self.caller, how, text)

    async def check_names(self, resolved: Resolved) -> None:
        """Plan a statement with a name that is not found: for a slip of the pen nothing is copied.

        Raises:
            SqlInvalid: it cannot run.
        """
        task = LivePlanTask(
            sql=self.task.sql,
            inner_sql=None,
            tables=resolved.shapes,
            live=(),
            is_single=False,
            default_catalog=self.task.default_catalog,
            default_schema=self.task.default_schema,
        )
        settings = self.engine.settings
        limits = Limits(settings.query_timeout_s, settings.query_memory_bytes)
        answers = Answers(self.shapes_of, self.embed)
        workspace_id = self.caller.workspace_id
        await self.engine.pool.run_task(workspace_id, task, limits=limits, answers=answers)

    async def shapes_of(self, name: tuple[str, ...]) -> tuple[TableBinding, ...]:
        """Find one more table for a worker that only plans."""
        return (await self._find([name])).shapes

    async def have_copies(self, names: Iterable[tuple[str, ...]], resolved: Resolved) -> Resolved:
        """Sync the tables that have no copy; return what the names mean then.

        Raises:
            Conflict: copies were purged as fast as they were made.
            EngineError: a source failed.
        """
        attempts = 0
        while missing := [each for each in resolved.wanted if not each.found.is_live]:
            if attempts == _PURGES_MAX:
                raise Conflict(
                    "Its tables were purged again and again while the query waited for copies"
                )
            attempts += 1
            lost = await sync_wanted(self.engine, missing)
            self.warnings.extend(each for each in lost if each not in self.warnings)
            # That may have taken long: the other tables may have other copies by now, or none.
            resolved = await self._find(names)
        return resolved

    async def _find(self, names: Iterable[tuple[str, ...]]) -> Resolved:
        return await resolve_tables(
            self.engine,
            self.caller,
            names,
            default_catalog=self.task.default_catalog,
            default_schema=self.task.default_schema,
        )


def scan_of(tables: Sequence[TableBinding], *, is_plain: bool) -> ScanMode:
    """Choose how tables are read."""
    if not is_plain:
        return ScanMode.PARALLEL
    size_bytes = sum(table.size_bytes for table in tables)
    return ScanMode.SINGLE if size_bytes <= _SMALL_TABLE_BYTES else ScanMode.LATE
