"""A small Flight SQL server for tests, over Arrow tables of any type.

It speaks the real protocol through pyarrow.flight, so that the ADBC driver reads it as well; its SQL
is one SELECT of columns with at most ``WHERE column > literal`` and ``LIMIT``. What is in a table
called ``breaks`` fails after the first batch.
"""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as fl
import sqlglot
from sqlglot import exp
from typing_extensions import override

from tests.connectors.sources.clickhouse_server import write_certificate

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."
USER, PASSWORD, TOKEN = "analyst", "pa:ss 'wörd'", "bearer-of-a-test"
BATCH_ROWS = 100

CATALOGS = pa.schema([pa.field("catalog_name", pa.string(), nullable=False)])
SCHEMAS = pa.schema(
    [pa.field("catalog_name", pa.string()), pa.field("db_schema_name", pa.string(), nullable=False)]
)
TABLES = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("table_type", pa.string(), nullable=False),
    ]
)
TABLE_TYPES = pa.schema([("table_type", pa.string())])
SQL_INFO = pa.schema(
    [
        ("info_name", pa.uint32()),
        (
            "value",
            pa.dense_union(
                [
                    pa.field("string_value", pa.string()),
                    pa.field("bool_value", pa.bool_()),
                    pa.field("bigint_value", pa.int64()),
                    pa.field("int32_bitmask", pa.int32()),
                    pa.field("string_list", pa.list_(pa.string())),
                    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
                ]
            ),
        ),
    ]
)


@dataclass
class State:
    """What a server holds, may be asked, and was asked."""

    tables: dict[tuple[str | None, str | None, str], pa.Table]
    kinds: dict[str, str] = field(default_factory=dict)
    described: dict[str, pa.Schema] = field(default_factory=dict)
    """Other columns than the table has, by its name; a CAST is taken for done."""
    dialect: str = ""
    login: str = "none"
    """``none``, ``token`` after a handshake, or ``basic`` with every call."""
    locations: list[str] = field(default_factory=list)
    """Where all tickets are said to be redeemed."""
    reads: int = 0
    databases: set[str] = field(default_factory=set)


def read_message(data: bytes) -> dict[int, Any]:
    """Read a message of Protocol Buffers with fields of text and numbers; the last of a number."""
    fields: dict[int, Any] = {}
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        key = varint()
        value: Any = varint()
        if key & 7 == 2:
            value, position = data[position : position + value], position + value
        fields[key >> 3] = value
    return fields


def text_field(number: int, value: bytes) -> bytes:
    assert len(value) < 1 << 14
    size = bytes([len(value) & 0x7F | 0x80, len(value) >> 7])
    return bytes([number << 3 | 2]) + size + value


def wrapped(name: str, body: bytes) -> bytes:
    return text_field(1, (PREFIX + name).encode()) + text_field(2, body)


class FlightSqlServer(fl.FlightServerBase):
    def __init__(self, state: State, **options: Any) -> None:
        self.state = state
        # Flight offers its handshake only with a handler, and a handler wants handshakes.
        if state.login == "token":
            options["auth_handler"] = Handshakes()
        super().__init__(middleware={"gate": Gate(state)}, **options)

    @override
    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        table, _ = self._answer(descriptor.command)
        endpoint = fl.FlightEndpoint(descriptor.command, [*self.state.locations])
        return fl.FlightInfo(table.schema, descriptor, [endpoint], -1, -1)

    @override
    def do_get(self, context: Any, ticket: Any) -> Any:
        self.state.reads += 1
        table, breaks = self._answer(ticket.ticket)
        # A generator may fail, but does not send dictionaries.
        stream = fl.GeneratorStream(table.schema, broken(table)) if breaks else None
        return stream or fl.RecordBatchStream(table)

    @override
    def do_action(self, context: Any, action: Any) -> Any:
        request = read_message(read_message(action.body.to_pybytes())[2])
        if action.type == "CreatePreparedStatement":
            table, _ = self._query(request[1].decode())
            result = text_field(1, request[1]) + text_field(
                2, table.schema.serialize().to_pybytes()
            )
            return [fl.Result(wrapped("ActionCreatePreparedStatementResult", result))]
        return []

    def _answer(self, command: bytes) -> tuple[pa.Table, bool]:
        """Return the rows of a command, and whether they break off."""
        message = read_message(command)
        name = message[1].decode().removeprefix(PREFIX)
        request = read_message(message.get(2, b""))
        if name in {"CommandStatementQuery", "CommandPreparedStatementQuery"}:
            return self._query(request[1].decode())
        if name == "CommandGetTables":
            table = self._tables(request)
        elif name == "CommandGetDbSchemas":
            table = self._listed(SCHEMAS)
        elif name == "CommandGetCatalogs":
            table = self._listed(CATALOGS)
        elif name == "CommandGetTableTypes":
            table = pa.table({"table_type": ["TABLE", "VIEW"]}, TABLE_TYPES)
        elif name == "CommandGetSqlInfo":
            table = SQL_INFO.empty_table()
        else:
            raise NotImplementedError(name)
        return table, False

    def _listed(self, schema: pa.Schema) -> pa.Table:
        keys = sorted({key[: len(schema)] for key in self.state.tables}, key=str)
        return pa.Table.from_pylist([dict(zip(schema.names, k, strict=True)) for k in keys], schema)

    def _tables(self, request: dict[int, Any]) -> pa.Table:
        rows = [
            {
                "catalog_name": catalog,
                "db_schema_name": schema,
                "table_name": name,
                "table_type": self.state.kinds.get(name, "TABLE"),
                "table_schema": self.state.described.get(name, table.schema)
                .serialize()
                .to_pybytes(),
            }
            for (catalog, schema, name), table in self.state.tables.items()
            if request.get(1, (catalog or "").encode()).decode() == (catalog or "")
            and is_like(schema or "", request.get(2))
            and is_like(name, request.get(3))
        ]
        shape = TABLES
        if request.get(5):
            shape = TABLES.append(pa.field("table_schema", pa.binary(), nullable=False))
        return pa.Table.from_pylist(rows, shape)

    def _query(self, sql: str) -> tuple[pa.Table, bool]:
        parsed: Any = sqlglot.parse_one(sql, dialect=self.state.dialect)
        place = parsed.find(exp.Table)
        key = (place.catalog or None, place.db or None, place.name)
        if key not in self.state.tables:
            raise fl.FlightServerError(f"table {key} not found")
        table = self.state.tables[key]
        where = parsed.find(exp.GT)
        if where is not None:
            column, given = table[where.this.name], where.expression
            sign = "-" if isinstance(given, exp.Neg) else ""
            limit = pa.scalar(sign + given.name).cast(column.type)
            # Neither filter nor take know all types, but any table can be sliced.
            kept = [row for row, keep in enumerate(pc.greater(column, limit).to_pylist()) if keep]
            slices = [table.slice(row, 1) for row in kept]
            table = pa.concat_tables([table.slice(0, 0), *slices])
        if not isinstance(parsed.selects[0], exp.Star):
            table = table.select([each.find(exp.Column).name for each in parsed.selects])
        rows = parsed.find(exp.Limit)
        if rows is not None:
            table = table.slice(0, int(rows.expression.name))
        return table, place.name == "breaks"


def broken(table: pa.Table) -> Iterator[pa.RecordBatch]:
    yield from table.slice(0, BATCH_ROWS).to_batches()
    raise fl.FlightServerError("the disk is gone")


class Gate(fl.ServerMiddlewareFactory):
    """Lets in who has the password or the token."""

    def __init__(self, state: State) -> None:
        self._state = state

    @override
    def start_call(self, info: Any, headers: dict[str, Any]) -> Any:
        self._state.databases.update(headers.get("database", []))
        if self._state.login == "none":
            return None
        scheme, _, given = headers.get("authorization", [" "])[0].partition(" ")
        if scheme == "Bearer" and given == TOKEN:
            return None
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if scheme == "Basic" and given == expected:
            return Bearer() if self._state.login == "token" else None
        raise fl.FlightUnauthenticatedError(f"no entry with '{given}'")


class Bearer(fl.ServerMiddleware):
    @override
    def sending_headers(self) -> Any:
        return {"authorization": f"Bearer {TOKEN}"}


class Handshakes(fl.ServerAuthHandler):
    """Leaves the judgement to the headers."""

    @override
    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        return

    @override
    def is_valid(self, token: Any) -> Any:
        return b""


def is_like(value: str, pattern: bytes | None) -> bool:
    if pattern is None:
        return True
    found = pc.match_like(pa.array([value]), pattern.decode())
    return bool(found[0].as_py())


@dataclass(frozen=True)
class Running:
    """A server that runs: its URI, its certificate when it has one, and what it knows."""

    uri: str
    certificate: str
    state: State


@contextmanager
def running(state: State, folder: Path, *, with_tls: bool = False) -> Iterator[Running]:
    """Run a server on a free port of the loopback address; its certificate is for ``localhost``."""
    certificate = ""
    options: dict[str, Any] = {"location": "grpc+tcp://127.0.0.1:0"}
    if with_tls:
        certificate = write_certificate(folder / "flight.pem", "localhost")
        key = (folder / "flight.pem").read_text().removesuffix(certificate)
        options = {
            "location": "grpc+tls://127.0.0.1:0",
            "tls_certificates": [(certificate.encode(), key.encode())],
        }
    server = FlightSqlServer(state, **options)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        scheme, host = ("grpc+tls", "localhost") if with_tls else ("grpc", "127.0.0.1")
        yield Running(f"{scheme}://{host}:{server.port}", certificate, state)
    finally:
        server.shutdown()
        thread.join()
