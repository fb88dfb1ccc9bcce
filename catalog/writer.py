"""The one thread that writes: it commits whatever waits as one group and answers after the commit.

An operation is answered with success only when its transaction is durable. Operations of a group
do not see each other's failures: a call has its own savepoint, and when a batch fails the group is
rolled back and run again one by one. So every operation must be free of effects outside the
database: it may run twice. Inside a group rows may be written before calls run: only who waited for
one operation knows that it comes before another.

The trap is the interpreter lock: a busy event loop can hold it for milliseconds, so the writer
makes few, large calls into the driver and wakes the loop once per group.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from catalog.connections import is_connection_lost, is_disk_failure, translate
from catalog.errors import Unavailable

_GROUP_MAX = 512


@dataclass(slots=True, eq=False)
class Call:
    """A function to run once, in its own savepoint."""

    run: Callable[[Connection], Any]
    future: asyncio.Future[Any]


@dataclass(slots=True, eq=False)
class Item:
    """A row handed to ``write_rows`` together with the other rows of the group."""

    write_rows: Callable[[Connection, Sequence[Any]], None]
    row: Any
    future: asyncio.Future[Any]


Operation = Call | Item


@dataclass(slots=True, frozen=True)
class Outcome:
    """What became of an operation: a value, or an error."""

    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None


class _CommitFailed(Exception):
    """Nobody knows whether the group is durable."""


class _CannotBegin(Exception):
    """The database is away or locked for too long."""


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        on_outcomes: Callable[[list[Outcome]], None],
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._on_outcomes = on_outcomes
        self._inbox: SimpleQueue[list[Operation] | None] = SimpleQueue()
        self._connection: Connection | None = None
        self._is_broken = False
        self._thread = Thread(target=self._run, name="catalog-writer", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether writes can still become durable."""
        return self._thread.is_alive() and not self._is_broken

    def submit(self, operations: list[Operation]) -> None:
        """Queue operations; those of one call share a group. Does not block."""
        self._inbox.put(operations)

    def stop(self) -> None:
        """Commit what is queued, then end the thread. Blocks until done."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            group, is_last = self._next_group()
            if group:
                outcomes = self._commit(group)
                self._loop.call_soon_threadsafe(self._on_outcomes, outcomes)
        self._disconnect()

    def _next_group(self) -> tuple[list[Operation], bool]:
        group: list[Operation] = []
        operations = self._inbox.get()
        while operations is not None:
            group += operations
            if len(group) >= _GROUP_MAX:
                return group, False
            try:
                operations = self._inbox.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _commit(self, group: list[Operation]) -> list[Outcome]:
        if self._is_broken:
            return [_unavailable(operation) for operation in group]
        try:
            return self._transact(group)
        except _CannotBegin:
            return [_unavailable(operation) for operation in group]
        except _CommitFailed:
            # Rows are replaced by id, so writing them again is safe; a call might act twice.
            return self._one_by_one(group, may_repeat_calls=False)
        except Exception as error:  # noqa: BLE001 - whoever failed learns it in its own transaction
            if len(group) == 1 and not is_connection_lost(error):
                return [_failure(group[0], error)]
            return self._one_by_one(group, may_repeat_calls=True)

    def _one_by_one(self, group: list[Operation], *, may_repeat_calls: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        is_away = False
        for operation in group:
            may_run = may_repeat_calls or isinstance(operation, Item)
            if is_away or self._is_broken or not may_run:
                outcomes.append(_unavailable(operation))
                continue
            try:
                outcomes += self._transact([operation])
            except Exception as error:  # noqa: BLE001 - the error belongs to whoever asked
                outcomes.append(_failure(operation, error))
                is_away = isinstance(error, _CannotBegin | _CommitFailed)
        return outcomes

    def _transact(self, group: list[Operation]) -> list[Outcome]:
        """Run a group in one transaction; raises with nothing written, or ``_CommitFailed``."""
        connection = self._begin()
        try:
            outcomes = _apply(connection, group)
        except BaseException:
            self._abandon()
            raise
        try:
            connection.commit()
        except SQLAlchemyError as error:
            self._is_broken = is_disk_failure(error)
            self._abandon()
            raise _CommitFailed from error
        return outcomes

    def _begin(self) -> Connection:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            self._connection.begin()
        except SQLAlchemyError as error:
            self._abandon()
            raise _CannotBegin from error
        return self._connection

    def _abandon(self) -> None:
        """Roll back; a connection that cannot is thrown away, and with it its transaction."""
        if self._connection is None:
            return
        try:
            self._connection.rollback()
        except SQLAlchemyError:
            self._connection.invalidate()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _apply(connection: Connection, group: list[Operation]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    batches: dict[Callable[[Connection, Sequence[Any]], None], list[Any]] = {}
    calls: list[Call] = []
    for operation in group:
        if isinstance(operation, Item):
            batches.setdefault(operation.write_rows, []).append(operation.row)
            outcomes.append(Outcome(operation.future))
        else:
            calls.append(operation)
    for write_rows, rows in batches.items():
        write_rows(connection, rows)
    if len(group) == 1 and calls:
        return [Outcome(calls[0].future, calls[0].run(connection))]
    outcomes += [_call(connection, call) for call in calls]
    return outcomes


def _call(connection: Connection, call: Call) -> Outcome:
    savepoint = connection.begin_nested()
    try:
        value = call.run(connection)
    except Exception as error:
        if is_connection_lost(error):
            raise
        savepoint.rollback()
        return _failure(call, error)
    savepoint.commit()
    return Outcome(call.future, value)


def _failure(operation: Operation, error: Exception) -> Outcome:
    if isinstance(error, SQLAlchemyError):
        known: Exception = translate(error)
        known.__cause__ = error
        return Outcome(operation.future, error=known)
    if isinstance(error, _CannotBegin | _CommitFailed):
        return _unavailable(operation)
    return Outcome(operation.future, error=error)


def _unavailable(operation: Operation) -> Outcome:
    return Outcome(operation.future, error=Unavailable())
