"""A statement that is ready to run but for the remote tables whose rows are not here yet."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from engine.errors import Conflict
from engine.query.parse import explained_query
from engine.query.resolve import Resolved, Wanted, resolve_tables
from engine.service.context import Caller, Engine
from engine.service.live import WHOLE_TABLE, explain_live, run_live, scan
from engine.service.sync import sync_wanted
from engine.workers.execution import Limits
from engine.workers.tasks import LivePlanTask, QueryTask, ScanMode, TableBinding

_SMALL_TABLE_BYTES = 64 * 1024 * 1024
_PURGES_MAX = 5


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """A task, and what it waits for.

    Attributes:
        task: with the tables that can be read now.
        wanted: those that cannot.
        names: of all its tables, as the statement has them.
        is_plain: filtered rows of one table: see ``ParsedSql``.
        reads_rows: False when the statement only asks for a plan or for columns.
    """

    task: QueryTask
    wanted: tuple[Wanted, ...]
    names: tuple[tuple[str, ...], ...]
    is_plain: bool
    reads_rows: bool

    @asynccontextmanager
    async def completed(self, engine: Engine, caller: Caller) -> AsyncIterator["ReadyQuery"]:
        """Have every table: sync the missing ones side by side, and ask the sources of live ones.

        Raises:
            EngineError: a source failed.
        """
        async with AsyncExitStack() as stack:
            ready = ReadyQuery(self.task, self.reads_rows, stack, [])
            if self.wanted:
                ready = replace(ready, task=await self._complete(engine, caller, ready))
            yield ready

    async def _complete(self, engine: Engine, caller: Caller, ready: "ReadyQuery") -> QueryTask:
        resolved = Resolved(self.task.tables, self.wanted)
        if self.reads_rows:
            if len(resolved.shapes) < len(self.names):
                await ready.check_names(engine, caller, resolved)
            resolved = await ready.have_copies(engine, caller, self.names, resolved)
        live = [each for each in resolved.wanted if each.found.is_live]
        shapes = [each.shape for each in resolved.wanted if not each.found.is_live]
        tables = (*resolved.tables, *shapes)
        task = replace(self.task, tables=tables, scan=scan_of(tables, is_plain=self.is_plain))
        if not live:
            return task
        resolve = partial(ready.shapes_of, engine, caller)
        if self.reads_rows:
            return await run_live(engine, task, live, ready.stack, resolve)
        if explained_query(task.sql) is None:  # the columns are asked for, no plan
            return replace(task, tables=(*tables, *(each.shape for each in live)))
        return await explain_live(engine, task, live, resolve)


@dataclass(frozen=True, slots=True)
class ReadyQuery:
    """A task with every table, and what may be needed while it runs."""

    task: QueryTask
    reads_rows: bool
    stack: AsyncExitStack
    warnings: list[str]

    async def resolve(
        self, engine: Engine, caller: Caller, name: tuple[str, ...]
    ) -> tuple[TableBinding, ...]:
        """Answer a worker that asks for one more table."""
        resolved = await self._find(engine, caller, [name])
        if not self.reads_rows:
            return resolved.shapes
        resolved = await self.have_copies(engine, caller, [name], resolved)
        live = [await scan(engine, each, WHOLE_TABLE, self.stack) for each in resolved.wanted]
        return (*resolved.tables, *live)

    async def check_names(self, engine: Engine, caller: Caller, resolved: Resolved) -> None:
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
        limits = Limits(engine.settings.query_timeout_s, engine.settings.query_memory_bytes)
        resolve = partial(self.shapes_of, engine, caller)
        await engine.pool.run_task(caller.workspace_id, task, limits=limits, resolve=resolve)

    async def shapes_of(
        self, engine: Engine, caller: Caller, name: tuple[str, ...]
    ) -> tuple[TableBinding, ...]:
        """Answer a worker that only plans."""
        return (await self._find(engine, caller, [name])).shapes

    async def have_copies(
        self,
        engine: Engine,
        caller: Caller,
        names: Iterable[tuple[str, ...]],
        resolved: Resolved,
    ) -> Resolved:
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
            lost = await sync_wanted(engine, missing)
            self.warnings.extend(each for each in lost if each not in self.warnings)
            # That may have taken long: the other tables may have other copies by now, or none.
            resolved = await self._find(engine, caller, names)
        return resolved

    async def _find(
        self, engine: Engine, caller: Caller, names: Iterable[tuple[str, ...]]
    ) -> Resolved:
        return await resolve_tables(
            engine,
            caller,
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
