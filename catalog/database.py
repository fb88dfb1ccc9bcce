"""The catalog as the event loop sees it: reads in threads, writes through one group-committing thread.

A write or append resolves only after its commit, so whatever was acknowledged survives a crash.
The trap: functions given to ``write`` and ``append`` may run twice (see ``catalog.writer``).
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from catalog.connections import Engines, is_connection_lost, open_engines, translate
from catalog.errors import Unavailable
from catalog.writer import Call, Item, Operation, Outcome, Writer

P = ParamSpec("P")
T = TypeVar("T")

_DEFER_S = 0.1
_PING_S = 5.0
_PENDING_MAX = 10_000


class Identified(Protocol):
    """A row that knows its id."""

    @property
    def id(self) -> str:
        """The id of the row."""


ItemT = TypeVar("ItemT", bound=Identified)


@dataclass(slots=True)
class _Deferred:
    item: Item
    due_s: float


class Database:
    """One catalog: a pool of reader threads and one writer thread. Bound to one event loop.

    ``changes`` moves with every :meth:`write`, before its caller hears of it: what was read may be
    remembered for as long as it stands still. It is None where other servers write as well.
    """

    def __init__(self, engines: Engines, *, readers: int, loop: asyncio.AbstractEventLoop) -> None:
        self._engines = engines
        self._loop = loop
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="catalog-reader")
        self._writer = Writer(engines.writer, loop, self._settle)
        self._outbox: list[Operation] = []
        self._deferred: dict[tuple[Any, str], _Deferred] = {}
        self._defer_timer: asyncio.TimerHandle | None = None
        self._pending = 0
        self._writes: set[asyncio.Future[Any]] = set()
        self._is_closed = False
        self.changes: int | None = 0 if engines.is_exclusive else None

    @classmethod
    async def open(cls, url: str, *, readers: int = 4) -> "Database":
        """Migrate the catalog to the newest schema and open it.

        Two servers may do so at the same moment.

        Args:
            url: ``sqlite:////absolute/path.db`` or ``postgresql+psycopg://…``.
            readers: reads that may run at once.

        Raises:
            Unavailable: the database cannot be reached.
            InvalidValue: the URL is not one of the two.
        """
        engines = await asyncio.to_thread(open_engines, url, readers=readers)
        return cls(engines, readers=readers, loop=asyncio.get_running_loop())

    async def read(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn(connection, …)`` in a reader thread, on one read-only snapshot.

        Raises:
            Unavailable: the catalog cannot be reached.
        """
        if self._is_closed:
            raise Unavailable
        call = partial(self._read, lambda connection: fn(connection, *args, **kwargs))
        return await self._loop.run_in_executor(self._readers, call)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn(connection, …)`` in the writer thread; return its value once it is durable.

        Its error rolls back its own changes only.

        Raises:
            Unavailable: the catalog cannot be reached; the change may or may not be there.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._writes.add(future)
        self._submit(Call(lambda connection: fn(connection, *args, **kwargs), future))
        return await future

    def append(
        self,
        fn: Callable[[Connection, Sequence[ItemT]], None],
        item: ItemT,
        *,
        deferred: bool = False,
    ) -> asyncio.Future[None]:
        """Hand a row to ``fn(connection, rows)`` together with the others of its group.

        Args:
            fn: writes rows and replaces those whose id is already there.
            item: the row.
            deferred: nobody waits for it; it may be held back for 100 ms, and is not written at all
                when the next state of the same id arrives meanwhile.

        Returns:
            A future that resolves once the row, or its next state, is durable.
        """
        key = (fn, item.id)
        waiting = self._deferred.get(key)
        if waiting is not None and not waiting.item.future.done():
            operation = waiting.item
            operation.row = item
        else:
            operation = Item(fn, item, self._loop.create_future())
            waiting = None
        if not deferred:
            self._deferred.pop(key, None)
            self._submit(operation)
        elif waiting is None:
            self._defer(operation, key)
        return operation.future

    async def ping(self) -> None:
        """Check that the catalog answers reads and that its writer works.

        Raises:
            Unavailable: it does not, within 5 seconds.
        """
        if not self._writer.is_alive:
            raise Unavailable
        try:
            await asyncio.wait_for(self.read(_select_one), _PING_S)
        except TimeoutError:
            raise Unavailable from None

    async def close(self) -> None:
        """Commit everything that was accepted, then close the connections. Idempotent."""
        if self._is_closed:
            return
        for waiting in self._deferred.values():
            self._submit(waiting.item)
        self._deferred.clear()
        self._flush()
        self._is_closed = True
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._readers.shutdown)
        self._engines.dispose()

    def _read(self, fn: Callable[[Connection], T]) -> T:
        try:
            try:
                return self._read_once(fn)
            except SQLAlchemyError as error:
                if not is_connection_lost(error):
                    raise
                # The pool drops its connections after a loss: the second one is fresh.
                return self._read_once(fn)
        except SQLAlchemyError as error:
            raise translate(error) from error

    def _read_once(self, fn: Callable[[Connection], T]) -> T:
        with self._engines.reader.connect() as connection, connection.begin():
            return fn(connection)

    def _defer(self, operation: Item, key: tuple[Any, str]) -> None:
        # Nobody may ever look at the future: its error shows on the next state of the row.
        operation.future.add_done_callback(_look_at)
        due_s = self._loop.time() + _DEFER_S
        self._deferred[key] = _Deferred(operation, due_s)
        if self._defer_timer is None:
            self._defer_timer = self._loop.call_at(due_s, self._flush_due)

    def _flush_due(self) -> None:
        self._defer_timer = None
        now_s = self._loop.time()
        while self._deferred:
            key, waiting = next(iter(self._deferred.items()))
            if waiting.due_s > now_s:
                self._defer_timer = self._loop.call_at(waiting.due_s, self._flush_due)
                return
            del self._deferred[key]
            self._submit(waiting.item)

    def _submit(self, operation: Operation) -> None:
        if self._is_closed or self._pending >= _PENDING_MAX:
            operation.future.set_exception(Unavailable())
            return
        self._pending += 1
        # What one turn of the loop submits becomes one group: a run and its result, for example.
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(operation)

    def _flush(self) -> None:
        if self._outbox:
            self._writer.submit(self._outbox)
            self._outbox = []

    def _settle(self, outcomes: list[Outcome]) -> None:
        self._pending -= len(outcomes)
        for outcome in outcomes:
            if outcome.future in self._writes:
                self._writes.discard(outcome.future)
                if self.changes is not None:
                    self.changes += 1
            if outcome.future.done():
                continue
            if outcome.error is None:
                outcome.future.set_result(outcome.value)
            elif isinstance(outcome.error, StopIteration):  # which no future takes
                outcome.future.set_exception(RuntimeError("StopIteration"))
            else:
                outcome.future.set_exception(outcome.error)


def _select_one(connection: Connection) -> None:
    connection.execute(select(1))


def _look_at(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
