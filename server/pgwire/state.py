"""What a session remembers: its settings, its statements and portals, and whether it is in a transaction."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from engine.query.parameters import SqlLiteral
from engine.service.describing import StatementDescription
from server.pgwire import backend
from server.pgwire.commands import Command
from server.pgwire.errors import PgError
from server.pgwire.rows import AnswerRows
from server.pgwire.settings import SessionSettings

Send = Callable[[bytes], Awaitable[None]]

IDLE, IN_TRANSACTION, FAILED = b"I", b"T", b"E"
_STATEMENTS_MAX = 1000
_PORTALS_MAX = 100


@dataclass(slots=True)
class Statement:
    """A command of the session, or a query with the OIDs of its first parameters' types.

    An empty text is a statement too. ``description`` is that of a query, once somebody asked.
    """

    sql: str
    command: Command | None
    types: tuple[int, ...] = ()
    description: StatementDescription | None = None

    @property
    def gives_rows(self) -> bool:
        """Whether its answer has rows."""
        return bool(self.sql) and (self.command is None or self.command.gives_rows)


@dataclass(slots=True)
class Portal:
    """A statement with its values, and what is left of its answer once it runs.

    ``formats`` are those of the answer: 0 text, 1 binary; none = all text, one = for all. A cursor is a
    portal that was declared; one that ``is_held`` outlives the transaction.
    """

    statement: Statement
    values: tuple[SqlLiteral, ...] = ()
    formats: tuple[int, ...] = ()
    is_cursor: bool = False
    is_held: bool = False
    rows: AnswerRows | None = None
    is_complete: bool = False


@dataclass(slots=True)
class SessionState:
    """What the parts of a session share.

    Attributes:
        settings: as SET changes them.
        send: takes what the client shall get, and waits while it is slow.
        status: of the transaction, as the client is told.
    """

    settings: SessionSettings
    send: Send
    status: bytes = IDLE
    _statements: dict[str, Statement] = field(default_factory=dict)
    _portals: dict[str, Portal] = field(default_factory=dict)

    def statement(self, name: str) -> Statement:
        """Find a prepared statement."""
        found = self._statements.get(name)
        if found is None:
            what = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise PgError(f"{what} does not exist", "26000")
        return found

    def add_statement(self, name: str, statement: Statement) -> None:
        """Prepare a statement; the one without a name is replaced."""
        if name and name in self._statements:
            raise PgError(f'prepared statement "{name}" already exists', "42P05")
        if len(self._statements) >= _STATEMENTS_MAX:
            raise PgError("too many prepared statements", "53400")
        self._statements[name] = statement

    def drop_statement(self, name: str) -> bool:
        """Forget a prepared statement; tell whether there was one."""
        return self._statements.pop(name, None) is not None

    def drop_statements(self) -> None:
        """Forget all prepared statements that have a name."""
        self._statements = {name: each for name, each in self._statements.items() if not name}

    def portal(self, name: str) -> Portal:
        """Find a portal, or a cursor, which is one."""
        found = self._portals.get(name)
        if found is None:
            raise PgError(f'{"cursor" if name else "portal"} "{name}" does not exist', "34000")
        return found

    async def add_portal(self, name: str, portal: Portal) -> None:
        """Make a portal known; the one without a name is replaced."""
        if name and name in self._portals:
            raise PgError(f'cursor "{name}" already exists', "42P03")
        if len(self._portals) >= _PORTALS_MAX:
            raise PgError("too many cursors", "53400")
        await self.close_portal(name)
        self._portals[name] = portal

    async def close_portal(self, name: str) -> None:
        """Forget a portal, if there is one, and stop what it does."""
        portal = self._portals.pop(name, None)
        if portal is not None and portal.rows is not None:
            await portal.rows.aclose()

    async def close_portals(self, *, held: bool) -> None:
        """Forget every portal, of those that are held only when told so."""
        for name, portal in [*self._portals.items()]:
            if held or not portal.is_held:
                await self.close_portal(name)

    async def notice(self, message: str, sqlstate: str) -> None:
        """Warn the client."""
        fields = {"S": "WARNING", "V": "WARNING", "C": sqlstate, "M": message}
        await self.send(backend.notice(fields))

    async def report(self, changed: dict[str, str]) -> None:
        """Tell the client of settings that it follows."""
        for name, value in changed.items():
            await self.send(backend.parameter_status(name, value))
