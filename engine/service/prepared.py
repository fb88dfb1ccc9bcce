"""A statement that is ready to run but for the remote tables whose rows are not here yet."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from engine.query.resolve import Wanted, resolve_tables
from engine.service.context import Caller, Engine
from engine.service.live import WHOLE_TABLE, explain_live, run_live, scan
from engine.service.sync import sync_wanted
from engine.workers.tasks import QueryTask, Scan, TableBinding

_SMALL_TABLE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """A task, and what it waits for.

    Attributes:
        task: with the tables that can be read now.
        wanted: those that cannot.
        is_plain: filtered rows of one table: see ``ParsedSql``.
        reads_rows: False when the statement only asks for a plan or for columns.
    """

    task: QueryTask
    wanted: tuple[Wanted, ...]
    is_plain: bool
    reads_rows: bool

    @asynccontextmanager
    async def completed(self, engine: Engine) -> AsyncIterator["ReadyQuery"]:
        """Have every table: sync the missing ones side by side, and ask the sources of live ones.

        Raises:
            EngineError: a source failed.
        """
        async with AsyncExitStack() as stack:
            yield ReadyQuery(await self._complete(engine, stack), self.reads_rows, stack)

    async def _complete(self, engine: Engine, stack: AsyncExitStack) -> QueryTask:
        if not self.wanted:
            return self.task
        live = [each for each in self.wanted if each.found.is_live]
        missing = [each for each in self.wanted if not each.found.is_live]
        bound = await bind_missing(engine, missing, reads_rows=self.reads_rows)
        tables = (*self.task.tables, *bound)
        task = replace(self.task, tables=tables, scan=scan_of(tables, is_plain=self.is_plain))
        if not live:
            return task
        if self.reads_rows:
            return await run_live(engine, task, live, stack)
        return await explain_live(engine, task, live)


@dataclass(frozen=True, slots=True)
class ReadyQuery:
    """A task with every table, and what may be needed while it runs."""

    task: QueryTask
    reads_rows: bool
    stack: AsyncExitStack

    async def resolve(
        self, engine: Engine, caller: Caller, name: tuple[str, ...]
    ) -> tuple[TableBinding, ...]:
        """Answer a worker that asks for one more table."""
        resolved = await resolve_tables(
            engine,
            caller,
            [name],
            default_catalog=self.task.default_catalog,
            default_schema=self.task.default_schema,
        )
        found = list(resolved.tables)
        for wanted in resolved.wanted:
            if wanted.found.is_live and self.reads_rows:
                found.append(await scan(engine, wanted, WHOLE_TABLE, self.stack))
            else:
                found += await bind_missing(engine, [wanted], reads_rows=self.reads_rows)
        return tuple(found)


async def bind_missing(
    engine: Engine, wanted: Sequence[Wanted], *, reads_rows: bool
) -> tuple[TableBinding, ...]:
    """Bind tables that have no copy yet: to a fresh one, or to none when only a plan is asked for."""
    if not reads_rows:
        return tuple(each.shape for each in wanted)
    return await sync_wanted(engine, wanted) if wanted else ()


def scan_of(tables: Sequence[TableBinding], *, is_plain: bool) -> Scan:
    """Choose how tables are read."""
    if not is_plain:
        return Scan.PARALLEL
    size_bytes = sum(table.size_bytes for table in tables)
    return Scan.SINGLE if size_bytes <= _SMALL_TABLE_BYTES else Scan.LATE
