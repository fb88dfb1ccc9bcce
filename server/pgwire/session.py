"""One session: messages in, messages out.

It knows neither sockets nor clocks beside the time limit of a statement: what it sends goes to a function, and
whoever reads messages for it may interrupt what it does. The trap: after an error in the extended
protocol everything up to the next Sync is skipped, whatever it is.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from engine.query.parameters import SqlLiteral
from server.pgwire import backend
from server.pgwire.commands import Declare, ExecutePrepared, Fetch, Show
from server.pgwire.errors import ConnectionGone, PgError, as_pg_error
from server.pgwire.frontend import (
    Bind,
    Close,
    CopyInput,
    Describe,
    Execute,
    Flush,
    Message,
    Parse,
    Query,
    Sync,
)
from server.pgwire.parameters import literal_of
from server.pgwire.rows import AnswerRows
from server.pgwire.runner import QueryRunner
from server.pgwire.session_commands import SessionCommands
from server.pgwire.state import FAILED, IDLE, IN_TRANSACTION, Portal, SessionState, Statement
from server.pgwire.statements import read_command, split_statements

_log = structlog.get_logger()

_BUG = "XX000"


class Session:
    """What a client that is logged in talks to."""

    def __init__(self, state: SessionState, runner: QueryRunner) -> None:
        self._state = state
        self._runner = runner
        self._commands = SessionCommands(state, runner)
        self._skips = False
        self._running: asyncio.Task[None] | None = None
        self._is_cancelled = False

    async def handle(self, message: Message) -> None:
        """Answer one message; errors become messages too."""
        if isinstance(message, Sync):
            self._skips = False
            await self._end_of_run()
            return
        if self._skips:
            return
        try:
            await self._interruptible(self._do(message))
        except ConnectionGone:
            raise
        except Exception as error:  # noqa: BLE001 - the outermost frame of a statement
            await self._refuse(error)
            self._skips = not isinstance(message, Query | Flush | CopyInput)
        if isinstance(message, Query):
            await self._end_of_run()

    def interrupt(self) -> None:
        """Stop what is being done, because its client wants so."""
        if self._running is not None:
            self._is_cancelled = True
            self._running.cancel()

    async def aclose(self) -> None:
        """Forget everything."""
        await self._state.close_portals(held=True)

    async def _interruptible(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._running = asyncio.ensure_future(work)
        self._is_cancelled = False
        try:
            async with asyncio.timeout(self._state.settings.timeout_s):
                await task
        except TimeoutError:
            raise PgError("canceling statement due to statement timeout", "57014") from None
        except asyncio.CancelledError:
            if self._is_cancelled:
                raise PgError("canceling statement due to user request", "57014") from None
            raise
        finally:
            self._running = None

    async def _refuse(self, error: Exception) -> None:
        known = as_pg_error(error)
        if known.sqlstate == _BUG:
            _log.error("pgwire.bug", exc_info=error)
        if self._state.status == IN_TRANSACTION:
            self._state.status = FAILED
        await self._state.send(backend.error(known.fields))

    async def _end_of_run(self) -> None:
        """Outside a transaction portals live until the end of a run of messages."""
        state = self._state
        if state.status == IDLE:
            await state.report(state.settings.end_transaction())
            await state.close_portals(held=False)
        await state.send(backend.ready(state.status))

    async def _do(self, message: Message) -> None:
        match message:
            case Query(sql):
                await self._simple(sql)
            case Parse():
                await self._parse(message)
            case Bind():
                await self._bind(message)
            case Describe():
                await self._describe(message)
            case Execute(name, rows_max):
                await self._execute(self._state.portal(name), rows_max)
            case Close():
                await self._close(message)
            case Flush() | CopyInput():
                pass
            case _:
                raise PgError("this message is not supported", "0A000")

    async def _simple(self, sql: str) -> None:
        pieces = split_statements(sql)
        if not pieces:
            await self._state.send(backend.EMPTY_QUERY)
        for piece in pieces:
            portal = Portal(Statement(piece, read_command(piece)))
            try:
                if portal.statement.gives_rows:
                    await self._describe_portal(portal)
                await self._execute(portal, 0)
            finally:
                if portal.rows is not None:
                    await portal.rows.aclose()

    async def _parse(self, message: Parse) -> None:
        pieces = split_statements(message.sql)
        if len(pieces) > 1:
            raise PgError("cannot insert multiple commands into a prepared statement", "42601")
        sql = pieces[0] if pieces else ""
        command = read_command(sql) if sql else None
        self._state.add_statement(message.name, Statement(sql, command, message.types))
        await self._state.send(backend.PARSE_COMPLETE)

    async def _bind(self, message: Bind) -> None:
        statement = self._state.statement(message.statement)
        count = len(message.values)
        formats = _for_each(message.formats, count, "parameter")
        types = await self._runner.types_of(_query_of(statement), count)
        values = tuple(map(literal_of, types, formats, message.values))
        portal = Portal(statement, values, message.result_formats)
        await self._state.add_portal(message.portal, portal)
        await self._state.send(backend.BIND_COMPLETE)

    async def _close(self, message: Close) -> None:
        if message.is_portal:
            await self._state.close_portal(message.name)
        else:
            self._state.drop_statement(message.name)
        await self._state.send(backend.CLOSE_COMPLETE)

    async def _describe(self, message: Describe) -> None:
        if message.is_portal:
            portal = self._state.portal(message.name)
            if portal.statement.gives_rows:
                await self._describe_portal(portal)
            else:
                await self._state.send(backend.NO_DATA)
            return
        statement = self._state.statement(message.name)
        if statement.command is not None or not statement.sql:
            await self._state.send(backend.parameter_description(statement.types))
            columns = (
                None
                if statement.command is None
                else await self._commands.columns_of(statement.command)
            )
        else:
            types = await self._runner.types_of(statement)
            await self._state.send(backend.parameter_description(types))
            columns = await self._runner.columns_of(statement)
        if columns is None:
            await self._state.send(backend.NO_DATA)
        else:
            await self._state.send(backend.row_description(columns, [0] * len(columns)))

    async def _describe_portal(self, portal: Portal) -> None:
        """Describe the rows of a portal; those of a query are on their way then."""
        statement = portal.statement
        if isinstance(statement.command, Show | Fetch):
            columns = await self._commands.columns_of(statement.command)
            assert columns is not None
        elif portal.is_cursor:  # the first FETCH says how its rows are encoded
            columns = await self._runner.columns_of(statement)
        else:
            columns = (await self._rows_of(portal)).columns
        formats = _for_each(portal.formats, len(columns), "column")
        await self._state.send(backend.row_description(columns, formats))

    async def _execute(self, portal: Portal, rows_max: int) -> None:
        """Run a statement, or go on with it."""
        statement = portal.statement
        self._commands.check_status(statement.command)
        if not statement.sql:
            await self._state.send(backend.EMPTY_QUERY)
        elif statement.command is None or isinstance(statement.command, ExecutePrepared):
            await self._send_rows(portal, rows_max)
        else:
            await self._commands.run(statement.command, portal)

    async def _send_rows(self, portal: Portal, rows_max: int) -> None:
        rows = await self._rows_of(portal)
        send = self._state.send
        if portal.is_complete:  # as in Postgres nothing is left, and nothing runs again
            await send(backend.command_complete("SELECT 0"))
            return
        if rows_max:
            count = await rows.send_some(send, rows_max)
            if not rows.is_over:
                await send(backend.PORTAL_SUSPENDED)
                return
        else:
            count = await rows.send_all(send)
        portal.is_complete = True
        if rows.warning is not None:
            await self._state.notice(rows.warning, "01000")
        await send(backend.command_complete(f"SELECT {count}"))

    async def _rows_of(self, portal: Portal) -> AnswerRows:
        """Have the rows of a portal on their way."""
        if portal.rows is None:
            statement, values = portal.statement, portal.values
            self._commands.check_status(statement.command)
            if isinstance(statement.command, ExecutePrepared):
                values = tuple(map(SqlLiteral, statement.command.arguments))
                statement = self._commands.prepared(statement.command.name)
            portal.rows = await self._runner.run(statement.sql, values, portal.formats)
        return portal.rows


def _query_of(statement: Statement) -> Statement:
    """Return the query whose parameters a statement has: of a cursor, what it is declared for."""
    if isinstance(statement.command, Declare):
        return Statement(statement.command.sql, None, statement.types)
    return statement


def _for_each(codes: tuple[int, ...], count: int, what: str) -> list[int]:
    """Say the format of each: none = all text, one = for all."""
    if len(codes) in {0, 1}:
        return [*(codes or (0,))] * count
    if len(codes) != count:
        raise PgError(f"{len(codes)} formats were given for {count} {what}s", "08P01")
    return [*codes]
