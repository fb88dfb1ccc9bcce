"""A statement that is ready to run but for the remote tables whose rows are not here yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.query.resolve import Wanted, resolve_tables
from engine.service.context import Caller, Engine
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

    async def complete(self, engine: Engine) -> QueryTask:
        """Have every table, syncing the missing ones side by side, and return the task with all.

        Raises:
            EngineError: a source failed.
        """
        if not self.wanted:
            return self.task
        tables = (*self.task.tables, *await self._bind(engine, self.wanted))
        return replace(self.task, tables=tables, scan=scan_of(tables, is_plain=self.is_plain))

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
        return (*resolved.tables, *await self._bind(engine, resolved.wanted))

    async def _bind(self, engine: Engine, wanted: Sequence[Wanted]) -> tuple[TableBinding, ...]:
        if not self.reads_rows:
            return tuple(each.shape for each in wanted)
        return await sync_wanted(engine, wanted) if wanted else ()


def scan_of(tables: Sequence[TableBinding], *, is_plain: bool) -> Scan:
    """Choose how tables are read."""
    if not is_plain:
        return Scan.PARALLEL
    size_bytes = sum(table.size_bytes for table in tables)
    return Scan.SINGLE if size_bytes <= _SMALL_TABLE_BYTES else Scan.LATE
