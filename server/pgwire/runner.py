"""Brings statements to the engine: as the caller of the session, in its catalog and schema."""

import time
from collections.abc import Callable

from engine.encode.pg import CopyOptions, PgColumn, copy_format_name, rows_format_name
from engine.pg_catalog.snapshot import CatalogSession
from engine.query.parameters import SqlLiteral, count_placeholders
from engine.service.context import Caller, Engine
from engine.service.describing import StatementDescription, describe_statement
from engine.service.queries import QueryAnswer, QueryOptions, run_query
from server.pgwire.parameters import TEXT
from server.pgwire.rows import AnswerRows
from server.pgwire.settings import SessionSettings, path_names
from server.pgwire.state import Statement

_STARTED_US = time.time_ns() // 1000


class QueryRunner:
    """The engine as one session sees it.

    Args:
        engine: open for serving.
        caller: who asks, in which workspace.
        place: the catalog where tables are looked for, and the schema that ``public`` means in it.
        settings: of the session.
        admit: raises ``Overloaded`` when the workspace asks too much.
    """

    def __init__(
        self,
        engine: Engine,
        caller: Caller,
        place: tuple[str, str],
        settings: SessionSettings,
        admit: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._caller = caller
        self._catalog, self._schema = place
        self._settings = settings
        self._admit = admit
        self.process_id = 0
        self._spool_folder = engine.settings.data_dir / "spill"

    async def run(
        self, sql: str, values: tuple[SqlLiteral, ...] = (), formats: tuple[int, ...] = ()
    ) -> AnswerRows:
        """Run a query; its rows are messages of the protocol in these formats."""
        zone = self._settings.get("timezone")
        return await self._run(sql, values, rows_format_name(formats, zone))

    async def copy(self, sql: str, options: CopyOptions) -> AnswerRows:
        """Run a query; its rows are messages of a COPY."""
        return await self._run(sql, (), copy_format_name(options, self._settings.get("timezone")))

    async def describe(self, statement: Statement) -> StatementDescription:
        """Say what a query takes and gives; remembered with the statement."""
        if statement.description is None:
            statement.description = await describe_statement(
                self._engine, self._caller, statement.sql, self._options("none", ())
            )
        return statement.description

    async def columns_of(self, statement: Statement) -> tuple[PgColumn, ...]:
        """Say what a query gives."""
        return (await self.describe(statement)).columns

    async def types_of(self, statement: Statement, count: int | None = None) -> list[int]:
        """Say the OIDs of the types of parameters: as the client says, or as follows from their places.

        Args:
            statement: whose.
            count: how many; None = as many as it names. Only then each has a type for sure.
        """
        given = [*statement.types]
        if statement.command is not None or (
            count is not None and len(given) >= count and all(given)
        ):
            return (given + [0] * (count or 0))[:count]
        known = (await self.describe(statement)).parameters
        wanted = max(count_placeholders(statement.sql), len(given)) if count is None else count
        given += [0] * (wanted - len(given))
        unknown = TEXT if count is None else 0
        return [oid or known.get(n + 1, unknown) for n, oid in enumerate(given[:wanted])]

    async def _run(self, sql: str, values: tuple[SqlLiteral, ...], encoding: str) -> AnswerRows:
        self._admit()
        answer = await run_query(self._engine, self._caller, sql, self._options(encoding, values))
        assert isinstance(answer, QueryAnswer)
        return AnswerRows(answer, self._spool_folder)

    def _session_facts(self) -> CatalogSession:
        """Say what the system catalogs show of this session."""
        settings = self._settings
        names = [
            self._schema if name == "public" else name
            for name in path_names(settings.get("search_path"))
        ]
        return CatalogSession(
            user=settings.get("session_authorization"),
            search_path=tuple(name for name in names if name != "$user"),
            backend_pid=self.process_id,
            server_started_us=_STARTED_US,
            settings={name: value for name, value, _ in settings.all()},
        )

    def _options(self, encoding: str, values: tuple[SqlLiteral, ...]) -> QueryOptions:
        return QueryOptions(
            format=encoding,
            default_catalog=self._catalog,
            default_schema=self._settings.schema or self._schema,
            params=values,
            keeps_result=self._settings.keeps_results,
            pg_session=self._session_facts,
        )
