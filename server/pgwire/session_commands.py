"""Does what statements about the session ask for: transactions, settings, cursors, COPY."""

from typing import assert_never

from engine.encode.pg import PgColumn
from engine.query.parameters import SqlLiteral
from server.pgwire import backend
from server.pgwire.commands import (
    CloseCursor,
    Command,
    Copy,
    Deallocate,
    Declare,
    Discard,
    ExecutePrepared,
    Fetch,
    Ignored,
    Prepare,
    SetSetting,
    Show,
    Transaction,
)
from server.pgwire.copying import copy_options
from server.pgwire.errors import PgError
from server.pgwire.parameters import TEXT
from server.pgwire.runner import QueryRunner
from server.pgwire.settings import spelled
from server.pgwire.state import FAILED, IDLE, IN_TRANSACTION, Portal, SessionState, Statement
from server.pgwire.statements import read_command


class SessionCommands:
    """The commands of one session; each is answered with its tag."""

    def __init__(self, state: SessionState, runner: QueryRunner) -> None:
        self._state = state
        self._runner = runner

    def check_status(self, command: Command | None) -> None:
        """See that a statement may run: in a failed transaction only its end is heard."""
        ends = isinstance(command, Transaction) and command.tag in {"COMMIT", "ROLLBACK"}
        if self._state.status == FAILED and not ends:
            raise PgError(
                "current transaction is aborted, commands ignored until end of transaction block",
                "25P02",
            )

    async def columns_of(self, command: Command) -> tuple[PgColumn, ...] | None:
        """Say what rows a command gives; None = it gives none."""
        match command:
            case Show(name):
                return self.columns_of_show(name)
            case Fetch(name, moves=False):
                return await self._runner.columns_of(self._state.portal(name).statement)
            case ExecutePrepared(name):
                return await self._runner.columns_of(self.prepared(name))
            case _:
                return None

    def columns_of_show(self, name: str) -> tuple[PgColumn, ...]:
        """Say what SHOW gives."""
        if name == "all":
            return tuple(PgColumn(each, TEXT, -1) for each in ("name", "setting", "description"))
        self._state.settings.get(name)
        return (PgColumn(spelled(name), TEXT, -1),)

    def prepared(self, name: str) -> Statement:
        """Find a query that PREPARE, or the client's driver, has prepared."""
        found = self._state.statement(name)
        if found.command is not None:
            raise PgError("only a query can be executed so", "0A000")
        return found

    async def cursor(self, name: str, formats: tuple[int, ...]) -> Portal:
        """Find a cursor and have its rows on their way.

        They are encoded as the first FETCH wants them, and cannot be had otherwise by the next.
        """
        portal = self._state.portal(name)
        if portal.rows is None:
            portal.formats = portal.formats or formats
            portal.rows = await self._runner.run(
                portal.statement.sql, portal.values, portal.formats
            )
        elif formats and {*formats} != {*(portal.formats or (0,))}:
            raise PgError("the cursor was begun in another format: fetch in one of them", "0A000")
        return portal

    async def run(self, command: Command, portal: Portal) -> None:
        """Do a command, of a portal with its values and formats, and answer it."""
        match command:
            case Transaction():
                tag = await self._transact(command)
            case Declare() | Fetch() | CloseCursor():
                tag = await self._use_cursor(command, portal)
            case Prepare() | Deallocate():
                tag = self._prepare(command)
            case Copy():
                tag = await self._copy(command)
            case SetSetting() | Show() | Discard() | Ignored():
                tag = await self._use_settings(command)
            case ExecutePrepared():
                raise AssertionError(command)  # runs as the query it names
            case _:
                assert_never(command)
        await self._state.send(backend.command_complete(tag))

    async def _use_settings(self, command: SetSetting | Show | Discard | Ignored) -> str:
        state = self._state
        match command:
            case SetSetting(name, value, is_local, tag):
                await state.report(state.settings.set(name, value, is_local=is_local))
                return tag
            case Show(name):
                return await self._show(name)
            case Discard(what):
                return await self._discard(what)
            case Ignored(tag):
                return tag

    async def _use_cursor(self, command: Declare | Fetch | CloseCursor, portal: Portal) -> str:
        match command:
            case Declare():
                return await self._declare(command, portal.values)
            case Fetch():
                return await self._fetch(command, portal.formats)
            case CloseCursor(name):
                return await self._close(name)

    def _prepare(self, command: Prepare | Deallocate) -> str:
        if isinstance(command, Deallocate):
            return self._deallocate(command.name)
        statement = Statement(command.sql, read_command(command.sql))
        self._state.add_statement(command.name, statement)
        return "PREPARE"

    async def _transact(self, command: Transaction) -> str:
        state, tag = self._state, command.tag
        if tag in {"BEGIN", "START TRANSACTION"}:
            if state.status != IDLE:
                await state.notice("there is already a transaction in progress", "25001")
            state.status = IN_TRANSACTION
            return tag
        if command.savepoint is not None:
            if state.status == IDLE:
                raise PgError(f"{tag} can only be used in transaction blocks", "25P01")
            state.status = IN_TRANSACTION  # nothing was written: every savepoint is the same
            return tag
        if state.status == IDLE:
            await state.notice("there is no transaction in progress", "25P01")
        if tag == "COMMIT" and state.status == FAILED:
            tag = "ROLLBACK"
        state.status = IDLE
        await state.report(state.settings.end_transaction())
        await state.close_portals(held=False)
        return tag

    async def _show(self, name: str) -> str:
        settings = self._state.settings
        rows = settings.all() if name == "all" else [(settings.get(name),)]
        for values in rows:
            await self._state.send(backend.data_row([value.encode() for value in values]))
        return "SHOW"

    async def _discard(self, what: str) -> str:
        state = self._state
        if what == "ALL":
            if state.status != IDLE:
                raise PgError("DISCARD ALL cannot run inside a transaction block", "25001")
            await state.close_portals(held=True)
            state.drop_statements()
            await state.report(state.settings.set("all", None))
        return f"DISCARD {what}"

    async def _declare(self, command: Declare, values: tuple[SqlLiteral, ...]) -> str:
        if self._state.status == IDLE and not command.is_held:
            raise PgError("DECLARE CURSOR can only be used in transaction blocks", "25P01")
        if command.scrolls:
            raise PgError("SCROLL cursors are not supported: cursors scan forward", "0A000")
        if read_command(command.sql) is not None:
            raise PgError("a cursor is for a query", "42601")
        statement = Statement(command.sql, None)
        # Planned now, so that a mistake is told of here and not by the first FETCH.
        await self._runner.describe(statement)
        formats = (1,) if command.is_binary else ()
        portal = Portal(statement, values, formats, is_cursor=True, is_held=command.is_held)
        await self._state.add_portal(command.name, portal)
        return "DECLARE CURSOR"

    async def _fetch(self, fetch: Fetch, formats: tuple[int, ...]) -> str:
        portal = await self.cursor(fetch.name, formats)
        rows = portal.rows
        assert rows is not None
        send = _drop if fetch.moves else self._state.send
        if rows.is_over or fetch.rows == 0:
            count = 0
        elif fetch.rows is None:
            count = await rows.send_all(send)
        else:
            count = await rows.send_some(send, fetch.rows)
        return f"{'MOVE' if fetch.moves else 'FETCH'} {count}"

    async def _close(self, name: str | None) -> str:
        if name is None:
            await self._state.close_portals(held=True)
            return "CLOSE CURSOR ALL"
        self._state.portal(name)
        await self._state.close_portal(name)
        return "CLOSE CURSOR"

    def _deallocate(self, name: str | None) -> str:
        if name is None:
            self._state.drop_statements()
            return "DEALLOCATE ALL"
        if not self._state.drop_statement(name):
            raise PgError(f'prepared statement "{name}" does not exist', "26000")
        return "DEALLOCATE"

    async def _copy(self, copy: Copy) -> str:
        options = copy_options(copy)
        rows = await self._runner.copy(copy.sql, options)
        try:
            head = backend.copy_out(options.format == "binary", len(rows.columns))
            await self._state.send(head)
            count = await rows.send_all(self._state.send)
        finally:
            await rows.aclose()
        await self._state.send(backend.COPY_DONE)
        return f"COPY {count}"


async def _drop(_data: bytes) -> None:
    """Take rows that MOVE goes over."""
