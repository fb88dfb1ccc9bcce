"""The methods of a Flight server, each a thin step from the protocol to the engine.

They run in threads of gRPC; what they do happens on the loop of the engine (:mod:`server.flight.calls`),
except for sending rows. A statement runs at GetFlightInfo and its rows wait for DoGet
(:mod:`server.flight.answers`); metadata is cheap and is read at DoGet.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import MappingProxyType

import orjson
import pyarrow as pa
import pyarrow.flight as fl
from typing_extensions import override

from engine.arrow_types import write_schema
from engine.errors import InvalidRequest, NotFound, StatementForbidden
from engine.query.parameters import count_placeholders
from engine.service.describing import schema_of_statement
from engine.service.queries import QueryAnswer, QueryOptions, check_text, run_query
from server.flight.answers import WaitingAnswer, WaitingAnswers, open_answer
from server.flight.calls import HEADERS, Call, CallHeadersFactory, Calls, OpenHandshakes
from server.flight.commands import (
    ActionCancelQueryRequest,
    ActionCancelQueryResult,
    ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult,
    CancelFlightInfoRequest,
    CancelFlightInfoResult,
    Command,
    CommandPreparedStatementQuery,
    CommandPreparedStatementUpdate,
    CommandStatementIngest,
    CommandStatementQuery,
    CommandStatementUpdate,
    CommandUnsupported,
    DoPutPreparedStatementResult,
    TicketStatementQuery,
    pack,
    read_command,
    tickets_of,
    unpack,
)
from server.flight.metadata import metadata_schema, read_metadata
from server.flight.parameters import (
    BoundText,
    bind,
    number_placeholders,
    parameter_schema,
)
from server.flight.prepared import PreparedStatement, PreparedStatements
from server.flight.protobuf import read_message, write_message
from server.flight.sessions import Sessions
from server.flight.streams import sent_schema, stream_answer, stream_table

_CANCELLED = 1
_BOUND_BYTES_MAX = 64 * 1024 * 1024
_READ_ONLY = "Tidemill only reads: run queries, not updates."
_UPDATES = (CommandStatementUpdate, CommandPreparedStatementUpdate, CommandStatementIngest)
_ACTIONS = MappingProxyType(
    {
        "CreatePreparedStatement": "Prepare a statement.",
        "ClosePreparedStatement": "Forget a prepared statement.",
        "CancelFlightInfo": "Cancel a statement by its FlightInfo.",
        "CancelQuery": "Cancel a statement by its FlightInfo, as older clients ask for it.",
        "SetSessionOptions": "Set the default catalog and schema of a session.",
        "GetSessionOptions": "Return the default catalog and schema of a session.",
        "CloseSession": "Forget a session.",
    }
)


class FlightSqlServer(fl.FlightServerBase):
    """Flight SQL over the engine.

    Args:
        calls: where work happens.
        location: to listen at, ``grpc+tcp://host:port`` or ``grpc+tls://host:port``.
        tls: certificate and key in PEM.
    """

    def __init__(self, calls: Calls, location: str, tls: tuple[bytes, bytes] | None) -> None:
        self._calls = calls
        self.answers = WaitingAnswers()
        self._prepared = PreparedStatements()
        self._sessions = Sessions()
        super().__init__(
            location,
            auth_handler=OpenHandshakes(),
            tls_certificates=None if tls is None else [tls],  # type: ignore[list-item]  # bytes are fine
            middleware={HEADERS: CallHeadersFactory(calls.check_token)},
        )

    @override
    def get_flight_info(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.FlightInfo:
        """Run a statement, or say how metadata looks."""

        async def work(call: Call) -> fl.FlightInfo:
            command = read_command(descriptor.command or b"")
            schema = metadata_schema(command)
            if schema is not None:
                return _info(schema, descriptor, descriptor.command or b"")
            waiting = await self._run(call, command)
            # It is under way until its rows are fetched: a drain waits for that.
            waiting.release = self._calls.hold()
            row_count, size_bytes = waiting.row_count, len(waiting.head)
            ticket = pack(TicketStatementQuery(self.answers.keep(waiting)))
            return _info(
                sent_schema(waiting.schema),
                descriptor,
                ticket,
                row_count=row_count,
                size_bytes=size_bytes if row_count >= 0 else -1,
                app_metadata=_run_of(waiting.answer),
            )

        return self._calls.run(context, work)

    @override
    def get_schema(  # type: ignore[override]  # the stubs are wrong: pyarrow takes no schema
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.SchemaResult:
        """Say what the rows of a command look like without running it."""

        async def work(call: Call) -> pa.Schema:
            command = read_command(descriptor.command or b"")
            schema = metadata_schema(command)
            return schema if schema is not None else await self._describe(call, command)

        return fl.SchemaResult(self._calls.run(context, work))

    @override
    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        """Send the rows of a statement that ran, or metadata."""
        encoded = ticket.ticket
        taken: list[tuple[bytes, WaitingAnswer]] = []

        async def work(call: Call) -> pa.Table | None:
            command = read_command(encoded)
            if isinstance(command, TicketStatementQuery):
                handle = command.statement_handle
                waiting = self.answers.take(call.caller, handle)
                taken.append((handle, waiting))
                return None
            if metadata_schema(command) is None:
                raise CommandUnsupported("The ticket is none that GetFlightInfo makes.")
            self._calls.admit(call)
            return await read_metadata(call, command)

        try:
            table = self._calls.run(context, work, follows=True)
            if table is not None:
                return stream_table(table)
            ((handle, waiting),) = taken
            finish = partial(self.answers.finish, handle)
            return stream_answer(waiting, self._calls, context, finish)
        except BaseException:
            for handle, _ in taken:
                self._calls.finish_later(self.answers.finish(handle))
            raise

    @override
    def do_put(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.FlightMetadataWriter,
    ) -> None:
        """Bind values to a prepared statement."""

        async def work(call: Call) -> tuple[bytes, PreparedStatement]:
            command = read_command(descriptor.command or b"")
            if isinstance(command, _UPDATES):
                raise StatementForbidden(_READ_ONLY)
            if not isinstance(command, CommandPreparedStatementQuery):
                raise CommandUnsupported("Only values of a prepared statement can be put.")
            handle = command.prepared_statement_handle
            return handle, self._prepared.get(call.caller, handle)

        handle, statement = self._calls.run(context, work, follows=True)
        # The values are read here: they come as the client sends them.
        statement.bound = self._calls.shown(context, lambda: _read_values(reader, statement.sql))
        result = DoPutPreparedStatementResult(handle)
        writer.write(pa.py_buffer(write_message(result)))

    @override
    def do_exchange(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.MetadataRecordBatchWriter,
    ) -> None:
        """Refuse: Flight SQL has no exchange."""
        self._calls.run(context, _refuse, follows=True)

    @override
    def list_flights(
        self, context: fl.ServerCallContext, criteria: object
    ) -> Iterator[fl.FlightInfo]:
        """Refuse: tables are listed by the commands of Flight SQL."""
        self._calls.run(context, _refuse, follows=True)
        return iter(())

    @override
    def list_actions(self, context: fl.ServerCallContext) -> list[tuple[str, str]]:  # type: ignore[override]  # pairs are fine
        """List the actions."""
        self._calls.run(context, _nothing, follows=True)
        return list(_ACTIONS.items())

    @override
    def do_action(self, context: fl.ServerCallContext, action: fl.Action) -> Iterator[bytes]:
        """Prepare, close, cancel, and keep a session's options."""
        body = action.body.to_pybytes()
        name = action.type
        steps: dict[str, Callable[[Call], Awaitable[tuple[bytes, ...]]]] = {
            "CreatePreparedStatement": partial(self._prepare, body=body),
            "ClosePreparedStatement": partial(self._close_prepared, body=body),
            "CancelFlightInfo": partial(self._cancel, body=body),
            "CancelQuery": partial(self._cancel_query, body=body),
            "GetSessionOptions": self._session_options,
            "CloseSession": self._close_session,
        }
        if name == "SetSessionOptions":
            answer, cookie = self._calls.run(context, partial(self._set_options, body=body))
            if cookie is not None:
                context.add_header("set-cookie", cookie)
            return iter((answer,))

        # What follows a statement is free: only preparing one counts as a request.
        follows = name != "CreatePreparedStatement"
        return iter(self._calls.run(context, steps.get(name, _refuse), follows=follows))

    async def _run(self, call: Call, command: Command) -> WaitingAnswer:
        """Run the statement of a command up to its first rows."""
        if isinstance(command, CommandStatementQuery):
            text = BoundText(_numbered(call, command.query), ())
            names = self._sessions.options_of(call.caller, call.headers)
        elif isinstance(command, CommandPreparedStatementQuery):
            statement = self._prepared.get(call.caller, command.prepared_statement_handle)
            text = statement.bound or BoundText(statement.sql, ())
            names = statement.options
        else:
            raise CommandUnsupported(f"{type(command).__name__} is not supported.")
        if not text.values and count_placeholders(text.sql):
            raise InvalidRequest("The statement has parameters, but no values are bound.")
        options = QueryOptions(
            format="arrow",
            params=text.values,
            default_catalog=names.catalog,
            default_schema=names.schema,
            keeps_result=names.keeps_results,
        )
        answer = await run_query(call.engine, call.caller, text.sql, options)
        assert isinstance(answer, QueryAnswer)
        return await open_answer(call.caller, answer)

    async def _describe(self, call: Call, command: Command) -> pa.Schema:
        if isinstance(command, CommandPreparedStatementQuery):
            statement = self._prepared.get(call.caller, command.prepared_statement_handle)
            sql = statement.sql
            names = statement.options
        elif isinstance(command, CommandStatementQuery):
            sql = _numbered(call, command.query)
            names = self._sessions.options_of(call.caller, call.headers)
        else:
            raise CommandUnsupported(f"{type(command).__name__} has no schema.")
        schema = await schema_of_statement(
            call.engine,
            call.caller,
            sql,
            (names.catalog, names.schema),
            parameters=count_placeholders(sql),
        )
        if schema is None:
            raise InvalidRequest("Only running the statement tells what its rows look like.")
        return sent_schema(schema)

    async def _prepare(self, call: Call, *, body: bytes) -> tuple[bytes, ...]:
        request = unpack(ActionCreatePreparedStatementRequest, body)
        sql = _numbered(call, request.query)
        count = count_placeholders(sql)
        names = self._sessions.options_of(call.caller, call.headers)
        schema = await schema_of_statement(
            call.engine, call.caller, sql, (names.catalog, names.schema), parameters=count
        )
        handle = self._prepared.add(call.caller, PreparedStatement(sql, names))
        result = ActionCreatePreparedStatementResult(
            prepared_statement_handle=handle,
            dataset_schema=b"" if schema is None else write_schema(sent_schema(schema)),
            parameter_schema=write_schema(parameter_schema(count)) if count else b"",
        )
        return (pack(result),)

    async def _close_prepared(self, call: Call, *, body: bytes) -> tuple[bytes, ...]:
        request = unpack(ActionClosePreparedStatementRequest, body)
        self._prepared.close(call.caller, request.prepared_statement_handle)
        return ()

    async def _cancel(self, call: Call, *, body: bytes) -> tuple[bytes, ...]:
        request = read_message(CancelFlightInfoRequest, body)
        await self._cancel_tickets(call, request.info)
        return (write_message(CancelFlightInfoResult(_CANCELLED)),)

    async def _cancel_query(self, call: Call, *, body: bytes) -> tuple[bytes, ...]:
        request = unpack(ActionCancelQueryRequest, body)
        await self._cancel_tickets(call, request.info)
        return (pack(ActionCancelQueryResult(_CANCELLED)),)

    async def _cancel_tickets(self, call: Call, info: bytes) -> None:
        tickets = tickets_of(info)
        if not tickets:
            raise NotFound("The FlightInfo names no ticket.")
        for ticket in tickets:
            command = read_command(ticket)
            if isinstance(command, TicketStatementQuery):
                await self.answers.cancel(call.caller, command.statement_handle)

    async def _session_options(self, call: Call) -> tuple[bytes, ...]:
        return (self._sessions.describe(call.caller, call.headers),)

    async def _close_session(self, call: Call) -> tuple[bytes, ...]:
        return (self._sessions.close(call.caller, call.headers),)

    async def _set_options(self, call: Call, *, body: bytes) -> tuple[bytes, str | None]:
        return self._sessions.change(call.caller, call.headers, body)


async def _refuse(_: Call) -> tuple[bytes, ...]:
    raise CommandUnsupported("This is not part of Tidemill's Flight SQL.")


async def _nothing(_: Call) -> None:
    return


def _read_values(reader: fl.MetadataRecordBatchReader, sql: str) -> BoundText:
    """Read the one row of values that a client binds; ADBC sends it in one batch."""
    row: pa.RecordBatch | None = None
    for chunk in reader:
        batch = chunk.data
        if batch is None or batch.num_rows == 0:
            continue
        if row is not None or batch.num_rows > 1:
            raise InvalidRequest("Bind one row of values at a time.")
        if batch.nbytes > _BOUND_BYTES_MAX:
            raise InvalidRequest(f"The values take more than {_BOUND_BYTES_MAX} bytes.")
        row = batch
    if row is None:
        raise InvalidRequest("No values were bound.")
    return bind(sql, row)


def _info(
    schema: pa.Schema,
    descriptor: fl.FlightDescriptor,
    ticket: bytes,
    *,
    row_count: int = -1,
    size_bytes: int = -1,
    app_metadata: bytes = b"",
) -> fl.FlightInfo:
    # No location: the rows are where the client asked.
    endpoint = fl.FlightEndpoint(ticket, [])
    return fl.FlightInfo(
        schema, descriptor, [endpoint], row_count, size_bytes, app_metadata=app_metadata
    )


def _numbered(call: Call, query: str) -> str:
    """Number the placeholders of a statement that is not too long to be looked at."""
    check_text(call.engine, query)
    return number_placeholders(query)


def _run_of(answer: QueryAnswer) -> bytes:
    """Write what HTTP answers with: the ids of the run and, if it is kept, of the result."""
    return orjson.dumps({"query_run_id": answer.run_id, "result_id": answer.result_id})
