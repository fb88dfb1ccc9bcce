"""The commands of Flight SQL that a reader needs, as the bytes of their Protocol Buffers.

Source: ``format/FlightSql.proto`` of Apache Arrow. Three messages with fields of text are too little
for a dependency on a Protocol Buffers library and on generated code.
"""

_PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."
_LENGTH_DELIMITED = 2
_TRUE = b"\x01"


def statement_query(sql: str) -> bytes:
    """Ask for the rows of a statement; the server runs it for ``GetFlightInfo``."""
    return _command("CommandStatementQuery", _text(1, sql))


def sql_info() -> bytes:
    """Ask for the name of the server: what every server can answer."""
    return _command("CommandGetSqlInfo", _field(1, b"\x00"))


def tables(
    *,
    catalog: str | None,
    schema_pattern: str | None,
    table_pattern: str | None,
    with_columns: bool,
) -> bytes:
    """Ask for tables: columns catalog, schema, name, type and, if asked for, Arrow schema.

    Args:
        catalog: exactly this one.
        schema_pattern: as of LIKE, with ``%`` and ``_``.
        table_pattern: likewise.
        with_columns: with the fifth column, the serialized schema.
    """
    given = ((1, catalog), (2, schema_pattern), (3, table_pattern))
    body = b"".join(_text(number, value) for number, value in given if value is not None)
    if with_columns:
        body += _key(5, 0) + _TRUE
    return _command("CommandGetTables", body)


def _command(name: str, body: bytes) -> bytes:
    """Wrap a message in ``google.protobuf.Any``."""
    return _text(1, _PREFIX + name) + _field(2, body)


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _field(number: int, value: bytes) -> bytes:
    return _key(number, _LENGTH_DELIMITED) + _varint(len(value)) + value


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
