"""The messages of Flight SQL and of Flight's own actions that clients send and get.

Names and numbers are those of ``format/FlightSql.proto`` and ``format/Flight.proto`` in apache/arrow.
Messages of Flight SQL travel inside a ``google.protobuf.Any`` that names them; those of Flight do not.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from engine.errors import InvalidRequest
from server.flight.protobuf import (
    Packed,
    data,
    flag,
    integer,
    integers,
    many_data,
    optional_integer,
    optional_text,
    read_message,
    text,
    texts,
    write_message,
)

M = TypeVar("M")

_PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."
_NAME_CHARS_MAX = 80


class CommandUnsupported(InvalidRequest):
    """The command is not supported."""


@dataclass(frozen=True, slots=True)
class CommandStatementQuery:
    """One statement to run."""

    query: str = text(1)
    transaction_id: bytes = data(2)


@dataclass(frozen=True, slots=True)
class CommandPreparedStatementQuery:
    """A prepared statement to run, or to bind parameters to."""

    prepared_statement_handle: bytes = data(1)


@dataclass(frozen=True, slots=True)
class CommandStatementUpdate:
    """A statement that changes something: refused, because Tidemill only reads."""

    query: str = text(1)


@dataclass(frozen=True, slots=True)
class CommandPreparedStatementUpdate:
    """A prepared statement that changes something: refused as well."""

    prepared_statement_handle: bytes = data(1)


@dataclass(frozen=True, slots=True)
class CommandStatementIngest:
    """A bulk insert: refused as well."""

    table: str = text(2)


@dataclass(frozen=True, slots=True)
class CommandStatementSubstraitPlan:
    """A Substrait plan: not supported."""

    plan: bytes = data(1)


@dataclass(frozen=True, slots=True)
class TicketStatementQuery:
    """What redeems the rows of one run, once."""

    statement_handle: bytes = data(1)


@dataclass(frozen=True, slots=True)
class CommandGetCatalogs:
    """List catalogs."""


@dataclass(frozen=True, slots=True)
class CommandGetDbSchemas:
    """List schemas; the catalog is a name, the schema a pattern as of LIKE."""

    catalog: str | None = optional_text(1)
    db_schema_filter_pattern: str | None = optional_text(2)


@dataclass(frozen=True, slots=True)
class CommandGetTables:
    """List tables; the catalog is a name, schema and table are patterns as of LIKE."""

    catalog: str | None = optional_text(1)
    db_schema_filter_pattern: str | None = optional_text(2)
    table_name_filter_pattern: str | None = optional_text(3)
    table_types: tuple[str, ...] = texts(4)
    include_schema: bool = flag(5)


@dataclass(frozen=True, slots=True)
class CommandGetTableTypes:
    """List the types of tables there are."""


@dataclass(frozen=True, slots=True)
class CommandGetSqlInfo:
    """Describe the server; no numbers mean all."""

    info: tuple[int, ...] = integers(1)


@dataclass(frozen=True, slots=True)
class CommandGetXdbcTypeInfo:
    """List the types of SQL as JDBC and ODBC number them."""

    data_type: int | None = optional_integer(1)


@dataclass(frozen=True, slots=True)
class CommandGetPrimaryKeys:
    """List primary keys."""

    catalog: str | None = optional_text(1)
    db_schema: str | None = optional_text(2)
    table: str = text(3)


@dataclass(frozen=True, slots=True)
class CommandGetExportedKeys:
    """List the foreign keys that refer to a table."""

    catalog: str | None = optional_text(1)
    db_schema: str | None = optional_text(2)
    table: str = text(3)


@dataclass(frozen=True, slots=True)
class CommandGetImportedKeys:
    """List the foreign keys of a table."""

    catalog: str | None = optional_text(1)
    db_schema: str | None = optional_text(2)
    table: str = text(3)


@dataclass(frozen=True, slots=True)
class CommandGetCrossReference:
    """List the foreign keys of one table that refer to another."""

    pk_catalog: str | None = optional_text(1)
    pk_db_schema: str | None = optional_text(2)
    pk_table: str = text(3)
    fk_catalog: str | None = optional_text(4)
    fk_db_schema: str | None = optional_text(5)
    fk_table: str = text(6)


@dataclass(frozen=True, slots=True)
class ActionCreatePreparedStatementRequest:
    """Prepare a statement."""

    query: str = text(1)
    transaction_id: bytes = data(2)


@dataclass(frozen=True, slots=True)
class ActionCreatePreparedStatementResult:
    """A prepared statement; both schemas are IPC messages, empty when not known."""

    prepared_statement_handle: bytes = data(1)
    dataset_schema: bytes = data(2)
    parameter_schema: bytes = data(3)


@dataclass(frozen=True, slots=True)
class ActionClosePreparedStatementRequest:
    """Forget a prepared statement."""

    prepared_statement_handle: bytes = data(1)


@dataclass(frozen=True, slots=True)
class DoPutPreparedStatementResult:
    """The answer to a bind: the handle to execute with."""

    prepared_statement_handle: bytes = data(1)


@dataclass(frozen=True, slots=True)
class ActionCancelQueryRequest:
    """Cancel a run, the old way; ``info`` is the :class:`FlightInfo` in its bytes."""

    info: bytes = data(1)


@dataclass(frozen=True, slots=True)
class ActionCancelQueryResult:
    """1 = cancelled, 2 = being cancelled, 3 = cannot be."""

    result: int = integer(1)


@dataclass(frozen=True, slots=True)
class CancelFlightInfoRequest:
    """Cancel a run; ``info`` is the :class:`FlightInfo` in its bytes."""

    info: bytes = data(1)


@dataclass(frozen=True, slots=True)
class CancelFlightInfoResult:
    """1 = cancelled, 2 = being cancelled, 3 = cannot be."""

    status: int = integer(1)


@dataclass(frozen=True, slots=True)
class _FlightInfo:
    endpoints: tuple[bytes, ...] = many_data(3)


@dataclass(frozen=True, slots=True)
class _FlightEndpoint:
    ticket: bytes = data(1)


@dataclass(frozen=True, slots=True)
class _Ticket:
    ticket: bytes = data(1)


Command = (
    CommandStatementQuery
    | CommandPreparedStatementQuery
    | CommandStatementUpdate
    | CommandPreparedStatementUpdate
    | CommandStatementIngest
    | CommandStatementSubstraitPlan
    | TicketStatementQuery
    | CommandGetCatalogs
    | CommandGetDbSchemas
    | CommandGetTables
    | CommandGetTableTypes
    | CommandGetSqlInfo
    | CommandGetXdbcTypeInfo
    | CommandGetPrimaryKeys
    | CommandGetExportedKeys
    | CommandGetImportedKeys
    | CommandGetCrossReference
)
_COMMANDS: dict[str, Any] = {each.__name__: each for each in Command.__args__}


def read_command(encoded: bytes) -> Command:
    """Read the command of a descriptor or a ticket.

    Raises:
        MalformedMessage: the bytes are no message.
        CommandUnsupported: it is none of Flight SQL, or one that Tidemill does not know.
    """
    packed = read_message(Packed, encoded)
    name = packed.type_url.removeprefix(_PREFIX)
    known = _COMMANDS.get(name)
    if known is None:
        raise CommandUnsupported(f"The command '{name[:_NAME_CHARS_MAX]}' is not supported.")
    command: Command = read_message(known, packed.value)
    return command


def unpack(message: type[M], encoded: bytes) -> M:
    """Read the one message that an action takes out of its ``Any``.

    Raises:
        InvalidRequest: it is malformed, or another message.
    """
    packed = read_message(Packed, encoded)
    if packed.type_url.removeprefix(_PREFIX) != message.__name__:
        raise InvalidRequest(f"The action takes a message '{message.__name__}'.")
    return read_message(message, packed.value)


def pack(message: Any) -> bytes:  # noqa: ANN401 - any message of Flight SQL
    """Write a message of Flight SQL inside an ``Any``.

    >>> read_command(pack(CommandGetDbSchemas(catalog="datasets"))).catalog
    'datasets'
    """
    return write_message(Packed(_PREFIX + type(message).__name__, write_message(message)))


def tickets_of(info: bytes) -> tuple[bytes, ...]:
    """Return the tickets of a serialized ``FlightInfo``."""
    endpoints = read_message(_FlightInfo, info).endpoints
    tickets = [read_message(_FlightEndpoint, each).ticket for each in endpoints]
    return tuple(read_message(_Ticket, each).ticket for each in tickets)
